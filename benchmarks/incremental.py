"""One more day of the feature table, on 300 days of flights, beside a build of them all."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from benchmarks.features import AS_OF
from benchmarks.measure import PIPELINE, Comparison, take_turns, the_pipeline, use_home
from include import lake
from include.core import settings
from include.core.connections import EnvironmentConnections
from include.features.build import build_features
from include.features.feature_table import FeatureTable, read_features
from include.features.snapshot import pin_snapshot
from include.ops.demo.sources import FIRST_DAY
from include.workflows.retrain.run import ingest

if TYPE_CHECKING:
    from collections.abc import Callable

    from include.config.pipeline import Pipeline

WINDOW_DAYS = 300
LIMIT = 0.1


def compare_incremental() -> Comparison:
    """Time both, after a look that they yield the same; in a home of its own, whose lake ends with that day."""
    before = settings.home()
    with TemporaryDirectory(prefix="bench-incremental-") as folder:
        use_home(Path(folder) / "home")
        try:
            return _compare(Path(folder) / "kept")
        finally:
            use_home(before)


def _compare(kept: Path) -> Comparison:
    pipeline = _of_window(the_pipeline())
    eve, table = AS_OF - timedelta(days=1), Path(lake.features_uri(PIPELINE))
    ingest(pipeline, FIRST_DAY, eve, EnvironmentConnections())
    build_features(pipeline, pin_snapshot(pipeline), eve)
    shutil.move(table, kept)
    ingest(pipeline, AS_OF, AS_OF, EnvironmentConnections())
    snapshot = pin_snapshot(pipeline)

    def build() -> FeatureTable:
        return build_features(pipeline, snapshot, AS_OF)

    def ours() -> FeatureTable:
        assert table.exists(), "the build of the day before must be there"
        return build()

    def full() -> FeatureTable:
        # within the round, and a matter of milliseconds: what was there before must not be found
        shutil.rmtree(table)
        return build()

    def fresh() -> None:
        shutil.rmtree(table, ignore_errors=True)
        shutil.copytree(kept, table)

    fresh()
    _assert_equal(ours, full)
    taken = take_turns(ours, full, prepare=fresh)
    return Comparison(f"one more day on {WINDOW_DAYS} days of flights, beside all of them", *taken, limit=LIMIT)


def _of_window(pipeline: Pipeline) -> Pipeline:
    training = pipeline.training.model_copy(update={"window_days": WINDOW_DAYS})
    return pipeline.model_copy(update={"training": training})


def _assert_equal(ours: Callable[[], FeatureTable], full: Callable[[], FeatureTable]) -> None:
    from pandas.testing import assert_frame_equal

    table = ours()
    assert table.version > 0, "the day must be built onto what was there"
    rows = read_features(table)
    # numbers to the precision of sums over another number of rows
    assert_frame_equal(rows, read_features(full()), check_like=True)
