"""Validates rows by their suite and their history; a critical failure stops the run."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from include import lake
from include.core.airflow_pages import VALIDATIONS, page_address
from include.core.sql_text import identifier, literal
from include.ingestion import quarantine
from include.ingestion.arrow_types import empty_table
from include.ingestion.days import shown_range
from include.ingestion.stage import read_manifest, verdict_path
from include.ingestion.staged_file import local_file
from include.lake import run_files
from include.profiling import stored_profiles
from include.profiling.profile import profile_rows
from include.profiling.rows import rows_of_file, rows_of_table
from include.validation import history
from include.validation.arguments import named_columns
from include.validation.broken_rows import broken_rows, no_rows, rows_by_id
from include.validation.data_docs import page_path, write_page
from include.validation.judge import failures, run_suite
from include.validation.report import Failure, ValidationReport, conclude
from include.validation.row_counts import days_out_of_bounds, emptied_days, shrunk_days
from include.validation.suite import load_suite

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa
    from great_expectations.expectations.expectation import Expectation

    from include.config.pipeline import Pipeline
    from include.config.sources import Source
    from include.ingestion.stage import StagedBatch

log = logging.getLogger(__name__)

#: The most rows of a batch that go to quarantine if the batch is not published; all its rows stay staged.
QUARANTINED_AT_MOST = 100_000


def validate_batch(
    pipeline: Pipeline,
    batch: StagedBatch,
    run: str = "local",
    raw: lake.RawTable | None = None,
) -> ValidationReport:
    """Validate a staged batch by its source's key, suite, `rows_per_day` and history.

    Rows that break a critical expectation on single rows go to quarantine. If their share is within the
    expectation's `mostly`, the other rows may be published. Rows that somebody released or discarded are not judged
    again.

    Parameters
    ----------
    run
        The id of the run that validates, such as that of the DAG run; the quarantine keeps it.
    raw
        The source's raw table, if the caller has it open; None opens it.

    Raises
    ------
    ExpectationsFailed
        If a critical expectation fails; the batch stays staged and is not published.
    """
    source = pipeline.sources[batch.source]
    counts = read_manifest(batch.pipeline, batch.source, batch.digest).rows_by_day
    own = _key_expectations(source)
    suite = own + load_suite(pipeline.folder, batch.source, empty_table(source.columns).schema)
    day, columns = _day(source, batch), list(source.columns)
    with local_file(batch) as path:
        decided = _decided_rows(batch, path, day, columns)
        with rows_of_file(path, decided["position"].to_pylist()) as rows:
            judged = run_suite(rows, suite)
            of_key, failed = failures(judged[: len(own)]), failures(judged)
            blocked = any(failure.severity == "critical" for failure in failed)
            limit = QUARANTINED_AT_MOST if blocked else batch.rows
            broken = broken_rows(rows, judged, len(own), day, columns, limit)
        left = quarantine.quarantine_rows(batch, broken, decided, run)
        profile = profile_rows(path, source, batch.days, left.positions)
    stored_profiles.write_profile(batch, profile)
    failed += days_out_of_bounds(counts, source.rows_per_day) if source.arrives != "snapshot" else []
    quarantined_days = set() if blocked else set(broken["day"].to_pylist())
    emptied = emptied_days(counts, left.by_day, quarantined_days, source.rows_per_day)
    failed += emptied
    raw = (raw or lake.RawTable(lake.raw_uri(pipeline.name, batch.source))).refresh()
    shrunk = shrunk_days(counts, raw.partitions(source.slice_column, set(batch.days)), batch, source)
    failed += shrunk
    earlier = stored_profiles.earlier_days(pipeline, batch.source, batch.days[0], raw)
    before = stored_profiles.read_profiles(pipeline, batch.source, earlier, raw)
    failed += history.compare(profile, before, batch.days, source)
    failed.sort(key=lambda failure: failure.severity != "critical")
    quarantined = len(left.positions)
    counted = len(suite) + (source.arrives != "snapshot") + len(emptied) + len(shrunk) + len(source.history.active)
    report = ValidationReport(batch.rows, counted, failed, quarantined)
    days = shown_range(batch.start, batch.end)
    where = f"{pipeline.name}: source '{batch.source}', {days}"
    page = page_path(batch.pipeline, batch.source, run)
    write_page(page, where, judged, report, {"batch": batch.digest, "run": run})
    address = page_address(VALIDATIONS, batch.pipeline, batch.source, page.stem)
    log.info("%s: Data Docs: %s", where, address or page)
    record = report.to_json() | {"passed": not report.critical, "run": run, "at": datetime.now(UTC).isoformat()}
    run_files.write_json(verdict_path(batch), record)
    conclude(report, where, _consequence(batch, quarantined, len(broken), report.critical, of_key))
    return report


def validate_features(pipeline: Pipeline, features: pa.Table) -> ValidationReport:
    """Validate the feature table by `expectations/features.yaml`.

    Raises
    ------
    ExpectationsFailed
        If a critical expectation fails; then nothing is trained.
    """
    suite = load_suite(pipeline.folder, "features", features.schema)
    return _validate_rows(features, suite, f"{pipeline.name}: feature table", "nothing was trained")


def validate_rows(pipeline: Pipeline, features: pa.Table) -> ValidationReport:
    """Validate rows to predict by the expectations of `expectations/features.yaml` on single rows.

    An expectation on a whole table, such as on a mean, need not hold for the rows of one day. Those on the label and
    on columns of `features.exclude` do not apply either, since these may hold the outcome.

    Raises
    ------
    ExpectationsFailed
        If a critical expectation fails; then nothing is predicted.
    """
    from great_expectations.expectations.expectation import (
        ColumnMapExpectation,
        ColumnPairMapExpectation,
        MulticolumnMapExpectation,
    )

    on_rows = (ColumnMapExpectation, ColumnPairMapExpectation, MulticolumnMapExpectation)
    left_out = {pipeline.features.label, *pipeline.features.exclude}
    suite = [
        each
        for each in load_suite(pipeline.folder, "features", features.schema)
        if isinstance(each, on_rows) and left_out.isdisjoint(named_columns(each))
    ]
    return _validate_rows(features, suite, f"{pipeline.name}: rows to predict", "nothing was predicted")


def _validate_rows(features: pa.Table, suite: list[Expectation], where: str, consequence: str) -> ValidationReport:
    """Judge feature rows, log the result and raise if it is critical."""
    failed = []
    if suite:
        with rows_of_table(features) as rows:
            failed = failures(run_suite(rows, suite))
    report = ValidationReport(features.num_rows, len(suite), failed)
    conclude(report, where, f"{consequence}; correct features.sql, or the expectation in the pipeline's folder")
    return report


def _key_expectations(source: Source) -> list[Expectation]:
    """Return the lake's own expectations: the key is not null and unique, and the time is not null."""
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
    return literal(batch.end.isoformat()) if source.arrives == "snapshot" else identifier(source.slice_column)


def _decided_rows(batch: StagedBatch, path: Path, day: str, columns: list[str]) -> pa.Table:
    """Return the batch's rows that somebody released or discarded, from this batch or an earlier one of its days."""
    row_ids = quarantine.decided_ids(batch)
    if not row_ids:
        return no_rows()
    with rows_of_file(path) as rows:
        return rows_by_id(rows, row_ids, day, columns)


def _consequence(
    batch: StagedBatch, quarantined: int, broken: int, critical: list[Failure], of_key: list[Failure]
) -> str:
    kept = f"nothing was published, the rows stay staged as batch {batch.digest}"
    if broken:
        more = "the first " if broken == QUARANTINED_AT_MOST else ""
        kept += f", {more}{quarantined:,} of them also in quarantine"
    rules = ["the expectation"] if len(critical) > len(of_key) else []
    if of_key:  # no suite has an expectation on the key
        rules.append(f"`key` and `available_at` of sources.{batch.source} in pipeline.yaml")
    return (
        f"{kept}; correct the source and run the extract task again, or correct {' and '.join(rules)} and run this "
        "task again"
    )
