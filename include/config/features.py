"""The schema of pipeline.yaml's section `features`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from include.config.section import Days, Name, Section
from include.core.names import folded, wrong_column_names


class Aggregates(Section):
    """Aggregates of a source's numbers over trailing windows of the rows known at that time."""

    source: str
    by: list[str] = Field(min_length=1, description="Columns of both the source and the features.")
    values: list[str] = Field(min_length=1, description="Columns of the source to aggregate.")
    windows_days: list[Days] = Field(default=[7, 28], min_length=1)
    functions: list[Literal["mean", "sum", "min", "max", "std", "count", "last", "trend"]] = Field(
        default=["mean", "std", "count"], min_length=1
    )

    @property
    def longest_days(self) -> int:
        """The days of the longest window."""
        return max(self.windows_days)


class Series(Section):
    """Features that tsfresh computes from time series of a source's numbers, as known at that time."""

    source: str
    by: list[str] = Field(min_length=1, description="Columns of both the source and the features.")
    values: list[str] = Field(min_length=1, description="Columns of the source to use as series.")
    window_days: Days = 28
    calculators: Literal["minimal", "efficient"] = "minimal"

    @property
    def longest_days(self) -> int:
        """The days of the window."""
        return self.window_days


class Automated(Section):
    """Features computed from the sources without SQL; selection drops those that do not help."""

    aggregates: dict[Name, Aggregates] = Field(default={})
    series: dict[Name, Series] = Field(default={})
    seconds: int = Field(default=120, ge=1, description="Time limit for computing them, in seconds.")
    select: bool = Field(default=True, description="Drop features that do not help, before tuning.")

    @property
    def sets(self) -> dict[str, Aggregates | Series]:
        """Aggregates and series by name, with which the names of their features begin."""
        return {**self.aggregates, **self.series}

    @model_validator(mode="after")
    def _check_names(self) -> Automated:
        both = sorted(self.aggregates.keys() & self.series.keys())
        if both:
            raise ValueError(f"aggregates and series both have {', '.join(both)}")
        return self


class Features(Section):
    """The query of the feature table and the meaning of its columns."""

    query: str = "features.sql"
    key: list[str] = Field(min_length=1, description="Columns that together identify a row to predict.")
    label: str = Field(description="The column to predict; null while the label is unknown.")
    exclude: list[str] = Field(default=[], description="Columns that stay in the table but are not used for training.")
    lookback_days: int | None = Field(
        default=None,
        ge=1,
        description="No feature reads rows older than this many days, so that a run builds only its new rows.",
    )
    automated: Automated | None = None

    @property
    def selects(self) -> bool:
        """Whether feature selection drops automated features that do not help."""
        return self.automated is not None and self.automated.select

    @model_validator(mode="after")
    def _check_label(self) -> Features:
        if self.label in self.key:
            raise ValueError(
                f"label is '{self.label}', which is also in key; the label must be a column that is not known yet"
            )
        if folded(self.label) == "prediction_time":
            raise ValueError("label is 'prediction_time', which is when a row is predicted; name the column to predict")
        return self

    @model_validator(mode="after")
    def _check_key(self) -> Features:
        wrong = [f"key names '{name}' twice; remove one" for name in sorted(set(self.key)) if self.key.count(name) > 1]
        wrong += wrong_column_names(self.key)
        if wrong:
            raise ValueError("; ".join(wrong))
        return self
