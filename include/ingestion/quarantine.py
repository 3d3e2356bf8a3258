"""Quarantine: the rows that are not fit to be published, with the reason, until somebody decides about them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from include import lake
from include.core.errors import PublishConflict

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    from include.ingestion.stage import StagedBatch

#: held: not published, waiting. released: published although it breaks an expectation. discarded: given up.
Status = Literal["held", "released", "discarded"]


#: How often a change is tried where other days of the table change at the same time.
TRIES = 8


@dataclass(frozen=True)
class ExcludedRows:
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


def excluded_rows(batch: StagedBatch) -> ExcludedRows:
    """Return which rows of a batch are not to be published: those held and those discarded."""
    return _excluded_rows(quarantined(batch.pipeline, batch.source, batch.days), batch)


def decided_ids(batch: StagedBatch) -> list[str]:
    """Return the ids of the rows of a batch's days that were released or discarded, whatever batch they were in."""
    import pyarrow.compute as pc

    rows = quarantined(batch.pipeline, batch.source, batch.days)
    return rows.filter(pc.not_equal(rows["status"], "held"))["row_id"].to_pylist()


def quarantine_rows(batch: StagedBatch, broken: pa.Table, decided: pa.Table, run: str) -> ExcludedRows:
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
    ExcludedRows
        What `excluded_rows` returns from then on, unless another run takes its turn.

    Raises
    ------
    PublishConflict, LakeError
        With the quarantine as it was.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    def with_broken(before: pa.Table) -> pa.Table | None:
        if not broken.num_rows and not before.num_rows:
            return None
        constants = {"batch": batch.digest, "run": run, "status": "held", "quarantined_at": datetime.now(UTC)}
        held = _columns(broken, constants)
        taken_back = before.filter(pc.and_(pc.equal(before["status"], "held"), pc.is_valid(before["decided_at"])))
        if taken_back.num_rows:  # when that was says that the batch is to be published anew
            known = {row["row_id"]: row for row in taken_back.to_pylist()}
            rows = [row | _decision(known.get(row["row_id"])) for row in held.to_pylist()]
            held = pa.Table.from_pylist(rows, quarantine_schema())
        places = {row["row_id"]: row["position"] for row in decided.to_pylist()}
        stand = before.filter(pc.not_equal(before["status"], "held")).to_pylist()
        for row in stand:  # a decision holds for the row in this batch, and should it come again in a later one
            if row["row_id"] in places:
                row.update(batch=batch.digest, position=places[row["row_id"]])
        return pa.concat_tables([held, pa.Table.from_pylist(stand, quarantine_schema())])

    table = _change(batch.pipeline, batch.source, batch.days, with_broken)
    return ExcludedRows() if table is None else _excluded_rows(table, batch)


def decide(
    pipeline: str, source: str, days: list[str], row_ids: set[str] | None, status: Status, by: str, note: str
) -> int:
    """Give rows of some days another status, in one commit, and return how many they were.

    Parameters
    ----------
    row_ids
        The rows that are meant; None means all.
    status
        `released` or `discarded` for rows that are held, or `held` to take such a decision back.
    by, note
        Who decided, and why.

    Raises
    ------
    PublishConflict, LakeError
        With the quarantine as it was.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    decision = {"status": status, "decided_by": by, "note": note, "decided_at": datetime.now(UTC)}
    changed = 0

    def with_decision(before: pa.Table) -> pa.Table | None:
        nonlocal changed
        meant = pc.not_equal(before["status"], status) if status == "held" else pc.equal(before["status"], "held")
        if row_ids is not None:
            meant = pc.and_(meant, pc.is_in(before["row_id"], pa.array(sorted(row_ids), pa.string())))
        rows = _columns(before.filter(meant), decision)
        changed = rows.num_rows
        return pa.concat_tables([before.filter(pc.invert(meant)), rows]) if changed else None

    _change(pipeline, source, days, with_decision)
    return changed


def _change(
    pipeline: str, source: str, days: list[str], change: Callable[[pa.Table], pa.Table | None]
) -> pa.Table | None:
    """Replace the quarantine of some days by what `change` makes of it, or leave it where that is None.

    A writer of other days, or another first writer, is no reason to fail: the change is tried again. Where these
    days themselves have changed, what the caller knew of them is no longer so.
    """
    uri = lake.quarantine_uri(pipeline, source)
    conflict: tuple[pa.Table, PublishConflict] | None = None
    for tries_left in reversed(range(TRIES)):
        version = lake.latest_version(uri)
        before = quarantined(pipeline, source, days)
        if conflict and not before.equals(conflict[0]):
            raise conflict[1]
        table = change(before)
        if table is None:
            return None
        try:
            lake.replace_days(uri, table, "day", days, version)
        except PublishConflict as error:
            if not tries_left:
                raise
            conflict = before, error
        else:
            return table
    raise AssertionError("the last try returns or raises")


def _decision(row: dict[str, Any] | None) -> dict[str, Any]:
    """Return what is known of a row's last decision; nothing where there was none."""
    return {name: row[name] for name in ("decided_by", "note", "decided_at")} if row else {}


def _excluded_rows(rows: pa.Table, batch: StagedBatch) -> ExcludedRows:
    import pyarrow.compute as pc

    rows = rows.filter(pc.equal(rows["batch"], batch.digest))
    latest = pc.max(rows["decided_at"]).as_py()
    out = rows.filter(pc.not_equal(rows["status"], "released"))
    by_day = {each["values"]: each["counts"] for each in out["day"].value_counts().to_pylist()}
    return ExcludedRows(set(out["position"].to_pylist()), by_day, int(latest.timestamp() * 1_000_000) if latest else 0)


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
