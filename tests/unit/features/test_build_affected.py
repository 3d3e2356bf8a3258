"""From when on rows can differ from those of the last build follows from what changed, and from promises."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import yaml

from include.config.pipeline import Pipeline
from include.features.affected import Affected, Base, find_affected, why_all
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


def base(**changes: object) -> Base:
    """Return what the build of the day before says of itself."""
    fields = {
        "definition": "d",
        "as_of": AS_OF - timedelta(days=1),
        "first_day": FIRST_DAY - timedelta(days=1),
        "snapshot": {"sales": 3, "stores": 3},
        "tables": {"sales": "s", "stores": "s"},
        "unlabelled_since": None,
        "types": {},
    }
    return Base(**fields | changes)  # type: ignore[arg-type]


def change(day: int, *, replaced: bool = False, known: datetime | None = None) -> DayChange:
    """Return a change of a day of March, known from its evening unless it says otherwise."""
    return DayChange(f"2024-03-{day:02}", replaced, known or datetime(2024, 3, day, 22))


def affected(
    sales: list[DayChange] | None, stores: list[DayChange] | None = None, made: Base | None = None, **training: object
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
def test_changes_reach_back_to_the_rows_that_can_have_read_them(changes: list[DayChange], since: int) -> None:
    """The earliest of what a change can reach counts, from its midnight."""
    assert affected(changes) == march(since)


def test_a_label_that_waits_reaches_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest row without a label may have got it."""
    assert affected([], made=base(unlabelled_since=datetime(2024, 3, 26, 8))) == march(26)


def test_labels_settle_in_the_days_of_the_gap() -> None:
    """A label that is a sum over coming days is known in part before."""
    assert affected([], gap_days=7) == march(24)


def test_days_that_no_row_of_the_window_reads_reach_nothing() -> None:
    """A backfill of days before the window and its lookback does not make all anew."""
    old = FIRST_DAY - timedelta(days=11)

    assert affected([DayChange(str(old), True, datetime(old.year, old.month, old.day))]) == march(30)


def test_rows_of_before_the_window_do_not_count() -> None:
    """What changed within the lookback of the window's first day reaches its first rows."""
    found = affected([change(1, replaced=True)])

    assert found.why == "the rows of 41 of the window's days can differ from those of the last build"


def test_a_snapshot_counts_from_when_it_is_known() -> None:
    """A new one of the day reaches nothing before; one of before may have been read by any row."""
    assert affected([], stores=[change(31, known=datetime(2024, 3, 31, 23))]) == march(30)
    assert affected([], stores=[change(30, known=datetime(2024, 3, 30, 23))]) == Affected(
        None, "rows of the snapshot 'stores' changed that were known before"
    )


def test_a_log_that_does_not_tell_makes_all_anew() -> None:
    """What cannot be known is not guessed."""
    assert affected(None) == Affected(None, "what changed in 'sales' since the last build cannot be told")


def test_a_table_that_was_made_anew_makes_all_anew() -> None:
    """Its versions are counted from 0 again, and so say nothing beside those of the table of before."""
    found = affected([], made=base(tables={"sales": "removed", "stores": "s"}))

    assert found == Affected(None, "'sales' is another table than the one that the last build read")


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (base(), None),
        (None, "no build is there to go on from"),
        (base(definition="other"), "the features are defined otherwise than in the last build"),
        (base(as_of=AS_OF + timedelta(days=1)), "the last build is as of 2024-04-01, which is later"),
        (base(first_day=FIRST_DAY + timedelta(days=1)), "the last build begins on 2024-02-02, which is later"),
    ],
)
def test_a_base_must_be_of_the_same_features_and_no_later(made: Base | None, why: str | None) -> None:
    """Only rows that the same definition made, of no less than is asked for now, can be kept."""
    assert why_all(pipeline(), made, "d", FIRST_DAY, AS_OF) == why


@pytest.mark.parametrize("left_out", ["definition", "as_of", "tables", "unlabelled_since"])
def test_a_commit_that_says_too_little_is_no_base(left_out: str) -> None:
    """Tables of an older Nightshift are built anew."""
    said = {"definition": "d", "as_of": "2024-03-30", "first_day": "2024-01-31", "snapshot": {}, "tables": {}}
    said |= {"unlabelled_since": "2024-03-29T00:00:00", "types": {}}
    assert Base.from_json(said) == Base("d", date(2024, 3, 30), date(2024, 1, 31), {}, {}, datetime(2024, 3, 29), {})
    del said[left_out]

    assert Base.from_json({}) is None
    assert Base.from_json(said) is None
    assert Base.from_json(said | {left_out: None, "as_of": "yesterday"}) is None
