"""The interface of a source kind's reader: what it is asked for, and what it returns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from include.config.sources import BaseSource
from include.core.import_path import import_named
from include.ingestion.days import bounds, days_between

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import date, datetime

    import pyarrow as pa

    from include.config.pipeline import Pipeline
    from include.core.connections import Connections

SourceT = TypeVar("SourceT", bound=BaseSource)


@dataclass(frozen=True)
class Chunk:
    """Some rows in the source's own columns and types, not yet checked against the declared columns.

    Attributes
    ----------
    rows
        A table small enough that a few fit into memory.
    where
        The place that the rows were read from, for an error's sentence.
    delivered
        The ISO day on which the source delivered the rows, if it knows that day; otherwise their columns have it.
    """

    rows: pa.Table
    where: str
    delivered: str | None = None


@dataclass(frozen=True)
class SourceRows:
    """The rows of a source for a range of days.

    Attributes
    ----------
    chunks
        The rows; the reader reads nothing before the first chunk is requested.
    read_from
        A record of what was read, as JSON types, for the batch's manifest: the query, the files with their hashes, or
        the offsets. It is complete once the chunks are exhausted.
    """

    chunks: Iterator[Chunk]
    read_from: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ReadRequest:
    """The days of a source to read.

    Attributes
    ----------
    start, end
        The first and the last day, both inclusive; one day for a snapshot.
    where
        The pipeline, source and days, for an error's sentence.
    published_from
        Returns the `read_from` of the batch that an ISO day was published from, or None if there is no record of it.
    """

    pipeline: Pipeline
    start: date
    end: date
    where: str
    published_from: Callable[[str], dict[str, Any] | None]

    @property
    def days(self) -> list[str]:
        """The ISO days to read."""
        return days_between(self.start, self.end)

    @property
    def bounds(self) -> tuple[datetime, datetime]:
        """The first moment of the range and the first moment after it, in UTC."""
        return bounds(self.start, self.end)


class SourceReader(ABC, Generic[SourceT]):
    """Reads the sources of one kind."""

    def __init__(self, source: SourceT) -> None:
        self.source = source

    @abstractmethod
    def read(self, request: ReadRequest, connections: Connections) -> SourceRows:
        """Connect to the source and return its rows for the requested days.

        Raises
        ------
        ConnectionMissing
            If the connection is not defined or does not lead to a source of this kind.
        SourceUnreadable, SchemaMismatch
            While the chunks are read.
        """

    def check(self, pipeline: Pipeline) -> None:
        """Check the files of the pipeline's folder that the source needs, without connecting to the source.

        Raises
        ------
        ConfigError
            If one of them cannot be used.
        """

    def missing_from(self, read_from: dict[str, Any]) -> str:
        """Say what the source did not have where days have no rows; empty if the kind cannot tell."""
        return ""


def reader_of(source: BaseSource) -> SourceReader[Any]:
    """Return the reader of a source, which its section names.

    Raises
    ------
    ConfigError
        If the reader cannot be imported.
    """
    section = type(source)
    reader: type[SourceReader[Any]] = import_named(
        f"source of kind '{source.kind}'", section.reader, f"`reader` of {section.__module__}.{section.__name__}"
    )
    return reader(source)
