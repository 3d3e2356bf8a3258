"""Explanations of a challenger: its curves and contributions, and the model card.

A run does not need them: an error here is logged, and no task fails.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from include.core.errors import OtherRelease, RunMissing
from include.lake import run_files
from include.workflows.retrain import files

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from sklearn.pipeline import Pipeline as Model

    from include.config.pipeline import Pipeline
    from include.core.json_document import JsonDocument
    from include.evaluation.curves import Curves
    from include.evaluation.metrics import Metric
    from include.reports.card.described_run import DescribedRun
    from include.training.contribution_summary import ContributionSummary
    from include.workflows.retrain.measure import ChampionModel, HoldoutRows
    from include.workflows.retrain.plan import RunPlan

log = logging.getLogger(__name__)

T = TypeVar("T", bound="JsonDocument")

#: Number of training rows that a prediction is explained against.
BACKGROUND_ROWS = 100


@dataclass(frozen=True)
class Explanations:
    """What `write_explanations` measured; None where it failed, or where an older release measured nothing."""

    curves: Curves | None = None
    contributions: ContributionSummary | None = None


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
    measurements: dict[str, Callable[[], JsonDocument]] = {
        "curves": lambda: _curves(pipeline, model, champion, holdout, metric),
        "contributions": lambda: _contributions(pipeline, model, holdout, train),
    }
    for name, measure in measurements.items():
        try:
            found = measure().to_json()
        except Exception as error:
            log.warning("%s: the %s were not measured: %r", pipeline.name, name, error)
            log.debug("the cause", exc_info=True)
            found = None
        run_files.write_json(files.folder(plan) / f"{name}.json", found)


def read_explanations(plan: RunPlan) -> Explanations:
    """Return what `write_explanations` wrote."""
    from include.evaluation.curves import Curves
    from include.training.contribution_summary import ContributionSummary

    return Explanations(_read(plan, "curves", Curves), _read(plan, "contributions", ContributionSummary))


def _read(plan: RunPlan, name: str, document: type[T]) -> T | None:
    path = files.folder(plan) / f"{name}.json"
    try:
        fields = run_files.read_json(path, f"the {name}")
        with run_files.refuse_other_release(f"the {name}", path):
            return None if fields is None else document.from_json(fields)
    except (RunMissing, OtherRelease) as error:
        log.info("%s: %s", plan.pipeline, error)
        return None


def card_documents(pipeline: Pipeline, run: DescribedRun) -> dict[str, str]:
    """Return the model card by file name; nothing where it cannot be rendered."""
    from include.reports.card.card import model_card
    from include.reports.card.html import html_card
    from include.reports.card.markdown import markdown_card

    try:
        card = model_card(pipeline, run)
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
) -> Curves:
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
    )


def _contributions(pipeline: Pipeline, model: Model, holdout: HoldoutRows, train: pd.DataFrame) -> ContributionSummary:
    from include.training.contribution_summary import SUMMARY_ROWS, summarize_contributions
    from include.training.explain_predictions import explain_predictions

    training = pipeline.training
    rows = sample(holdout.frame, SUMMARY_ROWS, training.seed)
    background = sample(train, BACKGROUND_ROWS, training.seed)
    explained = explain_predictions(model, rows, background, training, holdout.classes, training.seed)
    return summarize_contributions(explained, rows)
