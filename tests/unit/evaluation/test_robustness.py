"""Each perturbation finds a model that fails on it, and passes one that does not."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from pydantic import TypeAdapter

from include.core.json_document import to_json_types
from include.evaluation.metrics import Metric
from include.evaluation.robustness import PerturbationResult, measure_robustness

if TYPE_CHECKING:
    from collections.abc import Callable

MAE = Metric("regression", "mae")
NAMES = ["missing values", "unseen categories", "shuffled rows", "numeric noise", "one row at a time"]


def _frame(rows: int = 600) -> pd.DataFrame:
    draw = np.random.default_rng(7)
    return pd.DataFrame(
        {
            "row": [f"row-{number}" for number in range(rows)],
            "level": draw.normal(10, 2, rows),
            "weekday": draw.integers(0, 7, rows),
            "store": draw.choice(["north", "south"], rows),
        }
    )


def _sound(frame: pd.DataFrame) -> np.ndarray:
    """Predict as a model does that imputes, knows what an unknown store is, and looks at each row alone."""
    level = frame["level"].fillna(10).to_numpy()
    return level + frame["store"].map({"north": 1.0, "south": -1.0}).fillna(0).to_numpy(dtype="float64")


def _measured(predict: Callable[[pd.DataFrame], np.ndarray], **changes: Any) -> dict[str, PerturbationResult]:
    frame = changes.pop("frame", None)
    frame = _frame() if frame is None else frame
    given: dict[str, Any] = {
        "metric": MAE,
        "value": 0.1,
        "baseline_value": 2.1,
        "features": ["level", "weekday", "store"],
        "numeric": ["level", "weekday"],
        "categorical": ["store"],
        "seed": 7,
    }
    if "y_true" not in changes:
        given["y_true"] = _sound(frame) + np.where(np.arange(len(frame)) % 2, 0.1, -0.1)
    found = measure_robustness(predict, frame, **given | changes)
    return {each.name: each for each in found}


def test_a_sound_model_loses_little() -> None:
    """A model that does what it should has no error and loses what its gaps and its noise are worth."""
    found = _measured(_sound)

    assert list(found) == NAMES
    assert [each.error for each in found.values()] == [None] * 5
    # a twentieth of the levels is off by some 1.6, and a twentieth of the stores by 1
    assert found["missing values"].share_lost == pytest.approx(0.05 * (1.6 + 1) / 2, abs=0.03)
    assert found["unseen categories"].metric == pytest.approx(1, abs=0.05)
    assert found["shuffled rows"].share_lost == pytest.approx(0, abs=1e-9)
    assert 0 < abs(found["numeric noise"].share_lost) < 0.01
    assert math.isnan(found["one row at a time"].metric)


def test_the_same_seed_gives_the_same() -> None:
    """Every random choice is seeded, so that a decision can be replayed."""
    first, again, other = (_measured(_sound, seed=seed)["missing values"].metric for seed in (7, 7, 8))

    assert first == again
    assert first != other


def test_a_loss_is_that_on_the_same_rows() -> None:
    """A sample that suits the model by chance more or less than the holdout does not count as a loss or a gain."""
    found = _measured(_sound, value=1.0, baseline_value=3.0, max_rows=50)

    assert found["shuffled rows"].metric == pytest.approx(0.1)
    assert found["shuffled rows"].share_lost == pytest.approx(0)


@pytest.mark.parametrize("metric", [2.1, 2.5, math.nan])
def test_without_a_gain_there_is_no_share_of_it(metric: float) -> None:
    """A model that is no better than the baseline has nothing to lose."""
    found = _measured(_sound, value=metric)

    assert math.isnan(found["missing values"].share_lost)
    assert math.isfinite(found["missing values"].metric)


def test_a_score_that_falls_is_a_loss() -> None:
    """Of a metric that is better when higher, the share lost has the same sign."""
    frame = _frame()
    found = _measured(
        lambda rows: 1 / (1 + np.exp(-(rows["level"].fillna(10) - 10))).to_numpy(),
        frame=frame,
        y_true=(frame["level"] > 10).astype("float64").to_numpy(),
        metric=Metric("binary", "roc_auc"),
        value=1.0,
        baseline_value=0.5,
    )

    assert found["missing values"].metric < 1
    assert found["missing values"].share_lost == pytest.approx((1 - found["missing values"].metric) / 0.5)


def _refuses_gaps(frame: pd.DataFrame) -> np.ndarray:
    if frame["level"].isna().any():
        raise ValueError("Input X contains NaN.\n  Impute it.")
    return _sound(frame)


def _cannot_do_without_stores(frame: pd.DataFrame) -> np.ndarray:
    if frame["store"].isna().all():
        raise TypeError("a float is no text")
    return _sound(frame)


def _knows_its_stores(frame: pd.DataFrame) -> np.ndarray:
    return frame["level"].fillna(10).to_numpy() + [
        {"north": 1.0, "south": -1.0}.get(each, 0.0) for each in _known(frame)
    ]


def _known(frame: pd.DataFrame) -> list[Any]:
    stores = frame["store"].dropna()
    unknown = set(stores) - {"north", "south"}
    if unknown:
        raise KeyError(f"unknown: {unknown}")
    return frame["store"].tolist()


def _centres_on_the_rows(frame: pd.DataFrame) -> np.ndarray:
    return _sound(frame) - _sound(frame).mean()


def _looks_at_the_row_before(frame: pd.DataFrame) -> np.ndarray:
    return _sound(frame) + frame["weekday"].shift().fillna(0).to_numpy(dtype="float64")


@pytest.mark.parametrize(
    ("predict", "name", "told"),
    [
        (_refuses_gaps, "missing values", "ValueError: Input X contains NaN. Impute it."),
        (
            _cannot_do_without_stores,
            "missing values",
            "with no value at all in store: TypeError: a float is no text",
        ),
        (
            lambda frame: frame["level"].to_numpy() + 0 * _sound(frame),
            "missing values",
            "it predicts NaN or infinity for ",
        ),
        (lambda frame: _sound(frame.dropna()), "missing values", "rows for 600 rows"),
        (_knows_its_stores, "unseen categories", "KeyError: \"unknown: {'never seen before'}\""),
        (_looks_at_the_row_before, "shuffled rows", "of their size from those in the order of the holdout"),
        (_centres_on_the_rows, "one row at a time", "of their size from those of the same rows among others"),
    ],
    ids=["gaps", "a whole column", "NaN", "fewer rows", "unseen", "order", "neighbours"],
)
def test_a_fault_is_found_by_its_perturbation(predict: Callable[..., np.ndarray], name: str, told: str) -> None:
    """A model that fails on a perturbation has its error there, and no other perturbation hides it."""
    found = _measured(predict)

    assert list(found) == NAMES
    assert told in str(found[name].error)
    assert next(each.name for each in found.values() if each.error) == name


def test_every_column_is_wholly_null_once() -> None:
    """Of many columns several are null together, so that the time is bounded and none is left out."""
    frame = pd.DataFrame({f"c{number}": np.ones(40) for number in range(95)})
    wholly_null: list[set[str]] = []

    def predict(rows: pd.DataFrame) -> np.ndarray:
        wholly_null.append({name for name in rows if rows[name].isna().all()})
        return np.ones(len(rows))

    _measured(predict, frame=frame, y_true=np.ones(40), features=list(frame), numeric=list(frame), categorical=[])

    assert set().union(*wholly_null) == set(frame)
    assert len(wholly_null) < 30


def test_the_column_that_must_not_be_null_is_named() -> None:
    """Of the columns that were null together, the one that the model cannot do without is found."""
    frame = pd.DataFrame({f"c{number}": np.ones(40) for number in range(95)})

    def predict(rows: pd.DataFrame) -> np.ndarray:
        if rows["c42"].isna().all():
            raise ValueError("no c42")
        return np.ones(len(rows))

    found = _measured(
        predict, frame=frame, y_true=np.ones(40), features=list(frame), numeric=list(frame), categorical=[]
    )

    assert found["missing values"].error == "with no value at all in c42: ValueError: no c42"


def test_a_perturbation_without_a_column_is_left_out() -> None:
    """Without a column of text there are no categories, and without numbers no noise."""
    numbers = _measured(lambda rows: rows["level"].fillna(10).to_numpy(), features=["level"], categorical=[])
    texts = _measured(
        lambda rows: rows["store"].map({"north": 1.0}).fillna(0).to_numpy(dtype="float64"),
        features=["store"],
        numeric=[],
    )

    assert list(numbers) == [name for name in NAMES if name != "unseen categories"]
    assert list(texts) == [name for name in NAMES if name != "numeric noise"]


def test_a_sample_has_enough_rows_of_a_rare_class() -> None:
    """Of two thousand rows with a positive in a hundred, enough are taken that the metric means something."""
    frame = _frame(8000)
    y_true = (np.arange(8000) % 100 == 0).astype("float64")
    seen: list[int] = []

    def predict(rows: pd.DataFrame) -> np.ndarray:
        seen.append(len(rows))
        return np.full(len(rows), 0.01)

    _measured(predict, frame=frame, y_true=y_true, metric=Metric("binary", "log_loss"))
    assert max(seen) == 5000
    seen.clear()
    _measured(predict, frame=frame, y_true=y_true)
    assert max(seen) == 4000


@pytest.mark.parametrize(
    ("predict", "told"),
    [
        (lambda frame: np.full(len(frame), np.nan), "it predicts NaN or infinity for 600 of 600 rows"),
        (lambda frame: np.float64(1), "it predicts one value for 600 rows"),
    ],
)
def test_a_model_that_cannot_predict_at_all_has_one_error(predict: Callable[..., np.ndarray], told: str) -> None:
    """Rows that are as they were are an error of their own, with no number that could pass."""
    (found,) = _measured(predict).values()

    assert found.error == f"even in the order of the holdout: {told}"
    assert math.isnan(found.share_lost)


def test_no_rows_are_not_perturbed() -> None:
    """Where nothing was held out, there is nothing to say."""
    assert _measured(_sound, frame=_frame().iloc[:0]) == {}


def test_it_comes_back_from_json() -> None:
    """A NaN is null in the evidence, and NaN again when it is read."""
    kept = to_json_types({"name": "one row at a time", "error": None, "metric": math.nan, "share_lost": 0.5})

    found = TypeAdapter(PerturbationResult).validate_python(kept)

    assert kept["metric"] is None
    assert math.isnan(found.metric)
    assert found.share_lost == 0.5
