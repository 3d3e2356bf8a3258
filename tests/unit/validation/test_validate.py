"""Rows that break a critical expectation stop the run; the error names the column, the rule and the count."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

import great_expectations.expectations as gxe
import pyarrow as pa
import pytest

from include import lake
from include.config.loader import load_pipeline
from include.core.connections import EnvironmentConnections
from include.core.errors import ExpectationsFailed
from include.ingestion.extract import extract_source
from include.ingestion.publish import publish_batch
from include.lake import run_files
from include.profiling.rows import rows_of_table
from include.validation.broken_rows import broken_rows, rows_by_id
from include.validation.data_docs import page_path
from include.validation.judge import failures, run_suite
from include.validation.report import Failure, ValidationReport
from include.validation.validate import validate_batch, validate_features, validate_rows
from tests import factories

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from include.ingestion.stage import StagedBatch

FIRST = factories.FIRST_DAY
NOT_NULL = "expect_column_values_to_not_be_null"


def extract(first: int = 0, last: int = 1) -> StagedBatch:
    """Extract the shop's sales of some days, counted from 0."""
    days = (FIRST + timedelta(days=first), FIRST + timedelta(days=last))
    return extract_source(load_pipeline("shop"), "sales", *days, EnvironmentConnections())


def validate(first: int = 0, last: int = 1) -> ValidationReport:
    """Extract the shop's sales of some days and validate them."""
    return validate_batch(load_pipeline("shop"), extract(first, last))


def sell(shop: Path, **columns: object) -> pd.DataFrame:
    """Give the shop's database sales of three days with changed values in the first two rows."""
    frame = factories.sales(days=3).sort_values("day", kind="stable", ignore_index=True)
    for column, value in columns.items():
        frame.loc[[0, 1], column] = value
    factories.write_sales(shop.parent.parent / "shop.db", frame)
    return frame


def expect(shop: Path, *items: str, suite: str = "sales") -> None:
    """Give the shop another suite."""
    text = "".join(f"  - {item}\n" for item in items)
    (shop / "expectations" / f"{suite}.yaml").write_text(f"expectations:\n{text}", encoding="utf-8")


def test_good_rows_pass_and_the_report_is_kept_with_the_batch(shop: Path) -> None:
    """The report can be read later."""
    batch = extract()

    report = validate_batch(load_pipeline("shop"), batch)

    kept = run_files.staged_folder("shop", "sales") / f"{batch.digest}.validation.json"
    assert (report.rows, report.failures) == (10, [])
    assert report.expectations == 12, "of the suite 2, the key 3, available_at, the rows a day, the history 5"
    assert report.to_json().items() <= run_files.read_json(kept, "the report").items()


def publish(first: int = 0, last: int = 1) -> ValidationReport:
    """Extract, validate and publish the shop's sales of some days."""
    batch = extract(first, last)
    report = validate_batch(load_pipeline("shop"), batch)
    publish_batch(load_pipeline("shop"), batch)
    return report


def redeliver(shop: Path, keep: int, contract: str = "", least: int = 1) -> None:
    """Deliver the second day again with only its first rows, under another contract."""
    frame = factories.sales(days=3).sort_values("day", kind="stable", ignore_index=True)
    factories.write_sales(shop.parent.parent / "shop.db", frame.drop(index=range(5 + keep, 10)))
    pipeline = factories.SHOP_YAML.replace(
        "{min: 1, max: 100}", f"{{min: {least}, max: 100}}\n    contract: {{{contract}}}"
    )
    factories.write_shop(shop.parent, pipeline=pipeline)


@pytest.mark.parametrize("keep", [4, 1, 0])
def test_a_day_delivered_again_with_fewer_rows_is_reported_with_both_counts(
    shop: Path, caplog: pytest.LogCaptureFixture, keep: int
) -> None:
    """A truncated file once replaced the whole day without a word; other days stay as they are."""
    publish()
    redeliver(shop, keep, least=0)

    report = publish()

    (failure,) = report.failures
    sentence = f"contract_shrinks (shrinks=warn) failed for 1 of 2 days, rows of 2024-01-02: {keep} after 5"
    assert (failure.severity, str(failure)) == ("warning", f"table: {sentence}")
    assert "WARNING  include.validation.report:report.py" in caplog.text
    assert sentence in caplog.text
    days = lake.partitions(lake.raw_uri("shop", "sales"))
    assert {ds: part.rows for ds, part in days.items()} == {"2024-01-01": 5} | ({"2024-01-02": keep} if keep else {})


@pytest.mark.parametrize("keep", [4, 0])
def test_a_day_that_shrinks_is_not_published_if_the_contract_refuses_it(shop: Path, keep: int) -> None:
    """The published rows stay; a day that grows, or is new, does not shrink."""
    publish(1, 1)
    redeliver(shop, keep, "shrinks: refuse", least=0)

    with pytest.raises(ExpectationsFailed, match=rf"rows of 2024-01-02: {keep} after 5; nothing was published"):
        publish(0, 1)
    assert {ds: part.rows for ds, part in lake.partitions(lake.raw_uri("shop", "sales")).items()} == {"2024-01-02": 5}
    redeliver(shop, 5, "shrinks: refuse")
    publish(0, 2)
    assert len(lake.partitions(lake.raw_uri("shop", "sales"))) == 3


def test_a_batch_that_is_published_does_not_shrink_its_own_days(shop: Path) -> None:
    """Validated again, such as after a decision, it is compared with nothing."""
    redeliver(shop, 4, "shrinks: refuse")
    publish()

    assert validate().failures == []


def test_a_critical_failure_names_the_column_the_expectation_and_the_count(shop: Path) -> None:
    """The error alone says what to look for: the rule, the number of rows, an example, and what to do."""
    sell(shop, revenue=-3.5)

    with pytest.raises(ExpectationsFailed) as refused:
        validate()

    sentence = str(refused.value)
    assert sentence.startswith("shop: source 'sales', 2024-01-01 to 2024-01-02: 1 critical expectation failed: ")
    assert "column 'revenue': expect_column_values_to_be_between" in sentence
    assert "failed for 2 of 10 rows (20 %), for example -3.5" in sentence
    assert "nothing was published" in sentence


def test_a_failed_validation_leaves_the_table(shop: Path) -> None:
    """The table keeps its version and its rows."""
    batch = extract(0, 0)
    validate_batch(load_pipeline("shop"), batch)
    before = publish_batch(load_pipeline("shop"), batch)
    rows = lake.read_table(before.uri, before.version)
    sell(shop, revenue=-3.5)

    with pytest.raises(ExpectationsFailed):
        validate(0, 0)

    assert lake.latest_version(before.uri) == before.version
    assert lake.read_table(before.uri, before.version) == rows


def test_the_log_names_the_address_of_the_page_where_airflow_shows_it(
    shop: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path on the server cannot be opened in a browser. Without Airflow the log names the file."""
    caplog.set_level(logging.INFO, "include")
    sell(shop)
    batch = extract()
    validate_batch(load_pipeline("shop"), batch, run="by-hand")
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "http://airflow.example:8080")
    validate_batch(load_pipeline("shop"), batch, run="nightly")

    by_hand, nightly = [line for line in caplog.messages if "Data Docs: " in line]
    assert by_hand.endswith(str(page_path("shop", "sales", "by-hand")))
    file = page_path("shop", "sales", "nightly").stem
    assert nightly.endswith(f": http://airflow.example:8080/nightshift/validations/shop/sales/{file}")


def test_a_warning_does_not_stop_and_is_logged(shop: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The warning is in the log and in the report, and the night goes on."""
    sell(shop, visitors=None)

    report = validate()

    assert [(each.expectation, each.severity) for each in report.failures] == [(NOT_NULL, "warning")]
    assert report.critical == []
    [warning] = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert f"column 'visitors': {NOT_NULL} (of all rows) failed for 2 of 10 rows (20 %)" in warning.getMessage()


def test_the_error_names_only_critical_failures(shop: Path) -> None:
    """The error names what stopped the run, and no warning."""
    sell(shop, visitors=None, revenue=-1.0)

    with pytest.raises(ExpectationsFailed, match="1 critical expectation failed: column 'revenue'") as refused:
        validate()
    assert "visitors" not in str(refused.value)


def test_three_of_many_failures_are_listed_and_the_others_counted(shop: Path) -> None:
    """An error is read in a mail, so its length is bounded."""
    expect(shop, *(f"expect_column_values_to_be_between: {{column: revenue, max_value: -{n}}}" for n in range(1, 6)))

    with pytest.raises(ExpectationsFailed, match=r"5 critical expectations failed: .*; and 2 more, listed above; "):
        validate()


@pytest.mark.parametrize(("column", "value"), [("store", None), ("closed_at", None)])
def test_a_row_without_a_key_or_a_time_is_refused_without_a_suite(shop: Path, column: str, value: None) -> None:
    """Every source needs its key and the time at which a row became known."""
    (shop / "expectations" / "sales.yaml").unlink()
    sell(shop, **{column: value})

    with pytest.raises(ExpectationsFailed, match=f"column '{column}': {NOT_NULL} .*failed for 2 of 10 rows"):
        validate()


def test_rows_that_share_their_key_are_refused_without_a_suite(shop: Path) -> None:
    """A duplicate row would count twice."""
    (shop / "expectations" / "sales.yaml").unlink()
    sell(shop, store="store-9")

    with pytest.raises(ExpectationsFailed, match=r"'ds, store, day': expect_compound_columns_to_be_unique .*2 of 10"):
        validate()


def test_a_duplicate_key_is_traced_to_its_declaration(shop: Path) -> None:
    """No suite has this expectation, so the sentence names `key`, and also the expectation if one failed too."""
    sell(shop, store="store-9", day="2024-01-01 00:00:00")
    with pytest.raises(ExpectationsFailed) as refused:
        validate()
    assert "or correct `key` and `available_at` of sources.sales in pipeline.yaml and run this task" in str(
        refused.value
    )

    sell(shop, store="store-9", day="2024-01-01 00:00:00", revenue=-3.5)
    with pytest.raises(ExpectationsFailed) as refused:
        validate()
    assert "or correct the expectation and `key` and `available_at` of sources.sales in" in str(refused.value)


@pytest.mark.parametrize(
    ("bounds", "sentence"),
    [
        ("{max: 4}", r"rows_per_day \(min=1, max=4\) failed for 2 of 2 days"),
        ("{min: 5, max: 5}", None),
        ("{min: 0}", None),
    ],
)
def test_a_day_with_too_many_rows_is_refused(shop: Path, bounds: str, sentence: str | None) -> None:
    """Both bounds are inclusive; the days outside are named with their rows."""
    factories.write_shop(shop.parent, pipeline=factories.SHOP_YAML.replace("{min: 1, max: 100}", bounds))

    if sentence is None:
        assert validate().failures == []
        return
    with pytest.raises(ExpectationsFailed, match=sentence):
        validate()


def test_a_day_with_too_few_rows_after_quarantine_is_refused(shop: Path) -> None:
    """With some nulls in each of many columns, all within `mostly`, every row was held and an empty day published."""
    sell(shop, revenue=-1.0)
    bounds = "expect_column_values_to_be_between: {column: revenue, min_value: 0, mostly: 0.5}"
    factories.write_shop(shop.parent, pipeline=factories.SHOP_YAML.replace("{min: 1, max: 100}", "{min: 4}"))
    expect(shop, bounds)
    sentence = r"rows_per_day \(min=4\) failed for 1 of 2 days without the rows in quarantine, 2024-01-01: 3 of 5;"

    with pytest.raises(ExpectationsFailed, match=sentence):
        validate()
    factories.write_shop(shop.parent, pipeline=factories.SHOP_YAML.replace("{min: 1, max: 100}", "{min: 3}"))
    expect(shop, bounds)
    assert validate().quarantined == 2


def test_only_the_days_outside_their_bounds_are_named(shop: Path) -> None:
    """The other days are not listed."""
    frame = sell(shop)
    factories.write_sales(shop.parent.parent / "shop.db", frame[~frame["day"].str.startswith("2024-01-02")])
    yaml = factories.SHOP_YAML.replace("{min: 1, max: 100}", "{min: 0, max: 4}")
    factories.write_shop(shop.parent, pipeline=yaml)

    with pytest.raises(ExpectationsFailed, match="failed for 2 of 2 days, 2024-01-01: 5, 2024-01-03: 5;"):
        validate(0, 2)


@pytest.mark.parametrize(
    ("item", "sentence"),
    [
        ("expect_column_values_to_not_be_null: {column: revenu}", "revenu"),
        ("expect_column_values_to_match_regex: {column: store, regex: '('}", "regex|unterminated|missing"),
        ("expect_column_mean_to_be_between: {column: store, min_value: 0, max_value: 1}", "mean|str|convert"),
    ],
)
def test_an_expectation_that_cannot_be_judged_says_so(shop: Path, item: str, sentence: str) -> None:
    """A missing column, or a rule that makes no sense, is not reported as failing rows."""
    expect(shop, item)

    with pytest.raises(ExpectationsFailed, match=f"could not be judged: .*({sentence})"):
        validate()


def test_an_expectation_on_the_table_shows_the_observed_value(shop: Path) -> None:
    """It has no rows of its own to show."""
    expect(
        shop,
        "expect_table_row_count_to_equal: {value: 7}",
        "expect_column_mean_to_be_between: {column: visitors, max_value: 1}",
    )

    with pytest.raises(ExpectationsFailed) as refused:
        validate()
    assert "table: expect_table_row_count_to_equal (value=7) failed, observed 10" in str(refused.value)
    assert "column 'visitors': expect_column_mean_to_be_between (max_value=1) failed, observed " in str(refused.value)


def test_no_rows_of_an_allowed_empty_range_pass(shop: Path) -> None:
    """A range in which nothing happened breaks no rule."""
    factories.write_shop(shop.parent, pipeline=factories.SHOP_YAML.replace("{min: 1,", "{min: 0,"))
    factories.write_sales(shop.parent.parent / "shop.db", factories.sales(days=1))

    report = validate(5, 6)

    assert (report.rows, report.critical) == (0, [])


def test_a_feature_table_is_validated_by_its_suite(shop: Path) -> None:
    """Broken features stop the run before a model learns from them."""
    expect(shop, "expect_column_values_to_be_between: {column: weekday, max_value: 6}", suite="features")

    assert validate_features(load_pipeline("shop"), pa.table({"weekday": [0, 6]})).failures == []
    with pytest.raises(ExpectationsFailed, match=r"^shop: feature table: 1 critical .*weekday.* nothing was trained"):
        validate_features(load_pipeline("shop"), pa.table({"weekday": [0, 7]}))


def test_rows_to_predict_are_validated_row_by_row(shop: Path) -> None:
    """A broken feature of one row stops the run before anything is predicted."""
    expect(shop, "expect_column_values_to_be_between: {column: weekday, max_value: 6}", suite="features")

    assert validate_rows(load_pipeline("shop"), pa.table({"weekday": [0, 6]})).expectations == 1
    with pytest.raises(ExpectationsFailed, match=r"^shop: rows to predict: 1 critical .* nothing was predicted"):
        validate_rows(load_pipeline("shop"), pa.table({"weekday": [0, 7]}))


@pytest.mark.parametrize(
    "expectation",
    [
        "expect_table_row_count_to_be_between: {min_value: 1000}",
        "expect_column_mean_to_be_between: {column: weekday, min_value: 5}",
        "expect_column_values_to_not_be_null: {column: revenue, mostly: 0.5}",
        "expect_column_pair_values_to_be_equal: {column_A: revenue, column_B: weekday}",
    ],
)
def test_rows_to_predict_need_not_meet_rules_on_the_whole_table(shop: Path, expectation: str) -> None:
    """A single day has its own number of rows and its own mean, and no label."""
    expect(shop, expectation, suite="features")
    rows = pa.table({"weekday": [0, 6], "revenue": pa.array([None, None], pa.float64())})

    assert validate_rows(load_pipeline("shop"), rows).expectations == 0


def test_rows_to_predict_need_not_have_what_is_kept_out_of_the_model(shop: Path) -> None:
    """A column of features.exclude may hold the outcome, which is not known before."""
    expect(shop, "expect_column_values_to_not_be_null: {column: weekday}", suite="features")
    pipeline = load_pipeline("shop")
    without = pipeline.features.model_copy(update={"exclude": ["weekday"]})
    rows = pa.table({"weekday": pa.array([None], pa.int64())})

    assert validate_rows(pipeline.model_copy(update={"features": without}), rows).expectations == 0
    with pytest.raises(ExpectationsFailed):
        validate_rows(pipeline, rows)


def test_a_feature_table_without_a_suite_passes(shop: Path) -> None:
    """A suite of the features is optional."""
    assert validate_features(load_pipeline("shop"), pa.table({"weekday": [7]})) == ValidationReport(1, 0)


def test_at_most_three_different_examples_are_shown() -> None:
    """The same bad value a thousand times is one example."""
    with rows_of_table(pa.table({"x": ["a"] * 5 + ["b", "c", "d", "e"]})) as rows:
        [failure] = failures(run_suite(rows, [gxe.ExpectColumnValuesToBeInSet(column="x", value_set=["z"])]))

    assert failure.explanation.endswith(", for example a, b, c")


def test_all_rows_are_a_hundred_percent() -> None:
    """A person reads percents, not powers of ten."""
    with rows_of_table(pa.table({"x": [1, 2]})) as rows:
        [failure] = failures(run_suite(rows, [gxe.ExpectColumnValuesToBeNull(column="x")]))

    assert "2 of 2 rows (100 %)" in failure.explanation


def test_a_failure_reads_as_a_clause() -> None:
    """The column comes first, then the rule, then the explanation."""
    failure = Failure("expect_x", "column 'revenue'", "critical", "(min=1) failed for 2 of 3 rows")

    assert str(failure) == "column 'revenue': expect_x (min=1) failed for 2 of 3 rows"


def test_columns_may_have_any_name() -> None:
    """Names with quotes, spaces, dots and non-ASCII characters, or equal to our own columns, work."""
    names = ['it"s', "o'clock", "a b", "a.b", "😀", "select", "x;--", "row_id", "day", "position", "reason", "rows"]
    suite = [
        each(column=name)
        for name in names
        for each in (gxe.ExpectColumnValuesToBeUnique, gxe.ExpectColumnValuesToNotBeNull)
    ]
    table = pa.table({"ds": ["2024-01-01"] * 3, **{name: pa.array([1, 1, None]) for name in names}})

    with rows_of_table(table) as rows:
        judged = run_suite(rows, [*suite, gxe.ExpectCompoundColumnsToBeUnique(column_list=names)])
        broken = broken_rows(rows, judged, 0, "ds", names, 10)
        found = rows_by_id(rows, broken["row_id"].to_pylist()[2:], "ds", names)

    assert [each.result.result["unexpected_count"] for each in judged] == [2, 1] * len(names) + [2]
    assert broken["position"].to_pylist() == [0, 1, 2]
    assert found["position"].to_pylist() == [2]
