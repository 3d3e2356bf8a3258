"""Refits of the challenger with other seeds, which show how much of its quality is luck."""

from __future__ import annotations

import io
import logging
import time
from typing import TYPE_CHECKING

from include.core import settings
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

    until = time.monotonic() + SHARE_OF_TUNING * plan.tuning_seconds
    made = 0
    for seed in _seeds(pipeline):
        if time.monotonic() + fit_seconds > until:
            break
        other = pipeline.model_copy(update={"training": pipeline.training.model_copy(update={"seed": seed})})
        try:
            model = fit_challenger(other, rows, chosen, y, validated, settings.threads())
            predicted = predict(model, holdout, pipeline.training, chosen.classes)
        except Exception:  # the challenger is fitted; the gate judges by fewer refits
            log.exception("%s: the refit with seed %s failed", plan.pipeline, seed)
            continue
        content = io.BytesIO()
        np.save(content, predicted)
        run_files.write_bytes(_file(plan, digest, seed), content.getvalue())
        made += 1
    log.info("%s: refitted with %s of %s other seeds", plan.pipeline, made, pipeline.gate.refits)


def read_refits(pipeline: Pipeline, plan: RunPlan, digest: str, metric: Metric, y_true: np.ndarray) -> Refits | None:
    """Return the metric of each refit on the holdout; None where there is no refit."""
    import numpy as np

    from include.evaluation.refits import Refits

    found = {}
    for seed in _seeds(pipeline):
        path = _file(plan, digest, seed)
        if path.exists():
            predicted = np.load(io.BytesIO(path.read_bytes()), allow_pickle=False)
            found[seed] = metric.value(y_true, predicted)
    return Refits(list(found), list(found.values())) if found else None


def _seeds(pipeline: Pipeline) -> list[int]:
    return [pipeline.training.seed + number * SEED_STEP for number in range(1, pipeline.gate.refits + 1)]


def _file(plan: RunPlan, digest: str, seed: int) -> UPath:
    return files.folder(plan) / f"refit-{digest}-{seed}.npy"
