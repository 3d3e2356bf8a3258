"""Decodes a file of CSV, JSON lines or Parquet into tables, one block at a time."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from include.ingestion import formats
from include.ingestion.arrow_types import arrow_type
from include.ingestion.csv_text import check_quotes, csv_tables, end_of_csv_rows
from include.ingestion.formats import FORMATS, empty, not_a, unreadable
from include.ingestion.unpack import pieces, unpacked
from include.ingestion.values import parse_json, records_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

    import pyarrow as pa

    from include.config.sources import ColumnType
    from include.config.sources.files_source import FilesSource

PARQUET_ROWS = 65_536

#: Nesting of a line's objects and lists that Arrow certainly parses.
SAFE_DEPTH = 500

#: First bytes of files that are not text, whatever their name says.
SIGNATURES = {
    b"PK\x03\x04": "a ZIP archive or a workbook",
    b"PK\x05\x06": "an empty ZIP archive",
    b"PAR1\x15": "a Parquet file",
    b"\x1f\x8b": "packed by gzip",
    b"\x28\xb5\x2f\xfd": "packed by zstd",
}


def tables(source: FilesSource, file: BinaryIO, name: str, place: str) -> Iterator[pa.Table]:
    """Yield the rows of a file; its format is the declared one or the one of its name's ending."""
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
    """Yield blocks of complete rows with the number of their first line; an empty text is an error."""
    rest, line, some = b"", 1, False

    def check_text(block: bytes) -> bytes:
        """Return a block without its byte order mark; raise if it is not text."""
        try:
            block.decode()
            at = block.find(b"\0")
            found = "a byte 0, as in UTF-16 and in files that are not text"
        except UnicodeDecodeError as error:
            at, found = error.start, f"the byte 0x{block[error.start]:02x} is not UTF-8"
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
            yield line, check_text(block)
            some = True
        line += block.count(b"\n")
    if rest.strip(b" \t\r\n\xef\xbb\xbf"):
        if form == "CSV":
            check_quotes(rest + b"\n", line, place, is_end=True)
        yield line, check_text(rest + b"\n")
    elif not some:
        raise empty(place)


def _end_of_lines(text: bytes) -> int:
    return text.rfind(b"\n") + 1


def _json_tables(
    blocks: Callable[[], Iterator[tuple[int, bytes]]], source: FilesSource, place: str
) -> Iterator[pa.Table]:
    """Parse JSON lines; a declared column that occurs in any line of the file is in all of its tables."""
    import pyarrow as pa

    declared = {old: source.columns[new] for old, new in source.contract.renamed.items()}
    declared |= {name: kind for name, kind in source.columns.items() if name not in source.contract.renamed.values()}
    present: set[str] = set()
    for line, block in blocks():
        present |= declared.keys() & set(_parse_json(block, line, declared, place).column_names)
        if len(present) == len(declared):
            break
    for line, block in blocks():
        table = _parse_json(block, line, declared, place)
        for name in sorted(present - set(table.column_names)):
            table = table.append_column(name, pa.nulls(table.num_rows))
        yield table


def _parse_json(block: bytes, line: int, declared: dict[str, ColumnType], place: str) -> pa.Table:
    """Parse lines of objects: by Arrow if all values are of the declared types, otherwise line by line."""
    table = None if _is_deep(block) else _parse_as_declared(block, declared)
    if table is None or not _has_lines(block, table.num_rows):
        return _parse_in_python(block, line, place)
    # Arrow adds a column of nulls for each declared column that no line has
    absent = [name for name in declared if table[name].null_count == table.num_rows]
    if absent:
        given = _parse_as_declared(block, {name: kind for name, kind in declared.items() if name not in absent})
        return _parse_in_python(block, line, place) if given is None else given
    return table


def _has_lines(block: bytes, lines: int) -> bool:
    """Return whether a block has this many non-blank lines; Arrow would also read two objects from one line."""
    return lines == block.count(b"\n") or lines == sum(1 for content in block.split(b"\n") if content.strip())


def _is_deep(block: bytes) -> bool:
    """Return whether a line may be nested a thousand levels deep, which would crash Arrow's parser and the process."""
    nested = block.count(b"{") + block.count(b"[") - block.count(b"\n{")
    return nested >= SAFE_DEPTH and any(
        content.count(b"{") + content.count(b"[") > SAFE_DEPTH for content in block.split(b"\n")
    )


def _parse_as_declared(block: bytes, declared: dict[str, ColumnType]) -> pa.Table | None:
    """Parse lines with the declared types; None if a column has values of two types or a line is not an object."""
    import pyarrow as pa
    from pyarrow import json as arrow_json

    types = {name: arrow_type("string" if kind == "timestamp" else kind) for name, kind in declared.items()}
    others = {"string": pa.string(), "number": pa.int64(), "boolean": pa.bool_()}
    for _ in range(len(types) + 1):
        try:
            return arrow_json.read_json(
                pa.BufferReader(block),
                read_options=arrow_json.ReadOptions(use_threads=False, block_size=len(block)),
                parse_options=arrow_json.ParseOptions(explicit_schema=pa.schema(list(types.items()))),
            )
        except pa.ArrowInvalid as error:
            # all values of a column may be of one other type, such as integers for text
            changed = re.search(r"Column\(/(.*)\) changed from \w+ to (\w+)", str(error))
            if not changed or changed[1] not in types or changed[2] not in others:
                return None
            types[changed[1]] = others[changed[2]]
    return None


def _parse_in_python(block: bytes, line: int, place: str) -> pa.Table:
    """Parse lines in Python, which keeps each number as it was written; blank lines are ignored."""
    lines = {number: content for number, content in enumerate(block.split(b"\n"), line) if content.strip()}
    records: object = None
    with suppress(ValueError):  # parsing all lines at once takes half the time
        records = parse_json(b"[" + b",".join(lines.values()) + b"]")
    if not isinstance(records, list) or len(records) != len(lines) or {*map(type, records)} != {dict}:
        records = [_record(content, number, place) for number, content in lines.items()]
    return records_table(records, place)


def _record(content: bytes, number: int, place: str) -> dict[str, object]:
    try:
        record = parse_json(content)
    except ValueError as error:
        raise not_a("JSON lines", place, f"line {number}: {error}") from error
    if not isinstance(record, dict):
        raise not_a("JSON lines", place, f"line {number}: it is not an object with fields")
    return record


def _parquet_tables(file: BinaryIO, place: str) -> Iterator[pa.Table]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file.seek(0)
    head = file.read(formats.BLOCK_BYTES)
    if not head.strip():
        raise empty(place)
    if head[:4] != b"PAR1":
        raise not_a("Parquet", place, "it begins with other bytes", "file")
    # buffering ahead would hold a whole row group in memory
    parquet = pq.ParquetFile(
        pa.PythonFile(file, mode="r"),
        pre_buffer=False,
        buffer_size=2**20,
        coerce_int96_timestamp_unit="us",  # in nanoseconds, the year 9999 becomes 1816
        page_checksum_verification=True,  # if the writer added checksums, as Spark does
    )
    for batch in parquet.iter_batches(batch_size=PARQUET_ROWS, use_threads=False):
        yield pa.Table.from_batches([batch])
