"""Metrics that compare rows with each other, on many resamples of days at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from include.evaluation.resamples import sum_by_day_and_kind

if TYPE_CHECKING:
    from include.evaluation.resamples import MetricOnResamples

#: Resamples whose counts by rank are held in memory at once.
CHUNK_ROUNDS = 64


def roc_auc_on_resamples(positive: np.ndarray, y_pred: np.ndarray, day: np.ndarray) -> MetricOnResamples:
    """Count, for each pair of days, the pairs of a positive and a negative row that are in the right order.

    The area under the curve is the share of such pairs (Hanley and McNeil, Radiology 143, 1982), where a tie
    counts a half. In a resample the pairs of two days count as often as both days were drawn.
    """
    n_days = int(day.max()) + 1
    positives = np.bincount(day[positive], minlength=n_days).astype("float64")
    negatives = np.bincount(day[~positive], minlength=n_days).astype("float64")
    right = np.zeros((n_days, n_days))
    scores, of_day = y_pred[positive], day[positive]
    for other in range(n_days):
        against = np.sort(y_pred[~positive & (day == other)])
        wins = np.searchsorted(against, scores, "left") + np.searchsorted(against, scores, "right")
        right[:, other] = np.bincount(of_day, weights=wins / 2, minlength=n_days)

    def values(resamples: np.ndarray) -> np.ndarray:
        pairs = (resamples @ positives) * (resamples @ negatives)
        drawn = resamples.astype("float64")
        ordered = np.einsum("rd,de,re->r", drawn, right, drawn, optimize=True)
        return ordered / np.where(pairs > 0, pairs, np.nan)

    return values


def average_precision_on_resamples(positive: np.ndarray, y_pred: np.ndarray, day: np.ndarray) -> MetricOnResamples:
    """Sum, over the ranks that gain a hit, the precision there times the hits gained, from counts by day and rank."""
    _, rank = np.unique(-y_pred, return_inverse=True)
    gaining = np.flatnonzero(np.bincount(rank, weights=positive) > 0)
    n_ranks = len(gaining)
    # a row ranked between two ranks that gain a hit counts from the second on; after the last such rank, never
    place = np.searchsorted(gaining, rank)

    def count_by_place(rows: np.ndarray) -> np.ndarray:
        return sum_by_day_and_kind(place[rows], n_ranks, day[rows], n_days=int(day.max()) + 1)

    seen, gained = np.cumsum(count_by_place(place < n_ranks), axis=1), count_by_place(positive)
    hits = np.cumsum(gained, axis=1)

    def values(resamples: np.ndarray) -> np.ndarray:
        found = []
        for start in range(0, len(resamples), CHUNK_ROUNDS):
            drawn = resamples[start : start + CHUNK_ROUNDS].astype("float64")
            below, above = drawn @ seen, drawn @ hits
            with np.errstate(divide="ignore", invalid="ignore"):
                precision = np.where(below > 0, above / below, 0.0)
                found.append(np.einsum("rp,rp->r", precision, drawn @ gained) / above[:, -1])
        return np.concatenate(found)

    return values
