"""Automated features are kept if they help on later rows, and dropped with a reason if they do not."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from include.config.pipeline import Pipeline
from include.core.errors import TrainingImpossible
from include.features.automated import automated_names
from include.training import select
from include.training.select import Comparison, Selection, select_features
from include.training.split import split_by_time
from tests import factories

if TYPE_CHECKING:
    from include.training.split import Split

DAYS, ROWS_PER_DAY = 60, 25


def make_pipeline(task: str = "regression", **training: Any) -> Pipeline:
    """Return a pipeline whose automated features are means of some columns of its sales."""
    metric = {"regression": "mae", "binary": "roc_auc", "multiclass": "accuracy"}[task]
    columns = {"sale": "integer", "store": "string", "at": "timestamp"} | dict.fromkeys(
        ["useful", "noise", "still", "void"], "float"
    )
    made = {
        "source": "sales",
        "by": ["store"],
        "values": ["useful", "noise", "still", "void"],
        "windows_days": [7],
        "functions": ["mean"],
    }
    pipeline = Pipeline.model_validate(
        {
            "description": "What will each store take?",
            "owner": "shop-team",
            "sources": {
                "sales": {
                    "kind": "sql",
                    "connection": "shop",
                    "query": "sales.sql",
                    "key": ["sale"],
                    "available_at": "at",
                    "columns": columns,
                }
            },
            "features": {"key": ["row"], "label": "label", "automated": {"aggregates": {"seen": made}}},
            "training": {"task": task, "metric": metric, "holdout_days": 10, "tuning": {"folds": 2}, "seed": 7}
            | training,
            "gate": {"minimum": 50},
        }
    )
    pipeline._folder = Path("shop")
    return pipeline


def make_frame(task: str = "regression", seed: int = 7) -> pd.DataFrame:
    """Return rows whose label depends on `seen_useful_mean_7d`, sometimes null, and on a column of the query."""
    draw = np.random.default_rng(seed)
    count = DAYS * ROWS_PER_DAY
    plain, useful = draw.normal(size=count), draw.normal(size=count)
    value = 100 + 5 * plain + 10 * useful + draw.normal(size=count)
    label: Any = value
    if task == "binary":
        label = (value > 100).astype("float64")
    elif task == "multiclass":
        label = np.select([value < 95, value < 105], ["low", "middle"], "high").astype(object)
    first = pd.Timestamp(factories.FIRST_DAY)
    return pd.DataFrame(
        {
            "row": [f"row-{number}" for number in range(count)],
            "prediction_time": first + pd.to_timedelta(np.repeat(np.arange(DAYS), ROWS_PER_DAY), unit="D"),
            "label": label,
            "plain": plain,
            "city": draw.choice(["north", "south"], count).astype(object),
            "shop": [f"shop-{number}" for number in draw.integers(0, 40, count)],
            "seen_useful_mean_7d": np.where(draw.random(count) < 0.1, np.nan, useful),
            "seen_noise_mean_7d": draw.normal(size=count),
            "seen_still_mean_7d": 5.0,
            "seen_void_mean_7d": np.nan,
        }
    )


def split_of(pipeline: Pipeline, frame: pd.DataFrame) -> Split:
    """Return the training rows and the holdout."""
    through = factories.FIRST_DAY + timedelta(days=DAYS - 1)
    return split_by_time(
        frame["prediction_time"].to_numpy(), frame["label"].notna().to_numpy(), pipeline.training, through
    )


def choose(frame: pd.DataFrame, task: str = "regression", **training: Any) -> Selection:
    """Select among the automated features of a frame."""
    pipeline = make_pipeline(task, **training)
    return select_features(pipeline, frame, split_of(pipeline, frame))


def reasons(selection: Selection) -> dict[str, str]:
    """Return why each dropped feature was dropped."""
    return {each.feature: each.reason or "" for each in selection.dropped}


@pytest.mark.parametrize("task", ["regression", "binary", "multiclass"])
def test_what_helps_is_kept_and_what_does_not_is_dropped(task: str) -> None:
    """A planted useful feature is kept and noise is dropped, for every task."""
    selection = choose(make_frame(task), task)

    assert selection.kept == ["seen_useful_mean_7d"]
    assert set(reasons(selection)) == {"seen_noise_mean_7d", "seen_still_mean_7d", "seen_void_mean_7d"}
    assert selection.measured is not None
    assert selection.measured.with_kept < selection.measured.without


@pytest.mark.parametrize("metric", ["rmse", "wape", "pinball", "r2"])
def test_every_regression_metric_finds_the_useful_feature(metric: str) -> None:
    """A metric that is no loss is replaced by the nearest loss."""
    assert choose(make_frame(), metric=metric, quantile=0.8).kept == ["seen_useful_mean_7d"]


def test_each_dropped_feature_says_why() -> None:
    """The reason of a constant feature names its value, and a measured feature has its measurements."""
    selection = choose(make_frame())

    why = reasons(selection)
    assert why["seen_still_mean_7d"] == "is 5 in every row"
    assert why["seen_void_mean_7d"] == "is null in every row"
    information = {each.feature: each.mutual_information for each in selection.dropped}
    assert information["seen_still_mean_7d"] is None
    assert (information["seen_noise_mean_7d"] or 0) >= 0


def test_most_noise_is_dropped() -> None:
    """With thirty seeds, pure noise is kept by chance five times at most, and then it did no harm on later rows."""
    kept = 0
    for seed in range(30):
        frame = make_frame(seed=seed).assign(seen_useful_mean_7d=0.0)
        selection = choose(frame)
        kept += bool(selection.kept)
        if selection.kept:
            assert selection.measured is not None
            assert selection.measured.with_kept <= selection.measured.without

    assert kept <= 5


def test_a_feature_that_misleads_on_later_rows_is_dropped() -> None:
    """A feature whose relation to the label has reversed on recent rows is not used."""
    frame = make_frame()
    turned = frame["prediction_time"] >= pd.Timestamp(factories.FIRST_DAY) + pd.Timedelta(days=39)
    frame.loc[turned, "seen_useful_mean_7d"] *= -1

    selection = choose(frame)

    assert selection.kept == []
    assert "can be permuted without making the predictions" in reasons(selection)["seen_useful_mean_7d"]


def test_all_are_dropped_if_predictions_are_better_without_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Features may each look useful beside the others and still do harm together."""
    monkeypatch.setattr(
        "include.training.quick_model.QuickModel.score",
        lambda self, names: 2.0 if "seen_useful_mean_7d" in names else 1.5,
    )

    selection = choose(make_frame())

    assert selection.kept == []
    assert "remaining features (mae 2, and 1.5 without them)" in reasons(selection)["seen_useful_mean_7d"]
    assert selection.measured == Comparison("mae", with_kept=2.0, without=1.5)


def test_rows_of_the_holdout_are_not_used() -> None:
    """The selection is the same whatever the holdout contains."""
    frame = make_frame()
    pipeline = make_pipeline()
    split = split_of(pipeline, frame)
    other = frame.copy()
    other.loc[split.holdout, ["label", "seen_useful_mean_7d", "seen_noise_mean_7d"]] = 1e6

    assert select_features(pipeline, other, split) == select_features(pipeline, frame, split)


def test_the_same_seed_selects_the_same() -> None:
    """The measurements are the same to the last bit; another seed compares with other shuffled copies."""
    first, second, other = choose(make_frame()), choose(make_frame()), choose(make_frame(), seed=8)

    assert first == second
    assert first.kept == other.kept


def test_a_feature_that_only_identifies_groups_is_dropped() -> None:
    """A feature that lets a model remember each group's level helps with known groups only."""
    frame, draw = make_frame(), np.random.default_rng(5)
    early = frame["prediction_time"] < pd.Timestamp(factories.FIRST_DAY) + pd.Timedelta(days=38)
    shop = np.where(early & (draw.random(len(frame)) < 0.5), draw.integers(0, 20, len(frame)), 20)
    shop = np.where(shop == 20, draw.integers(20, 40, len(frame)), shop)
    frame["shop"] = [f"shop-{each}" for each in shop]
    frame["label"] += draw.normal(0, 60, 40)[shop]
    frame["seen_noise_mean_7d"] = draw.permutation(40).astype("float64")[shop]

    assert "seen_noise_mean_7d" in choose(frame).kept
    assert "seen_noise_mean_7d" in reasons(choose(frame, group="shop"))


def test_a_table_that_no_model_can_be_trained_on_is_refused() -> None:
    """The selection is the first step that fits a model, so it is the first to refuse the table."""
    frame = make_frame().assign(label=1.0)

    with pytest.raises(TrainingImpossible, match=r"^shop: "):
        choose(frame)


def test_features_of_the_query_are_never_dropped() -> None:
    """A person asked for the columns of features.sql, so only automated features are judged."""
    frame = make_frame().assign(plain=0.0)

    assert "plain" not in {*reasons(choose(frame)), *choose(frame).kept}


def test_without_a_defined_loss_informative_features_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the last fold has one class only, no loss is defined, and features with mutual information are kept."""
    monkeypatch.setattr(select, "check_trainable", lambda *_: None)  # it would refuse such a fold
    frame = make_frame("multiclass")
    last = frame["prediction_time"] >= pd.Timestamp(factories.FIRST_DAY) + pd.Timedelta(days=38)
    frame.loc[last, "label"] = "high"

    selection = choose(frame, "multiclass")

    assert "seen_useful_mean_7d" in selection.kept
    assert selection.measured is None


def test_the_selection_is_json() -> None:
    """The step writes it into the folder of the run."""
    import json

    selection = choose(make_frame())

    assert Selection.from_json(json.loads(json.dumps(selection.to_json()))) == selection


def test_the_frame_of_these_tests_has_the_pipelines_features() -> None:
    """The names are those that the build gives."""
    assert set(automated_names(make_pipeline())) <= set(make_frame().columns)
