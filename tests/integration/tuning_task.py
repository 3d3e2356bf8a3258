"""One task of the shop's search, in a process of its own that dies, waits or is one of several as a test asks.

Its arguments: `worker`, the number of the task; None runs the whole retraining instead. And where a test asks for it:
`fold`, a family, the number of its fit and what then happens, `die` or `wait`; `told`, the number of the trial after
which the process dies; `charged`, the seconds that each trial claims to have worked; `folder`, where the process
leaves `ready-<its id>` and waits for `go`.
"""

from __future__ import annotations

import os
import signal
import time
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any

import optuna
import yaml

from include.config.loader import load_pipeline
from include.core.connections import EnvironmentConnections
from include.training import tune
from include.training.folds import Folds
from include.training.work_clock import WorkClock
from include.workflows.retrain import steps
from include.workflows.retrain.plan import RunPlan, plan_run
from include.workflows.retrain.run import run
from tests import factories
from tests.forked import Forked

if TYPE_CHECKING:
    from pathlib import Path

    from include.config.pipeline import Pipeline

RUN_KEY = "the-night"
AS_OF = date(2024, 3, 20)
#: Longer than any test waits, so that a process without its test ends.
PATIENCE_SECONDS = 600.0


def die() -> None:
    """End this process so that it cannot help it."""
    os.kill(os.getpid(), signal.SIGKILL)


def wait_for(path: Path) -> None:
    """Wait until a file is there."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not path.exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"nobody wrote {path}")
        time.sleep(0.01)


def meet(folder: Path, name: str) -> None:
    """Say that this process has come so far, and wait until it may go on."""
    (folder / f"ready-{name}").touch()
    wait_for(folder / "go")


def stop_in_fit(family: str, number: int, then: str, folder: Path | None) -> None:
    """Let the `number`-th fit of a family die or wait instead of beginning."""
    original, calls = Folds.fit, 0

    def fit(self: Folds, candidate: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += candidate.family == family
        if candidate.family == family and calls == number:
            if then == "die":
                die()
            assert folder is not None
            meet(folder, "fit")
        return original(self, candidate, *args, **kwargs)

    Folds.fit = fit  # type: ignore[method-assign]


def die_when_told(number: int) -> None:
    """Let the process die when its `number`-th trial is told, before another one is asked for."""
    original, calls = optuna.Study.tell, 0

    def tell(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        found = original(*args, **kwargs)
        if calls == number:
            die()
        return found

    optuna.Study.tell = tell  # type: ignore[method-assign]


def charge_each_trial(charged: float) -> None:
    """Let each trial claim to have worked so many seconds, however busy the machine is."""

    class Charged(WorkClock):
        seconds = property(lambda _: charged)  # type: ignore[assignment]

    tune.WorkClock = Charged  # type: ignore[misc]


def write_pipeline(folder: Path, candidates: list[str], **tuning: Any) -> Pipeline:
    """Write the shop's pipeline with other candidates and tuning; trials end the search unless seconds are named."""
    fields = yaml.safe_load(factories.SHOP_YAML)
    fields["training"]["candidates"] = candidates
    fields["training"]["tuning"] |= {"seconds": 600, "prune": False} | tuning
    (folder / "pipeline.yaml").write_text(yaml.safe_dump(fields), encoding="utf-8")
    return load_pipeline("shop")


def prepare(pipeline: Pipeline) -> RunPlan:
    """Do what a run does before it searches; the days are ingested."""
    plan = plan_run(pipeline, RUN_KEY, AS_OF)
    steps.build(pipeline, plan)
    return plan


def start(**what: Any) -> Forked:
    """Start a task; see its arguments above."""
    return Forked(partial(search, **what))


def start_until_fit(folder: Path, family: str, number: int) -> tuple[Forked, Path]:
    """Start worker 0, wait until its `number`-th fit of a family begins; it goes on when the file is there."""
    folder.mkdir()
    process = start(worker=0, fold=[family, number, "wait"], folder=folder)
    wait_for(folder / "ready-fit")
    return process, folder / "go"


def start_together(folder: Path, *tasks: dict[str, Any]) -> list[Forked]:
    """Start several tasks, which open their search at the same moment."""
    folder.mkdir()
    started = [start(folder=folder, **task) for task in tasks]
    for process in started:
        wait_for(folder / f"ready-{process.pid}")
    (folder / "go").touch()
    return started


def ended(process: Forked, code: int = 0) -> str:
    """Return what an ended process has printed; it must have ended with a code."""
    printed = process.wait(PATIENCE_SECONDS)
    assert process.returncode == code, printed[-3000:]
    return printed


def search(
    worker: int | None,
    fold: list[Any] | None = None,
    told: int | None = None,
    charged: float | None = None,
    folder: Path | None = None,
) -> None:
    """Search as one task, or run the whole retraining."""
    import logging

    logging.basicConfig(level=logging.INFO)
    if fold:
        stop_in_fit(*fold, folder=folder)
    if told:
        die_when_told(told)
    if charged:
        charge_each_trial(charged)
    pipeline = load_pipeline("shop")
    if worker is None:
        run(pipeline, RUN_KEY, AS_OF, EnvironmentConnections())
        return
    plan = RunPlan.load("shop", RUN_KEY)
    if folder and not fold:
        meet(folder, str(os.getpid()))
    steps.tune(pipeline, plan, worker)
