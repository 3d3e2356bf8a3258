"""A raw table at the version that a run reads, and its changes since an older version."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote

from include.core.sql_text import literal
from include.lake.table_folder import filesystem_of
from include.lake.tables import dataset_of, open_pinned

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from deltalake import DeltaTable
    from pyarrow.dataset import Dataset
    from pyarrow.fs import FileSystem


@dataclass(frozen=True)
class DayChange:
    """Rows of a day that were added or removed.

    Attributes
    ----------
    replaced
        Whether the day had rows before.
    known_from
        The smallest `available_at` among the added and removed rows, naive and in UTC; None where no row has one.
    """

    ds: str
    replaced: bool
    known_from: datetime | None


class PinnedTable:
    """A raw table at one version, opened once."""

    def __init__(self, uri: str, version: int) -> None:
        self.uri, self.version = uri, version
        self._table, self._newest = open_pinned(uri, version)

    @property
    def identity(self) -> str:
        """The id of the table, which a later table at the same address does not share."""
        return str(self._table.metadata().id)

    def dataset(self, since: date | None = None) -> Dataset:
        """Return the rows as an Arrow dataset, which is read lazily.

        Parameters
        ----------
        since
            The oldest day whose files are needed; listing thousands of files is slow.
        """
        return dataset_of(self._table, self._newest, f"ds >= {literal(since.isoformat())}" if since else None)

    def changes_since(self, version: int) -> list[DayChange] | None:
        """Return the changes since an older version, or None where the log no longer covers them.

        They are read from the commits between the two versions; merging files is no change.
        """
        if version == self.version:
            return []
        if version > self.version:
            return None
        try:
            return _changes(self._table, filesystem_of(self._table), version)
        except FileNotFoundError:
            return None


@dataclass(frozen=True)
class _FileChange:
    """A file that a commit added or removed; `stats` is its JSON text of statistics."""

    kind: Literal["add", "remove"]
    path: str
    ds: str
    stats: str


def _changes(table: DeltaTable, system: FileSystem, version: int) -> list[DayChange]:
    import pyarrow as pa

    changes = list(_file_changes(system, version, table.version()))
    added = {change.path for change in changes if change.kind == "add"}
    files = pa.table(table.get_add_actions(flatten=True)).select(["path", "partition.ds"]).to_pylist()
    days_before = {file["partition.ds"] for file in files if file["path"] not in added}
    days_before |= {change.ds for change in changes if change.kind == "remove" and change.path not in added}
    return [DayChange(change.ds, change.ds in days_before, _known_from(system, change)) for change in changes]


def _file_changes(system: FileSystem, after: int, through: int) -> Iterator[_FileChange]:
    """Yield the files that commits added and removed, without those that were only merged.

    The lake never removes commits of a log (`delta.enableExpiredLogCleanup`), and Delta's protocol fixes their form.
    """
    for version in range(after + 1, through + 1):
        with system.open_input_file(f"_delta_log/{version:020}.json") as commit:
            for line in commit.read().splitlines():
                for kind, action in json.loads(line).items():
                    if kind in ("add", "remove") and action["dataChange"]:
                        yield _FileChange(
                            kind, action["path"], action["partitionValues"]["ds"], action.get("stats") or "{}"
                        )


def _known_from(system: FileSystem, change: _FileChange) -> datetime | None:
    """Return the smallest `available_at` of a file, from its statistics unless the table is too wide to have them."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    least = json.loads(change.stats).get("minValues", {}).get("available_at")
    if least is None:
        with system.open_input_file(unquote(change.path)) as file:
            least = pc.min(pq.read_table(file, columns=["available_at"])["available_at"]).as_py()
        return None if least is None else least.replace(tzinfo=None)
    return datetime.fromisoformat(least).replace(tzinfo=None)
