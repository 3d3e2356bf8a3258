"""Whether the model file holds the model that was measured."""

from __future__ import annotations

from dataclasses import dataclass

from include.evaluation.numbers import Number  # noqa: TC001  pydantic reads the fields


@dataclass(frozen=True)
class Reload:
    """Result of loading the model file in a fresh process; `include.training.reload` measures it.

    Attributes
    ----------
    loaded
        Whether the file was loaded and predicted.
    largest_difference
        Largest difference to the predictions of the training process, see `agreement.largest_difference`; NaN without
        predictions.
    rows
        Number of rows predicted.
    seconds
        Duration, including the start of the process.
    error
        Why the model was not loaded, or could not predict.
    """

    loaded: bool
    largest_difference: Number
    rows: int
    seconds: Number
    error: str | None = None
