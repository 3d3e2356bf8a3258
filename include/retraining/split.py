"""How a run's rows are split: the same way in every step, and when a version is made again."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date

    import pandas as pd

    from include.config import Pipeline
    from include.training.split import Split


def split_rows(pipeline: Pipeline, frame: pd.DataFrame, as_of: date) -> Split:
    """Split a feature frame into the rows to learn from and those held out."""
    from include.training.columns import groups_of
    from include.training.split import split_by_time

    training = pipeline.training
    return split_by_time(
        frame["prediction_time"].to_numpy(),
        frame[pipeline.features.label].notna().to_numpy(),
        training,
        # the labels of later days may be known in part only, and which part is not by chance
        through=as_of - timedelta(days=training.gap_days),
        groups=groups_of(pipeline, frame),
    )
