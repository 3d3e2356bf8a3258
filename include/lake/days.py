"""The days of a raw or quarantine table: which are there, what each holds, and reading and replacing some.

`RawTable` answers from metadata. `include.lake.publication` publishes batches into raw tables, and
`include.lake.daily` publishes the one day of a result table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.core.errors import LakeError, PublishConflict
from include.core.sql_text import literal
from include.lake.tables import PROPERTIES, dataset_of, existing_table, first_line, open_table, reopened

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    import pyarrow as pa
    from deltalake import DeltaTable
    from pyarrow.dataset import Dataset


@dataclass(frozen=True)
class Partition:
    """One published day of a raw table: its day, the batch it came from, and its rows."""

    ds: str
    batch: str | None
    rows: int


class RawTable:
    """A raw table that is opened once for many questions, because opening a table of thousands of days is slow.

    All answers are about the version that was the newest at the last `refresh`. Before the first refresh, and where
    there is no table yet, it has no days.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.table: DeltaTable | None = None

    @classmethod
    def of(cls, table: DeltaTable) -> RawTable:
        """Return an opened table, without opening it again."""
        raw = cls(table.table_uri)
        raw.table = table
        return raw

    def refresh(self) -> RawTable:
        """Open the table, or bring it up to date with later commits."""
        self.table = open_table(self.uri) if self.table is None else reopened(self.table)
        return self

    @property
    def version(self) -> int | None:
        """The version of the table, or None where there is no table yet."""
        return None if self.table is None else int(self.table.version())

    def partitions(self, column: str = "ds", days: Collection[str] | None = None) -> dict[str, Partition]:
        """Return the days that have rows, by day, from metadata where possible.

        The batch is None for a day with rows of several batches. The columns `batch` and `column` are read from
        files with rows of several days, because the statistics of such a file do not separate them.

        Parameters
        ----------
        column
            Column with the day: `ds` for the day of a row, `delivered` for the day on which it came.
        days
            The days to return; None means all.
        """
        return {} if self.table is None else days_of(self.table, column, days)

    def newest_partition(self, column: str = "ds") -> Partition | None:
        """Return the newest day that has rows, or None where there is none."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if self.table is None:
            return None
        actions = pa.table(self.table.get_add_actions(flatten=True))
        high = "partition.ds" if column == "ds" else f"max.{column}"
        if high not in actions.column_names or not actions.num_rows:
            return None
        newest = pc.max(actions[high]).as_py()
        return self.partitions(column, {newest}).get(newest)

    def published_at(self, days: Iterable[str]) -> dict[str, int]:
        """Return the moment of the current publication of each day that was published.

        The moments come from the table's application transactions, so days without rows have one too.

        Returns
        -------
        dict of str to int
            Microseconds since 1970 by ISO day, as they were passed to `publish_days`.
        """
        if self.table is None:
            return {}
        found = {ds: self.table.transaction_version(transaction_of(ds)) for ds in days}
        return {ds: moment for ds, moment in found.items() if moment is not None}


def partitions(uri: str, column: str = "ds", days: Collection[str] | None = None) -> dict[str, Partition]:
    """Return `RawTable.partitions` of the newest version of a table."""
    return RawTable(uri).refresh().partitions(column, days)


def published_at(uri: str, days: Iterable[str]) -> dict[str, int]:
    """Return `RawTable.published_at` of the newest version of a table."""
    return RawTable(uri).refresh().published_at(days)


def read_days(uri: str, column: str, days: list[str] | None = None) -> pa.Table | None:
    """Return the rows of some days (None: of all days), or None where there is no table yet."""
    import pyarrow.dataset as ds

    table = open_table(uri)
    if table is None:
        return None
    condition = None if days is None else (ds.field(column) >= days[0]) & (ds.field(column) <= days[-1])
    return dataset_of(table, True).to_table(filter=condition)


def replace_days(uri: str, rows: pa.Table, column: str, days: list[str], version: int | None) -> None:
    """Replace some days of a table that is partitioned by `column`, in one commit.

    Parameters
    ----------
    version
        The version that the rows were made from, None where there was no table. If another run has changed these
        days since, the replacement fails.

    Raises
    ------
    PublishConflict, LakeError
        If the days cannot be replaced; the table is unchanged.
    """
    from deltalake import DeltaTable, write_deltalake
    from deltalake.exceptions import CommitFailedError, DeltaError

    try:
        DeltaTable.create(uri, schema=rows.schema, partition_by=[column], mode="ignore", configuration=PROPERTIES)
        table = existing_table(uri, version or 0)
        write_deltalake(table, rows.combine_chunks(), mode="overwrite", predicate=days_predicate(column, days))
    except CommitFailedError as error:
        raise PublishConflict(
            f"{uri}: another run changed the same days at the same time and its change was kept; run this task again"
        ) from error
    except (DeltaError, OSError) as error:
        raise LakeError(
            f"{uri}: the days {days[0]} to {days[-1]} could not be written ({first_line(error)}); the table is "
            "unchanged; check the lake's permissions and free space, then run this task again"
        ) from error


def transaction_of(ds: str) -> str:
    """Return the name of the application transaction that keeps the moment of a day's publication."""
    return f"day={ds}"


def days_of(table: DeltaTable, column: str, days: Collection[str] | None = None) -> dict[str, Partition]:
    """Return the days of an opened raw table that have rows, as `RawTable.partitions` does."""
    found: dict[str, Partition] = {}
    for ds, batch, rows in _pieces(table, column, days):
        before = found.get(ds)
        if before is not None:
            found[ds] = Partition(ds, batch if before.batch == batch else None, before.rows + rows)
        else:
            found[ds] = Partition(ds, batch, rows)
    return dict(sorted(found.items()))


def days_predicate(column: str, days: list[str]) -> str:
    """Return the SQL condition that selects days; consecutive days become a range, which is faster than a list."""
    from datetime import date, timedelta

    runs: list[list[str]] = []
    for ds in days:
        follows = runs and date.fromisoformat(runs[-1][1]) + timedelta(days=1) == date.fromisoformat(ds)
        if follows:
            runs[-1][1] = ds
        else:
            runs.append([ds, ds])
    return " OR ".join(f"({column} >= {literal(first)} AND {column} <= {literal(last)})" for first, last in runs)


def _pieces(table: DeltaTable, column: str, days: Collection[str] | None) -> Iterator[tuple[str, str | None, int]]:
    """Yield day, batch and number of rows of each part of a raw table, from metadata where possible."""
    import pyarrow as pa
    import pyarrow.compute as pc

    actions = pa.table(table.get_add_actions(flatten=True))
    low, high = ("partition.ds", "partition.ds") if column == "ds" else (f"min.{column}", f"max.{column}")
    names = dict.fromkeys(["path", "num_records", "min.batch", "max.batch", low, high])
    actions = actions.select([name for name in names if name in actions.column_names])
    if days is not None and low in actions.column_names:
        # a table of years has thousands of files, and a nightly run needs few days
        before, after = (pc.less(actions[high], min(days, default="")), pc.greater(actions[low], max(days, default="")))
        actions = actions.filter(pc.invert(pc.fill_null(pc.or_(before, after), False)))
    mixed = []
    for action in actions.to_pylist():
        batch = action.get("min.batch") if action.get("min.batch") == action.get("max.batch") else None
        ds = action.get(low)
        if ds != action.get(high):
            mixed.append(action["path"])
        elif ds is not None and (days is None or ds in days):
            yield ds, batch, action["num_records"]
    if mixed:
        rows = _some_files(table, set(mixed)).to_table(columns=[column, "batch"])
        counted = rows.group_by([column, "batch"]).aggregate([([], "count_all")])
        for each in counted.to_pylist():
            if days is None or each[column] in days:
                yield each[column], each["batch"], each["count_all"]


def _some_files(table: DeltaTable, paths: set[str]) -> Dataset:
    """Return some of a table's files as an Arrow dataset."""
    from pyarrow.dataset import FileSystemDataset

    whole = dataset_of(table, True)
    fragments = [fragment for fragment in whole.get_fragments() if fragment.path in paths]
    return FileSystemDataset(fragments, whole.schema, whole.format, whole.filesystem)
