"""Estimators as a team writes them in a module of its own, and what they hold once they are fitted."""

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
    """Predicts the mean of the label, and a shift."""

    def __init__(self, shift: float = 0.0) -> None:
        self.shift = shift

    def fit(self, x: np.ndarray, y: np.ndarray) -> Self:
        """Learn the mean."""
        self.mean_, self.n_features_in_ = float(np.mean(y)), x.shape[1]
        self.held_ = self.hold()
        return self

    def hold(self) -> Any:
        """Return what a fitted one holds besides."""
        return None

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Predict the same for every row."""
        return np.full(x.shape[0], self.mean_ + self.shift)


class Nearest(KNeighborsRegressor):
    """A class of scikit-learn's, under a team's name."""


class Line(Ridge):
    """Another one."""


class Draws(Mean):
    """Holds a generator of random numbers."""

    def hold(self) -> Any:
        """Return numpy's generator."""
        return np.random.default_rng(7)


class Scale:
    """A helper of the team's."""

    def __init__(self, by: float) -> None:
        self.by = by


class Scaled(Mean):
    """Holds a helper."""

    def hold(self) -> Any:
        """Return an object of the team's."""
        return Scale(2.0)


class KindHeld(Mean):
    """Holds a class."""

    def hold(self) -> Any:
        """Return a class of the team's."""
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
    """Holds a function that was defined in a function."""

    def hold(self) -> Any:
        """Return a function that nothing else can reach."""

        def inner(value: float) -> float:
            return value

        return inner


class Inner(Mean):
    """Holds an object of a class within a class."""

    class Part:
        """A class that its module does not have at its top."""

    def hold(self) -> Any:
        """Return such an object."""
        return self.Part()


class Circular(Mean):
    """Holds a method of its own, and so itself."""

    def hold(self) -> Any:
        """Return a bound method."""
        return self.predict


class OfTheProcess(Mean):
    """Keeps what it has learned outside of itself."""

    kept: float

    def fit(self, x: np.ndarray, y: np.ndarray) -> Self:
        """Learn the mean, and leave it with the class."""
        type(self).kept = float(np.mean(y))
        return super().fit(x, y)

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Predict what this process has learned."""
        return np.full(x.shape[0], self.kept)


class NeedsManyRows(Mean):
    """Cannot be fitted on a few rows."""

    def fit(self, x: np.ndarray, y: np.ndarray) -> Self:
        """Learn of many rows only."""
        if len(y) < 1000:
            raise ValueError("too few rows")
        return super().fit(x, y)


class Warns(ClassifierMixin, BaseEstimator):
    """Predicts the share of positives, and warns whenever it is fitted."""

    def fit(self, x: np.ndarray, y: np.ndarray) -> Self:
        """Learn the share."""
        warnings.warn("the team's own words", stacklevel=1)
        self.classes_, self.share_ = np.unique(y), float(np.mean(y))
        return self

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        """Predict the same for every row."""
        return np.tile([1 - self.share_, self.share_], (x.shape[0], 1))


class Lost(Mean):
    """Predicts nothing."""

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Predict NaN for every row."""
        return np.full(x.shape[0], np.nan)
