"""The history as a table: aligned, narrow enough for a terminal, and of whatever a record holds."""

from __future__ import annotations

from typing import Any

import pytest

from include.registry.records.record import Record
from include.registry.records.table import WIDTH, history_table

RETRAINED = {
    "as_of": "2024-03-20",
    "verdict": "promote",
    "challenger_version": 2,
    "champion_before": 1,
    "champion_after": 2,
    "metric": {"name": "mae", "value": 4.123449, "low": 3.90121, "high": 4.34},
    "approver": "ada",
    "reason": "promote: mae 4.1234 is better than the champion (version 1)",
}


def record(number: int = 1, **fields: Any) -> Record:
    """Return a record without a chain."""
    whole: dict[str, Any] = {
        "by": "airflow",
        "content": RETRAINED,
        "key": "night",
        "kind": "retrain",
        "number": number,
        "previous": None,
        "recorded_at": "2024-03-20T23:51:07+00:00",
        "sha256": "",
        "digest": "",
    }
    return Record(**whole | fields)


def test_a_record_is_two_lines_of_what_and_why() -> None:
    """The line says what came of it, the next one by whom and why."""
    assert history_table([record()]).splitlines() == [
        "no  recorded (UTC)    kind     as of       verdict  version  champion  metric",
        "1   2024-03-20 23:51  retrain  2024-03-20  promote  2        1->2      mae 4.1234 [3.9012, 4.3400]",
        "    by airflow, approved by ada: promote: mae 4.1234 is better than the champion (version 1)",
    ]


def test_the_columns_of_all_records_are_aligned() -> None:
    """Each column begins where its heading does, however long the cells are."""
    kept = RETRAINED | {"verdict": "inconclusive", "as_of": "2024-03-21", "challenger_version": 1234}
    heading, *lines = history_table([record(9), record(10, content=kept), record(11, kind="promotion")]).splitlines()

    for name, cells in {
        "kind": ["retrain", "retrain", "promotion"],
        "verdict": ["promote", "inconclusive", "promote"],
        "version": ["2", "1234", "2"],
        "metric": ["mae", "mae", "mae"],
    }.items():
        at = heading.index(name)
        assert [line[at:].split(maxsplit=1)[0] for line in lines[::2]] == cells


@pytest.mark.parametrize(
    ("before", "after", "shown"), [(None, 1, "none->1"), (3, 3, "3"), (None, None, "none"), (3, None, "3->none")]
)
def test_the_champion_is_shown_before_and_after(before: int | None, after: int | None, shown: str) -> None:
    """One that stays is one number."""
    content = RETRAINED | {"champion_before": before, "champion_after": after, "verdict": "verdict"}

    assert f"verdict  2        {shown}  " in history_table([record(content=content)])


def test_what_a_record_does_not_say_is_a_dash() -> None:
    """A rollback has no metric, and a record of another release may have none of the fields."""
    lines = history_table([record(kind="rollback", content={}), record(2, content={"metric": "mae"})]).splitlines()

    assert lines[1].split() == ["1", "2024-03-20", "23:51", "rollback", *"-----"]
    assert lines[2] == "    by airflow"
    assert lines[3].split()[4:] == [*"-----"]


@pytest.mark.parametrize(
    ("metric", "shown"),
    [
        ({"name": "mae", "value": 4.0}, "mae 4.0000"),
        ({"name": "mae", "value": 4.0, "low": None, "high": None}, "mae 4.0000"),
        ({"name": "mae", "value": None, "low": 1.0, "high": 2.0}, "mae - [1.0000, 2.0000]"),
    ],
)
def test_a_metric_without_an_interval_or_a_value_is_shown_as_far_as_it_goes(metric: dict[str, Any], shown: str) -> None:
    """A metric that is not defined on a holdout is null in the record."""
    assert history_table([record(content=RETRAINED | {"metric": metric})]).splitlines()[1].endswith(f"  {shown}")


def test_no_line_is_wider_than_a_terminal() -> None:
    """A long reason, name or metric is cut off where the line ends, and says that it is."""
    content = RETRAINED | {"reason": "keep: " + "much to say " * 30, "metric": {"name": "m" * 99, "value": 1.0}}
    lines = history_table([record(content=content, by="scheduled__2024-03-20T00:15:00+00:00")]).splitlines()

    assert max(map(len, lines)) == WIDTH
    assert lines[1].endswith("m…")
    assert lines[2].endswith("…")
    assert "keep: much to say" in lines[2]


def test_the_longest_usual_cells_fit() -> None:
    """What a binary model's night says in all columns is not cut off."""
    metric = {"name": "average_precision", "value": 0.51234, "low": 0.49876, "high": 0.52345}
    content = RETRAINED | {"verdict": "inconclusive", "champion_before": 127, "champion_after": 128, "metric": metric}

    assert "…" not in history_table([record(1234, content=content)])


def test_a_reason_of_several_lines_is_one() -> None:
    """A note that somebody typed does not break the table."""
    assert history_table([record(content={"reason": "two\n  lines"})]).splitlines()[2:] == ["    by airflow: two lines"]


def test_no_records_are_a_heading() -> None:
    """An empty history is a table without rows."""
    assert len(history_table([]).splitlines()) == 1
