"""An expectation means the same on days with and without nulls, and compares values of the column's own type."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import great_expectations.expectations as gxe
import pyarrow as pa
import pytest

from include.profiling.rows import rows_of_table
from include.validation.judge import failures, run_suite
from include.validation.suite import load_suite

if TYPE_CHECKING:
    from pathlib import Path

    from great_expectations.expectations.expectation import Expectation

#: The first integer that no float holds.
ODD = 2**53 + 1
START = datetime(2024, 1, 1, tzinfo=UTC)

COLUMNS: dict[str, tuple[pa.DataType, list[Any]]] = {
    "whole": (pa.int64(), [1, None, ODD, ODD + 2]),
    "other": (pa.int64(), [1, 2, ODD - 1, None]),
    "small": (pa.int32(), [1, None, 3, 4]),
    "great": (pa.uint64(), [1, None, 2**64 - 1, 3]),
    "price": (pa.float64(), [1.5, None, float("nan"), 3.0]),
    "flag": (pa.bool_(), [True, None, False, True]),
    "name": (pa.string(), ["a", None, "b", "cc"]),
    "sold_at": (pa.timestamp("us", tz="UTC"), [START, None, datetime(9999, 12, 31, tzinfo=UTC), START]),
    "sent_at": (pa.timestamp("us"), [datetime(2024, 1, 2), None, datetime(2024, 1, 3), None]),
    "day": (pa.date32(), [date(2024, 1, 1), None, date(2024, 2, 1), date(2024, 1, 5)]),
    "amount": (pa.decimal128(20, 2), [Decimal("1.10"), None, Decimal("99.99"), Decimal("3.00")]),
    "no_number": (pa.int64(), [None] * 4),
    "no_text": (pa.string(), [None] * 4),
}


def found(expectation: Expectation, rows: int = 4, *, push_down: bool = True) -> str:
    """Judge the columns' first rows and return the failures, or an empty text."""
    table = pa.table({name: pa.array(values[:rows], kind) for name, (kind, values) in COLUMNS.items()})
    with rows_of_table(table) as opened:
        return "; ".join(map(str, failures(run_suite(opened, [expectation], push_down=push_down))))


@pytest.mark.parametrize(
    ("column", "names"),
    [
        ("whole", ["integer", "int", "int64", "Int64", "BIGINT"]),
        ("no_number", ["integer", "int64"]),
        ("small", ["integer", "int32"]),
        ("great", ["integer", "uint64", "UBIGINT"]),
        ("price", ["float", "float64", "DOUBLE"]),
        ("flag", ["boolean", "bool"]),
        ("name", ["string", "str", "VARCHAR"]),
        ("no_text", ["string", "str"]),
        ("sold_at", ["timestamp", "datetime64[us, UTC]", "datetime64[ns]", "Timestamp"]),
        ("sent_at", ["timestamp", "datetime"]),
        ("day", ["date"]),
        ("amount", ["decimal", "DECIMAL(20,2)"]),
    ],
)
def test_a_column_has_its_declared_type_whether_or_not_a_day_has_nulls(column: str, names: list[str]) -> None:
    """An integer column once failed `of_type int64` on each day with a null, which pandas turned into floats."""
    for name in names:
        assert not found(gxe.ExpectColumnValuesToBeOfType(column=column, type_=name)), name
        assert not found(gxe.ExpectColumnTypeToBe(column=column, type_=name)), name
    assert not found(gxe.ExpectColumnValuesToBeInTypeList(column=column, type_list=["nothing", *names]))
    wrong = "string" if column not in ("name", "no_text") else "integer"
    assert "failed, observed" in found(gxe.ExpectColumnValuesToBeOfType(column=column, type_=wrong))


@pytest.mark.parametrize(
    ("expectation", "count"),
    [
        (gxe.ExpectColumnValuesToBeInSet(column="whole", value_set=[1, ODD, ODD + 2]), 0),
        (gxe.ExpectColumnValuesToBeInSet(column="whole", value_set=[1, ODD + 1, ODD + 2]), 1),
        (gxe.ExpectColumnValuesToNotBeInSet(column="whole", value_set=[ODD + 1]), 0),
        (gxe.ExpectColumnValuesToBeBetween(column="whole", max_value=ODD - 1), 2),
        (gxe.ExpectColumnValuesToBeBetween(column="great", max_value=2.0**63), 1),
        (gxe.ExpectColumnPairValuesToBeEqual(column_A="whole", column_B="other"), 1),
        (gxe.ExpectColumnValuesToBeInSet(column="amount", value_set=[1.1, 3, 99.99]), 0),
        (gxe.ExpectColumnValuesToBeUnique(column="whole"), 0),
    ],
)
def test_integers_are_compared_exactly(expectation: Expectation, count: int) -> None:
    """Beyond 2^53 two integers are one float, so a wrong id passed and a right one failed."""
    failure = found(expectation)
    assert (f"failed for {count} of" in failure) if count else failure == ""


def test_integers_of_a_suite_stay_integers(tmp_path: Path) -> None:
    """Great Expectations turns bounds into floats: 2^53 + 1 became 2^53, and the greatest id itself failed."""
    (tmp_path / "shop" / "expectations").mkdir(parents=True)
    path = tmp_path / "shop" / "expectations" / "sales.yaml"
    path.write_text(
        "expectations:\n"
        f"  - expect_column_max_to_be_between: {{column: whole, min_value: {ODD + 2}, max_value: {ODD + 2}}}\n"
        f"  - expect_multicolumn_sum_to_equal: {{column_list: [whole, small], sum_total: {ODD + 6}}}\n",
        encoding="utf-8",
    )

    expectations = load_suite(tmp_path / "shop", "sales")

    assert found(expectations[0]) == ""
    assert "failed for 2 of 3 rows that have a value" in found(expectations[1])


@pytest.mark.parametrize("push_down", [True, False])
@pytest.mark.parametrize(
    ("expectation", "count"),
    [
        (gxe.ExpectColumnPairValuesToBeEqual(column_A="whole", column_B="whole"), 0),
        (gxe.ExpectColumnPairValuesToBeEqual(column_A="no_number", column_B="whole"), 0),
        (gxe.ExpectColumnPairValuesAToBeGreaterThanB(column_A="whole", column_B="other", or_equal=True), 0),
        (gxe.ExpectColumnPairValuesToBeInSet(column_A="flag", column_B="small", value_pairs_set=[(True, 1)]), 2),
        (gxe.ExpectMulticolumnSumToEqual(column_list=["small", "small"], sum_total=2), 2),
        (gxe.ExpectMulticolumnValuesToBeEqual(column_list=["whole", "whole", "no_number"]), 0),
        (gxe.ExpectSelectColumnValuesToBeUniqueWithinRecord(column_list=["whole", "other"]), 1),
        (gxe.ExpectCompoundColumnsToBeUnique(column_list=["no_number", "sold_at"]), 0),
        (gxe.ExpectCompoundColumnsToBeUnique(column_list=["no_text", "no_number"], ignore_row_if="never"), 4),
    ],
)
def test_a_row_with_a_null_is_not_judged_on_several_columns(
    expectation: Expectation, count: int, push_down: bool
) -> None:
    """A null in one of the columns once counted as broken, against the page on expectations."""
    failure = found(expectation, push_down=push_down)
    assert (f"failed for {count} of" in failure) if count else failure == ""


def test_a_row_with_a_null_is_judged_if_the_suite_says_so() -> None:
    """`ignore_row_if` is Great Expectations' own argument and is respected; a null then equals nothing."""
    rule = {"column_A": "whole", "column_B": "other", "ignore_row_if": "both_values_are_missing"}

    assert "failed for 3 of 4 rows" in found(gxe.ExpectColumnPairValuesToBeEqual(**rule))
    assert "failed for 2 of 4 rows" in found(gxe.ExpectColumnPairValuesAToBeGreaterThanB(**rule, or_equal=True))


@pytest.mark.parametrize("push_down", [True, False])
@pytest.mark.parametrize(
    ("expectation", "count"),
    [
        (gxe.ExpectColumnValuesToBeBetween(column="sold_at", min_value="2024-01-01", max_value="2024-12-31"), 1),
        (gxe.ExpectColumnValuesToBeBetween(column="sold_at", min_value=date(2024, 1, 1)), 0),
        (gxe.ExpectColumnValuesToBeBetween(column="sold_at", max_value=datetime(9999, 12, 31)), 0),
        (gxe.ExpectColumnValuesToBeBetween(column="sold_at", max_value="2024-01-01T01:00:00+02:00"), 3),
        (gxe.ExpectColumnValuesToBeBetween(column="sent_at", max_value="2024-01-02"), 1),
        (gxe.ExpectColumnValuesToBeBetween(column="day", max_value="2024-01-31"), 1),
        (gxe.ExpectColumnValuesToBeInSet(column="sold_at", value_set=["2024-01-01", "9999-12-31"]), 0),
        (gxe.ExpectColumnValuesToBeInSet(column="sent_at", value_set=["2024-01-02T00:00Z"]), 1),
        (gxe.ExpectColumnValuesToBeInSet(column="day", value_set=["2024-01-01", "2024-02-01"]), 1),
    ],
)
def test_bounds_of_times_are_in_utc(expectation: Expectation, count: int, push_down: bool) -> None:
    """A bound without a zone could not be compared with a time in UTC, so the expectation failed every day."""
    failure = found(expectation, push_down=push_down)
    assert (f"failed for {count} of" in failure) if count else failure == ""


@pytest.mark.parametrize("push_down", [True, False])
def test_the_first_and_last_time_are_judged(push_down: bool) -> None:
    """The minimum and maximum of a column of times are compared with dates too."""
    assert not found(gxe.ExpectColumnMinToBeBetween(column="sold_at", min_value="2024-01-01"), push_down=push_down)
    failure = found(gxe.ExpectColumnMaxToBeBetween(column="sold_at", max_value="2024-12-31"), push_down=push_down)
    assert failure.endswith("(max_value=2024-12-31 00:00:00+00:00) failed, observed 9999-12-31 00:00:00+00:00")


ABOUT_ALL = [
    gxe.ExpectColumnMaxToBeBetween(column="no_number", max_value=5),
    gxe.ExpectColumnMinToBeBetween(column="no_number", min_value=5),
    gxe.ExpectColumnMeanToBeBetween(column="no_number", min_value=5),
    gxe.ExpectColumnMedianToBeBetween(column="no_number", min_value=5),
    gxe.ExpectColumnStdevToBeBetween(column="no_number", min_value=5),
    gxe.ExpectColumnMostCommonValueToBeInSet(column="no_number", value_set=[5]),
    gxe.ExpectColumnQuantileValuesToBeBetween(
        column="no_number", quantile_ranges={"quantiles": [0.5], "value_ranges": [[0, 2]]}
    ),
]


@pytest.mark.parametrize(("column", "rows"), [("whole", 0), ("no_number", 4)])
def test_a_rule_on_each_value_holds_without_values(column: str, rows: int) -> None:
    """On a day without values it once "could not be judged", since no integers have no deviation."""
    expectation = gxe.ExpectColumnValueZScoresToBeLessThan(column=column, threshold=3, double_sided=True)
    assert not found(expectation, rows)


@pytest.mark.parametrize("column", ["small", "price"])
def test_a_histogram_leaves_nulls_out(column: str) -> None:
    """With a null among integers it once "could not be judged: boolean value of NA is ambiguous"."""
    partition = {"bins": [0, 2, 5], "weights": [0.5, 0.5]}
    near = gxe.ExpectColumnKLDivergenceToBeLessThan(column=column, partition_object=partition, threshold=0.1)
    assert not found(near)
    partition = {"bins": [0, 2, 5], "weights": [0.999, 0.001]}
    far = gxe.ExpectColumnKLDivergenceToBeLessThan(column=column, partition_object=partition, threshold=0.1)
    assert "failed, observed" in found(far)


@pytest.mark.parametrize("push_down", [True, False])
@pytest.mark.parametrize("expectation", ABOUT_ALL)
def test_a_column_of_nulls_has_no_mean(expectation: Expectation, push_down: bool) -> None:
    """It once failed with "observed None"; the sentence now says why there is nothing to observe."""
    failure = found(expectation, push_down=push_down)
    assert failure.endswith("failed, since none of the 4 rows has a value")


@pytest.mark.parametrize(
    "expectation", [*ABOUT_ALL, gxe.ExpectColumnDistinctValuesToContainSet(column="name", value_set=["z"])]
)
def test_a_day_without_rows_breaks_nothing_that_is_about_values(expectation: Expectation) -> None:
    """rows_per_day decides whether a day may be empty, so a mean does not fail on a Sunday without sales."""
    assert found(expectation, rows=0) == ""


@pytest.mark.parametrize(
    "expectation",
    [
        gxe.ExpectColumnValuesToBeBetween(column="no_number", min_value=5, mostly=0.5),
        gxe.ExpectColumnValuesToBeInSet(column="no_text", value_set=["x"], mostly=0.5),
        gxe.ExpectColumnValuesToMatchRegex(column="no_text", regex=r"^\d$"),
        gxe.ExpectColumnValuesToMatchStrftimeFormat(column="no_text", strftime_format="%Y"),
        gxe.ExpectColumnValuesToBeInSet(column="flag", value_set=[True, False]),
        gxe.ExpectColumnValuesToBeIncreasing(column="whole", strictly=True),
        gxe.ExpectColumnDistinctValuesToEqualSet(column="whole", value_set=[1, ODD, ODD + 2]),
        gxe.ExpectColumnProportionOfNonNullValuesToBeBetween(column="price", min_value=0.5, max_value=0.5),
        gxe.ExpectColumnMeanToBeBetween(column="amount", min_value=30, max_value=40),
        gxe.ExpectColumnSumToBeBetween(column="small", min_value=8, max_value=8),
        gxe.ExpectColumnMedianToBeBetween(column="small", min_value=3, max_value=3),
    ],
)
def test_only_existing_values_are_judged(expectation: Expectation) -> None:
    """Nulls, and NaN as one of them, are left out of every rule that is not about nulls."""
    assert found(expectation) == ""
