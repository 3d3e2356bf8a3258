"""Python values become Arrow columns that keep each value as the source wrote it."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal

import pyarrow as pa
import pytest

from include.core.errors import SchemaMismatch
from include.ingestion.cast import LITERAL
from include.ingestion.values import parse_json, records_table, to_array


def test_json_numbers_keep_their_digits() -> None:
    """As floats, 1.10 would become 1.1, and ids that differ in their last digits would become equal."""
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
def test_json_that_parsers_read_differently_is_refused(text: str, reason: str) -> None:
    """If a name occurred twice, one parser used the first value and another the last."""
    with pytest.raises(ValueError, match=reason):
        parse_json(text)


def test_nested_values_are_json_text_with_their_digits() -> None:
    """An object or a list keeps its text except for blanks."""
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
    """JSON can contain half of a surrogate pair, which is no character."""
    with pytest.raises(SchemaMismatch, match="column 'a' holds text that is not Unicode"):
        records_table([{"a": "\ud800"}], "shop")


def test_values_of_several_types_keep_their_types() -> None:
    """A common type would be the reader's choice: Arrow would turn a date and a time into two dates."""
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
    """Arrow would pad all of them to the digits of the longest."""
    array = to_array([Decimal("1.10"), None, Decimal("2"), Decimal("1E+3"), Decimal("1E-9")])

    assert array.type == LITERAL
    assert array.to_pylist() == ["1.10", None, "2", "1000", "0.000000001"]


def test_bytes_of_a_driver_are_bytes() -> None:
    """A database's bytes are not a JSON number."""
    assert to_array([memoryview(b"ab"), None]).to_pylist() == [b"ab", None]
    assert to_array([b"1.5"]).type == pa.binary()


def test_a_time_of_day_with_a_zone_is_refused() -> None:
    """Arrow has no type for it and would drop the zone."""
    with pytest.raises(TypeError, match="drop the zone"):
        to_array([time(12, 30, tzinfo=UTC)])
