"""Builds rows of a feature table again, from what was known at a cut-off."""

from __future__ import annotations

from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING

from include.core.as_of import ONE_DAY, ONE_MOMENT, midnight
from include.core.errors import FeatureQueryFailed
from include.features.own_label import OwnLabelCheck
from include.features.query import PREDICTION_TIME, run_features_query
from include.features.snapshot import pinned_tables, raw_datasets

if TYPE_CHECKING:
    from datetime import datetime

    import pyarrow as pa
    from pyarrow.dataset import Dataset

    from include.config.pipeline import Pipeline
    from include.features.feature_table import FeatureTable
    from include.features.own_label import OwnLabels
    from include.features.perturb import Perturbation


class Rebuilder:
    """Builds the rows of a cut-off again: those with a prediction time in the 24 hours up to it."""

    def __init__(self, pipeline: Pipeline, table: FeatureTable, snapshot: dict[str, int], as_of: date) -> None:
        self.pipeline, self.as_of = pipeline, as_of
        self.tables = pinned_tables(pipeline, snapshot)
        # the table may hold older rows that no longer count
        self.first_day = date.fromisoformat(table.first_day) if table.first_day else date.min
        self.window_start = midnight(self.first_day)
        self.history_start = as_of - timedelta(days=pipeline.history_days - 1)

    def stored_rows(self, table: Dataset, at: datetime, columns: list[str]) -> pa.Table:
        """Return the rows of a cut-off as the feature table has them."""
        return _read(table, columns, self._first_time(at), at)

    def _first_time(self, at: datetime) -> datetime:
        """Return the earliest prediction time of the rows of a cut-off."""
        return max(at - ONE_DAY + ONE_MOMENT, self.window_start)

    def check_own_labels(
        self, at: datetime, rows: pa.Table, table: Dataset, origins: dict[str, list[str]], columns: list[str]
    ) -> OwnLabels:
        """Change the labels that the rows of a cut-off already have, and return the features that change with them.

        Parameters
        ----------
        rows
            The rows of the cut-off, as `rows` returns them.
        table
            The feature table.
        origins
            The raw columns that the label is computed from.
        columns
            The features to compare.
        """
        declared = self.pipeline.features
        keys = [*declared.key, *(key for source in self.pipeline.sources.values() for key in source.key)]
        named = [name for name in [PREDICTION_TIME, *keys, declared.label] if name in rows.column_names]
        labelled = _read(table, named, self.window_start, at)
        return OwnLabelCheck(
            pipeline=self.pipeline,
            origins=origins,
            rebuild=lambda perturbation: self.rows(at, perturbation=perturbation),
            rebuild_later=partial(self._rows_known_now, at),
            rows=rows,
            labelled=labelled,
            columns=columns,
        ).run()

    def _rows_known_now(self, at: datetime, perturbation: Perturbation) -> pa.Table:
        """Return the rows of a cut-off with a perturbation, built from what is known by the end of `as_of`."""
        since, lookback = self.history_start, self.pipeline.features.lookback_days
        if lookback:
            since = max(since, self.first_day - timedelta(days=lookback))
        return run_features_query(
            self.pipeline,
            raw_datasets(self.pipeline, self.tables, since),
            as_of=self.as_of,
            raw_since=since,
            rows_from=self._first_time(at),
            rows_until=at,
            perturbation=perturbation,
        )

    def rows(self, at: datetime, *, bounded: bool = True, perturbation: Perturbation | None = None) -> pa.Table:
        """Return the rows of a cut-off, built from what was known then.

        Parameters
        ----------
        bounded
            Whether to read only the partitions within the lookback of these rows, rather than of all rows.
        """
        since, lookback = self.history_start, self.pipeline.features.lookback_days
        if lookback:
            first = self._first_time(at).date() if bounded else self.first_day
            since = max(since, first - timedelta(days=lookback))
        try:
            return run_features_query(
                self.pipeline,
                raw_datasets(self.pipeline, self.tables, since),
                known_before=at + ONE_MOMENT,
                as_of=self.as_of,
                raw_since=since,
                rows_from=self._first_time(at),
                rows_until=at,
                perturbation=perturbation,
            )
        except FeatureQueryFailed as error:
            raise FeatureQueryFailed(
                f"{error}; the query was run only on what was known at {at} UTC, as it is when a row is predicted"
            ) from error


def _read(table: Dataset, columns: list[str], after: datetime, until: datetime) -> pa.Table:
    """Return a table's rows with a prediction time between two moments, both inclusive."""
    import pyarrow.compute as pc

    time = pc.field(PREDICTION_TIME)
    return table.to_table(columns=list(dict.fromkeys(columns)), filter=(time >= after) & (time <= until))
