"""When boosting stops early: by the score on later rows, and by the clock."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from include.evaluation.metrics import Metric


@dataclass(frozen=True)
class Watch:
    """Validation rows for early stopping, and a deadline.

    Attributes
    ----------
    x, y
        Encoded rows that the model is not fitted on, of shape (n_rows, n_columns), and their encoded labels.
    measure
        The metric; each library uses its own metric that is the same or close, since it evaluates it every round.
    deadline
        Time of `time.monotonic` at which to stop; None for no deadline.
    """

    x: Any
    y: np.ndarray
    measure: Metric
    deadline: float | None

    def is_over(self) -> bool:
        """Whether the deadline has passed."""
        return self.deadline is not None and time.monotonic() >= self.deadline

    def seconds_left(self) -> float:
        """Return the seconds until the deadline; infinity without a deadline."""
        return float("inf") if self.deadline is None else self.deadline - time.monotonic()
