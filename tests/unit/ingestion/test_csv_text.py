"""A missing, escaped or extra quote loses no row and shifts no value: the file is refused at that quote."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

import pytest
from upath import UPath

from include.config.sources.files_source import FilesSource
from include.core.errors import SourceUnreadable
from include.ingestion import csv_text, formats
from include.ingestion.files import read_files

if TYPE_CHECKING:
    from pathlib import Path

HEADER = "id,note,at,price\n"


def source(**columns: str) -> FilesSource:
    """Return a source of one file a day."""
    return FilesSource.model_validate(
        {
            "kind": "files",
            "connection": "landing",
            "path": "{ds}.csv",
            "key": ["id"],
            "available_at": "at",
            "columns": columns or {"id": "integer", "note": "string", "at": "timestamp", "price": "float"},
        }
    )


def read(folder: Path, text: str) -> list[dict[str, Any]]:
    """Return the rows of a file."""
    (folder / "2024-01-01.csv").write_bytes(text.encode())
    chunks = read_files(source(), ["2024-01-01"], UPath(folder), "shop").chunks
    return [row for chunk in chunks for row in chunk.rows.to_pylist()]


def refused(folder: Path, text: str) -> str:
    """Return why a file is not CSV."""
    with pytest.raises(SourceUnreadable) as told:
        read(folder, text)
    sentence = str(told.value)
    assert "2024-01-01.csv: this is not a CSV file in UTF-8 (" in sentence
    assert sentence.endswith("; deliver it again, then run this task again; nothing was published")
    return sentence.partition("UTF-8 (")[2].rpartition("); deliver")[0]


def rows(count: int, note: str = '"shop {}"') -> list[str]:
    """Return lines of a file; the last value is bare, and the note is quoted."""
    return [f"{n},{note.format(n)},2024-01-01,{n}.5\n" for n in range(count)]


@pytest.fixture(params=[formats.BLOCK_BYTES, 64], ids=["one block", "many blocks"])
def blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read the file at once, or so few bytes at a time that a quote opens in one block and ends in another."""
    monkeypatch.setattr(formats, "BLOCK_BYTES", request.param)


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("number", [0, 1, 7, 8])
def test_a_missing_closing_quote_is_refused_by_its_line(tmp_path: Path, number: int) -> None:
    """The rows up to the next quote once became one value, and the day was published without them."""
    lines = rows(10)
    lines[number] = lines[number].replace(f'shop {number}"', f"shop {number}")

    told = refused(tmp_path, HEADER + "".join(lines))

    assert told.startswith(f'line {number + 2}: the quote that opens `"shop {number},2024-01-01')
    assert f" ends in line {number + 3} before `sho" in told
    assert told.endswith(
        "where a comma or the end of the line is expected, and a quote within a value is written twice"
    )


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("text", ['9,"never closed', '9,"never closed\n', '9,"a ""quoted"" word\n10,b,2024-01-01,1\n'])
def test_a_quote_that_is_open_at_the_end_is_refused_by_its_line(tmp_path: Path, text: str) -> None:
    """The file was truncated within a value, or its last quote is missing."""
    told = refused(tmp_path, HEADER + rows(1)[0] + text)

    assert told.startswith('line 3: the quote that opens `"')
    assert told.endswith(" is not closed by the end of the file")


@pytest.mark.parametrize(
    ("note", "shown"),
    [
        (r'"5\" screen"', r'`"5\` ends before ` screen",2024-01-01,`...'),
        (r'"\"quoted\""', r'`"\` ends before `quoted\"",2024-01-01`...'),
        (r'"a \"b\" c"', r'`"a \` ends before `b\" c",2024-01-01,1`'),
        ('"abc"def', '`"abc` ends before `def,2024-01-01,1`'),
        ('"abc" ', '`"abc` ends before ` ,2024-01-01,1`'),
        ('"abc""', '`"abc"",2024-01-01,1` is not closed by the end'),
        ('""abc""', '`"` ends before `abc"",2024-01-01,1`'),
    ],
)
def test_a_quote_within_a_value_is_written_twice(tmp_path: Path, note: str, shown: str) -> None:
    """A backslash before a quote, or text after one, once changed the value or shifted the next one into its place."""
    told = refused(tmp_path, f"{HEADER}1,{note},2024-01-01,1\n")

    assert told.startswith(f"line 2: the quote that opens {shown}")
    assert ("and not behind a backslash" in told) == ("\\" in note)


@pytest.mark.parametrize("note", [' "shop 1"', '\t"shop 1" '])
def test_a_quote_after_blanks_is_refused(tmp_path: Path, note: str) -> None:
    """Such a value kept its quotes; a value that is quoted as a whole, and one with inches, are read as meant."""
    fine = '0,"  ""shop, 1""",2024-01-01,1\n0,"said, ""no""",2024-01-01,1\n0, 5" by 6",2024-01-01,1\n'
    assert [row["note"] for row in read(tmp_path, HEADER + fine)] == ['  "shop, 1"', 'said, "no"', ' 5" by 6"']

    assert refused(tmp_path, f"{HEADER}{fine}1,{note},2024-01-01,1\n") == (
        f"row 5, the header being row 1: the value of 'note' is `{note}`, and a quote may not be behind blanks"
    )


@pytest.mark.parametrize("note", [r'"5\", screen"', r'"5\"'])
def test_a_backslash_is_an_ordinary_character(tmp_path: Path, note: str) -> None:
    """A backslash at the end of a value belongs to it; if that splits the rest, the row has too many values."""
    text = f"{HEADER}1,{note},2024-01-01,1\n"
    if "screen" in note:
        assert refused(tmp_path, text) == "row 2, the header being row 1, has 5 values, and the header has 4"
    else:
        assert read(tmp_path, text)[0]["note"] == "5\\"


@pytest.mark.usefixtures("blocks")
def test_two_wrong_quotes_lose_no_rows(tmp_path: Path) -> None:
    """A quote is missing in row 4 and the inches in row 7 close it: three rows were one note, unnoticed."""
    lines = rows(10, "shop {}")
    lines[2] = '2,"shop 2,2024-01-01,2.5\n'
    lines[5] = '5,screen of 5",2024-01-01,5.5\n'

    assert refused(tmp_path, HEADER + "".join(lines)) == (
        "row 4, the header being row 1: the value of 'note' begins with `shop 2,2024-01-01,2.`... and holds other "
        "rows; a quote is missing or too many"
    )


def test_lost_rows_are_found_despite_commas_in_the_broken_values(tmp_path: Path) -> None:
    """Quotes after backslashes swallow the rows between two such values, however many commas these have."""
    lines = [r'1,"it, says \"",2024-01-01,', "2,,2024-01-01,1.5", r'3,\"" x, y",2024-01-01,1.5', ""]

    told = refused(tmp_path, HEADER + "\n".join(lines))

    assert "row 2, the header being row 1: the value of 'note' begins with `it, says" in told
    assert "and holds other rows; a quote is missing or too many" in told


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_lost_rows_are_found_in_the_last_column(tmp_path: Path, line_end: str) -> None:
    """The column of the quote and the line ends make no difference."""
    lines = ["id,at,price,note", '1,2024-01-01,1,"a', '2,2024-01-01,,""', '3,2024-01-01,3,c"', ""]

    assert "row 2, the header being row 1: the value of 'note' begins with `a` and holds other rows" in refused(
        tmp_path, line_end.join(lines)
    )


@pytest.mark.usefixtures("blocks")
def test_a_value_of_several_lines_is_not_a_row(tmp_path: Path) -> None:
    """Letters, addresses and even tables contain commas and numbers, and remain one value."""
    notes = [
        "Dear all,\nplease, if you can, come\nby 5",
        "Main Street\n2, rear building",
        "1,2,3,4\n5,6,7,8\n9,10",
        "\n\n",
        "a\n3,b,2024-01-01,3.5",  # the beginning of the row is not its own
        "line\r\nend",
        'a "quoted" word,\n""',
        "x\n" * 999,
    ]
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([["id", "note", "at", "price"], *([n, note, "2024-01-01", 1.5] for n, note in enumerate(notes))])

    if formats.BLOCK_BYTES < 1_000:  # a row has room in two blocks
        assert "has no end within" in refused(tmp_path, text.getvalue())
    else:
        assert [row["note"] for row in read(tmp_path, text.getvalue())] == notes


@pytest.mark.parametrize("end", ['"', ""], ids=["closed", "open"])
def test_a_value_of_a_thousand_lines_is_an_open_quote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    """The file is refused before all of it is in memory."""
    monkeypatch.setattr(csv_text, "QUOTED_LINES", 10)
    told = refused(tmp_path, HEADER + '1,"' + "word\n" * 11 + end + ",2024-01-01,1\n")

    if end:
        assert told == (
            "row 2, the header being row 1: the value of 'note' has 12 lines, more than 10, and begins with `word`"
        )
    else:
        assert told == 'line 2: the quote that opens `"word` is not closed within 10 lines'


def test_a_file_may_end_without_a_line_end(tmp_path: Path) -> None:
    """The last row counts."""
    assert [row["note"] for row in read(tmp_path, HEADER + rows(1)[0] + '1,"a, ""b""",2024-01-01,"1.5"')] == [
        "shop 0",
        'a, "b"',
    ]


@pytest.mark.parametrize(("separator", "name"), [(";", "a semicolon"), ("\t", "a tab"), ("|", "a vertical bar")])
def test_another_separator_is_named(tmp_path: Path, separator: str, name: str) -> None:
    """For a German spreadsheet's file, the error once claimed that each column was missing."""
    text = (HEADER + "1,a,2024-01-01,").replace(",", separator) + "1,5\n"
    assert refused(tmp_path, text) == f"its header separates the names by {name}, and a comma is expected"
