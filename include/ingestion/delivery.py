"""What every reader of a source returns: the rows as they came, chunk by chunk, and where they are from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa


@dataclass(frozen=True)
class Chunk:
    """Some rows as the source has them, before they are held against the declared columns.

    Attributes
    ----------
    rows
        Table in the source's own columns and types; small enough that a few fit into memory.
    where
        What the rows were read from, for the sentence of an error.
    delivered
        The ISO day that the source delivered them for, where it tells; rows of a query tell it themselves.
    """

    rows: pa.Table
    where: str
    delivered: str | None = None


@dataclass(frozen=True)
class Delivery:
    """What a source delivers for a range of days.

    Attributes
    ----------
    chunks
        The rows; nothing is read before they are asked for.
    read_from
        What was read, as JSON types, for the batch's manifest: the query, the files with their hashes, or
        the offsets. It is complete when the chunks are exhausted.
    """

    chunks: Iterator[Chunk]
    read_from: dict[str, Any] = field(default_factory=dict)
