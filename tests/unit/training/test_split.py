"""Training rows are always earlier than the rows that judge the model."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest

from include.training.split import draw_sample, split_by_time, time_ordered_folds

if TYPE_CHECKING:
    from tests.unit.training.conftest import MakePipeline

THROUGH = date(2024, 3, 31)


def _hours(first: date, days: int, every: int = 6) -> np.ndarray:
    """Return a time every few hours, from the first moment of one day to the last of another."""
    start = np.datetime64(first, "us")
    return np.arange(start, start + np.timedelta64(days, "D"), np.timedelta64(every, "h"))


def _days(times: np.ndarray) -> list[str]:
    return sorted({str(day) for day in times.astype("datetime64[D]")})


@pytest.mark.parametrize("gap_days", [0, 1, 7])
@pytest.mark.parametrize("holdout_days", [1, 14])
def test_train_then_gap_then_holdout_on_the_exact_days(
    gap_days: int, holdout_days: int, make_pipeline: MakePipeline
) -> None:
    """Window, gap and holdout are counted in whole days, and the first and last moment of each belong to it."""
    training = make_pipeline(window_days=60, holdout_days=holdout_days, gap_days=gap_days).training
    times = _hours(date(2023, 12, 1), 150)
    holdout_start = THROUGH - timedelta(days=holdout_days - 1)
    train_end = holdout_start - timedelta(days=gap_days + 1)
    train_start = THROUGH + timedelta(days=gap_days) - timedelta(days=59)

    split = split_by_time(times, np.full(len(times), True), training, THROUGH)

    assert (split.train_start, split.train_end) == (str(train_start), str(train_end))
    assert (split.holdout_start, split.holdout_end) == (str(holdout_start), str(THROUGH))
    train, holdout = _days(times[split.train]), _days(times[split.holdout])
    assert (train[0], train[-1]) == (split.train_start, split.train_end)
    assert (holdout[0], holdout[-1]) == (split.holdout_start, split.holdout_end)
    assert len(train) == 60 - holdout_days - 2 * gap_days
    assert len(split.train) == 4 * len(train)
    assert len(split.holdout) == 4 * holdout_days


def test_unlabelled_rows_are_in_neither_part(make_pipeline: MakePipeline) -> None:
    """A row without a label is neither a training row nor in the holdout."""
    times = _hours(date(2024, 1, 1), 91)
    labelled = np.arange(len(times)) % 3 > 0

    split = split_by_time(times, labelled, make_pipeline().training, THROUGH)

    assert labelled[split.train].all()
    assert labelled[split.holdout].all()
    assert len(split.holdout) == labelled[times >= np.datetime64(split.holdout_start)].sum()


def test_rows_need_no_order(make_pipeline: MakePipeline) -> None:
    """Shuffled rows are split the same way, and positions are ascending."""
    training, times = make_pipeline().training, _hours(date(2024, 1, 1), 91)
    shuffled = np.random.default_rng(7).permutation(times)
    labelled = np.full(len(times), True)

    ordered, split = (split_by_time(each, labelled, training, THROUGH) for each in (times, shuffled))

    assert (np.diff(split.train) > 0).all()
    assert set(shuffled[split.train]) == set(times[ordered.train])
    assert set(shuffled[split.holdout]) == set(times[ordered.holdout])


def test_train_start_is_the_first_day_with_a_row(make_pipeline: MakePipeline) -> None:
    """If the history begins within the window, the split names the first day with a training row."""
    times = _hours(date(2024, 2, 20), 41)

    split = split_by_time(times, np.full(len(times), True), make_pipeline().training, THROUGH)

    assert split.train_start == "2024-02-20"


def test_without_a_row_both_parts_are_empty(make_pipeline: MakePipeline) -> None:
    """Without a labelled row both parts are empty and keep their days, which the later error names."""
    times = _hours(date(2024, 1, 1), 91)

    split = split_by_time(times, np.full(len(times), False), make_pipeline().training, THROUGH)

    assert len(split.train) == len(split.holdout) == 0
    assert (split.train_start, split.holdout_end) == ("2023-12-24", "2024-03-31")


@pytest.mark.parametrize("gap_days", [0, 1, 5])
@pytest.mark.parametrize("folds", [2, 3, 5])
@pytest.mark.parametrize("days", [15, 16, 90])
def test_folds_always_validate_after_the_gap(days: int, folds: int, gap_days: int) -> None:
    """The whole gap lies between the last day to fit on and the first day to validate on."""
    times = _hours(date(2024, 1, 1), days)

    parts = list(time_ordered_folds(times, folds, gap_days, validation_days=14))

    assert len(parts) == folds
    for fit, validate in parts:
        last, first = times[fit].astype("datetime64[D]").max(), times[validate].astype("datetime64[D]").min()
        assert (first - last).astype(int) == gap_days + 1


def test_folds_validate_on_the_last_days_one_after_another() -> None:
    """With enough days each fold validates on `validation_days`, and the last fold ends with the rows."""
    times = _hours(date(2024, 1, 1), 90)

    validated = [_days(times[validate]) for _, validate in time_ordered_folds(times, 3, 1, validation_days=14)]

    assert [len(days) for days in validated] == [14, 14, 14]
    assert [day for days in validated for day in days] == _days(times)[-42:]


def test_few_days_are_shared_equally() -> None:
    """With too few days for `validation_days`, folds validate on fewer days and still have days to fit on."""
    times = _hours(date(2024, 1, 1), 13)

    parts = list(time_ordered_folds(times, 3, 1, validation_days=14))

    assert [len(_days(times[validate])) for _, validate in parts] == [3, 3, 3]
    assert [len(_days(times[fit])) for fit, _ in parts] == [3, 6, 9]


@pytest.mark.parametrize(("folds", "gap_days"), [(2, 0), (3, 1), (5, 4)])
def test_the_fewest_days_that_training_accepts_can_be_folded(folds: int, gap_days: int) -> None:
    """At the limit of `check_trainable`, folds + gap + 1 days, every fold has a day to fit and to validate on."""
    times = _hours(date(2024, 1, 1), folds + gap_days + 1)

    parts = list(time_ordered_folds(times, folds, gap_days, validation_days=14))

    assert [(len(_days(times[fit])) > 0, len(_days(times[validate]))) for fit, validate in parts] == [(True, 1)] * folds


def test_days_without_rows_only_widen_the_gap() -> None:
    """Days without rows are not counted, so a gap is never shorter than configured."""
    times = _hours(date(2024, 1, 1), 60)
    times = times[times.astype("datetime64[D]").astype(int) % 3 != 0]

    for fit, validate in time_ordered_folds(times, 3, 2, validation_days=5):
        last, first = times[fit].astype("datetime64[D]").max(), times[validate].astype("datetime64[D]").min()
        assert (first - last).astype(int) >= 3


def test_groups_of_the_holdout_are_no_training_rows(make_pipeline: MakePipeline) -> None:
    """Rows of a patient in the holdout are not training rows, and all other rows stay."""
    training, times = make_pipeline().training, _hours(date(2024, 1, 1), 91)
    patients = np.array([f"patient {number}" for number in range(50)], dtype=object)[np.arange(len(times)) // 8]
    patients[::20] = "patient 49"
    labelled = np.full(len(times), True)

    without = split_by_time(times, labelled, training, THROUGH)
    split = split_by_time(times, labelled, training, THROUGH, patients)

    held = set(patients[split.holdout])
    assert "patient 49" in held
    assert not held & set(patients[split.train])
    assert split.train.tolist() == [row for row in without.train if patients[row] not in held]
    assert split.holdout.tolist() == without.holdout.tolist()
    assert len(split.train) < len(without.train)


def test_a_fold_is_not_fitted_on_the_groups_that_it_validates_on() -> None:
    """Validation rows stay complete; their groups are left out of the rows to fit on, in that fold only."""
    times = _hours(date(2024, 1, 1), 60)
    groups = np.random.default_rng(7).integers(0, 300, len(times))

    plain = list(time_ordered_folds(times, 3, 1, validation_days=5))
    apart = list(time_ordered_folds(times, 3, 1, validation_days=5, groups=groups))

    for (all_rows, held), (fit, validate) in zip(plain, apart, strict=True):
        assert validate.tolist() == held.tolist()
        assert fit.tolist() == [row for row in all_rows if groups[row] not in groups[held]]
        assert 0 < len(fit) < len(all_rows)


@pytest.mark.parametrize("seed", [7, np.random.default_rng(7)], ids=["number", "generator"])
def test_a_draw_keeps_the_share_of_each_class(seed: int | np.random.Generator) -> None:
    """A tenth of 10,000 rows, with a class of three in a thousand, has three rows of it and no row twice."""
    rows = np.arange(5, 10_005)
    y = np.zeros(10_005)
    y[rows[:30]] = 1.0
    y[rows[30:1030]] = 2.0

    drawn = draw_sample(rows, 1000, y, seed)

    assert np.bincount(y[drawn].astype(int)).tolist() == [897, 3, 100]
    assert len(set(drawn)) == 1000
    assert (np.diff(drawn) > 0).all()
    assert set(drawn) <= set(rows)


def test_a_draw_keeps_every_class_however_rare() -> None:
    """A class with a single row is in every draw."""
    y = np.zeros(1000)
    y[[17, 400]] = 1.0, 2.0

    for seed in range(20):
        drawn = draw_sample(np.arange(1000), 50, y, seed)
        assert {17, 400} <= set(drawn)
        assert len(drawn) == 50


def test_a_draw_of_numbers_is_by_chance_and_repeatable() -> None:
    """Without classes all rows are equally likely; a seed reproduces the draw, and few rows are all taken."""
    rows = np.arange(1000)

    first, second, other = (draw_sample(rows, 100, None, seed) for seed in (1, 1, 2))

    assert first.tolist() == second.tolist() != other.tolist()
    assert len(set(first)) == 100
    assert draw_sample(rows, 1000, None, 1).tolist() == rows.tolist()


def test_days_without_labels_are_left_out_and_the_holdout_keeps_its_length(make_pipeline: MakePipeline) -> None:
    """A champion was once promoted on 332 of 706 rows, since the labels of the last eight days were missing."""
    training = make_pipeline(window_days=90, holdout_days=14, gap_days=1).training
    times = _hours(date(2024, 1, 3), 90)
    days = times.astype("datetime64[D]")

    split = split_by_time(times, days <= np.datetime64("2024-03-23"), training, THROUGH)

    assert (split.holdout_start, split.holdout_end) == ("2024-03-10", "2024-03-23")
    assert split.train_end == "2024-03-08"
    assert len(split.holdout) == 4 * 14
    assert split.lacking == tuple(f"2024-03-{day}" for day in range(24, 32))
    assert split.train_start == "2024-01-03"


def test_an_outage_of_the_labels_within_the_holdout_is_left_out(make_pipeline: MakePipeline) -> None:
    """A day with a few known labels is left out too, and the holdout reaches further back."""
    training = make_pipeline(window_days=90, holdout_days=14, gap_days=1).training
    times = _hours(date(2024, 1, 3), 90, every=1)
    outage = (times >= np.datetime64("2024-03-20T05:00")) & (times < np.datetime64("2024-03-22"))

    split = split_by_time(times, ~outage, training, THROUGH)

    assert (split.holdout_start, split.holdout_end) == ("2024-03-16", "2024-03-31")
    assert split.lacking == ("2024-03-20", "2024-03-21")
    assert len(split.holdout) == 24 * 14
    assert len(_days(times[split.holdout])) == 14
    assert split.train_end == "2024-03-14"


def test_a_day_without_rows_is_a_day_of_the_holdout(make_pipeline: MakePipeline) -> None:
    """A shop that is closed on Sunday, here the last day, has a holdout of the usual number of days."""
    training = make_pipeline(window_days=90, holdout_days=14, gap_days=1).training
    times = _hours(date(2024, 1, 3), 90)
    open_at = times[(times.astype("datetime64[D]").astype("int64") + 3) % 7 != 6]

    split = split_by_time(open_at, np.full(len(open_at), True), training, THROUGH)

    assert (split.holdout_start, split.holdout_end, split.lacking) == ("2024-03-18", "2024-03-31", ())
    assert len(split.holdout) == 4 * 12
