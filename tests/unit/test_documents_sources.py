"""The pages on sources and quarantine do what they print: their files, connections, commands and sentences are run."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import json
import re
import shlex
import sqlite3
import zipfile
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import confluent_kafka
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from click.testing import CliRunner

from include import lake
from include.cli import main
from include.config.loader import load_pipeline
from include.config.sources.http_source import HttpSource
from include.core import settings
from include.core.connections import Connections, EnvironmentConnections
from include.core.errors import ExpectationsFailed, NightshiftError, SchemaMismatch
from include.ingestion import api as asking
from include.ingestion import csv_text, decode, formats, kafka, sql, topic, unpack
from include.ingestion.batch_writer import RUNAWAY
from include.ingestion.cast import cast
from include.ingestion.contract import conform
from include.ingestion.extract import extract_source
from include.ingestion.publish import publish_batch
from include.ingestion.source_reader import ReadRequest, reader_of
from include.ingestion.sql import read_sql
from include.validation.validate import QUARANTINED_AT_MOST, validate_batch
from include.workflows.retrain import run
from plugins.hooks.airflow_connections import AirflowConnections
from tests import factories
from tests.services import postgres as postgres_service
from tests.services.api import TOKEN, Api, Fault
from tests.services.broker import RETAINED_BYTES, Broker, TimedConsumer, running_broker
from tests.services.s3 import S3, running_s3

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import date
    from pathlib import Path

    from tests.services.postgres import Postgres

    Declare = Callable[[dict[str, Any]], None]

DAY = factories.FIRST_DAY
NEXT_DAY = DAY + timedelta(days=1)
ENV, AIRFLOW = EnvironmentConnections(), AirflowConnections()


class Page:
    """A page of docs/how-to, by its code blocks."""

    def __init__(self, name: str) -> None:
        self.text = (settings.root() / "docs" / "how-to" / f"{name}.md").read_text(encoding="utf-8")

    def blocks(self, language: str) -> list[str]:
        """Return the code blocks in a language."""
        return re.findall(rf"^```{language}\n(.*?)^```", self.text, re.DOTALL | re.MULTILINE)

    def source(self, number: int = 0) -> dict[str, Any]:
        """Return one of the fragments of pipeline.yaml: sources by their name."""
        fragments = [yaml.safe_load(block) for block in self.blocks("yaml")]
        return [fragment["sources"] for fragment in fragments if "sources" in fragment][number]

    def connection(self, number: int = 0, **changes: Any) -> dict[str, Any]:
        """Return one of the connections, with some fields changed; `extra` is merged."""
        fields = json.loads(self.blocks("json")[number])
        fields["extra"] = fields.get("extra", {}) | changes.pop("extra", {})
        return fields | changes

    def sentences(self) -> list[str]:
        """Return the blocks of text, each in one line."""
        return [in_a_line(block) for block in self.blocks("text")]

    def assert_shows(self, *told: str) -> None:
        """Hold what was told, in order, against all blocks of text."""
        assert [in_a_line(each) for each in told] == self.sentences()


def in_a_line(text: str) -> str:
    """Return a text without its line breaks, and without what differs from one machine or version to the next."""
    text = re.sub(r"\(after \d+ms", "(after ...", " ".join(text.split()))
    text = re.sub(r"md5 is [0-9a-f]{32}", "md5 is ...", text)
    return re.sub(r"batch [0-9a-f]{16}", "batch ...", text)


@pytest.fixture
def sources(shop: Path) -> Declare:
    """Return what gives the shop's pipeline.yaml further sources, in place of those of the last time."""

    def declare(further: dict[str, Any]) -> None:
        pipeline = yaml.safe_load(factories.SHOP_YAML)
        pipeline["sources"] |= further
        factories.write_shop(shop.parent, pipeline=yaml.safe_dump(pipeline, sort_keys=False))

    return declare


def connect(monkeypatch: pytest.MonkeyPatch, name: str, fields: dict[str, Any]) -> None:
    """Set the variable of a connection."""
    monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(fields))


def ingest(start: date = DAY, end: date | None = None) -> None:
    """Ingest some days of the page's sources, or of the shop's own if the page declares none."""
    pipeline = load_pipeline("shop")
    declared = {name: source for name, source in pipeline.sources.items() if name != "sales"}
    run.ingest(pipeline.model_copy(update={"sources": declared or pipeline.sources}), start, end or start, ENV)


def read(name: str, connections: Connections = ENV) -> list[dict[str, Any]]:
    """Return the rows that a source has on the first day, in their declared types; nothing is staged or published."""
    pipeline = load_pipeline("shop")
    source = pipeline.sources[name]
    request = ReadRequest(pipeline, DAY, DAY, f"shop: source '{name}'", lambda ds: None)
    chunks = reader_of(source).read(request, connections).chunks
    tables = [conform(chunk.rows, source, chunk.where, sparse=source.sparse)[0] for chunk in chunks]
    return sorted((row for table in tables for row in table.to_pylist()), key=str)


def refused(start: date = DAY, end: date | None = None, **replace: str) -> str:
    """Return the last line of the log of an ingestion that fails, with some texts as the page has them."""
    with pytest.raises(NightshiftError) as told:
        ingest(start, end)
    sentence = f"{type(told.value).__name__}: {told.value}"
    for shown, found in replace.items():
        sentence = sentence.replace(found, shown)
    return sentence


def rows(source: str, *columns: str) -> list[tuple[Any, ...]]:
    """Return some columns of what is published of a source, in order."""
    uri = lake.raw_uri("shop", source)
    version = lake.latest_version(uri)
    table = [] if version is None else lake.read_table(uri, version).to_pylist()
    return sorted((tuple(row[name] for name in columns) for row in table), key=str)


def at(text: str) -> datetime:
    """Return a moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# --- a database

DATABASE = Page("read-from-a-database")


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """Run a PostgreSQL server with the page's table."""
    reason = postgres_service.missing()
    if reason:
        pytest.skip(reason)
    with postgres_service.serve() as server:
        server.run(
            "CREATE TABLE orders (order_id int, store text, amount numeric, placed_at timestamptz, took interval)",
            "INSERT INTO orders VALUES (1, 'north', 12.5, '2024-01-01 00:00Z', '1 hour'),"
            "(2, 'south', 7, '2024-01-01 23:59:59Z', '1 hour'), (3, 'north', 3, '2024-01-02 00:00Z', '1 hour')",
            "CREATE ROLE nightshift LOGIN PASSWORD 'the password'",
            "GRANT SELECT, DELETE ON orders TO nightshift",
        )
        yield server


@pytest.fixture
def orders(postgres: Postgres, sources: Declare, shop: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Declare and connect the page's source, and return the file of its query."""
    sources(DATABASE.source())
    query = shop / "sql" / "orders.sql"
    query.write_text(DATABASE.blocks("sql")[0])
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", warehouse(postgres))
    return query


def warehouse(postgres: Postgres, **extra: str) -> str:
    """Return the page's connection, with the address of the server and without its encryption."""
    address = {"host": postgres_service.HOST, "port": postgres.port, "schema": postgres_service.DATABASE}
    return json.dumps(DATABASE.connection(**address, extra={"sslmode": "disable"} | extra))


def test_the_orders_of_the_page_are_ingested(orders: Path) -> None:
    """The connection, the fragment and the query as printed bring a day of a PostgreSQL server."""
    ingest()

    assert rows("orders", "order_id", "store", "amount", "ds", "available_at") == [
        (1, "north", 12.5, "2024-01-01", at("2024-01-01 00:00")),
        (2, "south", 7.0, "2024-01-01", at("2024-01-01 23:59:59")),
    ]
    assert read("orders", AIRFLOW) == read("orders")


def test_what_the_page_of_databases_says_is_refused_is(
    orders: Path, postgres: Postgres, sources: Declare, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each sentence of the page is the one that a person gets."""
    query = orders.read_text()
    orders.write_text(query.replace(" AND placed_at < :end", ""))
    told = [refused()]
    orders.write_text(query)
    told.append(refused(DAY + timedelta(days=2)))
    orders.write_text("DELETE FROM orders")
    told.append(refused())
    orders.write_text(query.replace("placed_at\nFROM", "placed_at, took\nFROM"))
    took = DATABASE.source()
    took["orders"]["columns"]["took"] = "string"
    sources(took)
    told.append(refused())
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", warehouse(postgres, **DATABASE.connection()["extra"]))
    address = {"db.example.com": postgres_service.HOST, "5432": str(postgres.port)}
    told.append(refused(**address))

    DATABASE.assert_shows(*told)


def test_the_types_of_the_page_are_those_that_arrive(postgres: Postgres, orders: Path) -> None:
    """Each row of the table names the declared types that its example may have, and leaves out the others."""
    table = re.findall(r"^\| [^|]+ \| `([^`]+)`[^|]* \| ([^|]+) \|$", DATABASE.text, re.MULTILINE)
    assert len(table) == 12
    for expression, allowed in table:
        for declared in ("string", "integer", "float", "boolean", "timestamp"):
            assert fits(postgres, expression, declared) == (declared in allowed), (expression, declared)
        assert fits(postgres, f"({expression})::text", "string")


def fits(postgres: Postgres, expression: str, declared: str) -> bool:
    """Return whether an SQL expression arrives in a column of a declared type."""
    pipeline = yaml.safe_load(factories.SHOP_YAML)["sources"]["sales"]
    pipeline |= {"columns": {"day": "timestamp", "closed_at": "timestamp", "value": declared}, "key": ["day"]}
    source = load_pipeline("shop").sources["sales"].model_validate(pipeline)
    query = f"SELECT now() AS day, now() AS closed_at, {expression} AS value"
    try:
        [chunk] = read_sql(source, query, at("2024-01-01"), at("2024-01-02"), postgres.engine(), "shop").chunks
        conform(chunk.rows, source, "shop")
    except NightshiftError:
        return False
    return True


# --- files

FILES = Page("read-files")

VISITS = b"store,hour,visitors\nnorth,2024-01-01 09:00:00,7\nsouth,2024-01-01T10:00:00Z,\n"
PUBLISHED_VISITS = [
    ("north", 7, "2024-01-01", at("2024-01-01 10:30")),
    ("south", None, "2024-01-01", at("2024-01-01 11:30")),
]
READ_VISITS = [
    {"store": "north", "hour": at("2024-01-01 09:00"), "visitors": 7},
    {"store": "south", "hour": at("2024-01-01 10:00"), "visitors": None},
]


@pytest.fixture
def landing(tmp_path: Path, sources: Declare, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Declare the page's source, connect its folder, and return the folder."""
    sources(FILES.source())
    folder = tmp_path / "landing"
    folder.mkdir()
    assert FILES.connection()["extra"] == {"path": "/data/landing"}
    connect(monkeypatch, "landing", FILES.connection(extra={"path": str(folder)}))
    return folder


def deliver(landing: Path, name: str, content: bytes, day: date = DAY) -> Path:
    """Write a packed file of a day."""
    path = landing / "visits" / day.isoformat() / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content, mtime=0))
    return path


def test_the_visits_of_the_page_are_ingested(landing: Path) -> None:
    """The first connection and the fragment as printed bring the packed files of a day."""
    north, south = VISITS.splitlines()[1:]
    deliver(landing, "north.csv.gz", VISITS.replace(south + b"\n", b""))
    deliver(landing, "south.csv.gz", VISITS.replace(north + b"\n", b""))

    ingest()

    assert rows("visits", "store", "visitors", "ds", "available_at") == PUBLISHED_VISITS
    assert read("visits", AIRFLOW) == READ_VISITS


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    """Run an S3 with a file of the page's in its bucket."""
    with running_s3() as server:
        server.write("shop-landing", {"in/visits/2024-01-01/all.csv.gz": gzip.compress(VISITS)})
        yield server


def test_the_visits_of_the_page_are_read_from_s3(s3: S3, sources: Declare, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second connection as printed, but for the store's address, does the same."""
    sources(FILES.source())
    connect(monkeypatch, "landing", FILES.connection(1, extra={"endpoint_url": s3.url}))

    assert read("visits") == read("visits", AIRFLOW) == READ_VISITS


def test_a_complete_delivery_of_the_page_is_ingested(landing: Path, sources: Declare) -> None:
    """With the checksum and the marker that the second fragment demands, and a count that it leaves alone."""
    sources(FILES.source(1))
    file = deliver(landing, "all.csv.gz", VISITS)
    file.with_name("_SUCCESS").touch()
    file.with_name("all.csv.gz.count").write_text("many")
    assert "it has no companion file all.csv.gz.sha256 or" in refused()
    file.with_name("all.csv.gz.sha256").write_text(hashlib.sha256(file.read_bytes()).hexdigest())

    assert read("visits") == READ_VISITS


def test_what_the_page_of_files_says_is_refused_is(landing: Path, sources: Declare) -> None:
    """Each sentence of the page is the one that a person gets."""
    here = {"/data/landing": str(landing)}
    told = [refused(**here)]
    yesterday = deliver(landing, "north.csv.gz", VISITS)
    again = deliver(landing, "south.csv.gz", VISITS)
    told.append(refused(**here))
    again.unlink()
    whole = yesterday.read_bytes()
    yesterday.write_bytes(whole[:-20])
    told.append(refused(**here))
    yesterday.write_bytes(whole)
    (beside := yesterday.with_name("north.csv.gz.md5")).write_text("d41d8cd98f00b204e9800998ecf8427e  north.csv.gz\n")
    told.append(refused(**here))
    beside.unlink()
    sources(FILES.source(1))
    told.append(refused(**here))
    sources(FILES.source())
    deliver(landing, "north.csv.gz", VISITS.replace(b"north", b'"north'))
    told.append(refused(**here))
    yesterday.unlink()
    today = deliver(landing, "north.csv.gz", VISITS, NEXT_DAY)
    told.append(refused(NEXT_DAY, **here))
    today.write_bytes(gzip.compress(VISITS.replace(b"2024-01-01", b"2024-01-02").replace(b",\n", b",8,9\n")))
    told.append(refused(NEXT_DAY, **here))
    today.write_bytes(gzip.compress(VISITS.replace(b"2024-01-01", b"2024-01-02").replace(b",7\n", b",many\n")))
    told.append(refused(NEXT_DAY, **here))

    FILES.assert_shows(*told)


@pytest.mark.parametrize("name", ["jsonl", "ndjson", "json", "parquet", "csv.bz2", "csv.zip", "jsonl.zst"])
def test_each_format_of_the_page_is_read(landing: Path, sources: Declare, name: str) -> None:
    """What a file's name ends with is how it is read, packed or not."""
    declared = FILES.source()
    declared["visits"]["path"] = f"visits/{{ds}}.{name}"
    sources(declared)
    (landing / "visits").mkdir()
    (landing / "visits" / f"2024-01-01.{name}").write_bytes(formatted(name))

    assert read("visits") == READ_VISITS


def formatted(name: str) -> bytes:
    """Return the visits in the format of a name."""
    frame = pd.read_csv(io.BytesIO(VISITS), dtype={"visitors": "Int64"})
    buffer = io.BytesIO()
    if name == "parquet":
        frame.to_parquet(buffer)
        return buffer.getvalue()
    if name == "csv.bz2":
        return bz2.compress(VISITS)
    if name == "csv.zip":
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("visits.csv", VISITS)
        return buffer.getvalue()
    records = [{key: value for key, value in row.items() if not pd.isna(value)} for row in frame.to_dict("records")]
    lines = "".join(json.dumps(record) + "\n" for record in records).encode()
    return pa.compress(lines, codec="zstd", asbytes=True) if name == "jsonl.zst" else lines


# --- an API

WEB = Page("read-an-api")
READINGS = [
    {"station": "hill", "at": "2024-01-01T00:00:00Z", "temperature": 1.5},
    {"station": "hill", "at": "2024-01-01T12:00:00Z", "temperature": 4},
    {"station": "lake", "at": "2024-01-01T12:00:00Z"},
    {"station": "lake", "at": "2024-01-01T23:00:00Z", "temperature": 3.5},
    {"station": "lake", "at": "2024-01-02T00:00:00Z", "temperature": 2.5},
]


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """Run an API with two days of readings, two a page, that waits between attempts no longer than a moment."""
    monkeypatch.setattr(asking, "BACK_OFF_SECONDS", 0.001)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Api(READINGS, size=2).serving() as api:
        yield api


@pytest.fixture
def weather(api: Api, sources: Declare, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return what declares and connects one of the page's sources; the API has a path for each style of paging."""

    def declare(number: int = 0, password: str = TOKEN, **changes: Any) -> None:
        declared = WEB.source(number)
        declared["weather"] |= {"requests_per_second": 1000} | changes
        paging = declared["weather"]["paging"]
        declared["weather"]["path"] += f"/{paging['style'] if paging else 'all'}"
        sources(declared)
        assert WEB.connection()["password"] == "the token"
        connect(monkeypatch, "weather", WEB.connection(host=f"{api.url}/v1", password=password))

    return declare


def test_an_api_that_fails_in_its_own_words_is_declared_as_the_page_says(
    weather: Callable[..., None], api: Api
) -> None:
    """The third fragment names where the API says that it failed, its total, and whether there is more."""
    weather(2)
    page = {"data": {"items": READINGS[:2]}, "meta": {"total": 4, "more": True}}
    last = {"data": {"items": READINGS[2:4]}, "meta": {"total": 4, "more": False}}
    api.faults.extend([Fault(body=json.dumps(page).encode()), Fault(body=json.dumps(last).encode())])

    assert len(read("weather")) == 4
    assert [asked.params for asked in api.asked] == [{"day": "2024/01/01"}, {"day": "2024/01/01", "offset": "2"}]
    api.faults.append(Fault(body=json.dumps(page | {"outcome": {"fault": "backend"}}).encode()))
    assert "reports a failure by 'outcome.fault' (backend)" in refused()


@pytest.mark.parametrize("number", [0, 1])
def test_the_readings_of_the_page_are_ingested(weather: Callable[..., None], api: Api, number: int) -> None:
    """The connection and each fragment as printed, but for the address, bring a day of records page by page."""
    weather(number)

    ingest()

    assert rows("weather", "station", "available_at", "temperature", "ds") == [
        ("hill", at("2024-01-01 00:00"), 1.5, "2024-01-01"),
        ("hill", at("2024-01-01 12:00"), 4.0, "2024-01-01"),
        ("lake", at("2024-01-01 12:00"), None, "2024-01-01"),
        ("lake", at("2024-01-01 23:00"), 3.5, "2024-01-01"),
    ]
    first = [
        {"from": "2024-01-01T00:00:00Z", "to": "2024-01-02T00:00:00Z"},
        {"ds": "2024-01-01", "page": "1", "limit": "100"},
    ]
    assert api.asked[0].params == first[number]
    assert api.asked[0].path.startswith("/v1/readings")
    assert read("weather", AIRFLOW) == read("weather")


@pytest.mark.parametrize("style", ["page", "offset", "cursor", "link"])
def test_each_style_of_paging_of_the_page_is_read_to_its_end(
    weather: Callable[..., None], api: Api, style: str
) -> None:
    """With the defaults of the table, every page of the day is asked for."""
    assert f"\n| `{style}` |" in WEB.text
    paging = {"style": style} | ({"next": "meta.next"} if style == "cursor" else {})
    weather(1, paging=paging)

    assert len(read("weather")) == 4
    assert len(api.asked) >= 2


@pytest.mark.parametrize(
    ("credentials", "header", "value"),
    [
        ({"password": TOKEN}, "authorization", f"Bearer {TOKEN}"),
        ({"login": "kim", "password": "pw"}, "authorization", "Basic a2ltOnB3"),
        ({"password": None, "extra": {"headers": {"X-Api-Key": "the key"}}}, "x-api-key", "the key"),
    ],
    ids=["token", "password", "key"],
)
def test_credentials_are_sent_as_the_page_says(
    weather: Callable[..., None],
    api: Api,
    monkeypatch: pytest.MonkeyPatch,
    credentials: dict[str, Any],
    header: str,
    value: str,
) -> None:
    """Each row of the table of credentials is what the API gets."""
    weather()
    api.credentials = value if header == "authorization" else None
    connect(monkeypatch, "weather", WEB.connection(host=api.url, **credentials))

    read("weather")

    assert {asked.headers.get(header) for asked in api.asked} == {value}


def test_what_the_page_of_apis_says_is_refused_is(weather: Callable[..., None], api: Api) -> None:
    """Each sentence of the page is the one that a person gets."""
    weather(password="wrong")
    here = {"readings,": "readings/cursor,"}
    told = [refused(**here)]
    weather(records="items")
    told.append(refused(**here))
    weather(1)
    first = {"data": {"items": READINGS[:2]}, "meta": {"total": 4, "has_more": True}}
    failed = {"data": {"items": []}, "error": "backend timeout", "meta": {"total": 4}}
    api.faults.extend([Fault(body=json.dumps(first).encode()), Fault(body=json.dumps(failed).encode())])
    told.append(refused(**{"readings,": "readings/page,"}))
    weather(1, paging={"style": "offset", "total": "meta.total"})
    del failed["error"]
    api.faults.extend([Fault(body=json.dumps(first).encode()), Fault(body=json.dumps(failed).encode())])
    told.append(refused(**{"readings,": "readings/offset,"}))
    weather(1, paging=None)
    api.faults.append(Fault(body=json.dumps(first).encode()))
    told.append(refused(**{"readings:": "readings/all:"}))
    weather()
    api.next_cursor = 2
    told.append(refused(**here))
    api.next_cursor = None
    api.faults.append(Fault(301, headers={"Location": "https://other.example.com/v2/readings"}))
    told.append(refused(**here))
    api.faults.extend([Fault(503, b"down for maintenance")] * 5)
    told.append(refused(**here))
    assert len(api.faults) == 0

    WEB.assert_shows(*told)


# --- Kafka

KAFKA = Page("read-from-kafka")
LATE = timedelta(days=1)


@pytest.fixture
def broker(sources: Declare, monkeypatch: pytest.MonkeyPatch) -> Iterator[Broker]:
    """Run a broker, declare the page's source and connect it."""
    monkeypatch.setattr(confluent_kafka, "Consumer", TimedConsumer)
    sources(KAFKA.source())
    with running_broker() as broker:
        connect(monkeypatch, "events", {"conn_type": KAFKA.connection()["conn_type"], "extra": broker.config})
        yield broker


def enter(broker: Broker, number: int, entered: str, sent: str | None = None) -> None:
    """Send a message of somebody who entered a store, by default in the moment of it."""
    value = {"entry_id": number, "store": "north", "entered_at": entered}
    broker.send("entries", json.dumps(value).encode(), at(sent or entered))


def test_the_entries_of_the_page_are_ingested(broker: Broker) -> None:
    """A message that comes late is delivered with the next day, and keeps its own."""
    enter(broker, 1, "2024-01-01 09:00")
    enter(broker, 2, "2024-01-02 00:01")
    enter(broker, 3, "2024-01-01 23:59", sent="2024-01-02 08:00")
    broker.send("entries", None, at("2024-01-02 09:00"))

    assert [row["entry_id"] for row in read("entries", AIRFLOW)] == [1]
    ingest(DAY)
    ingest(NEXT_DAY)
    once = lake.latest_version(lake.raw_uri("shop", "entries"))
    ingest(NEXT_DAY)

    assert rows("entries", "entry_id", "ds", "delivered", "available_at") == [
        (1, "2024-01-01", "2024-01-01", at("2024-01-01 09:00")),
        (2, "2024-01-02", "2024-01-02", at("2024-01-02 00:01")),
        (3, "2024-01-01", "2024-01-02", at("2024-01-02 08:00")),
    ]
    assert lake.latest_version(lake.raw_uri("shop", "entries")) == once


def test_the_connection_of_the_page_makes_a_client() -> None:
    """The settings as printed are ones that librdkafka takes; nobody is called with them."""
    config = KAFKA.connection()["extra"]

    confluent_kafka.Consumer(topic.DEFAULTS | config | topic.FIXED).close()


def test_what_the_page_of_kafka_says_is_refused_is(
    broker: Broker, sources: Declare, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each sentence of the page is the one that a person gets."""
    broker.send("broken", b"number 7", at("2024-01-01 09:00"))
    enter(broker, 1, "2024-01-01 09:00")
    enter(broker, 2, "2023-12-20 09:00", sent="2024-01-01 10:00")
    declared = KAFKA.source()
    declared["entries"]["topic"] = "broken"
    sources(declared)
    told = [refused(entries="broken")]
    sources(KAFKA.source())
    told.append(refused())
    enter(broker, 3, "2024-01-02 09:00")
    ingest(NEXT_DAY)
    for _ in range(RETAINED_BYTES // 900_000 + 2):
        broker.send("entries", b" " * 900_000, at("2024-01-03 09:00"))
    told.append(refused(NEXT_DAY))
    told.append(re.sub(r"before offset \d+", "before offset 5", refused(NEXT_DAY + timedelta(days=1))))
    declared["entries"]["topic"] = "enrties"
    sources(declared)
    told.append(refused())
    sources(KAFKA.source())
    connect(monkeypatch, "events", {"conn_type": "kafka", "extra": {"bootstrap.servers": "127.0.0.1:1"}})
    monkeypatch.setattr(topic, "RESPONSE_SECONDS", 0.5)
    told.append(refused(**{"10.0.0.7:9093": "127.0.0.1:1"}))

    KAFKA.assert_shows(*told)


# --- changes of a source

CHANGE = Page("change-a-source")


@pytest.fixture
def visits(tmp_path: Path, sources: Declare, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return what delivers a day's Parquet file of visits: the columns of the page, with some changed."""
    folder = tmp_path / "landing"
    (folder / "visits").mkdir(parents=True)
    connect(monkeypatch, "landing", {"conn_type": "fs", "extra": {"path": str(folder)}})

    def deliver(day: date, renamed: dict[str, str] | None = None, **changes: list[Any] | None) -> None:
        columns = {"store": ["north"], "hour": [datetime(day.year, day.month, day.day, 9)], "visitors": [7]}
        columns |= {"weather": ["sun"]} | changes
        table = pa.table({name: values for name, values in columns.items() if values is not None})
        table = table.rename_columns([(renamed or {}).get(name, name) for name in table.column_names])
        pq.write_table(table, folder / "visits" / f"{day}.parquet")

    return deliver


def declared_visits(number: int = 1, **changes: Any) -> dict[str, Any]:
    """Return the page's source of visits with some fields changed."""
    return {"visits": CHANGE.source(number)["visits"] | changes}


def test_late_rows_and_snapshots_are_as_the_page_says(shop: Path, sources: Declare) -> None:
    """The two sources as printed: late rows keep their day, and only a snapshot that changed is published."""
    sources(CHANGE.source())
    stores, refunds = CHANGE.blocks("sql")
    (shop / "sql" / "stores.sql").write_text(stores)
    (shop / "sql" / "refunds.sql").write_text(refunds)
    days = [DAY + timedelta(days=number) for number in range(3)]
    register(shop, ("north", "Berlin"))
    refund(shop, (1, 5.0, "2024-01-01 10:00", "2024-01-01 18:00"), (2, 7.0, "2024-01-01 11:00", "2024-01-02 09:00"))
    refund(shop, (3, 8.0, "2024-01-02 11:00", "2024-01-03 09:00"), (2, 7.5, "2024-01-01 11:00", "2024-01-03 09:00"))
    ingest(days[0])
    ingest(days[1])
    register(shop, ("north", "Bern"))
    ingest(days[2])
    ingest(days[1])  # a delivery that is read again replaces itself; the snapshot comes too late for its day

    assert rows("refunds", "refund_id", "amount", "ds", "delivered") == [
        (1, 5.0, "2024-01-01", "2024-01-01"),
        (2, 7.0, "2024-01-01", "2024-01-02"),
        (2, 7.5, "2024-01-01", "2024-01-03"),
        (3, 8.0, "2024-01-02", "2024-01-03"),
    ]
    (city, ds, first), (later, later_ds, read) = sorted(rows("stores", "city", "ds", "available_at"), key=str)
    assert (city, ds, first) == ("Berlin", "2024-01-01", at("2020-01-01"))
    assert (later, later_ds) == ("Bern", "2024-01-03")
    assert datetime.now(UTC) - read < timedelta(hours=1)  # long after its day


def register(shop: Path, *stores: tuple[str, str]) -> None:
    """Write the shop's registry anew."""
    frame = pd.DataFrame([(*store, "2020-01-01") for store in stores], columns=["store", "city", "opened_at"])
    write(shop, "stores", frame, "replace")


def refund(shop: Path, *refunds: tuple[int, float, str, str]) -> None:
    """Add refunds to the shop's database."""
    frame = pd.DataFrame(refunds, columns=["refund_id", "amount", "sold_at", "entered_at"])
    write(shop, "refunds", frame, "append")


def write(shop: Path, table: str, frame: pd.DataFrame, if_exists: Any) -> None:
    """Write a table of the shop's database."""
    with closing(sqlite3.connect(shop.parent.parent / "shop.db")) as database:
        frame.to_sql(table, database, index=False, if_exists=if_exists)


def test_what_a_source_may_change_is_as_the_page_says(
    shop: Path, sources: Declare, visits: Callable[..., None], home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Each change of the table is refused without the contract and taken with it, in the page's words."""
    told = []
    here = {"/srv/lake": str(home / "lake")}
    sources(CHANGE.source())
    for name, query in zip(("stores", "refunds"), CHANGE.blocks("sql"), strict=True):
        (shop / "sql" / f"{name}.sql").write_text(query)
    register(shop, ("north", "Berlin"))
    refund(shop, (1, 5.0, "2023-12-01 10:00", "2024-01-01 18:00"))
    told.append(refused())

    sources(declared_visits(contract={}))
    visits(DAY)
    ingest()
    visits(NEXT_DAY, {"visitors": "visitor_count"}, weather=None, rain=[False])
    told.append(refused(NEXT_DAY))
    sources(declared_visits())
    caplog.clear()
    ingest(NEXT_DAY)
    allowed = [record.getMessage() for record in caplog.records if "as `contract`" in record.getMessage()]
    told.append("\n".join(allowed))
    assert rows("visits", "ds", "visitors", "weather") == [("2024-01-01", 7, "sun"), ("2024-01-02", 7, None)]

    third = DAY + timedelta(days=2)
    two = {"store": ["north", "south"], "hour": [at(f"{third} 09:00")] * 2, "weather": ["sun", "rain"]}
    visits(third, visitors=["7", "8"], **two)
    told.append(refused(third))
    sources(declared_visits(contract={}))
    ingest(third)  # cast, where nothing else is said
    visits(third)
    caplog.clear()
    ingest(third)
    told.append(next(record.getMessage() for record in caplog.records if "shrinks" in record.getMessage()))
    visits(third, visitors=[7, 8], **two)
    ingest(third)
    visits(third)
    sources(declared_visits(contract={"shrinks": "refuse"}))
    told.append(refused(third))
    columns = CHANGE.source(1)["visits"]["columns"]
    del columns["weather"]
    sources(declared_visits(columns=columns, contract={"added": "ignore"}))
    told.append(refused(third, **here))

    CHANGE.assert_shows(*told)


def test_columns_may_be_declared_anew_as_the_page_says(sources: Declare, visits: Callable[..., None]) -> None:
    """An added column is null until its days are ingested again; a retired one is null from now on."""
    sources(declared_visits(contract={}))
    visits(DAY)
    ingest()
    columns = CHANGE.source(1)["visits"]["columns"]
    sources(declared_visits(columns=columns | {"rain": "boolean"}, contract={}))
    visits(DAY, rain=[True])
    visits(NEXT_DAY, rain=[False])
    ingest(NEXT_DAY)
    assert rows("visits", "ds", "rain") == [("2024-01-01", None), ("2024-01-02", False)]
    ingest(DAY)
    assert rows("visits", "ds", "rain") == [("2024-01-01", True), ("2024-01-02", False)]


def test_a_column_gets_another_type_as_the_page_says(sources: Declare, visits: Callable[..., None]) -> None:
    """The second contract as printed: the old column is retired, and the new one has the values from now on."""
    sources(declared_visits(contract={}))
    visits(DAY)
    ingest()
    anew = CHANGE.source(1)["visits"]["columns"] | {"visitors": "float"}
    sources(declared_visits(columns=anew, contract={}))
    assert "the published column 'visitors' (int64) is declared as double in pipeline.yaml now" in refused()
    sources(declared_visits(2))
    visits(NEXT_DAY, visitors=[7.5], weather=None)

    ingest(NEXT_DAY)

    assert rows("visits", "ds", "visitors", "visitors_counted", "weather") == [
        ("2024-01-01", 7, None, "sun"),
        ("2024-01-02", None, 7.5, None),
    ]


# --- columns

DECLARE = Page("declare-columns")


@pytest.mark.parametrize("declared", ["string", "integer", "float", "boolean", "timestamp"])
def test_the_values_of_the_page_are_read_and_refused_as_it_says(declared: str) -> None:
    """Each value of the table is of its column's type as text, or is refused."""
    [row] = re.findall(rf"^\| {declared} \| ([^|]+)\|([^|]*)\|$", DECLARE.text, re.MULTILINE)
    read, refused_values = (re.findall("`([^`]+)`", cell) for cell in row)
    assert read
    assert refused_values or declared == "string"

    for value in read + refused_values:
        column = pa.chunked_array([[value]])
        if value in read:
            assert cast(column, declared, "x", "shop").null_count == 0
        else:
            with pytest.raises(SchemaMismatch):
                cast(column, declared, "x", "shop")


def test_what_the_page_of_columns_says_is_refused_is(
    sources: Declare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The source as printed takes an infinite number for null, and a key of text that changes its type is refused."""
    (folder := tmp_path / "landing" / "receipts").mkdir(parents=True)
    connect(monkeypatch, "landing", {"conn_type": "fs", "extra": {"path": str(folder.parent)}})

    def deliver(day: date, receipt: Any) -> None:
        columns = {"receipt": [receipt], "at": [datetime(day.year, day.month, day.day, 9)], "ean": [4006381333931.0]}
        table = pa.table(columns | {"amount": [2], "price": [float("inf")], "paid": [True]})
        pq.write_table(table, folder / f"{day}.parquet")

    printed_source = DECLARE.source()["receipts"]
    sources({"receipts": printed_source | {"contract": {}}})
    deliver(DAY, 7)
    told = [refused()]
    sources({"receipts": printed_source})
    ingest()
    assert rows("receipts", "receipt", "ean", "price") == [("7", "4006381333931", None)]
    deliver(NEXT_DAY, "7")
    told.append(refused(NEXT_DAY))

    DECLARE.assert_shows(*told)
    sources({"receipts": printed_source | {"contract": {"infinity": "null", "retyped": "cast"}}})
    ingest(NEXT_DAY)
    assert len(rows("receipts", "receipt")) == 2


# --- quarantine

QUARANTINE = Page("quarantine")


def test_the_commands_of_the_page_of_quarantine_do_what_it_shows(shop: Path) -> None:
    """Each command in its order prints what the page shows, and what is published is what it says."""
    [suite] = QUARANTINE.blocks("yaml")
    factories.write_shop(shop.parent, sales_expectations=suite)
    sales = factories.sales()
    sell(shop, sales, "2024-01-01", "store-1", -20.0)
    sell(shop, sales, "2024-01-02", "store-1", -35.5)
    sell(shop, sales, "2024-01-02", "store-2", -9999.0)
    lines = "".join(QUARANTINE.blocks("console")).replace("\\\n", " ").splitlines()
    commands = iter([shlex.split(line)[1:] for line in lines if "airflow" not in line])
    told = []

    ingest()
    told += [printed(next(commands)), printed(next(commands))]
    assert published_revenue("2024-01-01")["store-1"] == -20.0
    with pytest.raises(ExpectationsFailed):
        ingest(NEXT_DAY)
    pipeline = load_pipeline("shop")
    batch = extract_source(pipeline, "sales", NEXT_DAY, NEXT_DAY, ENV)
    with pytest.raises(ExpectationsFailed) as stopped:
        validate_batch(pipeline, batch)
    told += [f"ExpectationsFailed: {stopped.value}", printed(next(commands))]
    assert published_revenue("2024-01-02") == {}
    told.append(printed(next(commands)))
    assert sorted(published_revenue("2024-01-02")) == ["store-0", "store-3", "store-4"]
    told.append(printed(next(commands)))
    assert next(commands, None) is None
    discard = ["quarantine", "discard", "shop", "sales", "--start", "2024-01-01", "--note", "no"]
    assert "no such row is in quarantine" in printed(discard, fails=True)  # what is decided stays
    validate_batch(pipeline, batch)  # the cleared task
    assert not publish_batch(pipeline, batch).changed

    twice = sales[(sales["store"] == "store-3") & sales["day"].str.startswith("2024-01-03")]
    factories.write_sales(database(shop), pd.concat([sales, twice.assign(revenue=5.0)]))
    with pytest.raises(ExpectationsFailed):
        ingest(DAY + timedelta(days=2))
    release = ["quarantine", "release", "shop", "sales", "--note", "as it is", "--start"]
    told.append(printed([*release, "2024-01-03"], fails=True))
    fourth = DAY + timedelta(days=3)
    sell(shop, sales, "2024-01-04", "store-1", -20.0)
    old = extract_source(pipeline, "sales", fourth, fourth, ENV)
    sell(shop, sales, "2024-01-04", "store-1", 20.0)
    ingest(fourth)
    validate_batch(pipeline, old)
    told.append(printed([*release, "2024-01-04"], fails=True))

    QUARANTINE.assert_shows(*told)


def test_a_decision_is_kept_where_the_batch_still_does_not_pass(shop: Path) -> None:
    """Of four wrong rows one is given up: three of four are too many still, and the command says what the task says."""
    factories.write_shop(shop.parent, sales_expectations=QUARANTINE.blocks("yaml")[0])
    sales = factories.sales()
    for number in range(4):
        sell(shop, sales, "2024-01-01", f"store-{number}", -20.0)
    with pytest.raises(ExpectationsFailed):
        ingest()
    [first, *_] = printed(["quarantine", "list", "shop"]).splitlines()
    row_id = first.split()[2]
    discard = ["quarantine", "discard", "shop", "sales", "--start", "2024-01-01", "--row", row_id, "--note", "no"]
    told = printed(discard, fails=True)

    assert "failed for 3 of 4 rows (75 %)" in told
    assert f"{row_id} discarded" in printed(["quarantine", "list", "shop", "--all"])
    assert rows("sales", "store") == []


def database(shop: Path) -> Path:
    """Return the shop's database."""
    return shop.parent.parent / "shop.db"


def sell(shop: Path, sales: pd.DataFrame, day: str, store: str, revenue: float) -> None:
    """Let a store report a revenue on a day."""
    sales.loc[sales["day"].str.startswith(day) & (sales["store"] == store), "revenue"] = revenue
    factories.write_sales(database(shop), sales)


def printed(words: list[str], *, fails: bool = False) -> str:
    """Return what a command prints."""
    result = CliRunner().invoke(main, words)
    assert result.exit_code == fails, result.output
    return result.output.removeprefix("Error: ")


def published_revenue(day: str) -> dict[str, float]:
    """Return the revenue of each store that is published for a day."""
    return {store: revenue for ds, store, revenue in rows("sales", "ds", "store", "revenue") if ds == day}


# --- what all pages have


def test_the_connections_of_the_example_file_are_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each connection of .env.example, without its comment's sign, is one that its kind of source takes."""
    text = (settings.root() / ".env.example").read_text(encoding="utf-8")
    found = settings.parse_env(re.sub(r"^# (?=AIRFLOW_CONN_)", "", text, flags=re.MULTILINE))
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    kinds = {
        name.removeprefix("AIRFLOW_CONN_").lower(): json.loads(value)["conn_type"] for name, value in found.items()
    }

    assert kinds == {"shop": "postgres", "landing": "fs", "store": "aws", "weather": "http", "events": "kafka"}
    assert ENV.engine("shop").url.database == "shop"
    assert ENV.api("weather").base_url == "https://api.example.com/v1"
    assert ENV.kafka("events")["bootstrap.servers"] == "broker.example.com:9092"


@pytest.mark.parametrize("page", [DATABASE, FILES, WEB, KAFKA], ids=["database", "files", "api", "kafka"])
def test_the_pages_say_how_long_and_how_often_a_source_is_tried(page: Page) -> None:
    """The deadline's default is the schema's, the number of retries the DAG's."""
    assert HttpSource.model_fields["deadline"].default == timedelta(hours=1)
    assert "retries=4," in (settings.root() / "dags" / "ingest.py").read_text(encoding="utf-8")

    text = " ".join(page.text.split())
    assert "an hour" in text
    assert "up to four times with growing pauses" in text


@pytest.mark.parametrize(
    ("page", "number"),
    [
        (DATABASE, f"{sql.FETCH_ROWS:,} rows are fetched at a time"),
        (DATABASE, f"at {({10: 'ten'})[RUNAWAY]} times `rows_per_day.max`"),
        (FILES, f"{formats.BLOCK_BYTES >> 20} MB at a time, Parquet {decode.PARQUET_ROWS:,} rows at a time"),
        (FILES, f"for over {csv_text.QUOTED_LINES:,} lines"),
        (FILES, f"over {unpack.BOMB_BYTES >> 20} MB and {unpack.BOMB_RATIO} times its size"),
        (KAFKA, f"{kafka.CHUNK_MESSAGES:,} messages are held at a time"),
        (KAFKA, f"After {({60: 'a minute'})[topic.QUIET_SECONDS]} without a message"),
        (WEB, f"within `timeout_seconds` ({HttpSource.model_fields['timeout_seconds'].default:g})"),
        (WEB, f"up to {({5: 'five'})[HttpSource.model_fields['attempts'].default]} `attempts`"),
        (WEB, f"up to {({120: 'two minutes'})[asking.LONGEST_WAIT_SECONDS]}"),
        (WEB, f"# {HttpSource.model_fields['requests_per_second'].default:g} if left out"),
        (CHANGE, f"# {HttpSource.model_fields['late_days'].default} if left out"),
        (QUARANTINE, f"the first {QUARANTINED_AT_MOST:,} of them"),
    ],
)
def test_the_numbers_of_the_pages_are_those_of_the_code(page: Page, number: str) -> None:
    """What a page says of sizes and times is what the code has."""
    assert number in " ".join(page.text.split())
