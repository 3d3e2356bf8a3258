"""The seconds that a build may spend on automated features."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import monotonic

from include.core.errors import FeatureQueryFailed


@dataclass(frozen=True)
class Budget:
    """What all sets of one build may take together, from when this was made."""

    seconds: float
    began: float = field(default_factory=lambda: monotonic())

    def start(self, where: str, windows: int, cure: str) -> Share:
        """Return the account of one set, which begins now."""
        return Share(self, where, windows, cure, monotonic())


@dataclass
class Share:
    """The account of one set: what it has taken, and what it will have taken in the end.

    Attributes
    ----------
    where
        Which set of which pipeline this is.
    windows
        How many windows it has to do.
    cure
        What makes it quicker.
    """

    budget: Budget
    where: str
    windows: int
    cure: str
    began: float
    done: float = 0.0

    def spend(self, part: float) -> None:
        """Note that a part of the set's work is done, and refuse to go on where the seconds will not do.

        Nothing is left out instead: which columns a feature table has must not depend on the clock.

        Parameters
        ----------
        part
            Share of the work that was done since the last call; all of them make 1.

        Raises
        ------
        FeatureQueryFailed
            If the set, extrapolated from what is done, ends after the budget.
        """
        self.done += part
        needs = (monotonic() - self.began) / min(self.done, 1.0)
        before = self.began - self.budget.began
        if before + needs <= self.budget.seconds:
            return
        others = f" (of which {before:,.0f} s were spent before)" if before >= 1 else ""
        raise FeatureQueryFailed(
            f"{self.where} needs about {needs:,.0f} s for {self.windows:,} windows, and features.automated.seconds is "
            f"{self.budget.seconds:g}{others}; {self.cure}, or raise it"
        )
