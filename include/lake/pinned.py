"""A raw table at the version that a run reads, and what changed in it since an older version."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from include.core.sql_text import literal
from include.lake.tables import dataset_of, filesystem_of, open_pinned

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from deltalake import DeltaTable
    from pyarrow.dataset import Dataset
    from pyarrow.fs import FileSystem


@dataclass(frozen=True)
class DayChange:
    """Rows of a day that came or went.

    Attributes
    ----------
    replaced
        Whether the day had rows before.
    known_from
        The smallest `available_at` among the rows that came and those that went, naive and in UTC; None where
        none of them has one.
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
        """What tells the table from another that is made at the same address once this one is gone."""
        return str(self._table.metadata().id)

    def dataset(self, since: date | None = None) -> Dataset:
        """Return its rows as an Arrow dataset, which is read lazily.

        Parameters
        ----------
        since
            The oldest day whose files are needed: thousands of files take a while to be told of.
        """
        return dataset_of(self._table, self._newest, f"ds >= {literal(since.isoformat())}" if since else None)

    def changes_since(self, version: int) -> list[DayChange] | None:
        """Return what changed since an older version, or None where its log does not tell it any more.

        It is read from the log's commits between the two; a merge of files changes nothing.
        """
        if version == self.version:
            return []
        if version > self.version:
            return None
        try:
            return _changes(self._table, filesystem_of(self._table), version)
        except FileNotFoundError:
            return None


def _changes(table: DeltaTable, system: FileSystem, version: int) -> list[DayChange]:
    import pyarrow as pa

    actions = list(_data_actions(system, version, table.version()))
    added = {action["path"] for kind, action in actions if kind == "add"}
    files = pa.table(table.get_add_actions(flatten=True)).select(["path", "partition.ds"]).to_pylist()
    before = {file["partition.ds"] for file in files if file["path"] not in added} | {
        action["partitionValues"]["ds"] for kind, action in actions if kind == "remove" and action["path"] not in added
    }
    days = [(action["partitionValues"]["ds"], action) for _, action in actions]
    return [DayChange(ds, ds in before, _known_from(system, action)) for ds, action in days]


def _data_actions(system: FileSystem, after: int, through: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the files that came (`add`) and went (`remove`) with the commits of a log, but for mere merges.

    The lake never removes commits of a log (`delta.enableExpiredLogCleanup`), and Delta's protocol fixes their form.
    """
    for version in range(after + 1, through + 1):
        with system.open_input_file(f"_delta_log/{version:020}.json") as commit:
            for line in commit.read().splitlines():
                for kind, action in json.loads(line).items():
                    if kind in ("add", "remove") and action["dataChange"]:
                        yield kind, action


def _known_from(system: FileSystem, action: dict[str, Any]) -> datetime | None:
    """Return the smallest `available_at` of a file; its statistics have it, unless the table is a wide one."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    least = json.loads(action.get("stats") or "{}").get("minValues", {}).get("available_at")
    if least is None:
        with system.open_input_file(unquote(action["path"])) as file:
            least = pc.min(pq.read_table(file, columns=["available_at"])["available_at"]).as_py()
        return None if least is None else least.replace(tzinfo=None)
    return datetime.fromisoformat(least).replace(tzinfo=None)
