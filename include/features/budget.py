"""The seconds that a build may spend on automated features."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import monotonic

from include.core.errors import FeatureQueryFailed


@dataclass(frozen=True)
class Budget:
    """The seconds that all sets of one build may take together, counted from its creation."""

    seconds: float
    began: float = field(default_factory=lambda: monotonic())

    def start(self, where: str, windows: int, remedy: str) -> Share:
        """Return the share of one set, which starts now."""
        return Share(self, where, windows, remedy, monotonic())


@dataclass
class Share:
    """The share of one set: the time it has taken, and an estimate of the total.

    Attributes
    ----------
    where
        The pipeline and the set, for the error.
    windows
        How many windows the set has.
    remedy
        What makes it faster, for the error.
    """

    budget: Budget
    where: str
    windows: int
    remedy: str
    began: float
    done: float = 0.0

    def spend(self, part: float) -> None:
        """Record that a part of the set is done, and fail if the budget will not be enough.

        No column is dropped instead, since the columns of a feature table must not depend on the clock.

        Parameters
        ----------
        part
            Share of the work done since the last call; all parts add up to 1.

        Raises
        ------
        FeatureQueryFailed
            If the set, extrapolated from the work done, would exceed the budget.
        """
        self.done += part
        needs = (monotonic() - self.began) / min(self.done, 1.0)
        before = self.began - self.budget.began
        if before + needs <= self.budget.seconds:
            return
        others = f" ({before:,.0f} s of it were spent before)" if before >= 1 else ""
        raise FeatureQueryFailed(
            f"{self.where} needs about {needs:,.0f} s for {self.windows:,} windows, and features.automated.seconds is "
            f"{self.budget.seconds:g}{others}; {self.remedy}, or raise it"
        )
