"""A day unlike the days before it is reported, with what differs; an ordinary day is not."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.config.sources.files_source import FilesSource
from include.ingestion.arrow_types import arrow_type
from include.ingestion.days import days_between
from include.profiling.profile import profile_rows, profile_schema
from include.validation.history import compare

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from include.validation.report import Failure

COLUMNS = {
    "order_id": "string",
    "customer": "string",
    "country": "string",
    "items": "integer",
    "price": "float",
    "gift": "boolean",
    "sold_at": "timestamp",
}
FIRST = date(2024, 1, 1)  # a Monday
#: A Wednesday, after five weeks.
TODAY = date(2024, 2, 7)
DAYS = days_between(FIRST, TODAY)


def source(**changes: Any) -> FilesSource:
    """Return a shop's orders as a source."""
    fields = {
        "kind": "files",
        "connection": "landing",
        "path": "{ds}.csv",
        "key": ["order_id"],
        "available_at": "sold_at",
        "columns": COLUMNS,
    }
    return FilesSource(**fields | changes)


def orders(days: list[str] = DAYS, seed: int = 1) -> pd.DataFrame:
    """Return orders with a weekly rhythm in their number and their price, and noise."""
    draw = np.random.default_rng(seed)
    parts = []
    for ds in days:
        weekend = date.fromisoformat(ds).weekday() >= 5
        count = int(draw.normal(180 if weekend else 400, 15))
        second = np.sort(draw.integers(0, 86_400, count))
        parts.append(
            pd.DataFrame(
                {
                    "order_id": [f"{ds}-{number}" for number in range(count)],
                    "customer": draw.integers(0, 3000, count).astype(str),
                    "country": draw.choice(["de", "fr", "nl"], count, p=[0.6, 0.3, 0.1]),
                    "items": draw.poisson(2, count) + 1,
                    "price": draw.lognormal(3 + 0.3 * weekend, 0.5, count).round(2),
                    "gift": draw.random(count) < 0.2,
                    "sold_at": pd.Timestamp(ds) + pd.to_timedelta(second, unit="s"),
                    "ds": ds,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def profile(folder: Path, frame: pd.DataFrame, days: list[str], by: FilesSource) -> pa.Table:
    """Return the profile of orders."""
    schema = pa.schema([(name, arrow_type(declared)) for name, declared in COLUMNS.items()])
    schema = schema if by.arrives == "snapshot" else schema.append(pa.field("ds", pa.string()))
    path = folder / "orders.parquet"
    columns = [pa.array(frame[name].to_numpy(), schema.field(name).type, from_pandas=True) for name in schema.names]
    pq.write_table(pa.table(columns, schema=schema), path)
    return profile_rows(path, by, days, set())


@pytest.fixture
def judge(tmp_path: Path) -> Callable[..., list[Failure]]:
    """Return a function that compares today, with some of its rows changed, with five weeks of orders."""

    def run(
        change: Callable[[pd.DataFrame], pd.DataFrame] = lambda today: today,
        frame: pd.DataFrame | None = None,
        **changes: Any,
    ) -> list[Failure]:
        by, today = source(**changes), str(TODAY)
        frame = orders() if frame is None else frame
        earlier, its = frame[frame["ds"] < today], frame[frame["ds"] == today].reset_index(drop=True)
        before = profile(tmp_path, earlier, DAYS[:-1], by)
        return compare(profile(tmp_path, change(its), [today], by), before, [today], by)

    return run


def failed_checks(failures: list[Failure]) -> list[tuple[str, str]]:
    """Return the checks that failed, with their columns."""
    return [(failure.expectation, failure.column) for failure in failures]


def test_an_ordinary_day_passes(judge: Callable[..., list[Failure]]) -> None:
    """Noise and the rhythm of the week are not reported."""
    assert judge() == []


def test_ordinary_weeks_and_weekends_pass(tmp_path: Path) -> None:
    """Each day of a first ingestion is judged by the days of its own batch, as if they had come one by one."""
    days = days_between(FIRST, FIRST + timedelta(days=89))
    found = profile(tmp_path, orders(days, seed=2), days, source())

    assert compare(found, profile_schema().empty_table(), days, source()) == []


def test_a_batch_of_many_days_finds_what_single_days_would(tmp_path: Path) -> None:
    """It makes no difference whether the history was published or is in the same batch."""
    frame = orders()
    faulty = (frame["ds"] == str(TODAY)) & (frame.index % 2 == 0)
    found = profile(tmp_path, frame[~faulty], DAYS, source())
    last = found.filter(pa.compute.equal(found["day"], str(TODAY)))

    together = compare(found, profile_schema().empty_table(), DAYS, source())
    alone = compare(last, found, [str(TODAY)], source())

    assert failed_checks(together) == failed_checks(alone) == [("history_volume", "table")]
    assert f"on {TODAY}: " in together[0].explanation
    assert "on 2024" not in alone[0].explanation


def test_half_of_the_rows_missing_is_reported_against_the_same_weekdays(judge: Callable[..., list[Failure]]) -> None:
    """A Wednesday is compared with Wednesdays; all days together would allow it."""
    found = judge(lambda today: today[::2])

    assert failed_checks(found) == [("history_volume", "table")]
    assert found[0].severity == "warning"
    assert "(limit 40 %) 2" in found[0].explanation
    assert " % below the mean of the last 4 Wednesdays (4" in found[0].explanation


def test_a_day_without_rows_only_fails_on_volume(judge: Callable[..., list[Failure]]) -> None:
    """Nothing else can be checked, and an empty day is not history for others."""
    found = judge(lambda today: today[:0])

    assert failed_checks(found) == [("history_volume", "table")]
    assert "0 rows, 100 % below" in found[0].explanation


def test_doubled_rows_are_reported_once(judge: Callable[..., list[Failure]]) -> None:
    """More rows alone do not mean more distinct values."""
    twice = orders(DAYS[-1:], seed=5)

    found = judge(lambda today: pd.concat([today, twice.assign(order_id="again-" + twice["order_id"])]))

    assert failed_checks(found) == [("history_volume", "table")]


def test_another_unit_is_reported_with_the_new_range(judge: Callable[..., list[Failure]]) -> None:
    """Cents instead of euros: each value is possible, all of them together are not."""
    found = judge(lambda today: today.assign(price=today["price"] * 100))

    assert failed_checks(found) == [("history_distribution", "column 'price'")]
    assert "(limit 0.25 more than usual) PSI " in found[0].explanation
    assert "against the last 28 days (at most 0." in found[0].explanation
    assert ", farther off than any before (" in found[0].explanation


def test_a_change_of_shares_is_reported(judge: Callable[..., list[Failure]]) -> None:
    """Every value is known, but their shares match no earlier day."""
    found = judge(lambda today: today.assign(country="fr"))

    assert failed_checks(found)[-1] == ("history_distribution", "column 'country'")
    assert "most of it in the value 'de' (0 % of the rows, before 60 %)" in found[-1].explanation


def test_a_flag_that_is_suddenly_always_set_is_reported(judge: Callable[..., list[Failure]]) -> None:
    """Booleans are treated as categories."""
    found = judge(lambda today: today.assign(gift=True))

    assert ("history_distribution", "column 'gift'") in failed_checks(found)


def test_a_new_category_is_named_with_its_share(judge: Callable[..., list[Failure]]) -> None:
    """Five percent hardly change a distribution, but the name says what happened."""
    found = judge(lambda today: today.assign(country=today["country"].mask(today.index % 20 == 0, "DE")))

    assert ("history_distinct", "column 'country'") in failed_checks(found)
    assert "(limit 1 % of the rows) never seen in the last 28 days: 'DE', 5" in found[0].explanation


def test_one_row_of_a_new_category_is_not_reported(judge: Callable[..., list[Failure]]) -> None:
    """Rare values appear now and then."""
    assert judge(lambda today: today.assign(country=today["country"].mask(today.index < 3, "be"))) == []


def test_names_and_ids_are_always_new(judge: Callable[..., list[Failure]]) -> None:
    """New values are not reported unless all values of the past are known."""
    assert judge(lambda today: today.assign(customer="x" + today["customer"])) == []


def test_a_column_of_names_that_became_constant_is_reported(judge: Callable[..., list[Failure]]) -> None:
    """A constant in place of an id has far fewer values than on any day."""
    found = judge(lambda today: today.assign(customer="0"))

    assert failed_checks(found) == [("history_distinct", "column 'customer'")]
    assert "1 distinct value in " in found[0].explanation


def test_a_stuck_sensor_is_reported(judge: Callable[..., list[Failure]]) -> None:
    """For a measurement, more values than ever are normal, but a single one is not."""
    assert ("history_distinct", "column 'price'") in failed_checks(judge(lambda today: today.assign(price=20.0)))


def test_a_burst_of_nulls_is_reported(judge: Callable[..., list[Failure]]) -> None:
    """A third of the values are missing, and none is wrong."""
    found = judge(lambda today: today.assign(price=today["price"].mask(today.index % 10 < 3)))

    assert failed_checks(found) == [("history_nulls", "column 'price'")]
    assert "(limit 10 % more) 30 % of " in found[0].explanation
    assert "at most 0 % in the last 28 days" in found[0].explanation


def test_numbers_that_are_not_finite_count_as_nulls(judge: Callable[..., list[Failure]]) -> None:
    """A division by zero upstream gives infinity here, where another database would give null."""
    found = judge(lambda today: today.assign(price=today["price"].mask(today.index % 10 < 3, np.inf)))

    assert failed_checks(found) == [("history_nulls", "column 'price'")]


def test_a_column_that_is_all_null_only_fails_on_nulls(judge: Callable[..., list[Failure]]) -> None:
    """Without values there is no distribution."""
    found = judge(lambda today: today.assign(price=np.nan, country=None))

    assert failed_checks(found) == [("history_nulls", "column 'country'"), ("history_nulls", "column 'price'")]


def test_a_day_that_ends_early_is_reported_in_hours(judge: Callable[..., list[Failure]]) -> None:
    """It has as many rows as usual, so its volume shows nothing."""
    found = judge(lambda today: today.assign(sold_at=today["sold_at"] - pd.to_timedelta(12, unit="h")))

    assert failed_checks(found) == [("history_freshness", "column 'sold_at'")]
    assert "(limit 6 hours) the newest row is of 2024-02-07 1" in found[0].explanation
    assert "12.2 hours earlier in its day than the median of the last 28 days" in found[0].explanation


def test_a_day_is_not_judged_before_there_is_a_week(judge: Callable[..., list[Failure]]) -> None:
    """Six days are too few to compare with; volume needs two weeks."""
    frame = orders(DAYS[-7:])

    assert judge(lambda today: today[::3].assign(price=1e6), frame=frame) == []


def test_days_out_of_reach_are_not_history(judge: Callable[..., list[Failure]]) -> None:
    """A fault of last month makes no day of this month usual."""
    frame = orders()
    frame.loc[frame["ds"] < "2024-01-05", "price"] = np.nan

    found = judge(lambda today: today.assign(price=np.nan), frame=frame, history={"days": 14})

    assert failed_checks(found) == [("history_nulls", "column 'price'")]
    assert "in the last 14 days" in found[0].explanation


def test_small_days_are_not_judged_by_their_noise(judge: Callable[..., list[Failure]]) -> None:
    """A dozen rows never look like the ten bins of the month before."""
    frame = orders()
    few = frame.groupby("ds").sample(12, random_state=3).sort_values(["ds", "order_id"], ignore_index=True)

    assert judge(frame=few) == []


def test_severity_and_limit_are_those_of_the_pipeline(judge: Callable[..., list[Failure]]) -> None:
    """A check can stop a run, or be switched off."""
    settings = {"volume": {"severity": "critical", "limit": 0.2}, "nulls": {"severity": "off"}}

    found = judge(lambda today: today[: int(0.7 * len(today))].assign(country=None), history=settings)

    assert ("history_volume", "table") in failed_checks(found)
    assert "history_nulls" not in [failure.expectation for failure in found]
    assert {failure.expectation: failure.severity for failure in found}["history_volume"] == "critical"
    assert "(limit 20 %)" in found[0].explanation


def test_the_failures_of_many_days_are_one(tmp_path: Path) -> None:
    """It gives the number of days, names the first, and shows the worst."""
    frame = orders()
    last = DAYS[-5:]
    lost = frame["ds"].isin(last) & (frame.index % 2 == 0) | (frame["ds"] == last[3]) & (frame.index % 10 != 1)

    found = compare(profile(tmp_path, frame[~lost], DAYS, source()), profile_schema().empty_table(), DAYS, source())

    volume = [failure for failure in found if failure.expectation == "history_volume"]
    assert len(volume) == 1
    listed = f"(limit 40 %) on 5 days ({last[0]}, {last[1]}, {last[2]} and 2 more), worst on {last[3]}: "
    assert volume[0].explanation.startswith(listed)


def test_a_column_that_is_new_has_no_history(judge: Callable[..., list[Failure]], tmp_path: Path) -> None:
    """It is judged once it has a week of history."""
    by = source()
    before = profile(tmp_path, orders(DAYS[:-1]), DAYS[:-1], by)
    before = before.filter(pa.compute.not_equal(before["column"], "price"))
    now = profile(tmp_path, orders(DAYS[-1:]), DAYS[-1:], by)

    assert compare(now, before, DAYS[-1:], by) == []


def test_a_column_that_had_another_type_is_not_compared_by_its_values(tmp_path: Path) -> None:
    """The values that were counted then cannot be read as numbers."""
    frame = orders()
    earlier = profile(tmp_path, frame[frame["ds"] < str(TODAY)], DAYS[:-1], source()).to_pylist()
    for row in earlier:
        if row["column"] == "items":
            row["values"] = [f"{value} pcs" for value in row["values"]]
    now = profile(tmp_path, frame[frame["ds"] == str(TODAY)], DAYS[-1:], source())

    assert compare(now, pa.Table.from_pylist(earlier, profile_schema()), DAYS[-1:], source()) == []


class TestSnapshots:
    """A snapshot is compared with the snapshots before it, however old they are."""

    BY = source(arrives="snapshot", path="orders.csv")

    def compare(self, tmp_path: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> list[Failure]:
        """Compare a snapshot with the one of two months before, which it repeats with changes."""
        table = orders(DAYS[:7])
        before = profile(tmp_path, table, ["2024-01-08"], self.BY)
        now = profile(tmp_path, change(table), ["2024-03-08"], self.BY)
        return compare(now, before, ["2024-03-08"], self.BY)

    def test_a_table_that_grew_a_little_passes(self, tmp_path: Path) -> None:
        """Neither its age nor the weekday matters."""
        more = orders(DAYS[7:8])

        assert self.compare(tmp_path, lambda table: pd.concat([table, more])) == []

    def test_a_table_that_shrank_is_reported_against_the_last(self, tmp_path: Path) -> None:
        """Half a registry looks complete to every other check."""
        found = self.compare(tmp_path, lambda table: table[::2])

        assert failed_checks(found) == [("history_volume", "table")]
        assert "50 % below those of the last snapshot, of 2024-01-08 (" in found[0].explanation

    def test_one_snapshot_is_enough_to_detect_another_unit(self, tmp_path: Path) -> None:
        """Most of a table stays the same."""
        found = self.compare(tmp_path, lambda table: table.assign(price=table["price"] * 100))

        assert failed_checks(found) == [("history_distribution", "column 'price'")]
        assert "against the last snapshot: most of it" in found[0].explanation
