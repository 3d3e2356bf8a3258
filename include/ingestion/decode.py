"""Decodes a file of CSV, JSON lines or Parquet into tables, a block at a time."""

from __future__ import annotations

import json
import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from include.ingestion import formats
from include.ingestion.csv_text import check_quotes, csv_tables, end_of_csv_rows
from include.ingestion.formats import FORMATS, empty, not_a, unreadable
from include.ingestion.unpack import pieces, unpacked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

    import pyarrow as pa

    from include.source_config import FilesSource

PARQUET_ROWS = 65_536

#: Objects and lists of a line that may be within each other without a closer look.
DEEPEST = 500

#: What a file begins with that is no text, whatever its name says.
SIGNATURES = {
    b"PK\x03\x04": "a ZIP archive or a workbook",
    b"PK\x05\x06": "an empty ZIP archive",
    b"PAR1\x15": "a Parquet file",
    b"\x1f\x8b": "packed by gzip",
    b"\x28\xb5\x2f\xfd": "packed by zstd",
}


def tables(source: FilesSource, file: BinaryIO, name: str, place: str) -> Iterator[pa.Table]:
    """Yield the rows of a file by its format, which is declared or what its name ends with."""
    inner, _ = unpacked(file, name, place)
    is_packed = inner != name
    form = source.format or FORMATS.get(PurePosixPath(inner).suffix.lower())
    if form is None:
        raise unreadable(
            place,
            "its name does not say what it holds",
            "end it with .csv, .jsonl or .parquet, or set `format` in pipeline.yaml, then run this task again",
        )
    if form == "parquet" and is_packed:
        raise unreadable(
            place, "a Parquet file cannot be read when it is packed", "deliver it as it is; it is packed inside"
        )
    if form == "parquet":
        yield from _parquet_tables(file, place)
        return

    def content() -> Iterator[bytes]:
        return pieces(unpacked(file, name, place)[1], file, place)

    first = next(content(), b"")
    for signature, what in SIGNATURES.items():
        if first.startswith(signature):
            raise unreadable(place, f"this is {what}, and not {form}", "correct its name, or `format` in pipeline.yaml")
    if form == "csv":
        yield from csv_tables(_blocks(content(), end_of_csv_rows, "CSV", place), source, place)
    else:
        yield from _json_tables(lambda: _blocks(content(), _end_of_lines, "JSON lines", place), source, place)


def _blocks(
    content: Iterator[bytes], end_of_rows: Callable[[bytes], int], form: str, place: str
) -> Iterator[tuple[int, bytes]]:
    """Yield whole rows of a text and the number of their first line; a text that is empty is an error."""
    rest, line, some = b"", 1, False

    def checked(block: bytes) -> bytes:
        """Return the block without a byte order mark, if it is text."""
        try:
            block.decode()
            at = block.find(b"\0")
            found = "a byte 0, as in UTF-16 and in files that are no text"
        except UnicodeDecodeError as error:
            at, found = error.start, f"the byte 0x{block[error.start]:02x} is not of UTF-8"
        if at >= 0:
            number = line + block.count(b"\n", 0, at)
            raise not_a(form, place, f"line {number}: {found}")
        return block if some else block.removeprefix(b"\xef\xbb\xbf")

    for piece in content:
        rest += piece
        end = end_of_rows(rest)
        if form == "CSV":
            check_quotes(rest[end:], line + rest.count(b"\n", 0, end), place)
        if not end and len(rest) > 2 * formats.BLOCK_BYTES:
            raise not_a(form, place, f"the row of line {line} has no end within {formats.BLOCK_BYTES >> 19} MB")
        block, rest = rest[:end], rest[end:]
        if block.strip(b" \t\r\n\xef\xbb\xbf"):
            yield line, checked(block)
            some = True
        line += block.count(b"\n")
    if rest.strip(b" \t\r\n\xef\xbb\xbf"):
        if form == "CSV":
            check_quotes(rest + b"\n", line, place, is_end=True)
        yield line, checked(rest + b"\n")
    elif not some:
        raise empty(place)


def _end_of_lines(text: bytes) -> int:
    return text.rfind(b"\n") + 1


def _json_tables(
    blocks: Callable[[], Iterator[tuple[int, bytes]]], source: FilesSource, place: str
) -> Iterator[pa.Table]:
    """Parse JSON lines; a declared column that any line of the file has is in all its tables."""
    import pyarrow as pa

    declared = {old: source.columns[new] for old, new in source.contract.renamed.items()}
    declared |= {name: kind for name, kind in source.columns.items() if name not in source.contract.renamed.values()}
    text = [name for name, kind in declared.items() if kind in ("string", "timestamp")]
    there: set[str] = set()
    for line, block in blocks():
        _check_depth(block, line, place)
        there |= declared.keys() & set(_parse_json(block, line, text, place).column_names)
        if len(there) == len(declared):
            break
    kinds: dict[str, str] = {}
    for line, block in blocks():
        _check_depth(block, line, place)
        table = _parse_json(block, line, text, place)
        for field in table.schema:
            kind = _kind(field.type)
            known = kinds.setdefault(field.name, kind) if kind else kind
            if kind != known:
                reason = f"'{field.name}' changes from {known} to {kind} after line {line - 1}"
                raise not_a("JSON lines", place, reason)
        for name in sorted(there - set(table.column_names)):
            table = table.append_column(name, pa.nulls(table.num_rows))
        yield table


def _check_depth(block: bytes, line: int, place: str) -> None:
    """Refuse lines that are nested a thousand deep, of which Arrow's parser takes the whole process down."""
    beside_the_first = block.count(b"{") + block.count(b"[") - block.count(b"\n{")
    if beside_the_first < DEEPEST:
        return
    for number, content in enumerate(block.split(b"\n"), line):
        if content.count(b"{") + content.count(b"[") > DEEPEST:
            try:
                json.loads(content)
            except RecursionError as error:
                raise not_a("JSON lines", place, f"line {number}: its objects or lists are nested too deep") from error
            except ValueError:  # Arrow says what is wrong with it
                continue


def _parse_json(block: bytes, line: int, text: list[str], place: str) -> pa.Table:
    """Parse lines, each an object; what is in `text` stays text where it is, so that no time is guessed at."""
    import pyarrow as pa
    from pyarrow import json as arrow_json

    try:
        table = arrow_json.read_json(
            pa.BufferReader(block),
            read_options=arrow_json.ReadOptions(use_threads=False, block_size=len(block)),
            parse_options=arrow_json.ParseOptions(explicit_schema=pa.schema([(name, pa.string()) for name in text])),
        )
    except pa.ArrowInvalid as error:
        changed = re.search(r"Column\(/?(.*)\) changed from (\w+) to (\w+)", str(error))
        if changed and changed[1] in text:  # it is no text: it comes as it is, if it is of one type
            return _parse_json(block, line, [name for name in text if name != changed[1]], place)
        reason = str(error).splitlines()[0]
        row = re.search(r" in row (\d+)", reason)
        if changed:
            reason = f"'{changed[1]}' changes from {changed[2]} to {changed[3]}"
            reason = reason if changed[1] else f"a line is no object but {changed[3]}"
        lines = [number for number, content in enumerate(block.split(b"\n")) if content.strip()]
        if row and int(row[1]) < len(lines):
            reason = f"line {line + lines[int(row[1])]}: {reason.replace(row[0], '')}"
        raise not_a("JSON lines", place, reason) from error
    if table.num_rows != block.count(b"\n"):
        lines = sum(1 for content in block.split(b"\n") if content.strip())
        if table.num_rows != lines:
            raise not_a("JSON lines", place, f"{lines:,} lines from line {line} on hold {table.num_rows:,} objects")
    # Arrow makes a column of nulls of each one in `text` that no line has
    absent = [name for name in text if table[name].null_count == table.num_rows]
    return _parse_json(block, line, [name for name in text if name not in absent], place) if absent else table


def _kind(of: pa.DataType) -> str | None:
    import pyarrow as pa

    if pa.types.is_null(of):
        return None
    if pa.types.is_boolean(of):
        return "boolean"
    if pa.types.is_integer(of) or pa.types.is_floating(of):
        return "number"
    return "a list or an object" if pa.types.is_nested(of) else "text"


def _parquet_tables(file: BinaryIO, place: str) -> Iterator[pa.Table]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file.seek(0)
    head = file.read(formats.BLOCK_BYTES)
    if not head.strip():
        raise empty(place)
    if head[:4] != b"PAR1":
        raise not_a("Parquet", place, "it begins with other bytes", "file")
    # what was buffered ahead would be a whole row group
    parquet = pq.ParquetFile(pa.PythonFile(file, mode="r"), pre_buffer=False, buffer_size=2**20)
    for batch in parquet.iter_batches(batch_size=PARQUET_ROWS, use_threads=False):
        yield pa.Table.from_batches([batch])
