"""features.sql sees what was known in time, and is refused unless it returns what pipeline.yaml declares."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from include.config.loader import load_pipeline, pipeline_names
from include.core.errors import FeatureQueryFailed
from include.features.query import feature_schema, run_features_query
from tests import factories

if TYPE_CHECKING:
    from pathlib import Path

TIME = pa.timestamp("us", tz="UTC")

#: A query of one row a sale, whose features say what was seen.
PLAIN = """\
SELECT store || '-' || strftime(day, '%Y-%m-%d') AS store_day, day AS prediction_time, revenue, visitors
FROM sales
"""


def moment(day: int, hour: int = 0) -> datetime:
    """Return an hour of a day of January 2024."""
    return datetime(2024, 1, day, hour, tzinfo=UTC)


def sales(*days: int, known: list[datetime] | None = None, **changes: list[object]) -> pa.Table:
    """Return raw rows of one store, one a day, each known at 22:00 by default."""
    columns = {
        "store": pa.array(["s"] * len(days)),
        "day": pa.array([moment(day) for day in days], TIME),
        "revenue": pa.array([float(day) for day in days], pa.float64()),
        "visitors": pa.array([10 * day for day in days], pa.int64()),
        "closed_at": pa.array([moment(day, 22) for day in days], TIME),
        "ds": pa.array([f"{moment(day):%Y-%m-%d}" for day in days], pa.string()),
        "available_at": pa.array(known or [moment(day, 22) for day in days], TIME),
        "batch": pa.array(["b"] * len(days)),
    }
    return pa.table(columns | {name: pa.array(values) for name, values in changes.items()})


def at(day: int, hour: int = 0) -> datetime:
    """Return an hour of a day of January 2024 as the query takes it: naive and in UTC."""
    return moment(day, hour).replace(tzinfo=None)


def run(shop: Path, query: str, rows: pa.Table, **bounds: date) -> pa.Table:
    """Run a query over the shop's sales, by default those known at the end of January."""
    factories.write_shop(shop.parent, features=query)
    return run_features_query(load_pipeline("shop"), {"sales": rows}, **{"known_before": at(31)} | bounds)


def refused(shop: Path, query: str, rows: pa.Table | None = None, **options: datetime) -> str:
    """Return the sentence of the error."""
    with pytest.raises(FeatureQueryFailed, match=r"^shop/features\.sql: ") as error:
        run(shop, query, sales(1, 2) if rows is None else rows, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("name", pipeline_names())
def test_the_repositorys_queries_fit_their_sources(name: str) -> None:
    """Each pipeline's query runs on empty tables of its declared columns."""
    pipeline = load_pipeline(name)

    assert pipeline.features.label in feature_schema(pipeline).names


def test_the_shops_query_fits_its_source(shop: Path) -> None:
    """The query of the shop runs on empty tables too."""
    assert "revenue" in feature_schema(load_pipeline("shop")).names


def test_a_row_that_was_known_too_late_is_invisible(shop: Path) -> None:
    """Only `available_at` counts: the end of the day is too late, a microsecond earlier is not."""
    known = [moment(1, 22), moment(4) - timedelta(microseconds=1), moment(4), moment(9)]

    rows = run(shop, PLAIN, sales(1, 2, 3, 4, known=known), known_before=at(4))

    assert rows["revenue"].to_pylist() == [1.0, 2.0]


def test_a_row_that_came_late_is_visible_once_it_is_known(shop: Path) -> None:
    """A correction of an old day counts from when it arrived, not from its day."""
    late = sales(1, known=[moment(20)])

    assert run(shop, PLAIN, late, known_before=at(20)).num_rows == 0
    assert run(shop, PLAIN, late, known_before=at(21)).num_rows == 1


def test_partitions_older_than_the_history_are_invisible(shop: Path) -> None:
    """The query reads no further back than `history_days`."""
    counting = PLAIN.replace("visitors", "count(*) OVER () AS seen")

    assert run(shop, counting, sales(1, 2, 3), raw_since=date(2024, 1, 2))["seen"].to_pylist() == [2, 2]


def test_a_snapshot_is_visible_however_old_its_partition_is(shop: Path) -> None:
    """A registry that has not changed for a year is one old partition, and still valid."""
    stores = factories.SHOP_YAML.replace(
        "features:\n",
        "  stores: {kind: files, arrives: snapshot, connection: shop, path: stores.csv, key: [store],\n"
        "    available_at: opened_at, columns: {store: string, opened_at: timestamp}}\nfeatures:\n",
        1,
    )
    query = PLAIN.replace("visitors", "(SELECT count(*) FROM stores) AS stores")
    factories.write_shop(shop.parent, pipeline=stores, features=query)
    known = {"store": ["s"], "opened_at": [moment(1)], "ds": ["2020-01-01"], "available_at": [moment(1)]}

    rows = run_features_query(
        load_pipeline("shop"),
        {"sales": sales(9), "stores": pa.table(known)},
        known_before=at(31),
        raw_since=date(2024, 1, 5),
    )

    assert rows["stores"].to_pylist() == [1]


def test_old_rows_are_left_out_but_feed_the_history(shop: Path) -> None:
    """Rows before the window are not returned, but the averages of later rows still see them."""
    averaged = PLAIN.replace("visitors", "avg(visitors) OVER (ORDER BY day) AS mean")

    rows = run(shop, averaged, sales(1, 2, 3), rows_from=at(3))

    assert rows["mean"].to_pylist() == [20.0]


def test_rows_come_sorted_by_time_and_key(shop: Path) -> None:
    """The same rows give the same table, whatever the order of the query."""
    two = pa.concat_tables([sales(3, 1, 2, store=["b"] * 3), sales(1, 3, store=["a"] * 2)])

    rows = run(shop, PLAIN + "ORDER BY random()", two)

    assert rows["store_day"].to_pylist() == [
        "a-2024-01-01",
        "b-2024-01-01",
        "b-2024-01-02",
        "a-2024-01-03",
        "b-2024-01-03",
    ]


def test_times_are_plain_utc(shop: Path) -> None:
    """The hour of a time is its hour in UTC, whatever the machine's zone, and the result has no zone."""
    query = PLAIN.replace("visitors", "hour(available_at) AS hour, CAST(available_at AS VARCHAR) AS known")

    rows = run(shop, query, sales(1, known=[moment(1, 23)]))

    assert rows["hour"].to_pylist() == [23]
    assert rows["known"].to_pylist() == ["2024-01-01 23:00:00"]
    assert rows.schema.field("prediction_time").type == pa.timestamp("us")


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ("* EXCLUDE (revenue, day, closed_at)", "returns ds, available_at as a feature"),
        ("ds", r"returns ds as a feature.*EXCLUDE \(ds\)"),
        ("visitors, ds AS DS", "returns DS as a feature"),
        ("visitors, ds AS ds_1", "returns ds_1 as a feature"),
        ("closed_at", r"returns closed_at \(TIMESTAMP\) as a feature.*the days since"),
        ("CAST(day AS DATE) AS date", r"returns date \(DATE\) as a feature"),
        ("closed_at - day AS open_for", r"returns open_for \(INTERVAL\) as a feature"),
        ("[visitors] AS visits", r"returns visits \(BIGINT\[\]\) as a feature"),
    ],
)
def test_columns_that_a_star_includes_by_mistake_are_refused(shop: Path, columns: str, words: str) -> None:
    """The mistake shows on empty tables, as in validate-config, and not after a night's build."""
    factories.write_shop(shop.parent, features=PLAIN.replace("visitors", columns))

    with pytest.raises(FeatureQueryFailed, match=words):
        feature_schema(load_pipeline("shop"))


def test_an_excluded_column_may_have_any_type(shop: Path) -> None:
    """The partition and times may be in the table if no model learns from them."""
    query = PLAIN.replace("visitors", "visitors, ds, closed_at")
    excluded = factories.SHOP_YAML.replace("  label: revenue\n", "  label: revenue\n  exclude: [ds, closed_at]\n")
    factories.write_shop(shop.parent, pipeline=excluded, features=query)

    assert {"ds", "closed_at"} <= set(feature_schema(load_pipeline("shop")).names)


def test_the_batch_is_not_for_the_query(shop: Path) -> None:
    """The delivery that a row came from is not a feature."""
    assert "batch" in refused(shop, PLAIN.replace("visitors", "batch"))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [("sum(visitors) OVER ()", 30.0), ("1.5::DECIMAL(9, 2)", 1.5), ("visitors > 0", 1.0), ("2::HUGEINT", 2.0)],
)
def test_exact_numbers_and_booleans_become_doubles(shop: Path, expression: str, expected: float) -> None:
    """A model's file and its callers know doubles, but neither decimals nor 128-bit integers."""
    rows = run(shop, PLAIN.replace("visitors", f'{expression} AS "a feature"'), sales(1, 2))

    assert rows.schema.field("a feature").type == pa.float64()
    assert rows["a feature"].to_pylist() == [expected, expected]


@pytest.mark.parametrize("query", [PLAIN + ";", PLAIN + ";\n", PLAIN + "-- the end", "-- the beginning\n" + PLAIN])
def test_a_query_may_end_with_a_semicolon_or_a_comment(shop: Path, query: str) -> None:
    """The end of the file makes no difference."""
    assert run(shop, query, sales(1)).num_rows == 1


def test_a_query_may_end_with_a_comment_after_the_semicolon(shop: Path) -> None:
    """A last comment does not break a query."""
    assert run(shop, PLAIN + "; -- the end", sales(1)).num_rows == 1


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("AS store_day", "AS storeday", "does not return store_day (did you mean 'storeday'?); it must return the key"),
        ("AS prediction_time", "AS time", "does not return prediction_time"),
        ("revenue,", "", "does not return revenue"),
        ("revenue,", "revenue AS takings,", "and returns store_day, prediction_time, takings, visitors"),
        (", visitors", "", "returns no feature besides store_day, prediction_time, revenue"),
        ("day AS prediction_time", "'2024-01-01' AS prediction_time", "must be a TIMESTAMP in UTC, but is a VARCHAR"),
        ("day AS prediction_time", "now() AS prediction_time", "but is a TIMESTAMP WITH TIME ZONE"),
    ],
)
def test_missing_columns_are_named(shop: Path, old: str, new: str, sentence: str) -> None:
    """A missing column, or one with another type, is named with the columns that the query returns."""
    assert old in PLAIN

    assert sentence in refused(shop, PLAIN.replace(old, new))


def test_a_duplicate_column_is_refused(shop: Path) -> None:
    """A join that returns a column twice would become a feature with a made-up name."""
    assert "returns visitors twice" in refused(shop, PLAIN.replace("visitors", "visitors, visitors"))


@pytest.mark.parametrize(
    ("field", "sentence"),
    [("exclude: [weather]", "does not return weather"), ("exclude: [visitors]", "returns no feature beside")],
)
def test_an_excluded_column_must_exist_and_is_not_a_feature(shop: Path, field: str, sentence: str) -> None:
    """The query must return an excluded column, which does not count as a feature."""
    pipeline = factories.SHOP_YAML.replace("  label: revenue", f"  label: revenue\n  {field}")
    factories.write_shop(shop.parent, pipeline=pipeline, features=PLAIN)

    with pytest.raises(FeatureQueryFailed, match=sentence):
        run_features_query(load_pipeline("shop"), {"sales": sales(1)}, known_before=at(31))


@pytest.mark.parametrize("field", ["baseline: revenue_last_week", "slices: [revenue_last_week]"])
def test_the_columns_of_the_gate_must_exist(shop: Path, field: str) -> None:
    """The query must return the baseline's feature and the columns of slices."""
    pipeline = factories.SHOP_YAML.replace("baseline: prior", field)
    factories.write_shop(shop.parent, pipeline=pipeline)

    with pytest.raises(FeatureQueryFailed, match="does not return revenue_last_week"):
        feature_schema(load_pipeline("shop"))


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("SELEKT 1", "Parser Error: syntax error at or near"),
        (PLAIN.replace("visitors", "visitor"), 'Referenced column "visitor" not found'),
        (PLAIN.replace("FROM sales", "FROM sale"), "Table with name sale does not exist"),
        (PLAIN.replace("visitors", "visitors / 'x' AS y"), "Could not convert string 'x'"),
        (PLAIN.replace("visitors", "CAST(store AS INTEGER) AS y"), "Could not convert string 's'"),
        ("", "must hold exactly one SELECT"),
        ("DROP TABLE sales", "must hold exactly one SELECT"),
        ("SELECT * FROM (PIVOT sales ON store USING sum(visitors))", "must hold exactly one SELECT"),
    ],
)
def test_a_query_that_fails_is_reported_with_the_tables_it_may_read(shop: Path, query: str, reason: str) -> None:
    """DuckDB's error is one line, and the tables are named."""
    error = refused(shop, query)

    assert reason in error
    assert error.endswith("the tables it may read are sales")


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        (
            PLAIN + "UNION ALL " + PLAIN,
            "2 of 4 rows share their key (store_day) with another row, so a join multiplies",
        ),
        (PLAIN.replace("store ||", "NULLIF(visitors, 20)::VARCHAR ||"), "1 of 2 rows have no prediction_time"),
        (PLAIN.replace("day AS pred", "NULLIF(day, '2024-01-02') AS pred"), "1 of 2 rows have no prediction_time"),
        (PLAIN.replace("day AS pred", "day + INTERVAL 1 YEAR AS pred"), "2 of 2 rows have a prediction_time later"),
    ],
    ids=["twice", "no key", "no time", "the future"],
)
def test_rows_that_cannot_be_predicted_are_counted(shop: Path, query: str, sentence: str) -> None:
    """A duplicate row, or one without a key or a time, or in the future, is a mistake of the query."""
    error = refused(shop, query)

    assert sentence in error
    assert error.endswith("correct the query")


def test_a_prediction_time_may_be_the_end_of_the_last_day(shop: Path) -> None:
    """The midnight after the last known day is the latest prediction time; a moment later is refused."""
    at_midnight = PLAIN.replace("day AS pred", "TIMESTAMP '2024-01-31' AS pred")
    assert run(shop, at_midnight, sales(1), known_before=at(31)).num_rows == 1

    later = PLAIN.replace("day AS pred", "TIMESTAMP '2024-01-31 00:00:01' AS pred")
    assert "later than anything known" in refused(shop, later, sales(1), known_before=at(31))


def test_an_unknown_label_is_allowed(shop: Path) -> None:
    """The newest rows still wait for their label."""
    rows = run(shop, PLAIN.replace("revenue,", "NULLIF(revenue, 2.0) AS revenue,"), sales(1, 2))

    assert rows["revenue"].to_pylist() == [1.0, None]


def test_a_query_sees_no_other_tables_of_the_process(shop: Path) -> None:
    """A table in the process's memory is not a source."""
    rows = sales(1)

    assert "Table with name rows does not exist" in refused(shop, PLAIN.replace("FROM sales", "FROM rows"), rows)


def test_a_query_sees_no_variables_of_the_process(shop: Path) -> None:
    """A query cannot reach rows that were not known in time under another name."""
    late = sales(1, 20)

    assert "does not exist" in refused(shop, PLAIN.replace("FROM sales", 'FROM "table"'), late, known_before=at(5))


def test_a_query_reads_no_files(shop: Path, tmp_path: Path) -> None:
    """A file is not part of the snapshot, so the build could not be repeated."""
    (tmp_path / "other.csv").write_text("visitors\n1\n", encoding="utf-8")
    query = PLAIN.replace("visitors", f"(SELECT visitors FROM '{tmp_path}/other.csv') AS visitors")

    assert refused(shop, query)


@pytest.mark.parametrize("column", ["ratio", "revenue"])
@pytest.mark.parametrize("kind", ["DOUBLE", "FLOAT"])
def test_an_infinite_number_is_refused(shop: Path, column: str, kind: str) -> None:
    """A division by 0 is a mistake in a feature or the label; the sentence names the column and the remedy."""
    infinite = f"CAST(1 / (visitors - 20) AS {kind}) AS {column}"
    query = PLAIN.replace("visitors", f"{infinite}, visitors") if column == "ratio" else PLAIN
    query = query.replace("revenue", infinite) if column == "revenue" else query

    error = refused(shop, query, sales(1, 2, 3))

    assert f"1 of 3 rows have an infinite {column}, which no model can learn from; divide by nullif(..., 0)" in error


def test_nan_becomes_null(shop: Path) -> None:
    """A NaN, from a file or from 0 / 0, becomes null, and the other columns keep their values."""
    rows = run(shop, PLAIN.replace("visitors", "0 / (visitors - visitors) AS ratio, visitors"), sales(1, 20))

    assert rows["ratio"].null_count == 2
    assert rows["visitors"].null_count == 0


def test_a_nan_of_a_published_day_is_null_for_the_query(shop: Path) -> None:
    """DuckDB sorts NaN above every number: it made a label 1, and spoiled the mean of every window that reached it."""
    rows = sales(1, 2, 3, revenue=[10.0, float("nan"), 30.0])
    query = PLAIN.replace("visitors", "CASE WHEN revenue > 20 THEN 1 ELSE 0 END AS many, avg(revenue) OVER () AS mean")

    found = run(shop, query, rows)

    assert found["many"].to_pylist() == [0, 0, 1]
    assert found["mean"].to_pylist() == [20.0] * 3
    assert found["revenue"].to_pylist() == [10.0, None, 30.0]


def test_rows_after_a_last_prediction_time_are_left_out(shop: Path) -> None:
    """With a last prediction time, later rows are dropped, even those beyond what is known."""
    later = PLAIN.replace("day AS pred", "day + INTERVAL 2 DAYS AS pred")

    rows = run(shop, later, sales(1, 2, 3), known_before=at(4), rows_until=at(4))

    assert rows["prediction_time"].to_pylist() == [at(3), at(4)]
    assert "1 of 3 rows have a prediction_time later" in refused(shop, later, sales(1, 2, 3), known_before=at(4))


def test_what_is_known_ends_at_any_microsecond(shop: Path) -> None:
    """The bound of what is known is a time and not a day."""
    known = [moment(1, 22), moment(2, 22)]

    for bound, seen in ((at(2, 22), 1), (at(2, 22) + timedelta(microseconds=1), 2)):
        assert run(shop, PLAIN, sales(1, 2, known=known), known_before=bound).num_rows == seen


def test_a_row_without_a_time_is_refused_despite_bounds(shop: Path) -> None:
    """A bound on prediction times does not hide a row that has none."""
    query = PLAIN.replace("day AS pred", "NULLIF(day, '2024-01-02') AS pred")

    assert "1 of 2 rows have no prediction_time" in refused(shop, query, rows_from=at(1), rows_until=at(9))


def test_a_query_may_use_the_macros(shop: Path) -> None:
    """The functions of macros.sql work besides DuckDB's own."""
    query = PLAIN.replace("visitors", "if_since(visitors, available_at, TIMESTAMP '2024-01-02') AS visitors")

    assert run(shop, query, sales(1, 2))["visitors"].to_pylist() == [None, 20]


@pytest.mark.parametrize(("deterministic", "threads"), [("true", 1), ("false", 3)])
def test_a_deterministic_pipeline_adds_in_one_thread(
    shop: Path, monkeypatch: pytest.MonkeyPatch, deterministic: str, threads: int
) -> None:
    """The last bits of a sum of floats depend on the order in which threads add."""
    monkeypatch.setenv("NIGHTSHIFT_THREADS", "3")
    pipeline = factories.SHOP_YAML.replace("  seed: 7", f"  deterministic: {deterministic}\n  seed: 7")
    factories.write_shop(
        shop.parent,
        pipeline=pipeline,
        features=PLAIN.replace("visitors", "CAST(current_setting('threads') AS INTEGER) AS threads"),
    )

    rows = run_features_query(load_pipeline("shop"), {"sales": sales(1)}, known_before=at(31))

    assert rows["threads"].to_pylist() == [threads]


def test_the_name_of_the_partition_is_reserved(shop: Path) -> None:
    """The feature table has this column itself, so a query that returns it is refused."""
    assert "nightshift_month" in refused(shop, PLAIN.replace("visitors", "visitors, 1 AS nightshift_month"))


def test_a_prediction_time_may_be_a_date(shop: Path) -> None:
    """A date stands for its midnight."""
    rows = run(shop, PLAIN.replace("day AS prediction_time", "CAST(day AS DATE) AS prediction_time"), sales(1))

    assert pa.types.is_timestamp(rows.schema.field("prediction_time").type)


def test_columns_whose_names_differ_only_in_case_are_refused(shop: Path) -> None:
    """A view, the feature table or a model would keep only one of them."""
    sentence = "the columns 'visitors' and 'Visitors' differ in upper and lower case only"

    assert sentence in refused(shop, PLAIN.replace("visitors", 'visitors, visitors * 2 AS "Visitors"'))


def test_a_key_in_another_case_is_suggested(shop: Path) -> None:
    """The query returns STORE_DAY, but pipeline.yaml says store_day."""
    assert "does not return store_day (did you mean 'STORE_DAY'?)" in refused(
        shop, PLAIN.replace("AS store_day", "AS STORE_DAY")
    )
