"""Every family of models takes the same untidy frame and predicts numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import numpy as np
import optuna
import pandas as pd
import pytest

from include.training.candidates import CANDIDATES, MAX_CATEGORIES
from include.training.fit import fit_model, predict
from include.training_config import Family

if TYPE_CHECKING:
    from include.training_config import Task
    from tests.unit.training.conftest import MakeFrame, MakePipeline

FAMILIES = list(get_args(Family))
each_family = pytest.mark.parametrize("family", FAMILIES)
each_task = pytest.mark.parametrize("task", ["binary", "regression"])


def test_every_family_that_can_be_configured_is_built_here() -> None:
    """The families of pipeline.yaml's schema and the ones that can be built are the same, in one order."""
    assert list(CANDIDATES) == FAMILIES


@each_family
@each_task
def test_it_learns_from_missing_numbers_and_categories(
    family: Family, task: Task, make_pipeline: MakePipeline, make_frame: MakeFrame
) -> None:
    """With a fifth of a number and a tenth of a category missing, it still predicts better than the mean."""
    frame = make_frame(task)
    fit, held = frame.iloc[:500], frame.iloc[500:]
    assert fit["signal"].isna().any()
    assert fit["store"].isna().any()

    model = fit_model(make_pipeline(task), fit, family, CANDIDATES[family].defaults, 1)
    found = predict(model, held, task)

    assert found.shape == (len(held),)
    assert np.isfinite(found).all()
    error = np.mean((found - held["label"]) ** 2)
    assert error < 0.7 * np.mean((fit["label"].mean() - held["label"]) ** 2)
    assert task == "regression" or ((found >= 0) & (found <= 1)).all()


@each_family
@each_task
@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"store": "new"}, id="unseen category"),
        pytest.param({"store": None}, id="category missing everywhere"),
        pytest.param({"signal": np.nan}, id="number missing everywhere"),
        pytest.param({"signal": np.nan, "noise": np.nan, "store": "new"}, id="nothing known"),
        pytest.param({"signal": 1e12}, id="number far from all seen"),
    ],
)
def test_it_predicts_numbers_for_what_it_never_saw(
    changed: dict[str, object], family: Family, task: Task, make_pipeline: MakePipeline, make_frame: MakeFrame
) -> None:
    """A category or a gap that was not there to learn from gives a number, and no error."""
    frame = make_frame(task)
    frame["noise"] = frame["noise"].astype("float64")
    learned = frame.assign(store=frame["store"].fillna("west"), signal=frame["signal"].fillna(0))
    model = fit_model(make_pipeline(task), learned, family, CANDIDATES[family].defaults, 1)

    assert np.isfinite(predict(model, frame.assign(**changed), task)).all()


@each_family
@each_task
def test_the_same_seed_gives_the_same_predictions(
    family: Family, task: Task, make_pipeline: MakePipeline, make_frame: MakeFrame
) -> None:
    """A model fitted twice on the same rows with the same seed predicts the same, to the last bit."""
    frame, pipeline = make_frame(task), make_pipeline(task)

    first, second = (
        predict(fit_model(pipeline, frame, family, CANDIDATES[family].defaults, 1), frame, task) for _ in range(2)
    )

    assert np.array_equal(first, second)


@each_family
@pytest.mark.parametrize(
    "dropped",
    [pytest.param(["store"], id="numbers only"), pytest.param(["signal", "noise", "holiday"], id="text only")],
)
def test_one_kind_of_column_is_enough(
    dropped: list[str], family: Family, make_pipeline: MakePipeline, make_frame: MakeFrame
) -> None:
    """A table with only numbers, or only text, is learned from as well."""
    frame = make_frame().drop(columns=dropped)

    model = fit_model(make_pipeline(), frame, family, CANDIDATES[family].defaults, 1)

    assert np.isfinite(predict(model, frame, "regression")).all()


@each_family
@pytest.mark.parametrize(
    "store",
    [
        pytest.param(pd.array(["a", None, "b", "a"], dtype="str"), id="str with NaN, as the lake is read"),
        pytest.param(pd.array([True, None, False, True], dtype="object"), id="truth values with a null"),
        pytest.param(pd.array([None, None, None, None], dtype="object"), id="nothing but nulls"),
        pytest.param([f"store {number}" for number in range(MAX_CATEGORIES + 50)], id="very many categories"),
    ],
)
def test_it_takes_every_column_that_the_lake_gives(
    store: list[object], family: Family, make_pipeline: MakePipeline, make_frame: MakeFrame
) -> None:
    """Text and truth values come with nulls and in any number of values, and are learned from."""
    frame = make_frame()
    frame["store"] = pd.Series(
        np.resize(np.asarray(store, dtype=object), len(frame)), dtype=getattr(store, "dtype", None)
    )

    model = fit_model(make_pipeline(), frame, family, CANDIDATES[family].defaults, 1)

    assert np.isfinite(predict(model, frame, "regression")).all()


@each_family
def test_a_number_that_is_never_known_does_no_harm(
    family: Family, make_pipeline: MakePipeline, make_frame: MakeFrame
) -> None:
    """A column that is empty in all rows to learn from is passed over, and may have values later."""
    frame = make_frame()
    model = fit_model(make_pipeline(), frame.assign(noise=np.nan), family, CANDIDATES[family].defaults, 1)

    assert np.isfinite(predict(model, frame, "regression")).all()


@each_family
def test_every_parameter_has_a_default_within_its_range(family: Family) -> None:
    """The first trial's parameters are ones that the search could have drawn itself."""
    trial = optuna.trial.FixedTrial(CANDIDATES[family].defaults)

    assert CANDIDATES[family].suggest(trial) == CANDIDATES[family].defaults


@each_family
@each_task
def test_every_drawn_model_can_be_fitted(
    family: Family, task: Task, make_pipeline: MakePipeline, make_frame: MakeFrame
) -> None:
    """Parameters at both ends of every range are accepted by the library that they are for."""
    study = optuna.create_study()
    trial = study.ask()
    CANDIDATES[family].suggest(trial)
    frame = make_frame(task, days=20)

    for end in ("low", "high"):
        params = {name: getattr(range_, end) for name, range_ in trial.distributions.items()}
        model = fit_model(make_pipeline(task), frame, family, params, 1)
        assert np.isfinite(predict(model, frame, task)).all()
