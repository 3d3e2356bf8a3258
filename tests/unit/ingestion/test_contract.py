"""A source's rows are checked against its declared columns and types."""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from pydantic import ValidationError

from include.config.sources.sql_source import SqlSource
from include.core.errors import SchemaMismatch
from include.ingestion.arrow_types import arrow_type, empty_table
from include.ingestion.contract import check_all_seen, conform, delivered_kinds, retyped, rewritten_keys
from include.ingestion.values import parse_json, records_table

COLUMNS = {"store": "string", "visitors": "integer", "revenue": "float", "open": "boolean", "at": "timestamp"}

DELIVERED = {
    "store": pa.array(["a", "b"]),
    "visitors": pa.array([1, 2]),
    "revenue": pa.array([1.5, None]),
    "open": pa.array([True, False]),
    "at": pa.array([datetime(2024, 1, 1), datetime(2024, 1, 2)]),
}


def source(columns: dict[str, str] | None = None, **contract: object) -> SqlSource:
    """Return a source with declared columns and a contract."""
    columns = columns or COLUMNS
    return SqlSource.model_validate(
        {
            "kind": "sql",
            "connection": "shop",
            "query": "sales.sql",
            "key": [next(iter(columns))],
            "available_at": "at",
            "columns": columns,
            "contract": contract,
        }
    )


def conformed(rows: pa.Table, columns: dict[str, str] | None = None, **contract: object) -> pa.Table:
    """Return rows converted by a source's contract, without the list of allowed changes."""
    return conform(rows, source(columns, **contract), "shop")[0]


def delivery(**changes: pa.Array | None) -> pa.Table:
    """Return a table as declared, with some columns changed, added or (None) taken away."""
    return pa.table({name: values for name, values in (DELIVERED | changes).items() if values is not None})


def test_columns_have_the_declared_order_and_types() -> None:
    """The order of the source's columns makes no difference to the stored table."""
    table = conformed(delivery().select(["at", "open", "revenue", "visitors", "store"]))

    assert table.schema == pa.schema([(name, arrow_type(declared)) for name, declared in COLUMNS.items()])
    assert table["visitors"].to_pylist() == [1, 2]
    assert table["revenue"].to_pylist() == [1.5, None]


def test_no_rows_have_the_declared_types_too() -> None:
    """A source without rows is a table like any other."""
    assert empty_table(COLUMNS).schema == conformed(delivery()).schema


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"revenue": None, "revenues": DELIVERED["revenue"]}, r"lacks column 'revenue' \(renamed to 'revenues'\?\)"),
        ({"Store": DELIVERED["store"], "store": None}, r"lacks column 'store' \(renamed to 'Store'\?\)"),
        ({"revenue": None}, "lacks column 'revenue';"),
        ({"revenue": None, "zzz": DELIVERED["revenue"]}, "lacks column 'revenue'; it has column 'zzz'"),
        ({"tip": DELIVERED["revenue"]}, "has column 'tip', which pipeline.yaml does not declare"),
        ({"tip": DELIVERED["revenue"], "vat": DELIVERED["revenue"]}, "has columns 'tip', 'vat', which"),
    ],
)
def test_a_changed_column_is_named(changes: dict[str, pa.Array | None], sentence: str) -> None:
    """A missing, renamed or new column is named, with what was expected and that nothing was published."""
    with pytest.raises(SchemaMismatch, match=f"^shop: the source .*{sentence}") as refused:
        conformed(delivery(**changes))

    assert "expected store, visitors, revenue, open, at" in str(refused.value)
    assert str(refused.value).endswith("nothing was published")


def test_a_duplicate_column_is_refused() -> None:
    """With two columns of one name, nobody knows which is meant."""
    twice = delivery().append_column("store", pa.array(["c", "d"]))

    with pytest.raises(SchemaMismatch, match="has column 'store' twice"):
        conformed(twice)


@pytest.mark.parametrize(
    ("name", "values", "found"),
    [
        ("visitors", ["7", "many"], "'many'"),
        ("visitors", ["7", "7.5"], "'7.5'"),
        ("visitors", [7.0, 7.5], "7.5"),
        ("visitors", ["7", str(2**63)], f"'{2**63}'"),
        ("revenue", ["1.5", "1,5"], "'1,5'"),
        ("revenue", ["1.5", "EUR 2"], "'EUR 2'"),
        ("open", ["true", "perhaps"], "'perhaps'"),
        ("at", ["2024-01-01", "01.02.2024"], "'01.02.2024'"),
        ("at", ["2024-01-01", "2024-02-30"], "'2024-02-30'"),
        ("at", ["2024-01-01 23:00:00Z", "2024-01-01 25:00:00Z"], "'2024-01-01 25:00:00Z'"),
    ],
)
def test_the_first_value_of_the_wrong_type_is_shown(name: str, values: list[object], found: str) -> None:
    """The sentence names the column, its declared type and the wrong value."""
    declared = COLUMNS[name]

    with pytest.raises(SchemaMismatch) as refused:
        conformed(delivery(**{name: pa.array(values)}))

    assert f"column '{name}' is declared as {declared}, and the value {found} is not one" in str(refused.value)


def test_values_that_cannot_be_cast_are_refused() -> None:
    """A list where a number was declared is one sentence."""
    with pytest.raises(SchemaMismatch, match="column 'visitors' is declared as integer"):
        conformed(delivery(visitors=pa.array([[1], [2]])))


@pytest.mark.parametrize(("name", "values"), [("at", [1704067200, 1704153600]), ("open", [1, 2]), ("open", [0.5, 1.0])])
def test_a_number_is_not_a_time_or_a_boolean(name: str, values: list[object]) -> None:
    """Seconds since 1970 would become the first hour of 1970, and any number but 0 would be true."""
    with pytest.raises(SchemaMismatch):
        conformed(delivery(**{name: pa.array(values)}))


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("visitors", [" 7", "8 "], [7, 8]),
        ("visitors", [7.0, 8.0], [7, 8]),
        ("visitors", [None, None], [None, None]),
        ("revenue", ["1e2", " -3 "], [100.0, -3.0]),
        ("open", ["true", "0"], [True, False]),
        ("open", [1, 0], [True, False]),
        ("revenue", [Decimal("1.50"), Decimal("12.25")], [1.5, 12.25]),
        ("store", [" a", "b "], [" a", "b "]),
        ("store", [1, 2], ["1", "2"]),
    ],
)
def test_text_is_read_as_the_declared_type(name: str, values: list[object], expected: list[object]) -> None:
    """Space around a number means nothing; in a string it stays."""
    table = conformed(delivery(**{name: pa.array(values)}))

    assert table[name].to_pylist() == expected


@pytest.mark.parametrize(
    "values",
    [
        pa.array(["2024-01-01 02:00:00"]),
        pa.array(["2024-01-01T02:00:00"]),
        pa.array(["2024-01-01T02:00:00Z"]),
        pa.array(["2024-01-01T04:00:00+02:00"]),
        pa.array(["2023-12-31 21:00:00-0500"]),
        pa.array(["2024-01-01T02:00:00.000000"]),
        pa.array([datetime(2024, 1, 1, 2)]),
        pa.array([datetime(2024, 1, 1, 2, tzinfo=UTC)]),
        pa.array([datetime(2024, 1, 1, 2)], pa.timestamp("s")),
        pa.array([datetime(2024, 1, 1, 2)], pa.timestamp("ns", tz="Europe/Berlin")),
    ],
)
def test_a_time_is_stored_in_utc(values: pa.Array) -> None:
    """A time without a zone is UTC; one with a zone is turned into UTC."""
    table = conformed(pa.table({"at": values}), {"at": "timestamp"})

    assert table["at"].to_pylist() == [datetime(2024, 1, 1, 2, tzinfo=UTC)]


def test_a_date_is_the_beginning_of_its_day() -> None:
    """A database's date is the first moment of that day in UTC."""
    table = conformed(pa.table({"at": pa.array([date(2024, 1, 1)])}), {"at": "timestamp"})

    assert table["at"].to_pylist() == [datetime(2024, 1, 1, tzinfo=UTC)]


def test_one_column_may_have_times_with_and_without_a_zone() -> None:
    """Each value is read by itself, and what is missing stays missing."""
    values = pa.array(["2024-01-01", None, "2024-01-01T01:00:00+01:00"])

    table = conformed(pa.table({"at": values}), {"at": "timestamp"})

    assert table["at"].to_pylist() == [datetime(2024, 1, 1, tzinfo=UTC), None, datetime(2024, 1, 1, tzinfo=UTC)]


def test_an_added_column_may_be_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """Where the contract ignores what is added, the declared columns come and the change is told."""
    table, changes = conform(delivery(colour=pa.array(["r", "g"])), source(added="ignore"), "shop")

    assert table.column_names == list(COLUMNS)
    assert changes == ["column 'colour' was delivered, is not declared and was left out"]


def test_a_dropped_column_may_be_null() -> None:
    """Where the contract fills what is dropped, the column is there with its declared type."""
    table, changes = conform(delivery(revenue=None), source(dropped="null"), "shop")

    assert table["revenue"].to_pylist() == [None, None]
    assert table.schema.field("revenue").type == pa.float64()
    assert changes == ["column 'revenue' was not delivered and is null"]


@pytest.mark.parametrize("needed", ["store", "at"])
def test_key_and_time_are_never_filled_with_null(needed: str) -> None:
    """A row needs its key and its time, whatever the contract allows."""
    with pytest.raises(SchemaMismatch, match=f"lacks column '{needed}'"):
        conform(delivery(**{needed: None}), source(dropped="null"), "shop")


def test_a_renamed_column_becomes_the_declared_one() -> None:
    """The contract says which new name stands for which column; batches with the old and the new name are read."""
    renamed = source(renamed={"guests": "visitors"})

    new, changes = conform(delivery(visitors=None, guests=pa.array([1, 2])), renamed, "shop")
    old, none = conform(delivery(), renamed, "shop")

    assert new["visitors"].to_pylist() == old["visitors"].to_pylist() == [1, 2]
    assert (changes, none) == (["column 'guests' was delivered for 'visitors'"], [])


def test_a_renamed_column_under_both_names_is_refused() -> None:
    """With two columns for one, nobody knows which is meant."""
    with pytest.raises(SchemaMismatch, match="has column 'visitors' twice"):
        conform(delivery(guests=pa.array([1, 2])), source(renamed={"guests": "visitors"}), "shop")


def test_records_may_leave_out_what_is_null() -> None:
    """A JSON record without a field has null there, as long as some record of the batch has it."""
    table, changes = conform(delivery(revenue=None), source(), "shop", sparse=True)

    assert (table["revenue"].to_pylist(), changes) == ([None, None], [])
    assert check_all_seen(set(COLUMNS), source(), "shop") == []
    with pytest.raises(SchemaMismatch, match="lacks column 'revenue'"):
        check_all_seen(set(COLUMNS) - {"revenue"}, source(), "shop")


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        (["integer"], ["integer"], []),
        (["integer"], ["string"], ["column 'visitors' was delivered as string, before as integer"]),
        (["integer"], ["float"], ["column 'visitors' was delivered as float, before as integer"]),
        (["integer"], ["decimal", "integer"], []),
        (["decimal", "integer"], ["decimal"], []),
        (
            ["string"],
            ["integer", "string"],
            ["column 'visitors' was delivered as integer and string, before as string"],
        ),
    ],
)
def test_a_column_with_another_type_than_before_is_named(before: list[str], now: list[str], told: list[str]) -> None:
    """A source that begins to write numbers as text may soon write text that is no number."""
    assert retyped({"visitors": before}, {"visitors": now}, source()) == told


def test_whole_numbers_in_a_float_column_are_not_a_change() -> None:
    """JSON writes 2.0 as 2 on a day of whole numbers only."""
    assert retyped({"revenue": ["integer"]}, {"revenue": ["float", "integer"]}, source()) == []


@pytest.mark.parametrize(
    ("before", "now", "refused"),
    [
        (["integer"], ["integer"], False),
        (["integer"], ["float"], False),  # whose digits are those of the integer, or it is refused
        (["integer"], ["integer", "decimal"], False),
        (["decimal", "integer"], ["integer"], False),
        (["integer", "string"], ["string"], False),
        (["integer"], ["decimal"], True),
        (["integer"], ["string"], True),
        (["integer"], ["integer", "string"], True),
        (["string"], ["integer"], True),
        (["string"], ["integer", "string"], True),
        (["integer", "string"], ["decimal", "string"], True),
        (["timestamp"], ["string"], True),
    ],
)
def test_a_key_whose_text_may_differ_is_named(before: list[str], now: list[str], *, refused: bool) -> None:
    """If the id 7 becomes 007 or 7.0, it matches no earlier row; a key that is not text has only one form."""
    told = rewritten_keys({"store": before}, {"store": now}, source())

    kinds = f"{' and '.join(now)}, before as {' and '.join(before)}"
    sentence = f"key column 'store' was delivered as {kinds}, and its text may be written otherwise now"
    assert told == ([sentence] if refused else [])
    numbered = source({"store": "integer", "at": "timestamp"})
    assert rewritten_keys({"store": before}, {"store": now}, numbered) == []
    assert rewritten_keys({}, {"store": now}, source()) == rewritten_keys({"store": before}, {}, source()) == []


def test_the_kinds_of_a_column_are_those_of_all_its_values() -> None:
    """Each type with a value counts; the digits of a number as written decide its kind."""
    records = [{"store": 7, "revenue": 1.5}, {"store": "7", "revenue": None}, {"store": None, "revenue": True}]
    parsed = [parse_json(json.dumps(record)) for record in [*records, {"store": 2**70}]]

    kinds = delivered_kinds(records_table(parsed, "shop"), source())

    assert kinds == {"store": {"integer", "string"}, "revenue": {"decimal", "boolean"}}


def test_a_column_of_nulls_has_no_type() -> None:
    """A day without any value must not look like a change."""
    rows = delivery(revenue=pa.nulls(2))

    assert "revenue" not in delivered_kinds(rows, source())
    assert delivered_kinds(rows, source())["at"] == {"timestamp"}


@pytest.mark.parametrize("allowed", [{}, {"added": "ignore", "dropped": "null"}])
@pytest.mark.parametrize("sparse", [False, True])
def test_a_column_in_another_case_is_refused_and_named(sparse: bool, allowed: dict[str, str]) -> None:
    """Left out as undeclared, and filled with nulls as missing, it would be lost silently."""
    rows = delivery(revenue=None, Revenue=DELIVERED["revenue"])

    with pytest.raises(SchemaMismatch, match=r"lacks column 'revenue' \(renamed to 'Revenue'\?\)"):
        conform(rows, source(**allowed), "shop", sparse=sparse)


def test_a_column_in_another_case_is_accepted_if_the_contract_names_it() -> None:
    """`contract.renamed` says that the source's spelling is meant."""
    rows = delivery(revenue=None, Revenue=DELIVERED["revenue"])

    assert conformed(rows, renamed={"Revenue": "revenue"})["revenue"].to_pylist() == [1.5, None]


def test_an_infinite_number_may_be_null_in_one_column_only() -> None:
    """An overflow of a sensor says nothing about the prices in the same row."""
    columns = {"store": "string", "at": "timestamp", "noise": "float", "price": "float"}
    infinite = pa.array([math.inf, 1.0])
    rows = pa.table({"store": ["a", "b"], "at": ["2024-01-01", "2024-01-01"], "noise": infinite, "price": [1.0, 2.0]})

    assert conformed(rows, columns, infinity={"noise": None})["noise"].to_pylist() == [None, 1.0]
    with pytest.raises(SchemaMismatch, match="column 'price' is declared as float, and the value inf is infinite"):
        conformed(rows.set_column(3, "price", infinite), columns, infinity={"noise": None})


@pytest.mark.parametrize(
    ("infinity", "told"),
    [
        ("drop", "infinity is 'drop', and refuse or null is expected"),
        ({"noise": "drop"}, "noise is 'drop', and refuse or null is expected"),
        ({"nois": None}, "contract.infinity names the column 'nois', which `columns` does not declare; did you mean"),
    ],
)
def test_the_field_infinity_is_checked(infinity: object, told: str) -> None:
    """A mistake is reported before the first infinite number occurs."""
    with pytest.raises(ValidationError, match=re.escape(told)):
        source({"store": "string", "at": "timestamp", "noise": "float"}, infinity=infinity)
