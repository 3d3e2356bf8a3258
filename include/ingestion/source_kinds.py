"""The reader of each kind of source. A new kind is registered here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.ingestion.files import FilesReader
from include.ingestion.http import HttpReader
from include.ingestion.kafka import KafkaReader
from include.ingestion.sql import SqlReader

if TYPE_CHECKING:
    from include.config.sources import Source
    from include.ingestion.source_reader import SourceReader

#: By the kind's name in pipeline.yaml.
READERS: dict[str, type[SourceReader[Any]]] = {
    "sql": SqlReader,
    "files": FilesReader,
    "http": HttpReader,
    "kafka": KafkaReader,
}


def reader_of(source: Source) -> SourceReader[Any]:
    """Return the reader of a source."""
    return READERS[source.kind](source)
