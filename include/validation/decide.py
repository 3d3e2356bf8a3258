"""Releases or discards quarantined rows, then validates and publishes their batches again."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from include import lake
from include.core.errors import QuarantineRefused
from include.ingestion import quarantine
from include.ingestion.days import days_between, shown_range, some
from include.ingestion.publish import publish_batch
from include.ingestion.stage import read_manifest
from include.validation.validate import validate_batch

if TYPE_CHECKING:
    from datetime import date

    import pyarrow as pa

    from include.config.pipeline import Pipeline
    from include.ingestion.quarantine import Status
    from include.ingestion.stage import StagedBatch

log = logging.getLogger(__name__)


def decide_rows(
    pipeline: Pipeline,
    name: str,
    start: date,
    end: date,
    status: Status,
    *,
    row_ids: set[str] | None = None,
    by: str = "",
    note: str = "",
    run: str = "local",
    page_address: str | None = None,
) -> int:
    """Release or discard a source's quarantined rows, and publish their batches.

    A released row is published although it breaks an expectation; a discarded row is dropped. Neither counts any
    longer when the batch is validated, so a batch that failed as a whole can pass. The status `held` takes a decision
    back. Running this again finishes what was left.

    Parameters
    ----------
    start, end
        First and last day of the rows, both inclusive.
    status
        `released`, `discarded`, or `held` to take a decision back.
    row_ids
        The rows to decide about; None means all that are held.
    by, note
        Who decided, and why; both are kept with the rows.
    run
        The id of the run that decides, such as that of the DAG run.
    page_address
        Where people read the page of the validation; None names its file.

    Returns
    -------
    int
        Number of rows that this call decided about.

    Raises
    ------
    QuarantineRefused
        If there is no such row, a row cannot be released, or a later delivery of its day is published.
    ExpectationsFailed
        If a batch still does not pass; the decision is kept, and nothing is published.
    """
    days = days_between(start, end)
    where = f"{pipeline.name}: source '{name}', {shown_range(start, end)}"
    rows = _rows_to_decide(pipeline.name, name, days, status, row_ids, where)
    if status == "released":
        _check_releasable(rows, where)
    batches = [read_manifest(pipeline.name, name, digest).batch for digest in dict.fromkeys(rows["batch"].to_pylist())]
    for batch in batches:
        _check_current(pipeline, batch)
    changed = quarantine.decide(pipeline.name, name, days, set(rows["row_id"].to_pylist()), status, by, note)
    log.info("%s: %s rows %s", where, f"{changed:,}", status)
    for batch in batches:
        validate_batch(pipeline, batch, run, page_address=page_address)
        publish_batch(pipeline, batch)
    return changed


def _rows_to_decide(
    pipeline: str, name: str, days: list[str], status: Status, row_ids: set[str] | None, where: str
) -> pa.Table:
    """Return the rows to decide about, including those that an earlier try already decided in the same way."""
    import pyarrow as pa
    import pyarrow.compute as pc

    there = quarantine.quarantined(pipeline, name, days)
    before = ["held"] if status != "held" else ["released", "discarded"]
    there = there.filter(pc.is_in(there["status"], pa.array([*before, status])))
    if row_ids is not None:
        unknown = sorted(row_ids - set(there["row_id"].to_pylist()))
        if unknown:
            raise QuarantineRefused(
                f"{where}: there is no row {some(unknown)} in quarantine; `./nightshift quarantine list` shows the "
                "rows; nothing was changed"
            )
        there = there.filter(pc.is_in(there["row_id"], pa.array(sorted(row_ids))))
    if not there.num_rows:
        raise QuarantineRefused(f"{where}: no such row is in quarantine, so there is nothing to decide")
    return there


def _check_releasable(rows: pa.Table, where: str) -> None:
    import pyarrow.compute as pc

    never = rows.filter(pc.invert(rows["releasable"]))
    if never.num_rows:
        raise QuarantineRefused(
            f"{where}: {never.num_rows:,} of the rows ({some(never['row_id'].to_pylist())}) have no key or time, or "
            "share their key with another row, and the lake cannot hold such rows; correct them at the source and "
            "ingest the day again, or discard them; nothing was changed"
        )


def _check_current(pipeline: Pipeline, batch: StagedBatch) -> None:
    """Refuse to replace a published day with a batch that was read before it."""
    uri = lake.raw_uri(pipeline.name, batch.source)
    column = pipeline.sources[batch.source].slice_column
    published = lake.partitions(uri, column, set(batch.days))
    for ds, moment in lake.published_at(uri, batch.days).items():
        part = published.get(ds)
        own = part is not None and part.batch is not None and part.batch.split("-")[0] == batch.digest
        if moment > batch.moment and not own:
            raise QuarantineRefused(
                f"{pipeline.name}: source '{batch.source}': a later delivery of {ds} is already published, so the "
                "quarantined rows of the earlier one are not; ingest the day again if it lacks rows"
            )
