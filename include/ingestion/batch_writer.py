"""Writes the rows that a reader yields to the file of a staged batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.core.errors import LakeError, SchemaMismatch, SourceUnreadable
from include.ingestion import staged_file
from include.ingestion.arrow_types import empty_table
from include.ingestion.contract import check_all_seen, conform, delivered_kinds
from include.ingestion.days import some

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa

    from include.config.sources import Source
    from include.ingestion.source_reader import Chunk

#: Reading stops at this many times the rows that `rows_per_day.max` allows.
RUNAWAY = 10


class BatchWriter:
    """Writes the rows of one read, counts them by day, and records the kinds and changes of their columns."""

    def __init__(self, source: Source, chunks: Iterator[Chunk], days: list[str], where: str) -> None:
        self.source, self.chunks, self.days, self.where = source, chunks, days, where
        self.kinds: dict[str, list[str]] = {}
        self.changes: list[str] = []
        self.rows_by_day: dict[str, int] = {}
        self.outside: dict[str, int] = {}
        self.undated = 0

    def write(self, scratch: Path) -> int:
        """Write all rows to `delivered.parquet` and return how many there are."""
        schema = self._with_days(empty_table(self.source.columns)).schema
        try:
            rows = staged_file.write_rows(self._tables(), schema, scratch / "delivered.parquet")
        except OSError as error:
            raise LakeError(
                f"{self.where}: the rows could not be written to {scratch.parent} ({error.strerror or error}); make "
                "room there, or name a larger folder in TMPDIR, then run this task again; nothing was published"
            ) from error
        self._check_days(rows)
        return rows

    def sort(self, scratch: Path) -> str:
        """Write the rows by day and key to `sorted.parquet` and return the file's digest."""
        days = [] if self.source.arrives == "snapshot" else ["ds"]
        order = [*days, *self.source.key]
        return staged_file.sort_rows(scratch / "delivered.parquet", scratch / "sorted.parquet", order)

    def _tables(self) -> Iterator[pa.Table]:
        seen: set[str] = set()
        rows, most = 0, (self.source.rows_per_day.max or float("inf")) * len(self.days) * RUNAWAY
        for chunk in self.chunks:
            table, changes = conform(chunk.rows, self.source, chunk.where, sparse=self.source.sparse)
            seen.update(chunk.rows.column_names)
            self._record(changes)
            for name, kinds in delivered_kinds(chunk.rows, self.source).items():
                self.kinds[name] = sorted({*self.kinds.get(name, []), *kinds})
            rows += table.num_rows
            if rows > most:
                raise SourceUnreadable(
                    f"{self.where}: reading stopped after more than {most:,} rows, {RUNAWAY} times what rows_per_day "
                    "allows; correct the source, or rows_per_day in pipeline.yaml; nothing was published"
                )
            table = self._with_days(table, chunk.delivered)
            self._count(table)
            yield table
        if self.source.sparse and rows:
            self._record(check_all_seen(seen, self.source, self.where))

    def _record(self, changes: list[str]) -> None:
        self.changes += [change for change in changes if change not in self.changes]

    def _with_days(self, table: pa.Table, delivered: str | None = None) -> pa.Table:
        """Add the day of each row as `ds` and, if rows may arrive late, the day of its delivery as `delivered`."""
        source = self.source
        if source.arrives == "snapshot":
            return table
        column = source.day or source.available_at.column
        table = table.append_column("ds", self._day(table, column))
        if source.arrives == "append":
            import pyarrow as pa

            available = self._day(table, source.available_at.column)
            delivery_day = (
                available if delivered is None else pa.repeat(pa.scalar(delivered, pa.string()), table.num_rows)
            )
            table = table.append_column("delivered", delivery_day)
        return table

    def _day(self, table: pa.Table, column: str) -> pa.ChunkedArray:
        import pyarrow.compute as pc

        self.undated += table[column].null_count
        # ISO dates sort as text, so plain string predicates select partitions
        return pc.strftime(table[column], format="%Y-%m-%d")

    def _count(self, table: pa.Table) -> None:
        """Count the rows of each requested day and of other days."""
        if self.source.arrives == "snapshot":
            self.rows_by_day[self.days[-1]] = self.rows_by_day.get(self.days[-1], 0) + table.num_rows
            return
        for day, count in _count_days(table[self.source.slice_column]).items():
            into = self.rows_by_day if self.days[0] <= day <= self.days[-1] else self.outside
            into[day] = into.get(day, 0) + count
        if self.source.arrives == "append":
            for day, count in self._too_late(table["ds"], table["delivered"]).items():
                self.outside[day] = self.outside.get(day, 0) + count

    def _too_late(self, ds: pa.ChunkedArray, delivered: pa.ChunkedArray) -> dict[str, int]:
        """Count by day the rows that were delivered before their day or later than `late_days` allows."""
        import pyarrow as pa
        import pyarrow.compute as pc

        late = pc.days_between(ds.cast(pa.date32()), delivered.cast(pa.date32()))
        wrong = pc.or_(pc.less(late, 0), pc.greater(late, self.source.late_days))
        return _count_days(ds.filter(wrong))

    def _check_days(self, rows: int) -> None:
        source = self.source
        column = source.day or source.available_at.column
        if self.undated:
            named = f"'{column}'" if source.arrives != "append" else f"'{column}' or '{source.available_at.column}'"
            raise SchemaMismatch(
                f"{self.where}: {self.undated:,} of {rows:,} rows have no {named}, which says "
                "which day a row belongs to; correct the source; nothing was published"
            )
        if self.outside:
            allowed, remedy = "", "correct the file or the query's :start and :end"
            if source.arrives == "append":
                column = f"{column}' and '{source.available_at.column}"
                allowed = f", or are more than late_days ({source.late_days}) late"
                remedy = "correct the source or its query, or raise late_days in pipeline.yaml"
            raise SchemaMismatch(
                f"{self.where}: {sum(self.outside.values()):,} of {rows:,} rows belong to other days by their "
                f"'{column}' ({some(sorted(self.outside))}){allowed}; {remedy}; days are UTC, so a day of "
                "another time zone has rows of two days; nothing was published"
            )


def _count_days(days: pa.ChunkedArray) -> dict[str, int]:
    """Return the number of rows of each ISO day; rows without a day are not counted."""
    return {each["values"]: each["counts"] for each in days.drop_null().value_counts().to_pylist()}
