"""The search starts from known parameters, keeps to its budget, survives a kill, and never prefers a NaN."""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
import pytest

from include.core.errors import TrainingImpossible
from include.evaluation.metrics import Metric
from include.training import studies, work_clock
from include.training.folds import Folds
from include.training.split import split_by_time
from include.training.tune import Search
from include.training.tuning_result import format_unfinished, tuning_table
from tests import factories

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from include.config.pipeline import Pipeline
    from tests.unit.training.conftest import MakeFrame, MakePipeline

ENOUGH_SECONDS = 600.0
Kept = dict[tuple[str, int], "np.ndarray"]


def _folds(pipeline: Pipeline, frame: pd.DataFrame) -> Folds:
    through = factories.FIRST_DAY + timedelta(days=59)
    known = frame["label"].notna().to_numpy()
    split = split_by_time(frame["prediction_time"].to_numpy(), known, pipeline.training, through)
    return Folds(pipeline, frame, split, Metric.of(pipeline.training), threads=1)


def _search(
    pipeline: Pipeline, frame: pd.DataFrame, tmp_path: Path, seconds: float = ENOUGH_SECONDS, **known: Any
) -> tuple[Search, Kept]:
    search = Search(pipeline, tmp_path / "search.journal", "a search", known)
    kept: Kept = {}
    search.run(_folds(pipeline, frame), seconds, 0, lambda family, trial, array: kept.update({(family, trial): array}))
    return search, kept


def _found(search: Search) -> list[object]:
    """Return the results of a search without anything that depends on the clock."""
    results = search.results().values()
    return [[result.params, result.score, [replace(each, seconds=0.0) for each in result.trials]] for result in results]


def test_every_family_has_its_defaults_tried_first(
    make_pipeline: MakePipeline, make_frame: MakeFrame, tmp_path: Path
) -> None:
    """The first trial of each family has parameters that are known to work, and scores the mean over the folds."""
    pipeline = make_pipeline(candidates=["linear", "lightgbm"], tuning={"trials": 2, "folds": 2})
    search, _ = _search(pipeline, make_frame(), tmp_path)

    for family, result in search.results().items():
        first = result.trials[0]
        defaults = search.candidates[family].defaults
        assert {name: first.params[name] for name in defaults} == pytest.approx(defaults)
        assert first.score == pytest.approx(np.mean(first.fold_scores))
        assert len(result.trials) == 2


def test_a_search_is_not_silent(
    make_pipeline: MakePipeline, make_frame: MakeFrame, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Each trial has a line while the search goes on; tune_candidates was silent for its whole budget."""
    caplog.set_level(logging.INFO)
    pipeline = make_pipeline(candidates=["baseline", "linear"], tuning={"trials": 2, "folds": 2})

    search, _ = _search(pipeline, make_frame(), tmp_path)

    ended = [line for line in caplog.messages if ": trial " in line]
    assert len(ended) == sum(len(result.trials) for result in search.results().values()) == 3
    assert "trial 0 of baseline: mae " in ended[0]
    assert " s left after 1 trials" in ended[0]


def test_any_budget_gives_a_result(make_pipeline: MakePipeline, make_frame: MakeFrame, tmp_path: Path) -> None:
    """A budget of 0 seconds still yields one whole trial, and no more."""
    pipeline = make_pipeline(candidates=["linear", "lightgbm"], tuning={"folds": 2})
    search, kept = _search(pipeline, make_frame(), tmp_path, seconds=0.0)

    assert [len(result.trials) for result in search.results().values()] == [1, 0]
    assert list(kept) == [("linear", 0)]
    assert "no trial finished" in search.results()["lightgbm"].note


def test_a_family_without_a_search_space_is_fitted_once(
    make_pipeline: MakePipeline, make_frame: MakeFrame, tmp_path: Path
) -> None:
    """A second fit of the baseline finds nothing new."""
    pipeline = make_pipeline(candidates=["baseline", "linear"], tuning={"trials": 3, "folds": 2})
    search, _ = _search(pipeline, make_frame(), tmp_path)

    assert [len(result.trials) for result in search.results().values()] == [1, 3]


def test_the_same_seed_finds_the_same(make_pipeline: MakePipeline, make_frame: MakeFrame, tmp_path: Path) -> None:
    """With a limit of trials and enough seconds, two searches of the same data agree in every number."""
    pipeline = make_pipeline(candidates=["linear", "lightgbm"], tuning={"trials": 4, "folds": 2})

    first, second = (_search(pipeline, make_frame(), tmp_path / name)[0] for name in ("first", "second"))

    assert _found(first) == _found(second)


def test_a_search_continues_where_it_stopped(
    make_pipeline: MakePipeline, make_frame: MakeFrame, tmp_path: Path
) -> None:
    """A resumed search repeats no trial, and finds what an uninterrupted search finds."""
    fewer, all_ = (
        make_pipeline(candidates=["linear"], tuning={"trials": trials, "folds": 2, "prune": False}) for trials in (2, 5)
    )
    frame = make_frame()

    _search(fewer, frame, tmp_path / "resumed")
    resumed, _ = _search(all_, frame, tmp_path / "resumed")
    whole, _ = _search(all_, frame, tmp_path / "whole")

    assert len(resumed.results()["linear"].trials) == 5
    assert _found(resumed) == _found(whole)


def test_a_restarted_worker_keeps_its_spent_seconds(
    make_pipeline: MakePipeline, make_frame: MakeFrame, tmp_path: Path
) -> None:
    """A worker that restarts after its seconds are used up runs no further trial."""
    pipeline = make_pipeline(candidates=["linear"], tuning={"folds": 2})
    search, _ = _search(pipeline, make_frame(), tmp_path, seconds=2.0)
    before = len(search.results()["linear"].trials)
    assert before > 1

    spent = sum(each.seconds for each in search.results()["linear"].trials)
    again = Search(pipeline, tmp_path / "search.journal", "a search")
    assert again.is_over(spent, worker=0)
    assert not again.is_over(spent, worker=1)


def test_the_predictions_of_the_best_trial_are_kept(
    make_pipeline: MakePipeline, make_frame: MakeFrame, tmp_path: Path
) -> None:
    """They cover every validation row, and have the score of the trial."""
    pipeline = make_pipeline(candidates=["linear"], tuning={"trials": 5, "folds": 3})
    frame = make_frame()
    search, kept = _search(pipeline, frame, tmp_path)
    folds = _folds(pipeline, frame)
    best = search.results()["linear"]

    predicted = kept["linear", best.trial or 0]
    scores = [
        folds.measure.value(folds.y[fold.validate], predicted[folds.fold_of == number])
        for number, fold in enumerate(folds.folds)
    ]
    assert scores == pytest.approx(best.fold_scores)


def test_the_champions_parameters_are_tried_early(
    make_pipeline: MakePipeline, make_frame: MakeFrame, tmp_path: Path
) -> None:
    """The second trial has the champion's best parameters; those outside the search space are left out."""
    pipeline = make_pipeline(candidates=["linear"], tuning={"trials": 2, "folds": 2})
    search, _ = _search(pipeline, make_frame(), tmp_path, linear={"strength": 0.125, "retired": 3})

    assert search.results()["linear"].trials[1].params == {"strength": 0.125}


def test_without_a_warm_start_the_champions_parameters_are_not_tried(
    make_pipeline: MakePipeline, make_frame: MakeFrame, tmp_path: Path
) -> None:
    """The switch in pipeline.yaml has an effect."""
    pipeline = make_pipeline(candidates=["linear"], tuning={"trials": 2, "folds": 2, "warm_start": False})
    search, _ = _search(pipeline, make_frame(), tmp_path, linear={"strength": 0.125})

    assert search.results()["linear"].trials[1].params != {"strength": 0.125}


def test_early_stopping_decides_the_rounds(make_pipeline: MakePipeline, make_frame: MakeFrame, tmp_path: Path) -> None:
    """The final fit has the mean of the folds' best rounds, and the rounds of each fold are kept."""
    pipeline = make_pipeline(candidates=["lightgbm"], tuning={"trials": 1, "folds": 3})
    result = _search(pipeline, make_frame(), tmp_path)[0].results()["lightgbm"]

    assert result.params is not None
    assert result.fold_rounds is not None
    assert len(result.fold_rounds) == 3
    assert result.params["n_estimators"] == round(np.mean(result.fold_rounds))


def test_a_refit_with_the_kept_rounds_predicts_the_same(
    make_pipeline: MakePipeline, make_frame: MakeFrame, tmp_path: Path
) -> None:
    """A replay fits without early stopping and predicts what the search predicted, to the last bit."""
    pipeline = make_pipeline(candidates=["lightgbm"], tuning={"trials": 2, "folds": 2})
    frame = make_frame()
    search, kept = _search(pipeline, frame, tmp_path)
    best = search.results()["lightgbm"]
    assert best.params is not None

    again = _folds(pipeline, frame).refit(search.candidates["lightgbm"], best.params, best.fold_rounds)

    assert np.array_equal(again, kept["lightgbm", best.trial or 0])


def _broken(search: Search, family: str, error: BaseException) -> None:
    """Make a family's estimator fail."""

    def fail(*_: object) -> None:
        raise error

    search.candidates[family] = replace(search.candidates[family], estimator=fail)


@pytest.mark.parametrize(
    "error", [MemoryError("no room for 3 GB"), ValueError("singular matrix")], ids=["memory", "value"]
)
def test_a_family_that_crashes_is_reported_and_the_others_go_on(
    error: Exception,
    make_pipeline: MakePipeline,
    make_frame: MakeFrame,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """After two failures in a row the family is left out, with the reason in the result and in the log."""
    pipeline = make_pipeline(candidates=["lightgbm", "linear"], tuning={"trials": 5, "folds": 2})
    search = Search(pipeline, tmp_path / "search.journal", "a search")
    _broken(search, "lightgbm", error)

    search.run(_folds(pipeline, make_frame()), ENOUGH_SECONDS, 0, lambda *_: None)

    results = search.results()
    assert len(results["lightgbm"].trials) == studies.MAX_FAILURES
    assert str(error) in results["lightgbm"].note
    assert str(error) in caplog.text
    assert len(results["linear"].trials) == 5
    assert str(error) in tuning_table(results, "mae")
    assert "lightgbm                     no result" in tuning_table(results, "mae")
    assert format_unfinished(results) == "1 of 2 candidates without a result: lightgbm"


def test_no_family_left_is_one_sentence(make_pipeline: MakePipeline, make_frame: MakeFrame, tmp_path: Path) -> None:
    """If every candidate crashes, the error names each with its reason."""
    pipeline = make_pipeline(candidates=["linear"], tuning={"folds": 2})
    search = Search(pipeline, tmp_path / "search.journal", "a search")
    _broken(search, "linear", ValueError("singular matrix"))

    search.run(_folds(pipeline, make_frame()), ENOUGH_SECONDS, 0, lambda *_: None)

    with pytest.raises(TrainingImpossible, match="linear: left out after trial 1: ValueError: singular matrix"):
        search.results()


def test_a_stopped_task_is_no_failure_of_the_family(
    make_pipeline: MakePipeline, make_frame: MakeFrame, tmp_path: Path
) -> None:
    """A trial that a signal interrupts is ended, and its family is tried again."""
    pipeline = make_pipeline(candidates=["linear"], tuning={"trials": 3, "folds": 2})
    search = Search(pipeline, tmp_path / "search.journal", "a search")
    whole = search.candidates["linear"]
    _broken(search, "linear", KeyboardInterrupt())
    folds = _folds(pipeline, make_frame())
    with pytest.raises(KeyboardInterrupt):
        search.run(folds, ENOUGH_SECONDS, 0, lambda *_: None)

    again = Search(pipeline, tmp_path / "search.journal", "a search")
    again.candidates["linear"] = whole
    again.run(folds, ENOUGH_SECONDS, 0, lambda *_: None)

    result = again.results()["linear"]
    assert [trial.state for trial in result.trials] == ["pruned", "complete", "complete"]
    assert result.trials[0].error == "interrupted"
    assert not result.note


def test_a_family_whose_process_died_gets_a_second_try(
    make_pipeline: MakePipeline, make_frame: MakeFrame, tmp_path: Path
) -> None:
    """The next attempt gives up a trial that a killed process left running, says so, and continues all families."""
    pipeline = make_pipeline(candidates=["lightgbm", "linear"], tuning={"trials": 2, "folds": 2})
    dead = Search(pipeline, tmp_path / "search.journal", "a search")
    studies.ask(dead.studies["lightgbm"], 7, worker=0, workers=1)  # and then its process died

    search, _ = _search(pipeline, make_frame(), tmp_path)

    results = search.results()
    assert "memory" in results["lightgbm"].note
    assert results["lightgbm"].trial is not None
    assert results["lightgbm"].max_rows == _folds(pipeline, make_frame()).fit_rows // 2
    assert len(results["linear"].trials) == 2


def test_waiting_for_the_storage_is_not_charged(
    make_pipeline: MakePipeline, make_frame: MakeFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database once used up twelve of twenty seconds by not answering, which left few trials."""
    now = [0.0]
    monkeypatch.setattr(work_clock, "time", SimpleNamespace(monotonic=lambda: now[0]))
    pipeline = make_pipeline(candidates=["linear"], tuning={"folds": 2, "trials": 50})
    search = Search(pipeline, tmp_path / "search.journal", "a search")
    folds, ask = _folds(pipeline, make_frame()), studies.ask
    fit = folds.fit

    def slow_fit(*args: Any) -> Any:
        now[0] += 2.0
        return fit(*args)

    def slow_ask(*args: Any) -> Any:
        now[0] += 30.0
        return ask(*args)

    folds.fit = slow_fit  # type: ignore[method-assign]
    monkeypatch.setattr(studies, "ask", slow_ask)
    search.run(folds, 20.0, 0, lambda *_: None)

    trials = search.results()["linear"].trials
    assert [trial.seconds for trial in trials if trial.state == "complete"] == [5.0] * 4
    assert search.is_over(20.0, worker=0)


def test_another_workers_running_trial_is_left_alone(
    make_pipeline: MakePipeline, make_frame: MakeFrame, tmp_path: Path
) -> None:
    """Parallel tasks do not end each other's trials."""
    pipeline = make_pipeline(candidates=["linear"], tuning={"trials": 4, "folds": 2, "parallel": 2})
    other = Search(pipeline, tmp_path / "search.journal", "a search")
    running = studies.ask(other.studies["linear"], 7, worker=1, workers=2)

    search, _ = _search(pipeline, make_frame(), tmp_path)

    [still] = [each for each in search.studies["linear"].trials if each.number == running.number]
    assert still.state == optuna.trial.TrialState.RUNNING
    assert not search.results()["linear"].note


def test_parallel_tasks_keep_to_a_familys_limit(
    make_pipeline: MakePipeline, make_frame: MakeFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two tasks that both see one trial left begin two; the later trial is cancelled."""
    pipeline = make_pipeline(candidates=["linear"], tuning={"trials": 3, "folds": 2})
    ask = studies.ask

    def after_another(study: optuna.Study, *more: Any) -> optuna.Trial:
        if len(study.get_trials(deepcopy=False)) == 2:
            study.tell(ask(study, *more), state=optuna.trial.TrialState.FAIL)
        return ask(study, *more)

    monkeypatch.setattr(studies, "ask", after_another)
    search, kept = _search(pipeline, make_frame(), tmp_path)

    result = search.results()["linear"]
    assert [trial.number for trial in result.trials] == [0, 1, 2]
    assert all(number < 3 for _, number in kept)
    assert search.is_over(ENOUGH_SECONDS, worker=0)


def test_a_score_of_nan_is_no_result(
    make_pipeline: MakePipeline, make_frame: MakeFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A NaN is never the best score, and its predictions are not kept."""
    pipeline = make_pipeline(candidates=["linear"], tuning={"trials": 3, "folds": 2})
    monkeypatch.setattr(Metric, "value", lambda *_: math.nan)
    search, kept = _search(pipeline, make_frame(), tmp_path)

    assert not kept
    with pytest.raises(TrainingImpossible, match="no candidate has a finite mae"):
        search.results()


def test_a_database_that_does_not_answer_is_one_sentence(
    make_pipeline: MakePipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sentence names the database without its password."""
    monkeypatch.setenv("NIGHTSHIFT_TUNING_STORAGE", "postgresql+psycopg2://me:secret@127.0.0.1:1/trials")

    with pytest.raises(TrainingImpossible, match="NIGHTSHIFT_TUNING_STORAGE") as caught:
        Search(make_pipeline(candidates=["linear"]), tmp_path / "search.journal", "a search")
    assert "secret" not in str(caught.value)
    assert "127.0.0.1:1/trials" in str(caught.value)


def test_an_expensive_first_trial_is_limited_to_its_share(
    make_pipeline: MakePipeline, make_frame: MakeFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Boosting stops when the share of the family is used up, and still has a score."""
    from include.training import tune

    monkeypatch.setattr(tune, "trial_share", lambda *_: 0.0)
    pipeline = make_pipeline(candidates=["lightgbm"], tuning={"trials": 1, "folds": 2})
    result = _search(pipeline, make_frame(), tmp_path)[0].results()["lightgbm"]

    assert result.fold_rounds == [1, 1]
    assert result.score is not None


def test_a_deterministic_search_ignores_the_clock(
    make_pipeline: MakePipeline, make_frame: MakeFrame, tmp_path: Path
) -> None:
    """With 0 seconds, every trial runs and none is cut short."""
    tuning = {"trials": 2, "folds": 2, "prune": False}
    pipeline = make_pipeline(candidates=["lightgbm", "linear"], tuning=tuning, deterministic=True)

    none, _ = _search(pipeline, make_frame(), tmp_path / "none", seconds=0.0)
    many, _ = _search(pipeline, make_frame(), tmp_path / "many")

    assert [len(result.trials) for result in none.results().values()] == [2, 2]
    assert _found(none) == _found(many)


def test_a_deterministic_search_prunes_too(
    make_pipeline: MakePipeline, make_frame: MakeFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No limit of seconds does not mean that every trial is completed; only the first one is."""
    monkeypatch.setattr(optuna.Trial, "should_prune", lambda _: True)
    pipeline = make_pipeline(candidates=["linear"], deterministic=True, tuning={"trials": 3, "folds": 2})

    search, _ = _search(pipeline, make_frame(), tmp_path, seconds=0.0)

    assert [trial.state for trial in search.results()["linear"].trials] == ["complete", "pruned", "pruned"]


def test_the_note_says_why_the_only_trial_failed(
    make_pipeline: MakePipeline, make_frame: MakeFrame, tmp_path: Path
) -> None:
    """With one trial allowed, its failure was reported as "no trial finished within the time budget"."""
    pipeline = make_pipeline(candidates=["linear"], tuning={"folds": 2, "trials": 1})
    search = Search(pipeline, tmp_path / "search.journal", "a search")
    _broken(search, "linear", ValueError("singular matrix"))

    search.run(_folds(pipeline, make_frame()), ENOUGH_SECONDS, 0, lambda *_: None)

    with pytest.raises(TrainingImpossible, match=r"\(linear: trial 0 failed: ValueError: singular matrix\)"):
        search.results()


def test_predictions_of_nan_are_distinguished_from_an_undefined_metric(
    make_pipeline: MakePipeline, make_frame: MakeFrame, tmp_path: Path
) -> None:
    """The note blames an estimator that predicts NaN, not the label."""
    own = {"lost": {"estimator": "tests.unit.training.team_models.Lost"}}
    pipeline = make_pipeline(metric="pinball", candidates=["baseline"], own_candidates=own, tuning={"folds": 2})
    search, _ = _search(pipeline, make_frame(), tmp_path)

    assert search.results()["lost"].note == "trial 0 failed: it predicts NaN or infinity for some rows"
