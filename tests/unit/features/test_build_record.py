"""The record of a build survives its way through JSON, and an incomplete one is no record."""

from __future__ import annotations

from datetime import date, datetime

import pytest

from include.features.build_record import BuildRecord

RECORD = BuildRecord(
    definition="d",
    as_of=date(2024, 3, 30),
    first_day=date(2024, 1, 31),
    snapshot={"sales": 3},
    tables={"sales": "s"},
    unlabelled_since=datetime(2024, 3, 29),
    types={"visitors": "int64"},
    rows=60,
    labelled_rows=59,
)


def test_a_record_is_the_same_after_json() -> None:
    """Dates are text in JSON; a table without a missing label has no date."""
    assert BuildRecord.from_json(RECORD.to_json()) == RECORD
    assert RECORD.to_json() == {
        "definition": "d",
        "as_of": "2024-03-30",
        "first_day": "2024-01-31",
        "snapshot": {"sales": 3},
        "tables": {"sales": "s"},
        "unlabelled_since": "2024-03-29T00:00:00",
        "types": {"visitors": "int64"},
        "rows": 60,
        "labelled_rows": 59,
    }
    assert BuildRecord.from_json(RECORD.to_json() | {"unlabelled_since": None}) is not None


@pytest.mark.parametrize("left_out", ["definition", "as_of", "tables", "unlabelled_since", "rows"])
def test_an_incomplete_record_is_none(left_out: str) -> None:
    """Tables of an older release are rebuilt."""
    fields = RECORD.to_json()
    del fields[left_out]

    assert BuildRecord.from_json({}) is None
    assert BuildRecord.from_json(fields) is None
    assert BuildRecord.from_json(fields | {left_out: None, "as_of": "yesterday"}) is None
