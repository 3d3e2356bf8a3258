"""Draws the cut-offs of a leakage check."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    import numpy as np


def choose_cut_offs(times: np.ndarray, count: int, seed: int | str) -> list[datetime]:
    """Draw cut-offs from prediction times: one from the newest week, the others from equal parts of the time before.

    The last day is left out if there is an earlier one, since little that could leak is known after it.

    Parameters
    ----------
    times : of shape (n_times,)
        Distinct times in ascending order, as datetime64[us] in UTC.

    Returns
    -------
    list of datetime
        In ascending order; fewer than `count` if there are fewer times.
    """
    import numpy as np

    if len(times) == 0 or count < 1:
        return []
    draw = np.random.default_rng(list(str(seed).encode()))
    earlier = times[times <= times[-1] - np.timedelta64(1, "D")]
    times = earlier if len(earlier) else times
    newest = times[times > times[-1] - np.timedelta64(7, "D")]
    chosen = [draw.choice(newest)]
    others = times[times < newest[0]]
    if len(others) < count - 1:  # in a short table the newest week gives more than one
        others = times[times != chosen[0]]
    parts = min(count - 1, len(others))
    chosen += [draw.choice(part) for part in np.array_split(others, parts)] if parts else []
    return np.sort(np.array(chosen, dtype="datetime64[us]")).tolist()
