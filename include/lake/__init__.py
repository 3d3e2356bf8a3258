"""The Delta Lake tables: the only package that imports deltalake."""

from include.lake.daily import days_with_rows, newest_day, publish_day, read_newest_day, read_published
from include.lake.days import Partition, RawTable, partitions, published_at, read_days, replace_days
from include.lake.features import MONTH, FeatureBuild, FeatureRows, open_features, read_features, write_features
from include.lake.monitoring import monitoring_uri, publish_monitoring, read_monitoring
from include.lake.newest import NewestFacts
from include.lake.pinned import DayChange, PinnedTable
from include.lake.predictions import predictions_uri, publish_predictions, read_predictions
from include.lake.publication import Slices, publish_days
from include.lake.tables import (
    TableVersion,
    dataset,
    features_uri,
    files_of,
    find_build,
    latest_version,
    quarantine_uri,
    raw_uri,
    read_table,
    table_name,
    write_table,
)
from include.lake.upkeep import Vacuumed, checkpoint, compact, count_files, vacuum

__all__ = [
    "MONTH",
    "DayChange",
    "FeatureBuild",
    "FeatureRows",
    "NewestFacts",
    "Partition",
    "PinnedTable",
    "RawTable",
    "Slices",
    "TableVersion",
    "Vacuumed",
    "checkpoint",
    "compact",
    "count_files",
    "dataset",
    "days_with_rows",
    "features_uri",
    "files_of",
    "find_build",
    "latest_version",
    "monitoring_uri",
    "newest_day",
    "open_features",
    "partitions",
    "predictions_uri",
    "publish_day",
    "publish_days",
    "publish_monitoring",
    "publish_predictions",
    "published_at",
    "quarantine_uri",
    "raw_uri",
    "read_days",
    "read_features",
    "read_monitoring",
    "read_newest_day",
    "read_predictions",
    "read_published",
    "read_table",
    "replace_days",
    "table_name",
    "vacuum",
    "write_features",
    "write_table",
]
