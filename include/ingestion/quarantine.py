"""Quarantine: keeps rows that must not be published, with the reason, until somebody decides about them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from include import lake
from include.core.errors import PublishConflict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pyarrow as pa

    from include.ingestion.stage import StagedBatch

#: held: awaits a decision. released: published despite a failed expectation. discarded: never published.
Status = Literal["held", "released", "discarded"]


#: The columns of a row's last decision, which a row that was taken back keeps.
DECISION = ("decided_by", "note", "decided_at")

#: Attempts to change the table while other writers change other days of it: more than there are writers at once, since
#: each conflict means that another writer has succeeded.
TRIES = 64


@dataclass(frozen=True)
class ExcludedRows:
    """The rows of a batch that must not be published, by their position in its file."""

    positions: set[int] = field(default_factory=set)
    by_day: dict[str, int] = field(default_factory=dict)
    decided_at: int = 0


def quarantine_schema() -> pa.Schema:
    """Return the columns of a quarantine table.

    `day` is the row's day in its batch, `position` its place in the batch's file, `row_id` a digest of its values, and
    `row` its values as JSON.
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
    """Return a source's quarantined rows, by default of all days, ordered by day and position."""
    uri = lake.quarantine_uri(pipeline, source)
    rows = lake.read_days(uri, "day", days)
    if rows is None:
        return quarantine_schema().empty_table()
    return rows.select(quarantine_schema().names).sort_by([("day", "ascending"), ("position", "ascending")])


def excluded_rows(batch: StagedBatch) -> ExcludedRows:
    """Return the rows of a batch that must not be published: the held and the discarded ones."""
    return _excluded_rows(quarantined(batch.pipeline, batch.source, batch.days), batch)


def decided_ids(batch: StagedBatch) -> list[str]:
    """Return the ids of released and discarded rows of a batch's days, whichever batch they came in."""
    import pyarrow.compute as pc

    rows = quarantined(batch.pipeline, batch.source, batch.days)
    return rows.filter(pc.not_equal(rows["status"], "held"))["row_id"].to_pylist()


def quarantine_rows(batch: StagedBatch, broken: pa.Table, decided: pa.Table, run: str) -> ExcludedRows:
    """Replace the held rows of a batch's days, in one commit; earlier decisions are kept.

    Parameters
    ----------
    broken
        Rows to hold, with `day`, `position`, `row_id`, `row`, `reason` and `releasable`.
    decided
        Rows of the batch that somebody has decided about, with `position` and `row_id`.
    run
        The run that found them, such as the id of the DAG run.

    Returns
    -------
    ExcludedRows
        The result of `excluded_rows` until another run changes the quarantine.

    Raises
    ------
    PublishConflict, LakeError
        The quarantine is unchanged.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    def with_broken(before: pa.Table) -> pa.Table | None:
        if not broken.num_rows and not before.num_rows:
            return None
        constants = {"batch": batch.digest, "run": run, "status": "held", "quarantined_at": datetime.now(UTC)}
        held = _columns(broken, constants)
        taken_back = before.filter(pc.and_(pc.equal(before["status"], "held"), pc.is_valid(before["decided_at"])))
        if taken_back.num_rows:  # the time of that decision makes the batch newer than the published one
            decisions = {row.pop("row_id"): row for row in taken_back.select(["row_id", *DECISION]).to_pylist()}
            rows = [row | decisions.get(row["row_id"], {}) for row in held.to_pylist()]
            held = pa.Table.from_pylist(rows, quarantine_schema())
        places = {row["row_id"]: row["position"] for row in decided.to_pylist()}
        decided_before = before.filter(pc.not_equal(before["status"], "held")).to_pylist()
        for row in decided_before:  # a decision also applies to the same row in a later batch
            if row["row_id"] in places:
                row.update(batch=batch.digest, position=places[row["row_id"]])
        return pa.concat_tables([held, pa.Table.from_pylist(decided_before, quarantine_schema())])

    table = _change(batch.pipeline, batch.source, batch.days, with_broken)
    return ExcludedRows() if table is None else _excluded_rows(table, batch)


def decide(
    pipeline: str, source: str, days: list[str], row_ids: set[str] | None, status: Status, by: str, note: str
) -> int:
    """Change the status of rows of some days, in one commit, and return their number.

    Parameters
    ----------
    row_ids
        The rows to change; None means all.
    status
        `released` or `discarded` for held rows, or `held` to take such a decision back.
    by, note
        Who decided, and why.

    Raises
    ------
    PublishConflict, LakeError
        The quarantine is unchanged.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    decision = {"status": status, "decided_by": by, "note": note, "decided_at": datetime.now(UTC)}
    changed = 0

    def with_decision(before: pa.Table) -> pa.Table | None:
        nonlocal changed
        selected = pc.not_equal(before["status"], status) if status == "held" else pc.equal(before["status"], "held")
        if row_ids is not None:
            selected = pc.and_(selected, pc.is_in(before["row_id"], pa.array(sorted(row_ids), pa.string())))
        rows = _columns(before.filter(selected), decision)
        changed = rows.num_rows
        return pa.concat_tables([before.filter(pc.invert(selected)), rows]) if changed else None

    _change(pipeline, source, days, with_decision)
    return changed


def _change(
    pipeline: str, source: str, days: list[str], change: Callable[[pa.Table], pa.Table | None]
) -> pa.Table | None:
    """Replace the quarantine of some days by the result of `change`, or leave it unchanged if that is None.

    The change is tried again if another writer changed other days or created the table. If another writer changed these
    days, the caller's view of them is outdated, and the conflict is raised.
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


def _excluded_rows(rows: pa.Table, batch: StagedBatch) -> ExcludedRows:
    import pyarrow.compute as pc

    rows = rows.filter(pc.equal(rows["batch"], batch.digest))
    latest = pc.max(rows["decided_at"]).as_py()
    excluded = rows.filter(pc.not_equal(rows["status"], "released"))
    by_day = {each["values"]: each["counts"] for each in excluded["day"].value_counts().to_pylist()}
    return ExcludedRows(
        set(excluded["position"].to_pylist()), by_day, int(latest.timestamp() * 1_000_000) if latest else 0
    )


def _columns(rows: pa.Table, constants: Mapping[str, object]) -> pa.Table:
    """Return rows with the quarantine's columns: constants where given, null for missing columns."""
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
