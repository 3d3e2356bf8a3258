"""Decodes a file of CSV, JSON lines or Parquet into tables, a block at a time."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from include.ingestion import formats
from include.ingestion.contract import arrow_type
from include.ingestion.csv_text import check_quotes, csv_tables, end_of_csv_rows
from include.ingestion.formats import FORMATS, empty, not_a, unreadable
from include.ingestion.unpack import pieces, unpacked
from include.ingestion.values import parse_json, records_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

    import pyarrow as pa

    from include.config.sources import ColumnType, FilesSource

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
    there: set[str] = set()
    for line, block in blocks():
        there |= declared.keys() & set(_parse_json(block, line, declared, place).column_names)
        if len(there) == len(declared):
            break
    for line, block in blocks():
        table = _parse_json(block, line, declared, place)
        for name in sorted(there - set(table.column_names)):
            table = table.append_column(name, pa.nulls(table.num_rows))
        yield table


def _parse_json(block: bytes, line: int, declared: dict[str, ColumnType], place: str) -> pa.Table:
    """Parse lines, each an object: fast where all values are as declared, else line by line."""
    table = None if _is_deep(block) else _as_declared(block, declared)
    if table is None or not _has_lines(block, table.num_rows):
        return _line_by_line(block, line, place)
    # Arrow makes a column of nulls of each declared one that no line has
    absent = [name for name in declared if table[name].null_count == table.num_rows]
    if absent:
        given = _as_declared(block, {name: kind for name, kind in declared.items() if name not in absent})
        return _line_by_line(block, line, place) if given is None else given
    return table


def _has_lines(block: bytes, lines: int) -> bool:
    """Return whether a block has so many lines that are not blank; Arrow reads two objects of one line as well."""
    return lines == block.count(b"\n") or lines == sum(1 for content in block.split(b"\n") if content.strip())


def _is_deep(block: bytes) -> bool:
    """Return whether lines may be nested a thousand deep, of which Arrow's parser takes the whole process down."""
    beside_the_first = block.count(b"{") + block.count(b"[") - block.count(b"\n{")
    return beside_the_first >= DEEPEST and any(
        content.count(b"{") + content.count(b"[") > DEEPEST for content in block.split(b"\n")
    )


def _as_declared(block: bytes, declared: dict[str, ColumnType]) -> pa.Table | None:
    """Parse lines with the declared types, or return None where a column is not of one type, or a line no object."""
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
            # a column may be of one other type throughout, such as integers for text
            changed = re.search(r"Column\(/(.*)\) changed from \w+ to (\w+)", str(error))
            if not changed or changed[1] not in types or changed[2] not in others:
                return None
            types[changed[1]] = others[changed[2]]
    return None


def _line_by_line(block: bytes, line: int, place: str) -> pa.Table:
    """Parse lines in Python, which keeps of each value what it was written as; a blank line is none."""
    lines = {number: content for number, content in enumerate(block.split(b"\n"), line) if content.strip()}
    records: object = None
    with suppress(ValueError):  # at once, which takes half of the time
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
        raise not_a("JSON lines", place, f"line {number}: it is no object with fields")
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
    # what was buffered ahead would be a whole row group
    parquet = pq.ParquetFile(
        pa.PythonFile(file, mode="r"),
        pre_buffer=False,
        buffer_size=2**20,
        coerce_int96_timestamp_unit="us",  # in nanoseconds, the year 9999 becomes 1816
        page_checksum_verification=True,  # where there are any, as Spark writes them
    )
    for batch in parquet.iter_batches(batch_size=PARQUET_ROWS, use_threads=False):
        yield pa.Table.from_batches([batch])
