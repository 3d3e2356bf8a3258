"""The schema of `monitoring` in pipeline.yaml: the limits beyond which the monitor alerts."""

from __future__ import annotations

from pydantic import Field

from include.config.section import Section


class Monitoring(Section):
    """How far features, predictions and their quality may drift from the champion's training data."""

    window_days: int = Field(default=7, ge=1, le=366, description="Days that are compared with the training data.")
    max_feature_shift: float = Field(
        default=0.25,
        gt=0,
        description="Population stability index (PSI) that a feature may reach; more if its usual drift is higher.",
    )
    max_prediction_shift: float = Field(
        default=0.25,
        gt=0,
        description="Population stability index (PSI) of the predictions compared with those of the holdout.",
    )
    max_null_increase: float = Field(
        default=0.1,
        gt=0,
        le=1,
        description="How far a feature's share of nulls may exceed the share in the training data.",
    )
    min_rows: int = Field(
        default=200, ge=1, description="With fewer rows, the result is unknown and no alert is raised."
    )
