"""A suite is tried on made-up rows, so that an expectation that must fail every night is found before the first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from include.core.errors import ConfigError
from include.validation.suite import load_suite, read_items, suite_path
from include.validation.trial import try_suite

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = pa.schema(
    [
        ("code", pa.string()),
        ("visitors", pa.int64()),
        ("revenue", pa.float64()),
        ("open", pa.bool_()),
        ("closed_at", pa.timestamp("us", tz="UTC")),
    ]
)


def tried(folder: Path, *items: str) -> list[str]:
    """Write a suite of these items, and return the mistakes of its trial."""
    path = suite_path(folder / "shop", "sales")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("expectations:\n" + "".join(f"  - {item}\n" for item in items), encoding="utf-8")
    read, mistakes = read_items(path)
    assert mistakes == []
    return try_suite(read, COLUMNS)


def test_expectations_that_can_be_judged_are_accepted(tmp_path: Path) -> None:
    """It does not matter whether the made-up rows meet them, and neither does a null."""
    sound = [
        "expect_column_values_to_be_between: {column: revenue, min_value: 1000000}",
        "expect_column_values_to_be_in_set: {column: code, value_set: [NO, 010, 'null', 'true']}",
        "expect_column_values_to_be_in_set: {column: visitors, value_set: [1, 2.0]}",
        "expect_column_values_to_be_in_set: {column: open, value_set: [true]}",
        "expect_column_values_to_match_regex: {column: code, regex: '^[A-Z]{2}$'}",
        "expect_column_values_to_be_between: {column: closed_at, min_value: '2024-01-01T00:00:00Z'}",
        "expect_column_max_to_be_between: {column: closed_at, min_value: 2024-01-01, max_value: 2024-01-02T00:00:00Z}",
        "expect_column_pair_values_a_to_be_greater_than_b: {column_A: revenue, column_B: visitors}",
        "expect_column_values_to_not_be_null: {column: code, row_condition: 'visitors > 3', condition_parser: pandas}",
        "expect_column_mean_to_be_between: {column: revenue, min_value: 5}",
        "expect_table_row_count_to_be_between: {min_value: 5}",
    ]

    assert tried(tmp_path, *sound) == []


@pytest.mark.parametrize(
    ("item", "sentence"),
    [
        ("expect_column_values_to_not_be_null: {column: Code}", "there is no column 'Code'; did you mean 'code'?"),
        ("expect_compound_columns_to_be_unique: {column_list: [code, day]}", "there is no column 'day'"),
        (
            "expect_column_values_to_be_in_set: {column: code, value_set: [DE, 1.10]}",
            "value_set has 1.1 without quotes, and column 'code' holds text; write each text in quotes",
        ),
        ("expect_column_values_to_not_be_in_set: {column: code, value_set: [true]}", "value_set has true without"),
        ("expect_column_values_to_be_in_set: {column: code, value_set: [DE, null]}", "value_set has a null"),
        ("expect_column_values_to_be_in_set: {column: code, value_set: []}", "value_set has no values"),
        (
            "expect_column_values_to_be_in_set: {column: visitors, value_set: [1_000]}",
            "value_set has the text '1_000', and column 'visitors' holds numbers; write each number in digits",
        ),
        ("expect_column_values_to_be_in_set: {column: open, value_set: [yes]}", "write true or false"),
        ("expect_column_values_to_be_in_set: {column: closed_at, value_set: [monday]}", "write each time as"),
        ("expect_column_distinct_values_to_be_in_set: {column: visitors, value_set: [a]}", "the text 'a'"),
        (
            "expect_column_pair_values_to_be_in_set: {column_A: code, column_B: visitors, value_pairs_set: [[NO, a]]}",
            "value_pairs_set has the text 'a', and column 'visitors' holds numbers",
        ),
        ("expect_column_values_to_be_of_type: {column: revenue, type_: no_type}", "it fails for any rows"),
        ("expect_table_column_count_to_equal: {value: 3}", "it fails for any rows, since the source has other columns"),
        ("expect_column_values_to_be_between: {column: revenue, min_value: 9, max_value: 1}", "is more than max_value"),
        (
            "expect_column_values_to_be_between: {column: closed_at, min_value: 2024-01-02T00:00:00Z, "
            "max_value: 2024-01-01}",
            "is more than max_value",
        ),
        ("expect_column_values_to_match_regex: {column: code, regex: '[A-Z'}", "'[A-Z' is not a regular expression"),
        ("expect_column_values_to_match_regex_list: {column: code, regex_list: ['(']}", "not a regular expression"),
        ("expect_column_values_to_be_between: {column: code, min_value: 3}", "cannot be judged on column 'code'"),
        ("expect_column_values_to_be_between: {column: visitors, min_value: 2024-01-01}", "cannot be judged"),
        ("expect_column_values_to_be_between: {column: closed_at, min_value: 3}", "cannot be judged"),
        ("expect_column_mean_to_be_between: {column: code, min_value: 3}", "cannot be judged on column 'code'"),
        (
            "expect_column_values_to_not_be_null: {column: code, row_condition: 'day >', condition_parser: pandas}",
            "cannot be judged on column 'code'",
        ),
        ("expect_column_values_to_match_like_pattern: {column: code, like_pattern: 'a%'}", "cannot be judged"),
    ],
)
def test_what_would_fail_every_night_is_named_with_its_line(tmp_path: Path, item: str, sentence: str) -> None:
    """The sentence names the file, the line and the expectation, and not the sound one before it."""
    [mistake] = tried(tmp_path, "expect_table_row_count_to_be_between: {min_value: 5}", item)

    assert mistake.startswith(f"shop/expectations/sales.yaml:3: expectation 2: {item.split(':')[0]}: ")
    assert sentence in mistake


def test_a_set_of_another_type_than_its_column_is_refused_by_a_run(tmp_path: Path) -> None:
    """A forbidden code written as a number equals no text, so each row with it would be published."""
    tried(tmp_path, "expect_column_values_to_not_be_in_set: {column: code, value_set: [10, 20]}")

    assert len(load_suite(tmp_path / "shop", "sales")) == 1
    with pytest.raises(ConfigError, match="value_set has 10 without quotes"):
        load_suite(tmp_path / "shop", "sales", COLUMNS)
