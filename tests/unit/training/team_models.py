"""Estimators that a team might write, and the objects they hold after the fit."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsRegressor

if TYPE_CHECKING:
    from typing import Self


class Mean(RegressorMixin, BaseEstimator):
    """Predicts the mean of the label plus a shift."""

    def __init__(self, shift: float = 0.0) -> None:
        self.shift = shift

    def fit(self, x: np.ndarray, y: np.ndarray) -> Self:
        """Fit the mean."""
        self.mean_, self.n_features_in_ = float(np.mean(y)), x.shape[1]
        self.held_ = self.hold()
        return self

    def hold(self) -> Any:
        """Return a further object that a fitted model holds."""
        return None

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Predict the same for every row."""
        return np.full(x.shape[0], self.mean_ + self.shift)


class Nearest(KNeighborsRegressor):
    """A class of scikit-learn with a name of the team."""


class Line(Ridge):
    """Another class of scikit-learn with a name of the team."""


class Draws(Mean):
    """Holds a generator of random numbers."""

    def hold(self) -> Any:
        """Return numpy's generator."""
        return np.random.default_rng(7)


class Scale:
    """A helper class of the team."""

    def __init__(self, by: float) -> None:
        self.by = by


class Scaled(Mean):
    """Holds a helper."""

    def hold(self) -> Any:
        """Return an object of the team's class."""
        return Scale(2.0)


class KindHeld(Mean):
    """Holds a class."""

    def hold(self) -> Any:
        """Return a class of the team."""
        return Scale


class ScaledFromTheStart(Mean):
    """Holds a helper before it is fitted."""

    def __init__(self, shift: float = 0.0) -> None:
        super().__init__(shift)
        self.scale = Scale(2.0)


class Lambda(Mean):
    """Holds a function without a name."""

    def hold(self) -> Any:
        """Return a lambda."""
        return lambda value: value


class Local(Mean):
    """Holds a function defined in a function."""

    def hold(self) -> Any:
        """Return a function without an import path."""

        def inner(value: float) -> float:
            return value

        return inner


class Inner(Mean):
    """Holds an object of a class within a class."""

    class Part:
        """A class that is not at the top level of its module."""

    def hold(self) -> Any:
        """Return an object of the inner class."""
        return self.Part()


class Circular(Mean):
    """Holds its own bound method, and so itself."""

    def hold(self) -> Any:
        """Return a bound method."""
        return self.predict


class OfTheProcess(Mean):
    """Keeps its fitted state outside of itself."""

    kept: float

    def fit(self, x: np.ndarray, y: np.ndarray) -> Self:
        """Fit the mean and store it on the class."""
        type(self).kept = float(np.mean(y))
        return super().fit(x, y)

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Predict the mean that this process has fitted."""
        return np.full(x.shape[0], self.kept)


class NeedsManyRows(Mean):
    """Cannot be fitted on a few rows."""

    def fit(self, x: np.ndarray, y: np.ndarray) -> Self:
        """Fit on many rows only."""
        if len(y) < 1000:
            raise ValueError("too few rows")
        return super().fit(x, y)


class Warns(ClassifierMixin, BaseEstimator):
    """Predicts the share of positives, and warns at every fit."""

    def fit(self, x: np.ndarray, y: np.ndarray) -> Self:
        """Fit the share."""
        warnings.warn("the team's own words", stacklevel=1)
        self.classes_, self.share_ = np.unique(y), float(np.mean(y))
        return self

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        """Predict the same for every row."""
        return np.tile([1 - self.share_, self.share_], (x.shape[0], 1))


class Lost(Mean):
    """Predicts NaN."""

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Predict NaN for every row."""
        return np.full(x.shape[0], np.nan)
