"""The split of a run's rows: the same in every step, and when a version is replayed."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date

    import pandas as pd

    from include.config.pipeline import Pipeline
    from include.evaluation.label_coverage import LabelCoverage
    from include.training.split import Split


def split_rows(pipeline: Pipeline, frame: pd.DataFrame, as_of: date) -> Split:
    """Split a feature frame into training rows and holdout rows."""
    import pandas as pd

    from include.training.columns import groups_of
    from include.training.split import split_by_time

    training, labels = pipeline.training, frame[pipeline.features.label]
    return split_by_time(
        frame["prediction_time"].to_numpy(),
        labels.notna().to_numpy(),
        training,
        # only part of the labels of later days may be known, and that part is not a random sample
        through=as_of - timedelta(days=training.gap_days),
        groups=groups_of(pipeline, frame),
        classes=pd.factorize(labels)[0] if training.classifies else None,
    )


def label_coverage(pipeline: Pipeline, frame: pd.DataFrame, split: Split) -> LabelCoverage:
    """Return the share of known labels in the holdout, compared to the training days."""
    from dataclasses import replace

    import numpy as np

    from include.core.as_of import calendar_days
    from include.evaluation.label_coverage import measure_label_coverage

    days = calendar_days(frame["prediction_time"].to_numpy()).astype(str)
    lacking = np.isin(days, split.lacking)
    found = measure_label_coverage(
        frame,
        frame[pipeline.features.label].notna().to_numpy(),
        ~lacking & (days >= split.holdout_start) & (days <= split.holdout_end),
        ~lacking & (days >= split.train_start) & (days <= split.train_end),
        pipeline.gate.slices,
        pipeline.gate.min_slice_rows,
    )
    left_out = [day for day in split.lacking if day >= split.holdout_start]
    return replace(found, left_out=left_out, left_out_rows=int(np.isin(days, left_out).sum()))
