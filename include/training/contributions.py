"""What each feature adds to the predictions of some rows: the values and what they add up to.

A prediction is a base, the model's average prediction, plus one contribution per feature of the row (Lundberg and Lee,
A unified approach to interpreting model predictions, NIPS 2017). Correlated features share their contribution. A
contribution describes the model; it is not a cause of what happens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np

Unit = Literal["log-odds", "probability", "value"]
#: How far base plus contributions may be from the prediction, relative to its size: XGBoost sums in single precision.
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Contributions:
    """The contributions of the features to the predictions of some rows.

    Attributes
    ----------
    base
        Average prediction, before the row's values are known, in `unit`; of shape (n_rows,).
    values
        Contribution of each feature by its name, in `unit`; each of shape (n_rows,).
    prediction
        Probabilities or values, of shape (n_rows,): the probability of 1 (binary) or of the most likely class
        (multiclass).
    unit
        With log-odds, base plus contributions is the logarithm of p / (1 - p).
    method
        How the contributions were computed: `TreeSHAP`, `exact, of a linear model` or `sampled Shapley values`.
    before_calibration
        Whether `prediction` is the input of the model's calibrator instead of its output.
    """

    base: np.ndarray
    values: dict[str, np.ndarray]
    prediction: np.ndarray
    unit: Unit
    method: str
    before_calibration: bool = False

    @property
    def total(self) -> np.ndarray:
        """Base plus contributions, in `unit`, of shape (n_rows,)."""
        return self.base + sum(self.values.values())

    @property
    def explained(self) -> np.ndarray:
        """Base plus contributions as a prediction, of shape (n_rows,)."""
        from scipy.special import expit

        return expit(self.total) if self.unit == "log-odds" else self.total

    @property
    def agrees(self) -> bool:
        """Whether base plus contributions equals the prediction within `TOLERANCE`."""
        import numpy as np

        scale = 1.0 if self.unit != "value" else max(float(np.abs(self.prediction).max(initial=0.0)), 1e-12)
        return bool((np.abs(self.explained - self.prediction) <= TOLERANCE * scale).all())
