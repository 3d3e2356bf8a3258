"""Selects the automated features: those that do not help on later rows are dropped before tuning."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any, Self

from include.core.json_document import JsonDocument
from include.features.automated import automated_names
from include.training.check import check_trainable
from include.training.columns import feature_columns, groups_of
from include.training.quick_model import QuickModel, encode
from include.training.split import time_ordered_folds

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import numpy as np
    import pandas as pd

    from include.config.pipeline import Pipeline
    from include.config.training import Training
    from include.core.json_value import JsonObject
    from include.training.split import Split

log = logging.getLogger(__name__)

# rows and repeats limit the cost of a selection, not the clock, so the same rows always give the same selection
_FIT_ROWS, _VALIDATE_ROWS = 20_000, 10_000
_BINS = 16
_SHUFFLES = 10


@dataclass
class FeatureJudgement:
    """What the selection found out about one automated feature.

    Attributes
    ----------
    reason
        Why the feature is dropped; None while it is kept.
    mutual_information
        Mutual information with the label in nats; None where it was not computed.
    importance
        Permutation importance on the last fold; None where it was not computed.
    """

    feature: str
    reason: str | None = None
    mutual_information: float | None = None
    importance: float | None = None


@dataclass(frozen=True)
class Comparison:
    """The metric on the last fold, with and without the kept features."""

    metric: str
    with_kept: float
    without: float


@dataclass(frozen=True)
class Selection(JsonDocument):
    """The automated features that are kept, and why the others are dropped.

    Attributes
    ----------
    measured
        None where nothing was compared.
    """

    kept: list[str]
    dropped: list[FeatureJudgement]
    measured: Comparison | None

    def to_json(self) -> JsonObject:
        """Return the fields as JSON types; the comparison's scores are called `with` and `without`."""
        document = super().to_json()
        if self.measured is not None:
            document["measured"]["with"] = document["measured"].pop("with_kept")
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Make a selection from the result of `to_json`."""
        measured = document["measured"]
        if measured is not None:
            measured = {("with_kept" if name == "with" else name): each for name, each in measured.items()}
        return super().from_json({**document, "measured": measured})


def select_features(pipeline: Pipeline, frame: pd.DataFrame, split: Split) -> Selection:
    """Select the automated features that help, from the training rows alone.

    A feature is dropped if it (1) never changes, (2) has no more mutual information with the label than shuffled
    copies of itself, or (3) can be permuted on the last time-ordered fold without making the predictions of a quick
    LightGBM worse. (4) All remaining features are dropped if together they make the predictions of that fold worse.
    Features of features.sql are never dropped.

    Parameters
    ----------
    frame
        The feature table; features and labels of the holdout are not used.

    Raises
    ------
    TrainingImpossible, ConfigError
        If no model can be trained on the feature table, see `check_trainable`.
    """
    import numpy as np

    from include.training.target import class_list, encode_target

    check_trainable(pipeline, frame, split)
    began, training, label = time.monotonic(), pipeline.training, pipeline.features.label
    names = [name for name in automated_names(pipeline) if name in frame.columns and name not in pipeline.kept_out]
    rows = frame.iloc[split.train]
    classes = class_list(rows[label]) if training.task == "multiclass" else None
    y = encode_target(training, rows[label], classes)
    draw = np.random.default_rng(training.seed)
    groups = groups_of(pipeline, frame)
    fit, validate = _last_fold(training, rows, None if groups is None else groups[split.train], draw)
    judgements = {name: FeatureJudgement(name) for name in names}
    target = y[fit].astype("int64") if training.classifies else _bin_values(y[fit])
    _judge_each(judgements.values(), rows, target, fit, draw)
    columns = feature_columns(pipeline, rows).known_in(rows.iloc[fit])
    quick = QuickModel(training, encode(rows, columns, fit), y, fit, validate, len(classes) if classes else 1)
    others = [name for name in columns.all if name not in judgements]
    measured = _judge_together(judgements, others, quick, draw)
    dropped = [judgement for judgement in judgements.values() if judgement.reason]
    selection = Selection(_kept(judgements.values()), dropped, measured)
    _log_selection(pipeline, selection, time.monotonic() - began)
    return selection


def _kept(judgements: Collection[FeatureJudgement]) -> list[str]:
    return [judgement.feature for judgement in judgements if judgement.reason is None]


def _judge_each(
    judgements: Collection[FeatureJudgement],
    rows: pd.DataFrame,
    target: np.ndarray,
    fit: np.ndarray,
    draw: np.random.Generator,
) -> None:
    """Drop each feature that never changes, or that has no information about the label by itself."""
    for judgement in judgements:
        judgement.reason = _why_constant(rows[judgement.feature])
    for judgement in judgements:
        if judgement.reason is not None:
            continue
        binned = _bin_values(rows[judgement.feature].to_numpy("float64")[fit])
        judgement.mutual_information, noise = _mutual_information(binned, target, draw)
        if judgement.mutual_information <= noise:
            judgement.reason = "has no more information about the label than a shuffled copy of itself"


def _judge_together(
    judgements: dict[str, FeatureJudgement], others: list[str], quick: QuickModel, draw: np.random.Generator
) -> Comparison | None:
    """Drop each feature that does not help beside the others; return the comparison with and without the rest."""
    candidates = _kept(judgements.values())
    for name, importance in quick.importances([*others, *candidates], candidates, draw).items():
        judgements[name].importance = importance
        if importance <= 0:
            judgements[name].reason = "can be permuted without making the predictions of later rows worse"
    kept = _kept(judgements.values())
    if not kept or not others:
        return None
    with_kept, without = quick.score([*others, *kept]), quick.score(others)
    if not isfinite(with_kept) or not isfinite(without):
        return None
    metric = quick.measure.name
    if quick.measure.sign * (with_kept - without) < 0:
        reason = (
            "makes the predictions of later rows worse, together with the other remaining features "
            f"({metric} {with_kept:.5g}, and {without:.5g} without them)"
        )
        for name in kept:
            judgements[name].reason = reason
    return Comparison(metric, with_kept, without)


def _last_fold(
    training: Training, rows: pd.DataFrame, groups: np.ndarray | None, draw: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions of the last fold's rows to fit on and to validate on, a sample of each."""
    import numpy as np

    times = rows["prediction_time"].to_numpy()
    *_, sides = time_ordered_folds(times, training.tuning.folds, training.gap_days, training.holdout_days, groups)
    fit, validate = (
        np.sort(draw.choice(side, most, replace=False)) if len(side) > most else side
        for side, most in zip(sides, (_FIT_ROWS, _VALIDATE_ROWS), strict=True)
    )
    return fit, validate


def _why_constant(values: pd.Series) -> str | None:
    known = values.dropna()
    if not len(known):
        return "is null in every row"
    if len(known) == len(values) and known.min() == known.max():
        return f"is {known.iloc[0]:g} in every row"
    return None


def _bin_values(values: np.ndarray) -> np.ndarray:
    """Return the number of each value's bin; bins hold about equally many rows, and nulls have a bin of their own."""
    import numpy as np

    known = values[~np.isnan(values)]
    edges = np.unique(np.quantile(known, np.linspace(0, 1, _BINS + 1)[1:-1])) if len(known) else np.empty(0)
    return np.where(np.isnan(values), len(edges) + 1, np.searchsorted(edges, values, side="left"))


def _mutual_information(binned: np.ndarray, target: np.ndarray, draw: np.random.Generator) -> tuple[float, float]:
    """Return the mutual information of two binned columns, and the maximum over shuffled copies, in nats."""
    import numpy as np
    from sklearn.metrics import mutual_info_score

    high = int(target.max()) + 1

    def information(bins: np.ndarray) -> float:
        table = np.bincount(bins * high + target, minlength=(int(bins.max()) + 1) * high)
        return float(mutual_info_score(None, None, contingency=table.reshape(-1, high)))

    return information(binned), max(information(draw.permutation(binned)) for _ in range(_SHUFFLES))


def _log_selection(pipeline: Pipeline, selection: Selection, seconds: float) -> None:
    kept, dropped = len(selection.kept), len(selection.dropped)
    for judgement in selection.dropped:
        log.info("%s: dropped feature %s: it %s", pipeline.name, judgement.feature, judgement.reason)
    log.info("%s: kept %s of %s automated features, in %.1f s", pipeline.name, kept, kept + dropped, seconds)
