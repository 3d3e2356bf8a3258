"""What the log says while a search runs: a line for a trial, bounded in number."""

from __future__ import annotations

import logging
import math
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from include.training.tuning_result import TrialResult

log = logging.getLogger(__name__)

#: Each of so many first trials has a line.
FIRST_TRIALS = 20
#: Later, a trial without an improvement has a line only if the last one is as old.
QUIET_SECONDS = 10.0


class TrialLog:
    """Logs the trials of one task of a search.

    Parameters
    ----------
    pipeline, metric
        Names for the lines.
    """

    def __init__(self, pipeline: str, metric: str) -> None:
        self.pipeline, self.metric = pipeline, metric
        self._trials, self._logged_at = 0, -math.inf

    def begin(self, families: Sequence[str], left: float) -> None:
        """Log what is searched."""
        log.info(
            "%s: the search of %s candidates begins, %s: %s",
            self.pipeline,
            len(families),
            _time_left(left),
            ", ".join(families),
        )

    def trial(self, ended: TrialResult, family: str, best: tuple[str, float] | None, left: float) -> None:
        """Log a trial that has ended.

        Parameters
        ----------
        best
            Family and score of the best trial so far, this one included.
        left
            Seconds that this task has left; infinity if only the number of trials ends the search.
        """
        self._trials += 1
        score = ended.score
        improved = score is not None and best == (family, score)
        quiet = self._trials > FIRST_TRIALS and not improved
        if quiet and time.monotonic() - self._logged_at < QUIET_SECONDS:
            return
        self._logged_at = time.monotonic()
        if score is not None:
            result = f"{self.metric} {score:.5f}"
        else:
            result = ended.error or "stopped early, behind other trials"
        leader = "no result so far" if best is None else f"best so far {best[0]} {best[1]:.5f}"
        log.info(
            "%s: trial %s of %s: %s; %s; %s after %s trials",
            self.pipeline,
            ended.number,
            family,
            result,
            "the best so far" if improved else leader,
            _time_left(left),
            self._trials,
        )

    def end(self) -> None:
        """Log how many trials this task has run."""
        log.info("%s: the search of this task has ended after %s trials", self.pipeline, self._trials)


def _time_left(left: float) -> str:
    return "no time limit" if math.isinf(left) else f"{max(left, 0):.0f} s left"
