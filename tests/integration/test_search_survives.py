"""A search outlives the tasks that have its trials, and several tasks have one search together."""

from __future__ import annotations

import json
import math
from signal import SIGKILL
from typing import TYPE_CHECKING, Any

from include.workflows.retrain import steps
from include.workflows.retrain.plan import RunPlan
from include.workflows.retrain.run import retrain
from tests.integration.tuning_results import FAMILIES, assert_had_by_both, assert_whole, found, run_folder
from tests.integration.tuning_task import (
    AS_OF,
    RUN_KEY,
    ended,
    prepare,
    start,
    start_together,
    start_until_fit,
    write_pipeline,
)

if TYPE_CHECKING:
    from pathlib import Path


def journal() -> list[dict[str, Any]]:
    """Return the lines of the search's journal."""
    [path] = run_folder().glob("tuning-*.journal")
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_task_killed_in_a_trial_tries_its_family_once_more(ingested: Path) -> None:
    """No earlier trial is had again, the family that may have taken the memory is named and has fewer rows."""
    pipeline = write_pipeline(ingested, FAMILIES, trials=3)
    ended(start(worker=None, fold=["lightgbm", 4, "die"]), -SIGKILL)
    before = journal()

    result = retrain(pipeline, RUN_KEY, AS_OF)

    assert (result.verdict, result.version) == ("promote", 1)
    assert "Candidate lightgbm: trial 1 was lost, tried again on at most " in result.table
    assert result.table.index("Candidate lightgbm") < result.table.index("VERDICT")
    assert journal()[: len(before)] == before
    states = {family: [trial["state"] for trial in of["trials"]] for family, of in found().items()}
    assert states == {
        "linear": ["complete"] * 3,
        "extra_trees": ["complete"] * 3,
        "lightgbm": ["complete", "fail", "complete", "complete"],
    }


def test_a_task_killed_between_trials_leaves_nothing_out(ingested: Path) -> None:
    """Where no trial was running, no family is to blame, and the search ends as if nothing had been."""
    pipeline = write_pipeline(ingested, FAMILIES, trials=3)
    ended(start(worker=None, told=4), -SIGKILL)

    result = retrain(pipeline, RUN_KEY, AS_OF)

    assert result.version == 1
    assert "Candidate" not in result.table
    assert_whole(found(), trials=3)


def test_seconds_that_a_killed_task_has_spent_are_spent(ingested: Path) -> None:
    """The next try begins a trial only while both together have seconds left."""
    pipeline = write_pipeline(ingested, ["linear"], seconds=30, trials=None)
    ended(start(worker=None, told=14, charged=2.0), -SIGKILL)

    retrain(pipeline, RUN_KEY, AS_OF)

    trials = found()["linear"]["trials"]
    assert len(trials) > 14
    assert [trial["number"] for trial in trials] == list(range(len(trials)))
    assert math.fsum(trial["seconds"] for trial in trials[:-1]) < 30


def test_two_tasks_have_one_search(ingested: Path, tmp_path: Path) -> None:
    """Each has some of the trials, none is had twice, and what the run trains is the best of both."""
    pipeline = write_pipeline(ingested, ["baseline", "linear", "lightgbm"], trials=6, parallel=2)
    plan = prepare(pipeline)

    for process in start_together(tmp_path / "meeting", {"worker": 0}, {"worker": 1}):
        ended(process)
    challenger = steps.train(pipeline, plan)

    assert_had_by_both(challenger, trials=6)


def test_a_task_that_seemed_dead_and_its_replacement_both_end(ingested: Path, tmp_path: Path) -> None:
    """A task that seemed dead may still run: its trial counts, and so does the one that replaced it."""
    pipeline = write_pipeline(ingested, FAMILIES, trials=3)
    plan = prepare(pipeline)
    slow, go = start_until_fit(tmp_path / "meeting", "lightgbm", 2)

    ended(start(worker=0))
    go.touch()
    ended(slow)
    steps.train(pipeline, plan)

    results = found()
    twice = results.pop("lightgbm")
    assert [(trial["number"], trial["state"]) for trial in twice["trials"]] == [(at, "complete") for at in range(4)]
    assert not twice["note"]
    assert_whole(results, trials=3)


def test_two_processes_of_one_task_both_end(ingested: Path, tmp_path: Path) -> None:
    """Two processes of one task end with one whole result, and the run with one version."""
    pipeline = write_pipeline(ingested, FAMILIES, trials=4)
    prepare(pipeline)

    for process in start_together(tmp_path / "meeting", {"worker": 0}, {"worker": 0}):
        ended(process)
    result = retrain(pipeline, RUN_KEY, AS_OF)

    assert result.version == 1
    assert_whole(found(), trials=4)
    assert RunPlan.load("shop", RUN_KEY).tuning_seconds == 600
