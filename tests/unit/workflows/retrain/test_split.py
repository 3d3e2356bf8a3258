"""A run's rows are split by their known labels, and missing labels are counted."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from include.config.loader import load_pipeline
from include.workflows.retrain.split import label_coverage, split_rows
from tests import factories

if TYPE_CHECKING:
    from pathlib import Path

    from include.config.pipeline import Pipeline

AS_OF = date(2024, 3, 31)
TIMES = pd.date_range("2023-12-24", "2024-03-31 23:00", freq="h")
IN_HOLDOUT = TIMES >= "2024-03-18"


def _shop(shop: Path) -> Pipeline:
    settings = factories.SHOP_YAML.replace("  minimum: 50\n", "  minimum: 50\n  slices: [store]\n")
    factories.write_shop(shop.parent, pipeline=settings)
    return load_pipeline("shop")


def _frame(known: np.ndarray) -> pd.DataFrame:
    store = np.where(np.arange(len(TIMES)) % 4 == 0, "west", "east")
    return pd.DataFrame({"prediction_time": TIMES, "store": store, "revenue": np.where(known, 5.0, np.nan)})


def test_where_each_label_is_known_none_is_missing(shop: Path) -> None:
    """The holdout ends as many days before the as-of day as labels take."""
    pipeline, frame = _shop(shop), _frame(np.full(len(TIMES), True))
    split = split_rows(pipeline, frame, AS_OF)

    found = label_coverage(pipeline, frame, split)

    assert (split.holdout_start, split.holdout_end) == ("2024-03-17", "2024-03-30")
    assert (found.all.rows, found.all.labelled, found.all.usual, found.left_out) == (14 * 24, 14 * 24, 1.0, [])


def test_days_without_labels_at_the_end_are_left_out(shop: Path) -> None:
    """All labels of the last days are missing, and the result names these days."""
    pipeline, frame = _shop(shop), _frame(TIMES < "2024-03-29")

    found = label_coverage(pipeline, frame, split_rows(pipeline, frame, AS_OF))

    assert (found.all.rows, found.all.labelled) == (14 * 24, 14 * 24)
    assert (found.left_out, found.left_out_rows) == (["2024-03-29", "2024-03-30"], 48)


def test_missing_labels_of_one_slice_are_counted(shop: Path) -> None:
    """Three of four rows of each day are known, so that no day lacks its labels, and of one store none."""
    west = np.arange(len(TIMES)) % 4 == 0
    pipeline, frame = _shop(shop), _frame(~(west & IN_HOLDOUT))
    pipeline = pipeline.model_copy(update={"gate": pipeline.gate.model_copy(update={"min_slice_rows": 50})})

    found = label_coverage(pipeline, frame, split_rows(pipeline, frame, AS_OF))

    assert found.left_out == []
    assert (found.slices[0].name, found.slices[0].labelled) == ("store = west", 6)  # those of the first day
