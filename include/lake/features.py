"""The feature table: a Delta table with one partition per month; a nightly run replaces the newest months."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from include.core.errors import LakeError, PublishConflict
from include.core.sql_text import literal
from include.lake.tables import build_properties, dataset, dataset_of, first_line, open_table, write_table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import pyarrow as pa
    from deltalake import DeltaTable
    from pyarrow.compute import Expression
    from pyarrow.dataset import Dataset

    from include.core.json_value import JsonValue

#: The partition column: the first day of a row's month. Readers do not see it.
MONTH = "nightshift_month"
_ABOUT = "nightshift.about"

#: Operations that leave the rows as they are.
_UPKEEP = ("OPTIMIZE", "VACUUM START", "VACUUM END")


@dataclass(frozen=True)
class FeatureBuild:
    """A version of a feature table.

    Attributes
    ----------
    build
        Digest of everything that the rows were made from.
    about
        JSON document that the build stored with its commit.
    """

    version: int
    build: str
    about: Mapping[str, JsonValue]


class FeatureRows:
    """A feature table at its newest version, opened once; writing to it fails if another run has written since."""

    def __init__(self, table: DeltaTable, commits: int = 50) -> None:
        self._table = table
        self._history = table.history(commits)

    def find(self, build: str) -> FeatureBuild | None:
        """Return the version that a build made, or None if it is not among the newest commits."""
        return next((found for found in map(_build_of, self._history) if found and found.build == build), None)

    def newest(self) -> FeatureBuild | None:
        """Return the build that made the newest rows, or None where something other than a build did."""
        changed = (commit for commit in self._history if commit["operation"] not in _UPKEEP)
        return _build_of(next(changed, {}))

    def read(self, since: datetime, before: datetime, columns: list[str] | None = None) -> pa.Table:
        """Return the rows with since <= `prediction_time` < before, in the order of the files."""
        import pyarrow.dataset as ds

        months = f"{MONTH} >= {literal(_month(since))} AND {MONTH} <= {literal(_month(before))}"
        time = ds.field("prediction_time")
        return _read(dataset_of(self._table, True, months), (time >= since) & (time < before), columns)

    def replace(self, since: datetime, rows: pa.Table, build: str, about: Mapping[str, JsonValue]) -> int:
        """Replace the month of `since` and all later ones, in one commit, and return the new version.

        Parameters
        ----------
        rows
            All rows of these months, in order.

        Raises
        ------
        PublishConflict, LakeError
            If the rows cannot be replaced; the table is unchanged.
        """
        from deltalake import write_deltalake
        from deltalake.exceptions import CommitFailedError, DeltaError

        uri = self._table.table_uri
        try:
            write_deltalake(
                self._table,
                _with_month(rows).combine_chunks(),
                mode="overwrite",
                predicate=f"{MONTH} >= {literal(_month(since))}",
                commit_properties=build_properties(build, {_ABOUT: json.dumps(about)}),
            )
        except CommitFailedError as error:
            raise PublishConflict(
                f"{uri}: another run built features at the same time and its version was kept; run this task again"
            ) from error
        except (DeltaError, OSError) as error:
            raise LakeError(
                f"{uri}: the rows since {since:%Y-%m-%d} could not be written ({first_line(error)}); the table is "
                "unchanged; check the lake's permissions and free space, then run this task again"
            ) from error
        return self._table.version()


def open_features(uri: str) -> FeatureRows | None:
    """Open a feature table at its newest version, or return None where there is none yet."""
    table = open_table(uri)
    return None if table is None else FeatureRows(table)


def write_features(uri: str, rows: pa.Table, build: str, about: Mapping[str, JsonValue]) -> int:
    """Replace a whole feature table, columns included, and return the new version."""
    return write_table(uri, _with_month(rows), build, {_ABOUT: json.dumps(about)}, [MONTH]).version


def read_features(uri: str, version: int, since: datetime | None = None) -> pa.Table:
    """Return a version of a feature table from a `prediction_time` on, month by month in the order of writing."""
    import pyarrow.dataset as ds

    return _read(dataset(uri, version), None if since is None else ds.field("prediction_time") >= since)


def _build_of(commit: Mapping[str, Any]) -> FeatureBuild | None:
    if "nightshift.build" not in commit:
        return None
    return FeatureBuild(int(commit["version"]), commit["nightshift.build"], json.loads(commit.get(_ABOUT) or "{}"))


def _read(found: Dataset, condition: Expression | None, columns: list[str] | None = None) -> pa.Table:
    """Return rows in the order of their months; the paths of the files begin with the month."""
    from pyarrow.dataset import FileSystemDataset

    fragments = sorted(found.get_fragments(), key=lambda fragment: fragment.path)
    in_order = FileSystemDataset(fragments, found.schema, found.format, found.filesystem)
    columns = columns or [name for name in found.schema.names if name != MONTH]
    return in_order.to_table(columns=columns, filter=condition)


def _month(time: datetime) -> str:
    return f"{time:%Y-%m}-01"


def _with_month(rows: pa.Table) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    month = pc.floor_temporal(rows["prediction_time"], unit="month")
    return rows.append_column(MONTH, month.cast(pa.date32()).cast(pa.string()))
