"""Days whose labels are late are distinguished from days on which some rows never get a label."""

from __future__ import annotations

import numpy as np
import pytest

from include.training.known_labels import find_labelled_days

DAYS = np.arange(np.datetime64("2024-01-01"), np.datetime64("2024-03-01"))  # 60


def lacking(labels_by_day: list[np.ndarray]) -> list[int]:
    """Return the numbers of the days that lack their labels."""
    days = np.repeat(DAYS, [len(each) for each in labels_by_day])
    found = find_labelled_days(days, np.concatenate(labels_by_day))
    assert found.days.tolist() == [day for day, each in zip(DAYS.tolist(), labels_by_day, strict=True) if len(each)]
    with_rows = [number for number, each in enumerate(labels_by_day) if len(each)]
    return [number for number, is_lacking in zip(with_rows, found.lacking, strict=True) if is_lacking]


def by_day(rows: int, share: float = 1.0, **of_days: float) -> list[np.ndarray]:
    """Return labels of each day with a known share, and another share on the days named `d<number>`."""
    draw = np.random.default_rng(3)
    shares = [of_days.get(f"d{number}", share) for number in range(len(DAYS))]
    return [np.where(draw.random(rows) < each, 0, -1) for each in shares]


@pytest.mark.parametrize("rows", [1, 3, 25, 1000])
def test_days_without_labels_at_the_end_lack_them(rows: int) -> None:
    """Even a day with few rows lacks its labels if each row usually gets one."""
    assert lacking(by_day(rows, d56=0, d57=0, d58=0, d59=0)) == [56, 57, 58, 59]


def test_days_without_labels_in_the_middle_lack_them() -> None:
    """The source of the labels was down for some days."""
    assert lacking(by_day(25, d40=0, d41=0)) == [40, 41]


def test_a_day_of_which_less_than_half_is_known_lacks_its_labels() -> None:
    """The labels that are known first are no random sample."""
    assert lacking(by_day(100, d58=0.8, d59=0.3)) == [59]


@pytest.mark.parametrize("rows", [2, 10, 200])
@pytest.mark.parametrize("share", [0.1, 0.3, 0.9])
def test_rows_that_never_get_a_label_are_usual(rows: int, share: float) -> None:
    """Only granted loans ever get a label; refused loans never do."""
    assert len(lacking(by_day(rows, share))) <= 1  # by chance, one day in a hundred


def test_missing_labels_are_noticed_even_if_few_are_usual() -> None:
    """A third of the rows usually gets a label, and no row of the last day has one."""
    assert lacking(by_day(100, 0.3, d59=0)) == [59]


def test_a_history_without_labels_does_not_make_their_absence_usual() -> None:
    """Labels began in the second month and stopped two days ago."""
    early = {f"d{number}": 0.0 for number in range(35)}
    assert lacking(by_day(50, 1.0, **early, d58=0, d59=0)) == [*range(35), 58, 59]


def test_days_without_rows_and_without_any_label_are_no_error() -> None:
    """Without any label there is no usual share."""
    empty = by_day(20, d10=1)
    empty[10] = empty[10][:0]
    assert lacking(empty) == []
    assert lacking(by_day(20, 0.0)) == []


@pytest.mark.parametrize("share", [0.02, 0.3])
def test_days_that_lack_the_labels_of_one_class_lack_their_labels(share: float) -> None:
    """Fraud is discovered late: on the last days every label says that there was none."""
    draw = np.random.default_rng(5)
    days = [(draw.random(200) < share).astype("int64") for _ in DAYS]
    late = [np.where((each == 1) & (number >= 52), -1, each) for number, each in enumerate(days)]

    assert lacking(days) == []
    assert lacking(late) == list(range(52, 60))


def test_a_class_with_a_few_early_labels_still_lacks_its_labels() -> None:
    """A few frauds are discovered at once, also on the last days."""
    draw = np.random.default_rng(5)
    days = [(draw.random(200) < 0.3).astype("int64") for _ in DAYS]
    late = [np.where((each == 1) & (number >= 52), -1, each) for number, each in enumerate(days)]
    for number in (53, 57, 59):
        late[number][np.flatnonzero(days[number] == 1)[:3]] = 1

    assert lacking(late) == list(range(52, 60))


def test_a_class_may_disappear_if_all_labels_are_known() -> None:
    """The world may have changed."""
    draw = np.random.default_rng(5)
    days = [(draw.random(200) < 0.1).astype("int64") * (number < 50) for number in range(len(DAYS))]

    assert lacking(days) == []
