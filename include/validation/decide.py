"""Decide about quarantined rows: they are released or discarded, and the batch is judged and published anew."""

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
) -> int:
    """Release or discard a source's quarantined rows, and publish what their batches have to publish then.

    A released row is published although it breaks an expectation; a discarded one is given up. Either no
    longer counts when the batch is judged, so that a batch that was held back as a whole can pass. To hold
    such a row again takes the decision back. Running it again does what is left to do.

    Parameters
    ----------
    start, end
        First and last day of the rows, both inclusive.
    status
        `released`, `discarded`, or `held` to take a decision back.
    row_ids
        The rows that are meant; None means all that are held.
    by, note
        Who decided, and why; both are kept with the rows.
    run
        What decides, such as the id of the DAG's run.

    Returns
    -------
    int
        Number of rows that were decided about now.

    Raises
    ------
    QuarantineRefused
        If no such row is there, one of them cannot be released, or a later delivery of its day is published.
    ExpectationsFailed
        If a batch still does not pass; the decision is kept, and nothing was published.
    """
    days = days_between(start, end)
    where = f"{pipeline.name}: source '{name}', {shown_range(start, end)}"
    rows = _meant(pipeline.name, name, days, status, row_ids, where)
    if status == "released":
        _check_releasable(rows, where)
    batches = [read_manifest(pipeline.name, name, digest).batch for digest in _in_order(rows["batch"].to_pylist())]
    for batch in batches:
        _check_current(pipeline, batch)
    changed = quarantine.decide(pipeline.name, name, days, set(rows["row_id"].to_pylist()), status, by, note)
    log.info("%s: %s rows %s", where, f"{changed:,}", status)
    for batch in batches:
        validate_batch(pipeline, batch, run)
        publish_batch(pipeline, batch)
    return changed


def _meant(pipeline: str, name: str, days: list[str], status: Status, row_ids: set[str] | None, where: str) -> pa.Table:
    """Return the rows to decide about, and those that an earlier try decided about in the same way."""
    import pyarrow as pa
    import pyarrow.compute as pc

    there = quarantine.quarantined(pipeline, name, days)
    before = ["held"] if status != "held" else ["released", "discarded"]
    there = there.filter(pc.is_in(there["status"], pa.array([*before, status])))
    if row_ids is not None:
        unknown = sorted(row_ids - set(there["row_id"].to_pylist()))
        if unknown:
            raise QuarantineRefused(
                f"{where}: there is no row {some(unknown)} in quarantine; `./nightshift quarantine list` shows what "
                "is there; nothing was changed"
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
    """Refuse to publish a batch in the place of one that was read later."""
    uri = lake.raw_uri(pipeline.name, batch.source)
    column = pipeline.sources[batch.source].slice_column
    published = lake.partitions(uri, column, set(batch.days))
    for ds, moment in lake.published_at(uri, batch.days).items():
        part = published.get(ds)
        own = part is not None and part.batch is not None and part.batch.split("-")[0] == batch.digest
        if moment > batch.moment and not own:
            raise QuarantineRefused(
                f"{pipeline.name}: source '{batch.source}': a later delivery of {ds} is published than the one whose "
                "rows are in quarantine, so they are not published; ingest the day again if it lacks rows"
            )


def _in_order(digests: list[str]) -> list[str]:
    return list(dict.fromkeys(digests))
