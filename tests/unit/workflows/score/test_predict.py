"""A champion predicts by its task; rows that it cannot predict are one sentence."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import yaml
from sklearn.linear_model import LinearRegression, LogisticRegression

from include.config.pipeline import Pipeline
from include.core.errors import ScoringImpossible
from include.registry.champion import Champion
from include.workflows.score.predict import check_inputs, predict_rows
from tests import factories

METRICS = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "mae"}
NUMBERS = pd.DataFrame({"visitors": [0.0, 1.0, 2.0, 3.0, 4.0, 5.0], "weekday": [1, 2, 3, 1, 2, 3]})
KINDS = {"visitors": "number", "weekday": "number"}


def shop(task: str, key: str = "store_day") -> Pipeline:
    """Return a pipeline of a task."""
    fields = yaml.safe_load(factories.SHOP_YAML)
    fields["features"]["key"] = [key]
    fields["training"] |= {"task": task, "metric": METRICS[task]}
    return Pipeline.model_validate(fields)


def champion(threshold: float | None = None) -> Champion:
    """Return a champion."""
    return Champion(
        3,
        "night",
        "linear",
        "0" * 64,
        "models:/m-1",
        date(2024, 1, 4),
        date(2023, 10, 1),
        date(2023, 12, 30),
        threshold,
    )


def rows(count: int = 6, **more: Any) -> pa.Table:
    """Return rows as a feature query returns them."""
    columns: dict[str, Any] = {
        "store_day": pa.array([f"row-{each}" for each in range(count)], pa.string()),
        "prediction_time": pa.array([datetime.fromisoformat("2024-03-21")] * count, pa.timestamp("us")),
        "revenue": pa.array([None] * count, pa.float64()),
        "weekday": pa.array(NUMBERS["weekday"][:count], pa.int64()),
        "visitors": pa.array(NUMBERS["visitors"][:count], pa.float64()),
    }
    return pa.table(columns | more)


def fitted(task: str, labels: list[Any]) -> Any:
    """Return a small model that was fitted on the numbers."""
    kind = LinearRegression if task == "regression" else LogisticRegression
    return kind().fit(NUMBERS, labels)


LABELS: dict[str, list[Any]] = {
    "binary": [0, 0, 0, 1, 1, 1],
    "multiclass": ["low", "low", "mid", "mid", "high", "high"],
    "regression": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
}


def predicted(task: str, labels: list[Any], table: pa.Table | None = None, threshold: float | None = None) -> pa.Table:
    """Return the predictions of a model of a task."""
    table = rows() if table is None else table
    model = fitted(task, labels)
    frame = check_inputs(shop(task), champion(), model, KINDS, table)
    return predict_rows(shop(task), champion(threshold), model, table, frame)


def test_a_number_is_predicted_for_each_row() -> None:
    """With the key, the time and the version, in the order of the rows, and without features or label."""
    found = predicted("regression", LABELS["regression"])

    assert found.schema.names == ["store_day", "prediction_time", "prediction", "model_version"]
    assert found.select(["store_day", "prediction_time"]) == rows().select(["store_day", "prediction_time"])
    assert np.allclose(found["prediction"], LABELS["regression"])
    assert found["model_version"].to_pylist() == [3] * 6
    assert [str(found.schema.field(name).type) for name in ("prediction", "model_version")] == ["double", "int64"]


def test_the_threshold_decides_about_a_probability() -> None:
    """A row counts as positive where its probability is at least the champion's threshold."""
    likely = predicted("binary", LABELS["binary"])["prediction"].to_pylist()
    found = predicted("binary", LABELS["binary"], threshold=likely[3])

    assert found.schema.names == ["store_day", "prediction_time", "prediction", "decision", "model_version"]
    assert likely == sorted(likely)
    assert found["decision"].to_pylist() == [False] * 3 + [True] * 3


def test_without_a_threshold_nothing_is_decided() -> None:
    """The column is there all the same, so that a threshold may come later."""
    found = predicted("binary", LABELS["binary"])

    assert found.schema.field("decision").type == pa.bool_()
    assert found["decision"].to_pylist() == [None] * 6


@pytest.mark.parametrize("labels", [LABELS["multiclass"], [7, 7, 8, 8, 9, 9]], ids=["text", "numbers"])
def test_of_several_classes_the_likeliest_is_told_and_each_probability(labels: list[Any]) -> None:
    """The classes keep their own type, and each row's probabilities sum to one."""
    found = predicted("multiclass", labels)
    each = [f"probability_{name}" for name in sorted(set(labels))]
    together = np.column_stack([found[name] for name in each])

    assert found.schema.names == [
        *("store_day", "prediction_time", "prediction", "predicted_class"),
        *(*each, "model_version"),
    ]
    assert found.schema.field("predicted_class").type == pa.array(labels).type
    assert np.allclose(together.sum(axis=1), 1)
    assert np.array_equal(found["prediction"], together.max(axis=1))
    assert found["predicted_class"].to_pylist() == [sorted(set(labels))[at] for at in together.argmax(axis=1)]


@pytest.mark.parametrize("task", list(LABELS))
def test_no_rows_have_no_predictions_of_the_same_columns(task: str) -> None:
    """A day without rows can be published into the table of the other days."""
    assert predicted(task, LABELS[task], rows(0)).schema == predicted(task, LABELS[task]).schema


def test_the_time_may_be_part_of_the_key() -> None:
    """It is in the predictions once."""
    pipeline, model = shop("regression", "prediction_time"), fitted("regression", LABELS["regression"])
    frame = check_inputs(pipeline, champion(), model, KINDS, rows())
    found = predict_rows(pipeline, champion(), model, rows(), frame)

    assert found.schema.names == ["prediction_time", "prediction", "model_version"]


def check(task: str, table: pa.Table, inputs: dict[str, str] | None = KINDS) -> pd.DataFrame:
    """Hold rows against what a model of a regression takes."""
    return check_inputs(shop(task), champion(), fitted("regression", LABELS["regression"]), inputs, table)


def test_columns_may_come_in_another_order_and_more_of_them() -> None:
    """They are found by name."""
    table = rows(more=["x"] * 6)
    assert list(check("regression", table.select(table.column_names[::-1]))) == ["visitors", "weekday"]


def test_a_column_that_is_gone_is_told() -> None:
    """With the version that needs it, and what to do."""
    with pytest.raises(ScoringImpossible, match=r"version 3, was trained on visitors, which features\.sql no longer"):
        check("regression", rows().drop_columns(["visitors"]))


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (["1", "2", "3", "1", "2", "3"], "string"),
        ([datetime.fromisoformat("2024-01-01")] * 6, r"timestamp\[us\]"),
    ],
)
def test_a_column_of_another_kind_is_told(values: list[Any], told: str) -> None:
    """A text where the model has learned from a number would be read as a number, or not at all."""
    table = rows().set_column(3, "weekday", pa.array(values))
    with pytest.raises(ScoringImpossible, match=f"trained on 'weekday' as number, which is now {told}"):
        check("regression", table)


def test_another_type_of_number_is_the_same_kind() -> None:
    """A column of integers has become one of floats once a null is in it."""
    check("regression", rows().set_column(3, "weekday", pa.array([1.0, None, 3.0, 1.0, 2.0, 3.0])))


def test_a_champion_whose_kinds_are_not_known_is_asked_all_the_same() -> None:
    """A version from before there were signatures is no worse for it."""
    assert list(check("regression", rows(), None)) == ["visitors", "weekday"]


@pytest.mark.parametrize(
    ("trained", "task"), [("regression", "binary"), ("binary", "regression"), ("multiclass", "binary")]
)
def test_a_champion_of_another_task_is_told(trained: str, task: str) -> None:
    """Its numbers would be the answer to another question."""
    with pytest.raises(ScoringImpossible, match=f"trained for another task than {task}.*shop.retrain"):
        check_inputs(named(task), champion(), fitted(trained, LABELS[trained]), KINDS, rows())


def named(task: str) -> Pipeline:
    """Return a pipeline of a task that knows its name."""
    pipeline = shop(task)
    pipeline._folder = Path("shop")
    return pipeline


def test_what_is_no_number_is_not_published() -> None:
    """A model that has gone wrong is told of, with the number of rows."""
    model = fitted("regression", LABELS["regression"])
    model.coef_ = np.array([np.nan, 0.0])
    frame = check("regression", rows())

    with pytest.raises(ScoringImpossible, match="version 3 predicts no finite number for 6 of 6 rows"):
        predict_rows(shop("regression"), champion(), model, rows(), frame)
