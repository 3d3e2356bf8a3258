"""A small seeded world for the gate: rows by day, a champion that learned from few of them, and a judge."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import numpy as np
import pandas as pd

from include.config.pipeline import Pipeline
from include.evaluation import operation
from include.evaluation.collect import ChallengerFacts, ChampionFacts
from include.evaluation.reload import Reload
from include.evaluation.signature import feature_kinds
from include.gate.verdict import Verdict, decide
from include.training import reload
from include.training.candidates import candidates_of
from include.training.fit import fit_model
from include.training.model_file import save_model
from include.workflows.retrain.measure import ChallengerModel, ChampionModel, HoldoutRows, measure_evidence

if TYPE_CHECKING:
    from pathlib import Path

    from include.evaluation.evidence import Evidence
    from include.evaluation.label_coverage import LabelCoverage
    from include.evaluation.refits import Refits
    from include.evaluation.search import SearchProgress

DAYS, HOLDOUT_DAYS, GAP_DAYS = 150, 35, 1
FIRST = date(2024, 1, 1)
NUMERIC = ["price", "distance", "age", "load"]
CATEGORICAL = ["store", "region"]
FEATURES = [*NUMERIC, *CATEGORICAL]
#: How often one row is predicted to measure its time: enough for a median, and a third of the time of a verdict less.
FEW = 5
STORES = ["north", "south", "east", "west"]
#: What a model of these rows has at best is not much more than the champion: 0.75 beside 0.71.
PARAMS = {
    "learning_rate": 0.06,
    "num_leaves": 7,
    "min_child_samples": 40,
    "colsample_bytree": 0.9,
    "subsample": 0.9,
    "reg_alpha": 1e-3,
    "reg_lambda": 5.0,
    "extra_trees": False,
    "categories": "ordered",
    "n_estimators": 80,
}

PIPELINE: dict[str, Any] = {
    "description": "Is a parcel late?",
    "owner": "mutants",
    "history_days": 200,
    "sources": {
        "parcels": {
            "kind": "files",
            "connection": "none",
            "path": "{ds}.csv",
            "key": ["parcel"],
            "available_at": "seen_at",
            "columns": {"parcel": "integer", "seen_at": "timestamp"},
        }
    },
    "features": {"key": ["parcel"], "label": "late"},
    "training": {
        "task": "binary",
        "metric": "roc_auc",
        "window_days": DAYS,
        "holdout_days": HOLDOUT_DAYS,
        "gap_days": GAP_DAYS,
        "candidates": ["lightgbm", "hist_gradient_boosting"],
    },
    "gate": {
        "minimum": 0.6,
        "slices": ["store"],
        "sensitive": ["region"],
        "bootstrap_rounds": 500,
        "limits": {"model_mb": 5, "row_ms": 300},
    },
}


@dataclass(frozen=True)
class Judged:
    """What a challenger is, and what came of it; a mutant is made with `replace`."""

    model: Any
    facts: ChallengerFacts
    features: list[str] = field(default_factory=lambda: list(FEATURES))
    path: Path | None = None
    sha256: str = ""
    frame: pd.DataFrame | None = None
    refits: Refits | None = None
    labels: LabelCoverage | None = None
    search: SearchProgress | None = None
    in_a_clean_process: bool = False


class World:
    """One seed's rows, champion and a good challenger.

    Parameters
    ----------
    folder
        For model files.
    """

    def __init__(self, seed: int, folder: Path) -> None:
        self.seed, self.folder = seed, folder
        self.pipeline = Pipeline.model_validate(PIPELINE)
        self.rows = draw_rows(seed)
        self.first_held = pd.Timestamp(FIRST + timedelta(days=DAYS - HOLDOUT_DAYS))
        self.held = self.rows[self.rows["prediction_time"] >= self.first_held].reset_index(drop=True)
        learned_until = self.first_held - pd.Timedelta(days=GAP_DAYS)
        self.learned = self.rows[self.rows["prediction_time"] < learned_until].reset_index(drop=True)

    def fit(self, rows: pd.DataFrame, **params: Any) -> Any:
        """Fit LightGBM on rows, as a run would."""
        return fit_model(self.pipeline, rows, "lightgbm", PARAMS | params, 1)

    def fit_histogram_trees(self, rows: pd.DataFrame) -> Any:
        """Fit scikit-learn's gradient boosting on rows."""
        defaults = candidates_of(self.pipeline.training)["hist_gradient_boosting"].defaults
        return fit_model(self.pipeline, rows, "hist_gradient_boosting", defaults | {"max_iter": 60}, 1)

    @cached_property
    def champion(self) -> Any:
        """A model that learned from a few weeks of half a year ago."""
        return self.fit(self.learned.iloc[: len(self.learned) // 12])

    @cached_property
    def good(self) -> Judged:
        """A challenger that learned from all rows before the holdout."""
        return self.challenger(self.fit(self.learned))

    def challenger(self, model: Any, **told: Any) -> Judged:
        """Return a challenger with what a run would say of it."""
        facts = ChallengerFacts(
            family="lightgbm",
            as_of=FIRST + timedelta(days=DAYS - 1),
            train_start=FIRST,
            train_end=FIRST + timedelta(days=DAYS - HOLDOUT_DAYS - GAP_DAYS - 1),
            threshold=0.5,
            needed_days=HOLDOUT_DAYS + GAP_DAYS,
        )
        return Judged(model, replace(facts, **told))

    def write(self, model: Any, name: str = "model.skops") -> tuple[Path, str]:
        """Write a model file; return its path and digest."""
        path = self.folder / f"{self.seed}-{name}"
        return path, save_model(model, path)

    def evidence(self, judged: Judged, champion_told: dict[str, Any] | None = None) -> Evidence:
        """Measure a challenger beside the champion, as a run does.

        The fresh process costs seconds, so it only runs where a mutant is about the file.
        """
        frame = self.held if judged.frame is None else judged.frame
        path, sha256 = judged.path, judged.sha256
        if path is None:
            path = self.folder / "stand-in.skops"
            path.write_bytes(b"0" * 100_000)
        facts = ChampionFacts(3, as_of=date(2024, 2, 1), train_end=date(2024, 1, 20), threshold=0.5)
        asked = reload.measure_reload if judged.in_a_clean_process else measure_reload_here
        with (
            patch.object(reload, "measure_reload", asked),
            patch.object(operation, "measure_operation", partial(operation.measure_operation, repeats=FEW)),
        ):
            return measure_evidence(
                self.pipeline,
                HoldoutRows(
                    frame=frame,
                    y=frame["late"].to_numpy("float64"),
                    learned=self.learned["late"].to_numpy("float64"),
                    start=frame["prediction_time"].min().date(),
                    end=FIRST + timedelta(days=DAYS - 1),
                ),
                ChallengerModel(judged.model, judged.facts, path, sha256, judged.features),
                ChampionModel(
                    replace(facts, **(champion_told or {})), self.champion, inputs=feature_kinds(NUMERIC, CATEGORICAL)
                ),
                judged.refits,
                judged.labels,
                judged.search,
            )

    def verdict(self, judged: Judged, champion_told: dict[str, Any] | None = None) -> Verdict:
        """Judge a challenger."""
        return decide(self.evidence(judged, champion_told), self.pipeline.gate)


def measure_reload_here(*_: Any, **__: Any) -> Reload:
    """Stand in for the fresh process."""
    return Reload(loaded=True, largest_difference=0.0, rows=1, seconds=0.0)


def draw_rows(seed: int, rows_of_day: int = 120) -> pd.DataFrame:
    """Return rows whose label depends on all features a little; days differ by their weather."""
    draw = np.random.default_rng(seed)
    count = DAYS * rows_of_day
    day = np.repeat(np.arange(DAYS), rows_of_day)
    frame = pd.DataFrame(
        {
            "parcel": np.arange(count),
            "prediction_time": pd.Timestamp(FIRST) + pd.to_timedelta(day, unit="D") + pd.Timedelta(hours=8),
            "price": draw.lognormal(2, 0.5, count),
            "distance": draw.uniform(0, 1000, count),
            "age": draw.normal(40, 10, count),
            "load": draw.beta(2, 2, count),
            "store": draw.choice(STORES, count),
            "region": draw.choice(["inner", "outer"], count),
        }
    )
    weather = draw.normal(0, 0.3, DAYS)[day]
    store = frame["store"].map(dict(zip(STORES, (-0.6, -0.2, 0.2, 0.6), strict=True))).to_numpy("float64")
    logit = (
        -0.9
        + 0.0022 * (frame["distance"] - 500)
        + 2.4 * np.sin(3 * frame["load"])
        - 1.4
        + 0.03 * (frame["age"] - 40) * (frame["store"] == "east")
        - 0.2 * np.log(frame["price"])
        + store
        + weather
    )
    frame["late"] = (draw.uniform(size=count) < 1 / (1 + np.exp(-logit))).astype("float64")
    return frame.astype({"store": "str", "region": "str"})


__all__ = ["CATEGORICAL", "FEATURES", "NUMERIC", "Judged", "World", "draw_rows"]
