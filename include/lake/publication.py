"""Publishing a batch into a raw table: all of its days in one commit, and none over newer rows.

`include.lake.days` reads the days that are published here. `include.lake.daily` publishes result tables, whose every
day one run writes.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.core.errors import LakeError, NightshiftError, PublishConflict, SchemaMismatch
from include.lake.days import RawTable, days_of, days_predicate, transaction_of
from include.lake.tables import PROPERTIES, TableVersion, existing_table, first_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pyarrow as pa
    from deltalake import DeltaTable

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Slices:
    """The days of one batch that are published together, each as a whole.

    Attributes
    ----------
    column
        Column of the table by which a day is replaced: `ds` or `delivered`.
    days
        ISO days, in order and without a gap; a day without rows is published as empty.
    batch
        Digest of the rows.
    moment
        When the rows were read or last decided about, in microseconds since 1970; the later moment wins.
    rows
        Number of rows by day.
    """

    column: str
    days: list[str]
    batch: str
    moment: int
    rows: dict[str, int]

    @property
    def total(self) -> int:
        """The number of rows of all days."""
        return sum(self.rows.values())


def publish_days(
    raw: RawTable | str, parts: Iterable[pa.Table], schema: pa.Schema, slices: Slices, retired: Iterable[str] = ()
) -> TableVersion:
    """Replace some days of a raw table with the rows of a batch, in one commit.

    The commit carries an application transaction for each day, whose version is the moment of the batch.
    Publishing a batch again changes nothing. A day that has newer rows than the batch keeps them.

    Parameters
    ----------
    raw
        The table, which is brought up to date first, or its address where it is not open yet.
    parts
        Tables with `schema`, one after another; they are not read where nothing needs writing.
    schema
        Has the columns `batch` and `ds`, and the column by which days are replaced.
    retired
        Published columns that may be absent from the schema; they are null in the new rows.

    Raises
    ------
    PublishConflict
        If another run wrote to the same days at the same time; nothing of the batch is visible then.
    LakeError, SchemaMismatch
        If the batch cannot be published; the table is unchanged.
    """
    from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
    from deltalake.exceptions import CommitFailedError, DeltaError

    failures: list[NightshiftError] = []
    raw = RawTable(raw) if isinstance(raw, str) else raw
    uri = raw.uri
    try:
        table = raw.refresh().table
        if table is None:
            # created empty, so that of two first writers the second conflicts with the first and is refused
            DeltaTable.create(uri, schema=schema, partition_by=["ds"], mode="ignore", configuration=PROPERTIES)
            table = raw.table = existing_table(uri)
        # the commit fails if the table has changed since it was opened, so these checks hold for it too
        _check_schema(uri, table, schema, set(retired))
        days = _older_than(uri, table, slices)
        if not days or _holds(table, slices, days):
            return TableVersion(uri, table.version(), slices.total, changed=False)
        kept = (_only(part, slices.column, days, slices.days) for part in parts)
        write_deltalake(
            table,
            _as_reader(kept, schema, failures),
            mode="overwrite",
            predicate=days_predicate(slices.column, days),
            schema_mode="merge",
            commit_properties=CommitProperties(
                custom_metadata={"nightshift.batch": slices.batch},
                app_transactions=[Transaction(transaction_of(ds), slices.moment) for ds in days],
            ),
        )
    except CommitFailedError as error:
        raise PublishConflict(
            f"{uri}: another run changed the days {slices.days[0]} to {slices.days[-1]} at the same time and its "
            "change was kept; nothing of this batch was published; run this task again"
        ) from error
    except (DeltaError, OSError) as error:
        if failures:  # reading the batch failed, and that error says more than the failed write
            raise failures[0] from error
        raise LakeError(
            f"{uri}: the days {slices.days[0]} to {slices.days[-1]} could not be written ({first_line(error)}); the "
            "table is unchanged; check the lake's permissions and free space, then run this task again"
        ) from error
    return TableVersion(uri, table.version(), slices.total, changed=True)


def _older_than(uri: str, table: DeltaTable, slices: Slices) -> list[str]:
    """Return the days whose published rows, if any, are older than the batch."""
    moments = {ds: table.transaction_version(transaction_of(ds)) for ds in slices.days}
    newer = [ds for ds, moment in moments.items() if moment is not None and moment > slices.moment]
    if newer:
        log.warning(
            "%s: kept the published rows of %s day%s, from %s to %s, which are newer than this batch",
            uri,
            len(newer),
            "s"[: len(newer) > 1],
            newer[0],
            newer[-1],
        )
    return [ds for ds, moment in moments.items() if moment is None or moment < slices.moment]


def _holds(table: DeltaTable, slices: Slices, days: list[str]) -> bool:
    """Return whether these days already hold exactly this batch."""
    if not any(slices.rows.get(ds) for ds in days):
        return False
    there = {ds: (part.batch, part.rows) for ds, part in days_of(table, slices.column, set(days)).items()}
    return there == {ds: (slices.batch, slices.rows[ds]) for ds in days if slices.rows.get(ds)}


def _only(part: pa.Table, column: str, days: list[str], all_days: list[str]) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    if len(days) == len(all_days):
        return part
    return part.filter(pc.is_in(part[column], pa.array(days)))


def _as_reader(parts: Iterable[pa.Table], schema: pa.Schema, failures: list[NightshiftError]) -> pa.RecordBatchReader:
    """Return a reader of all parts that keeps a named error, because deltalake replaces it with its own."""
    import pyarrow as pa

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            for part in parts:
                # one record batch for each part: deltalake writes several in parallel, in any order
                yield from part.select(schema.names).combine_chunks().to_batches()
        except NightshiftError as error:
            failures.append(error)
            raise

    return pa.RecordBatchReader.from_batches(schema, batches())


def _check_schema(uri: str, table: DeltaTable, schema: pa.Schema, retired: set[str]) -> None:
    """Refuse rows that lack a column of the table or have it in another type; new columns are allowed."""
    import pyarrow as pa

    for field in pa.schema(table.schema().to_arrow()):
        at = schema.get_field_index(field.name)
        if at < 0 and field.name in retired:
            continue
        declared = "is not declared" if at < 0 else f"is declared as {schema.field(at).type}"
        if at < 0 or schema.field(at).type != field.type:
            raise SchemaMismatch(
                f"{uri}: the published column '{field.name}' ({field.type}) {declared} in pipeline.yaml "
                "now; nothing was published; declare it as before, list it in the source's contract.retired, or "
                "rename the source, which starts a new table"
            )
