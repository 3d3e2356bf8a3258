"""DuckDB and pandas count every expectation alike, on good rows and on every planted fault."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import great_expectations.expectations as gxe
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from include.profiling.rows import rows_of_table
from include.validation.broken_rows import broken_rows
from include.validation.counting import MAKERS
from include.validation.judge import failures, run_suite

if TYPE_CHECKING:
    from great_expectations.expectations.expectation import Expectation

    from include.validation.judge import Judged

NAMES = ["number", "price", "code", "kind", "sold_at", "flag", "twin", "ended_at"]
OF_TYPE = "expect_column_values_to_be_of_type"


def sales(rows: int = 200, seed: int = 3) -> dict[str, list]:
    """Return good rows, column by column, with some nulls where they are allowed."""
    draw = np.random.default_rng(seed)
    prices = draw.uniform(1, 99, rows).round(2).tolist()
    return {
        "ds": ["2024-01-01"] * rows,
        "number": list(range(rows)),
        "price": [None if at % 17 == 3 else price for at, price in enumerate(prices)],
        "code": [f"A{number:05d}" for number in draw.integers(0, 99999, rows)],
        "kind": [None if at % 29 == 5 else str(kind) for at, kind in enumerate(draw.choice(["x", "y", "it's"], rows))],
        "sold_at": [datetime(2024, 1, 1, at % 24, tzinfo=UTC) for at in range(rows)],
        "flag": [None if at % 13 == 4 else bool(at % 2) for at in range(rows)],
        "twin": [None if at % 11 == 2 else at for at in range(rows)],
        "ended_at": [None if at % 7 == 1 else datetime(2024, 1, 1, at % 24, 30, tzinfo=UTC) for at in range(rows)],
    }


def with_values(name: str, values: dict[int, object]) -> dict[str, list]:
    """Return the rows with other values of a column at some positions."""
    rows = sales()
    for at, value in values.items():
        rows[name][at] = value
    return rows


FAULTS = {
    "none": sales(),
    "no rows": sales(0),
    "one row": sales(1),
    "NaN burst": with_values("price", dict.fromkeys(range(0, 200, 3), math.nan)),
    "infinity burst": with_values("price", {4: math.inf, 5: -math.inf, 6: math.inf}),
    "a unit change by 100": with_values("price", {at: 100.0 * at for at in range(200)}),
    "nothing but null": sales() | {"price": [None] * 200, "kind": [None] * 200},
    "nothing but NaN": sales() | {"price": [math.nan] * 200},
    "unseen categories": with_values("kind", {7: "z", 8: "Z", 9: "", 11: "x "}),
    "duplicated keys": with_values("number", {10: 9, 11: 9, 150: 149}),
    "null keys": with_values("number", {10: None, 11: None, 12: None}),
    "other alphabets": with_values(
        "code", {3: "a12345", 4: "A1234", 5: "A123456", 6: "A\u0663\u0664\u0665\u0666\u0667", 7: "A12345\n", 8: ""}
    ),
    "long texts": with_values("code", {3: "ä" * 6, 4: "🦆" * 6, 5: "A" * 7}),
    "great numbers": with_values("number", {3: 2**52, 4: -(2**52)}),
    "numbers that no float holds": with_values("number", {3: 2**53 + 1, 4: 2**53 + 3, 5: None})
    | {"twin": [None, 1, 2, 2**53 + 1, 2**53 + 2, *range(5, 200)]},
    "times of another order": with_values("ended_at", {4: datetime(2023, 1, 1, tzinfo=UTC), 5: None}),
    "the end of time": with_values("sold_at", {4: datetime(9999, 12, 31, tzinfo=UTC), 5: None}),
    "negative numbers": with_values("price", {3: -0.01, 4: -0.0, 5: 0.0}),
}

SUITE: list[Expectation] = [
    gxe.ExpectColumnValuesToNotBeNull(column="number"),
    gxe.ExpectColumnValuesToNotBeNull(column="price", mostly=0.7),
    gxe.ExpectColumnValuesToNotBeNull(column="sold_at"),
    gxe.ExpectColumnValuesToNotBeNull(column="flag"),
    gxe.ExpectColumnValuesToBeNull(column="kind", mostly=0.01),
    gxe.ExpectColumnValuesToBeBetween(column="price", min_value=0, max_value=100),
    gxe.ExpectColumnValuesToBeBetween(column="price", min_value=0, strict_min=True, mostly=0.99),
    gxe.ExpectColumnValuesToBeBetween(column="number", max_value=199, strict_max=True),
    gxe.ExpectColumnValuesToBeBetween(column="number", min_value=-5, max_value=1e12),
    gxe.ExpectColumnValuesToBeInSet(column="kind", value_set=["x", "y", "it's"]),
    gxe.ExpectColumnValuesToBeInSet(column="number", value_set=list(range(500))),
    gxe.ExpectColumnValuesToNotBeInSet(column="kind", value_set=["z", ""]),
    gxe.ExpectColumnValuesToMatchRegex(column="code", regex="^A[0-9]{5}$"),
    gxe.ExpectColumnValuesToMatchRegex(column="code", regex=r"^A\d{5}$"),
    gxe.ExpectColumnValuesToNotMatchRegex(column="code", regex="[a-z]"),
    gxe.ExpectColumnValueLengthsToEqual(column="code", value=6),
    gxe.ExpectColumnValueLengthsToBeBetween(column="code", min_value=1, max_value=6),
    gxe.ExpectColumnValuesToBeUnique(column="number"),
    gxe.ExpectColumnValuesToBeUnique(column="price", mostly=0.5),
    gxe.ExpectCompoundColumnsToBeUnique(column_list=["ds", "number"]),
    gxe.ExpectCompoundColumnsToBeUnique(column_list=["twin", "kind"], ignore_row_if="never"),
    gxe.ExpectColumnPairValuesToBeEqual(column_A="number", column_B="twin"),
    gxe.ExpectColumnPairValuesAToBeGreaterThanB(column_A="ended_at", column_B="sold_at"),
    gxe.ExpectColumnPairValuesAToBeGreaterThanB(column_A="number", column_B="twin", or_equal=True),
    gxe.ExpectMulticolumnValuesToBeEqual(column_list=["number", "twin"]),
    gxe.ExpectMulticolumnSumToEqual(column_list=["number", "twin"], sum_total=20),
    gxe.ExpectSelectColumnValuesToBeUniqueWithinRecord(column_list=["number", "twin"]),
    gxe.ExpectColumnValuesToBeBetween(column="sold_at", min_value="2024-01-01", max_value="2024-01-01 20:00"),
    gxe.ExpectColumnMaxToBeBetween(column="ended_at", max_value="2024-01-02"),
    gxe.ExpectColumnValuesToBeInSet(column="sold_at", value_set=["2024-01-01", "2024-01-01T04:00Z"]),
    gxe.ExpectColumnValuesToBeOfType(column="twin", type_="int64"),
    gxe.ExpectColumnMaxToBeBetween(column="twin", max_value=500),
    gxe.ExpectColumnSumToBeBetween(column="twin", max_value=1e9),
    gxe.ExpectColumnMedianToBeBetween(column="twin", max_value=500),
    gxe.ExpectColumnMaxToBeBetween(column="price", max_value=100),
    gxe.ExpectColumnMinToBeBetween(column="price", min_value=0),
    gxe.ExpectColumnMeanToBeBetween(column="price", min_value=10, max_value=90),
    gxe.ExpectColumnMedianToBeBetween(column="price", min_value=10, max_value=90),
    gxe.ExpectColumnSumToBeBetween(column="price", min_value=10, max_value=1e6),
    gxe.ExpectColumnStdevToBeBetween(column="price", max_value=50),
    gxe.ExpectColumnUniqueValueCountToBeBetween(column="kind", min_value=1, max_value=3),
    gxe.ExpectColumnProportionOfUniqueValuesToBeBetween(column="number", min_value=1, max_value=1),
    gxe.ExpectTableRowCountToBeBetween(min_value=100, max_value=1000),
    gxe.ExpectTableRowCountToEqual(value=200),
]


def table(rows: dict[str, list]) -> pa.Table:
    """Return rows with the types that a staged batch has."""
    kinds = {
        "ds": pa.string(),
        "number": pa.int64(),
        "price": pa.float64(),
        "code": pa.string(),
        "kind": pa.string(),
        "sold_at": pa.timestamp("us", tz="UTC"),
        "flag": pa.bool_(),
        "twin": pa.int64(),
        "ended_at": pa.timestamp("us", tz="UTC"),
    }
    return pa.table({name: pa.array(values, kinds[name]) for name, values in rows.items()})


def shown(judged: Judged) -> tuple[str, bool | None, object, object]:
    """Return what a person reads about an expectation: whether it holds, how many rows break it, what was observed."""
    observed = judged.result.result.get("observed_value")
    if isinstance(observed, float):
        observed = pytest.approx(observed, rel=1e-9, nan_ok=True)
    return (
        judged.result.expectation_config.type,
        judged.result.success,
        judged.result.result.get("unexpected_count"),
        None if observed is pd.NaT else observed,
    )


@pytest.mark.parametrize("fault", FAULTS)
def test_both_ways_give_the_same_verdict(fault: str) -> None:
    """Neither the verdict nor the number of broken rows depends on who counts."""
    with rows_of_table(table(FAULTS[fault])) as rows:
        pushed, in_pandas = run_suite(rows, SUITE), run_suite(rows, SUITE, push_down=False)

        assert [shown(each) for each in pushed] == [shown(each) for each in in_pandas]
        assert [failure.expectation for failure in failures(pushed)] == [
            failure.expectation for failure in failures(in_pandas)
        ]
        bad = [broken_rows(rows, judged, 0, "ds", NAMES, 10_000) for judged in (pushed, in_pandas)]
        assert bad[0].to_pylist() == bad[1].to_pylist()


def test_the_faults_break_something() -> None:
    """Otherwise the comparison would compare nothing."""
    for fault in FAULTS.keys() - {"none"}:
        with rows_of_table(table(FAULTS[fault])) as rows:
            assert failures(run_suite(rows, SUITE)), fault


def test_most_of_the_suite_is_counted_by_duckdb() -> None:
    """Pandas counts only the pattern with a class of Python's own; the suite covers all that DuckDB counts."""
    with rows_of_table(table(FAULTS["none"])) as rows:
        judged = run_suite(rows, SUITE)

    left = [each.expectation for each in judged if each.sql is None and each.expectation.expectation_type != OF_TYPE]
    assert [getattr(each, "regex", None) for each in left] == [r"^A\d{5}$"]
    assert {each.expectation_type for each in SUITE} - {OF_TYPE} == set(MAKERS)
