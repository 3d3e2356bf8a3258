"""The schema of `monitoring` in pipeline.yaml: what may change before somebody is told."""

from __future__ import annotations

from pydantic import Field

from include.config.section import Section


class Monitoring(Section):
    """How far the world, and the quality of the predictions, may be from what the champion has learned from."""

    window_days: int = Field(default=7, ge=1, le=366, description="Days that are compared with what was learned from.")
    max_feature_shift: float = Field(
        default=0.25, gt=0, description="Population stability index of a feature, where no more than that was usual."
    )
    max_prediction_shift: float = Field(
        default=0.25, gt=0, description="Population stability index of the predictions beside those of the holdout."
    )
    max_null_increase: float = Field(
        default=0.1, gt=0, le=1, description="Share of a feature's rows that may be null beyond the share there was."
    )
    min_rows: int = Field(default=200, ge=1, description="Fewer rows say nothing: unknown, and no alert.")
