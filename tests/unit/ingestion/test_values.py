"""Python's values become Arrow columns that keep what each was delivered as."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal

import pyarrow as pa
import pytest

from include.core.errors import SchemaMismatch
from include.ingestion.cast import LITERAL
from include.ingestion.values import parse_json, records_table, to_array


def test_numbers_of_json_keep_their_digits() -> None:
    """A float would make 1.1 of 1.10, and one id of several that differ in their last digits."""
    parsed = parse_json('{"version": 1.10, "id": 12345678901234567891, "nothing": NaN}')

    assert isinstance(parsed, dict)
    table = records_table([parsed], "shop")
    assert [column.chunk(0).type for column in table.columns] == [LITERAL, LITERAL, pa.float64()]
    assert table["version"].to_pylist() == ["1.10"]
    assert table["id"].to_pylist() == ["12345678901234567891"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": 1, "a": 2}', "an object has the name 'a' twice"),
        ('{"a": {"b": 1, "b": 1}}', "an object has the name 'b' twice"),
        ("[" * 100_000, "it is nested too deeply"),
        ('{"a": 01}', "Expecting ',' delimiter"),
        ('{"a": 0x1F}', "Expecting ',' delimiter"),
    ],
)
def test_what_readers_of_json_take_differently_is_refused(text: str, reason: str) -> None:
    """Of two values of one name one reader took the first and another the last."""
    with pytest.raises(ValueError, match=reason):
        parse_json(text)


def test_nested_values_are_json_text_with_their_digits() -> None:
    """An object or a list is the text that it was, but for its blanks."""
    record = parse_json('{"a": {"städte":[1.10, 2, "x\\"y", null, true]}, "b": []}')

    assert isinstance(record, dict)
    rows = records_table([record, {"a": 7}], "shop").to_pylist()
    assert rows == [{"a": '{"städte": [1.10, 2, "x\\"y", null, true]}', "b": "[]"}, {"a": 7, "b": None}]


def test_a_column_has_the_values_of_all_records_that_have_it() -> None:
    """A record may leave out what is null, and the names are in the order of their first record."""
    rows = records_table([{"b": 1}, {"a": "x"}, {"b": None}], "shop")

    assert rows.column_names == ["b", "a"]
    assert rows.to_pylist() == [{"b": 1, "a": None}, {"b": None, "a": "x"}, {"b": None, "a": None}]


def test_text_that_is_not_unicode_is_refused_by_its_column() -> None:
    """Half of a surrogate pair can be written in JSON, and stands for no letter."""
    with pytest.raises(SchemaMismatch, match="column 'a' holds text that is not Unicode"):
        records_table([{"a": "\ud800"}], "shop")


def test_values_of_several_types_stay_of_their_types() -> None:
    """One type for all of them would be a choice of the reader: of a date and a time Arrow makes two dates."""
    values = [1, "1", None, date(2024, 1, 1), datetime(2024, 1, 1, 5, tzinfo=UTC), True, 1.0, 2]

    array = to_array(values)

    assert pa.types.is_union(array.type)
    assert [array.type.field(n).type for n in range(array.type.num_fields)] == [
        pa.int64(),
        pa.string(),
        pa.date32(),
        pa.timestamp("us", tz="UTC"),
        pa.bool_(),
        pa.float64(),
    ]
    assert [repr(each) for each in array.to_pylist()][:4] == ["1", "'1'", "None", "datetime.date(2024, 1, 1)"]


def test_decimals_of_a_database_keep_their_digits() -> None:
    """Beside one with more digits, Arrow would give each of them as many."""
    array = to_array([Decimal("1.10"), None, Decimal("2"), Decimal("1E+3"), Decimal("1E-9")])

    assert array.type == LITERAL
    assert array.to_pylist() == ["1.10", None, "2", "1000", "0.000000001"]


def test_bytes_of_a_driver_are_bytes() -> None:
    """Bytes of a database are no number that was written so."""
    assert to_array([memoryview(b"ab"), None]).to_pylist() == [b"ab", None]
    assert to_array([b"1.5"]).type == pa.binary()


def test_a_time_of_day_with_a_zone_is_refused() -> None:
    """Arrow has no type for it and would drop the zone."""
    with pytest.raises(TypeError, match="drop the zone"):
        to_array([time(12, 30, tzinfo=UTC)])
