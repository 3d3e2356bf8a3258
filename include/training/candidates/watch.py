"""When a family that grows round by round stops: by later rows, and by the clock."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from include.evaluation.metrics import Metric


@dataclass(frozen=True)
class Watch:
    """Rows that tell when a model has learned enough, and when to stop whatever they tell.

    Attributes
    ----------
    x, y
        Encoded rows that the model does not learn from, of shape (n_rows, n_columns), and their encoded labels.
    measure
        The metric; a library's own one that is the same or near is watched, since it is asked every round.
    deadline
        Of `time.monotonic`; None for none.
    """

    x: Any
    y: np.ndarray
    measure: Metric
    deadline: float | None

    def is_over(self) -> bool:
        """Whether the deadline has passed."""
        return self.deadline is not None and time.monotonic() >= self.deadline

    def seconds_left(self) -> float:
        """Return the seconds until the deadline; infinity where there is none."""
        return float("inf") if self.deadline is None else self.deadline - time.monotonic()
