"""Refits of the challenger with other seeds, which show how much of its quality is luck."""

from __future__ import annotations

import io
import logging
import math
import time
from typing import TYPE_CHECKING

from include.core import settings
from include.gate.checks.plausibility import LEAST_REFITS
from include.lake import run_files
from include.workflows.retrain import files

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from upath import UPath

    from include.config.pipeline import Pipeline
    from include.evaluation.metrics import Metric
    from include.evaluation.refits import Refits
    from include.training.challenger import ChallengerSpec
    from include.workflows.retrain.plan import RunPlan

log = logging.getLogger(__name__)

#: Time for all refits, as a share of the search's time budget.
SHARE_OF_TUNING = 0.25
#: How much more time than the slowest fit so far is asked for.
SPARE_TIME = 1.2
#: Distance between seeds, so that refits do not share the derived seeds of a neighbour.
SEED_STEP = 1000


def refit(
    pipeline: Pipeline,
    plan: RunPlan,
    digest: str,
    rows: pd.DataFrame,
    holdout: pd.DataFrame,
    chosen: ChallengerSpec,
    y: np.ndarray,
    validated: np.ndarray,
    fit_seconds: float,
) -> None:
    """Refit the challenger with other seeds while time is left, and keep each one's predictions of the holdout.

    Parameters
    ----------
    rows, y, validated
        As `fit_challenger` takes them.
    holdout
        The holdout rows.
    fit_seconds
        Duration of the challenger's fit; no refit starts that would exceed the time.
    """
    import numpy as np

    from include.training.challenger import fit_challenger
    from include.training.fit import predict

    seconds = SHARE_OF_TUNING * plan.tuning_seconds
    until = time.monotonic() + seconds
    made = failed = 0
    in_time = True
    for seed in _seeds(pipeline):
        begun = time.monotonic()
        if begun + fit_seconds > until:
            in_time = False
            break
        other = pipeline.model_copy(update={"training": pipeline.training.model_copy(update={"seed": seed})})
        try:
            model = fit_challenger(other, rows, chosen, y, validated, settings.threads())
            predicted = predict(model, holdout, pipeline.training, chosen.classes)
        except Exception:  # the challenger is fitted; the gate judges by fewer refits
            log.exception("%s: the refit with seed %s failed", plan.pipeline, seed)
            failed += 1
            continue
        content = io.BytesIO()
        np.save(content, predicted)
        run_files.write_bytes(_file(plan, digest, seed), content.getvalue())
        made += 1
        fit_seconds = max(fit_seconds, time.monotonic() - begun)
    enough = in_time or made >= LEAST_REFITS
    needed = None if enough else math.ceil(LEAST_REFITS * fit_seconds * SPARE_TIME / SHARE_OF_TUNING)
    run_files.write_json(_progress_file(plan, digest), {"seconds": seconds, "needed_seconds": needed, "failed": failed})
    log.info("%s: refitted with %s of %s other seeds", plan.pipeline, made, pipeline.gate.refits)


def read_refits(pipeline: Pipeline, plan: RunPlan, digest: str, metric: Metric, y_true: np.ndarray) -> Refits | None:
    """Return the metric of each refit on the holdout, and what prevented more; None where the gate asks for none."""
    import numpy as np

    from include.evaluation.refits import Refits

    if not pipeline.gate.refits:
        return None
    found = {}
    for seed in _seeds(pipeline):
        path = _file(plan, digest, seed)
        if path.exists():
            predicted = np.load(io.BytesIO(path.read_bytes()), allow_pickle=False)
            found[seed] = metric.value(y_true, predicted)
    path = _progress_file(plan, digest)
    progress = run_files.read_json(path, "the time of the refits") if path.exists() else {}
    return Refits(list(found), list(found.values()), **progress)


def _seeds(pipeline: Pipeline) -> list[int]:
    return [pipeline.training.seed + number * SEED_STEP for number in range(1, pipeline.gate.refits + 1)]


def _progress_file(plan: RunPlan, digest: str) -> UPath:
    return files.folder(plan) / f"refits-{digest}.json"


def _file(plan: RunPlan, digest: str, seed: int) -> UPath:
    return files.folder(plan) / f"refit-{digest}-{seed}.npy"
