"""What fits with other seeds came to, on the same held-out rows."""

from __future__ import annotations

from dataclasses import dataclass

from include.evaluation.numbers import Number  # noqa: TC001  pydantic reads the fields


@dataclass(frozen=True)
class Refits:
    """Fits of the challenger with other seeds.

    Attributes
    ----------
    seeds, values
        The seed of each, and its value of the gate's metric.
    """

    seeds: list[int]
    values: list[Number]
