"""Decompresses a file, and stops at a decompression bomb."""

from __future__ import annotations

import bz2
import gzip
import io
import zipfile
from pathlib import PurePosixPath
from types import SimpleNamespace
from typing import TYPE_CHECKING, Protocol

from include.ingestion import formats
from include.ingestion.formats import AGAIN, FORMATS, unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

#: A file that decompresses to more bytes than this, and to more than this many times its own size, is a bomb.
BOMB_BYTES, BOMB_RATIO = 64 * 2**20, 200


class ByteStream(Protocol):
    """The part of a binary file that reading content needs."""

    def read(self, size: int = ..., /) -> bytes:
        """Return some content, or nothing at the end."""


def unpacked(file: BinaryIO, name: str, place: str) -> tuple[str, ByteStream]:
    """Return the name of a file's content and a stream of that content from its beginning."""
    file.seek(0)
    path = PurePosixPath(name)
    kind = path.suffix.lower()
    if kind == ".gz":
        return path.stem, gzip.GzipFile(fileobj=file)
    if kind == ".bz2":
        return path.stem, _Bz2(file)
    if kind == ".zst":
        import pyarrow as pa

        # Arrow closes the file after reading, but the caller may read it again
        unclosable = SimpleNamespace(read=file.read, seek=file.seek, tell=file.tell, closed=False, close=lambda: None)
        return path.stem, pa.CompressedInputStream(pa.PythonFile(unclosable, mode="r"), "zstd")
    if kind != ".zip":
        return name, file
    archive = zipfile.ZipFile(file)
    members = [member for member in archive.infolist() if not member.is_dir()]
    if len(members) != 1:
        raise unreadable(place, f"the archive holds {len(members)} files", f"pack one file in each; {AGAIN}")
    if members[0].flag_bits & 1:
        raise unreadable(place, "the archive is locked by a password", AGAIN + " without one")
    named = PurePosixPath(path.stem).suffix.lower() in FORMATS
    return (path.stem if named else members[0].filename), archive.open(members[0])


class _Bz2(io.BufferedIOBase):
    """The content of a bzip2 file; Python's own reader ends at whatever follows the first stream."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._stream = file, bz2.BZ2Decompressor()

    def read(self, size: int | None = -1, /) -> bytes:
        """Return some content, or nothing at the end of the file."""
        while True:
            packed = b""
            if self._stream.eof:
                packed = self._stream.unused_data or self._file.read(formats.BLOCK_BYTES)
                if not packed:
                    return b""
                self._stream = bz2.BZ2Decompressor()
            elif self._stream.needs_input:
                packed = self._file.read(formats.BLOCK_BYTES)
                if not packed:
                    raise EOFError("Compressed file ended before the end-of-stream marker was reached")
            if content := self._stream.decompress(packed, -1 if size is None else size):
                return content


def pieces(stream: ByteStream, packed: BinaryIO, place: str) -> Iterator[bytes]:
    """Yield a stream's content; raise if it is far larger than the compressed bytes read so far."""
    out = 0
    while piece := stream.read(formats.BLOCK_BYTES):
        out += len(piece)
        if out > BOMB_BYTES and out > BOMB_RATIO * max(packed.tell(), 1):
            raise unreadable(
                place,
                f"it unpacks to more than {BOMB_RATIO} times its size (over {BOMB_BYTES >> 20} MB), as a bomb does",
                "deliver it in another packing, or in none, if it is meant",
            )
        yield piece
