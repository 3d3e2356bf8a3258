"""Automated features hold exactly the values of their windows, to the boundary, and nothing that came later."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from include.config.pipeline import Pipeline
from include.core.errors import FeatureQueryFailed
from include.features import automated
from include.features.automated import add_automated, automated_names

if TYPE_CHECKING:
    from collections.abc import Iterator

FUNCTIONS = ["mean", "sum", "min", "max", "std", "count", "last", "trend"]
NOON = datetime(2024, 3, 10, 12)
TICK = timedelta(microseconds=1)


def make_pipeline(lookback_days: int | None = None, arrives: str = "daily", **sets: Any) -> Pipeline:
    """Return a pipeline over the sales of stores, with automated features."""
    day = {"day": "day"} if arrives == "daily" else {}
    fields = {
        "description": "What will each store take?",
        "owner": "shop-team",
        "history_days": 120,
        "sources": {
            # a snapshot alone would have no days
            "visits": {
                "kind": "sql",
                "connection": "shop",
                "query": "visits.sql",
                "key": ["at"],
                "available_at": "at",
                "columns": {"at": "timestamp"},
            },
            "sales": day
            | {
                "kind": "sql",
                "connection": "shop",
                "query": "sales.sql",
                "arrives": arrives,
                "key": ["sale"],
                "available_at": "available_at",
                "columns": {
                    "sale": "integer",
                    "store": "string",
                    "shelf": "integer",
                    "day": "timestamp",
                    "revenue": "float",
                    "visitors": "integer",
                    "open": "boolean",
                    "available_at": "timestamp",
                },
            },
        },
        "features": {"key": ["row"], "label": "label", "lookback_days": lookback_days, "automated": sets},
        "training": {"task": "regression", "metric": "mae", "window_days": 100, "holdout_days": 14},
        "gate": {"minimum": 50},
    }
    pipeline = Pipeline.model_validate(fields)
    pipeline._folder = Path("shop")
    return pipeline


def aggregates(values: list[str] | None = None, **changes: Any) -> dict[str, Any]:
    """Return a set of aggregates by store."""
    return {"source": "sales", "by": ["store"], "values": values or ["revenue"], "functions": FUNCTIONS} | changes


def make_sales(rows: list[tuple[str, datetime, float | None]], **columns: list[Any]) -> pa.Table:
    """Return raw rows of store, available_at and revenue, numbered in their order."""
    known = [at for _, at, _ in rows]
    fields: dict[str, Any] = {
        "sale": pa.array(range(len(rows)), pa.int64()),
        "store": pa.array([store for store, _, _ in rows], pa.string()),
        "shelf": pa.array([0] * len(rows), pa.int64()),
        "day": pa.array(known, pa.timestamp("us")),
        "revenue": pa.array([revenue for _, _, revenue in rows], pa.float64()),
        "visitors": pa.array([3] * len(rows), pa.int64()),
        "open": pa.array([True] * len(rows), pa.bool_()),
        "available_at": pa.array(known, pa.timestamp("us")),
        "ds": pa.array([f"{at:%Y-%m-%d}" for at in known], pa.string()),
    }
    return pa.table(fields | columns)


def make_rows(points: list[tuple[str | None, datetime | None]], **columns: list[Any]) -> pa.Table:
    """Return rows of store and prediction time, as features.sql returns them."""
    fields: dict[str, Any] = {
        "row": list(range(len(points))),
        "store": pa.array([store for store, _ in points], pa.string()),
        "prediction_time": pa.array([at for _, at in points], pa.timestamp("us")),
        "label": pa.array([0.0] * len(points), pa.float64()),
    }
    return pa.table(fields | columns)


def run(pipeline: Pipeline, sales: pa.Table, rows: pa.Table) -> pa.Table:
    """Add the automated features in a database that is as closed as that of the feature query."""
    with duckdb.connect() as con:
        con.register("given", sales)
        con.execute("CREATE TABLE sales AS SELECT * FROM given")
        con.execute("SET enable_external_access = false")
        con.execute("SET python_enable_replacements = false")
        return add_automated(con, pipeline, rows)


def refused(pipeline: Pipeline, rows: pa.Table | None = None) -> str:
    """Return the sentence of the error."""
    with pytest.raises(FeatureQueryFailed, match=r"^shop: ") as error:
        run(pipeline, make_sales([("a", NOON, 1.0)]), make_rows([("a", NOON)]) if rows is None else rows)
    assert "\n" not in str(error.value)
    return str(error.value)


def many(seed: int = 7, count: int = 600) -> tuple[pa.Table, pa.Table]:
    """Return sales of five stores over fifty days with nulls and ties, and a spine of six stores."""
    draw = np.random.default_rng(seed)
    hours = [timedelta(hours=int(each)) for each in draw.integers(0, 50 * 24, count)]
    stores = [f"s{number}" for number in draw.integers(0, 5, count)]
    revenue = [None if draw.random() < 0.1 else float(draw.normal(100, 30)) for _ in range(count)]
    start = NOON - timedelta(days=50)
    sold = [(store, start + hour, value) for store, hour, value in zip(stores, hours, revenue, strict=True)]
    points = [
        (f"s{number}", start + timedelta(hours=int(hour)))
        for number, hour in zip(draw.integers(0, 6, 300), draw.integers(0, 50 * 24, 300), strict=True)
    ]
    return make_sales(sold, visitors=draw.integers(0, 9, count).tolist()), make_rows(points)


def in_window(sales: pd.DataFrame, store: str, at: pd.Timestamp, days: int) -> pd.DataFrame:
    """Return the rows of a window by comparing each row, in the order in which they became known."""
    since = at - pd.Timedelta(days=days)
    chosen = (sales.store == store) & (sales.available_at > since) & (sales.available_at <= at)
    return sales[chosen].sort_values(["available_at", "sale"])


def naive(window: pd.DataFrame, value: str, function: str) -> float:
    """Return an aggregate as pandas and NumPy compute it."""
    if function == "count":
        return float(len(window))
    known = window.dropna(subset=[value])
    if function == "last":
        return known[value].iloc[-1] if len(known) else math.nan
    if function == "trend":
        days = (known.available_at - NOON).dt.total_seconds() / 86400
        return np.polyfit(days, known[value], 1)[0] if days.nunique() > 1 else math.nan
    return math.nan if known.empty else getattr(known[value], function)()


def test_aggregates_of_three_days_by_hand() -> None:
    """For 10, 20 and 60, one a day, every function gives the value worked out by hand."""
    sales = make_sales([("a", NOON - timedelta(days=back), value) for back, value in ((2, 10.0), (1, 20.0), (0, 60.0))])
    pipeline = make_pipeline(aggregates={"seen": aggregates(windows_days=[7])})

    row = run(pipeline, sales, make_rows([("a", NOON)])).to_pylist()[0]

    found = {name: row[f"seen_revenue_{name}_7d"] for name in FUNCTIONS if name != "count"}
    assert row["seen_count_7d"] == 3
    assert found == pytest.approx(
        {"mean": 30, "sum": 90, "min": 10, "max": 60, "std": math.sqrt(700), "last": 60, "trend": 25}
    )


@pytest.mark.parametrize(
    ("at", "counted"),
    [(NOON, 1), (NOON + TICK, 0), (NOON - timedelta(days=7), 0), (NOON - timedelta(days=7) + TICK, 1)],
    ids=["at the prediction time", "just after it", "as old as the window", "just younger"],
)
def test_the_window_is_open_below_and_closed_above(at: datetime, counted: int) -> None:
    """A row that became known at the prediction time counts; one that is as old as the window does not."""
    pipeline = make_pipeline(aggregates={"seen": aggregates(windows_days=[7], functions=["count", "sum"])})

    row = run(pipeline, make_sales([("a", at, 5.0)]), make_rows([("a", NOON)])).to_pylist()[0]

    assert row["seen_count_7d"] == counted
    assert row["seen_revenue_sum_7d"] == (5.0 if counted else None)


def test_of_rows_known_at_the_same_moment_the_greatest_key_is_last() -> None:
    """The last value does not depend on the order in which the lake returns its rows."""
    sales = make_sales([("a", NOON, 1.0), ("a", NOON, 2.0), ("a", NOON, 3.0)], sale=[5, 9, 7])
    pipeline = make_pipeline(aggregates={"seen": aggregates(windows_days=[7])})

    rows = run(pipeline, sales, make_rows([("a", NOON)]))

    assert rows["seen_revenue_last_7d"].to_pylist() == [2.0]
    assert rows["seen_revenue_trend_7d"].to_pylist() == [None]  # one moment has no slope
    again = run(pipeline, sales.take([2, 0, 1]), make_rows([("a", NOON)]))
    assert again.equals(rows)


def test_nulls_are_left_out_and_not_counted_as_values() -> None:
    """A null is not a value, though its row counts; neither is a number that is not finite."""
    values = [None, 4.0, math.inf, math.nan]
    sales = make_sales([("a", NOON - timedelta(hours=back), value) for back, value in enumerate(values)])
    pipeline = make_pipeline(aggregates={"seen": aggregates(windows_days=[7])})

    row = run(pipeline, sales, make_rows([("a", NOON)])).to_pylist()[0]

    assert row["seen_count_7d"] == 4
    assert (row["seen_revenue_mean_7d"], row["seen_revenue_last_7d"]) == (4.0, 4.0)
    assert row["seen_revenue_std_7d"] is None  # one value does not spread


def test_an_unknown_store_has_a_count_of_0_and_a_null_store_has_nulls() -> None:
    """A row without a store or a time has nulls, and keeps its place."""
    sales = make_sales([("a", NOON, 5.0)])
    points = [("new", NOON), (None, NOON), ("a", NOON), ("a", None)]
    pipeline = make_pipeline(aggregates={"seen": aggregates(windows_days=[7], functions=["count", "mean"])})

    rows = run(pipeline, sales, make_rows(points))

    assert rows["row"].to_pylist() == [0, 1, 2, 3]
    assert rows["seen_count_7d"].to_pylist() == [0, None, 1, None]
    assert rows["seen_revenue_mean_7d"].to_pylist() == [None, None, 5.0, None]


def test_numbers_of_every_kind_are_summed_up() -> None:
    """Integers and booleans are numbers too."""
    sales = make_sales([("a", NOON, 1.0), ("a", NOON, 2.0)], visitors=[2, 3], open=[True, False])
    sets = {"seen": aggregates(["visitors", "open"], windows_days=[1], functions=["mean"])}

    row = run(make_pipeline(aggregates=sets), sales, make_rows([("a", NOON)])).to_pylist()[0]

    assert (row["seen_visitors_mean_1d"], row["seen_open_mean_1d"]) == (2.5, 0.5)


def test_rows_are_found_by_all_columns_together() -> None:
    """With two columns in `by`, a row of the same store and another shelf does not count."""
    sales = make_sales([("a", NOON, 1.0), ("a", NOON, 2.0), ("b", NOON, 4.0)], shelf=[1, 2, 1])
    sets = {"seen": aggregates(by=["store", "shelf"], windows_days=[1], functions=["sum"])}
    rows = make_rows([("a", NOON), ("b", NOON), ("b", NOON)], shelf=[2, 1, 2])

    assert run(make_pipeline(aggregates=sets), sales, rows)["seen_revenue_sum_1d"].to_pylist() == [2.0, 4.0, None]


def test_each_delivery_of_a_snapshot_counts_when_it_became_known() -> None:
    """A table that was delivered twice within the window counts twice, and once before the second delivery."""
    sales = make_sales([("a", NOON - timedelta(days=5), 10.0), ("a", NOON, 30.0)], sale=[1, 1])
    pipeline = make_pipeline(arrives="snapshot", lookback_days=7, aggregates={"seen": aggregates(windows_days=[7])})

    rows = run(pipeline, sales, make_rows([("a", NOON), ("a", NOON - TICK)]))

    assert rows["seen_revenue_mean_7d"].to_pylist() == [20.0, 10.0]
    assert rows["seen_count_7d"].to_pylist() == [2, 1]


def test_aggregates_equal_a_loop_over_the_rows() -> None:
    """On random sales with nulls and ties, every function equals pandas on the rows that a plain comparison selects."""
    sales, rows = many()
    rows = rows.slice(0, 60)
    sets = {"seen": aggregates(["revenue", "visitors"], windows_days=[1, 7, 28])}

    found = run(make_pipeline(aggregates=sets), sales, rows).to_pandas()

    frame = sales.to_pandas()
    for row in found.itertuples():
        for days in (1, 7, 28):
            window = in_window(frame, row.store, row.prediction_time, days)
            for value in ("revenue", "visitors"):
                for function in FUNCTIONS:
                    name = f"seen_count_{days}d" if function == "count" else f"seen_{value}_{function}_{days}d"
                    wanted = naive(window, value, function)
                    assert getattr(row, name) == pytest.approx(wanted, rel=1e-9, abs=1e-9, nan_ok=True), name


@pytest.mark.parametrize("kind", ["aggregates", "series"])
def test_what_came_later_changes_no_bit(kind: str) -> None:
    """Features from rows cut off at the prediction time equal those from all rows, to the last bit."""
    sales, rows = many()
    sets: dict[str, Any] = {"seen": aggregates(windows_days=[3, 14])}
    if kind == "series":
        pytest.importorskip("tsfresh")
        sets = {"seen": {"source": "sales", "by": ["store"], "values": ["revenue"], "window_days": 14}}
    pipeline = make_pipeline(**{kind: sets})
    full = run(pipeline, sales, rows)

    for cut in (NOON - timedelta(days=30), NOON - timedelta(days=9, hours=5)):
        known = sales.filter(pa.compute.less_equal(sales["available_at"], pa.scalar(cut, pa.timestamp("us"))))
        before = pa.compute.less_equal(rows["prediction_time"], pa.scalar(cut, pa.timestamp("us")))
        # the oldest rows that any window of the last day needs are enough, too
        recent = pa.compute.and_(
            before, pa.compute.greater(rows["prediction_time"], pa.scalar(cut - timedelta(days=1), pa.timestamp("us")))
        )
        since = pa.scalar(cut - timedelta(days=15), pa.timestamp("us"))
        needed = known.filter(pa.compute.greater(known["available_at"], since))

        assert run(pipeline, known, rows.filter(before)).equals(full.filter(before))
        assert run(pipeline, needed, rows.filter(recent)).equals(full.filter(recent))


def test_rows_that_came_too_late_for_a_night_to_see_do_not_count(caplog: pytest.LogCaptureFixture) -> None:
    """With a lookback of nine days and a window of seven, a row may become known up to two days after its day."""
    sales = make_sales([("a", NOON, 1.0), ("a", NOON, 2.0)], ds=["2024-03-08", "2024-03-07"])
    sets = {"seen": aggregates(windows_days=[7], functions=["sum"])}

    bounded = run(make_pipeline(lookback_days=9, aggregates=sets), sales, make_rows([("a", NOON)]))

    assert bounded["seen_revenue_sum_7d"].to_pylist() == [1.0]
    assert "1 of 2 rows of 'sales' are left out of the 7-day windows of" in caplog.text
    unbounded = run(make_pipeline(aggregates=sets), sales, make_rows([("a", NOON)]))
    assert unbounded["seen_revenue_sum_7d"].to_pylist() == [3.0]


def test_a_night_that_reads_no_older_partitions_than_the_lookback_sees_the_same() -> None:
    """However late rows came, leaving out the partitions beyond the lookback changes no bit."""
    sales, rows = many()
    late = np.random.default_rng(3).integers(0, 12, sales.num_rows)
    days = [at - timedelta(days=int(back)) for at, back in zip(sales["day"].to_pylist(), late, strict=True)]
    sales = sales.set_column(sales.column_names.index("ds"), "ds", pa.array([f"{day:%Y-%m-%d}" for day in days]))
    pipeline = make_pipeline(lookback_days=16, aggregates={"seen": aggregates(windows_days=[7, 14])})
    since = datetime(2024, 2, 25)
    points = rows.filter(pa.compute.greater_equal(rows["prediction_time"], pa.scalar(since, pa.timestamp("us"))))
    read = sales.filter(pa.compute.greater_equal(sales["ds"], f"{since - timedelta(days=16):%Y-%m-%d}"))

    assert read.num_rows < sales.num_rows
    assert run(pipeline, read, points).equals(run(pipeline, sales, points))


def test_the_columns_are_known_without_data() -> None:
    """The columns follow from the settings, in order, whatever the rows are, and all are numbers."""
    pytest.importorskip("tsfresh")
    series = {"source": "sales", "by": ["store"], "values": ["revenue"]}
    pipeline = make_pipeline(
        aggregates={"seen": aggregates(["revenue", "visitors"], windows_days=[7, 28, 7])}, series={"shape": series}
    )
    sales, rows = many(count=40)

    full = run(pipeline, sales, rows)
    empty = run(pipeline, sales.slice(0, 0), rows.slice(0, 0))

    assert automated_names(pipeline) == full.column_names[rows.num_columns :]
    assert "seen_visitors_trend_28d" in full.column_names
    assert full.schema == empty.schema
    assert {str(kind) for kind in full.schema.types[rows.num_columns :]} == {"double"}


def test_a_pipeline_without_automated_features_gets_no_column() -> None:
    """Without sets, the rows stay as they are."""
    rows = make_rows([("a", NOON)])

    assert run(make_pipeline(), make_sales([]), rows) is rows
    assert automated_names(make_pipeline()) == []


def test_a_value_may_have_the_name_of_its_set() -> None:
    """The count of a set counts rows, also if a column has the set's name and nulls."""
    sets = {"revenue": aggregates(windows_days=[7], functions=["count", "sum"])}
    sales = make_sales([("a", NOON, None), ("a", NOON, 2.0)])

    row = run(make_pipeline(aggregates=sets), sales, make_rows([("a", NOON)])).to_pylist()[0]

    assert (row["revenue_count_7d"], row["revenue_revenue_sum_7d"]) == (2, 2.0)


def test_a_column_that_the_query_returns_already_is_refused() -> None:
    """Each feature name has one meaning."""
    rows = make_rows([("a", NOON)], seen_count_7d=[1.0])

    sentence = refused(make_pipeline(aggregates={"seen": aggregates(windows_days=[7])}), rows)

    assert "'seen' makes the column seen_count_7d, but the query returns it too; rename one of them" in sentence


def test_two_sets_that_make_the_same_column_are_refused() -> None:
    """Names of sets and columns may combine to the same name."""
    sets = {
        "a": aggregates(["revenue"], windows_days=[7], functions=["mean"]),
        "a_revenue": aggregates(windows_days=[7], functions=["mean"]),
    }
    made = make_pipeline(aggregates=sets)
    made.sources["sales"].columns["revenue_revenue"] = "float"
    made.features.automated.aggregates["a"].values.append("revenue_revenue")

    assert "the column a_revenue_revenue_mean_7d, but 'a' makes it too" in refused(made)


def test_a_by_column_that_the_query_does_not_return_is_refused() -> None:
    """Without the store in the row, its sales cannot be found."""
    sentence = refused(make_pipeline(aggregates={"seen": aggregates(by=["shelf"])}))

    assert "'seen' needs shelf in each row" in sentence
    assert "features.exclude keeps it from the model" in sentence


def test_by_columns_that_cannot_be_compared_are_refused() -> None:
    """A shelf named 'top' is not a number."""
    rows = make_rows([("a", NOON)], shelf=["top"])

    sentence = refused(make_pipeline(aggregates={"seen": aggregates(by=["shelf"])}), rows)

    assert "features.automated.seen: the columns of `by` cannot be compared with those of 'sales'" in sentence


def test_without_tsfresh_a_series_names_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error comes before anything is computed, also for an empty table."""
    monkeypatch.setattr(automated, "find_spec", lambda name: None)
    made = make_pipeline(series={"shape": {"source": "sales", "by": ["store"], "values": ["revenue"]}})

    assert "`make extras`" in refused(made, make_rows([]))


def seconds_a_look(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Let the clock advance by this many seconds each time it is read."""
    ticks: Iterator[float] = (seconds * number for number in range(10**9))
    monkeypatch.setattr("include.features.budget.monotonic", lambda: next(ticks))


def test_aggregates_that_need_too_many_seconds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """After one of eight columns took ten seconds, eighty are needed but only fifty are left."""
    seconds_a_look(monkeypatch, 10.0)
    made = make_pipeline(aggregates={"seen": aggregates(windows_days=[7])}, seconds=50)

    sentence = refused(made)

    assert "the aggregates 'seen' needs about 80 s for 1 windows, and features.automated.seconds is 50" in sentence
    assert "shorter windows" in sentence


def test_seconds_are_shared_by_all_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second set has what the first left over, and the sentence says what was spent."""
    seconds_a_look(monkeypatch, 1.0)
    one = aggregates(windows_days=[7], functions=["sum"])
    make_sets = {"first": one, "second": one}

    enough = run(
        make_pipeline(aggregates=make_sets, seconds=4), make_sales([("a", NOON, 1.0)]), make_rows([("a", NOON)])
    )
    assert "second_revenue_sum_7d" in enough.column_names
    seconds_a_look(monkeypatch, 1.0)
    assert "is 3 (3 s of it were spent before)" in refused(make_pipeline(aggregates=make_sets, seconds=3))
