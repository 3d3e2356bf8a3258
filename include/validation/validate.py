"""Validate: rows are held against their suite and their history; a critical failure stops the run."""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from include import lake
from include.core.sql_text import identifier, literal
from include.ingestion import quarantine
from include.ingestion.contract import empty_table
from include.ingestion.days import shown_range, some
from include.ingestion.stage import local_file, read_manifest, verdict_path
from include.lake import run_files
from include.profiling import profile
from include.profiling.rows import rows_of_file, rows_of_table
from include.validation import history
from include.validation.data_docs import page_path, write_page
from include.validation.judge import broken_rows, failures, named_columns, no_rows, rows_by_id, run_suite
from include.validation.report import Failure, ValidationReport, conclude
from include.validation.suite import load_suite

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa
    from great_expectations.expectations.expectation import Expectation

    from include.config.pipeline import Pipeline
    from include.config.sources import RowsPerDay, Source
    from include.ingestion.stage import StagedBatch

log = logging.getLogger(__name__)

#: Rows of a batch that go to quarantine where the batch is not published; all of them stay staged.
QUARANTINED_AT_MOST = 100_000


def validate_batch(
    pipeline: Pipeline, batch: StagedBatch, run: str = "local", raw: lake.RawTable | None = None
) -> ValidationReport:
    """Hold a staged batch against its source's key, suite, rows a day and history.

    Rows that break a critical expectation on single rows go to quarantine; where their share is within the
    expectation's `mostly`, the others may be published. Rows that somebody released or discarded from
    quarantine are not judged again.

    Parameters
    ----------
    run
        What validates, for the quarantine, such as the id of the DAG's run.
    raw
        The source's raw table, so that it is opened once for all steps of a day; None where this is the only one.

    Raises
    ------
    ExpectationsFailed
        If something critical fails; the batch stays staged and is not published.
    """
    source = pipeline.sources[batch.source]
    counts = read_manifest(batch.pipeline, batch.source, batch.digest).rows_by_day
    own = _key_expectations(source)
    suite = own + load_suite(pipeline.folder, batch.source, empty_table(source.columns).schema)
    day, columns = _day(source, batch), list(source.columns)
    with local_file(batch) as path:
        decided = _decided(batch, path, day, columns)
        with rows_of_file(path, decided["position"].to_pylist()) as rows:
            judged = run_suite(rows, suite)
            of_key, failed = failures(judged[: len(own)]), failures(judged)
            blocked = any(failure.severity == "critical" for failure in failed)
            limit = QUARANTINED_AT_MOST if blocked else batch.rows
            broken = broken_rows(rows, judged, len(own), day, columns, limit)
        left = quarantine.quarantine_rows(batch, broken, decided, run)
        sketches = profile.profile_rows(path, source, batch.days, left.positions)
    profile.write_profile(batch, sketches)
    failed += _days_out_of_bounds(counts, source.rows_per_day) if source.arrives != "snapshot" else []
    held_days = set() if blocked else set(broken["day"].to_pylist())
    emptied = _emptied_days(counts, left.by_day, held_days, source.rows_per_day)
    failed += emptied
    raw = (raw or lake.RawTable(lake.raw_uri(pipeline.name, batch.source))).refresh()
    shrunk = _shrunk_days(counts, raw.partitions(source.slice_column, set(batch.days)), batch, source)
    failed += shrunk
    earlier = profile.earlier_days(pipeline, batch.source, batch.start, raw)
    before = profile.read_profiles(pipeline, batch.source, earlier, raw)
    failed += history.compare(sketches, before, batch.days, source)
    failed.sort(key=lambda failure: failure.severity != "critical")
    held = len(left.positions)
    counted = len(suite) + (source.arrives != "snapshot") + len(emptied) + len(shrunk) + len(source.history.active)
    report = ValidationReport(batch.rows, counted, failed, held)
    days = shown_range(date.fromisoformat(batch.start), date.fromisoformat(batch.end))
    where = f"{pipeline.name}: source '{batch.source}', {days}"
    page = page_path(batch.pipeline, batch.source, run)
    write_page(page, where, judged, report, {"batch": batch.digest, "run": run})
    log.info("%s: the validation's page is %s", where, page)
    verdict = report.to_json() | {"passed": not report.critical, "run": run, "at": datetime.now(UTC).isoformat()}
    run_files.write_json(verdict_path(batch), verdict)
    conclude(report, where, _consequence(batch, held, len(broken), report.critical, of_key))
    return report


def validate_features(pipeline: Pipeline, features: pa.Table) -> ValidationReport:
    """Hold the feature table against `expectations/features.yaml`.

    Raises
    ------
    ExpectationsFailed
        If a critical expectation fails; nothing is then trained.
    """
    suite = load_suite(pipeline.folder, "features", features.schema)
    return _hold_features(features, suite, f"{pipeline.name}: feature table", "nothing was trained")


def validate_rows(pipeline: Pipeline, features: pa.Table) -> ValidationReport:
    """Hold rows to be predicted against those expectations of `expectations/features.yaml` that are about each row.

    What is about all rows of a table, as a mean is, need not hold of a single day's. Neither must what is about the
    label, or about columns of `features.exclude`, of which some tell what came of a row.

    Raises
    ------
    ExpectationsFailed
        If a critical expectation fails; nothing is then predicted.
    """
    from great_expectations.expectations.expectation import (
        ColumnMapExpectation,
        ColumnPairMapExpectation,
        MulticolumnMapExpectation,
    )

    of_rows = (ColumnMapExpectation, ColumnPairMapExpectation, MulticolumnMapExpectation)
    apart = {pipeline.features.label, *pipeline.features.exclude}
    suite = [
        each
        for each in load_suite(pipeline.folder, "features", features.schema)
        if isinstance(each, of_rows) and apart.isdisjoint(named_columns(each))
    ]
    return _hold_features(features, suite, f"{pipeline.name}: rows to predict", "nothing was predicted")


def _hold_features(features: pa.Table, suite: list[Expectation], where: str, consequence: str) -> ValidationReport:
    """Hold rows of features against expectations, and conclude."""
    failed = []
    if suite:
        with rows_of_table(features) as rows:
            failed = failures(run_suite(rows, suite))
    report = ValidationReport(features.num_rows, len(suite), failed)
    conclude(report, where, f"{consequence}; correct features.sql, or the expectation in the pipeline's folder")
    return report


def _key_expectations(source: Source) -> list[Expectation]:
    """Return what the lake itself expects: a key that is there and names one row, and a time."""
    from great_expectations import expectations as gxe

    key = [*(["ds"] if source.arrives != "snapshot" else []), *source.key]
    own: list[Expectation] = [
        gxe.ExpectColumnValuesToNotBeNull(column=column) for column in [*source.key, source.available_at.column]
    ]
    if len(key) == 1:
        own.append(gxe.ExpectColumnValuesToBeUnique(column=key[0]))
    else:
        own.append(gxe.ExpectCompoundColumnsToBeUnique(column_list=key))
    return own


def _day(source: Source, batch: StagedBatch) -> str:
    """Return the SQL of the day that a row was delivered for."""
    return literal(batch.end) if source.arrives == "snapshot" else identifier(source.slice_column)


def _decided(batch: StagedBatch, path: Path, day: str, columns: list[str]) -> pa.Table:
    """Return the batch's rows that somebody decided about, in this batch or in an earlier one of its days."""
    row_ids = quarantine.decided_ids(batch)
    if not row_ids:
        return no_rows()
    with rows_of_file(path) as rows:
        return rows_by_id(rows, row_ids, day, columns)


def _days_out_of_bounds(counts: dict[str, int], bounds: RowsPerDay) -> list[Failure]:
    highest = bounds.max if bounds.max is not None else float("inf")
    wrong = [(ds, count) for ds, count in sorted(counts.items()) if not bounds.min <= count <= highest]
    if not wrong:
        return []
    listed = ", ".join(f"{ds}: {count:,}" for ds, count in wrong[:3])
    explanation = f"(min={bounds.min}, max={bounds.max}) failed for {len(wrong)} of {len(counts)} days, {listed}"
    return [Failure("rows_per_day", "table", "critical", explanation)]


def _emptied_days(
    counts: dict[str, int], left_out: dict[str, int], held: set[str], bounds: RowsPerDay
) -> list[Failure]:
    """Tell the days of which the quarantine leaves fewer rows than a day must have.

    Each expectation may be within its `mostly` and the rows that break any of them be all there are.

    Parameters
    ----------
    held
        The days that have rows in quarantine which nobody has decided about.
    """
    few = [
        (ds, count - left_out[ds], count)
        for ds, count in sorted(counts.items())
        if ds in held and count - left_out.get(ds, 0) < bounds.min <= count
    ]
    if not few:
        return []
    listed = some([f"{ds}: {rest:,} of {count:,}" for ds, rest, count in few])
    explanation = (
        f"(min={bounds.min}) failed for {len(few)} of {len(counts)} days without the rows in quarantine, {listed}"
    )
    return [Failure("rows_per_day", "table", "critical", explanation)]


def _shrunk_days(
    counts: dict[str, int], published: dict[str, lake.Partition], batch: StagedBatch, source: Source
) -> list[Failure]:
    """Tell the days that were delivered again with fewer rows than are published of them."""
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


def _consequence(batch: StagedBatch, held: int, broken: int, critical: list[Failure], of_key: list[Failure]) -> str:
    told = f"nothing was published, the rows stay staged as batch {batch.digest}"
    if broken:
        more = "the first " if broken == QUARANTINED_AT_MOST else ""
        told += f", {more}{held:,} of them also in quarantine"
    rules = ["the expectation"] if len(critical) > len(of_key) else []
    if of_key:  # of which nobody has written an expectation
        rules.append(f"`key` and `available_at` of sources.{batch.source} in pipeline.yaml")
    return (
        f"{told}; correct the source and run the extract task again, or correct {' and '.join(rules)} and run this "
        "one again"
    )
