"""A failure is explained in words that a person can act on, without those of a library."""

from __future__ import annotations

import great_expectations.expectations as gxe
import pyarrow as pa
import pytest

from include.profiling.rows import rows_of_table
from include.validation.data_docs import render_page
from include.validation.judge import failures, run_suite
from include.validation.report import HISTORY, Failure, ValidationReport

TABLE = pa.table({"number": [1, 2, 2], "code": ["a", "b", "c"], "blank": pa.array([1, None, None])})


@pytest.mark.parametrize(
    ("expectation", "expected"),
    [
        (
            gxe.ExpectColumnDistinctValuesToEqualSet(column="number", value_set=[1, 5]),
            "column 'number': expect_column_distinct_values_to_equal_set (value_set=[1, 5]) failed, "
            "1 unexpected: 2; 1 missing: 5",
        ),
        (
            gxe.ExpectColumnMostCommonValueToBeInSet(column="number", value_set=[7]),
            "column 'number': expect_column_most_common_value_to_be_in_set (value_set=[7]) failed, observed [2]",
        ),
        (
            gxe.ExpectColumnToExist(column="zone"),
            "column 'zone': expect_column_to_exist failed, there is no such column",
        ),
        (
            gxe.ExpectTableColumnsToMatchOrderedList(column_list=["code"]),
            "table: expect_table_columns_to_match_ordered_list (column_list=['code']) failed, "
            "observed ['number', 'code', 'blank']",
        ),
        (
            gxe.ExpectColumnPairValuesToBeEqual(column_A="number", column_B="blank", ignore_row_if="neither"),
            "column 'number, blank': expect_column_pair_values_to_be_equal (ignore_row_if=neither) failed for 2 of "
            "3 rows (66.7 %), for example number=2, blank=null",
        ),
        (
            gxe.ExpectColumnValuesToBeBetween(column="blank", min_value=3),
            "column 'blank': expect_column_values_to_be_between (min_value=3) failed for 1 of 1 rows that have a value "
            "(100 %), for example 1",
        ),
        (
            gxe.ExpectColumnMaxToBeBetween(column="numbr", max_value=3),
            "column 'numbr': expect_column_max_to_be_between could not be judged: there is no column 'numbr'; did you "
            "mean 'number'?",
        ),
        (
            gxe.ExpectColumnValuesToMatchLikePattern(column="code", like_pattern="a%"),
            "column 'code': expect_column_values_to_match_like_pattern could not be judged: Great Expectations "
            "judges it only in SQL databases; use another one, such as one with a regex",
        ),
        (
            gxe.ExpectColumnMeanToBeBetween(column="code", min_value=0),
            "column 'code': expect_column_mean_to_be_between could not be judged: its rule does not fit the rows "
            "(Cannot perform reduction 'mean' with string dtype; 'code' is string); correct its arguments",
        ),
    ],
)
def test_a_failure_is_one_clause(expectation: gxe.Expectation, expected: str) -> None:
    """It once said "observed None", or showed NumPy numbers, although the missing values were known."""
    with rows_of_table(TABLE) as rows:
        judged = run_suite(rows, [expectation])

    assert [str(each) for each in failures(judged)] == [expected]


def test_the_page_has_no_traceback() -> None:
    """The page once showed a traceback of Great Expectations if a column was missing."""
    with rows_of_table(TABLE) as rows:
        judged = run_suite(rows, [gxe.ExpectColumnMaxToBeBetween(column="numbr", max_value=3)])

    page = render_page("sales", judged, ValidationReport(3, 1, failures(judged)), {})

    assert "Traceback" not in page
    assert "did you mean &#39;number&#39;?" in page


def test_a_comparison_that_fails_for_many_columns_counts_once() -> None:
    """It once said that 12 of 9 expectations failed and -3 held."""
    many = [Failure(f"{HISTORY}distinct", f"column 'c{at}'", "warning", "") for at in range(10)]
    own = [Failure("expect_column_to_exist", "column 'x'", "critical", "")] * 2

    assert ValidationReport(8621, 9, [*own, *many]).held == 6
