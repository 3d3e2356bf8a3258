"""A quick model that measures whether columns help on later rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from include.core import settings
from include.evaluation.metrics import Metric

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from include.config.training import Training
    from include.training.candidates import Params
    from include.training.columns import FeatureColumns

_ROUNDS = 100
_REPEATS = 5


@dataclass(frozen=True)
class QuickModel:
    """A LightGBM model with fixed parameters, fitted on some columns and scored on later rows.

    Attributes
    ----------
    matrix
        Every column as float64, of shape (n_rows,).
    y
        The target, of shape (n_rows,): 0 or 1, codes of classes, or values.
    fit, validate
        Positions of the rows to fit on, and of the later rows to validate on.
    classes
        Number of classes of a multiclass task, else 1.
    """

    training: Training
    matrix: dict[str, np.ndarray]
    y: np.ndarray
    fit: np.ndarray
    validate: np.ndarray
    classes: int

    @property
    def measure(self) -> Metric:
        """A metric that moves with every prediction; accuracy or F1 move only where a prediction crosses a line."""
        return Metric.of(self.training).loss_metric

    def score(self, names: list[str]) -> float:
        """Return the metric of a model of some columns on the validation rows."""
        return self._score(self._model(names), self._stack(names, self.validate))

    def importances(self, names: list[str], judged: list[str], draw: np.random.Generator) -> dict[str, float]:
        """Return the permutation importance of the judged columns: how much the metric gets worse on average.

        Returns nothing if the metric is undefined, such as with labels of a single class.
        """
        import numpy as np

        if not judged:
            return {}
        model = self._model(names)
        rows = self._stack(names, self.validate)
        base = self._score(model, rows)
        if not math.isfinite(base):
            return {}
        used = dict(zip(names, model.feature_importance("split"), strict=True))
        found = dict.fromkeys(judged, 0.0)  # a column that no tree uses has importance 0
        for name in [name for name in judged if used[name]]:
            place, scores = names.index(name), []
            kept = rows[:, place].copy()
            for _ in range(_REPEATS):
                rows[:, place] = draw.permutation(kept)
                scores.append(self._score(model, rows))
            rows[:, place] = kept
            found[name] = float(self.measure.sign * (base - np.mean(scores)))
        return found

    def _stack(self, names: list[str], rows: np.ndarray) -> np.ndarray:
        import numpy as np

        return np.column_stack([self.matrix[name][rows] for name in names])

    def _score(self, model: Any, rows: np.ndarray) -> float:
        return self.measure.value(self.y[self.validate], model.predict(rows, num_threads=settings.threads()))

    def _model(self, names: list[str]) -> Any:
        import lightgbm

        training = self.training
        objectives: dict[str, Params] = {
            "mae": {"objective": "regression_l1"},
            "pinball": {"objective": "quantile", "alpha": training.quantile},
            "rmse": {"objective": "regression"},
            "log_loss": {"objective": "binary"}
            if training.task == "binary"
            else {"objective": "multiclass", "num_class": self.classes},
        }
        params: Params = {
            "learning_rate": 0.1,
            "num_leaves": 15,
            "min_child_samples": max(5, min(100, len(self.fit) // 100)),
            "seed": training.seed,
            "num_threads": settings.threads(),
            "deterministic": True,
            "force_col_wise": True,
            "verbose": -1,
        }
        learned = lightgbm.Dataset(self._stack(names, self.fit), self.y[self.fit])
        return lightgbm.train(params | objectives[self.measure.name], learned, max(20, _ROUNDS // self.classes))


def encode(rows: pd.DataFrame, columns: FeatureColumns, fit: np.ndarray) -> dict[str, np.ndarray]:
    """Return every column as float64, categories as codes that are fitted on `fit`, with NaN for unseen ones."""
    import numpy as np
    from sklearn.preprocessing import OrdinalEncoder

    found = {name: rows[name].to_numpy("float64", na_value=np.nan) for name in columns.numeric}
    if columns.categorical:
        encode = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
        codes = encode.fit(rows[columns.categorical].iloc[fit]).transform(rows[columns.categorical])
        found |= dict(zip(columns.categorical, codes.T, strict=True))
    return found
