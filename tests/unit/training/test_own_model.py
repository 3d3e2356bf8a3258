"""An estimator that no model file can hold is refused before the search, not after a night of fits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from include.core.errors import ConfigError, ModelRefused
from include.training import own_model
from include.training.fit import fit_model, predict
from include.training.model_file import load_model, save_model, trusted_of
from include.training.own_model import check_fitted, check_unfitted

if TYPE_CHECKING:
    from pathlib import Path

    from include.config.pipeline import Pipeline
    from tests.unit.training.conftest import MakeFrame, MakePipeline

TEAM = "tests.unit.training.team_models"


def _pipeline(make_pipeline: MakePipeline, estimator: str, task: str = "regression", **own: Any) -> Pipeline:
    return make_pipeline(task, candidates=[], own_candidates={"mine": {"estimator": estimator, **own}})


@dataclass
class _Loaded:
    error: str | None = None


@pytest.fixture
def same_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip the fresh process, which takes seconds and has its own tests."""
    monkeypatch.setattr(own_model, "measure_reload", lambda *_, **__: _Loaded())


@pytest.mark.usefixtures("same_process")
@pytest.mark.parametrize(
    ("estimator", "own"),
    [
        pytest.param(f"{TEAM}.Mean", {}, id="a class of the team's"),
        pytest.param(f"{TEAM}.Draws", {}, id="a generator of numbers"),
        pytest.param(f"{TEAM}.Line", {}, id="a subclass"),
        pytest.param(f"{TEAM}.Nearest", {}, id="a subclass of neighbours"),
        pytest.param(f"{TEAM}.Scaled", {"trusted_types": [f"{TEAM}.Scale"]}, id="a helper that is named"),
        pytest.param(f"{TEAM}.KindHeld", {"trusted_types": [f"{TEAM}.Scale"]}, id="a class that is named"),
        pytest.param("sklearn.neighbors.KNeighborsRegressor", {"params": {"p": 1}}, id="neighbours"),
        pytest.param("sklearn.neural_network.MLPRegressor", {"params": {"max_iter": 2}}, id="a network"),
        pytest.param("sklearn.gaussian_process.GaussianProcessRegressor", {}, id="a Gaussian process"),
        pytest.param("xgboost.XGBRFRegressor", {"params": {"n_estimators": 2}}, id="of an extra"),
        pytest.param(f"{TEAM}.NeedsManyRows", {}, id="cannot be fitted on a few rows"),
    ],
)
def test_an_estimator_that_can_be_saved_passes(
    estimator: str, own: dict[str, Any], make_pipeline: MakePipeline, make_frame: MakeFrame
) -> None:
    """Allowed are the named class, the parts of scikit-learn's classes, and the trusted_types."""
    pipeline = _pipeline(make_pipeline, estimator, **own)

    check_unfitted(pipeline)
    check_fitted(pipeline, make_frame())


@pytest.mark.parametrize(
    ("estimator", "sentence"),
    [
        pytest.param("Scaled", rf"holds {TEAM}\.Scale, and .* add trusted_types: \[{TEAM}\.Scale\]$", id="a helper"),
        pytest.param("KindHeld", rf"add trusted_types: \[{TEAM}\.Scale\]$", id="a class"),
        pytest.param("Lambda", r"team_models\.<lambda>, which has no import path .*at the top level", id="a lambda"),
        pytest.param("Local", r"team_models\.inner, which has no import path", id="a function in a function"),
        pytest.param("Inner", r"team_models\.Part, which has no import path", id="a class in a class"),
        pytest.param("Circular", r"cannot be written to a model file \(RecursionError", id="itself"),
    ],
)
def test_an_estimator_that_cannot_be_saved_is_refused_before_the_search(
    estimator: str, sentence: str, make_pipeline: MakePipeline, make_frame: MakeFrame
) -> None:
    """The sentence names the entry, what the model holds, and what to add or change."""
    pipeline = _pipeline(make_pipeline, f"{TEAM}.{estimator}")

    check_unfitted(pipeline)
    with pytest.raises(ConfigError, match=rf"^shop: training\.own_candidates\.mine: a model of .*{sentence}"):
        check_fitted(pipeline, make_frame())


def test_an_unfitted_estimator_is_refused_without_data(make_pipeline: MakePipeline) -> None:
    """validate-config has no data, and the unfitted estimator already holds the object."""
    with pytest.raises(ConfigError, match=rf"add trusted_types: \[{TEAM}\.Scale\]$"):
        check_unfitted(_pipeline(make_pipeline, f"{TEAM}.ScaledFromTheStart"))


def test_a_class_works_in_a_fresh_process(make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """Every process of the project finds a module beside include."""
    check_fitted(_pipeline(make_pipeline, f"{TEAM}.Mean"), make_frame())


def test_state_outside_of_the_model_is_refused(make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """A class that keeps its fitted state outside of itself cannot predict after loading."""
    with pytest.raises(ConfigError, match=r"does not work in a fresh process.*has no attribute 'kept'"):
        check_fitted(_pipeline(make_pipeline, f"{TEAM}.OfTheProcess"), make_frame())


def test_a_module_that_only_this_process_finds_is_refused(
    make_pipeline: MakePipeline, make_frame: MakeFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow's tasks find modules beside the DAGs, but the scoring process does not."""
    (tmp_path / "beside_the_dags.py").write_text(f"from {TEAM} import Mean\n\n\nclass Ours(Mean):\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(ConfigError, match=r"fresh process.*cannot be imported here \(No module named 'beside_the_dags"):
        check_fitted(_pipeline(make_pipeline, "beside_the_dags.Ours"), make_frame())


def test_nothing_but_the_named_class_is_trusted(
    make_pipeline: MakePipeline, make_frame: MakeFrame, tmp_path: Path
) -> None:
    """Another class of the same module stays refused, and so do longer and shorter names."""
    frame, ours = make_frame(), _pipeline(make_pipeline, f"{TEAM}.Mean")
    other = _pipeline(make_pipeline, f"{TEAM}.Draws")
    path = tmp_path / "model.skops"
    sha256 = save_model(fit_model(other, frame, "mine", {}, 1), path)

    assert trusted_of(ours.training) == [f"{TEAM}.Mean"]
    for trusted in (trusted_of(ours.training), [TEAM], ["tests"], [f"{TEAM}.Draw"]):
        with pytest.raises(ModelRefused, match=rf"\({TEAM}\.Draws\), so it was not loaded$"):
            load_model(path, sha256, trusted)
    loaded = load_model(path, sha256, trusted_of(other.training))
    assert np.array_equal(predict(loaded, frame, other.training), np.full(len(frame), frame["label"].mean()))


def test_a_class_is_trusted_where_it_was_defined(
    make_pipeline: MakePipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package may re-export a class under a second name, but a model file has the first."""
    (tmp_path / "passing_on.py").write_text(f"from {TEAM} import Mean, Scale\n")
    monkeypatch.syspath_prepend(tmp_path)

    found = trusted_of(
        _pipeline(make_pipeline, "passing_on.Mean", trusted_types=["passing_on.Scale", "no.such.Thing"]).training
    )

    assert found == ["no.such.Thing", f"{TEAM}.Mean", f"{TEAM}.Scale"]


def test_a_file_whose_module_is_gone_is_refused_by_that_name(
    make_pipeline: MakePipeline, make_frame: MakeFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the missing module, and does not call the file broken."""
    import sys

    (tmp_path / "soon_gone.py").write_text(f"from {TEAM} import Mean\n\n\nclass Ours(Mean):\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    pipeline = _pipeline(make_pipeline, "soon_gone.Ours")
    path = tmp_path / "model.skops"
    sha256 = save_model(fit_model(pipeline, make_frame(), "mine", {}, 1), path)
    (tmp_path / "soon_gone.py").unlink()
    monkeypatch.delitem(sys.modules, "soon_gone")

    with pytest.raises(ModelRefused, match=r"cannot be imported here \(No module named 'soon_gone'\); install"):
        load_model(path, sha256, trusted_of(pipeline.training))
