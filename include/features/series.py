"""Computes tsfresh's features of trailing windows, taken as series."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np

    from include.features.budget import Share
    from include.features.windows import Windows

Calculators = Literal["minimal", "efficient"]
#: tsfresh's calculators by name, each with its parameters, or None if it has none.
Settings = dict[str, list[dict[str, object]] | None]

#: tsfresh's MinimalFCParameters.
MINIMAL: Settings = dict.fromkeys(
    [
        "sum_values",
        "median",
        "mean",
        "length",
        "standard_deviation",
        "variance",
        "root_mean_square",
        "maximum",
        "absolute_maximum",
        "minimum",
    ]
)

# A selection from tsfresh's EfficientFCParameters, which has 782 features and takes 50 ms a window, half of it for
# change_quantiles. Left out are calculators that take more than half a millisecond, mean nothing for a series of some
# weeks (the hundredth Fourier coefficient) or repeat another one.
EFFICIENT: Settings = {
    **MINIMAL,
    **dict.fromkeys(
        [
            "abs_energy",
            "absolute_sum_of_changes",
            "count_above_mean",
            "count_below_mean",
            "first_location_of_maximum",
            "first_location_of_minimum",
            "kurtosis",
            "last_location_of_maximum",
            "last_location_of_minimum",
            "longest_strike_above_mean",
            "longest_strike_below_mean",
            "mean_abs_change",
            "mean_change",
            "mean_second_derivative_central",
            "percentage_of_reoccurring_values_to_all_values",
            "ratio_value_number_to_time_series_length",
            "skewness",
            "sum_of_reoccurring_values",
            "variation_coefficient",
        ]
    ),
    "autocorrelation": [{"lag": lag} for lag in range(1, 10)],
    "binned_entropy": [{"max_bins": 10}],
    "c3": [{"lag": lag} for lag in (1, 2, 3)],
    "cid_ce": [{"normalize": True}, {"normalize": False}],
    "count_above": [{"t": 0}],
    "count_below": [{"t": 0}],
    "fft_aggregated": [{"aggtype": each} for each in ("centroid", "variance", "skew", "kurtosis")],
    "fft_coefficient": [{"attr": "abs", "coeff": number} for number in range(1, 10)],
    "index_mass_quantile": [{"q": q} for q in (0.1, 0.25, 0.5, 0.75, 0.9)],
    "linear_trend": [{"attr": each} for each in ("slope", "rvalue", "stderr")],
    "number_crossing_m": [{"m": 0}],
    "number_peaks": [{"n": number} for number in (1, 3, 5)],
    "partial_autocorrelation": [{"lag": lag} for lag in range(1, 6)],
    "permutation_entropy": [{"dimension": 3, "tau": 1}],
    "quantile": [{"q": q} for q in (0.1, 0.25, 0.75, 0.9)],
    "ratio_beyond_r_sigma": [{"r": r} for r in (1, 2, 3)],
    "time_reversal_asymmetry_statistic": [{"lag": lag} for lag in (1, 2, 3)],
}

CALCULATORS: dict[Calculators, Settings] = {"minimal": MINIMAL, "efficient": EFFICIENT}

#: How many windows are computed to estimate how long all will take.
_FIRST_WINDOWS = 100
#: How many windows are computed between two looks at the clock.
_CHUNK_WINDOWS = 1000


def column_names(calculators: Calculators) -> dict[str, str]:
    """Return the column of each feature by tsfresh's name, such as quantile_q_0_1 for quantile__q_0.1.

    The names follow from the settings, without tsfresh and without data.
    """
    names = []
    for calculator, parameters in CALCULATORS[calculators].items():
        for each in parameters or [{}]:
            shown = (f'{key}_"{value}"' if isinstance(value, str) else f"{key}_{value}" for key, value in each.items())
            names.append("__".join([calculator, *shown]))
    return {name: re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") for name in names}


def describe(calculators: Calculators, windows: Windows, values: np.ndarray, share: Share) -> np.ndarray:
    """Return tsfresh's features of each window's values.

    Parameters
    ----------
    values
        The known values, none of them NaN, in the order of the windows' positions; of shape (n_kept,).

    Returns
    -------
    numpy.ndarray
        Of shape (n_windows, n_features), the features in the order of `column_names`; NaN if a window has
        no row, or too few for a feature.

    Raises
    ------
    FeatureQueryFailed
        If all windows would need more seconds than the budget has.
    """
    import numpy as np

    result = np.full((len(windows.first), len(column_names(calculators))), np.nan)
    filled = np.flatnonzero(windows.rows > 0)
    # windows differ in length, so the first sample is spread over all of them
    step = max(1, len(filled) // _FIRST_WINDOWS)
    sample, rest = filled[::step], np.delete(filled, np.s_[::step])
    chunks = [sample, *np.split(rest, range(_CHUNK_WINDOWS, len(rest), _CHUNK_WINDOWS))] if len(filled) else []
    for chunk in chunks:
        if len(chunk):
            result[chunk] = _extract(calculators, chunk, windows, values)
            share.spend(len(chunk) / share.windows)
    return result


def _extract(calculators: Calculators, chunk: np.ndarray, windows: Windows, values: np.ndarray) -> np.ndarray:
    import numpy as np
    import pandas as pd
    from tsfresh import extract_features

    positions = [np.arange(windows.first[each], windows.end[each]) for each in chunk]
    frame = pd.DataFrame({"window": np.repeat(chunk, windows.rows[chunk]), "value": values[np.concatenate(positions)]})
    found = extract_features(
        frame,
        column_id="window",
        column_value="value",
        default_fc_parameters=CALCULATORS[calculators],
        n_jobs=0,  # worker processes would copy this one, with the database in it
        disable_progressbar=True,
    )
    names = [f"value__{name}" for name in column_names(calculators)]
    return found.loc[chunk, names].to_numpy(dtype="float64")
