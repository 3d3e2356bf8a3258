"""The interface of a source kind's reader: what it is asked for, and what it returns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from include.config.sources import SOURCE_KINDS, BaseSource
from include.core.import_path import import_named
from include.ingestion.days import bounds, days_between
from include.ingestion.read_record import ReadRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from datetime import date, datetime

    import pyarrow as pa

    from include.config.pipeline import Pipeline
    from include.core.connections import Connections

SourceT = TypeVar("SourceT", bound=BaseSource)
RecordT = TypeVar("RecordT", bound=ReadRecord)


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


class SourceRows(Generic[RecordT]):
    """The rows of a source for a range of days.

    Attributes
    ----------
    chunks
        The rows; the reader reads nothing before the first chunk is requested.
    """

    def __init__(self, chunks: Generator[Chunk, None, RecordT]) -> None:
        """Take the reader's generator of chunks, which returns the record of what it read."""
        self._records: list[RecordT] = []
        self.chunks = _keep_record(chunks, self._records)

    @property
    def read_from(self) -> RecordT:
        """The record of what was read, once the chunks are exhausted."""
        if not self._records:
            raise RuntimeError("the record of what was read is complete only when all chunks were read")
        return self._records[0]


def _keep_record(chunks: Generator[Chunk, None, RecordT], into: list[RecordT]) -> Generator[Chunk, None, None]:
    """Yield chunks and keep the record that their generator returns.

    A method would tie the generator to the rows in a circle, so that a reader which is let go would not end at once.
    """
    into.append((yield from chunks))


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
        Returns what was read for the batch that an ISO day was published from, or None if there is no record of it.
        The record is of another kind if the source was of another kind on that day.
    """

    pipeline: Pipeline
    start: date
    end: date
    where: str
    published_from: Callable[[str], ReadRecord | None]

    @property
    def days(self) -> list[str]:
        """The ISO days to read."""
        return days_between(self.start, self.end)

    @property
    def bounds(self) -> tuple[datetime, datetime]:
        """The first moment of the range and the first moment after it, in UTC."""
        return bounds(self.start, self.end)


class SourceReader(ABC, Generic[SourceT, RecordT]):
    """Reads the sources of one kind.

    Attributes
    ----------
    record
        The class of the kind's record of what was read.
    """

    record: type[RecordT]

    def __init__(self, source: SourceT) -> None:
        self.source = source

    @abstractmethod
    def read(self, request: ReadRequest, connections: Connections) -> SourceRows[RecordT]:
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

    def missing_from(self, read_from: RecordT) -> str:
        """Say what the source did not have where days have no rows; empty if the kind cannot tell."""
        return ""


def reader_of(source: BaseSource) -> SourceReader[Any, Any]:
    """Return the reader of a source, which its section names.

    Raises
    ------
    ConfigError
        If the reader cannot be imported.
    """
    return _reader_class(source.kind, type(source))(source)


def read_record(kind: str, fields: Mapping[str, Any]) -> ReadRecord:
    """Return the record that a reader of a kind wrote as JSON; it is empty if there is no such kind any more."""
    section = SOURCE_KINDS.get(kind)
    return (_reader_class(kind, section).record if section else ReadRecord).from_json(fields)


def _reader_class(kind: str, section: type[BaseSource]) -> type[SourceReader[Any, Any]]:
    reader: type[SourceReader[Any, Any]] = import_named(
        f"source of kind '{kind}'", section.reader, f"`reader` of {section.__module__}.{section.__name__}"
    )
    return reader
