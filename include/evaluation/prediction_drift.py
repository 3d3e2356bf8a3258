"""How far the challenger's predictions are from the champion's, on the same rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.evaluation.numbers import Number  # noqa: TC001  pydantic reads the fields
from include.evaluation.quantile_bins import quantile_stability_index

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class PredictionDrift:
    """The distributions of two models' predictions, compared.

    Attributes
    ----------
    index
        Population stability index of the challenger's predictions over tenths of the champion's; for several
        classes the largest index of any class's probability.
    correlation
        Rank correlation (Spearman's) of the two, row by row; NaN where one of them is constant. For several
        classes it is of the class with the largest index.
    challenger_mean, champion_mean
        Means of the predictions; for several classes of that class.
    """

    index: Number
    correlation: Number
    challenger_mean: Number
    champion_mean: Number
    rows: int


def measure_prediction_drift(challenger: np.ndarray, champion: np.ndarray) -> PredictionDrift:
    """Compare two models' predictions of the same rows.

    Parameters
    ----------
    challenger, champion
        Of shape (n_rows,), or (n_rows, n_classes).
    """
    import numpy as np

    first, second = (np.asarray(each, dtype="float64") for each in (challenger, champion))
    first, second = (each[:, None] if each.ndim == 1 else each for each in (first, second))
    found = [_compare(first[:, at], second[:, at]) for at in range(first.shape[1])]
    unknown = [each for each in found if not np.isfinite(each.index)]
    return unknown[0] if unknown else max(found, key=lambda each: each.index)


def _compare(challenger: np.ndarray, champion: np.ndarray) -> PredictionDrift:
    import numpy as np

    rows = len(challenger)
    if not rows or not (np.isfinite(challenger).all() and np.isfinite(champion).all()):
        nan = float("nan")
        return PredictionDrift(nan, nan, nan, nan, rows)
    return PredictionDrift(
        index=quantile_stability_index(challenger, champion),
        correlation=_rank_correlation(challenger, champion),
        challenger_mean=float(challenger.mean()),
        champion_mean=float(champion.mean()),
        rows=rows,
    )


def _rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    import numpy as np
    from scipy.stats import rankdata

    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(np.corrcoef(rankdata(first), rankdata(second))[0, 1])
