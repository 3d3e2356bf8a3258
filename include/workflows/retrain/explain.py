"""Explanations of a challenger: its curves and contributions, and the model card.

A run does not need them: an error here is logged, and no task fails.
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

#: Number of training rows that a prediction is explained against.
BACKGROUND_ROWS = 100


def write_explanations(
    pipeline: Pipeline,
    plan: RunPlan,
    model: Model,
    champion: ChampionModel | None,
    holdout: HoldoutRows,
    train: pd.DataFrame,
    metric: Metric,
) -> None:
    """Write curves.json and contributions.json; a file holds null where its measurement failed.

    Parameters
    ----------
    train
        The rows that the model was fitted on.
    """
    measurements: dict[str, Callable[[], dict[str, Any]]] = {
        "curves": lambda: _curves(pipeline, model, champion, holdout, metric),
        "contributions": lambda: _contributions(pipeline, model, holdout, train),
    }
    for name, measure in measurements.items():
        try:
            found = measure()
        except Exception as error:
            log.warning("%s: the %s were not measured: %r", pipeline.name, name, error)
            log.debug("the cause", exc_info=True)
            found = None
        run_files.write_json(files.folder(plan) / f"{name}.json", found)


def explanations(plan: RunPlan) -> dict[str, Any]:
    """Return the files of `write_explanations` by name, without those that an older release did not write."""
    found = {}
    for name in ("curves", "contributions"):
        try:
            found[name] = run_files.read_json(files.folder(plan) / f"{name}.json", f"the {name}")
        except RunMissing as error:
            log.info("%s: %s", plan.pipeline, error)
    return found


def card_documents(pipeline: Pipeline, facts: dict[str, Any]) -> dict[str, str]:
    """Return the model card by file name; nothing where it cannot be rendered."""
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
    """Return a sample of a frame's rows in their order; the same seed gives the same rows."""
    import numpy as np

    if len(frame) <= rows:
        return frame
    return frame.iloc[np.sort(np.random.default_rng(seed).choice(len(frame), rows, replace=False))]


def _curves(
    pipeline: Pipeline, model: Model, champion: ChampionModel | None, holdout: HoldoutRows, metric: Metric
) -> dict[str, Any]:
    from include.evaluation.curves import measure_curves
    from include.training.fit import predict

    training, gate, classes = pipeline.training, pipeline.gate, holdout.classes
    theirs = None
    if champion is not None and champion.model is not None and training.task == "binary":
        try:
            theirs = predict(champion.model, holdout.frame, training, classes)
        except Exception as error:  # noqa: BLE001  the evidence names the error
            log.info("%s: the card has no curves of the champion: %r", pipeline.name, error)
    return measure_curves(
        metric,
        holdout.y,
        holdout.days,
        predict(model, holdout.frame, training, classes),
        theirs,
        rounds=gate.bootstrap_rounds,
        confidence=gate.confidence,
        seed=training.seed,
        classes=classes,
    ).to_json()


def _contributions(pipeline: Pipeline, model: Model, holdout: HoldoutRows, train: pd.DataFrame) -> dict[str, Any]:
    from include.training.contribution_summary import SUMMARY_ROWS, summarize_contributions
    from include.training.explain_predictions import explain_predictions

    training = pipeline.training
    rows = sample(holdout.frame, SUMMARY_ROWS, training.seed)
    background = sample(train, BACKGROUND_ROWS, training.seed)
    explained = explain_predictions(model, rows, background, training, holdout.classes, training.seed)
    return summarize_contributions(explained, rows).to_json()
