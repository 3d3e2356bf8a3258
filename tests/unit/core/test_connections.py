"""Connections come from the variables that Airflow reads, and their errors give no secret away."""

from __future__ import annotations

import json
import sqlite3
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.dialects import registry
from sqlalchemy.engine.default import DefaultDialect

from include.core.connections import ConnectionFields, EnvironmentConnections, driver_arguments, s3_options
from include.core.errors import ConnectionMissing

if TYPE_CHECKING:
    from types import ModuleType

SECRET = "hunter2-of-the-shop"


class Warehouse(DefaultDialect):
    """Stands for a database server's driver; making an engine of it connects to nothing."""

    name = "warehouse"

    @classmethod
    def import_dbapi(cls) -> ModuleType:
        """Return any driver's module."""
        return sqlite3


@pytest.fixture
def connections() -> EnvironmentConnections:
    """Return the connections of environment variables."""
    return EnvironmentConnections()


def define(monkeypatch: pytest.MonkeyPatch, value: object, name: str = "SHOP") -> None:
    """Set a connection's variable, as a URI or as the JSON of its fields."""
    monkeypatch.setenv(f"AIRFLOW_CONN_{name}", value if isinstance(value, str) else json.dumps(value))


@pytest.mark.parametrize("form", ["json", "json_schema", "uri"])
def test_a_sqlite_file_is_named_by_json_or_by_uri(
    connections: EnvironmentConnections, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, form: str
) -> None:
    """Every form that Airflow reads leads to the same file."""
    path = tmp_path / "shop of ours.db"
    path.touch()
    forms = {
        "json": {"conn_type": "sqlite", "host": str(path)},
        "json_schema": {"conn_type": "sqlite", "schema": str(path)},
        "uri": f"sqlite:///{str(path).replace(' ', '%20')}",
    }
    define(monkeypatch, forms[form])

    with connections.engine("shop").connect() as connection:
        assert connection.execute(text("PRAGMA database_list")).one()[2] == str(path)


def test_a_sqlite_uri_as_the_error_shows_it_is_read(
    connections: EnvironmentConnections, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The example in the error, with four slashes before an absolute path, works."""
    (tmp_path / "sales.db").touch()
    define(monkeypatch, f"sqlite:///{tmp_path / 'sales.db'}")

    assert Path(str(connections.engine("shop").url.database)) == tmp_path / "sales.db"


@pytest.mark.parametrize("form", ["json", "uri"])
def test_a_databases_address_is_made_of_the_connections_fields(
    connections: EnvironmentConnections, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """Both forms give the same address, and the engine is printed without the password."""
    monkeypatch.setitem(registry.impls, "warehouse", lambda: Warehouse)
    fields = {"conn_type": "warehouse", "login": "reader", "host": "db.example", "port": 5433, "schema": "shop"}
    uri = f"warehouse://reader:{SECRET}%2F%40@db.example:5433/shop"
    define(monkeypatch, {"json": fields | {"password": f"{SECRET}/@"}, "uri": uri}[form])

    engine = connections.engine("shop")

    assert engine.url == make_url(uri)
    assert SECRET not in str(engine)


def test_an_id_is_looked_up_in_upper_case(
    connections: EnvironmentConnections, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Airflow writes the id in upper case after AIRFLOW_CONN_, and so do we."""
    define(monkeypatch, {"conn_type": "fs", "extra": {"path": str(tmp_path)}}, "DATA_LANDING")

    assert connections.folder("data_landing").path == str(tmp_path)


@pytest.mark.parametrize("form", ["object", "text", "uri", "uri_extra"])
def test_a_folder_is_the_path_in_the_extra_field(
    connections: EnvironmentConnections, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, form: str
) -> None:
    """Airflow stores the extra field as an object, as text, or after the URI's question mark."""
    extra = {"path": str(tmp_path)}
    forms = {
        "object": {"conn_type": "fs", "extra": extra},
        "text": {"conn_type": "fs", "extra": json.dumps(extra)},
        "uri": f"fs://?path={tmp_path}",
        "uri_extra": f"fs://?__extra__={json.dumps(extra)}",
    }
    define(monkeypatch, forms[form])

    assert connections.folder("shop").path == str(tmp_path)


@pytest.mark.parametrize("value", [None, ""])
def test_an_undefined_connection_is_an_error_with_its_variable(
    connections: EnvironmentConnections, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    """The sentence names the connection and the variable to set; an empty variable counts as undefined."""
    if value is not None:
        define(monkeypatch, value)

    with pytest.raises(ConnectionMissing, match="connection 'shop' is not defined; set AIRFLOW_CONN_SHOP"):
        connections.engine("shop")


def test_a_missing_sqlite_file_is_not_created(
    connections: EnvironmentConnections, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """SQLite would create an empty database, in which the query fails with another error."""
    define(monkeypatch, {"conn_type": "sqlite", "host": str(tmp_path / "sale.db")})

    with pytest.raises(ConnectionMissing, match=r"connection 'shop' names the SQLite file '.*sale\.db', which does"):
        connections.engine("shop")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("there", ["nothing", "file"])
def test_a_missing_folder_is_an_error_with_its_path(
    connections: EnvironmentConnections, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, there: str
) -> None:
    """A missing path, or a file, is reported together with its connection."""
    path = tmp_path / "landing"
    if there == "file":
        path.touch()
    define(monkeypatch, {"conn_type": "fs", "extra": {"path": str(path)}})

    with pytest.raises(ConnectionMissing, match=f"connection 'shop' names the folder '{path}', which does not exist"):
        connections.folder("shop")


@pytest.mark.parametrize(
    ("connection", "ask"),
    [
        ({"conn_type": "fs", "extra": {"path": "/data/landing"}}, "folder"),
        ({"conn_type": "sqlite", "host": "/data/landing"}, "engine"),
    ],
)
@pytest.mark.parametrize("container", ["", "oci"])
def test_in_a_container_a_missing_file_or_folder_may_need_a_mount(
    connections: EnvironmentConnections,
    monkeypatch: pytest.MonkeyPatch,
    connection: dict[str, Any],
    ask: str,
    container: str,
) -> None:
    """A container sees only the mounted folders of its machine."""
    monkeypatch.setenv("container", container)
    define(monkeypatch, connection)

    with pytest.raises(ConnectionMissing, match="correct") as error:
        getattr(connections, ask)("shop")
    assert ("in this container" in str(error.value)) == bool(container)
    assert ("mount it into every worker (docs/how-to/run-the-stack.md)" in str(error.value)) == bool(container)


@pytest.mark.parametrize("value", [{"conn_type": "fs"}, {"conn_type": "fs", "extra": ""}, "fs://"])
def test_a_folder_connection_without_a_path_is_an_error(
    connections: EnvironmentConnections, monkeypatch: pytest.MonkeyPatch, value: object
) -> None:
    """The sentence shows a correct connection."""
    define(monkeypatch, value)

    with pytest.raises(ConnectionMissing, match="connection 'shop' has no `path` in its extra field") as refused:
        connections.folder("shop")
    assert '{"conn_type": "fs", "extra": {"path": "/data/landing"}}' in str(refused.value)


@pytest.mark.parametrize(
    "value",
    [
        '{"conn_type": "postgres", "password": "' + SECRET,
        json.dumps({"password": SECRET}),
        json.dumps({"conn_type": "postgres", "password": SECRET, "extra": "{not json"}),
        f"reader {SECRET} db.example",
        f"postgres://reader:{SECRET}@db.example:port/shop",
        json.dumps({"conn_type": "oracle-of-delphi", "login": "reader", "password": SECRET}),
        f"oracle-of-delphi://reader:{SECRET}@db.example/shop",
    ],
)
def test_an_unusable_connection_is_reported_without_its_secret(
    connections: EnvironmentConnections, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    """Many people read logs, so a sentence names the variable and never its value."""
    define(monkeypatch, value)

    with pytest.raises(ConnectionMissing, match="AIRFLOW_CONN_SHOP") as refused:
        connections.engine("shop")
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("{", "neither JSON nor a URI"),
        ("no scheme", "neither JSON nor a URI"),
        ('{"host": "db"}', "neither JSON nor a URI"),
        ('{"conn_type": "postgres", "port": "abc"}', "neither JSON nor a URI"),
        ('{"conn_type": "sqlite", "host": 5}', "host is not a text"),
        ("oracle-of-delphi://db/shop", "has the type 'oracle-of-delphi', which is not a known database"),
        ("mysql+nodriver://db/shop", "has the type 'mysql\\+nodriver', which is not a known database"),
    ],
)
def test_an_unusable_connection_is_reported_with_the_reason(
    connections: EnvironmentConnections, monkeypatch: pytest.MonkeyPatch, value: str, sentence: str
) -> None:
    """Every mistake gives one sentence, whatever the text contains."""
    define(monkeypatch, value)

    with pytest.raises(ConnectionMissing, match=sentence):
        connections.engine("shop")


def test_an_api_address_comes_from_host_schema_and_port(
    connections: EnvironmentConnections, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address may be one field or three, and its path stays after the port."""
    for address, fields in {
        "http://api.example": {"host": "api.example"},
        "https://api.example:8443": {"host": "api.example", "schema": "https", "port": 8443},
        "https://api.example/v1": {"host": "https://api.example/v1/", "schema": "http"},
        "https://api.example:8443/v1": {"host": "https://api.example/v1", "port": 8443},
    }.items():
        define(monkeypatch, {"conn_type": "http"} | fields)
        assert connections.api("shop").base_url == address


def test_an_apis_extra_field_has_the_options_that_airflow_reads(
    connections: EnvironmentConnections, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The extra field may name a company's certificate; fields that are no options become headers."""
    extra = {"verify": "/etc/house.pem", "proxies": {"https": "http://proxy.example"}, "timeout": 3, "X-Team": "shop"}
    define(monkeypatch, {"conn_type": "http", "host": "api.example", "extra": extra})

    session = connections.api("shop").session

    assert (session.verify, session.proxies) == ("/etc/house.pem", {"https": "http://proxy.example"})
    assert session.headers["X-Team"] == "shop"
    assert not {"verify", "proxies", "timeout"} & set(session.headers)


def test_an_api_is_printed_without_its_secrets(
    connections: EnvironmentConnections, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Printing shows only the address; the secrets are listed for masking elsewhere."""
    extra = {"headers": {"X-Api-Key": f"Key {SECRET}-key", "X-Version": "2"}}
    define(monkeypatch, {"conn_type": "http", "host": "api.example", "password": SECRET, "extra": extra})

    endpoint = connections.api("shop")

    assert SECRET not in repr(endpoint)
    assert endpoint.secrets == (f"Key {SECRET}-key", f"{SECRET}-key", SECRET)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"conn_type": "fs"}, "has the type 'fs', and a source of kind `http` needs a connection such as"),
        ({"conn_type": "https", "host": "api.example"}, "has the type 'https'"),
        ({}, "has no host for http or https"),
        ({"host": "ftp://api.example"}, "has no host for http or https"),
        ({"host": "api.example", "schema": "v1"}, "has no host for http or https"),
        ({"host": "http://[api"}, "has an invalid address as its host"),
        ({"host": "api.example:port"}, "has an invalid address as its host"),
        ({"host": f"https://reader:{SECRET}@api.example"}, "has a login in its host"),
        ({"host": "api.example", "extra": {"headers": SECRET}}, "`headers` in its extra field that are not an object"),
        (
            {"host": "api.example", "extra": {"headers": {"X-Key": f"{SECRET}\n"}}},
            "a value for the header 'X-Key' that",
        ),
        ({"host": "api.example", "extra": {"X-Key": 7}}, "a value for the header 'X-Key' that cannot be sent"),
        ({"host": "api.example", "password": f"{SECRET}\n"}, "a value for the token that is its password that cannot"),
    ],
)
def test_an_unusable_api_is_reported_without_its_secret(
    connections: EnvironmentConnections, monkeypatch: pytest.MonkeyPatch, fields: dict[str, object], sentence: str
) -> None:
    """A token from a file often ends with a line break; the sentence names the field and not its value."""
    define(monkeypatch, {"conn_type": "http", "password": SECRET} | fields)

    with pytest.raises(ConnectionMissing) as refused:
        connections.api("shop")
    assert sentence in str(refused.value)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("conn_type", "arguments"),
    [
        ("postgres", {"sslmode": "verify-full", "connect_timeout": 5}),
        ("postgresql", {"sslmode": "verify-full", "connect_timeout": 5}),
        ("mysql", {}),
    ],
)
def test_postgresqls_driver_gets_the_options_of_the_extra_field(conn_type: str, arguments: dict[str, object]) -> None:
    """The driver does not know the options of Airflow's own hook, such as the kind of cursor."""
    extra = {"sslmode": "verify-full", "connect_timeout": 5, "cursor": "dictcursor", "iam": False}

    assert driver_arguments(conn_type, extra) == arguments


@pytest.mark.parametrize("form", ["object", "text", "uri"])
def test_kafkas_settings_are_the_extra_field(
    connections: EnvironmentConnections, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """Every form that Airflow reads gives the client the same settings."""
    extra = {"bootstrap.servers": "broker.example:9092", "sasl.password": f"{SECRET}/@"}
    forms = {
        "object": {"conn_type": "kafka", "extra": extra},
        "text": {"conn_type": "kafka", "extra": json.dumps(extra)},
        "uri": f"kafka://?bootstrap.servers=broker.example%3A9092&sasl.password={SECRET}%2F%40",
    }
    define(monkeypatch, forms[form])

    assert connections.kafka("shop") == extra


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"conn_type": "kafka", "host": "broker.example", "password": SECRET}, "no `bootstrap.servers`"),
        ({"conn_type": "kafka", "extra": {"sasl.password": SECRET}}, "no `bootstrap.servers`"),
        ({"conn_type": "kafka", "extra": {"bootstrap.servers": [SECRET]}}, "no `bootstrap.servers`"),
        ({"conn_type": "kafka", "extra": [SECRET]}, "no `bootstrap.servers`"),
        ({"conn_type": "http", "extra": {"bootstrap.servers": SECRET}}, "the type 'http'"),
    ],
)
def test_a_connection_without_brokers_is_an_error(
    connections: EnvironmentConnections, monkeypatch: pytest.MonkeyPatch, fields: dict[str, object], wrong: str
) -> None:
    """The sentence shows a correct connection, and nothing of the wrong one."""
    define(monkeypatch, fields)

    with pytest.raises(ConnectionMissing, match=f"connection 'shop' has {wrong}") as refused:
        connections.kafka("shop")
    assert '{"conn_type": "kafka", "extra": {"bootstrap.servers": "broker:9092"}}' in str(refused.value)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("path", "package"), [("gs://landing/in", "gcsfs"), ("abfss://landing/in", "adlfs"), ("nonsense://a/b", "fsspec")]
)
def test_a_missing_driver_of_a_store_is_named(
    connections: EnvironmentConnections, monkeypatch: pytest.MonkeyPatch, path: str, package: str
) -> None:
    """The readable stores depend on the installed packages, so the sentence names the package."""
    for name in ("gcsfs", "adlfs"):
        monkeypatch.setitem(sys.modules, name, None)
    define(monkeypatch, {"conn_type": "wasb", "extra": {"path": path}})

    with pytest.raises(ConnectionMissing, match=f"no driver for .* is installed; install .*{package}"):
        connections.folder("shop")


def test_a_store_without_a_login_needs_only_a_path(
    connections: EnvironmentConnections, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver of any other file system finds its own settings."""
    define(monkeypatch, {"conn_type": "generic", "extra": {"path": "memory://landing/in"}})
    (connections.folder("shop") / "a.csv").write_bytes(b"rows")

    assert [path.name for path in connections.folder("shop").glob("*.csv")] == ["a.csv"]


def test_a_login_in_a_stores_address_is_refused(
    connections: EnvironmentConnections, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Logs and manifests show the path, so it must not have a password."""
    define(monkeypatch, {"conn_type": "aws", "extra": {"path": f"s3://reader:{SECRET}@landing/in"}})

    with pytest.raises(ConnectionMissing, match="'shop' has a login in its `path`") as refused:
        connections.folder("shop")
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("fields", "options"),
    [
        ({}, {}),
        ({"login": "reader", "password": SECRET}, {"key": "reader", "secret": SECRET}),
        (
            {"extra": {"endpoint_url": "http://minio:9000", "region_name": "eu", "aws_session_token": "t", "x": 1}},
            {"token": "t", "endpoint_url": "http://minio:9000", "client_kwargs": {"region_name": "eu"}},
        ),
    ],
)
def test_s3_options_come_from_an_aws_connection(fields: dict[str, Any], options: dict[str, Any]) -> None:
    """The AWS client finds everything else itself."""
    assert s3_options(ConnectionFields("aws", **fields)) == options
