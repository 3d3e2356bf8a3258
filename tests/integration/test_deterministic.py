"""The same snapshot, code and seed give the same predictions, to the last bit."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pytest

from include.config.loader import load_pipeline
from include.core import settings
from include.core.connections import EnvironmentConnections
from include.features.feature_table import FeatureTable, read_features
from include.lake import run_files
from include.training.fit import predict
from include.training.model_file import load_model
from include.workflows.retrain.run import ingest, retrain
from tests import factories

if TYPE_CHECKING:
    from pathlib import Path

    from include.config.pipeline import Pipeline

AS_OF = date(2024, 3, 20)


def _predictions(pipeline: Pipeline, run_key: str) -> tuple[np.ndarray, dict[str, object]]:
    """Return what a run's challenger predicts of every row, and what it is."""
    folder = run_files.run_folder(pipeline.name, run_key)
    challenger = run_files.read_json(folder / "challenger.json", "the challenger")
    with run_files.local_copy(folder / f"challenger-{challenger['sha256'][:12]}.skops") as path:
        model = load_model(path, challenger["sha256"])
    frame = read_features(FeatureTable(**run_files.read_json(folder / "features.json", "the table")))
    return predict(model, frame, pipeline.training), challenger


@pytest.mark.parametrize("threads", [pytest.param("1", marks=pytest.mark.slow), "2"])
def test_two_runs_of_the_same_data_predict_the_same(threads: str, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Features are built, parameters searched and models fitted twice; nothing of the first run helps the second."""
    monkeypatch.setenv("NIGHTSHIFT_THREADS", threads)
    tuning = "{trials: 2, folds: 2}\n  deterministic: true"
    text = factories.SHOP_YAML.replace("{seconds: 60, trials: 2, folds: 2, sample_rows: 1000}", tuning)
    text = text.replace("[lightgbm, linear]", "[baseline, linear, extra_trees, lightgbm, hist_gradient_boosting]")
    factories.write_shop(settings.pipelines_folder(), pipeline=text)
    pipeline = load_pipeline("shop")

    found = []
    for home in ("first", "second"):
        monkeypatch.setenv("LAKE_URI", str(settings.home() / home))
        ingest(pipeline, date(2024, 1, 1), AS_OF, EnvironmentConnections())
        retrain(pipeline, "night", AS_OF, dry_run=True)
        found.append(_predictions(pipeline, "night"))

    (first, one), (second, other) = found
    assert np.array_equal(first, second)
    assert one["members"] == other["members"]
    assert one["tuning_score"] == other["tuning_score"]
