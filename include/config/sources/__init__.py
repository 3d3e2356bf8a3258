"""The schema of `sources` in pipeline.yaml: one file a kind of source, and one for what all kinds share.

A new kind of source is registered here: in the union `Source`.
"""

from typing import Annotated, get_args

from pydantic import Field

from include.config.sources.allowed_changes import Infinity
from include.config.sources.base import BaseSource, RowsPerDay
from include.config.sources.column_types import READER_COLUMNS, ColumnType, declared_type
from include.config.sources.day_fields import DAY_FIELDS, with_day
from include.config.sources.files_source import FilesSource
from include.config.sources.http_source import HttpSource
from include.config.sources.kafka_source import KafkaSource
from include.config.sources.sql_source import SqlSource

Source = Annotated[SqlSource | FilesSource | HttpSource | KafkaSource, Field(discriminator="kind")]

#: The section of each kind of source, by the kind's name in pipeline.yaml.
SOURCE_KINDS: dict[str, type[BaseSource]] = {
    get_args(section.model_fields["kind"].annotation)[0]: section for section in get_args(get_args(Source)[0])
}

__all__ = [
    "DAY_FIELDS",
    "READER_COLUMNS",
    "SOURCE_KINDS",
    "BaseSource",
    "ColumnType",
    "Infinity",
    "RowsPerDay",
    "Source",
    "declared_type",
    "with_day",
]
