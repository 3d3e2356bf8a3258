"""Suites are YAML with Great Expectations' own names, and each mistake in them is one sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from include.core.errors import ConfigError
from include.validation.suite import load_suite, read_items, suite_path

if TYPE_CHECKING:
    from pathlib import Path


def write(folder: Path, text: str) -> Path:
    """Write the suite of the source `sales` and return its file."""
    path = suite_path(folder / "shop", "sales")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def mistake_of(folder: Path, item: str) -> str:
    """Return the sentence about a suite of one item, without its beginning."""
    items, [sentence] = read_items(write(folder, f"expectations:\n  - {item}\n"))
    assert items == []
    assert sentence.startswith("shop/expectations/sales.yaml:2: expectation 1: ")
    return sentence.removeprefix("shop/expectations/sales.yaml:2: expectation 1: ")


def test_a_suite_is_a_list_of_names_and_arguments(tmp_path: Path) -> None:
    """Each item is one of Great Expectations' own, in the order of the file."""
    write(
        tmp_path,
        "expectations:\n"
        "  - expect_column_values_to_be_between: {column: revenue, min_value: 0}\n"
        "  - expect_column_values_to_not_be_null: {column: visitors, severity: warning, mostly: 0.9}\n"
        "  - expect_table_row_count_to_be_between: {min_value: 1}\n",
    )

    suite = load_suite(tmp_path / "shop", "sales")

    assert [each.configuration.type for each in suite] == [
        "expect_column_values_to_be_between",
        "expect_column_values_to_not_be_null",
        "expect_table_row_count_to_be_between",
    ]
    assert [each.severity for each in suite] == ["critical", "warning", "critical"]


@pytest.mark.parametrize("name", ["kl", "k_l"])
def test_the_divergence_has_great_expectations_own_name(tmp_path: Path, name: str) -> None:
    """Its documentation writes kl, which was once refused as unknown; suites with k_l stay readable."""
    arguments = "{column: store, threshold: 0.1, partition_object: {values: [a], weights: [1]}}"
    write(tmp_path, f"expectations:\n  - expect_column_{name}_divergence_to_be_less_than: {arguments}\n")

    assert len(load_suite(tmp_path / "shop", "sales")) == 1


def test_a_source_without_a_file_has_no_expectations(tmp_path: Path) -> None:
    """A suite is optional; the key and the days are checked without one."""
    assert load_suite(tmp_path, "sales") == []


def test_an_empty_list_is_a_suite(tmp_path: Path) -> None:
    """A file may wait for its first expectation."""
    write(tmp_path, "expectations: []\n")

    assert load_suite(tmp_path / "shop", "sales") == []


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("expect_column_values_to_not_be_nul", "expect_column_values_to_not_be_null"),
        ("expect_column_value_to_be_between", "expect_column_values_to_be_between"),
        ("ExpectColumnValuesToBeUnique", "expect_column_values_to_be_unique"),
    ],
)
def test_a_misspelt_expectation_gets_a_suggestion(tmp_path: Path, name: str, meant: str) -> None:
    """The sentence names the likely one, not a list of a hundred names."""
    sentence = mistake_of(tmp_path, f"{name}: {{column: revenue}}")

    assert sentence == (
        f"there is no expectation '{name}'; did you mean '{meant}'? (the names are Great Expectations' own)"
    )


@pytest.mark.parametrize(
    ("item", "sentence"),
    [
        ("expect_column_values_to_not_be_null: {colum: revenue}", "expect_column_values_to_not_be_null: "),
        ("expect_column_values_to_not_be_null: {}", "column: field required"),
        ("expect_column_values_to_not_be_null: {column: revenue, mostly: 7}", "mostly: "),
        ("expect_column_values_to_not_be_null: {column: revenue, severity: warn}", "severity"),
        ("expect_column_values_to_not_be_null: {column: revenue, severity: off}", "severity: "),
        (
            "expect_column_values_to_be_between: {column: revenue, min_value: 0x1F}",
            "expect_column_values_to_be_between: min_value: value is not a valid float, found '0x1F'",
        ),
        ("expect_column_values_to_be_in_set: {column: revenue, value_set: NO}", "is not a valid list, found 'NO'"),
        ("expect_column_values_to_be_in_set: {column: revenue, value_set: {a: 1}}", "value_set: found {'a': 1}"),
        (
            "expect_column_values_to_not_be_null: revenue",
            "as `argument: value`, found 'revenue'",
        ),
        ("expect_column_values_to_not_be_null:", "as `argument: value`, found None"),
        ("expect_column_values_to_not_be_null", "expected `name: {column: ..., ...}`"),
        ("{expect_a: {}, expect_b: {}}", "expected `name: {column: ..., ...}`"),
        ("7", "expected `name: {column: ..., ...}`"),
        (
            "expect_column_values_to_not_be_null: {column: 2024}",
            "column: expected text, found 2024; write it in quotes",
        ),
        ("expect_column_values_to_match_regex: {column: code, regex: 1.50}", "regex: expected text, found 1.5"),
        ("expect_compound_columns_to_be_unique: {column_list: [code, true]}", "column_list: expected text, found true"),
        ("expect_column_values_to_not_be_null: {column: code, mostly: true}", "mostly: expected a number, found true"),
        ("expect_column_max_to_be_between: {column: code, max_value: 010}", "write it without the leading 0"),
        (
            "expect_column_max_to_be_between: {column: code, max_value: nan}",
            "max_value: expected a number, found 'nan'",
        ),
    ],
)
def test_wrong_arguments_are_named(tmp_path: Path, item: str, sentence: str) -> None:
    """Great Expectations' error on an argument follows the expectation's name."""
    assert sentence in mistake_of(tmp_path, item)


def test_all_mistakes_of_a_suite_are_listed_at_once(tmp_path: Path) -> None:
    """Each sentence names the expectation by its place in the list, and the good ones are kept."""
    path = write(
        tmp_path,
        "expectations:\n"
        "  - expect_nothing: {}\n"
        "  - expect_column_values_to_be_unique: {column: store}\n"
        "  - expect_column_values_to_not_be_null: {}\n",
    )

    items, mistakes = read_items(path)

    assert len(items) == 1
    assert ["expectation 1: " in mistakes[0], "expectation 3: " in mistakes[1], len(mistakes)] == [True, True, 2]
    with pytest.raises(ConfigError) as refused:
        load_suite(tmp_path / "shop", "sales")
    assert str(refused.value).splitlines() == mistakes


@pytest.mark.parametrize(
    "text",
    ["", "- expect_column_values_to_be_unique: {column: store}\n", "expectation: []\n", "expectations: {}\n",
     "expectations: []\nsuite: sales\n", "expectations:\n"],
)  # fmt: skip
def test_a_file_of_another_shape_is_refused(tmp_path: Path, text: str) -> None:
    """A suite has one field, and nothing in the file is silently ignored."""
    _, [sentence] = read_items(write(tmp_path, text))

    assert sentence == "shop/expectations/sales.yaml: expected one field, `expectations:`, with a list below it"


def test_a_field_written_twice_is_refused_with_its_line(tmp_path: Path) -> None:
    """Otherwise the first list, or the stricter bound, would be dropped."""
    item = "  - expect_column_values_to_be_between: {column: revenue, min_value: 0, min_value: -9}\n"
    text = f"expectations:\n{item}expectations:\n{item}"

    items, mistakes = read_items(write(tmp_path, text))

    assert items == []
    assert [each.partition(": ")[0] for each in mistakes] == [f"shop/expectations/sales.yaml:{n}" for n in (2, 3, 4)]


@pytest.mark.parametrize(
    ("content", "line"), [(b"expectations:\n  - a: [1\n", ":3"), (b"expectations:\n\t- a\n", ":2")]
)
def test_malformed_yaml_is_refused_with_its_line(tmp_path: Path, content: bytes, line: str) -> None:
    """The sentence says where to look."""
    path = write(tmp_path, "")
    path.write_bytes(content)

    _, [sentence] = read_items(path)

    assert sentence.startswith(f"shop/expectations/sales.yaml{line}: this is not valid YAML: ")


def test_malformed_yaml_is_one_line(tmp_path: Path) -> None:
    """Mistakes are joined by line ends, so each is one line."""
    _, [sentence] = read_items(write(tmp_path, "expectations:\n  - a: [1\n"))

    assert "\n" not in sentence
