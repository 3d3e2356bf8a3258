"""Quarantine: the rows that are not fit to be published, with the reason, until somebody decides about them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from include import lake

if TYPE_CHECKING:
    import pyarrow as pa

    from include.ingestion.stage import StagedBatch

#: held: not published, waiting. released: published although it breaks an expectation. discarded: given up.
Status = Literal["held", "released", "discarded"]


@dataclass(frozen=True)
class LeftOut:
    """The rows of a batch that are not published, by their position in its file."""

    positions: set[int] = field(default_factory=set)
    by_day: dict[str, int] = field(default_factory=dict)
    decided_at: int = 0


def quarantine_schema() -> pa.Schema:
    """Return the columns of a quarantine table.

    `day` is the day that the row was delivered for, `position` its place in the batch's file, `row_id` a
    digest of its values, `row` its values as JSON.
    """
    import pyarrow as pa

    text = ("day", "batch", "row_id", "row", "reason", "run", "status", "decided_by", "note")
    moment = pa.timestamp("us", tz="UTC")
    fields = [(name, pa.string()) for name in text]
    return pa.schema(
        [
            *fields,
            ("position", pa.int64()),
            ("releasable", pa.bool_()),
            ("quarantined_at", moment),
            ("decided_at", moment),
        ]
    )


def quarantined(pipeline: str, source: str, days: list[str] | None = None) -> pa.Table:
    """Return a source's rows in quarantine, by default those of all days, ordered by day and position."""
    uri = lake.quarantine_uri(pipeline, source)
    rows = lake.read_days(uri, "day", days)
    if rows is None:
        return quarantine_schema().empty_table()
    return rows.select(quarantine_schema().names).sort_by([("day", "ascending"), ("position", "ascending")])


def left_out(batch: StagedBatch) -> LeftOut:
    """Return which rows of a batch are not to be published: those held and those discarded."""
    return _left_out(quarantined(batch.pipeline, batch.source, batch.days), batch)


def decided_ids(batch: StagedBatch) -> list[str]:
    """Return the ids of the rows of a batch's days that were released or discarded, whatever batch they were in."""
    import pyarrow.compute as pc

    rows = quarantined(batch.pipeline, batch.source, batch.days)
    return rows.filter(pc.not_equal(rows["status"], "held"))["row_id"].to_pylist()


def hold(batch: StagedBatch, broken: pa.Table, decided: pa.Table, run: str) -> LeftOut:
    """Make some rows the quarantine of a batch's days, in one commit; what was decided before is kept.

    Parameters
    ----------
    broken
        Rows that are held from now on, with `day`, `position`, `row_id`, `row`, `reason` and `releasable`.
    decided
        Rows of the batch that were decided about, with `position` and `row_id`.
    run
        What found them, such as the id of the DAG's run.

    Returns
    -------
    LeftOut
        What `left_out` returns from then on, unless another run takes its turn.

    Raises
    ------
    PublishConflict, LakeError
        With the quarantine as it was.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    uri = lake.quarantine_uri(batch.pipeline, batch.source)
    version = lake.latest_version(uri)
    before = quarantined(batch.pipeline, batch.source, batch.days)
    if not broken.num_rows and not before.num_rows:
        return LeftOut()
    constants = {"batch": batch.digest, "run": run, "status": "held", "quarantined_at": datetime.now(UTC)}
    held = _columns(broken, constants)
    places = {row["row_id"]: row["position"] for row in decided.to_pylist()}
    stand = before.filter(pc.not_equal(before["status"], "held")).to_pylist()
    for row in stand:  # a decision holds for the row in this batch, and should it come again in a later one
        if row["row_id"] in places:
            row.update(batch=batch.digest, position=places[row["row_id"]])
    table = pa.concat_tables([held, pa.Table.from_pylist(stand, quarantine_schema())])
    lake.replace_days(uri, table, "day", batch.days, version)
    return _left_out(table, batch)


def decide(
    pipeline: str, source: str, days: list[str], row_ids: set[str] | None, status: Status, by: str, note: str
) -> pa.Table:
    """Mark held rows of some days as released or discarded, in one commit, and return them.

    Parameters
    ----------
    row_ids
        The rows that are meant; None means all that are held.
    by, note
        Who decided, and why.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    uri = lake.quarantine_uri(pipeline, source)
    version = lake.latest_version(uri)
    rows = quarantined(pipeline, source, days)
    meant = pc.equal(rows["status"], "held")
    if row_ids is not None:
        meant = pc.and_(meant, pc.is_in(rows["row_id"], pa.array(sorted(row_ids), pa.string())))
    decision = {"status": status, "decided_by": by, "note": note, "decided_at": datetime.now(UTC)}
    changed = _columns(rows.filter(meant), decision)
    if changed.num_rows:
        table = pa.concat_tables([rows.filter(pc.invert(meant)), changed])
        lake.replace_days(uri, table, "day", days, version)
    return changed


def _left_out(rows: pa.Table, batch: StagedBatch) -> LeftOut:
    import pyarrow.compute as pc

    rows = rows.filter(pc.equal(rows["batch"], batch.digest))
    latest = pc.max(rows["decided_at"]).as_py()
    out = rows.filter(pc.not_equal(rows["status"], "released"))
    by_day = {each["values"]: each["counts"] for each in out["day"].value_counts().to_pylist()}
    return LeftOut(set(out["position"].to_pylist()), by_day, int(latest.timestamp() * 1_000_000) if latest else 0)


def _columns(rows: pa.Table, constants: dict[str, Any]) -> pa.Table:
    """Return rows in the quarantine's columns, some of them with one value; what is not there is null."""
    import pyarrow as pa

    arrays = []
    for column in quarantine_schema():
        if column.name in constants:
            arrays.append(pa.repeat(pa.scalar(constants[column.name], column.type), rows.num_rows))
        elif column.name in rows.column_names:
            arrays.append(rows[column.name].cast(column.type))
        else:
            arrays.append(pa.nulls(rows.num_rows, column.type))
    return pa.table(arrays, schema=quarantine_schema())
