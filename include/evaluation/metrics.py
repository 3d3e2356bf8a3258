"""The metrics that models are tuned for and compared by."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from include.config.training import METRICS, Task

if TYPE_CHECKING:
    import numpy as np

    from include.config.training import Training
    from include.evaluation.metric_definitions.definition import MetricDefinition
    from include.evaluation.resamples import MetricOnResamples


@dataclass(frozen=True)
class Metric:
    """One metric of a task, with its settings; its definition is in `include.evaluation.metric_definitions`.

    Attributes
    ----------
    quantile
        The quantile that pinball asks for; other metrics ignore it.
    threshold
        Probability from which a row counts as positive; only f1 uses it.
    """

    task: Task
    name: str
    quantile: float = 0.5
    threshold: float = 0.5

    @classmethod
    def of(cls, training: Training, threshold: float | None = None) -> Metric:
        """Return the metric that a pipeline is tuned for and that its gate compares; the default threshold is 0.5."""
        return cls(training.task, training.metric, training.quantile, 0.5 if threshold is None else threshold)

    @property
    def definition(self) -> MetricDefinition:
        """What the metric consists of."""
        from include.evaluation.metric_definitions import DEFINITIONS  # imports scikit-learn, which `Metric` need not

        return DEFINITIONS[self.task][self.name]

    @property
    def higher_is_better(self) -> bool:
        """Whether a higher value is better."""
        return self.definition.higher_is_better

    @property
    def sign(self) -> float:
        """1 where a higher value is better, and -1 otherwise."""
        return 1.0 if self.higher_is_better else -1.0

    @property
    def loss_metric(self) -> Metric:
        """The metric that is the loss of this one: it moves with every prediction, as accuracy and F1 do not."""
        from include.evaluation.metric_definitions.definition import METRIC_OF_LOSS

        return replace(self, name=METRIC_OF_LOSS[self.definition.loss])

    def value(self, y_true: np.ndarray, y_pred: np.ndarray) -> float:
        """Return the metric, or NaN where it is not defined.

        Parameters
        ----------
        y_true
            Labels of shape (n_rows,): 0 or 1 (binary), codes 0 to n_classes - 1 (multiclass), or values.
        y_pred
            Probabilities of 1, of shape (n_rows,) (binary); probabilities of the classes, of shape
            (n_rows, n_classes), each row with the sum 1 (multiclass); or values, of shape (n_rows,).
        """
        import numpy as np

        y_pred = np.asarray(y_pred, dtype="float64")  # a probability is clipped by the precision of its type
        if not len(y_true) or not np.isfinite(y_pred).all() or not np.isfinite(y_true).all():
            return math.nan
        definition = self.definition
        if definition.is_undefined is not None and definition.is_undefined(y_true, y_pred):
            return math.nan
        return float(definition.value(self, y_true, y_pred))

    def on_resamples(self, y_true: np.ndarray, y_pred: np.ndarray, day: np.ndarray) -> MetricOnResamples:
        """Return the function from resamples of days to the metric of each; NaN where it is not defined.

        Parameters
        ----------
        y_true, y_pred
            Labels and predictions for which the metric is defined, as `value` takes them.
        day
            Number of each row's day, 0 to n_days - 1, of shape (n_rows,); each day has at least one row.
        """
        import numpy as np

        return self.definition.on_resamples(self, y_true, np.asarray(y_pred, dtype="float64"), day)

    def best_constant(self, y_true: np.ndarray, n_classes: int | None = None) -> float | np.ndarray:
        """Return the best prediction that is the same for every row, by the loss of the metric.

        Parameters
        ----------
        y_true
            Known labels of shape (n_rows,); codes for several classes.
        n_classes
            Number of classes, for several classes.

        Returns
        -------
        constant
            Mean, median or quantile of the labels; for several classes their frequencies, of shape (n_classes,).
        """
        import numpy as np

        if self.task == "multiclass":
            return np.bincount(y_true.astype("int64"), minlength=n_classes or 0) / len(y_true)
        loss = self.definition.loss
        if loss == "quantile":
            return float(np.quantile(y_true, self.quantile))
        return float(np.median(y_true) if loss == "absolute" else np.mean(y_true))


def all_metrics(metric: Metric, y_true: np.ndarray, y_pred: np.ndarray) -> dict[str, float]:
    """Return every metric of the task of `metric`; NaN where one is not defined."""
    return {name: replace(metric, name=name).value(y_true, y_pred) for name in METRICS[metric.task]}


def why_undefined(name: str) -> str | None:
    """Return why a metric may have no value although every label and every prediction is a number."""
    from include.evaluation.metric_definitions import DEFINITIONS

    found = (of_task[name] for of_task in DEFINITIONS.values() if name in of_task)
    return next(found).when_undefined
