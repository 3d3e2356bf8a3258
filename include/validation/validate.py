"""Validate: rows are held against their suite; a critical failure stops the run."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from include import workspace
from include.errors import ExpectationsFailed
from include.ingestion.extract import StagedBatch, read_batch
from include.validation.suite import load_suite

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from great_expectations.expectations.expectation import Expectation

    from include.config import Pipeline, RowsPerDay

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Failure:
    """One expectation that rows break: which, where, how many, and examples of what was found."""

    expectation: str
    column: str
    severity: str
    explanation: str

    def __str__(self) -> str:
        """Return the failure as a clause of a sentence."""
        return f"{self.column}: {self.expectation} {self.explanation}"


@dataclass(frozen=True)
class ValidationReport:
    """What a validation found."""

    rows: int
    expectations: int
    failures: list[Failure] = field(default_factory=list)

    @property
    def critical(self) -> list[Failure]:
        """The failures that stop a run."""
        return [failure for failure in self.failures if failure.severity == "critical"]

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON types."""
        return asdict(self)


def validate_batch(pipeline: Pipeline, batch: StagedBatch) -> ValidationReport:
    """Hold a staged batch against its source's suite, its key and its rows a day.

    Raises
    ------
    ExpectationsFailed
        If a critical expectation fails; the batch stays staged and is not published.
    """
    from great_expectations import expectations as gxe

    source = pipeline.sources[batch.source]
    rows = read_batch(batch)
    key = [*(["ds"] if "ds" in rows.column_names else []), *source.key]
    own: list[Expectation] = [gxe.ExpectColumnValuesToNotBeNull(column=column) for column in source.key]
    own.append(gxe.ExpectColumnValuesToNotBeNull(column=source.available_at.column))
    if len(key) == 1:
        own.append(gxe.ExpectColumnValuesToBeUnique(column=key[0]))
    else:
        own.append(gxe.ExpectCompoundColumnsToBeUnique(column_list=key))
    report = run_suite(rows.to_pandas(), own + load_suite(pipeline.folder, batch.source))
    if "ds" in rows.column_names:
        found = [*report.failures, *_days_out_of_bounds(rows, source.rows_per_day)]
        report = ValidationReport(report.rows, report.expectations + 1, found)
    where = f"{pipeline.name}: source '{batch.source}', {batch.start} to {batch.end}"
    _judge(report, where, "nothing was published, the rows stay staged as batch " + batch.digest)
    path = workspace.staged_folder(batch.pipeline, batch.source) / f"{batch.digest}.validation.json"
    workspace.write_json(path, report.to_json())
    return report


def validate_features(pipeline: Pipeline, features: pa.Table) -> ValidationReport:
    """Hold the feature table against `expectations/features.yaml`.

    Raises
    ------
    ExpectationsFailed
        If a critical expectation fails; nothing is then trained.
    """
    suite = load_suite(pipeline.folder, "features")
    report = run_suite(features.to_pandas(), suite)
    _judge(report, f"{pipeline.name}: feature table", "nothing was trained")
    return report


def run_suite(frame: pd.DataFrame, suite: list[Expectation]) -> ValidationReport:
    """Run expectations on a frame and return what failed, the critical first."""
    if not suite:
        return ValidationReport(rows=len(frame), expectations=0)
    import great_expectations as gx
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    in_memory = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(), progress_bars=ProgressBarsConfig(globally=False)
    )
    context = gx.get_context(mode="ephemeral", project_config=in_memory)
    batch = (
        context.data_sources.add_pandas("rows")
        .add_dataframe_asset("rows")
        .add_batch_definition_whole_dataframe("rows")
        .get_batch(batch_parameters={"dataframe": frame})
    )
    result = batch.validate(gx.ExpectationSuite(name="suite", expectations=suite), result_format="SUMMARY")
    failures = [_failure(each) for each in result.results if not each.success]
    failures.sort(key=lambda failure: failure.severity != "critical")
    return ValidationReport(rows=len(frame), expectations=len(suite), failures=failures)


def _failure(result: Any) -> Failure:
    config = result.expectation_config
    kwargs = {name: value for name, value in config.kwargs.items() if name != "batch_id"}
    column = kwargs.pop("column", None) or ", ".join(kwargs.pop("column_list", [])) or "table"
    rule = ", ".join(f"{name}={value}" for name, value in kwargs.items())
    counts = result.result
    raised = [info for info in _exceptions(result.exception_info) if info.get("raised_exception")]
    if raised:
        explanation = f"could not be judged: {raised[0].get('exception_message')}"
    elif "unexpected_count" in counts:
        examples = dict.fromkeys(map(str, counts.get("partial_unexpected_list", [])))
        examples = [each for each in examples if each not in ("None", "nan", "NaT", "<NA>")][:3]
        found = f", for example {', '.join(examples)}" if examples else ""
        explanation = (
            f"({rule or 'of all rows'}) failed for {counts['unexpected_count']:,} of "
            f"{counts['element_count']:,} rows ({counts['unexpected_percent']:.3g} %){found}"
        )
    else:
        explanation = f"({rule}) failed, observed {counts.get('observed_value')}"
    severity = getattr(config.severity, "value", config.severity) or "critical"
    return Failure(config.type, f"column '{column}'" if column != "table" else column, severity, explanation)


def _exceptions(info: dict[str, Any]) -> list[dict[str, Any]]:
    """Return GX's exception records, which it gives either directly or one level down by metric."""
    return [info] if "raised_exception" in info else [each for each in info.values() if isinstance(each, dict)]


def _days_out_of_bounds(rows: pa.Table, bounds: RowsPerDay) -> list[Failure]:
    failures = []
    highest = bounds.max if bounds.max is not None else float("inf")
    counts = sorted((each["values"], each["counts"]) for each in rows["ds"].value_counts().to_pylist())
    wrong = [(ds, count) for ds, count in counts if not bounds.min <= count <= highest]
    if wrong:
        listed = ", ".join(f"{ds}: {count:,}" for ds, count in wrong[:3])
        failures.append(
            Failure(
                "rows_per_day",
                "table",
                "critical",
                f"(min={bounds.min}, max={bounds.max}) failed for {len(wrong)} of {len(counts)} days, {listed}",
            )
        )
    return failures


def _judge(report: ValidationReport, where: str, consequence: str) -> None:
    for failure in report.failures:
        log.log(logging.ERROR if failure.severity == "critical" else logging.WARNING, "%s: %s", where, failure)
    held = report.expectations - len(report.failures)
    log.info("%s: %s rows, %s of %s expectations hold", where, f"{report.rows:,}", held, report.expectations)
    if report.critical:
        told = "; ".join(map(str, report.critical[:3]))
        more = f"; and {len(report.critical) - 3} more, listed above" if len(report.critical) > 3 else ""
        raise ExpectationsFailed(
            f"{where}: {len(report.critical)} critical expectation{'s' * (len(report.critical) > 1)} failed: "
            f"{told}{more}; {consequence}; correct the source, or the expectation in the pipeline's folder"
        )
