"""Encoders: turn the raw feature frame into the numbers that an estimator takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.compose import ColumnTransformer

    from include.training.candidates.candidate import Encoding
    from include.training.columns import FeatureColumns

#: Maximum number of codes per column; rarer values share one. scikit-learn's histogram trees take at most 255.
MAX_CATEGORIES = 250
#: Maximum number of one-hot columns per categorical column; rarer values share one.
MAX_ONE_HOT = 50


def encoder(encoding: Encoding, columns: FeatureColumns, rows: pd.DataFrame) -> ColumnTransformer:
    """Return an unfitted encoder of the raw frame; numeric columns come first, then categorical ones.

    Parameters
    ----------
    rows
        The rows that the encoder will be fitted on.
    encoding
        scaled: imputes and scales numbers, one-hot encodes categories, leaves no NaN. ordinal: leaves numbers as they
        are, codes categories from 0, with NaN for unseen and missing ones. coded: like ordinal, but returns a frame
        with integer codes, -1 for unseen and missing ones. none: returns no columns.
    """
    import numpy as np
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

    if encoding == "none":
        return ColumnTransformer([("none", "drop", columns.all)])
    if encoding == "scaled":
        numeric = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
        one_hot = OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=MAX_ONE_HOT, sparse_output=False)
        return ColumnTransformer([("numeric", numeric, columns.numeric), ("categorical", one_hot, columns.categorical)])
    coded = encoding == "coded"
    missing = -1 if coded else np.nan
    # without a limit scikit-learn does not count the values, which takes three times as long as everything else
    bounded = any(rows[name].nunique() > MAX_CATEGORIES for name in columns.categorical)
    codes = OrdinalEncoder(
        handle_unknown="use_encoded_value",
        unknown_value=missing,
        encoded_missing_value=missing,
        max_categories=MAX_CATEGORIES if bounded else None,
        dtype=np.int64 if coded else np.float64,
    )
    encode = ColumnTransformer(
        [("numeric", "passthrough", columns.numeric), ("categorical", codes, columns.categorical)],
        verbose_feature_names_out=False,
    )
    return encode.set_output(transform="pandas") if coded else encode


def categorical_positions(columns: FeatureColumns) -> list[int]:
    """Return the positions of the categorical columns after the encoders `ordinal` and `coded`."""
    return list(range(len(columns.numeric), len(columns.all)))
