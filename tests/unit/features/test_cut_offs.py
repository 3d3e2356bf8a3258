"""Cut-offs are drawn by a seed, spread over the table's time, and one is always recent."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest

from include.features.cut_offs import choose_cut_offs

if TYPE_CHECKING:
    from collections.abc import Iterable

FIRST = datetime(2024, 1, 1)


def times(hours: Iterable[float]) -> np.ndarray:
    """Return times this many hours after the first."""
    return np.array([FIRST + timedelta(hours=each) for each in hours], dtype="datetime64[us]")


YEAR = times(range(0, 366 * 24, 24))


def test_the_same_seed_draws_the_same() -> None:
    """A cleared task checks what it checked before; another run looks elsewhere."""
    assert choose_cut_offs(YEAR, 5, "run-1") == choose_cut_offs(YEAR, 5, "run-1")
    assert choose_cut_offs(YEAR, 5, "run-1") != choose_cut_offs(YEAR, 5, "run-2")
    assert choose_cut_offs(YEAR, 5, 0) != choose_cut_offs(YEAR, 5, 1)


@pytest.mark.parametrize("count", [1, 2, 5, 20])
@pytest.mark.parametrize("seed", range(5))
def test_one_is_of_the_newest_week_and_the_others_are_spread(count: int, seed: int) -> None:
    """The days before the newest week are cut into equal parts, and each part has one."""
    chosen = choose_cut_offs(YEAR, count, seed)
    newest = YEAR[-1].item() - timedelta(days=8)

    assert len(chosen) == len(set(chosen)) == count
    assert chosen == sorted(chosen)
    assert newest < chosen[-1] <= YEAR[-1].item() - timedelta(days=1)
    parts = np.array_split(YEAR[:-8], max(count - 1, 1))
    for part, at in zip(parts, chosen[:-1], strict=False):
        assert part[0].item() <= at <= part[-1].item()


def test_cut_offs_are_prediction_times() -> None:
    """The rows at the cut-off itself may know the least."""
    uneven = times(np.random.default_rng(3).uniform(0, 2000, 500).cumsum() / 50)

    chosen = choose_cut_offs(uneven, 20, 0)

    assert len(chosen) == 20
    assert set(chosen) <= set(uneven.tolist())


@pytest.mark.parametrize(
    ("hours", "count", "expected"),
    [
        ([], 3, 0),
        ([0], 3, 1),
        ([0, 1, 2], 2, 2),
        ([0, 24, 48], 9, 2),
        (range(0, 24 * 5, 24), 9, 4),
        (range(0, 24 * 9, 24), 4, 4),
        (range(0, 24 * 9, 24), 99, 8),
        (range(0, 24 * 30, 24), 0, 0),
    ],
    ids=["none", "one", "a day", "three days", "days", "few before the week", "more than there are", "count 0"],
)
def test_a_short_table_has_fewer_and_its_last_day_only_if_it_has_no_other(
    hours: Iterable[float], count: int, expected: int
) -> None:
    """Nothing is drawn twice, and the last day, after which nothing is known, is drawn only if there is no other."""
    available = times(hours)

    chosen = choose_cut_offs(available, count, 0)

    assert len(chosen) == len(set(chosen)) == expected
    if len(available) and available[-1] - available[0] >= np.timedelta64(1, "D"):
        assert all(at <= available[-1].item() - timedelta(days=1) for at in chosen)
