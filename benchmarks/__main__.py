"""Measures everything and writes docs/benchmarks.md."""

from __future__ import annotations

import logging
import signal
import sys

from benchmarks import days
from benchmarks.features import compare_features
from benchmarks.measure import ingest_year, tell, temporary_home, the_pipeline
from benchmarks.memory import peak_memory
from benchmarks.orchestration import compare_orchestration
from benchmarks.page import Measured, write_page
from benchmarks.parsing import parse_seconds
from benchmarks.retraining import compare_retraining
from benchmarks.validation import compare_validation
from include import settings


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
        tell("one more day")
        one_more = days.day_seconds()
        tell("ingesting the year")
        ingest_year(pipeline)
        tell("feature table")
        features = compare_features(pipeline)
        tell("retraining in one process")
        retraining, steps, roc_auc = compare_retraining(pipeline)
        tell("retraining in Airflow")
        comparisons = [validation, features, retraining, *compare_orchestration(pipeline)]
    measured = Measured(comparisons, steps, roc_auc, dags, parsing, peaks, in_pandas, one_more)
    page = settings.root() / "docs" / "benchmarks.md"
    write_page(page, measured)
    tell(f"written: {page.relative_to(settings.root())}")
    missed = measured.over_limit()
    if missed:
        tell(f"over the limit: {', '.join(missed)}")
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())
