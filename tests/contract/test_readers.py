"""Every reader returns the same value for each case in a table of difficult values, or each is refused."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import confluent_kafka
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import URL, create_engine
from upath import UPath

from include.config.sources.files_source import FilesSource
from include.config.sources.http_source import HttpSource
from include.config.sources.kafka_source import KafkaSource
from include.config.sources.sql_source import SqlSource
from include.core.connections import EnvironmentConnections
from include.core.errors import SchemaMismatch
from include.ingestion.contract import conform
from include.ingestion.files import read_files
from include.ingestion.http import read_http
from include.ingestion.kafka import read_kafka
from include.ingestion.sql import read_sql
from tests.services import postgres as postgres_service
from tests.services.api import TOKEN, Api, Fault
from tests.services.broker import TimedConsumer, running_broker

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Engine

REFUSED = "refused"
DAY, NEXT_DAY = datetime(2024, 1, 2, tzinfo=UTC), datetime(2024, 1, 3, tzinfo=UTC)
NAN, INF = float("nan"), float("inf")
TIME = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
HALF = TIME.replace(microsecond=500_000)
AWARE = pa.timestamp("us", tz="Europe/Berlin")


@dataclass(frozen=True)
class Case:
    """A value as sources write it, and what it is in a column of a declared type.

    Attributes
    ----------
    text
        As text of every source: a CSV cell, a JSON string, a string of Parquet, and text of a database.
    written
        As a CSV cell and as JSON that is no string.
    arrow, sqlite, postgres
        In types of Parquet, and as expressions of SQL.
    """

    declared: str
    expected: Any
    text: str | None = None
    written: str | None = None
    arrow: list[pa.Array] = field(default_factory=list)
    sqlite: list[str] = field(default_factory=list)
    postgres: list[str] = field(default_factory=list)
    infinity: str = "refuse"

    def cells(self) -> list[str]:
        """Return it as CSV."""
        return [each for each in (self.text, self.written) if each]

    def json(self) -> list[str]:
        """Return it as JSON."""
        as_text = [] if self.text is None else [json.dumps(self.text)]
        return as_text + ([self.written] if self.written else [])

    def arrays(self) -> list[pa.Array]:
        """Return it as Arrow."""
        return ([] if self.text is None else [pa.array([self.text])]) + self.arrow

    def in_sqlite(self) -> list[str]:
        """Return it as SQL."""
        return ([] if self.text is None else [f"'{self.text}'"]) + self.sqlite

    def in_postgres(self) -> list[str]:
        """Return it as SQL."""
        return ([] if self.text is None else [f"'{self.text}'"]) + self.postgres


def of(value: object, *types: pa.DataType) -> list[pa.Array]:
    """Return a value in some types of Arrow."""
    return [pa.array([value]).cast(each) if isinstance(value, str) else pa.array([value], each) for each in types]


def nanoseconds(value: int) -> pa.Array:
    """Return a time with more digits than Python's times have."""
    return pa.array([value], pa.int64()).cast(pa.timestamp("ns"))


def texts(declared: str, expected: Any, *values: str) -> list[Case]:
    """Return some ways of writing a value, as text and, if possible, as JSON."""
    return [Case(declared, expected, text=value) for value in values]


def numbers(declared: str, expected: Any, *values: str, **more: Any) -> list[Case]:
    """Return some ways of writing a number in CSV and JSON."""
    first, *others = [Case(declared, expected, text=value, written=value) for value in values]
    return [Case(declared, expected, first.text, first.written, **more), *others]


NOTHING = {
    "arrow": [*of(NAN, pa.float64(), pa.float32(), pa.float16()), pa.nulls(1)],
    "sqlite": ["NULL"],
    "postgres": ["'NaN'::float8", "'NaN'::numeric", "NULL"],
}
INFINITE = {
    "arrow": of(-INF, pa.float64(), pa.float32(), pa.float16()),
    "sqlite": ["-9e999"],
    "postgres": ["'-Infinity'::float8", "'-Infinity'::numeric"],
}
NINE = Decimal("9007199254740993")
NO_NUMBERS = (
    "0x1F",
    "1_000",
    "\uff11\uff12",
    "\u0663",
    "1,5",
    "1 000",
    "1e",
    "--1",
    ".",
    "NA",
    "null",
    "None",
    "$1",
    "1;2",
)
ENCODED = [
    *of("ab", pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(), pa.binary_view()),
    pa.array([b"ab"], pa.binary(2)),
    pa.array(["ab"]).dictionary_encode(),
]

CASES = [
    # a NaN is null, whatever the column is; as text it is a word, except where no word is expected
    *(Case(declared, None, written="NaN", **NOTHING) for declared in ("integer", "float", "boolean", "timestamp")),
    *(case for declared in ("integer", "float") for case in texts(declared, None, "nan", "NaN", "-NaN", " nan ")),
    Case("string", None, **NOTHING),
    Case("string", "NaN", text="NaN"),
    Case("timestamp", None, text="NaT", arrow=[nanoseconds(-(2**63))]),
    # an infinite number is refused, or null where the contract says so
    *(
        Case(declared, expected, text="-inf", infinity=infinity, **INFINITE)
        for declared in ("integer", "float")
        for infinity, expected in (("refuse", REFUSED), ("null", None))
    ),
    *(case for word in ("inf", "Infinity", "-INF", "+inf") for case in texts("float", REFUSED, word)),
    *numbers("float", REFUSED, "1e400", "-1e400"),
    Case("float", None, text="1e400", written="1e400", infinity="null"),
    Case("string", REFUSED, **INFINITE),
    Case("string", None, infinity="null", **INFINITE),
    Case("string", "inf", text="inf"),
    *numbers("integer", REFUSED, "1e400", "1e999999999"),
    # text keeps its digits, and a float has those of a whole number below 2^53
    Case(
        "string",
        "4006381333931",
        text="4006381333931",
        written="4006381333931",
        arrow=of(4006381333931, pa.int64(), pa.uint64(), pa.float64(), pa.decimal128(20, 0)),
        sqlite=["4006381333931", "4006381333931.0"],
        postgres=["4006381333931", "4006381333931::float8", "4006381333931::numeric"],
    ),
    Case("string", "0", arrow=of(-0.0, pa.float64()), sqlite=["-0.0"], postgres=["'-0'::float8"]),
    Case(
        "string",
        "12345678901234567891",
        text="12345678901234567891",
        written="12345678901234567891",
        arrow=of(12345678901234567891, pa.uint64(), pa.decimal128(20, 0), pa.decimal256(40, 0)),
        postgres=["12345678901234567891::numeric"],
    ),
    Case(
        "string",
        REFUSED,
        arrow=[*of(2.0**53, pa.float64()), *of(2.0**24, pa.float32()), *of(1.5, pa.float64(), pa.float32())],
        sqlite=["9007199254740993.0", "1.5"],
        postgres=["9007199254740993::float8", "1.5::float8"],
    ),
    Case(
        "string", "1.10", text="1.10", written="1.10", arrow=of(Decimal("1.10"), pa.decimal128(3, 2)), postgres=["1.10"]
    ),
    Case("string", "0.0000001", arrow=of(Decimal("0.0000001"), pa.decimal128(9, 7)), postgres=["0.0000001"]),
    *texts("string", "007", "007"),
    *texts("string", " a ", " a "),
    Case("string", "true", text="true", written="true", arrow=of(True, pa.bool_()), postgres=["true"]),
    Case("string", "ab", arrow=ENCODED, sqlite=["x'6162'"], postgres=[r"'\x6162'::bytea"]),
    Case(
        "string",
        REFUSED,
        arrow=[*of(b"\xff", pa.binary(), pa.binary_view()), *of(b"a\0", pa.binary(), pa.binary(2))],
        sqlite=["x'ff'"],
        postgres=[r"'\xff'::bytea"],
    ),
    Case(
        "string",
        "6f9619ff-8b86-d011-b42d-00c04fc964ff",
        text="6f9619ff-8b86-d011-b42d-00c04fc964ff",
        arrow=of(UUID("6f9619ff-8b86-d011-b42d-00c04fc964ff"), pa.uuid()),
        postgres=["'6f9619ff-8b86-d011-b42d-00c04fc964ff'::uuid"],
    ),
    # a time as text has one form
    Case(
        "string",
        "2024-01-02T03:04:05Z",
        text="2024-01-02T03:04:05Z",
        arrow=[
            *of(TIME, AWARE, pa.timestamp("ns", tz="UTC")),
            *of(TIME.replace(tzinfo=None), pa.timestamp("s"), pa.timestamp("ms"), pa.timestamp("us")),
        ],
        postgres=["timestamptz '2024-01-02 05:04:05+02'", "timestamp '2024-01-02 03:04:05'"],
    ),
    Case(
        "string",
        "2024-01-02T03:04:05.500000Z",
        arrow=of(HALF, AWARE, pa.timestamp("ms", tz="UTC"), pa.timestamp("ns", tz="UTC")),
        postgres=["timestamptz '2024-01-02 03:04:05.5Z'"],
    ),
    Case("string", "1970-01-01T00:00:00.123456789Z", arrow=[nanoseconds(123456789)]),
    Case("string", "2024-01-02", arrow=of(date(2024, 1, 2), pa.date32(), pa.date64()), postgres=["date '2024-01-02'"]),
    Case(
        "string",
        "12:30:00",
        arrow=of(time(12, 30), pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns")),
        postgres=["time '12:30'"],
    ),
    # a whole number is one however it is written, and has 64 bits
    *numbers(
        "integer",
        7,
        "7",
        "7.0",
        "7e0",
        "70E-1",
        arrow=[*of(7, pa.int8(), pa.uint64(), pa.float64(), pa.float16()), *of(Decimal("7.00"), pa.decimal128(5, 2))],
        sqlite=["7", "7.0"],
        postgres=["7::smallint", "7::bigint", "7::float8", "7.00::numeric"],
    ),
    *texts("integer", 7, " 7 ", "+7", "007", "7."),
    *texts("integer", 0, "-0", "0"),
    *numbers(
        "integer",
        int(NINE),
        str(NINE),
        f"{NINE}.0",
        arrow=[*of(int(NINE), pa.int64()), *of(NINE, pa.decimal128(20, 0))],
        sqlite=[str(NINE)],
        postgres=[str(NINE), f"{NINE}::numeric"],
    ),
    *numbers("integer", 2**63 - 1, str(2**63 - 1), sqlite=[str(2**63 - 1)], postgres=[str(2**63 - 1)]),
    *numbers("integer", -(2**63), str(-(2**63)), arrow=of(-(2**63), pa.int64())),
    *numbers("integer", REFUSED, str(2**63), arrow=of(2**63, pa.uint64()), postgres=[str(2**63)]),
    *numbers("integer", REFUSED, "7.5", arrow=of(7.5, pa.float64()), sqlite=["7.5"], postgres=["7.5", "7.5::float8"]),
    Case("integer", REFUSED, arrow=of(2.0**53, pa.float64()), sqlite=["9007199254740993.0"], postgres=["1e17::float8"]),
    *texts("integer", REFUSED, *NO_NUMBERS),
    Case("integer", 1, text="true", written="true", arrow=of(True, pa.bool_()), postgres=["true"]),
    Case(
        "integer", REFUSED, arrow=[*of(TIME, AWARE), *of(time(1), pa.time64("us"))], postgres=["now()", "time '1:00'"]
    ),
    # a float is the nearest one
    *numbers(
        "float",
        0.1,
        "0.1",
        "1e-1",
        arrow=of(Decimal("0.1"), pa.decimal128(3, 1), pa.decimal256(60, 20)),
        sqlite=["0.1"],
        postgres=["0.1", "0.1::float8"],
    ),
    *numbers(
        "float",
        float(NINE),
        str(NINE),
        arrow=[*of(int(NINE), pa.int64(), pa.uint64()), *of(NINE, pa.decimal128(20, 0))],
        sqlite=[str(NINE)],
        postgres=[str(NINE), f"{NINE}::numeric"],
    ),
    *numbers(
        "float", -0.0, "-0.0", arrow=of(-0.0, pa.float64(), pa.float32()), sqlite=["-0.0"], postgres=["'-0'::float8"]
    ),
    *numbers("float", 0.0, "1e-400"),
    *texts("float", 0.5, ".5", " 0.5 ", "+.5", "00.5"),
    *texts("float", 5.0, "5."),
    *texts("float", REFUSED, *NO_NUMBERS, "NaT", "nan(1)", "infinite"),
    Case("float", 1.0, text="true", written="true", arrow=of(True, pa.bool_()), postgres=["true"]),
    # truth
    *(
        case
        for word in ("true", "TRUE", "t", "Y", "yes", "on", "1", " 1 ", "1.0")
        for case in texts("boolean", True, word)
    ),
    *(case for word in ("false", "False", "F", "N", "no", "off", "0", "0.0") for case in texts("boolean", False, word)),
    *numbers(
        "boolean",
        True,
        "1",
        "1.00",
        "10e-1",
        arrow=[*of(1, pa.int64(), pa.float64()), *of(Decimal("1.00"), pa.decimal128(3, 2))],
        sqlite=["1", "1.0"],
        postgres=["1", "1.00"],
    ),
    Case("boolean", False, written="false", arrow=of(False, pa.bool_()), postgres=["false", "0::float8"]),
    *numbers("boolean", REFUSED, "2", "0.5", "-1", arrow=of(2, pa.int64(), pa.float64()), sqlite=["2"], postgres=["2"]),
    *texts("boolean", REFUSED, "perhaps", "ja", "tr", "NULL"),
    # a time is in UTC, to the microsecond
    *texts(
        "timestamp",
        TIME,
        *("2024-01-02 03:04:05", "2024-01-02T03:04:05Z", "2024-01-02T05:04:05+02:00", "2024-01-02 05:04:05+02"),
        *("2024-01-02T03:04:05.0000009", "2024-01-02T03:04:05.000000999Z", " 2024-01-02 03:04:05 "),
    ),
    Case(
        "timestamp",
        TIME,
        arrow=of(TIME, AWARE, pa.timestamp("ns", "UTC")),
        postgres=["timestamp '2024-01-02 03:04:05'"],
    ),
    Case(
        "timestamp",
        datetime(1970, 1, 1, 0, 0, 0, 123456, UTC),
        "1970-01-01 00:00:00.123456789",
        arrow=[nanoseconds(123456789)],
    ),
    Case(
        "timestamp",
        datetime(1969, 12, 31, 23, 59, 59, 999999, UTC),
        "1969-12-31T23:59:59.999999999Z",
        arrow=[nanoseconds(-1)],
    ),
    Case(
        "timestamp",
        DAY,
        "2024-01-02",
        arrow=of(date(2024, 1, 2), pa.date32(), pa.date64()),
        postgres=["date '2024-01-02'"],
    ),
    Case(
        "timestamp",
        datetime(9999, 12, 31, tzinfo=UTC),
        "9999-12-31",
        arrow=of(datetime(9999, 12, 31), pa.timestamp("us"), pa.timestamp("s")),
        postgres=["timestamptz '9999-12-31 00:00Z'"],
    ),
    Case(
        "timestamp",
        REFUSED,
        arrow=[pa.array([2**40]).cast(pa.timestamp("s")), pa.array([2**22], pa.int32()).cast(pa.date32())],
    ),
    *texts("timestamp", REFUSED, "0000-01-01", "10000-01-01", "9999-12-31T23:00:00-05:00", "2024-02-30", "02.01.2024"),
    *texts("timestamp", REFUSED, "2024-01-02T24:00:00", "2024-01-02 03:04:05,5", "20240102", "yesterday", "2024"),
    *numbers(
        "timestamp",
        REFUSED,
        "1704067200",
        "20240102",
        arrow=of(1704067200, pa.int64(), pa.float64()),
        sqlite=["1704067200"],
    ),
    Case("timestamp", REFUSED, written="true", arrow=of(True, pa.bool_()), postgres=["true"]),
]


def told(value: object) -> str:
    """Return a value as text, so that -0.0 and 0.0 differ, as 1 and True do."""
    return REFUSED if value is REFUSED else str(value) if isinstance(value, datetime) else repr(value)


@dataclass(frozen=True)
class Writing:
    """One way of writing a case's value, in the form that a reader takes."""

    case: Case
    value: Any

    def outcome(self, rows: pa.Table, column: str) -> str:
        """Return what the value is by the source's contract."""
        rows = rows.select([column]).rename_columns(["v"])
        try:
            table, _ = conform(rows, source([self]), "shop", sparse=True)
        except SchemaMismatch:
            return REFUSED
        return told(table["v"].to_pylist()[0])


def source(writings: list[Writing], of: type[Any] = SqlSource, **fields: Any) -> Any:
    """Return a source that declares a column `v`, or columns `v0`, `v1` and so on where there are several values."""
    names = ["v"] if len(writings) == 1 else [f"v{number}" for number in range(len(writings))]
    columns = {name: each.case.declared for name, each in zip(names, writings, strict=True)}
    declared = {
        "connection": "shop",
        "key": ["n"],
        "available_at": "at",
        "columns": {"n": "integer", "at": "timestamp"} | columns,
        "contract": {"infinity": writings[0].case.infinity},
    }
    return of.model_validate(declared | (fields or {"kind": "sql", "query": "v.sql"}))


def together(writings: list[Writing], form: Any) -> bytes:
    """Return a JSON object with all values, as `form` writes them."""
    fields = [f'"v{number}": {form(each.value)}' for number, each in enumerate(writings)]
    return ("{" + ", ".join(['"n": 1', *fields]) + "}\n").encode()


def files(writings: list[Writing], folder: Path, form: str, content: bytes) -> pa.Table:
    """Read a file."""
    (folder / f"2024-01-02.{form}").write_bytes(content)
    declared = source(writings, FilesSource, kind="files", path=f"{{ds}}.{form}")
    [chunk] = read_files(declared, ["2024-01-02"], UPath(folder), "shop").chunks
    return chunk.rows


def read_csv(writings: list[Writing], folder: Path) -> pa.Table:
    """Read all values from a CSV file."""
    text = io.StringIO()
    header, row = [f"v{number}" for number in range(len(writings))], [each.value for each in writings]
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows([header, row])
    return files(writings, folder, "csv", text.getvalue().encode())


def read_json_lines(writings: list[Writing], folder: Path) -> pa.Table:
    """Read all values from a line of JSON, in which not all are of the declared types, so Arrow does not parse it."""
    return files(writings, folder, "jsonl", together(writings, str))


def read_json_alone(writings: list[Writing], folder: Path) -> pa.Table:
    """Read each value from a file of its own, which Arrow parses where the value is of the declared type."""
    columns = {}
    for number, each in enumerate(writings):
        line = f'{{"n": 1, "at": "2024-01-02", "v": {each.value}}}\n'.encode()
        columns[f"v{number}"] = files([each], folder, "jsonl", line)["v"]
    return pa.table(columns)


def read_parquet(writings: list[Writing], folder: Path) -> pa.Table:
    """Read all values from a Parquet file."""
    pq.write_table(pa.table({f"v{number}": each.value for number, each in enumerate(writings)}), folder / "v")
    return files(writings, folder, "parquet", (folder / "v").read_bytes())


def read_api(writings: list[Writing], folder: Path) -> pa.Table:
    """Read all values from an API's response."""
    with pytest.MonkeyPatch.context() as patch, Api([]).serving() as api:
        patch.setenv("AIRFLOW_CONN_SHOP", json.dumps({"conn_type": "http", "host": api.url, "password": TOKEN}))
        patch.setenv("no_proxy", "127.0.0.1")
        api.faults.append(Fault(body=b"[" + together(writings, str) + b"]"))
        declared = source(writings, HttpSource, kind="http", path="/v1/all", params={"from": "{start}"})
        [chunk] = read_http(declared, DAY, NEXT_DAY, EnvironmentConnections().api("shop"), "shop").chunks
    return chunk.rows


def read_topic(writings: list[Writing], folder: Path) -> pa.Table:
    """Read all values from a message."""
    with pytest.MonkeyPatch.context() as patch, running_broker() as broker:
        patch.setattr(confluent_kafka, "Consumer", TimedConsumer)
        broker.send("values", together(writings, str), DAY)
        declared = source(writings, KafkaSource, kind="kafka", topic="values")
        [chunk] = read_kafka(declared, ["2024-01-02"], broker.config, "shop").chunks
    return chunk.rows


def query(writings: list[Writing], engine: Engine) -> pa.Table:
    """Run a query of all values."""
    selected = ", ".join(f"{each.value} AS v{number}" for number, each in enumerate(writings))
    [chunk] = read_sql(source(writings), f"SELECT {selected}", DAY, NEXT_DAY, engine, "shop").chunks
    return chunk.rows


def read_sqlite(writings: list[Writing], folder: Path) -> pa.Table:
    """Read all values from SQLite."""
    return query(writings, create_engine(URL.create("sqlite", database=str(folder / "v.db"))))


def read_postgres(writings: list[Writing], folder: Path) -> pa.Table:
    """Read all values from PostgreSQL."""
    with postgres_service.serve() as server:
        return query(writings, server.engine())


READERS = {
    "csv": (Case.cells, read_csv),
    "json lines": (Case.json, read_json_lines),
    "json lines, alone": (Case.json, read_json_alone),
    "api": (Case.json, read_api),
    "kafka": (Case.json, read_topic),
    "parquet": (Case.arrays, read_parquet),
    "sqlite": (Case.in_sqlite, read_sqlite),
    "postgres": (Case.in_postgres, read_postgres),
}
if postgres_service.missing():
    del READERS["postgres"]


@pytest.mark.parametrize("reader", READERS)
def test_a_value_is_the_same_from_every_reader(reader: str, tmp_path: Path) -> None:
    """An id once became 4.0e+12 when pandas wrote it, and a NaN was larger than any number except from CSV."""
    write, read = READERS[reader]
    writings = [Writing(case, value) for case in CASES for value in write(case)]

    rows = read(writings, tmp_path)

    found = [(each, each.outcome(rows, f"v{number}")) for number, each in enumerate(writings)]
    wrong = [
        (each.case.declared, str(each.value), is_now, told(each.case.expected))
        for each, is_now in found
        if is_now != told(each.case.expected)
    ]
    assert not wrong


def test_int96_of_spark_holds_the_end_of_time(tmp_path: Path) -> None:
    """In nanoseconds, Arrow's default, the year 9999 becomes 1816."""
    moments = [datetime(9999, 12, 31), datetime(1, 1, 1), datetime(2024, 1, 2, 3, 4, 5, 123456)]
    [writing] = [Writing(Case("timestamp", None), None)]
    table = pa.table({"v": pa.array(moments, pa.timestamp("us"))})
    pq.write_table(table, tmp_path / "v", use_deprecated_int96_timestamps=True, store_schema=False)

    rows = files([writing], tmp_path, "parquet", (tmp_path / "v").read_bytes())

    table, _ = conform(rows, source([writing]), "shop", sparse=True)
    assert table["v"].to_pylist() == [moment.replace(tzinfo=UTC) for moment in moments]
