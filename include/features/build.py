"""Build features: one run's feature table, from the lake's tables at pinned versions."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from include import lake
from include.core.as_of import ONE_MOMENT, end_of, midnight
from include.features.affected import Base, defined_by, digest, find_affected, why_all
from include.features.query import PREDICTION_TIME, run_features_query
from include.features.snapshot import pinned_tables, raw_datasets

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import pandas as pd
    import pyarrow as pa

    from include.config.pipeline import Pipeline

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FeatureTable:
    """A version of a pipeline's feature table, and what it was made from.

    Attributes
    ----------
    first_day
        ISO day from which on its rows count; older ones may lie in the table, and readers leave them out.
    feature_types
        The Arrow type of each feature, by its name: of the columns that a model may learn from.
    """

    uri: str
    version: int
    key: list[str]
    rows: int
    labelled_rows: int
    columns: int
    build: str
    first_day: str | None = None
    feature_types: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON types."""
        return asdict(self)


def build_features(pipeline: Pipeline, snapshot: dict[str, int], as_of: date) -> FeatureTable:
    """Build the feature table of what the run as of a day sees, as `include.core.as_of` says.

    With `features.lookback_days` only those rows are built that can differ from those of the newest version,
    and the others are kept. The same query over the same snapshot finds the version that it made before.

    Parameters
    ----------
    snapshot
        Version of each source's raw table.

    Raises
    ------
    FeatureQueryFailed, PublishConflict, LakeError
        With the last version of the feature table untouched.
    """
    build = _Build(pipeline, snapshot, as_of)
    there = lake.open_features(build.uri)
    found = there.find(build.digest) if there else None
    if found:
        version, about = found.version, found.about
        log.info("%s: the features of this snapshot are version %s already", pipeline.name, version)
    else:
        version, about = build.make(there)
    table = FeatureTable(
        uri=build.uri,
        version=version,
        key=pipeline.features.key,
        rows=about["rows"],
        labelled_rows=about["labelled_rows"],
        columns=len(about["types"]),
        build=build.digest,
        first_day=about["first_day"],
        feature_types={name: kind for name, kind in about["types"].items() if name not in pipeline.kept_out},
    )
    log.info(
        "%s: %s rows, %s with a known label, %s columns, version %s of %s",
        *(pipeline.name, f"{table.rows:,}", f"{table.labelled_rows:,}", table.columns, version, build.uri),
    )
    return table


def compute_features(pipeline: Pipeline, snapshot: dict[str, int], as_of: date) -> pd.DataFrame:
    """Return all that `build_features` would build, as `read_features` returns it, and write nothing."""
    build = _Build(pipeline, snapshot, as_of)
    return build.query(pinned_tables(pipeline, snapshot), midnight(build.first_day)).to_pandas()


def compute_rows(
    pipeline: Pipeline, snapshot: dict[str, int], as_of: date, since: datetime, known_at: datetime | None = None
) -> pa.Table:
    """Return the rows that are asked from `since` on, as `build_features` makes them, and write nothing.

    Parameters
    ----------
    known_at
        If given, only rows that are asked up to this moment, from what was known at this moment.
    """
    return _query(pipeline, pinned_tables(pipeline, snapshot), as_of, since, known_at)


def read_feature_rows(table: FeatureTable) -> pa.Table:
    """Read a feature table, in the order of `prediction_time` and key.

    The order is part of the result: a sample is drawn by position, and trees sum in the order of rows.
    """
    since = midnight(date.fromisoformat(table.first_day)) if table.first_day else None
    rows = lake.read_features(table.uri, table.version, since)
    order = list(dict.fromkeys([PREDICTION_TIME, *table.key]))
    return rows if _is_in_order(rows, order) else rows.sort_by([(name, "ascending") for name in order])


def read_features(table: FeatureTable) -> pd.DataFrame:
    """Read a feature table for training, as `read_feature_rows` does; an unknown label is NaN."""
    return read_feature_rows(table).to_pandas()


class _Build:
    """One build: what it is made from, and the two ways to make it."""

    def __init__(self, pipeline: Pipeline, snapshot: dict[str, int], as_of: date) -> None:
        self.pipeline, self.snapshot, self.as_of = pipeline, snapshot, as_of
        self.uri = lake.features_uri(pipeline.name)
        self.first_day = as_of - timedelta(days=pipeline.training.window_days - 1)
        self.definition = digest(defined_by(pipeline))
        made_from = [self.definition, snapshot, as_of.isoformat(), self.first_day.isoformat()]
        self.digest = digest([*made_from, pipeline.training.deterministic])

    def make(self, there: lake.FeatureRows | None) -> tuple[int, dict[str, Any]]:
        """Build what can differ from the newest version, or everything; return the version and what it says."""
        newest = there.newest() if there else None
        base = Base.from_json(newest.about) if newest else None
        why = why_all(self.pipeline, base, self.definition, self.first_day, self.as_of)
        tables = pinned_tables(self.pipeline, self.snapshot)
        if why is None and base is not None and there is not None:
            affected = find_affected(self.pipeline, base, tables, self.first_day, self.as_of)
            why = affected.why
            if affected.since:
                made = self._replace(there, base, tables, affected.since)
                if made:
                    return made
                why = "a key or a column of the new rows is not as in those that are kept"
        log.info("%s: building all rows, since %s", self.pipeline.name, why)
        rows = self.query(tables, midnight(self.first_day))
        about = self._about(tables, rows, rows.select([PREDICTION_TIME, self.pipeline.features.label]))
        return lake.write_features(self.uri, rows, self.digest, about), about

    def _replace(
        self, there: lake.FeatureRows, base: Base, tables: Mapping[str, lake.PinnedTable], since: datetime
    ) -> tuple[int, dict[str, Any]] | None:
        """Replace the rows from `since` on; None where the others cannot be kept beside them."""
        import pyarrow as pa

        features = self.pipeline.features
        columns = list(dict.fromkeys([*features.key, PREDICTION_TIME, features.label]))
        with ThreadPoolExecutor(1) as beside:
            reading = beside.submit(there.read, midnight(self.first_day), since, columns)
            reading_month = beside.submit(there.read, since.replace(day=1), since)
            rows = self.query(tables, since)
            kept, rows_of_month = reading.result(), reading_month.result()
        if _types(rows) != base.types:
            return None
        rows = rows.select(rows_of_month.column_names).cast(rows_of_month.schema)
        if kept.join(rows.select(features.key), features.key, join_type="inner").num_rows:
            return None
        about = self._about(tables, rows, pa.concat_tables([kept, rows.select(columns)]))
        version = there.replace(since, pa.concat_tables([rows_of_month, rows]), self.digest, about)
        log.info(
            "%s: built the rows of %s days (since %s) of %s, onto version %s",
            *(self.pipeline.name, (self.as_of - since.date()).days + 1, f"{since:%Y-%m-%d}"),
            *(self.pipeline.training.window_days, version - 1),
        )
        return version, about

    def query(self, tables: Mapping[str, lake.PinnedTable], since: datetime) -> pa.Table:
        """Run the query for the rows from `since` on."""
        return _query(self.pipeline, tables, self.as_of, since)

    def _about(self, tables: Mapping[str, lake.PinnedTable], rows: pa.Table, window: pa.Table) -> dict[str, Any]:
        """Return what the commit says of the build: of the rows that it made, and of all in the window."""
        import pyarrow.compute as pc

        label, lookback = self.pipeline.features.label, self.pipeline.features.lookback_days
        young = end_of(self.as_of) - timedelta(days=lookback or 0)
        times = rows.filter(pc.and_(pc.is_null(rows[label]), pc.greater_equal(rows[PREDICTION_TIME], young)))
        unlabelled = pc.min(times[PREDICTION_TIME]).as_py()
        return {
            "definition": self.definition,
            "as_of": self.as_of.isoformat(),
            "first_day": self.first_day.isoformat(),
            "snapshot": self.snapshot,
            "tables": {name: table.identity for name, table in tables.items()},
            "unlabelled_since": unlabelled.isoformat() if unlabelled else None,
            "types": _types(rows),
            "rows": window.num_rows,
            "labelled_rows": window.num_rows - window[label].null_count,
        }


def _query(
    pipeline: Pipeline,
    tables: Mapping[str, lake.PinnedTable],
    as_of: date,
    since: datetime,
    known_at: datetime | None = None,
) -> pa.Table:
    """Run the query for the rows from `since` to the end of `as_of`, over the partitions that these can read."""
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
    """Return the values of DuckDB's enums as the lake keeps them: a model is never given what it was not trained on."""
    import pyarrow as pa

    plain = [
        field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field for field in rows.schema
    ]
    return rows if plain == list(rows.schema) else rows.cast(pa.schema(plain))


def _types(rows: pa.Table) -> dict[str, str]:
    return {column.name: str(column.type) for column in rows.schema}


def _is_in_order(rows: pa.Table, names: list[str]) -> bool:
    """Return whether rows are sorted by some columns, the first before the others."""
    import pyarrow.compute as pc

    tied = None
    for name in names:
        earlier, later = rows[name].slice(0, max(0, rows.num_rows - 1)), rows[name].slice(1)
        falls = pc.greater(earlier, later)
        if pc.any(falls if tied is None else pc.and_(falls, tied)).as_py():
            return False
        tied = pc.equal(earlier, later) if tied is None else pc.and_(tied, pc.equal(earlier, later))
    return True
