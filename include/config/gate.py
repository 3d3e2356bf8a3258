"""The schema of pipeline.yaml's sections `gate` and `approval`: what decides about a promotion."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from include.config.section import MAX_DAYS, Section

Severity = Literal["keep", "inconclusive", "warn"]


def _off(value: Any) -> Any:
    return "off" if value is False else value


class Limits(Section):
    """Limits of a model's size and prediction time, measured on the training machine."""

    model_mb: float = Field(default=500, gt=0, description="Size of the model file in megabytes (10^6 bytes).")
    row_ms: float = Field(default=200, gt=0, description="Milliseconds to predict one row, as in an online request.")
    rows_per_second: float = Field(default=2000, gt=0, description="Rows per second when predicting the whole holdout.")


class Gate(Section):
    """The conditions under which a challenger is promoted."""

    minimum: float = Field(
        allow_inf_nan=False, description="Worst value of the metric with which a model may be promoted."
    )
    baseline: str = Field(default="prior", description="prior (no features), or a feature to use as the prediction.")
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    bootstrap_rounds: int = Field(default=1000, ge=100)
    min_holdout_rows: int = Field(default=500, ge=1)
    max_missing_labels: float = Field(
        default=0.1,
        gt=0,
        le=1,
        description="Maximum share of labels missing in the holdout, relative to the share usually known.",
    )
    slices: list[str] = Field(
        default=[],
        description="Columns of the feature table; the challenger must not be worse on any of their values (numbers: "
        "quartiles).",
    )
    min_slice_rows: int = Field(default=200, ge=10, description="Minimum number of holdout rows in a slice.")
    sensitive: list[str] = Field(
        default=[], description="Columns of the feature table whose groups must be treated alike."
    )
    max_fairness_gap: float = Field(default=0.1, gt=0, description="Maximum difference between groups, beyond noise.")
    max_calibration_error: float = Field(
        default=0.1, gt=0, description="Maximum calibration error of a binary task's probabilities."
    )
    max_prediction_shift: float = Field(
        default=0.25,
        gt=0,
        description="Population stability index (PSI) of the predictions compared with the champion's.",
    )
    max_robustness_loss: float = Field(
        default=0.5, gt=0, description="Share of the gain over the baseline that the model may lose on perturbed rows."
    )
    max_single_feature: float = Field(
        default=0.98, gt=0, le=1, description="Share of the label that a single feature may explain."
    )
    max_jump: float = Field(
        default=0.5, gt=0, le=1, description="Share of the champion's error that may disappear in one run."
    )
    max_age_days: int | None = Field(
        default=None,
        ge=1,
        le=MAX_DAYS,
        description="Maximum days from the newest training row to the as-of day; null: two weeks more than needed.",
    )
    refits: int = Field(
        default=2, ge=0, le=20, description="Refits with other seeds, which must be equally good; 0 for none."
    )
    limits: Limits = Limits()
    severities: dict[str, Annotated[Literal["keep", "inconclusive", "warn", "off"], BeforeValidator(_off)]] = Field(
        default={}, description="Consequence of a failed check, by its code; others keep their default."
    )
    own_checks: list[str] = Field(default=[], description="Import paths of the team's own checks.")


class Approval(Section):
    """A person must approve a version before it becomes the champion."""

    hours: float = Field(default=12, gt=0, le=8760, description="How many hours to wait for an answer.")
    unanswered: Literal["keep", "promote"] = Field(
        default="keep", description="What happens without an answer in time."
    )
    approvers: list[str] = Field(
        default=[], description="Airflow users who may answer; empty: everyone with the permission."
    )
