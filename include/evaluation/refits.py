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
    """

    seeds: list[int]
    values: list[Number]
