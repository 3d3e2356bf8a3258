"""The folds on which the search scores candidates: encoded once, fitted on many times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from include.config.pipeline import Pipeline
    from include.evaluation.metrics import Metric
    from include.training.candidates import Candidate, Params
    from include.training.candidates.candidate import Encoding
    from include.training.split import Split


@dataclass(frozen=True)
class Fold:
    """Positions within the training rows: the rows to fit on, and the later rows to validate on.

    Attributes
    ----------
    fit, validate
        Ascending, of shape (n_fit,) and (n_validate,).
    """

    fit: np.ndarray
    validate: np.ndarray


@dataclass(frozen=True)
class FoldResult:
    """The result of a fit on one fold.

    Attributes
    ----------
    predictions
        Predictions of the validation rows, of shape (n_validate,) or (n_validate, n_classes).
    rounds
        Best number of rounds on the validation rows, for families that stop early.
    """

    predictions: np.ndarray
    score: float
    rounds: int | None


class Folds:
    """The training rows, split into time-ordered folds.

    Parameters
    ----------
    frame, split
        The feature frame, and which of its rows are training rows.
    measure
        The metric that scores predictions.
    """

    def __init__(self, pipeline: Pipeline, frame: pd.DataFrame, split: Split, measure: Metric, threads: int) -> None:
        from include.training.columns import feature_columns
        from include.training.target import class_list, encode_target

        self.training, self.measure, self.threads = pipeline.training, measure, threads
        self.rows = frame.iloc[split.train]
        labels = self.rows[pipeline.features.label]
        self.classes = class_list(frame[pipeline.features.label]) if self.training.task == "multiclass" else None
        self.y = encode_target(self.training, labels, self.classes)
        self.columns = feature_columns(pipeline, self.rows).known_in(self.rows)
        self.folds = _draw_folds(pipeline, self.rows, self.y)
        self._encoded: dict[tuple[int, str], tuple[Any, Any]] = {}

    @property
    def validated(self) -> np.ndarray:
        """Positions of all validation rows, fold after fold, of shape (n_validated,)."""
        import numpy as np

        return np.concatenate([fold.validate for fold in self.folds])

    @property
    def fit_rows(self) -> int:
        """Number of rows to fit on in the largest fold."""
        return max(len(fold.fit) for fold in self.folds)

    @property
    def fold_of(self) -> np.ndarray:
        """Number of the fold of each row in `validated`."""
        import numpy as np

        return np.repeat(np.arange(len(self.folds)), [len(fold.validate) for fold in self.folds])

    @property
    def days(self) -> np.ndarray:
        """Day of each row in `validated`, datetime64."""
        return self.rows["prediction_time"].to_numpy()[self.validated].astype("datetime64[D]")

    def fit(
        self, candidate: Candidate, params: Params, number: int, deadline: float | None, *, watched: bool = True
    ) -> FoldResult:
        """Fit a candidate's estimator on one fold and predict its validation rows.

        Parameters
        ----------
        deadline
            Time of `time.monotonic` at which boosting stops; None for no deadline.
        watched
            Whether boosting chooses its rounds by the validation rows; otherwise `params` has them.
        """
        from include.training.fit import Watch, fit_estimator, predict_encoded, row_weights

        fold = self.folds[number]
        x_fit, x_validate = self._encode(candidate.encoding, number)
        y_fit, y_validate = self.y[fold.fit], self.y[fold.validate]
        estimator = candidate.estimator(self.columns, self.training, params, self.threads)
        watch = Watch(x_validate, y_validate, self.measure, deadline) if candidate.rounds and watched else None
        weights = row_weights(self.training, y_fit)
        rounds = fit_estimator(candidate, estimator, x_fit, y_fit, weights, watch, self.threads)
        predictions = predict_encoded(estimator, x_validate, self.training, len(self.classes) if self.classes else None)
        return FoldResult(predictions, self.measure.value(y_validate, predictions), rounds)

    def refit(self, candidate: Candidate, params: Params, fold_rounds: list[int] | None) -> np.ndarray:
        """Return the predictions of all validation rows, with the rounds that the search found for each fold."""
        import numpy as np

        found = []
        for number in range(len(self.folds)):
            fixed = params | {candidate.rounds: fold_rounds[number]} if candidate.rounds and fold_rounds else params
            found.append(self.fit(candidate, fixed, number, None, watched=False).predictions)
        return np.concatenate(found)

    def _encode(self, encoding: Encoding, number: int) -> tuple[Any, Any]:
        """Return a fold's rows to fit on and to validate on, encoded by an encoder fitted on the former."""
        from include.training.candidates import encoder

        if (number, encoding) not in self._encoded:
            fold, names = self.folds[number], self.columns.all
            rows = self.rows.iloc[fold.fit][names]
            encode = encoder(encoding, self.columns, rows)
            learned = encode.fit_transform(rows)
            self._encoded[number, encoding] = learned, encode.transform(self.rows.iloc[fold.validate][names])
        return self._encoded[number, encoding]


def _draw_folds(pipeline: Pipeline, rows: pd.DataFrame, y: np.ndarray) -> list[Fold]:
    """Return the folds, each with at most `sample_rows` rows per side, drawn with the pipeline's seed."""
    import numpy as np

    from include.training.columns import groups_of
    from include.training.split import draw_sample, time_ordered_folds

    training, tuning = pipeline.training, pipeline.training.tuning
    groups = groups_of(pipeline, rows)
    times = rows["prediction_time"].to_numpy()
    classes = y if training.classifies else None
    draw = np.random.default_rng(training.seed)
    return [
        Fold(
            fit=draw_sample(fit, tuning.sample_rows, classes, draw),
            validate=draw_sample(validate, tuning.sample_rows, classes, draw),
        )
        for fit, validate in time_ordered_folds(times, tuning.folds, training.gap_days, training.holdout_days, groups)
    ]
