"""Refits with other seeds run while time is left, and a failed one is skipped."""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from include.config.pipeline import Pipeline
from include.evaluation.metrics import Metric
from include.evaluation.refits import Refits
from include.workflows.retrain import files, refit
from include.workflows.retrain.plan import RunPlan
from tests import factories

Y = np.arange(20.0)
CHOSEN: Any = SimpleNamespace(classes=None)


class Clock:
    """A clock that goes on only when a fit takes its time."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        """Return the time."""
        return self.now


class Fits:
    """Stands for what fits and predicts: a fit takes its seconds, and its model is wrong by its seed's share."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self.clock, self.seconds = clock, seconds
        self.seeds: list[int] = []
        self.failing: list[int] = []
        self.given: list[tuple[Any, ...]] = []

    def fit_challenger(self, pipeline: Pipeline, *given: Any) -> int:
        """Return the seed as the model."""
        seed = pipeline.training.seed
        self.seeds.append(seed)
        self.given.append(given)
        self.clock.now += self.seconds
        if seed in self.failing:
            raise MemoryError("no memory is left")
        return seed

    def predict(self, model: int, held: pd.DataFrame, *rest: Any) -> np.ndarray:
        """Return the label of each held-out row, and more by a thousandth of the seed."""
        return held["revenue"].to_numpy() + model / 1000


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> Fits:
    """Put stand-ins in the place of the clock and of the fit, which takes three seconds."""
    clock = Clock()
    made = Fits(clock, seconds=3)
    monkeypatch.setattr(refit, "time", clock)
    monkeypatch.setattr("include.training.challenger.fit_challenger", made.fit_challenger)
    monkeypatch.setattr("include.training.fit.predict", made.predict)
    return made


def _pipeline(refits: int = 3) -> Pipeline:
    fields = yaml.safe_load(factories.SHOP_YAML)
    fields["gate"] |= {"refits": refits}
    return Pipeline.model_validate(fields)


def _plan(tuning_seconds: int = 60) -> RunPlan:
    return RunPlan(
        pipeline="shop",
        run_key="manual__2024-03-20T00:00:00",
        as_of=date(2024, 3, 20),
        snapshot={"sales": 3},
        champion=None,
        tuning_seconds=tuning_seconds,
        dry_run=False,
        seed=7,
        code_version="unknown",
        lock="unknown",
        created_at=datetime(2024, 3, 20, tzinfo=UTC),
    )


def _refit(pipeline: Pipeline, plan: RunPlan, digest: str = "a1b2", fit_seconds: float = 3) -> None:
    rows, held = pd.DataFrame({"revenue": Y + 100}), pd.DataFrame({"revenue": Y})
    refit.refit(pipeline, plan, digest, rows, held, CHOSEN, Y, Y, fit_seconds)


def _read(pipeline: Pipeline, plan: RunPlan, digest: str = "a1b2") -> Refits | None:
    return refit.read_refits(pipeline, plan, digest, Metric.of(pipeline.training), Y)


def test_each_fit_has_a_seed_of_its_own(fits: Fits) -> None:
    """As many fits are made as the gate asks for, with seeds that neither the challenger nor another has."""
    pipeline = _pipeline(refits=3)

    _refit(pipeline, _plan())

    assert fits.seeds == [1007, 2007, 3007]
    assert pipeline.training.seed == 7


def test_a_refit_gets_the_inputs_of_the_challenger(fits: Fits) -> None:
    """Rows, choice and labels are the same; only the seed differs."""
    _refit(_pipeline(refits=1), _plan())

    [(rows, chosen, y, validated, threads)] = fits.given
    assert rows["revenue"].tolist() == (Y + 100).tolist()
    assert chosen is CHOSEN
    assert (y is Y, validated is Y, threads) == (True, True, 1)


def test_the_refits_are_read_back(fits: Fits) -> None:
    """The value of each fit is measured on the held-out rows, beside its seed."""
    pipeline, plan = _pipeline(refits=2), _plan()

    _refit(pipeline, plan)

    assert _read(pipeline, plan) == Refits([1007, 2007], [pytest.approx(1.007), pytest.approx(2.007)], seconds=15)


def test_probabilities_of_classes_are_read_back(fits: Fits, monkeypatch: pytest.MonkeyPatch) -> None:
    """Predictions of several columns are kept as they are."""
    fields = yaml.safe_load(factories.SHOP_YAML)
    fields["training"] |= {"task": "multiclass", "metric": "accuracy"}
    pipeline, plan = Pipeline.model_validate(fields), _plan()
    classes = np.arange(20) % 3
    monkeypatch.setattr("include.training.fit.predict", lambda *given: np.eye(3)[classes])

    _refit(pipeline, plan)

    found = refit.read_refits(pipeline, plan, "a1b2", Metric.of(pipeline.training), classes)
    assert found == Refits([1007, 2007], [1.0, 1.0], seconds=15)


@pytest.mark.parametrize(
    ("tuning_seconds", "fit_seconds", "count"),
    [(60, 3, 5), (36, 3, 3), (35, 3, 2), (12, 3, 1), (11, 3, 0), (60, 16, 0)],
    ids=["15 s for 3 each", "9 s", "less than 9 s", "3 s", "less than 3 s", "the first took longer"],
)
def test_a_refit_that_would_end_too_late_does_not_start(
    tuning_seconds: int, fit_seconds: float, count: int, fits: Fits
) -> None:
    """All fits end within a quarter of the search's seconds, if each takes what the challenger's took."""
    _refit(_pipeline(refits=10), _plan(tuning_seconds), fit_seconds=fit_seconds)

    assert len(fits.seeds) == count


def test_a_slow_refit_ends_the_refits(fits: Fits) -> None:
    """The real duration of a refit counts, not the expected one."""
    fits.seconds = 14

    _refit(_pipeline(refits=3), _plan(60))

    assert fits.seeds == [1007]


def test_a_failed_refit_is_skipped(fits: Fits, caplog: pytest.LogCaptureFixture) -> None:
    """The run goes on, the log has the error, and the gate gets the other refits."""
    pipeline, plan = _pipeline(refits=3), _plan()
    fits.failing = [2007]

    with caplog.at_level(logging.INFO):
        _refit(pipeline, plan)

    assert fits.seeds == [1007, 2007, 3007]
    found = _read(pipeline, plan)
    assert found is not None
    assert found.seeds == [1007, 3007]
    assert "shop: the refit with seed 2007 failed" in caplog.text
    assert "no memory is left" in caplog.text
    assert "shop: refitted with 2 of 3 other seeds" in caplog.text


@pytest.mark.parametrize(
    ("failing", "fit_seconds", "told"),
    [([1007, 2007], 3, Refits([], [], 15, None, failed=2)), ([], 61, Refits([], [], 15, needed_seconds=586))],
    ids=["every fit failed", "there was no time"],
)
def test_without_any_fit_the_gate_learns_why(failing: list[int], fit_seconds: float, told: Refits, fits: Fits) -> None:
    """Where every refit failed, or none started, the gate gets the failures or the seconds that would be enough."""
    pipeline, plan = _pipeline(refits=2), _plan()
    fits.failing = failing

    _refit(pipeline, plan, fit_seconds=fit_seconds)

    assert _read(pipeline, plan) == told


def test_the_seconds_that_would_be_enough_are_enough(fits: Fits) -> None:
    """A run with the tuning seconds that the last one asked for makes the refits that the gate needs."""
    pipeline = _pipeline(refits=2)
    _refit(pipeline, _plan(tuning_seconds=5))
    short = _read(pipeline, _plan())
    assert short is not None
    assert short.needed_seconds is not None
    fits.seeds.clear()

    _refit(pipeline, _plan(tuning_seconds=short.needed_seconds))

    assert fits.seeds == [1007, 2007]
    assert _read(pipeline, _plan()).needed_seconds is None


def test_refits_that_were_interrupted_are_not_taken_for_none(fits: Fits) -> None:
    """A task that was killed between the fit and the refits leaves neither the refits nor a reason."""
    assert _read(_pipeline(refits=2), _plan()) == Refits([], [])


def test_a_gate_without_refits_makes_none(fits: Fits) -> None:
    """Zero refits cost no time."""
    pipeline, plan = _pipeline(refits=0), _plan()

    _refit(pipeline, plan)

    assert fits.seeds == []
    assert _read(pipeline, plan) is None


def test_fits_of_another_attempt_are_not_read(fits: Fits) -> None:
    """Refits of a model with other inputs do not count for this one."""
    pipeline, plan = _pipeline(), _plan()

    _refit(pipeline, plan, digest="old")

    assert _read(pipeline, plan, digest="new") == Refits([], [])
    assert len(list(files.folder(plan).glob("refit-old-*.npy"))) == 3


def test_the_same_fits_twice_are_the_same_files(fits: Fits) -> None:
    """A repeated task overwrites its files."""
    pipeline, plan = _pipeline(refits=2), _plan()

    _refit(pipeline, plan)
    first = _read(pipeline, plan)
    _refit(pipeline, plan)

    assert _read(pipeline, plan) == first
    assert len(list(files.folder(plan).glob("*.npy"))) == 2
