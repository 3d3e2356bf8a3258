"""A pipeline and a feature table, for every task."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from include.config.pipeline import Pipeline
from tests import factories

MakePipeline = Callable[..., Pipeline]
MakeFrame = Callable[..., pd.DataFrame]


@pytest.fixture
def make_pipeline() -> MakePipeline:
    """Return a function that makes the shop's pipeline for a task, with some fields of `training` changed."""

    def make(task: str = "regression", **training: Any) -> Pipeline:
        fields = yaml.safe_load(factories.SHOP_YAML)
        metric = {"binary": "roc_auc", "multiclass": "log_loss"}.get(task, "mae")
        fields["training"] |= {"task": task, "metric": metric} | training
        fields["features"] = {"key": ["row"], "label": "label"}
        pipeline = Pipeline.model_validate(fields)
        pipeline._folder = Path("shop")
        return pipeline

    return make


@pytest.fixture
def make_frame() -> MakeFrame:
    """Return a function that makes a feature table with missing numbers and missing categories."""
    return untidy_frame


def untidy_frame(task: str = "regression", days: int = 60, rows_per_day: int = 10, seed: int = 7) -> pd.DataFrame:
    """Return a feature table with missing numbers and missing categories."""
    draw = np.random.default_rng(seed)
    count = days * rows_per_day
    signal, noise = draw.normal(size=count), draw.normal(size=count)
    store = draw.choice(["north", "south", "west"], count).astype(object)
    value = 100 + 20 * signal + 10 * (store == "west") + noise
    sparse = np.where(draw.random(count) < 0.2, np.nan, signal)
    store[draw.random(count) < 0.1] = None
    sizes = np.array(["small", "middle", "large"], dtype=object)[np.digitize(value, [90, 110])]
    first = pd.Timestamp(factories.FIRST_DAY)
    return pd.DataFrame(
        {
            "row": [f"row-{number}" for number in range(count)],
            "prediction_time": first + pd.to_timedelta(np.repeat(np.arange(days), rows_per_day), unit="D"),
            "label": {"binary": (value > 100).astype("float64"), "multiclass": sizes}.get(task, value),
            "signal": sparse,
            "noise": noise,
            "holiday": draw.random(count) < 0.1,
            "store": store,
        }
    )


@pytest.fixture(autouse=True)
def forked_reload() -> None:
    """Start the fresh process of a reload, as a run does: these are its own tests."""
