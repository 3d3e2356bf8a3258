"""Chooses among the automated features: what does not help on later rows is dropped before tuning."""

from __future__ import annotations

import logging
import time
from dataclasses import asdict, dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

from include.features.automated import automated_names
from include.training.check import check_trainable
from include.training.columns import feature_columns, groups_of
from include.training.quick_model import QuickModel, encode
from include.training.split import time_ordered_folds

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from include.config.pipeline import Pipeline
    from include.config.training import Training
    from include.training.split import Split

log = logging.getLogger(__name__)

# what a selection costs is bounded by rows and repeats, not by the clock: the same rows give the same selection
_FIT_ROWS, _VALIDATE_ROWS = 20_000, 10_000
_BINS = 16
_SHUFFLES = 10


#: What is noted of each feature, by its name.
Told = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Selection:
    """Which automated features are learned from, and why the others are not.

    Attributes
    ----------
    dropped
        Each with `feature`, `reason`, `mutual_information` (nats) and `importance`, None where it was not
        computed.
    measured
        The `metric` on the last fold, `with` and `without` the kept features; None where nothing was compared.
    """

    kept: list[str]
    dropped: list[dict[str, Any]]
    measured: dict[str, Any] | None

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON types."""
        return asdict(self)


def select_features(pipeline: Pipeline, frame: pd.DataFrame, split: Split) -> Selection:
    """Choose the automated features that help, by the rows to learn from alone.

    A feature is dropped that (1) never changes, (2) has no more mutual information with the label than
    shuffled copies of itself, or (3) can be permuted on the last time-ordered fold without harm to the
    predictions of a quick LightGBM. (4) Unless those that are left make the predictions of that fold no worse
    than without them, all are dropped. Features of features.sql are never dropped.

    Parameters
    ----------
    frame
        The feature table; features and labels of the holdout have no part in the choice.

    Raises
    ------
    TrainingImpossible, ConfigError
        If nothing can be learned from the feature table, see `check_trainable`.
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
    told: Told = {
        name: {"feature": name, "reason": None, "mutual_information": None, "importance": None} for name in names
    }
    _judge_alone(told, rows, y[fit].astype("int64") if training.classifies else _binned(y[fit]), fit, draw)
    columns = feature_columns(pipeline, rows).known_in(rows.iloc[fit])
    quick = QuickModel(training, encode(rows, columns, fit), y, fit, validate, len(classes) if classes else 1)
    measured = _judge_together(told, [name for name in columns.all if name not in told], quick, draw)
    selection = Selection(_left(told), [each for each in told.values() if each["reason"]], measured)
    _report(pipeline, selection, time.monotonic() - began)
    return selection


def _left(told: Told) -> list[str]:
    return [name for name, each in told.items() if each["reason"] is None]


def _judge_alone(
    told: Told, rows: pd.DataFrame, target: np.ndarray, fit: np.ndarray, draw: np.random.Generator
) -> None:
    """Note the reason of each feature that never changes, or that tells nothing of the label by itself."""
    for name in told:
        told[name]["reason"] = _unchanging(rows[name])
    for name in _left(told):
        found, noise = _mutual_information(_binned(rows[name].to_numpy("float64")[fit]), target, draw)
        told[name]["mutual_information"] = found
        if found <= noise:
            told[name]["reason"] = "tells no more of the label than a shuffled copy of itself"


def _judge_together(
    told: Told, others: list[str], quick: QuickModel, draw: np.random.Generator
) -> dict[str, Any] | None:
    """Note the reason of each feature that does not help beside the others, and return what was compared."""
    for name, importance in quick.importances([*others, *_left(told)], _left(told), draw).items():
        told[name]["importance"] = importance
        if importance <= 0:
            told[name]["reason"] = "can be permuted without making the predictions of later rows worse"
    kept = _left(told)
    if not kept or not others:
        return None
    with_kept, without = quick.score([*others, *kept]), quick.score(others)
    if not isfinite(with_kept) or not isfinite(without):
        return None
    metric = quick.measure.name
    if quick.measure.sign * (with_kept - without) < 0:
        reason = (
            "makes, with the others that were left, the predictions of later rows worse "
            f"({metric} {with_kept:.5g}, and {without:.5g} without them)"
        )
        for name in kept:
            told[name]["reason"] = reason
    return {"metric": metric, "with": with_kept, "without": without}


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


def _unchanging(values: pd.Series) -> str | None:
    known = values.dropna()
    if not len(known):
        return "is null in every row"
    if len(known) == len(values) and known.min() == known.max():
        return f"is {known.iloc[0]:g} in every row"
    return None


def _binned(values: np.ndarray) -> np.ndarray:
    """Return the number of each value's bin, bins of about as many rows each; what is null has one of its own."""
    import numpy as np

    known = values[~np.isnan(values)]
    edges = np.unique(np.quantile(known, np.linspace(0, 1, _BINS + 1)[1:-1])) if len(known) else np.empty(0)
    return np.where(np.isnan(values), len(edges) + 1, np.searchsorted(edges, values, side="left"))


def _mutual_information(binned: np.ndarray, target: np.ndarray, draw: np.random.Generator) -> tuple[float, float]:
    """Return the mutual information of two columns of bins, and the most that shuffled copies have, in nats."""
    import numpy as np
    from sklearn.metrics import mutual_info_score

    high = int(target.max()) + 1

    def of(bins: np.ndarray) -> float:
        table = np.bincount(bins * high + target, minlength=(int(bins.max()) + 1) * high)
        return float(mutual_info_score(None, None, contingency=table.reshape(-1, high)))

    return of(binned), max(of(draw.permutation(binned)) for _ in range(_SHUFFLES))


def _report(pipeline: Pipeline, selection: Selection, seconds: float) -> None:
    for each in selection.dropped:
        log.info("%s: %s is dropped: it %s", pipeline.name, each["feature"], each["reason"])
    log.info(
        "%s: %s of %s automated features are kept, in %.1f s",
        *(pipeline.name, len(selection.kept), len(selection.kept) + len(selection.dropped), seconds),
    )
