"""A retraining run in one process: Nightshift's steps beside the same library calls in one script."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from benchmarks.features import AS_OF
from benchmarks.measure import PIPELINE, Comparison, Stopwatch, start_afresh, take_turns
from benchmarks.script import bare_retrain
from include.lake import run_files
from include.workflows.retrain.run import retrain

if TYPE_CHECKING:
    from include.config.pipeline import Pipeline

LIMIT = 1.25
TRIALS = 2
LONG = 3600  # seconds of tuning that are never used up, so that the trials alone bound the work
#: A script has nothing like it, so its seconds are shown, and are not in the sum that is compared.
NOT_COMPARED = "prove_features"

#: Median seconds by step, ours and the script's; None where that has no such step.
Steps = dict[str, tuple[float, float | None]]


def compare_retraining(pipeline: Pipeline) -> tuple[Comparison, Steps, tuple[float, float]]:
    """Time both with the same trials.

    Returns
    -------
    tuple
        The comparison, without the step that is not compared; the seconds of each step; and the area under the ROC
        curve of both challengers, which says that they did the same.
    """
    tuning = pipeline.training.tuning.model_copy(update={"trials": TRIALS})
    training = pipeline.training.model_copy(update={"tuning": tuning})
    gate = pipeline.gate.model_copy(update={"refits": 0})
    pipeline = pipeline.model_copy(update={"training": training, "gate": gate})
    watches = Stopwatch(), Stopwatch()

    def ours(watch: Stopwatch = watches[0]) -> float:
        run_key = f"bench-{time.time_ns()}"
        retrain(pipeline, run_key, AS_OF, LONG, progress=watch)
        evidence = run_files.read_json(run_files.run_folder(PIPELINE, run_key) / "evidence.json", "the evidence")
        return evidence["challenger"]["metrics"]["roc_auc"]

    def bare(watch: Stopwatch = watches[1]) -> float:
        return bare_retrain(pipeline, watch)

    # the first round of each makes MLflow's database and the first champion, which later ones compare with
    start_afresh()
    found = ours(Stopwatch()), bare(Stopwatch())
    start_afresh()
    whole, by_script = take_turns(ours, bare, prepare=start_afresh)
    compared = [seconds - apart for seconds, apart in zip(whole, watches[0].seconds[NOT_COMPARED], strict=True)]
    first, second = (watch.medians() for watch in watches)
    steps = {step: (seconds, second.get(step)) for step, seconds in first.items()}
    return Comparison("retraining, one process", compared, by_script, limit=LIMIT), steps, found
