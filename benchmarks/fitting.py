"""The fit of one family on all rows to learn from: Nightshift's step beside LightGBM's own `train`."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from benchmarks.features import AS_OF
from benchmarks.measure import Comparison, take_turns
from include.core import settings
from include.features.build import build_features
from include.features.feature_table import read_features
from include.features.snapshot import pin_snapshot
from include.training.candidates import candidates_of
from include.training.columns import FeatureColumns, feature_columns
from include.training.fit import fit_model, predict
from include.workflows.retrain.split import split_rows

if TYPE_CHECKING:
    import lightgbm as lgb
    import numpy as np
    import pandas as pd

    from include.config.pipeline import Pipeline

LIMIT = 1.05
ROUNDS_OF_TREES = 300


def compare_fitting(pipeline: Pipeline) -> Comparison:
    """Time both from the feature frame to a fitted model, after a look that they predict the same."""
    import numpy as np

    frame = read_features(build_features(pipeline, pin_snapshot(pipeline), AS_OF))
    split = split_rows(pipeline, frame, AS_OF)
    rows, held = frame.iloc[split.train], frame.iloc[split.holdout]
    columns = feature_columns(pipeline, rows)
    params = candidates_of(pipeline.training)["lightgbm"].defaults | {"n_estimators": ROUNDS_OF_TREES}
    threads, label, seed = settings.threads(), pipeline.features.label, pipeline.training.seed

    def ours() -> object:
        return fit_model(pipeline, rows, "lightgbm", params, threads)

    def bare() -> tuple[lgb.Booster, dict[str, pd.Index]]:
        return _train(rows, columns, rows[label], seed, threads)

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="X does not have valid feature names")
        booster, categories = bare()
        found = predict(ours(), held, pipeline.training)
    by_hand = booster.predict(_encode(held, columns, categories), num_threads=threads)
    np.testing.assert_allclose(found, by_hand, rtol=1e-9, err_msg="both must predict the same")
    taken = take_turns(ours, bare, prepare=lambda: None)
    return Comparison("fit of one model on a year of flights", *taken, limit=LIMIT)


def _train(
    rows: pd.DataFrame, columns: FeatureColumns, label: pd.Series, seed: int, threads: int
) -> tuple[lgb.Booster, dict[str, pd.Index]]:
    """Fit as one would by hand: the values of each category numbered, and the same parameters."""
    import lightgbm as lgb

    categories = {name: rows[name].astype("category").cat.categories for name in columns.categorical}
    x = _encode(rows, columns, categories)
    params = {
        "objective": "binary",
        "learning_rate": 0.08,
        "num_leaves": 31,
        "min_data_in_leaf": 20,
        "min_data_per_group": 20,
        "feature_fraction": 0.7,
        "bagging_fraction": 0.9,
        "bagging_freq": 1,
        "lambda_l1": 1e-3,
        "lambda_l2": 1.0,
        "seed": seed,
        "num_threads": threads,
        "deterministic": True,
        "force_col_wise": True,
        "verbose": -1,
    }
    positions = list(range(len(columns.numeric), x.shape[1]))
    data = lgb.Dataset(x, label.to_numpy("float64"), categorical_feature=positions, params=params)
    return lgb.train(params, data, num_boost_round=ROUNDS_OF_TREES), categories


def _encode(rows: pd.DataFrame, columns: FeatureColumns, categories: dict[str, pd.Index]) -> np.ndarray:
    """Return numbers as they are and then categories as codes, NaN where a value is missing or new."""
    import numpy as np
    import pandas as pd

    x = np.empty((len(rows), len(columns.all)))
    for position, name in enumerate(columns.all):
        if name in categories:
            codes = pd.Categorical(rows[name], categories[name]).codes
            x[:, position] = np.where(codes < 0, np.nan, codes)
        else:
            x[:, position] = rows[name].to_numpy("float64", na_value=np.nan)
    return x
