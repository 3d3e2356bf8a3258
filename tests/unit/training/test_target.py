"""Labels become numbers for the search, and the final model has the original labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from include.core.errors import TrainingImpossible
from include.training.target import class_list, encode_target, native_target

if TYPE_CHECKING:
    from tests.unit.training.conftest import MakePipeline


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        pytest.param(["b", None, "a", "b"], ["a", "b"], id="text"),
        pytest.param(pd.array(["b", None, "a"], dtype="str"), ["a", "b"], id="text as the lake is read"),
        pytest.param([10.0, np.nan, 2.0, 10.0], [2, 10], id="whole numbers with a gap"),
        pytest.param(pd.array([10, None, 2], dtype="Int64"), [2, 10], id="nullable whole numbers"),
        pytest.param([True, False, None], [0, 1], id="booleans"),
        pytest.param([None, None], [], id="nothing known"),
    ],
)
def test_classes_are_the_known_labels_in_order(labels: Any, classes: list[Any]) -> None:
    """Each label appears once, sorted, as text or as an integer that JSON can hold."""
    found = class_list(pd.Series(labels))

    assert found == classes
    assert [type(each) for each in found] == [type(each) for each in classes]


@pytest.mark.parametrize("labels", [[0.5, 1.0], ["a", 1], [np.inf, 1.0]], ids=["fraction", "both kinds", "infinite"])
def test_labels_that_are_no_classes_are_refused(labels: list[Any]) -> None:
    """The sentence names the label, shows the values found, and suggests the task regression."""
    with pytest.raises(TrainingImpossible, match=r"'size' must be text or a whole .* training\.task to regression$"):
        class_list(pd.Series(labels, name="size"))


def test_classes_become_their_positions(make_pipeline: MakePipeline) -> None:
    """An unknown label, or one that is no class, is NaN."""
    training = make_pipeline("multiclass").training

    text = encode_target(training, pd.Series(["b", None, "a", "c"]), ["a", "b"])
    numbers = encode_target(training, pd.Series([7.0, np.nan, 3.0]), [3, 7])

    assert np.array_equal(text, [1, np.nan, 0, np.nan], equal_nan=True)
    assert np.array_equal(numbers, [1, np.nan, 0], equal_nan=True)
    assert text.dtype == numbers.dtype == "float64"


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_numbers_and_booleans_become_floats(task: str, make_pipeline: MakePipeline) -> None:
    """Every numeric type becomes the same float64, and NaN if the label is unknown."""
    training = make_pipeline(task).training

    for labels in (pd.Series([1.0, None, 0.0]), pd.Series([True, None, False]), pd.array([1, None, 0], dtype="Int64")):
        found = encode_target(training, pd.Series(labels), None)
        assert np.array_equal(found, [1, np.nan, 0], equal_nan=True)
        assert found.dtype == "float64"


@pytest.mark.parametrize(
    ("task", "labels", "native", "kind"),
    [
        pytest.param("binary", [1.0, 0.0], [1, 0], "i", id="binary"),
        pytest.param("multiclass", ["b", "a"], ["b", "a"], "U", id="text"),
        pytest.param("multiclass", [3.0, 7.0], [3, 7], "i", id="whole numbers"),
        pytest.param("regression", [1, 2], [1.0, 2.0], "f", id="regression"),
    ],
)
def test_a_final_model_is_fitted_on_labels_as_they_are(
    task: str, labels: list[Any], native: list[Any], kind: str, make_pipeline: MakePipeline
) -> None:
    """Text stays text, whole numbers become integers, and no array holds Python objects."""
    found = native_target(make_pipeline(task).training, pd.Series(labels))

    assert found.tolist() == native
    assert found.dtype.kind == kind
