"""What the shop's search has left in the folder of its run, and what has to be true of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from include.lake import run_files
from tests.integration.tuning_task import RUN_KEY

if TYPE_CHECKING:
    from upath import UPath

FAMILIES = ["linear", "extra_trees", "lightgbm"]
Found = dict[str, dict[str, Any]]


def run_folder() -> UPath:
    """Return the folder of the night's run."""
    return run_files.run_folder("shop", RUN_KEY)


def found() -> Found:
    """Return what the search found by family, as `train` has written it."""
    return json.loads((run_folder() / "tuning.json").read_text())


def assert_whole(of: Found, trials: int) -> None:
    """Check that every family has all its trials once, and that the best one's predictions are there."""
    for family, result in of.items():
        numbers = [trial["number"] for trial in result["trials"]]
        assert numbers == list(range(trials)), family
        assert {trial["state"] for trial in result["trials"]} == {"complete"}, family
        drawn = [tuple(sorted(trial["params"].items())) for trial in result["trials"]]
        assert len(set(drawn)) == trials, family
        assert result["score"] == min(trial["score"] for trial in result["trials"])
        assert not result["note"]
        [kept] = run_folder().glob(f"predictions-*-{family}-{result['trial']}.npy")
        assert np.isfinite(np.load(str(kept))).all()


def assert_had_by_both(challenger: dict[str, Any], trials: int) -> None:
    """Check that workers 0 and 1 had one whole search, the baseline once, and that the best of both is trained."""
    results = found()
    assert len(results.pop("baseline")["trials"]) == 1
    assert_whole(results, trials)
    assert {trial["worker"] for result in results.values() for trial in result["trials"]} == {0, 1}
    assert challenger.chosen.tuning_score <= min(result["score"] for result in results.values())
