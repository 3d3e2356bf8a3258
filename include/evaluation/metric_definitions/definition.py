"""What a metric consists of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    import numpy as np

    from include.evaluation.resamples import MetricOnResamples

#: What a model minimises so that the metric gets better.
Loss = Literal["log", "squared", "absolute", "quantile"]


class MetricSettings(Protocol):
    """The settings of a metric, as `include.evaluation.metrics.Metric` has them."""

    @property
    def quantile(self) -> float:
        """The quantile that pinball asks for."""

    @property
    def threshold(self) -> float:
        """Probability from which a row counts as positive."""


Value = Callable[[MetricSettings, "np.ndarray", "np.ndarray"], float]
OnResamples = Callable[[MetricSettings, "np.ndarray", "np.ndarray", "np.ndarray"], "MetricOnResamples"]


@dataclass(frozen=True)
class MetricDefinition:
    """One metric of one task.

    The functions receive the settings, and labels and predictions as `Metric.value` takes them, all finite;
    `on_resamples` also receives the number of each row's day, of shape (n_rows,).

    Attributes
    ----------
    value
        Returns the metric of the rows.
    on_resamples
        Returns the function from resamples of days to the metric of each; NaN where it is not defined.
    loss
        The loss whose minimum the metric asks for. It decides what a family of models minimises and watches to stop
        early, and which constant prediction is best: the mean of the labels, their median or their quantile.
    is_undefined
        Whether the metric has no value for these labels and predictions.
    when_undefined
        Why the metric may have no value although every label and every prediction is a number.
    needs_every_class
        Whether the metric is defined only where every class is among the labels.
    """

    name: str
    higher_is_better: bool
    loss: Loss
    value: Value
    on_resamples: OnResamples
    is_undefined: Callable[[np.ndarray, np.ndarray], bool] | None = None
    when_undefined: str | None = None
    needs_every_class: bool = False


#: The metric that is the loss itself: it moves with every prediction.
METRIC_OF_LOSS: dict[Loss, str] = {"log": "log_loss", "squared": "rmse", "absolute": "mae", "quantile": "pinball"}
