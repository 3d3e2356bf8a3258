"""Explanations of a run may be missing, and never fail it."""

from __future__ import annotations

import logging
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from include.config.loader import load_pipeline
from include.evaluation.collect import ChampionFacts
from include.evaluation.metrics import Metric
from include.lake import run_files
from include.training.fit import fit_model
from include.workflows.retrain import files
from include.workflows.retrain.explain import (
    Explanations,
    card_documents,
    read_explanations,
    sample,
    write_explanations,
)
from include.workflows.retrain.measure import ChampionModel, HoldoutRows
from tests.unit.reports.card.facts import described_run, shop_of
from tests.unit.training.conftest import untidy_frame
from tests.unit.workflows.retrain.test_files import plan

if TYPE_CHECKING:
    from pathlib import Path

CHAMPION = ChampionFacts(3, date(2024, 1, 31), date(2024, 1, 1))


class Broken:
    """A model that cannot predict."""

    feature_names_in_ = np.array(["signal"])

    def predict(self, rows: Any) -> Any:
        """Fail."""
        raise ValueError("no threads left")


def holdout(task: str) -> tuple[HoldoutRows, Any]:
    """Return holdout rows and training rows."""
    frame = untidy_frame(task)
    rows = frame.tail(200)
    y = rows["label"].to_numpy("float64")
    learned = frame.head(400)
    days = date(2024, 2, 1), date(2024, 2, 28)
    return HoldoutRows(rows, y, learned["label"].to_numpy("float64"), *days), learned


@pytest.mark.parametrize("task", ["regression", "binary"])
def test_curves_and_contributions_are_written_beside_the_evidence(task: str, tmp_path: Path) -> None:
    """Both files exist, with the champion's curve where there is one; a champion that fails is left out."""
    rows, learned = holdout(task)
    pipeline = shop_of(task, tmp_path)
    features = pipeline.features.model_copy(update={"key": ["row"], "label": "label"})
    folder = pipeline.folder
    pipeline = pipeline.model_copy(update={"features": features})
    pipeline._folder = folder
    model = fit_model(pipeline, learned, "linear", {"strength": 1.0}, 1)
    measure = Metric.of(pipeline.training)

    write_explanations(pipeline, plan(), model, ChampionModel(CHAMPION, model), rows, learned, measure)
    found = read_explanations(plan())
    write_explanations(pipeline, plan(), model, ChampionModel(CHAMPION, Broken()), rows, learned, measure)  # type: ignore[arg-type]
    alone = read_explanations(plan())

    assert found.contributions.method == "exact, of a linear model"
    assert found.contributions.rows == 200
    assert found.contributions.features[0].feature == "signal"
    if task == "binary":
        assert [each.model for each in found.curves.roc] == ["challenger", "champion"]
        assert [each.model for each in alone.curves.roc] == ["challenger"]
    else:
        assert found.curves.residuals == alone.curves.residuals


def test_a_failed_explanation_is_logged_and_left_out(shop: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The step goes on; the card says that it was not measured."""
    pipeline = load_pipeline("shop")
    rows, learned = holdout("regression")

    with caplog.at_level(logging.WARNING):
        write_explanations(pipeline, plan(), Broken(), None, rows, learned, Metric("regression", "mae"))  # type: ignore[arg-type]

    assert read_explanations(plan()) == Explanations()
    for name in ("curves", "contributions"):
        assert f"the {name} were not measured: ValueError('no threads left')" in caplog.text
    card = card_documents(pipeline, described_run(pipeline, curves=None, contributions=None))
    assert "were not measured in this run" in card["model_card.md"]


def test_a_run_of_an_older_nightshift_has_no_explanations(home: Path) -> None:
    """Its folder lacks the files, which is no error."""
    run_files.write_json(files.folder(plan()) / "importance.json", [])

    assert read_explanations(plan()) == Explanations()


def test_a_card_that_fails_is_logged_and_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The version is registered without a card."""
    pipeline = shop_of("regression", tmp_path)

    assert card_documents(pipeline, described_run(pipeline, features=None)) == {}
    assert "the model card was not written" in caplog.text


def test_a_sample_is_the_same_for_a_seed_and_in_the_order_of_the_rows() -> None:
    """Two attempts of a step explain the same rows."""
    frame = untidy_frame()

    found = sample(frame, 50, 7)

    assert len(found) == 50
    assert found.index.is_monotonic_increasing
    assert found.index.equals(sample(frame, 50, 7).index)
    assert not found.index.equals(sample(frame, 50, 8).index)
    assert sample(frame, 10_000, 7) is frame
