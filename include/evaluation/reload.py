"""Reload: whether the model that was written is the model that was measured."""

from __future__ import annotations

from dataclasses import dataclass

from include.evaluation.numbers import Number  # noqa: TC001  pydantic reads the fields


@dataclass(frozen=True)
class Reload:
    """What came of loading the model file in a process of its own; `include.training.reload` measures it.

    Attributes
    ----------
    loaded
        Whether the file was loaded and predicted.
    largest_difference
        To the predictions of the process that trained, see `largest_difference`; NaN where there are none.
    rows
        That were predicted.
    seconds
        That it took, the start of the process included.
    error
        Why it was not loaded, or could not predict what was asked for.
    """

    loaded: bool
    largest_difference: Number
    rows: int
    seconds: Number
    error: str | None = None
