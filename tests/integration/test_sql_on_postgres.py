"""A source's query on a real PostgreSQL server, whose time zone is not UTC."""

from __future__ import annotations

import time
import traceback
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from include.config.sources.sql_source import SqlSource
from include.core.connections import Connections, EnvironmentConnections
from include.core.errors import SchemaMismatch, SourceUnreadable
from include.ingestion import sql
from include.ingestion.contract import conform
from include.ingestion.sql import read_sql
from plugins.hooks.airflow_connections import AirflowConnections

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

    from include.ingestion.source_reader import Chunk
    from tests.services.postgres import Postgres

DAY, NEXT_DAY = datetime(2024, 1, 2, tzinfo=UTC), datetime(2024, 1, 3, tzinfo=UTC)


def source(**columns: str) -> SqlSource:
    """Return a source with the columns of the shop, or others beside a time."""
    return SqlSource.model_validate(
        {
            "kind": "sql",
            "connection": "shop",
            "query": "sql/sales.sql",
            "key": ["at"],
            "available_at": "at",
            "columns": {"at": "timestamp"} | columns,
        }
    )


def chunks(query: str, engine: Engine, of: SqlSource | None = None) -> Iterator[Chunk]:
    """Run a query for the day."""
    return read_sql(of or source(), query, DAY, NEXT_DAY, engine, "shop: source 'sales'").chunks


def values(expression: str, postgres: Postgres, declared: str, engine: Engine | None = None) -> list[Any]:
    """Return what an SQL expression arrives as in a column of a declared type."""
    of = source(value=declared)
    query = f"SELECT now() AS at, {expression} AS value"
    [chunk] = chunks(query, engine or postgres.engine(), of)
    return conform(chunk.rows, of, chunk.where)[0]["value"].to_pylist()


def refused(query: str, engine: Engine, of: SqlSource | None = None) -> SourceUnreadable:
    """Return the error with which a query ends."""
    with pytest.raises(SourceUnreadable) as told:
        list(chunks(query, engine, of))
    sentence = str(told.value)
    assert sentence.startswith("shop: source 'sales': the query sql/sales.sql failed on connection 'shop': ")
    assert sentence.endswith("; nothing was published")
    assert "\n" not in sentence
    assert not engine.url.password or str(engine.url.password) not in sentence
    return told.value


@pytest.fixture(scope="module")
def sales(postgres: Postgres) -> Postgres:
    """Make a table with a row for each hour around the day, in times with a zone and without."""
    postgres.run(
        "CREATE TABLE sales AS SELECT hour AS at, hour AT TIME ZONE 'UTC' AS bare, 'é' || n AS store, n AS visitors "
        "FROM generate_series(timestamptz '2024-01-01 00:00Z', '2024-01-03 23:00Z', '1 hour') "
        "WITH ORDINALITY AS hours (hour, n)",
        "CREATE TABLE secret (at timestamptz)",
        "CREATE FUNCTION sell() RETURNS timestamptz LANGUAGE sql AS 'DELETE FROM sales RETURNING at'",
        "CREATE ROLE reader LOGIN PASSWORD 'reads-only-7'",
    )
    return postgres


# --- days


@pytest.mark.parametrize("column", ["at", "bare"])
@pytest.mark.parametrize("driver", ["postgresql", "postgresql+psycopg2"])
def test_a_day_is_the_day_in_utc(sales: Postgres, column: str, driver: str) -> None:
    """Neither kind of timestamp takes the server's zone: its day would begin five hours late."""
    query = f"SELECT {column} AS at FROM sales WHERE {column} >= :start AND {column} < :end ORDER BY 1"
    [chunk] = chunks(query, sales.engine(drivername=driver))

    moments = conform(chunk.rows, source(), chunk.where)[0]["at"].to_pylist()

    assert len(moments) == 24
    assert (moments[0], moments[-1]) == (DAY, datetime(2024, 1, 2, 23, tzinfo=UTC))


@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        ("at::date = :start::date", 24),
        ("at >= :start::timestamptz AND at < :start::timestamptz + interval '1 hour'", 1),
        ("at >= :start AND at < :end AND store LIKE '%9'", 2),
        ("at >= :start AND visitors % 2 = 0 AND at < :end", 12),
        ("date_trunc('day', bare) = :start AND store <> ':nobody::'", 24),
        ("to_char(:start, 'HH24:MI') = '00:00'", 72),
        # the clock on the wall of a place, where the day began in the evening before
        ("bare = :start AT TIME ZONE 'America/New_York'", 1),
        ("visitors <= 2", 2),
    ],
)
def test_a_query_is_written_as_for_postgresql(sales: Postgres, condition: str, rows: int) -> None:
    """Casts with two colons, percent signs and strings with colons need no mask."""
    [chunk] = chunks(f"SELECT at FROM sales WHERE {condition};", sales.engine())

    assert chunk.rows.num_rows == rows


def test_a_style_of_dates_that_the_server_prefers_changes_nothing(sales: Postgres) -> None:
    """The driver reads no German date with a zone, so the session asks for another style."""
    engine = sales.engine(query={"options": "-c datestyle=German -c timezone=Asia/Kolkata"})

    assert values("timestamptz '2024-01-02 00:00Z'", sales, "timestamp", engine) == [DAY]


# --- parts


def test_the_session_is_for_reading_all_rows_in_utc(sales: Postgres) -> None:
    """A cursor's query is planned for its first rows by default, and an extraction wants all of them."""
    names = ["transaction_read_only", "TimeZone", "cursor_tuple_fraction"]
    settings = ", ".join(f"current_setting('{name}') AS \"{name}\"" for name in names)

    [chunk] = chunks(f"SELECT {settings}", sales.engine())

    assert list(chunk.rows.to_pylist()[0].values()) == ["on", "UTC", "1"]


def test_rows_are_fetched_part_by_part(sales: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server keeps the rest of the rows until they are asked for, so they need no memory here."""
    monkeypatch.setattr(sql, "FETCH_ROWS", 1000)
    rows = chunks("SELECT at, n FROM sales, generate_series(1, 1000) AS n", sales.engine())

    assert [next(rows).rows.num_rows, next(rows).rows.num_rows] == [1000, 1000]
    running = sales.run("SELECT state, query FROM pg_stat_activity WHERE query LIKE 'FETCH%'")
    assert [(state, query.split(" FROM ")[0]) for state, query in running] == [
        ("idle in transaction", "FETCH FORWARD 1000")
    ]
    assert sum(chunk.rows.num_rows for chunk in rows) == 70 * 1000


def test_a_caller_that_stops_leaves_no_session_on_the_server(sales: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session that stays idle in its transaction would hold back the server's vacuum."""
    monkeypatch.setattr(sql, "FETCH_ROWS", 10)
    rows = chunks("SELECT at, 'stopped' FROM sales", sales.engine())
    next(rows)
    assert sessions(sales) == 1

    rows.close()

    wait_for_no_session(sales)
    assert sessions(sales) == 0


def wait_for_no_session(server: Postgres) -> None:
    """Wait until the server has no other client; for a minute or two at most."""
    until = time.monotonic() + 120
    while sessions(server) and time.monotonic() < until:
        time.sleep(0.01)


def sessions(server: Postgres) -> int:
    """Return how many clients the server has, beside the one that asks."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    return server.run(query)[0][0]


def test_no_rows_are_a_chunk_of_the_columns(sales: Postgres) -> None:
    """The caller holds the columns of an empty day against the declared ones."""
    [chunk] = chunks("SELECT at, store, visitors FROM sales WHERE false", sales.engine())

    assert (chunk.rows.num_rows, chunk.rows.column_names) == (0, ["at", "store", "visitors"])


# --- types


@pytest.mark.parametrize(
    ("expression", "declared", "expected"),
    [
        ("1.50::numeric", "float", 1.5),
        ("1.50::numeric", "string", "1.50"),
        ("12::numeric(38, 0)", "integer", 12),
        ("'NaN'::numeric", "float", None),
        ("1e45::numeric", "float", 1e45),
        ("(repeat('9', 80) || '.5')::numeric", "float", 1e80),
        ("9223372036854775807", "integer", 9223372036854775807),
        ("7::smallint", "float", 7.0),
        ("true", "boolean", True),
        ("true", "integer", 1),
        ("'NaN'::float8", "float", None),
        ("'1.1'::real", "float", 1.1),
        ("timestamptz '2024-01-01 19:00-05'", "timestamp", DAY),
        ("timestamp '2024-01-02 00:00'", "timestamp", DAY),
        ("date '2024-01-02'", "timestamp", DAY),
        ("timestamptz '9999-12-31 23:59:59Z'", "timestamp", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("timestamptz '0001-01-01 00:00Z'", "timestamp", datetime(1, 1, 1, tzinfo=UTC)),
        ("date '2024-01-02'", "string", "2024-01-02"),
        ("time '12:30'", "string", "12:30:00"),
        ("uuid '6f9619ff-8b86-d011-b42d-00c04fc964ff'", "string", "6f9619ff-8b86-d011-b42d-00c04fc964ff"),
        ("'grün'::text", "string", "grün"),
        ("'ab'::char(4)", "string", "ab  "),
        ("'sad'::mood", "string", "sad"),
        (r"'\x6162'::bytea", "string", "ab"),
        ("'[1, {\"a\": 2}]'::jsonb::text", "string", '[1, {"a": 2}]'),
        ("'3'::jsonb", "integer", 3),
        ("'null'::json", "float", None),
        ("'<a/>'::xml", "string", "<a/>"),
        ("null::uuid", "string", None),
    ],
)
def test_a_type_of_postgresql_arrives_as_it_is_declared(
    moods: Postgres, expression: str, declared: str, expected: object
) -> None:
    """A value arrives in the type that it is declared as, and nulls beside it stay nulls."""
    found = values(f"unnest(ARRAY[NULL, {expression}])", moods, declared)

    assert found == [None, expected]


@pytest.fixture(scope="module")
def moods(postgres: Postgres) -> Postgres:
    """Make a type of named values."""
    postgres.run("CREATE TYPE mood AS ENUM ('sad', 'glad')")
    return postgres


@pytest.mark.parametrize(
    ("expression", "declared", "sentence"),
    [
        ("1.5::numeric", "integer", r"declared as integer, and the value 1\.5 is not one"),
        ("'Infinity'::numeric", "integer", "declared as integer, and the value Infinity is infinite"),
        ("'Infinity'::float8", "float", "declared as float, and the value inf is infinite; correct the source, or let"),
        ("'Infinity'::numeric", "float", "declared as float, and the value Infinity is infinite"),
        ("1.5::float8", "string", "declared as string, and the value 1.5 came as a floating-point number with a fract"),
        ("ARRAY[1, 2]", "string", "declared as string, and a value of type list<.*int64> is not one"),
        ("'{\"a\": 1}'::jsonb", "string", "declared as string, and a value of type struct<a: int64> is not one"),
        (r"'\xff'::bytea", "string", r"declared as string, and the value b'\\xff' is not one"),
        ("timestamptz '2024-01-02 00:00Z'", "integer", "declared as integer, and the value datetime"),
        ("date '2024-01-02'", "integer", "declared as integer, and the value datetime"),
        ("time '12:30'", "timestamp", r"declared as timestamp, and the value datetime\.time\(12, 30\)"),
        ("interval '1 day'", "integer", r"declared as integer, and the value datetime\.timedelta\(days=1\)"),
        ("interval '1 day'", "string", r"declared as string, and the value datetime\.timedelta\(days=1\)"),
        ("5", "boolean", "declared as boolean, and the value 5 is not one"),
        ("1704153600", "timestamp", "declared as timestamp, and the value 1704153600 is not one"),
        ("timetz '12:30+02'", "string", r"holds values of a type that the lake does not have \(time\); cast it to"),
        ("inet '10.0.0.1'", "string", r"a type that the lake does not have \(IPv4Address\); cast it to text"),
        ("int4range(1, 5)", "string", r"a type that the lake does not have \(Range\); cast it to text"),
        ("12.50::money", "float", r"declared as float, and the value '\$12.50' is not one"),
    ],
)
def test_a_type_that_does_not_fit_is_told(postgres: Postgres, expression: str, declared: str, sentence: str) -> None:
    """A value that would arrive as something else is refused with its column's name."""
    with pytest.raises(SchemaMismatch, match=f"^shop: source 'sales': column 'value' .*{sentence}"):
        values(expression, postgres, declared)


@pytest.mark.parametrize("column", ["inet '10.0.0.1'", "timetz '12:30+02'"])
def test_a_column_that_is_not_declared_may_be_of_any_type(postgres: Postgres, column: str) -> None:
    """Whether it may be there at all is for the source's contract to say."""
    [chunk] = chunks(f"SELECT now() AS at, {column} AS other", postgres.engine())

    assert chunk.rows["other"].to_pylist() == [None]


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("'infinity'::timestamptz", "timestamp too large (after year 10K): 'infinity'"),
        ("'-infinity'::timestamp", "timestamp too small (before year 1): '-infinity'"),
        ("'infinity'::date", "date too large (after year 10K): 'infinity'"),
        ("date '10000-01-01'", "date too large (after year 10K): '10000-01-01'"),
        ("timestamp '0044-03-15 BC'", "timestamp too small (before year 1): '0044-03-15 00:00:00 BC'"),
        ("timestamptz '0044-03-15 12:00Z BC'", "timestamp too small (before year 1): '0044-03-15 12:00:00+00 BC'"),
    ],
)
def test_a_time_beyond_the_calendar_is_told(postgres: Postgres, expression: str, reason: str) -> None:
    """PostgreSQL has times that the driver has no value for; asking again would change nothing."""
    told = refused(f"SELECT {expression} AS at", postgres.engine())

    assert f": {reason}; correct the query" in str(told)
    assert not told.retryable


def test_a_value_that_only_python_refuses_is_told(postgres: Postgres) -> None:
    """The older driver lets Python's own error through, which is none of the database's."""
    told = refused("SELECT date '10000-01-01' AS at", postgres.engine(drivername="postgresql+psycopg2"))

    assert ": year 10000 is out of range; correct the query" in str(told)
    assert not told.retryable


# --- errors


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("SELEKT 1", 'syntax error at or near "SELEKT"'),
        ("SELECT * FROM nowhere", 'relation "nowhere" does not exist'),
        ("SELECT shop FROM sales", 'column "shop" does not exist'),
        ("SELECT 1 / (visitors - 40) FROM sales", "division by zero"),
        (
            "SELECT at FROM sales WHERE at > :begin",
            "it names the parameter :begin, and only :start and :end are filled in",
        ),
        ("", "syntax error at end of input"),
        ("SELECT 1; SELECT 2", "cannot insert multiple commands into a prepared statement"),
        ("UPDATE sales SET visitors = 0", 'syntax error at or near "UPDATE"'),
        ("INSERT INTO sales (at) VALUES (now()) RETURNING at", 'syntax error at or near "INSERT"'),
        ("SELECT 1; COMMIT; DROP TABLE sales", "cannot insert multiple commands into a prepared statement"),
        (
            "WITH new AS (INSERT INTO sales (at) VALUES (now()) RETURNING at) SELECT * FROM new",
            "DECLARE CURSOR must not contain data-modifying statements in WITH",
        ),
        ("SELECT sell() AS at", "cannot execute DELETE in a read-only transaction"),
    ],
)
def test_a_query_that_reads_nothing_or_more_than_that_is_told(sales: Postgres, query: str, reason: str) -> None:
    """A wrong query stays wrong, so it is not tried again; and no query changes its source."""
    told = refused(query, sales.engine())

    assert f": {reason}" in str(told)
    assert "correct the query, which must be one SELECT, or the connection" in str(told)
    assert not told.retryable
    assert sales.run("SELECT count(*), min(visitors) FROM sales") == [(72, 1)]


@pytest.mark.parametrize(
    ("address", "reason", "retryable"),
    [
        ({"password": "hunter2-of-the-shop"}, 'password authentication failed for user "owner"', False),
        ({"password": None}, "no password supplied", False),
        ({"username": "nobody-here"}, 'password authentication failed for user "nobody-here"', False),
        ({"database": "nowhere"}, 'database "nowhere" does not exist', False),
        ({"query": {"ssl_mode": "require"}}, 'invalid connection option "ssl_mode"', False),
        ({"query": {"sslmode": "require"}}, "server does not support SSL, but SSL was required", False),
        ({"port": 1}, "Connection refused", True),
        ({"host": "no-such-host.invalid"}, "failed to resolve host 'no-such-host.invalid'", True),
    ],
)
def test_a_server_that_is_not_reached_is_told(
    postgres: Postgres, address: dict[str, Any], reason: str, retryable: bool
) -> None:
    """A server may come back; one that refuses the password will do so again, and may lock the account."""
    told = refused("SELECT now() AS at", postgres.engine(**address))

    assert reason in str(told)
    assert postgres.password not in str(told)
    assert told.retryable is retryable


def test_a_table_that_may_not_be_read_is_told(sales: Postgres) -> None:
    """Somebody has to grant it."""
    told = refused("SELECT * FROM secret", sales.engine(username="reader", password="reads-only-7"))

    assert ": permission denied for table secret; correct" in str(told)
    assert not told.retryable


def test_a_query_that_the_server_gives_up_may_be_tried_again(postgres: Postgres) -> None:
    """A timeout of the server's own may have been another query's doing."""
    told = refused("SELECT pg_sleep(60)", postgres.engine(query={"options": "-c statement_timeout=1000"}))

    assert ": canceling statement due to statement timeout; correct" in str(told)
    assert told.retryable


@pytest.mark.parametrize(
    ("how", "reason"),
    [("idle", "terminating connection due to idle-in-transaction timeout"), ("killed", "terminating connection due")],
)
def test_a_connection_that_is_lost_while_rows_come_may_be_tried_again(
    sales: Postgres, monkeypatch: pytest.MonkeyPatch, how: str, reason: str
) -> None:
    """A server that restarts, or an administrator, ends a session between two parts of its rows."""
    monkeypatch.setattr(sql, "FETCH_ROWS", 10)
    options = "-c idle_in_transaction_session_timeout=2000" if how == "idle" else "-c application_name=lost"
    engine = sales.engine(query={"options": options})
    rows = chunks("SELECT at FROM sales", engine)

    def read_and_lose() -> None:
        next(rows)  # which on a busy machine may already take as long as the session may be idle
        if how == "killed":
            sales.run("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'lost'")
        wait_for_no_session(sales)
        list(rows)

    with pytest.raises(SourceUnreadable, match=f"failed on connection 'shop': {reason}") as told:
        read_and_lose()

    assert told.value.retryable
    assert engine.pool.checkedin() + engine.pool.checkedout() == 0


# --- connections

BOTH = pytest.mark.parametrize("connections", [EnvironmentConnections(), AirflowConnections()], ids=["env", "airflow"])


@BOTH
@pytest.mark.parametrize("form", ["json", "uri"])
def test_a_connection_of_airflow_leads_to_the_rows(
    sales: Postgres, monkeypatch: pytest.MonkeyPatch, connections: Connections, form: str
) -> None:
    """The same variable is read with Airflow and without it, by its newer driver."""
    uri = f"postgres://owner:{sales.password}@127.0.0.1:{sales.port}/postgres"
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", sales.connection() if form == "json" else uri)
    of = source(store="string", visitors="integer")
    query = "SELECT at, store, visitors FROM sales WHERE at >= :start AND at < :end ORDER BY at"

    engine = connections.engine("shop")
    [chunk] = chunks(query, engine, of)

    assert engine.dialect.driver == "psycopg"
    rows = conform(chunk.rows, of, chunk.where)[0].to_pylist()
    assert len(rows) == 24
    assert rows[0] == {"at": DAY, "store": "é25", "visitors": 25}


@BOTH
def test_the_extra_field_is_for_the_driver(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch, connections: Connections
) -> None:
    """What an administrator asks of the connection, such as its encryption, is not passed over."""
    extra = {"application_name": "nightshift", "options": "-c search_path=warehouse", "cursor": "dictcursor"}
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", postgres.connection(extra=extra))
    query = "SELECT now() AS at, current_setting('application_name') AS name, current_setting('search_path') AS path"

    [chunk] = chunks(query, connections.engine("shop"))

    assert chunk.rows.select(["name", "path"]).to_pylist() == [{"name": "nightshift", "path": "warehouse"}]


@BOTH
def test_an_encryption_that_the_server_does_not_have_is_told(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch, connections: Connections
) -> None:
    """Where the connection asks for a verified server, its password is sent to no other."""
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", postgres.connection(extra={"sslmode": "require"}))

    told = refused("SELECT now() AS at", connections.engine("shop"))

    assert "server does not support SSL, but SSL was required" in str(told)


@BOTH
def test_a_wrong_password_is_told_without_it(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch, connections: Connections
) -> None:
    """The sentence, and all that led to it, names the user and not the password."""
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", postgres.connection(password="hunter2-of-the-shop"))

    told = refused("SELECT now() AS at", connections.engine("shop"))

    assert "password authentication failed for user" in str(told)
    assert "hunter2" not in "".join(traceback.format_exception(told))
