"""The challenger of a run: what it is made of, and the model file that holds it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date  # noqa: TC003  pydantic reads the fields
from typing import TYPE_CHECKING, Any, Self

from include.core.json_document import JsonDocument
from include.training.challenger import ChallengerSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from include.core.json_value import JsonObject


@dataclass(frozen=True)
class FittedChallenger(JsonDocument):
    """The model that a run fitted; `challenger.json` holds it.

    Attributes
    ----------
    sha256
        Digest of the model file.
    rows
        Rows that the model was fitted on, with a `prediction_time` from `train_start` to `train_end`.
    made_from
        Digest of everything that the model follows from.
    """

    chosen: ChallengerSpec
    sha256: str
    rows: int
    train_start: date
    train_end: date
    made_from: str

    @property
    def threshold(self) -> float | None:
        """The probability from which a row counts as positive; None unless the task is binary."""
        return self.chosen.threshold.value if self.chosen.threshold else None

    def to_json(self) -> JsonObject:
        """Return the fields as JSON types, those of `chosen` among the others."""
        document = super().to_json()
        return document.pop("chosen") | document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Make a challenger from the result of `to_json`."""
        chosen = ChallengerSpec.from_json(document)
        own = {name: each for name, each in document.items() if name not in chosen.to_json()}
        return super().from_json(own | {"chosen": chosen})
