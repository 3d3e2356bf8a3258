"""Exact contributions: of boosted trees, of linear models, and of weighted means of these."""

from __future__ import annotations

import copy
import warnings
from typing import TYPE_CHECKING, Any

from include.training.candidates import family_of
from include.training.contributions import Contributions, Unit
from include.training.fit import predict

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline as Model

    from include.config.training import Training


def exact_contributions(
    model: Model, rows: pd.DataFrame, background: pd.DataFrame, training: Training
) -> Contributions | None:
    """Return the exact contribution of each feature, or None where the model has no exact ones.

    For a calibrated model these are contributions to the log-odds before calibration.
    """
    import numpy as np

    if training.task == "multiclass":
        return None
    leaves, calibrated = _leaves(model)
    if leaves is None or (training.classifies and len(leaves) > 1):
        return None  # the log-odds of a mean are not the mean of the log-odds
    prediction = predict(leaves[0][1] if calibrated else model, rows, training)
    names = [str(name) for name in model.feature_names_in_]
    base, values, methods = np.zeros(len(rows)), dict.fromkeys(names, np.zeros(len(rows))), []
    for weight, leaf in leaves:
        part = _explain_leaf(leaf, rows, background, training)
        if part is None:
            return None
        methods.append(part.method)
        base = base + weight * part.base
        for name, each in part.values.items():
            values[name] = values[name] + weight * each
    unit: Unit = "log-odds" if training.classifies else "value"
    return Contributions(base, values, prediction, unit, " and ".join(sorted(set(methods))), calibrated)


def _leaves(model: Any) -> tuple[list[tuple[float, Model]] | None, bool]:
    """Return the weighted single-family models that a model averages, and whether a calibrator follows them."""
    import numpy as np
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.ensemble import VotingClassifier, VotingRegressor
    from sklearn.frozen import FrozenEstimator
    from sklearn.pipeline import Pipeline

    calibrated = False
    while True:
        if isinstance(model, Pipeline) and len(model.steps) == 1:
            model = model.steps[0][1]
        elif isinstance(model, FrozenEstimator):
            model = model.estimator
        elif isinstance(model, CalibratedClassifierCV) and len(model.calibrated_classifiers_) == 1:
            calibrated, model = True, model.calibrated_classifiers_[0].estimator
        elif isinstance(model, VotingClassifier | VotingRegressor):
            weights = np.ones(len(model.estimators_)) if model.weights is None else np.asarray(model.weights, "float64")
            parts = [_leaves(each) for each in model.estimators_]
            leaves: list[tuple[float, Model]] = []
            for weight, (inner, inside) in zip(weights / weights.sum(), parts, strict=True):
                if inner is None or inside:
                    return None, calibrated
                leaves += [(float(weight) * share, leaf) for share, leaf in inner]
            return leaves, calibrated
        elif isinstance(model, Pipeline) and list(model.named_steps) == ["encode", "model"]:
            return [(1.0, model)], calibrated
        else:
            return None, calibrated


def _explain_leaf(
    leaf: Model, rows: pd.DataFrame, background: pd.DataFrame, training: Training
) -> Contributions | None:
    """Return the contribution of each raw feature to the predictions of one family."""
    import numpy as np

    encode, estimator = leaf.named_steps["encode"], leaf.named_steps["model"]
    names = [str(name) for name in leaf.feature_names_in_]
    family, line = family_of(estimator), _linear_coefficients(estimator)
    shap_values = family.shap_values if family else None
    if shap_values is None and line is None:
        return None
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="X does not have valid feature names")
        x = encode.transform(rows[names])
        if shap_values is not None:
            values = np.asarray(shap_values(estimator, x), dtype="float64")
            method, base, added = "TreeSHAP", values[:, -1], values[:, :-1]
        else:
            assert line is not None, "checked above"
            method = "exact, of a linear model"
            base, added = _linear_contributions(*line, x, encode.transform(background[names]))
    owners = column_owners(encode)
    if owners is None or added.shape[1] != len(owners):
        return None
    by_feature = {name: np.zeros(len(rows)) for name in names}
    for owner, column in zip(owners, added.T, strict=True):
        by_feature[owner] = by_feature[owner] + column
    # the caller predicts once for all leaves, so `prediction` is only a placeholder here
    return Contributions(base, by_feature, base, "log-odds" if training.classifies else "value", method)


def _linear_coefficients(estimator: Any) -> tuple[np.ndarray, float] | None:
    """Return coefficients and intercept of a linear model with one output, in the unit of its prediction."""
    import numpy as np
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.preprocessing import StandardScaler

    scale, shift = 1.0, 0.0
    if isinstance(estimator, TransformedTargetRegressor):
        if not isinstance(estimator.transformer_, StandardScaler):
            return None
        scale, shift = float(estimator.transformer_.scale_[0]), float(estimator.transformer_.mean_[0])
        estimator = estimator.regressor_
    if not type(estimator).__module__.startswith("sklearn.linear_model") or not hasattr(estimator, "coef_"):
        return None
    coefficients, intercept = np.ravel(estimator.coef_), np.ravel(estimator.intercept_)
    return (scale * coefficients, scale * float(intercept[0]) + shift) if len(intercept) == 1 else None


def _linear_contributions(
    coefficients: np.ndarray, intercept: float, x: np.ndarray, background: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return base and contributions of encoded rows, of shape (n_rows,) and (n_rows, n_columns)."""
    import numpy as np

    mean = background.mean(axis=0)
    return np.full(len(x), intercept + float(mean @ coefficients)), (x - mean) * coefficients


def column_owners(encode: ColumnTransformer) -> list[str] | None:
    """Return the raw column of each encoded column; None for an unknown encoder."""
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder

    owners: list[str] = []
    for _, step, columns in encode.transformers_:
        names = [str(name) for name in columns] if not isinstance(step, str) or step != "drop" else []
        if isinstance(step, Pipeline):
            step = step.steps[0][1]
        if isinstance(step, SimpleImputer):
            known = [name for name, filled in zip(names, step.statistics_, strict=True) if filled == filled]
            missing = [] if step.indicator_ is None else [names[at] for at in step.indicator_.features_]
            owners += known + missing
        elif isinstance(step, OneHotEncoder):
            if names:
                named = copy.copy(step)
                named.feature_name_combiner = lambda name, value: name
                owners += [str(name) for name in named.get_feature_names_out()]
        else:
            owners += names
    return owners
