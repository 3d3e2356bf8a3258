"""From when on rows can differ from those of the last build follows from what changed, and from promises."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import yaml

from include.config.pipeline import Pipeline
from include.features.affected import Affected, find_affected, why_rebuild_all
from include.features.build_record import BuildRecord
from include.lake import DayChange
from tests import factories

if TYPE_CHECKING:
    from include.lake import PinnedTable

STORES = """
    kind: files
    arrives: snapshot
    connection: shop
    path: stores.csv
    key: [store]
    available_at: opened_at
    columns: {store: string, opened_at: timestamp}
"""
AS_OF = date(2024, 3, 31)
FIRST_DAY = AS_OF - timedelta(days=59)


class Table:
    """A raw table of which is known what changed."""

    def __init__(self, changes: list[DayChange] | None) -> None:
        self.changes, self.identity = changes, "s"

    def changes_since(self, version: int) -> list[DayChange] | None:
        """Return the changes, of version 3."""
        assert version == 3
        return self.changes


def pipeline(**training: object) -> Pipeline:
    """Return a pipeline of sales and stores, with a lookback of ten days and a window of sixty."""
    fields = yaml.safe_load(factories.SHOP_YAML)
    fields["sources"]["stores"] = yaml.safe_load(STORES)
    fields["features"]["lookback_days"] = 10
    fields["training"] |= {"window_days": 60} | training
    return Pipeline(**fields)


def base(**changes: object) -> BuildRecord:
    """Return the record of the build as of the day before."""
    fields = {
        "definition": "d",
        "as_of": AS_OF - timedelta(days=1),
        "first_day": FIRST_DAY - timedelta(days=1),
        "snapshot": {"sales": 3, "stores": 3},
        "tables": {"sales": "s", "stores": "s"},
        "unlabelled_since": None,
        "types": {},
        "rows": 0,
        "labelled_rows": 0,
    }
    return BuildRecord(**fields | changes)  # type: ignore[arg-type]


def change(day: int, *, replaced: bool = False, known: datetime | None = None) -> DayChange:
    """Return a change of a day of March, known from its evening unless it says otherwise."""
    return DayChange(f"2024-03-{day:02}", replaced, known or datetime(2024, 3, day, 22))


def affected(
    sales: list[DayChange] | None,
    stores: list[DayChange] | None = None,
    made: BuildRecord | None = None,
    **training: object,
) -> Affected:
    """Return what is affected by changes of both sources."""
    tables: dict[str, PinnedTable] = {"sales": Table(sales), "stores": Table(stores or [])}  # type: ignore[dict-item]
    return find_affected(pipeline(**training), made or base(), tables, FIRST_DAY, AS_OF)


def march(day: int) -> Affected:
    """Return that rows from a day of March on are affected."""
    return Affected(datetime(2024, 3, day))


@pytest.mark.parametrize(
    ("changes", "since"),
    [
        pytest.param([change(31)], 30, id="a new day: with the day whose labels settle"),
        pytest.param([], 30, id="nothing new"),
        pytest.param([change(20), change(31)], 20, id="a day that comes late"),
        pytest.param([change(31, known=datetime(2024, 3, 25, 7))], 25, id="rows that were known before their day"),
        pytest.param([change(20, known=datetime(2024, 3, 30))], 20, id="a day whose rows were known late"),
        pytest.param([change(28, replaced=True)], 18, id="a day again: with the labels made of it"),
        pytest.param([DayChange("2024-03-20", False, None)], 20, id="rows that are never known"),
    ],
)
def test_a_change_affects_the_rows_that_can_have_read_it(changes: list[DayChange], since: int) -> None:
    """Rows are affected from the midnight before the earliest one that a change can reach."""
    assert affected(changes) == march(since)


def test_a_missing_label_affects_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest row without a label may have received it."""
    assert affected([], made=base(unlabelled_since=datetime(2024, 3, 26, 8))) == march(26)


def test_labels_settle_in_the_days_of_the_gap() -> None:
    """A label that is a sum over coming days is known only in part before the gap ends."""
    assert affected([], gap_days=7) == march(24)


def test_days_that_no_row_of_the_window_reads_affect_nothing() -> None:
    """A backfill of days before the window and its lookback does not rebuild everything."""
    old = FIRST_DAY - timedelta(days=11)

    assert affected([DayChange(str(old), True, datetime(old.year, old.month, old.day))]) == march(30)


def test_rows_before_the_window_do_not_count() -> None:
    """A change within the lookback of the window's first day affects the first rows."""
    found = affected([change(1, replaced=True)])

    assert found.why == "41 days of the window can differ from the last build"


def test_a_snapshot_counts_from_when_it_is_known() -> None:
    """A new snapshot affects only later rows; any row may have read an earlier one."""
    assert affected([], stores=[change(31, known=datetime(2024, 3, 31, 23))]) == march(30)
    assert affected([], stores=[change(30, known=datetime(2024, 3, 30, 23))]) == Affected(
        None, "rows of the snapshot 'stores' changed that the last build had read"
    )


def test_unknown_changes_rebuild_everything() -> None:
    """Changes that the log does not hold are not guessed."""
    assert affected(None) == Affected(None, "the changes of 'sales' since the last build are unknown")


def test_a_table_that_was_created_anew_rebuilds_everything() -> None:
    """Its versions start from 0 again and cannot be compared with those of the old table."""
    found = affected([], made=base(tables={"sales": "removed", "stores": "s"}))

    assert found == Affected(None, "the table 'sales' was created anew since the last build")


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (base(), None),
        (None, "there is no earlier build to reuse"),
        (base(definition="other"), "the definition of the features changed since the last build"),
        (base(as_of=AS_OF + timedelta(days=1)), "the last build is as of 2024-04-01, which is later"),
        (base(first_day=FIRST_DAY + timedelta(days=1)), "the last build begins on 2024-02-02, which is later"),
    ],
)
def test_only_an_earlier_build_of_the_same_features_is_reused(made: BuildRecord | None, why: str | None) -> None:
    """Rows are kept only if they have the same definition and reach as far back."""
    assert why_rebuild_all(pipeline(), made, "d", FIRST_DAY, AS_OF) == why
