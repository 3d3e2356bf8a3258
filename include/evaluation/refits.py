"""The metric of refits with other seeds, on the same held-out rows."""

from __future__ import annotations

from dataclasses import dataclass

from include.evaluation.numbers import Number  # noqa: TC001  pydantic reads the fields


@dataclass(frozen=True)
class Refits:
    """Refits of the challenger with other seeds.

    Attributes
    ----------
    seeds, values
        The seed of each refit, and its value of the gate's metric.
    seconds
        Seconds that the run had for all refits; None where it did not say.
    needed_seconds
        Seconds of tuning with which there is time for the refits that the gate needs; None where time was not lacking.
    failed
        Number of refits that failed.
    """

    seeds: list[int]
    values: list[Number]
    seconds: Number | None = None
    needed_seconds: int | None = None
    failed: int = 0
