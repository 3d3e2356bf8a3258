"""A typed document becomes JSON and is read from it in one way."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import pytest

from include.core.json_document import JsonDocument, to_json_types
from include.evaluation.numbers import Number  # noqa: TC001

NAN = math.nan


@dataclass(frozen=True)
class Part:
    """A part of a document."""

    name: str
    values: tuple[Number, ...]


@dataclass(frozen=True)
class Renamed(JsonDocument):
    """A part whose stored form has another name."""

    inside: int

    def to_json(self) -> dict[str, Any]:
        """Return the stored form."""
        return {"in": self.inside}


@dataclass(frozen=True)
class Whole(JsonDocument):
    """A document with parts, a day and a moment."""

    day: date
    moment: datetime
    parts: list[Part]
    by_name: dict[str, Part]
    note: str | None = None


WHOLE = Whole(
    date(2024, 3, 20),
    datetime(2024, 3, 20, 6, 15, 0, 250, tzinfo=UTC),
    [Part("a", (1.5, 0.0))],
    {"b": Part("b", ())},
)


def test_a_document_comes_back_from_json_as_it_was() -> None:
    """Days and moments are text in JSON, and themselves again afterwards."""
    written = WHOLE.to_json()

    assert (written["day"], written["moment"]) == ("2024-03-20", "2024-03-20T06:15:00.000250+00:00")
    assert Whole.from_json(json.loads(json.dumps(written))) == WHOLE


def test_non_finite_numbers_are_null() -> None:
    """A NaN and infinities become null at any depth, and everything else stays as it is."""
    value = {"a": [1.5, NAN, (math.inf, 2)], "b": {"c": -math.inf, "d": None}, "e": "nan", "f": True, "g": 0}

    assert to_json_types(value) == {
        "a": [1.5, None, [None, 2]],
        "b": {"c": None, "d": None},
        "e": "nan",
        "f": True,
        "g": 0,
    }
    json.dumps(to_json_types(value), allow_nan=False)


def test_a_part_with_a_stored_form_of_its_own_keeps_it() -> None:
    """Its own `to_json` is called at any depth."""
    assert to_json_types({"parts": [Renamed(1)]}) == {"parts": [{"in": 1}]}


@pytest.mark.parametrize(
    ("change", "mistake"),
    [
        ({"day": "yesterday"}, "'day': Input should be a valid date"),
        ({"later": 1}, "it has an unknown field 'later'"),
        ({"parts": [{"name": "a"}]}, "it lacks 'parts.0.values'"),
    ],
)
def test_other_fields_are_refused_by_their_names(change: dict[str, Any], mistake: str) -> None:
    """A document of another release is not read by halves."""
    with pytest.raises(ValueError, match=mistake):
        Whole.from_json(WHOLE.to_json() | change)
