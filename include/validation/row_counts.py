"""Checks of the number of rows of each day: declared bounds, days that the quarantine empties, days that shrink."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.ingestion.days import some
from include.validation.report import Failure

if TYPE_CHECKING:
    from include import lake
    from include.config.sources import RowsPerDay, Source
    from include.ingestion.stage import StagedBatch


def days_out_of_bounds(counts: dict[str, int], bounds: RowsPerDay) -> list[Failure]:
    """Return a failure if days have too few or too many rows."""
    highest = bounds.max if bounds.max is not None else float("inf")
    wrong = [(ds, count) for ds, count in sorted(counts.items()) if not bounds.min <= count <= highest]
    if not wrong:
        return []
    listed = ", ".join(f"{ds}: {count:,}" for ds, count in wrong[:3])
    explanation = f"(min={bounds.min}, max={bounds.max}) failed for {len(wrong)} of {len(counts)} days, {listed}"
    return [Failure("rows_per_day", "table", "critical", explanation)]


def emptied_days(counts: dict[str, int], left_out: dict[str, int], days: set[str], bounds: RowsPerDay) -> list[Failure]:
    """Return a failure if the quarantine leaves some days with too few rows.

    Every expectation may be within its `mostly`, and yet all rows may break one of them.

    Parameters
    ----------
    left_out
        The number of rows that are not published, by day.
    days
        The days with quarantined rows that nobody has decided about.
    """
    few = [
        (ds, count - left_out[ds], count)
        for ds, count in sorted(counts.items())
        if ds in days and count - left_out.get(ds, 0) < bounds.min <= count
    ]
    if not few:
        return []
    listed = some([f"{ds}: {rest:,} of {count:,}" for ds, rest, count in few])
    explanation = (
        f"(min={bounds.min}) failed for {len(few)} of {len(counts)} days without the rows in quarantine, {listed}"
    )
    return [Failure("rows_per_day", "table", "critical", explanation)]


def shrunk_days(
    counts: dict[str, int], published: dict[str, lake.Partition], batch: StagedBatch, source: Source
) -> list[Failure]:
    """Return a failure if days were delivered again with fewer rows than are published."""
    fewer = {
        ds: (counts.get(ds, 0), part.rows)
        for ds, part in sorted(published.items())
        if counts.get(ds, 0) < part.rows and (part.batch or "").split("-")[0] != batch.digest
    }
    if not fewer:
        return []
    listed = some([f"{ds}: {now:,} after {before:,}" for ds, (now, before) in fewer.items()])
    explanation = (
        f"(shrinks={source.contract.shrinks}) failed for {len(fewer)} of {len(batch.days)} days, rows of {listed}"
    )
    severity = "critical" if source.contract.shrinks == "refuse" else "warning"
    return [Failure("contract_shrinks", "table", severity, explanation)]
