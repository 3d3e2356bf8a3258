"""Disturbed frames have the types that the features query would give them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from include.evaluation.perturbed_rows import UNSEEN, holds_text, with_missing, with_noise, with_nulls, with_unseen

COLUMNS = {
    "text": pa.array(["a", "b", "c", "d"]),
    "whole": pa.array([1, 2, 3, 4], pa.int64()),
    "small": pa.array([1, 2, 3, 255], pa.uint8()),
    "float": pa.array([0.5, 1.5, 2.5, 3.5]),
    "single": pa.array([0.5, 1.5, 2.5, 3.5], pa.float32()),
    "truth": pa.array([True, False, True, False]),
    "known truth": pa.array([True, None, True, False]),
}


def _draw() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture
def frame() -> pd.DataFrame:
    """Return a frame with a column of each type, as a feature table gives it."""
    return pa.table(COLUMNS).to_pandas()


@pytest.mark.parametrize("null", [[False, True, False, False], [True] * 4], ids=["a null", "nothing but nulls"])
@pytest.mark.parametrize("name", COLUMNS)
def test_nulls_are_as_arrow_gives_them(name: str, null: list[bool], frame: pd.DataFrame) -> None:
    """A column with nulls has values and type of the same column had the lake held nulls."""
    cells = [None if is_null else value for value, is_null in zip(COLUMNS[name].to_pylist(), null, strict=True)]
    from_lake = pa.table({name: pa.array(cells, COLUMNS[name].type)}).to_pandas()[name]

    pd.testing.assert_series_equal(with_nulls(frame[name], np.array(null)), from_lake)


def test_a_twentieth_of_the_features_cells_is_null(frame: pd.DataFrame) -> None:
    """About the requested share of cells is null, only in features, and the frame itself is unchanged."""
    many = pd.concat([frame] * 500, ignore_index=True)

    nulls = with_missing(many, ["text", "whole", "truth"], _draw()).isna().mean()

    assert nulls[["text", "whole", "truth"]].between(0.04, 0.06).all()
    assert nulls[["small", "float"]].eq(0).all()
    assert many[["text", "whole", "truth"]].notna().all(axis=None)


def test_only_columns_of_text_take_a_new_text(frame: pd.DataFrame) -> None:
    """Truth values that may be null are objects as text once was, and no text can come in them."""
    assert [name for name in COLUMNS if holds_text(frame[name])] == ["text"]
    assert holds_text(frame["text"].astype(object))
    assert not holds_text(frame["known truth"])

    unseen = with_unseen(frame, ["text"])

    assert (unseen["text"] == UNSEEN).all()
    assert unseen.dtypes.equals(frame.dtypes)


def test_noise_is_small_and_keeps_types(frame: pd.DataFrame) -> None:
    """Numbers move by a hundredth of what they vary by; whole numbers stay whole and small types do not overflow."""
    many = pd.concat([frame] * 500, ignore_index=True)
    many["minutes"] = np.arange(len(many)) + 1
    names = ["whole", "small", "float", "single", "truth", "minutes"]

    noisy = with_noise(many, names, _draw())

    assert noisy.dtypes.equals(many.dtypes)
    moved = (noisy["float"] - many["float"]).std() / many["float"].std()
    assert moved == pytest.approx(0.01, rel=0.1)
    assert (noisy["whole"] == many["whole"]).all()  # a hundredth of a weekday is none
    assert (noisy["minutes"] != many["minutes"]).mean() > 0.9
    assert noisy["small"].between(1, 255).all()
    assert (noisy["small"].astype(int) >= many["small"].astype(int) - 10).all()  # 255 and a little more is not 0
    assert (noisy["truth"] == many["truth"]).all()


def test_noise_leaves_zeros_and_unknown_values() -> None:
    """A 0 stays 0, a null stays null, and a column without values is unchanged."""
    rain = pd.Series([0.0, 0.0, np.nan, 1.25, np.inf])
    frame = pd.DataFrame({"rain": rain, "nothing": np.nan})

    noisy = with_noise(frame, ["rain", "nothing"], _draw())

    assert noisy["rain"].eq(0).tolist() == [True, True, False, False, False]
    assert noisy["rain"].isna().tolist() == [False, False, True, False, False]
    assert noisy["rain"][3] != 1.25
    assert noisy["nothing"].isna().all()
