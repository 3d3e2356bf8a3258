"""Build features: one run's feature table, from the lake's tables at pinned versions."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from include import lake
from include.errors import NotIngested
from include.features.query import run_features_query

if TYPE_CHECKING:
    import pandas as pd

    from include.config import Pipeline

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FeatureTable:
    """A version of a pipeline's feature table, and what it was made from."""

    uri: str
    version: int
    key: list[str]
    rows: int
    labelled_rows: int
    columns: int
    build: str

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON types."""
        return asdict(self)


def pin_snapshot(pipeline: Pipeline) -> dict[str, int]:
    """Return the newest version of every source's raw table.

    Raises
    ------
    NotIngested
        If a source has no table yet.
    """
    versions = {name: lake.latest_version(lake.raw_uri(pipeline.name, name)) for name in pipeline.sources}
    missing = [name for name, version in versions.items() if version is None]
    if missing:
        raise NotIngested(
            f"{pipeline.name}: nothing has been ingested yet of {', '.join(missing)}; run the DAG "
            f"{pipeline.name}.ingest for the days that you have, then start this run again"
        )
    return {name: version for name, version in versions.items() if version is not None}


def build_features(pipeline: Pipeline, snapshot: dict[str, int], as_of: date) -> FeatureTable:
    """Build the feature table of what was known at the end of the day `as_of`.

    The same query over the same snapshot finds the version that it made before.

    Parameters
    ----------
    snapshot
        Version of each source's raw table.

    Raises
    ------
    FeatureQueryFailed, LakeError
        With the last version of the feature table untouched.
    """
    uri = lake.features_uri(pipeline.name)
    build = _build_digest(pipeline, snapshot, as_of)
    version = lake.find_build(uri, build)
    if version is not None:
        rows = lake.read_table(uri, version)
        log.info("%s: the features of this snapshot are version %s already", pipeline.name, version)
    else:
        tables = {name: lake.dataset(lake.raw_uri(pipeline.name, name), number) for name, number in snapshot.items()}
        rows = run_features_query(
            pipeline,
            tables,
            known_before=(as_of + timedelta(days=1)).isoformat(),
            raw_since=(as_of - timedelta(days=pipeline.history_days - 1)).isoformat(),
            predict_since=(as_of - timedelta(days=pipeline.training.window_days - 1)).isoformat(),
        )
        version = lake.write_table(uri, rows, build).version
    labelled = rows.num_rows - rows[pipeline.features.label].null_count
    table = FeatureTable(uri, version, pipeline.features.key, rows.num_rows, labelled, rows.num_columns, build)
    log.info(
        "%s: %s rows, %s with a known label, %s columns, version %s of %s",
        *(pipeline.name, f"{table.rows:,}", f"{labelled:,}", table.columns, version, uri),
    )
    return table


def read_features(table: FeatureTable) -> pd.DataFrame:
    """Read a feature table for training, in the order of `prediction_time`; an unknown label is NaN.

    The order is part of the result: a sample is drawn by position, and trees sum in the order of rows.
    """
    frame = lake.read_table(table.uri, table.version).to_pandas()
    if frame["prediction_time"].is_monotonic_increasing:
        return frame
    return frame.sort_values(["prediction_time", *table.key], ignore_index=True)


def _build_digest(pipeline: Pipeline, snapshot: dict[str, int], as_of: date) -> str:
    made_from = [
        pipeline.text(pipeline.features.query),
        snapshot,
        as_of.isoformat(),
        [pipeline.history_days, pipeline.training.window_days, pipeline.features.key],
    ]
    return hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()[:16]
