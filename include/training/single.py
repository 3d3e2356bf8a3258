"""Which single family is the challenger: the best one, or a simpler one that is about as good."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING

from include.evaluation.noise import paired_difference

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from include.evaluation.metrics import Measure


def choose_single(
    predictions: Mapping[str, np.ndarray],
    best: str,
    y: np.ndarray,
    days: np.ndarray,
    measure: Measure,
    *,
    rounds: int,
    confidence: float,
    seed: int,
) -> tuple[str, str | None]:
    """Return the simplest family that is within one standard error of the best, and a sentence where it is another.

    A family of many parameters has more chances to fit the validated rows by luck, the more trials it has had. The
    rule is the one of Breiman, Friedman, Olshen and Stone (Classification and Regression Trees, 1984, section 3.4.3);
    the error is that of the paired difference over days.

    Parameters
    ----------
    predictions
        Out-of-fold predictions by family, the simple families first.
    best
        The family with the best score.
    """
    for family, predicted in predictions.items():
        if family == best:
            break
        found = paired_difference(
            measure, y, days, predictions[best], predicted, rounds=rounds, confidence=confidence, seed=seed
        )
        error = (found.high - found.low) / (2 * NormalDist().inv_cdf((1 + confidence) / 2))
        if found.blocks > 1 and math.isfinite(found.value) and math.isfinite(error) and found.value <= error:
            return family, (
                f"{family} rather than {best}, which is better by {found.value:.3g} on the folds, not more than one "
                f"standard error ({error:.3g}), and less simple"
            )
    return best, None
