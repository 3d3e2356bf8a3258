"""The search starts from what is known to work, keeps to its budget, and never prefers what is not a number."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest

from include.errors import TrainingImpossible
from include.training.candidates import CANDIDATES
from include.training.split import split_by_time
from include.training.tune import TuningResult, choose_best, tune_candidate
from include.training_config import METRICS
from tests import factories

if TYPE_CHECKING:
    import pandas as pd

    from include.config import Pipeline
    from tests.unit.training.conftest import MakeFrame, MakePipeline

FAMILIES = list(CANDIDATES)
ENOUGH_SECONDS = 600.0


def _tune(
    pipeline: Pipeline, frame: pd.DataFrame, family: str = "linear", seconds: float = ENOUGH_SECONDS, trials: int = 6
) -> TuningResult:
    times = frame["prediction_time"].to_numpy()
    through = factories.FIRST_DAY + timedelta(days=59)
    split = split_by_time(times, frame["label"].notna().to_numpy(), pipeline.training, through)
    return tune_candidate(pipeline, frame, split, family, seconds, trials, threads=1)


def _found(result: TuningResult) -> list[object]:
    """Return what a search found, without what the clock has a part in."""
    trials = [{name: value for name, value in each.items() if name != "seconds"} for each in result.trials]
    return [result.params, result.score, result.fold_scores, trials]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_defaults_are_always_finished(family: str, make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """However few the seconds, the first trial has the family's defaults and a score of every fold."""
    result = _tune(make_pipeline(), make_frame(), family, seconds=0.001, trials=50)

    assert len(result.trials) < 50
    first = result.trials[0]
    assert first["params"] == pytest.approx(CANDIDATES[family].defaults)
    assert len(first["fold_scores"]) == 2
    assert first["score"] == pytest.approx(np.mean(first["fold_scores"]))


def test_the_trials_are_a_limit(make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """A search stops after its trials, though there are seconds left."""
    assert [trial["number"] for trial in _tune(make_pipeline(), make_frame(), trials=3).trials] == [0, 1, 2]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_seed_and_trials_give_the_same_result(
    family: str, make_pipeline: MakePipeline, make_frame: MakeFrame
) -> None:
    """A repeated search draws the same parameters and finds the same scores; another seed draws others."""
    frame, pipeline = make_frame(rows_per_day=10), make_pipeline(seed=1)

    first, second = (_found(_tune(pipeline, frame, family, trials=3)) for _ in range(2))

    assert first == second
    assert _found(_tune(make_pipeline(seed=2), frame, family, trials=3))[-1] != first[-1]


@pytest.mark.parametrize(
    ("task", "metric"), [(task, metric) for task, metrics in METRICS.items() for metric in metrics]
)
def test_the_best_trial_is_best_in_the_metrics_own_direction(
    task: str, metric: str, make_pipeline: MakePipeline, make_frame: MakeFrame
) -> None:
    """The result is the highest score where higher is better, and the lowest where lower is."""
    result = _tune(make_pipeline(task, metric=metric), make_frame(task))

    scores = [trial["score"] for trial in result.trials if trial["score"] is not None]
    assert len(set(scores)) > 1
    assert result.score == (max if METRICS[task][metric] else min)(scores)
    best = next(trial for trial in result.trials if trial["score"] == result.score)
    assert (result.params, result.fold_scores) == (best["params"], best["fold_scores"])


@pytest.mark.parametrize("metric", ["roc_auc", "log_loss"])
def test_without_a_finite_score_the_sentence_names_metric_and_days(
    metric: str, make_pipeline: MakePipeline, make_frame: MakeFrame
) -> None:
    """A fold of one class has no score, so no trial has one, and no trial wins."""
    frame = make_frame("binary")
    last = frame["prediction_time"] >= "2024-02-01"
    frame.loc[last, "label"] = 0.0

    with pytest.raises(
        TrainingImpossible, match=rf"^shop: no trial of linear has a finite {metric}; .*2024-01-01 to 2024-02-14$"
    ):
        _tune(make_pipeline("binary", metric=metric), frame, trials=2)


def test_a_fold_learns_from_at_most_the_sample(make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """Fewer rows to a trial give other scores, and the same ones each time."""
    frame = make_frame()
    whole = make_pipeline()
    tuning = whole.training.tuning.model_copy(update={"sample_rows": 100})
    sampled = whole.model_copy(update={"training": whole.training.model_copy(update={"tuning": tuning})})

    first, second = (_tune(sampled, frame, trials=1) for _ in range(2))

    assert first.score == second.score
    assert first.score != _tune(whole, frame, trials=1).score


def _tuned(**scores: float) -> list[dict[str, object]]:
    return [{"family": family, "score": score} for family, score in scores.items()]


@pytest.mark.parametrize(
    ("task", "metric", "best"),
    [
        ("binary", "roc_auc", "high"),
        ("binary", "average_precision", "high"),
        ("binary", "log_loss", "low"),
        ("binary", "brier", "low"),
        ("regression", "mae", "low"),
        ("regression", "rmse", "low"),
        ("regression", "r2", "high"),
    ],
)
def test_the_best_candidate_is_best_in_the_metrics_own_direction(task: str, metric: str, best: str) -> None:
    """An error is best when low and a score when high."""
    assert choose_best(_tuned(middle=0.5, low=0.4, high=0.6), task, metric)["family"] == best


@pytest.mark.parametrize("metric", ["roc_auc", "log_loss"])
def test_of_equal_candidates_the_earlier_is_chosen(metric: str) -> None:
    """The order of training.candidates decides between equal scores."""
    assert choose_best(_tuned(first=0.5, second=0.5, third=0.5), "binary", metric)["family"] == "first"


@pytest.mark.parametrize("unusable", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("metric", ["roc_auc", "log_loss"])
def test_a_score_that_is_not_finite_never_wins(metric: str, unusable: float) -> None:
    """A NaN or an infinity loses to every number, wherever it stands."""
    assert choose_best(_tuned(before=unusable, real=0.1, after=unusable), "binary", metric)["family"] == "real"


def test_no_finite_score_is_refused() -> None:
    """Where no candidate has a score, the sentence names the metric."""
    with pytest.raises(TrainingImpossible, match="no candidate has a finite r2"):
        choose_best(_tuned(a=float("nan"), b=float("inf")), "regression", "r2")
