"""A source's files are read block by block and unchanged; an error names the file that cannot be read."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import json
import os
import zipfile
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from upath import UPath

from include.config.sources.files_source import FilesSource
from include.core.errors import ConfigError, SourceUnreadable
from include.ingestion import decode, formats, unpack
from include.ingestion.files import FileRead, read_files

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
ROW = {"station": "JFK", "at": "2024-01-02T00:00:00", "wind": 1.5}


@pytest.fixture
def landing(tmp_path: Path) -> UPath:
    """Write a file of two rows for each day and return the connection's folder."""
    (tmp_path / "weather").mkdir()
    for day in DAYS:
        text = f"{HEADER}JFK,{day}T00:00:00,1.5\nLGA,{day}T01:00:00,\n"
        (tmp_path / "weather" / f"{day}.csv").write_text(text, encoding="utf-8")
    return UPath(tmp_path)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read so few bytes at a time that a small file has many blocks."""
    monkeypatch.setattr(formats, "BLOCK_BYTES", 64)


def deliver(landing: UPath, content: bytes, name: str = "weather/2024-01-02.csv") -> None:
    """Put a file in the folder."""
    (landing / name).parent.mkdir(parents=True, exist_ok=True)
    (landing / name).write_bytes(content)


def at(path: str, **changes: Any) -> FilesSource:
    """Return the source with another path."""
    return SOURCE.model_copy(update={"path": path} | changes)


def read(source: FilesSource, landing: UPath, days: list[str] = DAYS[1:]) -> list[dict[str, Any]]:
    """Return all rows of the days."""
    return [row for chunk in read_files(source, days, landing, "shop").chunks for row in chunk.rows.to_pylist()]


def csv_file(rows: int) -> bytes:
    """Return a CSV file of distinct rows."""
    return (HEADER + "".join(f"S{n},2024-01-02,{n}\n" for n in range(rows))).encode()


def json_lines(*rows: object) -> bytes:
    """Return rows as JSON lines."""
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def parquet(rows: int = 1, **options: Any) -> bytes:
    """Return a Parquet file of rows."""
    buffer = io.BytesIO()
    table = pa.table({"station": [f"S{n}" for n in range(rows)], "wind": [float(n) for n in range(rows)]})
    pq.write_table(table, buffer, **options)
    return buffer.getvalue()


def flipped(file: bytes) -> bytes:
    """Return a file with one flipped bit in a value, which still parses."""
    at = len(file) // 4
    return file[:at] + bytes([file[at] ^ 1]) + file[at + 1 :]


def zipped(**members: bytes) -> bytes:
    """Return a ZIP archive of members, by their name with _ for its dot."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("_", "."), content)
    return buffer.getvalue()


def damaged(archive: bytes) -> bytes:
    """Return a ZIP archive with a member that does not match its checksum."""
    at = archive.index(b"PK\x01\x02") + 16
    return archive[:at] + bytes([archive[at] ^ 1]) + archive[at + 1 :]


# what is read


def test_the_files_of_all_days_are_read_in_order(landing: UPath) -> None:
    """Every value of a CSV file is text as written; an empty value is null."""
    rows = read(SOURCE, landing, DAYS)

    assert [row["station"] for row in rows] == ["JFK", "LGA", "JFK", "LGA"]
    assert [row["wind"] for row in rows] == ["1.5", None, "1.5", None]
    assert rows[3]["at"] == "2024-01-02T01:00:00"


def test_each_chunk_names_its_file(landing: UPath) -> None:
    """An error in the rows can name the file."""
    chunks = list(read_files(SOURCE, DAYS, landing, "shop").chunks)

    assert [chunk.where for chunk in chunks] == ["shop, weather/2024-01-01.csv", "shop, weather/2024-01-02.csv"]


def test_each_file_is_recorded_with_hash_and_rows(landing: UPath) -> None:
    """The manifest identifies each file by its content."""
    delivery = read_files(SOURCE, DAYS, landing, "shop")
    list(delivery.chunks)

    content = (landing / "weather/2024-01-01.csv").read_bytes()
    assert delivery.read_from.folder == str(landing)
    assert delivery.read_from.files[0] == FileRead(
        path="weather/2024-01-01.csv", bytes=len(content), sha256=hashlib.sha256(content).hexdigest(), rows=2
    )
    assert [file.rows for file in delivery.read_from.files] == [2, 2]


def test_a_missing_file_is_named_and_the_others_are_read(landing: UPath) -> None:
    """The caller decides what a missing day means."""
    delivery = read_files(SOURCE, [*DAYS, "2024-01-03"], landing, "shop")

    assert sum(chunk.rows.num_rows for chunk in delivery.chunks) == 4
    assert delivery.read_from.missing == ["weather/2024-01-03.csv"]


def test_a_snapshots_file_is_read_for_its_day(landing: UPath) -> None:
    """A snapshot's path names no day."""
    deliver(landing, csv_file(1), "stations.csv")

    assert len(read(at("stations.csv", arrives="snapshot"), landing)) == 1


@pytest.mark.parametrize(
    ("path", "stations"),
    [
        ("{year}/{month}/{day}/*.csv", ["a"]),
        ("{year}/{month}/{day}/**/*.csv", ["a", "b"]),
        ("{year}/{month}/{day}/**", ["a", "b"]),
        ("{year}/{month}/{day}/?.csv", ["a"]),
        ("20*/{month}/{day}/*/b.csv", ["b"]),
        ("{year}/{month}/{day}/a.csv", ["a"]),
        ("[{ds}]/c*.csv", ["c"]),
    ],
)
def test_wildcards_and_parts_of_the_day_find_files(landing: UPath, path: str, stations: list[str]) -> None:
    """A star matches within a folder, two stars match folders below, and a bracket is literal."""
    for name in ("2024/01/02/a", "2024/01/02/deeper/b", "[2024-01-02]/c"):
        deliver(landing, f"{HEADER}{name[-1]},2024-01-02,1\n".encode(), f"{name}.csv")

    assert [row["station"] for row in read(at(path), landing)] == stations


def test_a_file_that_matches_two_days_is_read_once(landing: UPath) -> None:
    """A file named for a range of days holds its rows once."""
    deliver(landing, csv_file(3), "both/2024-01-01--2024-01-02.csv")

    assert len(read(at("both/*{ds}*.csv"), landing, DAYS)) == 3


@pytest.mark.parametrize("path", ["../{ds}.csv", "weather/../../{ds}.csv", "/etc/{ds}.csv", "s3://other/{ds}.csv"])
def test_a_path_does_not_lead_out_of_the_folder(landing: UPath, path: str) -> None:
    """The author of a pipeline.yaml may read only what the connection leads to."""
    with pytest.raises(ConfigError, match="leads out of the folder of connection 'landing'"):
        read_files(at(path), DAYS, landing, "shop")


# formats


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfstation,at,wind\nJFK,2024-01-02,1\n",
        b'"station","at","wind"\n"JFK","2024-01-02","1"\n',
        b"station,at,wind\r\nJFK,2024-01-02,1\r\n",
        b"wind,station,at\n1,JFK,2024-01-02",
        b"\n\nstation,at,wind\n\nJFK,2024-01-02,1\n\n",
    ],
    ids=["byte order mark", "quotes", "windows", "other order", "empty lines"],
)
def test_the_ways_of_writing_a_csv_file_mean_the_same(landing: UPath, content: bytes) -> None:
    """Quotes, line ends, a byte order mark, empty lines and the columns' order make no difference."""
    deliver(landing, content)

    assert read(SOURCE, landing) == [{"station": "JFK", "at": "2024-01-02", "wind": "1"}]


@pytest.mark.parametrize("station", ["007", "1e3", "NA", "null", "true", "2024-01-01"])
def test_text_stays_unchanged(landing: UPath, station: str) -> None:
    """A code that looks like a number, a date or a null keeps its zeros and letters, in CSV and in JSON."""
    deliver(landing, f"{HEADER}{station},2024-01-02,1\n".encode())
    deliver(landing, json_lines(ROW | {"station": station}), "2024-01-02.jsonl")

    assert read(SOURCE, landing)[0]["station"] == station
    assert read(at("{ds}.jsonl"), landing)[0]["station"] == station


def test_column_names_stay_unchanged(landing: UPath) -> None:
    """The contract judges other names, spaces and duplicates."""
    deliver(landing, b'station, "at",wind,wind\nJFK,2024-01-02,1,2\n')

    chunk = next(read_files(SOURCE, DAYS[1:], landing, "shop").chunks)

    assert chunk.rows.column_names == ["station", ' "at"', "wind", "wind"]


@pytest.mark.usefixtures("small_blocks")
def test_a_file_of_many_blocks_has_the_rows_of_one(landing: UPath) -> None:
    """A block ends where a row does, also with line ends, quotes and commas within a quoted value."""
    values = ['plain "inch', "with\nline", 'a "quoted", word', "ünï", "x" * 100, "\n\n", ","]
    quoted = ['a b 5" pipe', *(f'"{value.replace(chr(34), chr(34) * 2)}"' for value in values)]
    text = HEADER + "".join(f"{value},2024-01-02,{n}\n" for n, value in enumerate(quoted * 5))
    deliver(landing, text.encode())

    assert [row["station"] for row in read(SOURCE, landing)] == ['a b 5" pipe', *values] * 5


def test_json_lines_are_read_with_their_types(landing: UPath) -> None:
    """Numbers are numbers, and a time stays text."""
    rows = [ROW | {"at": "2024-01-02"}, ROW | {"at": "2024-01-02", "wind": None}]
    deliver(landing, b"\xef\xbb\xbf" + json_lines(*rows) + b"\n", "2024-01-02.jsonl")

    assert read(at("{ds}.jsonl"), landing) == rows


@pytest.mark.parametrize("name", ["{ds}.ndjson", "{ds}.json", "{ds}.JSONL"])
def test_json_lines_have_several_endings(landing: UPath, name: str) -> None:
    """One format is known by several names, in lower or upper case."""
    deliver(landing, json_lines(ROW), name.replace("{ds}", DAYS[1]))

    assert read(at(name), landing) == [ROW]


@pytest.mark.usefixtures("small_blocks")
def test_a_json_field_that_is_left_out_is_null(landing: UPath) -> None:
    """Any line may be the first to have a field; a declared field that no line has is not invented."""
    rows = [{"at": "2024-01-02", "wind": 1}] * 5 + [{"at": "2024-01-02", "wind": 1.5, "station": "JFK"}]
    deliver(landing, json_lines(*rows, *rows), "2024-01-02.jsonl")
    deliver(landing, json_lines(*({"at": str(n)} for n in range(20))), "2024-01-01.jsonl")

    chunks = list(read_files(at("{ds}.jsonl"), DAYS[1:], landing, "shop").chunks)

    assert len(chunks) > 2
    assert all({"station", "at", "wind"} == set(chunk.rows.column_names) for chunk in chunks)
    assert [row["station"] for chunk in chunks for row in chunk.rows.to_pylist()] == [*[None] * 5, "JFK"] * 2
    assert read(at("{ds}.jsonl"), landing, DAYS[:1])[0] == {"at": "0"}


def test_json_that_is_nested_too_deeply_is_refused(landing: UPath) -> None:
    """Such a line overflowed the stack of Arrow's parser, and the worker died without a message."""
    deliver(landing, json_lines(ROW) + b'{"station": ' + b"[" * 200_000 + b"]" * 200_000 + b"}\n", "2024-01-02.jsonl")

    with pytest.raises(SourceUnreadable, match="line 2: it is nested too deeply"):
        read(at("{ds}.jsonl"), landing)


def test_a_number_where_text_is_declared_comes_as_a_number(landing: UPath) -> None:
    """The contract decides whether that is allowed."""
    deliver(landing, json_lines(ROW | {"station": 7, "at": 1704153600}), "2024-01-02.jsonl")

    assert read(at("{ds}.jsonl"), landing) == [ROW | {"station": 7, "at": 1704153600}]


def test_a_number_declared_as_text_keeps_its_digits(landing: UPath) -> None:
    """Version 1.10 became 1.1, which is another version."""
    deliver(landing, b'{"station": 1.10}\n{"station": 12345678901234567890}\n{"station": "a"}\n', "2024-01-02.jsonl")

    assert [row["station"] for row in read(at("{ds}.jsonl"), landing)] == ["1.10", "12345678901234567890", "a"]


def test_a_renamed_json_field_is_kept_as_text_too(landing: UPath) -> None:
    """A column under the source's name has the type of the declared column."""
    deliver(landing, json_lines({"when": "2024-01-02"}), "2024-01-02.jsonl")
    contract = SOURCE.contract.model_copy(update={"renamed": {"when": "at"}})

    assert read(at("{ds}.jsonl", contract=contract), landing) == [{"when": "2024-01-02"}]


def test_a_parquet_file_is_read_in_parts(landing: UPath, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row group is not in memory at once."""
    monkeypatch.setattr(decode, "PARQUET_ROWS", 10)
    deliver(landing, parquet(25), "2024-01-02.parquet")

    chunks = list(read_files(at("{ds}.parquet"), DAYS[1:], landing, "shop").chunks)

    assert [chunk.rows.num_rows for chunk in chunks] == [10, 10, 5]
    assert chunks[2].rows.to_pylist()[-1] == {"station": "S24", "wind": 24.0}


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("{ds}.csv.gz", gzip.compress),
        ("{ds}.csv.bz2", bz2.compress),
        ("{ds}.csv.zst", lambda content: pa.compress(content, "zstd", asbytes=True)),
        ("{ds}.csv.zip", lambda content: zipped(any=content)),
        ("{ds}.zip", lambda content: zipped(weather_csv=content)),
        ("{ds}.csv.gz", lambda content: gzip.compress(content[:30]) + gzip.compress(content[30:])),
        ("{ds}.csv.bz2", lambda content: bz2.compress(content[:30]) + bz2.compress(content[30:])),
    ],
    ids=["gz", "bz2", "zst", "zip", "zip of a named file", "gz in parts", "bz2 in parts"],
)
@pytest.mark.usefixtures("small_blocks")
def test_a_compressed_file_is_decompressed(landing: UPath, name: str, pack: Any) -> None:
    """The ending names the compression; bytes and hash are those of the compressed file."""
    content = pack(csv_file(50))
    deliver(landing, content, name.replace("{ds}", DAYS[1]))

    delivery = read_files(at(name), DAYS[1:], landing, "shop")

    assert sum(chunk.rows.num_rows for chunk in delivery.chunks) == 50
    assert delivery.read_from.files[0].bytes == len(content)
    assert delivery.read_from.files[0].sha256 == hashlib.sha256(content).hexdigest()


def test_the_declared_format_overrides_the_name(landing: UPath) -> None:
    """A file without a telling name has the format in pipeline.yaml."""
    deliver(landing, csv_file(2), "2024-01-02.txt")

    assert len(read(at("{ds}.txt", format="csv"), landing)) == 2


def test_an_unknown_ending_is_refused(landing: UPath) -> None:
    """The error names the field that declares the format."""
    deliver(landing, csv_file(2), "2024-01-02.txt")

    with pytest.raises(SourceUnreadable, match=r"2024-01-02\.txt: its name does not say what it holds; .*`format`"):
        read(at("{ds}.txt"), landing)


# what cannot be read


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("{ds}.csv", b""),
        ("{ds}.csv", b" \n\n"),
        ("{ds}.csv", b"\t\r\n"),
        ("{ds}.csv", b"\xef\xbb\xbf"),
        ("{ds}.csv", b"\n" * 500),
        ("{ds}.jsonl", b"\n"),
        ("{ds}.parquet", b""),
        ("{ds}.parquet", b"\n"),
        ("{ds}.csv.gz", b""),
        ("{ds}.csv.gz", gzip.compress(b"\n")),
        ("{ds}.zip", b""),
    ],
)
@pytest.mark.usefixtures("small_blocks")
def test_an_empty_file_is_refused(landing: UPath, name: str, content: bytes) -> None:
    """A file that was cut before its header is not a day without rows."""
    deliver(landing, content, name.replace("{ds}", DAYS[1]))

    with pytest.raises(SourceUnreadable, match=r"^shop, file .*2024-01-02\..*: the file is empty \(0 rows"):
        read(at(name), landing)


def test_a_header_alone_is_a_file_without_rows(landing: UPath) -> None:
    """Several days without rows may have equal files with a header only."""
    for day in DAYS:
        deliver(landing, HEADER.strip().encode(), f"weather/{day}.csv")

    delivery = read_files(SOURCE, DAYS, landing, "shop")

    assert [chunk.rows.column_names for chunk in delivery.chunks] == [["station", "at", "wind"]] * 2
    assert [file.rows for file in delivery.read_from.files] == [0, 0]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\xff\xfe", "line 1: the byte 0x89 is not UTF-8"),
        (HEADER.encode() + "Z\xfcrich,2024-01-02,1\n".encode("latin-1"), "line 2: the byte 0xfc is not UTF-8"),
        (HEADER.encode("utf-16"), "line 1: the byte 0xff"),
        (HEADER.encode("utf-16-le"), "line 1: a byte 0, as in UTF-16"),
        (HEADER.encode() + b"JFK,2024-01-02,1\nLGA,2024-01-02\n", "row 3, .* has 2 values, and the header has 3"),
        (HEADER.encode() + b"JFK,2024-01-02,1,5\n", "row 2, .* has 4 values, and the header has 3"),
        (csv_file(50) + b"one,two\n", "row 52, .* has 2 values, and the header has 3"),
        (csv_file(50) + b'"' + csv_file(50), "the row of line 52 has no end"),
        (b"x" * 500, "the row of line 1 has no end"),
    ],
    ids=["picture", "latin-1", "utf-16", "utf-16-le", "short", "long", "late", "quote", "no line end"],
)
@pytest.mark.usefixtures("small_blocks")
def test_a_file_that_is_not_csv_is_refused_by_its_path(landing: UPath, content: bytes, reason: str) -> None:
    """The error for a binary file, another encoding or a broken row names the file, the place and what to do."""
    deliver(landing, content)

    with pytest.raises(SourceUnreadable, match=rf"2024-01-02\.csv: this is not a CSV file in UTF-8 \({reason}") as told:
        read(SOURCE, landing)
    assert str(told.value).startswith("shop, file ")
    assert str(told.value).endswith("run this task again; nothing was published")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (json_lines(ROW, [1]), "line 2: it is not an object"),
        (json_lines([ROW, ROW]), "line 1: it is not an object"),
        (json_lines(ROW) + b"\n" + json_lines(3), "line 3: it is not an object"),
        (json_lines(ROW) + b'{"wind": 1, "wind": 2}\n', "line 2: an object has the name 'wind' twice"),
        (json_lines(ROW) + b'{"station": "JFK"', "line 2: "),
        (json_lines(ROW) + b'{"station": "Z\xfcrich"}\n', "line 2: the byte 0xfc is not UTF-8"),
        (json.dumps(ROW, indent=1).encode(), "line 1: "),
        (json_lines(ROW).strip() * 2 + b"\n", "line 1: Extra data"),
        (HEADER.encode(), "line 1: "),
    ],
)
def test_a_file_that_is_not_json_lines_is_refused_by_its_path(
    landing: UPath, monkeypatch: pytest.MonkeyPatch, content: bytes, reason: str
) -> None:
    """The error names the line that is not an object, is truncated, or has a field twice."""
    monkeypatch.setattr(formats, "BLOCK_BYTES", 200)
    deliver(landing, content, "2024-01-02.jsonl")

    with pytest.raises(SourceUnreadable, match=rf"2024-01-02\.jsonl: this is not a JSON lines file .*\(({reason})"):
        read(at("{ds}.jsonl"), landing)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("{ds}.parquet", csv_file(3), r"this is not a Parquet file \(it begins with other bytes\)"),
        ("{ds}.parquet", parquet(3)[:-10], "the file is truncated or broken"),
        ("{ds}.parquet", parquet(3)[:10], "the file is truncated or broken"),
        ("{ds}.parquet", parquet(999)[:60] + b"\xff" * 999 + parquet(999)[1059:], "the file is truncated or broken"),
        ("{ds}.parquet.gz", gzip.compress(parquet()), "a Parquet file cannot be read when it is packed"),
        ("{ds}.csv", parquet(), "this is a Parquet file, and not csv"),
        ("{ds}.csv", zipped(a_csv=csv_file(1)), "this is a ZIP archive or a workbook, and not csv"),
        ("{ds}.csv", gzip.compress(csv_file(1)), "this is packed by gzip, and not csv"),
        ("{ds}.csv", pa.compress(csv_file(1), "zstd", asbytes=True), "this is packed by zstd, and not csv"),
        ("{ds}.jsonl", parquet(), "this is a Parquet file, and not jsonl"),
        (
            "{ds}.parquet",
            flipped(parquet(999, write_page_checksum=True, compression="none")),
            "the file is truncated .*CRC",
        ),
        ("{ds}.csv.gz", csv_file(1), "the file is truncated or broken"),
        ("{ds}.csv.gz", gzip.compress(csv_file(999))[:-9], "the file is truncated or broken"),
        ("{ds}.csv.gz", gzip.compress(csv_file(999))[:-8] + b"12345678", "the file is truncated or broken"),
        ("{ds}.csv.bz2", bz2.compress(csv_file(999))[:-9], "the file is truncated or broken"),
        ("{ds}.csv.bz2", csv_file(1), "the file is truncated or broken"),
        ("{ds}.csv.bz2", bz2.compress(csv_file(9)) + b"BZx9", "the file is truncated or broken"),
        ("{ds}.csv.bz2", bz2.compress(csv_file(9)) + bz2.compress(csv_file(1))[:-4], "the file is truncated or broken"),
        ("{ds}.csv.gz", gzip.compress(csv_file(9)) + b"garbage", "the file is truncated or broken"),
        (
            "{ds}.csv.gz",
            gzip.compress(csv_file(9)) + gzip.compress(csv_file(1))[:-4],
            "the file is truncated or broken",
        ),
        (
            "{ds}.csv.zst",
            pa.compress(csv_file(9), "zstd", asbytes=True) + b"garbage",
            "the file is truncated or broken",
        ),
        ("{ds}.csv.zip", damaged(zipped(a_csv=csv_file(9))), "the file is truncated or broken"),
        ("{ds}.csv.zst", pa.compress(csv_file(999), "zstd", asbytes=True)[:-9], "the file is truncated or broken"),
        ("{ds}.csv.zst", csv_file(1), "the file is truncated or broken"),
        ("{ds}.csv.zip", csv_file(1), "the file is truncated or broken"),
        ("{ds}.csv.zip", zipped(a_csv=csv_file(1))[:-9], "the file is truncated or broken"),
        ("{ds}.csv.zip", zipped(a_csv=csv_file(1), b_csv=csv_file(2)), "the archive holds 2 files"),
        ("{ds}.csv.zip", zipped(), "the archive holds 0 files"),
    ],
)
def test_a_file_that_contradicts_its_name_is_refused(landing: UPath, name: str, content: bytes, reason: str) -> None:
    """A wrong ending, an aborted transfer and a damaged archive are one sentence with the file's path."""
    deliver(landing, content, name.replace("{ds}", DAYS[1]))

    with pytest.raises(SourceUnreadable, match=rf"^shop, file .*2024-01-02[.\w]*: {reason}.*; nothing was published$"):
        read(at(name), landing)


@pytest.mark.parametrize("name", ["{ds}.csv.gz", "{ds}.csv.zip", "{ds}.csv.zst"])
def test_a_decompression_bomb_is_stopped(landing: UPath, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A small file of endless rows ends at the limit; a large one of usual density does not."""
    monkeypatch.setattr(formats, "BLOCK_BYTES", 2**16)
    monkeypatch.setattr(unpack, "BOMB_BYTES", 2**20)
    rows = b"JFK,2024-01-02,1\n" * 2**18
    packed = {"gz": gzip.compress, "zip": lambda content: zipped(a_csv=content)}
    pack = packed.get(name.rpartition(".")[2], lambda content: pa.compress(content, "zstd", asbytes=True))
    deliver(landing, pack(HEADER.encode() + rows), name.replace("{ds}", DAYS[1]))
    came: list[int] = []
    chunks = read_files(at(name), DAYS[1:], landing, "shop").chunks

    with pytest.raises(SourceUnreadable, match="it unpacks to more than 200 times its size"):
        came.extend(chunk.rows.num_rows for chunk in chunks)
    assert sum(came) < 2**18
    deliver(landing, pack(csv_file(100_000)), name.replace("{ds}", DAYS[1]))
    assert len(read(at(name), landing)) == 100_000


def test_the_same_content_under_two_names_is_refused(landing: UPath) -> None:
    """A copied file, or a day written again as the next day, would count its rows twice."""
    content = (landing / "weather/2024-01-01.csv").read_bytes()
    deliver(landing, content)
    chunks = read_files(SOURCE, DAYS, landing, "shop").chunks
    assert next(chunks).rows.num_rows == 2

    with pytest.raises(SourceUnreadable, match=r"2024-01-02\.csv: its content is that of .*2024-01-01\.csv, byte for"):
        next(chunks)


@pytest.mark.parametrize("path", ["weather/{ds}.csv", "weather/{ds}*"])
def test_a_folder_in_place_of_a_file_is_refused(landing: UPath, path: str) -> None:
    """Other programs write a folder of parts; the error shows how to name its files."""
    deliver(landing, b"", "weather/2024-01-03.csv/.done")

    with pytest.raises(
        SourceUnreadable, match=r"2024-01-03\.csv cannot be read \(Is a directory\); name the files in it, such as w"
    ):
        read(at(path), landing, ["2024-01-03"])


@pytest.mark.parametrize("path", ["weather/{ds}.csv", "weather/{ds}*"])
@pytest.mark.parametrize("locked", ["weather/2024-01-02.csv", "weather"])
def test_a_file_without_permission_is_an_error(landing: UPath, tmp_path: Path, path: str, locked: str) -> None:
    """Missing permission is not a missing file."""
    for folder in [tmp_path, *list(tmp_path.parents)[:3]]:
        if folder.name.startswith(("pytest", "test", tmp_path.name)):
            folder.chmod(0o755)
    (tmp_path / locked).chmod(0)
    user = os.geteuid()
    try:
        if user == 0:  # root may read everything
            os.seteuid(65534)
        with pytest.raises(SourceUnreadable, match=r"cannot be read \(Permission denied\); check its permissions; n"):
            read(at(path), landing)
    finally:
        os.seteuid(user)
        (tmp_path / locked).chmod(0o755)


@pytest.mark.parametrize(("change", "told"), [("delete", "it vanished"), ("append", "it changed")])
def test_a_file_that_changes_while_it_is_read_is_refused(landing: UPath, change: str, told: str) -> None:
    """A file that is deleted or still being written may be read incompletely."""
    chunks = read_files(SOURCE, DAYS, landing, "shop").chunks
    next(chunks)
    path = landing / "weather/2024-01-01.csv"
    if change == "delete":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes() + b"EWR,2024-01-01,1\n")

    with pytest.raises(SourceUnreadable, match=rf"2024-01-01\.csv: {told} while it was being read"):
        list(chunks)


def test_nothing_is_read_before_it_is_requested(landing: UPath) -> None:
    """An error in the second file does not withhold the first file's rows."""
    deliver(landing, b"")
    chunks = read_files(SOURCE, DAYS, landing, "shop").chunks

    assert next(chunks).rows.num_rows == 2
    with pytest.raises(SourceUnreadable, match="the file is empty"):
        next(chunks)
