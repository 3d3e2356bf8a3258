"""A source's CSV files are read day by day; one that cannot be read is told by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from upath import UPath

from include.config import FilesSource
from include.errors import SchemaMismatch, SourceUnreadable
from include.ingestion.files import read_files

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = FilesSource.model_validate(
    {
        "kind": "files",
        "connection": "landing",
        "path": "weather/{ds}.csv",
        "key": ["station", "at"],
        "available_at": "at",
        "columns": {"station": "string", "at": "timestamp", "wind": "float"},
    }
)
DAYS = ["2024-01-01", "2024-01-02"]
HEADER = "station,at,wind\n"


@pytest.fixture
def landing(tmp_path: Path) -> UPath:
    """Write a file of two rows for each day and return the connection's folder."""
    (tmp_path / "weather").mkdir()
    for day in DAYS:
        text = f"{HEADER}JFK,{day}T00:00:00,1.5\nLGA,{day}T01:00:00,\n"
        (tmp_path / "weather" / f"{day}.csv").write_text(text, encoding="utf-8")
    return UPath(tmp_path)


def deliver(landing: UPath, content: bytes, day: str = DAYS[1]) -> None:
    """Put a file in the place of a day's."""
    (landing / "weather" / f"{day}.csv").write_bytes(content)


def test_the_files_of_all_days_are_one_table(landing: UPath) -> None:
    """Each day's file is read, and an empty value is null."""
    rows, missing = read_files(SOURCE, DAYS, landing, "shop")

    assert rows["station"].to_pylist() == ["JFK", "LGA", "JFK", "LGA"]
    assert rows["wind"].to_pylist() == [1.5, None, 1.5, None]
    assert missing == []


def test_a_missing_file_is_named_and_the_others_are_read(landing: UPath) -> None:
    """What a missing day means is for the caller to say."""
    rows, missing = read_files(SOURCE, [*DAYS, "2024-01-03"], landing, "shop")

    assert rows.num_rows == 4
    assert missing == ["weather/2024-01-03.csv"]


def test_a_snapshots_file_is_read_once(landing: UPath) -> None:
    """A snapshot has one file, whatever the days."""
    (landing / "stations.csv").write_text(f"{HEADER}JFK,2024-01-01,1\n")
    snapshot = SOURCE.model_copy(update={"path": "stations.csv", "arrives": "snapshot"})

    rows, missing = read_files(snapshot, DAYS, landing, "shop")

    assert (rows.num_rows, missing) == (1, [])


@pytest.mark.parametrize("content", [b"", b" \n\n", b"\t\r\n"])
def test_an_empty_file_is_told_as_empty(landing: UPath, content: bytes) -> None:
    """A delivery that broke off before its header is not a day without rows."""
    deliver(landing, content)

    with pytest.raises(SourceUnreadable, match=r"2024-01-02\.csv: the file is empty \(0 rows and no header\)"):
        read_files(SOURCE, DAYS, landing, "shop")


@pytest.mark.parametrize(
    "content",
    [
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\xff\xfe",
        b"\x1f\x8b\x08\x00\xff\xff\xff",
        HEADER.encode() + "Z\xfcrich,2024-01-02,1\n".encode("latin-1"),
        HEADER.encode() + b"JFK,2024-01-02,1\nLGA,2024-01-02\n",
        HEADER.encode() + b"JFK,2024-01-02,1,5\n",
    ],
    ids=["picture", "compressed", "latin-1", "row too short", "row too long"],
)
def test_a_file_that_is_no_csv_is_told_by_its_path(landing: UPath, content: bytes) -> None:
    """A binary file, another encoding or a broken row names the file and what to do."""
    deliver(landing, content)

    with pytest.raises(
        SourceUnreadable, match=r"^shop, file .*2024-01-02\.csv: this is not a CSV file in UTF-8"
    ) as told:
        read_files(SOURCE, DAYS, landing, "shop")
    assert str(told.value).endswith("run this task again; nothing was published")


def test_a_folder_in_the_place_of_a_file_is_told(landing: UPath) -> None:
    """What the operating system says of the file is in the sentence."""
    (landing / "weather" / "2024-01-03.csv").mkdir()

    with pytest.raises(SourceUnreadable, match=r"2024-01-03\.csv cannot be read \(Is a directory\)"):
        read_files(SOURCE, ["2024-01-03"], landing, "shop")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("station,at,winds\nJFK,2024-01-02,1\n", r"lacks column 'wind' \(renamed to 'winds'\?\)"),
        ("station,at,wind,gust\nJFK,2024-01-02,1,2\n", "brings column 'gust', which"),
        ("station,at,wind,wind\nJFK,2024-01-02,1,2\n", "brings column 'wind' twice"),
        ("station;at;wind\nJFK;2024-01-02;1\n", "lacks column 'station'.*lacks column 'at'.*lacks column 'wind'"),
        ("station,at,wind\nJFK,2024-01-02,calm\n", "'wind' is declared as float, and the value 'calm' is not one"),
        ("JFK,2024-01-02,1\n", "lacks column 'station'"),
    ],
)
def test_a_file_of_other_columns_is_told_by_its_name(landing: UPath, text: str, sentence: str) -> None:
    """Of many files the one that is not as declared is named."""
    deliver(landing, text.encode())

    with pytest.raises(SchemaMismatch, match=rf"^shop, weather/2024-01-02\.csv: .*{sentence}"):
        read_files(SOURCE, DAYS, landing, "shop")


def test_a_header_alone_is_a_file_without_rows(landing: UPath) -> None:
    """A day without rows is a file that is as declared; whether it may be is for the caller to say."""
    deliver(landing, HEADER.encode())

    rows, missing = read_files(SOURCE, DAYS, landing, "shop")

    assert (rows.num_rows, missing) == (2, [])


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfstation,at,wind\nJFK,2024-01-02,1\n",
        b'"station","at","wind"\n"JFK","2024-01-02","1"\n',
        b"station,at,wind\r\nJFK,2024-01-02,1\r\n",
        b"wind,station,at\n1,JFK,2024-01-02\n",
    ],
    ids=["byte order mark", "quotes", "windows", "other order"],
)
def test_the_ways_of_writing_a_csv_file_mean_the_same(landing: UPath, content: bytes) -> None:
    """Quotes, line ends, a byte order mark and the columns' order make no difference."""
    deliver(landing, content)

    rows, _ = read_files(SOURCE, DAYS[1:], landing, "shop")

    assert rows.drop_columns(["at"]).to_pylist() == [{"station": "JFK", "wind": 1.0}]


@pytest.mark.parametrize("station", ["007", "1e3", "NA", "null", "true", "2024-01-01"])
def test_text_stays_the_text_that_it_is(landing: UPath, station: str) -> None:
    """A code that looks like a number, a date or a null keeps its zeros and letters."""
    deliver(landing, f"{HEADER}{station},2024-01-02,1\n".encode())

    rows, _ = read_files(SOURCE, DAYS[1:], landing, "shop")

    assert rows["station"].to_pylist() == [station]


@pytest.mark.parametrize("header", ["station, at,wind", '"station", "at","wind"'])
def test_a_space_in_the_header_is_told_as_another_name(landing: UPath, header: str) -> None:
    """A header with a space is not guessed at; the sentence shows the name that came."""
    deliver(landing, f"{header}\n007,2024-01-02,1\n".encode())

    with pytest.raises(SchemaMismatch, match="lacks column 'at'"):
        read_files(SOURCE, DAYS[1:], landing, "shop")
