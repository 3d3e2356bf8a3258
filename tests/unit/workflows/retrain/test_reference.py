"""A run writes a reference of its model, and goes on without one where that fails."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import pytest

from include.evaluation.reference import Reference
from include.lake import run_files
from include.training.fit import fit_model
from include.workflows.retrain import files
from include.workflows.retrain.reference import model_files, write_reference
from tests.unit.reports.card.facts import shop_of
from tests.unit.training.conftest import untidy_frame
from tests.unit.workflows.retrain.test_explain import Broken
from tests.unit.workflows.retrain.test_files import fitted, plan

if TYPE_CHECKING:
    from pathlib import Path


def challenger(sha256: str, features: list[str]) -> None:
    """Write the run's challenger."""
    run_files.write_json(files.folder(plan()) / "challenger.json", fitted(sha256, features).to_json())


@pytest.mark.parametrize("task", ["regression", "binary"])
def test_the_features_and_the_predictions_of_a_model_are_sketched(task: str, tmp_path: Path) -> None:
    """The file is named for the model that the run has now, and nothing of another one is registered."""
    frame, pipeline = untidy_frame(task), shop_of(task, tmp_path)
    features = pipeline.features.model_copy(update={"key": ["row"], "label": "label"})
    pipeline = pipeline.model_copy(update={"features": features})
    model = fit_model(pipeline, frame.head(400), "linear", {"strength": 1.0}, 1)
    names = [str(name) for name in model.feature_names_in_]
    challenger("a" * 64, names)

    write_reference(pipeline, plan(), model, frame.head(400), frame.tail(200))
    [content] = model_files(plan()).values()
    challenger("b" * 64, names)

    reference = Reference.from_json(json.loads(content))
    assert set(reference.features) == set(names)
    assert {each.rows + each.nulls for each in reference.features.values()} == {400}
    assert reference.predictions["prediction"].rows == 200
    assert model_files(plan()) == {}


def test_a_sketch_that_fails_is_logged_and_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The run goes on, and its version is registered without a reference."""
    frame = untidy_frame("regression")
    challenger("a" * 64, ["signal"])

    with caplog.at_level(logging.WARNING):
        write_reference(shop_of("regression", tmp_path), plan(), Broken(), frame, frame)  # type: ignore[arg-type]

    assert (
        "no reference was written, so the monitor cannot measure drift of this version: ValueError('no threads left')"
        in caplog.text
    )
    assert model_files(plan()) == {}
