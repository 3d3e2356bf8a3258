"""Fits estimators and models, and predicts with them."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from include.core import settings
from include.core.errors import EvaluationFailed
from include.training.candidates import Candidate, candidates_of, encoder
from include.training.candidates.watch import Watch
from include.training.columns import feature_columns
from include.training.target import native_target

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    import pandas as pd
    from sklearn.pipeline import Pipeline as Model

    from include.config.pipeline import Pipeline
    from include.config.training import Training
    from include.training.candidates import Params

__all__ = ["Watch", "fit_estimator", "fit_model", "predict", "predict_encoded", "row_weights"]

#: Rounds of boosting if neither the parameters nor early stopping set them.
DEFAULT_ROUNDS = 150


def row_weights(training: Training, y: np.ndarray) -> np.ndarray | None:
    """Return the weight of each row in a fit, with mean 1, of shape (n_rows,); None for equal weights.

    With class_weight, all classes have the same total weight. For mape, a row is weighted by the inverse of its label,
    which turns the absolute error into the absolute percentage error.
    """
    import numpy as np
    from sklearn.utils.class_weight import compute_sample_weight

    if training.class_weight:
        return compute_sample_weight(training.class_weight, y)
    if training.metric != "mape":
        return None
    size = np.abs(y.astype("float64"))
    if not size.any():
        return None
    weights = 1 / np.maximum(size, size[size > 0].min())  # a label of 0 has no percentage
    return weights / weights.mean()


def fit_estimator(
    candidate: Candidate,
    estimator: Any,
    x: Any,
    y: np.ndarray,
    weights: np.ndarray | None,
    watch: Watch | None,
    threads: int,
) -> int | None:
    """Fit an estimator in place; return the best number of rounds if the family stops early, else None.

    Parameters
    ----------
    x, y
        Encoded rows of shape (n_rows, n_columns), and their labels.
    weights
        See `row_weights`.
    watch
        Validation rows that decide when to stop; None fits the number of rounds of the estimator's parameters.
    """
    import numpy as np
    from threadpoolctl import threadpool_limits

    if candidate.max_rows is not None and len(y) > candidate.max_rows:
        kept = np.sort(np.random.default_rng(len(y)).choice(len(y), candidate.max_rows, replace=False))
        x, y, weights = x[kept], y[kept], None if weights is None else weights[kept]
    if watch is not None and candidate.fit_watched is not None:
        watch = _keep_known_classes(watch, y)
    with _warning_once(), threadpool_limits(limits=threads):
        if watch is not None and candidate.fit_watched is not None and len(watch.y):
            return candidate.fit_watched(estimator, x, y, weights, watch)
        if candidate.rounds and watch is not None:
            estimator.set_params(**{candidate.rounds: DEFAULT_ROUNDS})  # no validation row of a known class
        if weights is None or not _accepts_weights(estimator):
            estimator.fit(x, y)
        else:
            estimator.fit(x, y, sample_weight=weights)
    if "n_jobs" in estimator.get_params() and type(estimator).__module__.startswith("sklearn."):
        # with several threads a forest sums its trees in the order in which they finish, which changes the last bit
        estimator.set_params(n_jobs=None)
    return DEFAULT_ROUNDS if candidate.rounds and watch is not None else None


def fit_model(
    pipeline: Pipeline, rows: pd.DataFrame, family: str, params: Params, threads: int, max_rows: int | None = None
) -> Model:
    """Fit one family on labelled rows, as one scikit-learn pipeline over the raw feature frame.

    Parameters
    ----------
    params
        The family's parameters with its rounds; without rounds it uses `DEFAULT_ROUNDS`.
    max_rows
        Fit the estimator on a random sample of at most so many rows; None for the family's own limit.
    """
    from sklearn.ensemble import VotingClassifier
    from sklearn.pipeline import Pipeline as Model

    training = pipeline.training
    candidate = candidates_of(training)[family].on_at_most(max_rows)
    columns = feature_columns(pipeline, rows).known_in(rows)
    encode = encoder(candidate.encoding, columns, rows)
    x = encode.fit_transform(rows[columns.all])
    y = native_target(training, rows[pipeline.features.label])
    if candidate.rounds and candidate.rounds not in params:
        params = params | {candidate.rounds: DEFAULT_ROUNDS}
    estimator = candidate.estimator(columns, training, params, threads)
    if training.task == "multiclass" and candidate.needs_codes:
        # a vote of one encodes class names as codes for the estimator, with scikit-learn's own types
        estimator = VotingClassifier([(family, estimator)], voting="soft")
    fit_estimator(candidate, estimator, x, y, row_weights(training, y), None, threads)
    return Model([("encode", encode), ("model", estimator)])


def predict(model: Model, frame: pd.DataFrame, training: Training, classes: Sequence[Any] | None = None) -> np.ndarray:
    """Return a model's predictions for a feature frame.

    Parameters
    ----------
    model
        Any scikit-learn pipeline that was fitted on a feature frame. Columns are found by name, so `frame` may have
        more of them and in another order.
    classes
        Labels of a multiclass task, in the order of the returned columns.

    Returns
    -------
    predictions
        Probabilities of 1 of shape (n_rows,) (binary), probabilities of shape (n_rows, n_classes) (multiclass), or
        values of shape (n_rows,).

    Raises
    ------
    EvaluationFailed
        If the frame lacks a column that the model was fitted on.
    """
    names = [str(name) for name in model.feature_names_in_]
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise EvaluationFailed(
            f"the model was fitted on {', '.join(missing)}, which the feature table no longer has; keep "
            "it in the features query until a model without it has been promoted"
        )
    if classes is None and training.task == "multiclass":
        classes = list(model.classes_)
    return _predict(model, frame[names], training, classes)


def predict_encoded(estimator: Any, x: Any, training: Training, n_classes: int | None = None) -> np.ndarray:
    """Return the predictions of an estimator that was fitted on encoded labels, for encoded rows; see `predict`."""
    return _predict(estimator, x, training, range(n_classes) if n_classes is not None else None)


def _predict(estimator: Any, x: Any, training: Training, classes: Sequence[Any] | None) -> np.ndarray:
    import numpy as np
    from threadpoolctl import threadpool_limits

    with _warning_once(), threadpool_limits(limits=settings.threads()):
        if not training.classifies:
            return np.asarray(estimator.predict(x), dtype="float64").reshape(-1)
        found = np.asarray(estimator.predict_proba(x), dtype="float64")
    if training.task == "binary":
        return _align_classes(found, estimator.classes_, [0, 1])[:, 1]
    assert classes is not None, "multiclass probabilities need an order of classes"
    aligned = _align_classes(found, estimator.classes_, classes)
    total = aligned.sum(axis=1, keepdims=True)
    # the probability of classes that are not asked for is shared among the others
    return np.where(total > 0, aligned / np.where(total > 0, total, 1), 1 / len(classes))


def _align_classes(found: np.ndarray, known: Sequence[Any], classes: Sequence[Any]) -> np.ndarray:
    """Return probabilities in the order of `classes`, 0 for classes that the model does not know."""
    import numpy as np

    position = {each: number for number, each in enumerate(np.asarray(known).tolist())}
    columns = [found[:, position[each]] if each in position else np.zeros(len(found)) for each in classes]
    return np.column_stack(columns)


def _keep_known_classes(watch: Watch, y: np.ndarray) -> Watch:
    """Return a watch without the rows of classes that the model is not fitted on."""
    import numpy as np

    if watch.measure.task not in ("binary", "multiclass"):
        return watch
    known = np.isin(watch.y, y)
    return watch if known.all() else Watch(watch.x[known], watch.y[known], watch.measure, watch.deadline)


def _accepts_weights(estimator: Any) -> bool:
    from sklearn.ensemble import VotingClassifier
    from sklearn.utils.validation import has_fit_parameter

    if isinstance(estimator, VotingClassifier):
        return all(_accepts_weights(each) for _, each in estimator.estimators)
    regressor = getattr(estimator, "regressor", None)  # of a TransformedTargetRegressor
    return has_fit_parameter(regressor if regressor is not None else estimator, "sample_weight")


#: Warnings that this process has shown already, by category, file and line.
_shown_warnings: set[tuple[type[Warning], str, int]] = set()


@contextmanager
def _warning_once() -> Iterator[None]:
    """Show each warning once per process, and hide those of every fit whose consequence is in the score.

    Python itself would show a warning at each of hundreds of fits, because changed filters make it forget earlier ones.
    """
    from sklearn.exceptions import ConvergenceWarning

    caught: list[warnings.WarningMessage] = []
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.filterwarnings("ignore", category=ConvergenceWarning)
            # LightGBM stores the encoder's column numbers as names, which scikit-learn's check then misses
            warnings.filterwarnings("ignore", message="X does not have valid feature names")
            # every estimator with n_jobs gets the pipeline's threads, whether they have an effect or not
            warnings.filterwarnings("ignore", message="'n_jobs' has no effect")
            yield
    finally:
        for each in caught:
            place = (each.category, each.filename, each.lineno)
            if place not in _shown_warnings:
                _shown_warnings.add(place)
                warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)
