"""A table that no model can be trained on is refused in a sentence, before any time is spent on it."""

from __future__ import annotations

import math
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from include.config.training import METRICS
from include.core.errors import ConfigError, TrainingImpossible
from include.evaluation.metrics import Metric
from include.training.check import check_candidates, check_trainable
from include.training.columns import groups_of
from include.training.split import Split, split_by_time
from include.training.target import class_list, encode_target
from tests import factories

if TYPE_CHECKING:
    from include.config.pipeline import Pipeline
    from tests.unit.training.conftest import MakeFrame, MakePipeline


def _split(pipeline: Pipeline, frame: pd.DataFrame, days: int = 60) -> Split:
    """Split the rows so that the last day of the table is the last of the holdout."""
    through = factories.FIRST_DAY + timedelta(days=days - 1)
    times, labelled = frame["prediction_time"].to_numpy(), frame["label"].notna().to_numpy()
    return split_by_time(times, labelled, pipeline.training, through, groups_of(pipeline, frame))


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_a_good_table_is_accepted(task: str, make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """A usable table raises nothing."""
    pipeline, frame = make_pipeline(task), make_frame(task)

    check_trainable(pipeline, frame, _split(pipeline, frame))


def test_too_few_rows_are_refused(make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """The sentence has the number of rows and their days, the number needed, and what to do."""
    pipeline, frame = make_pipeline(), make_frame(rows_per_day=2)

    with pytest.raises(
        TrainingImpossible,
        match=r"^shop: the feature table has 90 labelled rows from 2024-01-01 to 2024-02-14, and training "
        r"needs at least 100; ingest more history, or lower training\.holdout_days$",
    ):
        check_trainable(pipeline, frame, _split(pipeline, frame))


def test_an_empty_table_is_refused(make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """An empty table has too few rows; it raises no array error."""
    pipeline, frame = make_pipeline(), make_frame().iloc[:0]

    with pytest.raises(TrainingImpossible, match="has 0 labelled rows"):
        check_trainable(pipeline, frame, _split(pipeline, frame))


def test_a_holdout_without_rows_is_refused(make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """The sentence names the days whose rows are missing."""
    pipeline, frame = make_pipeline(), make_frame()
    frame = frame[frame["prediction_time"] < "2024-02-10"].reset_index(drop=True)

    with pytest.raises(
        TrainingImpossible,
        match=r"no labelled row in the holdout, 2024-02-16 to 2024-02-29; check .* or raise training\.gap_days$",
    ):
        check_trainable(pipeline, frame, _split(pipeline, frame))


@pytest.mark.parametrize(("days", "accepted"), [(4, True), (3, False)])
def test_too_few_days_for_the_folds_are_refused(
    days: int, accepted: bool, make_pipeline: MakePipeline, make_frame: MakeFrame
) -> None:
    """Two folds and a gap of one day need four days, for any number of rows per day."""
    pipeline = make_pipeline(holdout_days=5)
    frame = make_frame(days=days + 6, rows_per_day=50)
    split = _split(pipeline, frame, days=days + 6)

    if accepted:
        check_trainable(pipeline, frame, split)
        return
    with pytest.raises(
        TrainingImpossible,
        match=r"has 3 days of training rows, and 2 folds with a gap of 1 need at least 4; .*training\.tuning\.folds$",
    ):
        check_trainable(pipeline, frame, split)


def test_no_feature_is_refused(make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """A table with only key, time and label has no features."""
    pipeline, frame = make_pipeline(), make_frame()[["row", "prediction_time", "label"]]

    with pytest.raises(TrainingImpossible, match=r"no feature column left; shorten features\.exclude"):
        check_trainable(pipeline, frame, _split(pipeline, frame))


def test_a_binary_label_other_than_0_and_1_is_refused(make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """The sentence shows the values found, and the task that fits them."""
    pipeline, frame = make_pipeline("binary"), make_frame("binary")
    frame["label"] += 1

    with pytest.raises(
        TrainingImpossible,
        match=r"'label' must be 0 or 1 for the task binary, and has the values 1, 2; .*training\.task to regression$",
    ):
        check_trainable(pipeline, frame, _split(pipeline, frame))


@pytest.mark.parametrize("value", [0, 1])
def test_a_single_class_is_refused(value: int, make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """One class in all training rows leaves nothing to distinguish, even if the holdout has both."""
    pipeline, frame = make_pipeline("binary"), make_frame("binary")
    split = _split(pipeline, frame)
    frame.loc[split.train, "label"] = value

    with pytest.raises(
        TrainingImpossible, match=rf"the label 'label' is {value} in all 450 training rows, so .*features\.sql$"
    ):
        check_trainable(pipeline, frame, split)


def test_an_infinite_label_is_refused(make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """The sentence counts the rows with an infinite label."""
    pipeline, frame = make_pipeline(), make_frame()
    frame.loc[[3, 4], "label"] = np.inf

    with pytest.raises(TrainingImpossible, match=r"the label 'label' is infinite in 2 training rows"):
        check_trainable(pipeline, frame, _split(pipeline, frame))


def test_the_limit_of_rows_is_inclusive(make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """Exactly the needed number of rows is enough."""
    pipeline, frame = make_pipeline(), make_frame()
    split = split_by_time(
        frame["prediction_time"].to_numpy(), np.full(len(frame), True), pipeline.training, date(2024, 1, 25)
    )

    assert len(split.train) == 100
    check_trainable(pipeline, frame, split)


def test_a_label_that_is_never_known_is_refused(make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """The sentence says that no row has a label, and where its rule is."""
    pipeline, frame = make_pipeline(), make_frame().assign(label=np.nan)

    with pytest.raises(
        TrainingImpossible, match=r"label 'label' null in all 600 rows; check its rule in features\.sql"
    ):
        check_trainable(pipeline, frame, _split(pipeline, frame))


@pytest.mark.parametrize(
    ("task", "changes", "sentence"),
    [
        pytest.param(
            "regression",
            {"noise": np.nan},
            r"no value of 'noise' in any of the 450 training rows; correct features\.sql, or name it in "
            r"features\.exclude$",
            id="a feature without a value",
        ),
        pytest.param(
            "regression", {"noise": np.nan, "store": None}, "no value of 'noise', 'store' in any", id="two of them"
        ),
        pytest.param(
            "regression",
            {"noise": np.where(np.arange(600) < 3, -np.inf, 1.0)},
            r"'noise' infinite in 3 of 600 rows; divide by nullif\(\.\.\., 0\) in features\.sql",
            id="an infinite feature",
        ),
        pytest.param(
            "regression",
            {"store": [f"ticket {number}" for number in range(600)]},
            r"a different value of 'store' in each of 450 training rows, .*features\.exclude$",
            id="text that names the row",
        ),
        pytest.param(
            "regression",
            {"label": 3.0},
            "'label' is 3 in all 450 training rows, .* nothing to predict",
            id="a constant label",
        ),
        pytest.param(
            "regression",
            {"label": "high"},
            r"must be a number for the task regression, and is 'high' in a row; set it to a number in features\.sql$",
            id="text to predict as a number",
        ),
        pytest.param(
            "binary",
            {"label": "yes"},
            r"must be a number for the task binary, and is 'yes' in a row; .* or training\.task to multiclass$",
            id="text to predict as 0 and 1",
        ),
        pytest.param(
            "multiclass",
            {"label": np.linspace(0, 1, 600)},
            "must be text or a whole number in every row for the task multiclass",
            id="fractions as classes",
        ),
        pytest.param(
            "multiclass",
            {"label": np.arange(600)},
            "has 600 classes in 450 training rows, and each class needs about 10 rows",
            id="numbers as classes",
        ),
        pytest.param(
            "multiclass",
            {"label": "one"},
            "is 'one' in all 450 training rows, .* nothing to distinguish",
            id="a single class",
        ),
    ],
)
def test_unusable_columns_are_refused(
    task: str, changes: dict[str, Any], sentence: str, make_pipeline: MakePipeline, make_frame: MakeFrame
) -> None:
    """The sentence names the column, the number of rows, and what to do."""
    pipeline, frame = make_pipeline(task), make_frame(task).assign(**changes)

    with pytest.raises(TrainingImpossible, match=rf"^shop: .*{sentence}"):
        check_trainable(pipeline, frame, _split(pipeline, frame))


def test_an_excluded_column_is_not_checked(make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """The advice of the sentences works."""
    pipeline = make_pipeline()
    features = pipeline.features.model_copy(update={"exclude": ["noise", "store"]})
    pipeline = pipeline.model_copy(update={"features": features})
    frame = make_frame().assign(noise=np.inf, store=None)

    check_trainable(pipeline, frame, _split(pipeline, frame))


def test_an_automated_feature_may_be_empty(make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """Nobody wrote it, so nobody has to correct it; models ignore it."""
    made = {"of_sales": {"source": "sales", "by": ["store"], "values": ["visitors"], "windows_days": [7]}}
    pipeline = make_pipeline()
    fields = pipeline.features.model_dump() | {"automated": {"aggregates": made}}
    features = type(pipeline.features).model_validate(fields)
    automated = pipeline.model_copy(update={"features": features})
    frame = make_frame().assign(of_sales_visitors_mean_7d=np.nan)

    check_trainable(automated, frame, _split(automated, frame))
    with pytest.raises(TrainingImpossible, match="no value of 'of_sales_visitors_mean_7d'"):
        check_trainable(pipeline, frame, _split(pipeline, frame))


@pytest.mark.parametrize(
    ("first", "last", "sentence"),
    [
        pytest.param(0, 20, "fold 1 of 2 has 1 of the 2 classes among its 160 rows to fit on", id="none to fit on"),
        pytest.param(
            31, 45, "fold 2 of 2 has 1 of the 2 classes among its 140 rows to validate on", id="none to validate on"
        ),
    ],
)
def test_a_class_that_a_fold_lacks_is_refused(
    first: int, last: int, sentence: str, make_pipeline: MakePipeline, make_frame: MakeFrame
) -> None:
    """A fold with one class has no score, and the sentence names its days."""
    pipeline, frame = make_pipeline("binary"), make_frame("binary")
    day = (frame["prediction_time"] - pd.Timestamp(factories.FIRST_DAY)).dt.days
    frame.loc[day.between(first, last), "label"] = 0.0

    with pytest.raises(TrainingImpossible, match=rf"^shop: {sentence}, from 2024-0.*lower training\.tuning\.folds"):
        check_trainable(pipeline, frame, _split(pipeline, frame))


@pytest.mark.parametrize(("metric", "accepted"), [("log_loss", True), ("roc_auc_ovr", False)])
def test_a_rare_class_is_refused_only_if_its_absence_leaves_no_score(
    metric: str, accepted: bool, make_pipeline: MakePipeline, make_frame: MakeFrame
) -> None:
    """A class that a fold lacks gets probability 0, but the mean over classes needs all of them."""
    pipeline, frame = make_pipeline("multiclass", metric=metric), make_frame("multiclass")
    frame.loc[frame["prediction_time"] >= "2024-02-01", "label"] = "small"
    frame.loc[frame.index[::7], "label"] = "middle"
    split = _split(pipeline, frame)

    if accepted:
        check_trainable(pipeline, frame, split)
        return
    with pytest.raises(TrainingImpossible, match=r"has 2 of the 3 classes among its .* rows to validate on"):
        check_trainable(pipeline, frame, split)


TUNED_FOR = [(task, metric) for task in METRICS for metric in METRICS[task] if metric != "calibration_error"]
FOLD_2, HOLDOUT = slice(310, 450), slice(460, 600)


@pytest.mark.parametrize("part", [FOLD_2, HOLDOUT], ids=["fold", "holdout"])
@pytest.mark.parametrize(("task", "metric"), TUNED_FOR)
@pytest.mark.parametrize("fault", ["one value", "a zero", "only zeros", "a class is missing"])
def test_a_metric_that_no_model_can_have_is_refused_before_the_search(
    task: str, metric: str, fault: str, part: slice, make_pipeline: MakePipeline, make_frame: MakeFrame
) -> None:
    """With mape and a label of 0, the search used all its seconds and then said that no trial finished.

    For each metric and each kind of label that it may lack a value on, a fold and the holdout are refused exactly where
    a perfect prediction has no value, and the sentence says where.
    """
    more = {"horizon_days": 1} if task == "forecasting" else {}
    pipeline, frame = make_pipeline(task, metric=metric, **more), make_frame(task)
    labels = frame["label"].copy()
    rows = labels.index[part]
    if fault == "one value":
        labels[rows] = labels[rows[0]]
    elif fault == "a class is missing":
        labels[rows] = labels[rows].replace({labels[rows[0]]: next(each for each in labels if each != labels[rows[0]])})
    elif task == "multiclass":
        return
    else:
        labels[rows[:1] if fault == "a zero" else rows] = 0.0
    frame["label"] = labels
    classes = class_list(labels) if task == "multiclass" else None
    y = encode_target(pipeline.training, labels[rows], classes)
    perfect = y if classes is None else np.eye(len(classes))[y.astype("int64")]
    split = _split(pipeline, frame)

    if math.isfinite(Metric.of(pipeline.training).value(y, perfect)):
        check_trainable(pipeline, frame, split)
        return
    where = "fold 2 of 2" if part == FOLD_2 else "the holdout"
    with pytest.raises(
        TrainingImpossible, match=rf"^shop: ({metric} is undefined on the labels of )?{where}(,| has \d of the)"
    ):
        check_trainable(pipeline, frame, split)


def test_a_label_of_0_under_mape_is_one_sentence(make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """The sentence names the metric, the days, the number of labels, the reason, and what to do."""
    pipeline, frame = make_pipeline(metric="mape"), make_frame().assign(label=np.arange(600) % 2)

    with pytest.raises(
        TrainingImpossible,
        match=r"^shop: mape is undefined on the labels of fold 1 of 2, 2024-01-18 to 2024-01-31, for any model: "
        r"a share of a label that is 0 is not defined, and wape has no such limit; 70 of 140 are 0; set "
        r"training\.metric to wape or mae, or leave out rows whose label is 0 in features\.sql$",
    ):
        check_trainable(pipeline, frame, _split(pipeline, frame))


def test_a_class_of_the_holdout_alone_is_refused(make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """The mean over classes needs rows of each class in every fold, and the folds lack the new one."""
    pipeline, frame = make_pipeline("multiclass", metric="roc_auc_ovr"), make_frame("multiclass")
    frame.loc[frame.index[-20:], "label"] = "huge"

    with pytest.raises(TrainingImpossible, match=r"roc_auc_ovr is undefined on the labels of fold 1 of 2"):
        check_trainable(pipeline, frame, _split(pipeline, frame))


@pytest.mark.parametrize(("label", "sentence"), [(2.0, "must be 0 or 1 for the task binary"), (np.inf, "is infinite")])
def test_labels_of_the_holdout_are_checked_too(
    label: float, sentence: str, make_pipeline: MakePipeline, make_frame: MakeFrame
) -> None:
    """A label that does not fit the task is refused on either side of the split."""
    pipeline, frame = make_pipeline("binary"), make_frame("binary")
    frame.loc[frame.index[-1], "label"] = label

    with pytest.raises(TrainingImpossible, match=sentence):
        check_trainable(pipeline, frame, _split(pipeline, frame))


def test_groups_that_appear_every_day_leave_no_training_row(make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """The sentence names the column whose groups were left out of training."""
    pipeline, frame = make_pipeline(group="patient"), make_frame()
    frame["patient"] = np.arange(len(frame)) % 10

    with pytest.raises(TrainingImpossible, match=r"has 0 labelled rows from .* whose patient is not in the holdout"):
        check_trainable(pipeline, frame, _split(pipeline, frame))


def test_groups_that_leave_a_fold_empty_are_refused(make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """Groups may be new in the holdout and still repeat on all earlier days."""
    pipeline, frame = make_pipeline(group="patient"), make_frame()
    held_out = frame["prediction_time"] >= "2024-02-15"
    frame["patient"] = np.arange(len(frame)) % 10 + 100 * held_out

    with pytest.raises(TrainingImpossible, match=r"fold 1 of 2 has no row to fit on, since every patient appears"):
        check_trainable(pipeline, frame, _split(pipeline, frame))


def test_candidates_that_cannot_be_built_are_refused_first(make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """The sentence names the pipeline, the entry and the path; a check of the configuration says the same."""
    pipeline = make_pipeline(own_candidates={"mine": {"estimator": "nowhere.Found"}})
    frame = make_frame()

    for check in (check_candidates, lambda each: check_trainable(each, frame, _split(each, frame))):
        with pytest.raises(ConfigError, match=r"^shop: training\.own_candidates\.mine: nowhere\.Found cannot be"):
            check(pipeline)
