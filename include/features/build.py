"""Builds the feature table of one run from the lake's tables at pinned versions."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import TYPE_CHECKING

from include import lake
from include.core.as_of import ONE_MOMENT, end_of, midnight
from include.features.affected import defined_by, digest, find_affected, why_rebuild_all
from include.features.build_record import BuildRecord
from include.features.feature_table import FeatureTable
from include.features.query import PREDICTION_TIME, run_features_query
from include.features.snapshot import pinned_tables, raw_datasets

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import pandas as pd
    import pyarrow as pa

    from include.config.pipeline import Pipeline

log = logging.getLogger(__name__)


def build_features(pipeline: Pipeline, snapshot: dict[str, int], as_of: date) -> FeatureTable:
    """Build the feature table of the run as of a day, from the rows that this run may see (`include.core.as_of`).

    With `features.lookback_days`, only the rows that can differ from the newest version are built, and the others are
    kept. If the same query over the same snapshot was built before, that version is returned.

    Parameters
    ----------
    snapshot
        Version of each source's raw table.

    Raises
    ------
    FeatureQueryFailed, PublishConflict, LakeError
        The last version of the feature table is then untouched.
    """
    build = _Build(pipeline, snapshot, as_of)
    existing = lake.open_features(build.uri)
    found = existing.find(build.digest) if existing else None
    record = BuildRecord.from_json(found.about) if found else None
    if found and record:
        version = found.version
        log.info("%s: the features of this snapshot are already built, as version %s", pipeline.name, version)
    else:
        version, record = build.make(existing)
    table = FeatureTable(
        uri=build.uri,
        version=version,
        key=pipeline.features.key,
        rows=record.rows,
        labelled_rows=record.labelled_rows,
        columns=len(record.types),
        build=build.digest,
        first_day=record.first_day.isoformat(),
        feature_types={name: kind for name, kind in record.types.items() if name not in pipeline.kept_out},
    )
    counts = f"{table.rows:,} rows, {table.labelled_rows:,} with a known label, {table.columns} columns"
    log.info("%s: %s, version %s of %s", pipeline.name, counts, version, build.uri)
    return table


def compute_features(pipeline: Pipeline, snapshot: dict[str, int], as_of: date) -> pd.DataFrame:
    """Return the rows that `build_features` would build, in the form of `read_features`, and write nothing."""
    build = _Build(pipeline, snapshot, as_of)
    return build.query(pinned_tables(pipeline, snapshot), midnight(build.first_day)).to_pandas()


def compute_rows(
    pipeline: Pipeline, snapshot: dict[str, int], as_of: date, since: datetime, known_at: datetime | None = None
) -> pa.Table:
    """Return the rows with a prediction time from `since` on, equal to those of `build_features`, and write nothing.

    Parameters
    ----------
    known_at
        If given, only rows with a prediction time up to this moment, built from what was known then.
    """
    return _query(pipeline, pinned_tables(pipeline, snapshot), as_of, since, known_at)


class _Build:
    """One build, either of all rows or of those that can differ from the newest version."""

    def __init__(self, pipeline: Pipeline, snapshot: dict[str, int], as_of: date) -> None:
        self.pipeline, self.snapshot, self.as_of = pipeline, snapshot, as_of
        self.uri = lake.features_uri(pipeline.name)
        self.first_day = as_of - timedelta(days=pipeline.training.window_days - 1)
        self.definition = digest(defined_by(pipeline))
        made_from = [self.definition, snapshot, as_of.isoformat(), self.first_day.isoformat()]
        self.digest = digest([*made_from, pipeline.training.deterministic])

    def make(self, existing: lake.FeatureRows | None) -> tuple[int, BuildRecord]:
        """Build the rows that can differ from the newest version, or all rows; return the new version."""
        newest = existing.newest() if existing else None
        base = BuildRecord.from_json(newest.about) if newest else None
        why = why_rebuild_all(self.pipeline, base, self.definition, self.first_day, self.as_of)
        tables = pinned_tables(self.pipeline, self.snapshot)
        if why is None and base is not None and existing is not None:
            affected = find_affected(self.pipeline, base, tables, self.first_day, self.as_of)
            why = affected.why
            if affected.since:
                made = self._replace(existing, base, tables, affected.since)
                if made:
                    return made
                why = "the new rows have other columns than the kept rows, or share keys with them"
        log.info("%s: building all rows: %s", self.pipeline.name, why)
        rows = self.query(tables, midnight(self.first_day))
        record = self._record(tables, rows, rows.select([PREDICTION_TIME, self.pipeline.features.label]))
        return lake.write_features(self.uri, rows, self.digest, record.to_json()), record

    def _replace(
        self, existing: lake.FeatureRows, base: BuildRecord, tables: Mapping[str, lake.PinnedTable], since: datetime
    ) -> tuple[int, BuildRecord] | None:
        """Replace the rows from `since` on; return None if the new rows do not fit the kept ones."""
        import pyarrow as pa

        features = self.pipeline.features
        columns = list(dict.fromkeys([*features.key, PREDICTION_TIME, features.label]))
        with ThreadPoolExecutor(1) as reader:
            reading = reader.submit(existing.read, midnight(self.first_day), since, columns)
            reading_month = reader.submit(existing.read, since.replace(day=1), since)
            rows = self.query(tables, since)
            kept, rows_of_month = reading.result(), reading_month.result()
        if _types(rows) != base.types:
            return None
        rows = rows.select(rows_of_month.column_names).cast(rows_of_month.schema)
        if kept.join(rows.select(features.key), features.key, join_type="inner").num_rows:
            return None
        record = self._record(tables, rows, pa.concat_tables([kept, rows.select(columns)]))
        version = existing.replace(since, pa.concat_tables([rows_of_month, rows]), self.digest, record.to_json())
        days, of = (self.as_of - since.date()).days + 1, self.pipeline.training.window_days
        built = f"built the rows of {days} days (since {since:%Y-%m-%d}) of {of}"
        log.info("%s: %s, onto version %s", self.pipeline.name, built, version - 1)
        return version, record

    def query(self, tables: Mapping[str, lake.PinnedTable], since: datetime) -> pa.Table:
        """Run the query for the rows from `since` on."""
        return _query(self.pipeline, tables, self.as_of, since)

    def _record(self, tables: Mapping[str, lake.PinnedTable], rows: pa.Table, window: pa.Table) -> BuildRecord:
        """Return the record of a build that made some rows, given all rows of the window."""
        import pyarrow.compute as pc

        label, lookback = self.pipeline.features.label, self.pipeline.features.lookback_days
        young = end_of(self.as_of) - timedelta(days=lookback or 0)
        times = rows.filter(pc.and_(pc.is_null(rows[label]), pc.greater_equal(rows[PREDICTION_TIME], young)))
        unlabelled = pc.min(times[PREDICTION_TIME]).as_py()
        return BuildRecord(
            definition=self.definition,
            as_of=self.as_of,
            first_day=self.first_day,
            snapshot=self.snapshot,
            tables={name: table.identity for name, table in tables.items()},
            unlabelled_since=unlabelled,
            types=_types(rows),
            rows=window.num_rows,
            labelled_rows=window.num_rows - window[label].null_count,
        )


def _query(
    pipeline: Pipeline,
    tables: Mapping[str, lake.PinnedTable],
    as_of: date,
    since: datetime,
    known_at: datetime | None = None,
) -> pa.Table:
    """Run the query for the rows from `since` to the end of `as_of`, over the partitions that they can read."""
    lookback = pipeline.features.lookback_days
    raw_since = as_of - timedelta(days=pipeline.history_days - 1)
    if lookback:
        raw_since = max(raw_since, since.date() - timedelta(days=lookback))
    rows = run_features_query(
        pipeline,
        raw_datasets(pipeline, tables, raw_since),
        as_of=as_of,
        raw_since=raw_since,
        rows_from=since,
        known_before=known_at and known_at + ONE_MOMENT,
        rows_until=known_at,
    )
    return _without_enums(rows)


def _without_enums(rows: pa.Table) -> pa.Table:
    """Return DuckDB's enums as plain values, as the lake stores them: training and scoring need the same types."""
    import pyarrow as pa

    plain = [
        field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field for field in rows.schema
    ]
    return rows if plain == list(rows.schema) else rows.cast(pa.schema(plain))


def _types(rows: pa.Table) -> dict[str, str]:
    return {column.name: str(column.type) for column in rows.schema}
