"""How uncertain a number is: every kind of interval that is made here, and when each applies.

| function | the number | used by |
|---|---|---|
| `percentile_interval` | a metric, or the difference of two models on the same rows | gate, model card, monitoring |
| `basic_interval` | an error that chance makes larger, such as the calibration error | GATE011 |
| `widen_for_few_blocks` | a difference on a slice, of few days and at a high confidence | GATE009 |
| `simultaneous_half_width` | the largest of many gaps between groups | GATE010 |
| `independent_difference_margin` | a metric beside the same metric on other rows | monitoring |
| `student_interval` | the mean over fits with other seeds | GATE019 |

All but the last start from a bootstrap over days: the rows of one day are not independent of each other.
docs/explanation/intervals.md says the same for a reader of verdicts.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

#: Share of the resamples in which a number must be defined to have an interval.
LEAST_DEFINED = 0.9


def percentile_interval(values: np.ndarray, confidence: float) -> tuple[float, float]:
    """Return the quantiles of a number over its resamples; NaN where it is not defined on most of them.

    It applies where the number on a resample is about as far from the number on the holdout as that is from the truth
    (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13).
    """
    import numpy as np

    defined = values[np.isfinite(values)]
    if len(defined) < LEAST_DEFINED * len(values):
        return math.nan, math.nan
    tail = (1 - confidence) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return float(low), float(high)


def basic_interval(value: float, resampled: np.ndarray, confidence: float) -> tuple[float, float]:
    """Return the percentile interval mirrored at the value: 2 * value - its ends.

    It applies where resampling adds a bias, as to an error that chance makes larger: a percentile interval would have
    that bias twice, and this one takes it off (Davison and Hinkley, Bootstrap Methods and their Application, 1997,
    section 5.2).
    """
    low, high = percentile_interval(resampled, confidence)
    return 2 * value - high, 2 * value - low


def widen_for_few_blocks(
    value: float, interval: tuple[float, float], blocks: int, confidence: float
) -> tuple[float, float]:
    """Return a percentile interval, as much wider as Student's t is than the normal distribution.

    It applies where few days are resampled and the confidence is high: an interval of 99.5% from ten days misses the
    truth in 3% of the cases. Both ends are moved away from the value by the ratio of the quantiles and by
    sqrt(n / (n - 1)) (after Hesterberg, What teachers should know about the bootstrap, The American Statistician
    69, 2015). A single day says nothing of noise, so its interval is NaN.
    """
    from scipy.stats import norm, t

    tail = (1 - confidence) / 2
    if blocks < 2:
        return math.nan, math.nan
    by = float(t.isf(tail, blocks - 1) / norm.isf(tail)) * math.sqrt(blocks / (blocks - 1))
    low, high = (value + by * (end - value) for end in interval)
    return low, high


def simultaneous_half_width(means: np.ndarray, resampled: np.ndarray, blocks: int, confidence: float) -> float:
    """Return half the width of the interval of the gap between the largest and the smallest of several means.

    It applies where the two were picked because they are far apart, and among many equal groups some always are. So
    the interval is one of those that hold for all pairs of groups at once: each pair's gap is as uncertain as the
    resamples say, and all intervals are widened by one factor, so that in a share `confidence` of the resamples no
    pair is beyond its own (the maximum of t: Westfall and Young, Resampling-based multiple testing, 1993). The factor
    is a quantile of the normal distribution; Student's t takes its place, since resamples of few days vary less than
    days do (Hesterberg, 2015).

    Parameters
    ----------
    means
        Of shape (n_groups,).
    resampled
        The means on each resample, of shape (rounds, n_groups); NaN where a group was not drawn.
    """
    import numpy as np
    from scipy.stats import norm, t

    first, second = np.triu_indices(len(means), 1)
    apart = resampled - means
    apart = apart[:, first] - apart[:, second]
    uncertain = np.nanstd(apart, axis=0)
    # a pair that is the same in every resample is never beyond its own interval
    times = np.nan_to_num(np.abs(apart) / np.where(uncertain > 0, uncertain, math.nan)).max(axis=1)
    wide = t.isf(norm.sf(np.quantile(times, confidence)), blocks - 1) * math.sqrt(blocks / (blocks - 1))
    gaps = means[first] - means[second]
    return float(wide * uncertain[np.abs(gaps).argmax()])


def independent_difference_margin(
    sign: float, value: float, interval: tuple[float, float], reference: float, reference_interval: Sequence[float]
) -> float:
    """Return by how much a metric may be worse than a reference for noise alone, where the two have other rows.

    The margin is the root of the summed squares of how far each interval reaches towards the other value (Zou and
    Donner, Construction of confidence limits about effect measures: a general approach, Statistics in Medicine 27,
    2008).

    Parameters
    ----------
    sign
        1 where a higher value is better, and -1 otherwise.
    reference_interval
        Both ends, or empty where the reference counts as exact.
    """
    better = max(sign * end for end in interval) - sign * value
    worse = sign * reference - min(sign * end for end in reference_interval) if reference_interval else 0.0
    return math.hypot(max(0.0, better), max(0.0, worse))


def student_interval(values: Sequence[float], confidence: float) -> tuple[float, float]:
    """Return the interval of the mean of a few independent values, by Student's t.

    It applies to fits with other seeds, which are too few to resample (Student, The probable error of a mean,
    Biometrika 6, 1908).
    """
    import numpy as np
    from scipy.stats import t

    array = np.array(values)
    error = float(array.std(ddof=1) / np.sqrt(len(array)))
    width = float(t.ppf((1 + confidence) / 2, len(array) - 1)) * error
    mean = float(array.mean())
    return mean - width, mean + width
