"""Trials that several tasks share: which worker runs them, when one is lost, and what it costs."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from include.core.errors import EvaluationFailed
from include.evaluation.metrics import Metric
from include.training import studies, trials
from include.training.folds import Folds
from include.training.tune import Search
from tests.unit.training.test_tune import ENOUGH_SECONDS, _broken, _folds

if TYPE_CHECKING:
    from pathlib import Path

    from include.config.pipeline import Pipeline
    from include.training.candidates import Candidate
    from include.training.tuning_result import TrialResult
    from tests.unit.training.conftest import MakeFrame, MakePipeline


def search_of(pipeline: Pipeline, tmp_path: Path) -> Search:
    """Open the search that all tasks of a test share."""
    return Search(pipeline, tmp_path / "search.journal", "a search")


def ended(search: Search, family: str) -> list[TrialResult]:
    """Return a family's trials that are not running."""
    begun = search.studies[family].get_trials()
    return [trials.trial_result(trial) for trial in begun if not trials.is_running(trial)]


def test_the_first_parameters_are_tried_once(make_pipeline: MakePipeline, tmp_path: Path) -> None:
    """Two tasks that open a search at the same time try the defaults and the champion's parameters only once."""
    pipeline = make_pipeline(candidates=["linear"], tuning={"parallel": 2})
    first, second = search_of(pipeline, tmp_path), search_of(pipeline, tmp_path)
    candidate = first.candidates["linear"]
    params = studies.first_params(pipeline, candidate, {"linear": {"strength": 0.125}})

    drawn = [
        candidate.suggest(studies.ask(search.studies["linear"], 7, worker, 2, params))
        for worker, search in ((0, first), (1, second), (0, first), (1, second))
    ]

    assert drawn[:2] == params
    assert len({tuple(sorted(each.items())) for each in drawn}) == 4


def test_a_lost_trial_costs_what_its_whole_folds_took(make_pipeline: MakePipeline, tmp_path: Path) -> None:
    """The wait until a killed task restarts does not count as search."""
    study = search_of(make_pipeline(candidates=["linear"]), tmp_path).studies["linear"]
    trial = studies.ask(study, 7, worker=0, workers=1)
    trial.set_user_attr("seconds", 2.5)

    studies.give_up(study, worker=0)

    assert studies.seconds_spent_by(study, worker=0) == 2.5
    assert studies.failure_of(study) is None
    assert studies.describe_loss(study) == f"trial 0 was lost, there was no time to try again: {trials.DIED}"


def test_a_trial_that_waited_for_its_storage_costs_what_it_worked(make_pipeline: MakePipeline, tmp_path: Path) -> None:
    """A database was once down for twelve of twenty seconds, and the retry had almost no seconds left."""
    search = search_of(make_pipeline(candidates=["linear"]), tmp_path)
    study = search.studies["linear"]
    trial = studies.ask(study, 7, worker=0, workers=1)
    trial.set_user_attr("seconds", 0.1)
    time.sleep(0.2)  # the database is down
    search.interrupt(worker=0)

    assert studies.seconds_spent_by(study, worker=0) == 0.1


def test_a_family_whose_trial_was_lost_is_tried_again_on_fewer_rows(
    make_pipeline: MakePipeline, make_frame: MakeFrame, tmp_path: Path
) -> None:
    """It restarts with the cheapest parameters and half of the rows, and keeps that limit for the rest of the run."""
    pipeline = make_pipeline(candidates=["linear"], tuning={"trials": 3, "folds": 2})
    dead = search_of(pipeline, tmp_path)
    study = dead.studies["linear"]
    study.tell(studies.ask(study, 7, worker=0, workers=1, first=dead.first["linear"]), 300.0)
    studies.ask(study, 7, worker=0, workers=1)  # and then its process died
    folds, again = _folds(pipeline, make_frame()), search_of(pipeline, tmp_path)
    fitted: list[tuple[int | None, Any]] = []
    fit = folds.fit

    def recorded(candidate: Candidate, params: Any, *more: Any) -> Any:
        fitted.append((candidate.max_rows, params))
        return fit(candidate, params, *more)

    folds.fit = recorded  # type: ignore[method-assign]
    again.run(folds, ENOUGH_SECONDS, 0, lambda *_: None)

    half = folds.fit_rows // 2
    assert {rows for rows, _ in fitted} == {half}
    assert fitted[0][1] == again.candidates["linear"].defaults
    result = again.results()["linear"]
    assert [trial.state for trial in result.trials] == ["complete", "fail", "complete", "complete"]
    assert result.max_rows == half
    assert result.note == f"trial 1 was lost, tried again on at most {half} rows: {trials.DIED}"


def test_a_family_that_is_lost_on_fewer_rows_too_is_left_out(
    make_pipeline: MakePipeline, make_frame: MakeFrame, tmp_path: Path
) -> None:
    """There is only one second try; the search ends with the other families."""
    pipeline = make_pipeline(candidates=["baseline", "linear"], tuning={"trials": 3, "folds": 2})
    for max_rows in (None, 100):
        dead = search_of(pipeline, tmp_path)
        studies.ask(dead.studies["linear"], 7, 0, 1, dead.first["linear"], max_rows)
        for study in dead.studies.values():
            studies.give_up(study, worker=0)

    again = search_of(pipeline, tmp_path)
    again.run(_folds(pipeline, make_frame()), ENOUGH_SECONDS, 0, lambda *_: None)

    results = again.results()
    assert results["linear"].note == f"left out after trial 1: {trials.DIED}"
    assert results["linear"].trial is None
    assert results["baseline"].trial == 0


def test_a_family_without_a_search_space_is_tried_again_too(
    make_pipeline: MakePipeline, make_frame: MakeFrame, tmp_path: Path
) -> None:
    """It still gets its only trial."""
    pipeline = make_pipeline(candidates=["baseline"], tuning={"folds": 2})
    studies.ask(search_of(pipeline, tmp_path).studies["baseline"], 7, worker=0, workers=1)

    again = search_of(pipeline, tmp_path)
    again.run(_folds(pipeline, make_frame()), ENOUGH_SECONDS, 0, lambda *_: None)

    assert again.results()["baseline"].trial == 1


def test_a_lost_trial_that_still_reports_counts(make_pipeline: MakePipeline, tmp_path: Path) -> None:
    """A task that only seemed dead reports its score, and its family goes on."""
    study = search_of(make_pipeline(candidates=["linear"]), tmp_path).studies["linear"]
    trial = studies.ask(study, 7, worker=0, workers=1)
    studies.give_up(study, worker=0)

    study.tell(trial, 3.0)

    assert studies.failure_of(study) is None
    best = studies.best_trial(study, -1.0)
    assert best is not None
    assert best.value == 3.0


def test_a_search_that_was_killed_in_its_last_trial_is_not_over(
    make_pipeline: MakePipeline, make_frame: MakeFrame, tmp_path: Path
) -> None:
    """The trial has to be given up first, so that the run says what happened to it."""
    pipeline = make_pipeline(candidates=["linear"], tuning={"trials": 2, "folds": 2})
    dead = search_of(pipeline, tmp_path)
    study = dead.studies["linear"]
    study.tell(studies.ask(study, 7, worker=0, workers=1), 3.0)
    studies.ask(study, 7, worker=0, workers=1)  # and then its process died

    again = search_of(pipeline, tmp_path)
    assert not again.is_over(ENOUGH_SECONDS, worker=0)
    again.run(_folds(pipeline, make_frame()), ENOUGH_SECONDS, 0, lambda *_: None)

    assert again.is_over(ENOUGH_SECONDS, worker=0)
    assert [trial.state for trial in ended(again, "linear")] == ["complete", "fail", "complete"]
    assert ended(again, "linear")[1].error == trials.DIED


def test_a_task_without_a_trial_left_waits_for_the_others(
    make_pipeline: MakePipeline, make_frame: MakeFrame, tmp_path: Path
) -> None:
    """Nothing is fitted twice, and a missing result is no error while another task runs its trial."""
    pipeline = make_pipeline(candidates=["baseline"], tuning={"folds": 2, "parallel": 2})
    other = search_of(pipeline, tmp_path)
    running = studies.ask(other.studies["baseline"], 7, worker=1, workers=2)

    search = search_of(pipeline, tmp_path)
    search.run(_folds(pipeline, make_frame()), ENOUGH_SECONDS, 0, lambda *_: None)

    assert ended(search, "baseline") == []
    assert search.waits_for_others()
    other.studies["baseline"].tell(running, 3.0)
    assert not search.waits_for_others()


def test_predictions_of_the_first_of_equal_trials_are_kept(
    make_pipeline: MakePipeline, make_frame: MakeFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trial that begins earlier and reports later than an equal one is the best, so its predictions are kept."""
    pipeline = make_pipeline(candidates=["linear"], tuning={"trials": 2, "folds": 2, "parallel": 2})
    monkeypatch.setattr(Metric, "value", lambda *_: 3.0)
    other, search = search_of(pipeline, tmp_path), search_of(pipeline, tmp_path)
    kept: list[int] = []
    original = Folds.fit

    def fit_while_another_is_quicker(*args: Any, **kwargs: Any) -> Any:
        study = other.studies["linear"]
        if len(study.get_trials()) == 1:
            study.tell(studies.ask(study, 7, worker=1, workers=2), 3.0)
        return original(*args, **kwargs)

    monkeypatch.setattr(Folds, "fit", fit_while_another_is_quicker)
    folds = _folds(pipeline, make_frame())
    search.run(folds, ENOUGH_SECONDS, 0, lambda family, trial, predictions: kept.append(trial))

    assert search.results()["linear"].trial == 0
    assert kept == [0]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), EvaluationFailed("no such class")], ids=["signal", "named"])
def test_an_error_that_stops_the_task_is_no_failure_of_the_family(
    error: BaseException, make_pipeline: MakePipeline, make_frame: MakeFrame, tmp_path: Path
) -> None:
    """Even a family with a single trial runs it at the next try, and no note mentions memory."""
    pipeline = make_pipeline(candidates=["baseline"], tuning={"folds": 2})
    search = search_of(pipeline, tmp_path)
    whole = search.candidates["baseline"]
    _broken(search, "baseline", error)
    folds = _folds(pipeline, make_frame())
    with pytest.raises(type(error)):
        search.run(folds, ENOUGH_SECONDS, 0, lambda *_: None)

    again = search_of(pipeline, tmp_path)
    again.candidates["baseline"] = whole
    again.run(folds, ENOUGH_SECONDS, 0, lambda *_: None)

    result = again.results()["baseline"]
    assert [trial.state for trial in result.trials] == ["pruned", "complete"]
    assert result.note == ""
    assert math.isfinite(result.score or np.nan)
