"""A nightly run in one process, without Airflow: for a notebook, a debugger and benchmarks."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from include import lake
from include.ingestion.extract import extract_source
from include.ingestion.publish import publish_batch
from include.ingestion.published_days import missing_range, newest_day
from include.validation.validate import validate_batch
from include.workflows.retrain import steps
from include.workflows.retrain.plan import plan_run

if TYPE_CHECKING:
    from datetime import date

    from include.config.pipeline import Pipeline
    from include.core.connections import Connections
    from include.workflows.retrain.documents import RunSummary

#: A pipeline whose newest day is older than this probably receives no new data.
STILL_COMING = timedelta(days=2)

#: Called with the name of each step; returns a context in which the step runs.
Progress = Callable[[str], AbstractContextManager[Any]]


def silent(step: str) -> AbstractContextManager[Any]:
    """Show no progress."""
    return nullcontext()


def ingest(
    pipeline: Pipeline,
    start: date,
    end: date,
    connections: Connections,
    progress: Progress = silent,
    run_key: str = "local",
) -> None:
    """Extract, validate and publish every source for a range of days, both ends included."""
    for source in pipeline.sources:
        raw = lake.RawTable(lake.raw_uri(pipeline.name, source))
        with progress(f"{source}.extract"):
            batch = extract_source(pipeline, source, start, end, connections, raw)
        with progress(f"{source}.validate"):
            validate_batch(pipeline, batch, run_key, raw)
        with progress(f"{source}.publish"):
            publish_batch(pipeline, batch, raw)


def retrain(
    pipeline: Pipeline,
    run_key: str,
    as_of: date | None = None,
    tuning_seconds: int | None = None,
    *,
    dry_run: bool = False,
    progress: Progress = silent,
) -> RunSummary:
    """Train one challenger, let the gate judge it, and return the result of `steps.summarize`."""
    with progress("plan_run"):
        plan = plan_run(pipeline, run_key, as_of, tuning_seconds, dry_run=dry_run)
    with progress("build_features"):
        steps.build(pipeline, plan)
    with progress("validate_features"):
        steps.validate(pipeline, plan)
    with progress("prove_features"):
        steps.prove(pipeline, plan)
    if pipeline.features.selects:
        with progress("select_features"):
            steps.select(pipeline, plan)
    with progress("tune_candidates"):
        steps.tune(pipeline, plan)
    with progress("train_challenger"):
        steps.train(pipeline, plan)
    with progress("evaluate_challenger"):
        steps.evaluate(pipeline, plan)
    with progress("apply_gate"):
        steps.judge(pipeline, plan)
    with progress("register_model"):
        steps.register(pipeline, plan)
    with progress("summarize_run"):
        return steps.summarize(pipeline, plan)


def ended_earlier(pipeline: Pipeline, as_of: date) -> str | None:
    """Return advice for a run that named no day where the data seem to have ended, or None where they go on."""
    newest = newest_day(pipeline)
    if newest is None:
        return f"if the data end before {as_of}, name their last day with --as-of YYYY-MM-DD"
    if newest >= as_of - STILL_COMING:
        return None
    return f"the newest rows in the lake are from {newest}; if the data end there, name that day: --as-of {newest}"


def run(
    pipeline: Pipeline,
    run_key: str,
    as_of: date,
    connections: Connections,
    tuning_seconds: int | None = None,
    *,
    dry_run: bool = False,
    progress: Progress = silent,
) -> RunSummary:
    """Ingest the days that are missing up to `as_of`, then retrain."""
    missing = missing_range(pipeline, as_of)
    if missing:
        ingest(pipeline, *missing, connections, progress, run_key)
    return retrain(pipeline, run_key, as_of, tuning_seconds, dry_run=dry_run, progress=progress)
