"""A value is what the declared type says, or is refused in one sentence.

tests/contract/test_readers.py has the table of values.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import pyarrow as pa
import pytest

from include.core.errors import SchemaMismatch
from include.ingestion.arrow_types import arrow_type
from include.ingestion.cast import LITERAL, cast
from include.ingestion.values import to_array

if TYPE_CHECKING:
    from include.config.sources import ColumnType, Infinity


def column(*values: object, of: pa.DataType | None = None) -> pa.ChunkedArray:
    """Return a column of values, in a type of Arrow or the types that they have."""
    return pa.chunked_array([to_array(values) if of is None else pa.array(values, of)])


def values(of: pa.ChunkedArray, declared: ColumnType, infinity: Infinity = "refuse") -> list[object]:
    """Return a column's values in a declared type."""
    found = cast(of, declared, "x", "shop", infinity)
    assert found.type == arrow_type(declared)
    return found.to_pylist()


def refused(of: pa.ChunkedArray, declared: ColumnType) -> str:
    """Return the sentence with which a column is refused."""
    with pytest.raises(SchemaMismatch) as told:
        cast(of, declared, "x", "shop")
    return str(told.value)


COMMON = "; correct the source, or the column's type in pipeline.yaml; nothing was published"


@pytest.mark.parametrize(
    ("of", "declared", "sentence"),
    [
        (column("7", "0x1F"), "integer", f"is declared as integer, and the value '0x1F' is not one{COMMON}"),
        (column(True, "x"), "boolean", f"is declared as boolean, and the value 'x' is not one{COMMON}"),
        (
            column(1.0, float("-inf")),
            "float",
            "is declared as float, and the value -inf is infinite; correct the source, or let it be null by contract: "
            "{infinity: null} in pipeline.yaml; nothing was published",
        ),
        (
            column("1e400"),
            "float",
            "is declared as float, and the value '1e400' is infinite; correct the source, or let it be null by "
            "contract: {infinity: null} in pipeline.yaml; nothing was published",
        ),
        (
            column(1.0, 1e18),
            "string",
            "is declared as string, and the value 1e+18 came as a floating-point number of 2^53 or more, so its last "
            "digits may be lost; deliver it as text or as an integer; nothing was published",
        ),
        (
            column(1.0, 1.5),
            "string",
            "is declared as string, and the value 1.5 came as a floating-point number with a fraction, so how it was "
            "written is not known; deliver it as text, or declare the column as float; nothing was published",
        ),
        (
            column([1], of=pa.list_(pa.int64())),
            "integer",
            f"is declared as integer, and a value of type list<item: int64> is not one{COMMON}",
        ),
        (
            column(2**40, of=pa.timestamp("s")),
            "timestamp",
            f"is declared as timestamp, and the value <value out of range: 1099511627776> is not one{COMMON}",
        ),
    ],
)
def test_the_first_value_that_is_not_of_the_type_is_shown(
    of: pa.ChunkedArray, declared: ColumnType, sentence: str
) -> None:
    """The error names the column, its type, the value, the reason and the remedy."""
    assert refused(of, declared) == f"shop: column 'x' {sentence}"


def test_a_long_value_is_shown_in_part() -> None:
    """A document in a column of numbers filled the log and the notification."""
    assert f"and the value {'9' * 100}... is not one;" in refused(column(10**1000 - 1), "integer")


def test_the_first_wrong_value_of_many_is_found() -> None:
    """The search halves the range: checking a million values one by one would take minutes."""
    many = [str(number) for number in range(100_000)]
    many[70_001] = "first"
    many[90_000] = "second"

    assert "the value 'first' is not one" in refused(column(*many), "integer")


def test_values_of_several_types_are_judged_one_by_one() -> None:
    """Each value is cast as in a column of its own type, and the order is kept."""
    mixed = column(7, "7", None, 7.0, True, "nan", 12345)

    assert values(mixed, "integer") == [7, 7, None, 7, 1, None, 12345]
    assert values(mixed, "string") == ["7", "7", None, "7", "true", "nan", "12345"]


@pytest.mark.parametrize("of", [pa.int8(), pa.uint64(), pa.float16(), pa.float64()])
def test_a_boolean_as_a_number_may_be_null(of: pa.DataType) -> None:
    """In pandas, booleans with nulls are 1.0, 0.0 and NaN; in databases, they are 1, 0 and null."""
    assert values(column(1, None, 0, of=of), "boolean") == [True, None, False]


def test_a_negative_zero_is_false() -> None:
    """It equals 0, in numbers and in text."""
    assert values(column(-0.0, float("nan"), 1.0), "boolean") == [False, None, True]
    assert "the value -1.0 is not one" in refused(column(-0.0, None, -1.0), "boolean")


@pytest.mark.parametrize("declared", ["string", "integer", "float", "boolean", "timestamp"])
@pytest.mark.parametrize(
    "of",
    [
        pa.chunked_array([], pa.int64()),
        column(of=pa.string()),
        column(None, of=pa.null()),
        column(None, of=pa.list_(pa.int8())),
        column(None, of=pa.duration("us")),
        column(float("nan")),
        pa.chunked_array([pa.array([None], pa.string()).dictionary_encode()]),
        pa.chunked_array([pa.ExtensionArray.from_storage(LITERAL, pa.array([None], pa.string()))]),
    ],
)
def test_a_column_of_nulls_fits_every_type(of: pa.ChunkedArray, declared: ColumnType) -> None:
    """A column without values has no wrong type; pandas turns times without values into floats."""
    assert values(of, declared) == [None] * len(of)


@pytest.mark.parametrize(
    ("declared", "value"),
    [
        ("integer", datetime(2024, 1, 2)),
        ("integer", time(12, 30)),
        ("integer", timedelta(days=1)),
        ("string", timedelta(days=1)),
        ("float", date(2024, 1, 2)),
        ("boolean", date(2024, 1, 2)),
        ("timestamp", time(12, 30)),
        ("timestamp", 20240102),
    ],
)
def test_a_time_is_not_a_number(declared: ColumnType, value: object) -> None:
    """Arrow would cast a time to microseconds since 1970, an arbitrary unit."""
    assert f"column 'x' is declared as {declared}, and the value " in refused(column(value), declared)


def test_a_uuid_is_its_text() -> None:
    """Databases and Parquet files have a type for it, and the lake keeps its text."""
    names = [UUID("6f9619ff-8b86-d011-b42d-00c04fc964ff"), None]

    assert values(column(*names, of=pa.uuid()), "string") == ["6f9619ff-8b86-d011-b42d-00c04fc964ff", None]
    assert values(column(*names), "string") == ["6f9619ff-8b86-d011-b42d-00c04fc964ff", None]


@pytest.mark.parametrize("storage", [pa.string(), pa.large_string()])
def test_a_column_of_json_is_its_text(storage: pa.DataType) -> None:
    """Parquet has a type for JSON, and DuckDB writes such files."""
    array = pa.ExtensionArray.from_storage(pa.json_(storage), pa.array(['{"a": 1.10}', None], storage))

    assert values(pa.chunked_array([array]), "string") == ['{"a": 1.10}', None]


@pytest.mark.parametrize("of", [pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.binary_view()])
@pytest.mark.parametrize("encoded", [False, True])
def test_how_text_is_encoded_makes_no_difference(of: pa.DataType, *, encoded: bool) -> None:
    """A dictionary, a view and bytes are ways to keep text."""
    array = pa.array(["7", None, "8", "7"]).cast(of)
    if encoded:
        array = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, 0]), pa.array(["7", None, "8"]).cast(of))

    assert values(pa.chunked_array([array]), "integer") == [7, None, 8, 7]
    assert values(pa.chunked_array([array]), "string") == ["7", None, "8", "7"]


def test_an_infinite_number_may_be_null() -> None:
    """Infinite numbers are null if the contract says so; NaN always is."""
    numbers = [1.5, float("inf"), float("-inf"), float("nan"), None]

    assert values(column(*numbers), "float", "null") == [1.5, None, None, None, None]
    assert values(column("1.5", "inf", "-Infinity", "1e999"), "float", "null") == [1.5, None, None, None]


def test_a_time_is_cut_off_after_the_microseconds_before_1970_too() -> None:
    """The moment is the same with more digits, before and after 1970."""
    moment = datetime(1969, 12, 31, 23, 59, 59, 999998, UTC)

    assert values(column(-1001, of=pa.timestamp("ns")), "timestamp") == [moment]
    assert values(column("1969-12-31T23:59:59.999998999Z"), "timestamp") == [moment]
