"""What explains a challenger: its curves and contributions, and the card that tells it all.

A run is as good without them: what goes wrong here is told in the log, and no task fails.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from include.core.errors import RunMissing
from include.lake import run_files
from include.workflows.retrain import files

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from sklearn.pipeline import Pipeline as Model

    from include.config.pipeline import Pipeline
    from include.evaluation.metrics import Metric
    from include.workflows.retrain.measure import ChampionModel, HoldoutRows
    from include.workflows.retrain.plan import RunPlan

log = logging.getLogger(__name__)

#: Rows that a prediction is compared with.
BACKGROUND_ROWS = 100


def write_explanations(
    pipeline: Pipeline,
    plan: RunPlan,
    model: Model,
    champion: ChampionModel | None,
    holdout: HoldoutRows,
    learned: pd.DataFrame,
    measure: Metric,
) -> None:
    """Write curves.json and contributions.json; null in the place of one that cannot be measured.

    Parameters
    ----------
    learned
        The rows that the model has learned from.
    """
    measured: dict[str, Callable[[], dict[str, Any]]] = {
        "curves": lambda: _curves(pipeline, model, champion, holdout, measure),
        "contributions": lambda: _contributions(pipeline, model, holdout, learned),
    }
    for name, measured_now in measured.items():
        try:
            found = measured_now()
        except Exception as error:
            log.warning("%s: the %s were not measured: %r", pipeline.name, name, error)
            log.debug("why", exc_info=True)
            found = None
        run_files.write_json(files.folder(plan) / f"{name}.json", found)


def explanations(plan: RunPlan) -> dict[str, Any]:
    """Return what `write_explanations` has left, by its name; nothing of a run of an older Nightshift."""
    found = {}
    for name in ("curves", "contributions"):
        try:
            found[name] = run_files.read_json(files.folder(plan) / f"{name}.json", f"the {name}")
        except RunMissing as error:
            log.info("%s: %s", plan.pipeline, error)
    return found


def card_documents(pipeline: Pipeline, facts: dict[str, Any]) -> dict[str, str]:
    """Return the model card by its file names, or nothing where it cannot be written."""
    from include.reports.card.card import model_card
    from include.reports.card.html import html_card
    from include.reports.card.markdown import markdown_card

    try:
        card = model_card(pipeline, facts)
        return {"model_card.md": markdown_card(card), "model_card.html": html_card(card)}
    except Exception:
        log.exception("%s: the model card was not written", pipeline.name)
        return {}


def sample(frame: pd.DataFrame, rows: int, seed: int) -> pd.DataFrame:
    """Return some rows of a frame, in its order, the same for a seed."""
    import numpy as np

    if len(frame) <= rows:
        return frame
    return frame.iloc[np.sort(np.random.default_rng(seed).choice(len(frame), rows, replace=False))]


def _curves(
    pipeline: Pipeline, model: Model, champion: ChampionModel | None, holdout: HoldoutRows, measure: Metric
) -> dict[str, Any]:
    from include.evaluation.curves import measure_curves
    from include.training.fit import predict

    training, gate, classes = pipeline.training, pipeline.gate, holdout.classes
    theirs = None
    if champion is not None and champion.model is not None and training.task == "binary":
        try:
            theirs = predict(champion.model, holdout.frame, training, classes)
        except Exception as error:  # noqa: BLE001  the evidence has it in its own words
            log.info("%s: the champion's curves are left out: %r", pipeline.name, error)
    return measure_curves(
        measure,
        holdout.y,
        holdout.days,
        predict(model, holdout.frame, training, classes),
        theirs,
        rounds=gate.bootstrap_rounds,
        confidence=gate.confidence,
        seed=training.seed,
        classes=classes,
    ).to_json()


def _contributions(pipeline: Pipeline, model: Model, holdout: HoldoutRows, learned: pd.DataFrame) -> dict[str, Any]:
    from include.evaluation.numbers import without_nan
    from include.training.contributions import SUMMARY_ROWS, contributions, summary

    training = pipeline.training
    rows = sample(holdout.frame, SUMMARY_ROWS, training.seed)
    background = sample(learned, BACKGROUND_ROWS, training.seed)
    return without_nan(summary(contributions(model, rows, background, training, holdout.classes, training.seed), rows))
