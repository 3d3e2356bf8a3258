"""Reads CSV without losing rows in a quote that was opened and never closed.

A quote opens a value only at the value's beginning; commas and line ends are then text. The closing quote stands before
a comma or the end of a line, and a quote inside the value is doubled (RFC 4180). If a quote is missing or escaped by a
backslash, the value ends in the wrong place, and the reader refuses the file there.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from include.ingestion.formats import not_a

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from include.config.sources import ColumnType
    from include.config.sources.files_source import FilesSource

#: Lines that a quoted value may have; a longer value is more likely a quote that was never closed.
QUOTED_LINES = 1_000

#: Characters of a value that an error shows.
EXCERPT = 20

#: Other separators in files that are also called CSV.
SEPARATORS = {b";": "a semicolon", b"\t": "a tab", b"|": "a vertical bar"}

#: The complete values of a row; the complete rows of a text.
_VALUES = rb'(?:"(?:[^"]++|"")*+"(?=[,\r\n])|[^",\r\n][^,\r\n]*+|[,\r])*+'
VALUES = re.compile(_VALUES)
WHOLE_ROWS = re.compile(rb"(?:" + _VALUES + rb"\n)*+")

#: A quoted value up to its closing quote.
QUOTED = re.compile(rb'"(?:[^"]++|"")*+')

#: A value that begins with blanks and a quote; a value that is quoted after blanks.
BLANK_AND_QUOTE = re.compile(rb'(?:\A|[,\r\n])[ \t]+"')
QUOTED_AFTER_BLANKS = r'^[ \t]+".*"[ \t]*$'

#: Patterns of the values of a type; an empty value is null.
VALUE_PATTERNS = {
    "integer": re.compile(r"\s*([+-]?\d+)?\s*"),
    "float": re.compile(r"\s*([+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|nan|[+-]?inf(inity)?)?\s*", re.IGNORECASE),
    "boolean": re.compile(r"\s*(true|false|0|1)?\s*", re.IGNORECASE),
    "timestamp": re.compile(r"\s*(\d{4}-\d\d-\d\d.*)?"),
}


def end_of_csv_rows(text: bytes) -> int:
    """Return the position after the last complete row of a text."""
    return _end_of_match(WHOLE_ROWS, text, 0) if b'"' in text else text.rfind(b"\n") + 1


def _end_of_match(pattern: re.Pattern[bytes], text: bytes, start: int) -> int:
    """Return the end of a match; the patterns of this module match the empty text too."""
    found = pattern.match(text, start)
    return found.end() if found else start


def check_quotes(rest: bytes, line: int, place: str, *, is_end: bool = False) -> None:
    """Refuse a quoted value that ends where no value can end, is too long, or is never closed.

    Parameters
    ----------
    rest
        The text after the last complete row.
    line
        Number of its first line.
    is_end
        Whether the file ends with this text.
    """
    opened = _end_of_match(VALUES, rest, 0)
    if not rest.startswith(b'"', opened):
        return
    closed = _end_of_match(QUOTED, rest, opened)
    after = rest[closed + 1 : closed + 1 + 4 * EXCERPT]
    first, lines = line + rest.count(b"\n", 0, opened), rest.count(b"\n", opened, closed)
    begins = f"line {first}: the quote that opens {_excerpt(rest[opened:closed])}"
    if after:
        ends = f"ends in line {first + lines} before {_excerpt(after)}" if lines else f"ends before {_excerpt(after)}"
        doubled = ", and a quote within a value is written twice"
        if rest.endswith(b"\\", opened, closed):
            doubled += " and not behind a backslash"
        raise not_a("CSV", place, f"{begins} {ends}, where a comma or the end of the line is expected{doubled}")
    if lines > QUOTED_LINES:
        raise not_a("CSV", place, f"{begins} is not closed within {QUOTED_LINES:,} lines")
    if is_end:
        raise not_a("CSV", place, f"{begins} is not closed by the end of the file")


def csv_tables(blocks: Iterator[tuple[int, bytes]], source: FilesSource, place: str) -> Iterator[pa.Table]:
    """Parse CSV with a header; all values stay text, which is cast to the declared types later."""
    import pyarrow as pa
    from pyarrow import csv

    names: list[str] | None = None
    rows = 0
    for _, block in blocks:
        if names is None:
            _check_separator(block.partition(b"\n")[0], place)
        try:
            table = csv.read_csv(
                pa.BufferReader(block),
                read_options=csv.ReadOptions(use_threads=False, block_size=len(block), column_names=names),
                parse_options=csv.ParseOptions(newlines_in_values=True),
                convert_options=csv.ConvertOptions(
                    default_column_type=pa.string(), null_values=[""], strings_can_be_null=True
                ),
            )
        except pa.ArrowInvalid as error:
            found = re.search(r"Row #(\d+): Expected (\d+) columns, got (\d+)", str(error))
            reason = str(error).splitlines()[0]
            if found:
                row = int(found[1]) + (rows + 1 if names else 0)
                reason = f"row {row}, the header being row 1, has {found[3]} values, and the header has {found[2]}"
            raise not_a("CSV", place, reason) from error
        if b'"' in block and table.num_rows + (names is None) != block.count(b"\n"):
            _check_lines(table, source, rows, place)
        if (b' "' in block or b'\t"' in block) and BLANK_AND_QUOTE.search(block):
            _check_blanks(table, block, rows, place)
        names = table.column_names
        rows += table.num_rows
        yield table


def _check_separator(header: bytes, place: str) -> None:
    """Refuse a file with another separator, as spreadsheets write in many countries."""
    if b"," in header:
        return
    for separator, name in SEPARATORS.items():
        if separator in header:
            raise not_a("CSV", place, f"its header separates the names by {name}, and a comma is expected")


def _check_lines(table: pa.Table, source: FilesSource, rows: int, place: str) -> None:
    """Refuse a value of too many lines, and a value that swallowed rows between quotes of two other values."""
    import pyarrow.compute as pc

    renamed = source.contract.renamed
    kinds = [source.columns.get(renamed.get(name, name)) for name in table.column_names]
    for column, name in enumerate(table.column_names):
        for position in pc.indices_nonzero(pc.match_substring_regex(table[column], "[\r\n]")).to_pylist():
            lines = re.split("\r\n|\r|\n", table[column][position].as_py())
            where = f"row {rows + position + 2}, the header being row 1: the value of '{name}'"
            begins = f"begins with {_excerpt(lines[0].encode())}"
            if len(lines) > QUOTED_LINES:
                raise not_a("CSV", place, f"{where} has {len(lines):,} lines, more than {QUOTED_LINES:,}, and {begins}")
            if _contains_rows(lines, column, kinds):
                raise not_a("CSV", place, f"{where} {begins} and holds other rows; a quote is missing or too many")


def _check_blanks(table: pa.Table, block: bytes, rows: int, place: str) -> None:
    """Refuse a value that is quoted after blanks: its quotes would be text, and it would end at a comma in them."""
    import pyarrow.compute as pc

    for name, column in zip(table.column_names, table.columns, strict=True):
        for position in pc.indices_nonzero(pc.match_substring_regex(column, QUOTED_AFTER_BLANKS)).to_pylist():
            value = column[position].as_py().encode()
            if re.search(
                rb"(?:\A|[,\r\n])" + re.escape(value) + rb"[,\r\n]", block
            ):  # the value as a whole is not quoted
                reason = f"the value of '{name}' is {_excerpt(value)}, and a quote may not be behind blanks"
                raise not_a("CSV", place, f"row {rows + position + 2}, the header being row 1: {reason}")


def _contains_rows(lines: list[str], column: int, kinds: list[ColumnType | None]) -> bool:
    """Return whether the lines of a value look like rows of the file.

    Either a line between the first and the last is a row, or the first line ends like a row and the last line begins
    like one. A row has values that match the types of their columns, and at least one timestamp.
    """
    first, *between, last = ([value.strip('"') for value in line.split(",")] for line in lines)
    if any(_look_like_values(row, kinds) for row in between):
        return True
    after = len(kinds) - column - 1
    if len(first) <= after or len(last) <= column:
        return False
    return _look_like_values(last[:column] + first[len(first) - after :], kinds[:column] + kinds[column + 1 :])


def _look_like_values(values: list[str], kinds: list[ColumnType | None]) -> bool:
    each = [(value, kind) for value, kind in zip(values, kinds, strict=False) if kind in VALUE_PATTERNS]
    return (
        len(values) == len(kinds)
        and all(VALUE_PATTERNS[kind].fullmatch(value) for value, kind in each)
        and any(value.strip() for value, kind in each if kind == "timestamp")
    )


def _excerpt(text: bytes) -> str:
    """Return the beginning of a text, up to the end of its line."""
    shown = re.split("[\r\n]", text.decode(errors="replace"), maxsplit=1)[0]
    return f"`{shown[:EXCERPT]}`" + ("..." if len(shown) > EXCERPT else "")
