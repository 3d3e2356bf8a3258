"""What cannot be learned from is refused in a sentence, before any time is spent on it."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest

from include.errors import EvaluationFailed, TrainingImpossible
from include.training.candidates import CANDIDATES
from include.training.fit import check_trainable, fit_challenger, fit_model, predict
from include.training.split import Split, split_by_time
from tests import factories

if TYPE_CHECKING:
    import pandas as pd

    from include.config import Pipeline
    from tests.unit.training.conftest import MakeFrame, MakePipeline


def _split(pipeline: Pipeline, frame: pd.DataFrame, days: int = 60) -> Split:
    """Split the rows so that the last day of the table is the last of the holdout."""
    through = factories.FIRST_DAY + timedelta(days=days - 1)
    times = frame["prediction_time"].to_numpy()
    return split_by_time(times, frame["label"].notna().to_numpy(), pipeline.training, through)


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_a_good_table_is_accepted(task: str, make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """Nothing is said of a table that can be learned from, and the model is fitted on its rows to learn from."""
    pipeline, frame = make_pipeline(task), make_frame(task)
    split = _split(pipeline, frame)

    check_trainable(pipeline, frame, split)
    model = fit_challenger(pipeline, frame, split, "linear", CANDIDATES["linear"].defaults, 1)

    assert np.isfinite(predict(model, frame.iloc[split.holdout], task)).all()


def test_the_challenger_never_learns_from_the_holdout(make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """Other labels and features in the gap and the holdout give the same model."""
    pipeline, frame = make_pipeline(), make_frame()
    split = _split(pipeline, frame)
    other = frame.copy()
    later = other.index.difference(split.train)
    other.loc[later, ["label", "signal", "noise"]] = 1e6
    other.loc[later, "store"] = "new"

    first, second = (
        predict(fit_challenger(pipeline, each, split, "linear", {"strength": 1.0}, 1), frame, "regression")
        for each in (frame, other)
    )

    assert np.array_equal(first, second)


def test_too_few_rows_are_refused(make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """The sentence says how many rows of which days there are, how many it takes, and what to do."""
    pipeline, frame = make_pipeline(), make_frame(rows_per_day=2)

    with pytest.raises(
        TrainingImpossible,
        match=r"^shop: the feature table has 90 labelled rows of 2024-01-01 to 2024-02-14, and at least 100 are "
        r"needed to learn from; ingest more history, or lower training\.holdout_days$",
    ):
        check_trainable(pipeline, frame, _split(pipeline, frame))


def test_an_empty_table_is_refused(make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """A table without a row is too few rows, and not an error of an array."""
    pipeline, frame = make_pipeline(), make_frame().iloc[:0]

    with pytest.raises(TrainingImpossible, match="has 0 labelled rows"):
        check_trainable(pipeline, frame, _split(pipeline, frame))


def test_a_holdout_without_labels_is_refused(make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """The sentence names the days whose labels are missing."""
    pipeline, frame = make_pipeline(), make_frame()
    frame.loc[frame["prediction_time"] >= "2024-02-10", "label"] = np.nan

    with pytest.raises(
        TrainingImpossible,
        match=r"no labelled row of the holdout, 2024-02-16 to 2024-02-29; check .* or raise training\.gap_days$",
    ):
        check_trainable(pipeline, frame, _split(pipeline, frame))


@pytest.mark.parametrize(("days", "accepted"), [(4, True), (3, False)])
def test_too_few_days_for_the_folds_are_refused(
    days: int, accepted: bool, make_pipeline: MakePipeline, make_frame: MakeFrame
) -> None:
    """Two folds and a gap of a day need four days, however many rows a day has."""
    pipeline = make_pipeline(holdout_days=5)
    frame = make_frame(days=days + 6, rows_per_day=50)
    split = _split(pipeline, frame, days=days + 6)

    if accepted:
        check_trainable(pipeline, frame, split)
        return
    with pytest.raises(
        TrainingImpossible,
        match=r"has 3 days to learn from, and 2 folds with a gap of 1 need at least 4; .*training\.tuning\.folds$",
    ):
        check_trainable(pipeline, frame, split)


def test_no_feature_is_refused(make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """A table with only key, time and label has nothing to learn from."""
    pipeline, frame = make_pipeline(), make_frame()[["row", "prediction_time", "label"]]

    with pytest.raises(TrainingImpossible, match=r"no column left to learn from; see features\.exclude$"):
        check_trainable(pipeline, frame, _split(pipeline, frame))


def test_a_binary_label_other_than_0_and_1_is_refused(make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """The sentence shows values that were found, and offers the task that they fit."""
    pipeline, frame = make_pipeline("binary"), make_frame("binary")
    frame["label"] += 1

    with pytest.raises(
        TrainingImpossible,
        match=r"the label 'label' must be 0 or 1 for the task binary, and holds 1, 2; .*training\.task to regression$",
    ):
        check_trainable(pipeline, frame, _split(pipeline, frame))


@pytest.mark.parametrize("value", [0, 1])
def test_a_single_class_is_refused(value: int, make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """One class in all rows to learn from leaves nothing to tell apart, even if the holdout has both."""
    pipeline, frame = make_pipeline("binary"), make_frame("binary")
    split = _split(pipeline, frame)
    frame.loc[split.train, "label"] = value

    with pytest.raises(
        TrainingImpossible, match=rf"the label 'label' is {value} in all 450 rows to learn from, so .*features\.sql$"
    ):
        check_trainable(pipeline, frame, split)


def test_an_infinite_label_is_refused(make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """The sentence counts the rows whose label is not a number to learn from."""
    pipeline, frame = make_pipeline(), make_frame()
    frame.loc[[3, 4], "label"] = np.inf

    with pytest.raises(TrainingImpossible, match=r"the label 'label' is infinite in 2 rows"):
        check_trainable(pipeline, frame, _split(pipeline, frame))


def test_fitting_checks_first(make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """The challenger is not fitted on what the check refuses."""
    pipeline, frame = make_pipeline(), make_frame(rows_per_day=2)

    with pytest.raises(TrainingImpossible, match="90 labelled rows"):
        fit_challenger(pipeline, frame, _split(pipeline, frame), "linear", {"strength": 1.0}, 1)


@pytest.mark.parametrize("family", list(CANDIDATES))
def test_a_missing_column_is_named(family: str, make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """A model whose columns the table no longer has says which, and what to do until it is replaced."""
    frame = make_frame()
    model = fit_model(make_pipeline(), frame, family, CANDIDATES[family].defaults, 1)

    with pytest.raises(EvaluationFailed, match=r"fitted on noise, store, which the feature table no longer has"):
        predict(model, frame.drop(columns=["noise", "store"]), "regression")


@pytest.mark.parametrize("family", list(CANDIDATES))
def test_new_and_reordered_columns_change_nothing(
    family: str, make_pipeline: MakePipeline, make_frame: MakeFrame
) -> None:
    """A column that the model never saw is not used, and columns are found by name."""
    frame = make_frame()
    model = fit_model(make_pipeline(), frame, family, CANDIDATES[family].defaults, 1)
    other = frame.assign(extra=1.0)[sorted([*frame.columns, "extra"])]

    assert np.array_equal(predict(model, frame, "regression"), predict(model, other, "regression"))


def test_the_limit_of_rows_is_inclusive(make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """Exactly as many rows as are needed are enough."""
    pipeline, frame = make_pipeline(), make_frame()
    split = split_by_time(
        frame["prediction_time"].to_numpy(), np.full(len(frame), True), pipeline.training, date(2024, 1, 25)
    )

    assert len(split.train) == 100
    check_trainable(pipeline, frame, split)
