"""Which columns are features."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest

from include.core.errors import TrainingImpossible
from include.training.columns import feature_columns, groups_of

if TYPE_CHECKING:
    from tests.unit.training.conftest import MakeFrame, MakePipeline


def test_key_time_and_label_are_no_features(make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """All other columns are features, numbers and booleans before text."""
    columns = feature_columns(make_pipeline(), make_frame())

    assert columns.numeric == ["signal", "noise", "holiday"]
    assert columns.categorical == ["store"]
    assert columns.all == ["signal", "noise", "holiday", "store"]


def test_an_excluded_column_is_kept_out(make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """A column in features.exclude stays in the table and out of the model, whatever its type."""
    pipeline = make_pipeline()
    features = pipeline.features.model_copy(update={"exclude": ["noise", "store", "seen_at"]})
    pipeline = pipeline.model_copy(update={"features": features})
    frame = make_frame().assign(seen_at=pd.Timestamp("2024-01-01", tz="UTC"))

    assert feature_columns(pipeline, frame).all == ["signal", "holiday"]


def test_the_order_is_the_tables_order(make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """Numbers and text each keep the order of the feature query."""
    frame = make_frame()[["store", "noise", "label", "row", "signal"]].assign(city="Bergen")

    assert feature_columns(make_pipeline(), frame).all == ["noise", "signal", "store", "city"]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        pytest.param(pd.Timestamp("2024-01-01", tz="UTC"), "datetime64", id="time"),
        pytest.param(pd.Timedelta("1h"), "timedelta64", id="duration"),
    ],
)
def test_a_column_that_is_neither_number_nor_text_is_refused(
    values: object, kind: str, make_pipeline: MakePipeline, make_frame: MakeFrame
) -> None:
    """The sentence names the column, its type, and both remedies."""
    frame = make_frame().assign(seen=values)

    with pytest.raises(TrainingImpossible, match=rf"shop: .*'seen' \({kind}.*features\.sql.*features\.exclude"):
        feature_columns(make_pipeline(), frame)


@pytest.mark.parametrize("dtype", ["int64", "Int64", "float32", "bool", "boolean", "uint8"])
def test_every_kind_of_number_is_numeric(dtype: str, make_pipeline: MakePipeline) -> None:
    """Integers, floats and booleans, nullable or not, are numeric features."""
    frame = pd.DataFrame({"value": pd.array([1, 0, 1], dtype=dtype)})

    assert feature_columns(make_pipeline(), frame).numeric == ["value"]


@pytest.mark.parametrize("dtype", ["object", "string"])
def test_every_kind_of_text_is_categorical(dtype: str, make_pipeline: MakePipeline) -> None:
    """Text is a categorical feature in every pandas type."""
    frame = pd.DataFrame({"value": pd.array(["a", None, "b"], dtype=dtype)})

    assert feature_columns(make_pipeline(), frame).categorical == ["value"]


def test_the_group_is_no_feature(make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """The column that separates the splits would show a model which rows belong together."""
    frame = make_frame().assign(patient="one")

    assert "patient" in feature_columns(make_pipeline(), frame).all
    assert "patient" not in feature_columns(make_pipeline(group="patient"), frame).all


def test_groups_are_numbered(make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """Rows of one group share a number; without training.group there are no numbers."""
    frame = make_frame().iloc[:3].assign(patient=["a", "b", "a"])

    groups = groups_of(make_pipeline(group="patient"), frame)

    assert groups is not None
    assert groups.tolist() == [0, 1, 0]
    assert groups_of(make_pipeline(), frame) is None


def test_a_group_that_is_missing_is_refused(make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """The sentence names the column and the query that should select it."""
    with pytest.raises(
        TrainingImpossible, match=r"^shop: training\.group is 'patient', .* no such column; select it in features\.sql"
    ):
        groups_of(make_pipeline(group="patient"), make_frame())


def test_a_row_without_a_group_is_refused(make_pipeline: MakePipeline, make_frame: MakeFrame) -> None:
    """Null is no group of its own, and the sentence counts such rows."""
    frame = make_frame()

    with pytest.raises(
        TrainingImpossible, match=rf"'store', which is null in {frame['store'].isna().sum()} of 600 rows"
    ):
        groups_of(make_pipeline(group="store"), frame)
