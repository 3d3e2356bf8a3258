"""Measures everything and writes docs/explanation/benchmarks.md."""

from __future__ import annotations

import logging
import signal
import sys

from benchmarks import days
from benchmarks.features import compare_features
from benchmarks.fitting import compare_fitting
from benchmarks.gating import gate_seconds
from benchmarks.incremental import compare_incremental
from benchmarks.measure import Comparison, ingest_year, tell, temporary_home, the_pipeline
from benchmarks.memory import peak_memory
from benchmarks.models import models_page_seconds
from benchmarks.orchestration import compare_orchestration
from benchmarks.page import Measured, write_page
from benchmarks.parsing import parse_seconds
from benchmarks.point_in_time import compare_point_in_time
from benchmarks.retraining import compare_retraining
from benchmarks.search import compare_search
from benchmarks.validation import compare_validation
from include.core import settings


def _show(each: Comparison) -> None:
    tell(f"  {each.name}: {each.ratio:.2f} ({each.ratio_of_minima:.2f}), limit {each.limit}")


def main() -> int:
    """Return 1 if a limit was missed."""
    logging.disable(logging.WARNING)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the stack is stopped and the home removed on the way out
    with temporary_home():
        pipeline = the_pipeline()
        tell("parsing")
        dags, parsing = parse_seconds()
        tell("peak memory")
        peaks = peak_memory()
        tell("validation")
        validation, in_pandas = compare_validation()
        _show(validation)
        tell("one more day")
        one_more = days.day_seconds()
        tell(f"  {', '.join(f'{held:,} days {taken:.2f} s' for held, taken in one_more.items())}")
        tell("the page of all models")
        models = models_page_seconds()
        tell(f"  {models.warm:.2f} s")
        tell("point-in-time builds")
        point_in_time = compare_point_in_time()
        tell("one more day of the feature table")
        incremental = compare_incremental()
        _show(incremental)
        tell("ingesting the year")
        ingest_year(pipeline)
        tell("feature table")
        features = compare_features(pipeline)
        _show(features)
        tell("fit of one model")
        fit = compare_fitting(pipeline)
        _show(fit)
        tell("the gate")
        gate = gate_seconds(pipeline)
        tell(f"  {gate.whole:.2f} s")
        tell("search")
        search = compare_search(pipeline)
        tell("retraining in one process")
        retraining, steps, roc_auc = compare_retraining(pipeline)
        _show(retraining)
        tell("retraining in Airflow")
        airflow = compare_orchestration(pipeline)
    events = [comparison for each in point_in_time for comparison in each.comparisons()]
    measured = Measured(
        comparisons=[validation, features, incremental, *events, fit, retraining, *airflow],
        steps=steps,
        roc_auc=roc_auc,
        dags=dags,
        parse_seconds=parsing,
        peaks=peaks,
        search=search,
        point_in_time=point_in_time,
        pandas_seconds=in_pandas,
        one_more_day=one_more,
        gate=gate,
        models=models,
    )
    page = settings.root() / "docs" / "explanation" / "benchmarks.md"
    write_page(page, measured)
    tell(f"written: {page.relative_to(settings.root())}")
    missed = measured.over_limit()
    if missed:
        tell(f"over the limit: {', '.join(missed)}")
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())
