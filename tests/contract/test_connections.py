"""A connection means the same with Airflow and without it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import make_url

from include.core.connections import POSTGRES_OPTIONS, ConnectionFields, Connections, EnvironmentConnections
from include.core.errors import ConnectionMissing
from plugins.hooks.airflow_connections import AirflowConnections
from tests.services.api import TOKEN, Api

if TYPE_CHECKING:
    from pathlib import Path

BOTH = pytest.mark.parametrize("connections", [EnvironmentConnections(), AirflowConnections()], ids=["env", "airflow"])


@BOTH
@pytest.mark.parametrize("form", ["json", "uri"])
def test_an_sqlite_connection_leads_to_its_file(
    connections: Connections, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Either form of the variable gives an engine of the file that it names."""
    path = tmp_path / "shop.db"
    path.touch()
    value = json.dumps({"conn_type": "sqlite", "host": str(path)}) if form == "json" else f"sqlite:///{path}"
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", value)

    assert connections.engine("shop").url.database == str(path)


@BOTH
def test_a_folder_connection_leads_to_its_folder(
    connections: Connections, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The extra field `path` names the folder."""
    monkeypatch.setenv("AIRFLOW_CONN_DROP", json.dumps({"conn_type": "fs", "extra": {"path": str(tmp_path)}}))

    assert str(connections.folder("drop")) == str(tmp_path)


@BOTH
def test_a_kind_of_source_may_make_its_own_client(connections: Connections, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fields are those that Airflow has, and a password is not in the text of the object."""
    given = {"conn_type": "sftp", "host": "files.example.com", "port": 22, "login": "lea", "password": TOKEN}
    monkeypatch.setenv("AIRFLOW_CONN_DROP", json.dumps(given | {"extra": {"timeout": 9}}))

    fields = connections.fields("drop")

    assert fields == ConnectionFields(**given, extra={"timeout": 9})
    assert TOKEN not in repr(fields)


@BOTH
@pytest.mark.parametrize("ask", ["engine", "folder", "api"])
def test_a_missing_connection_is_named(connections: Connections, ask: str) -> None:
    """The sentence names the connection's id."""
    with pytest.raises(ConnectionMissing, match="connection 'nowhere' is not defined"):
        getattr(connections, ask)("nowhere")


@BOTH
@pytest.mark.parametrize("kind", ["http", "aws", "no_such_thing"])
def test_a_connection_of_another_type_is_no_database(
    connections: Connections, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A source of kind `sql` on an API's connection is one sentence, and not SQLAlchemy's or a hook's own."""
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", json.dumps({"conn_type": kind, "host": "api.example.com"}))

    with pytest.raises(ConnectionMissing) as refused:
        connections.engine("shop")

    assert str(refused.value).startswith(f"connection 'shop' has the type '{kind}', which is not a known database")
    assert "a source of kind `sql` needs one, such as postgres" in str(refused.value)


@BOTH
def test_a_missing_sqlite_file_is_not_made(
    connections: Connections, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite would make an empty database of a misspelt path; we say that it is not there."""
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "no.db")}))

    with pytest.raises(ConnectionMissing, match="does not exist"):
        connections.engine("shop")
    assert not (tmp_path / "no.db").exists()


@BOTH
@pytest.mark.parametrize("form", ["json", "uri"])
def test_a_password_without_a_login_is_a_bearer_token(
    connections: Connections, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The API lets the session in, and a login of the machine's ~/.netrc does not take the token's place."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login somebody password else")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Api([]).serving() as api:
        value = json.dumps({"conn_type": "http", "host": api.url, "password": TOKEN})
        monkeypatch.setenv("AIRFLOW_CONN_API", value if form == "json" else api.url.replace("//", f"//:{TOKEN}@"))
        endpoint = connections.api("api")
        assert endpoint.base_url == api.url
        assert endpoint.session.get(f"{endpoint.base_url}/all").json() == []
        endpoint.session.close()


@BOTH
@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("http://api.example", "http://api.example"),
        ("http://:token@api.example:8443/https", "https://api.example:8443"),
        ("http://https://:token@api.example", "https://api.example"),
        ("http://:token@http%3A%2F%2Fapi.example:8080", "http://api.example:8080"),
        ('{"conn_type": "http", "host": "https://api.example:8443/v1/"}', "https://api.example:8443/v1"),
        ('{"conn_type": "http", "host": "https://api.example/v1", "port": 8443}', "https://api.example:8443/v1"),
    ],
)
def test_every_form_of_an_apis_address_is_read(
    connections: Connections, value: str, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow's own export has two schemes in a row, or one that is quoted."""
    monkeypatch.setenv("AIRFLOW_CONN_API", value)

    assert connections.api("api").base_url == address


@BOTH
@pytest.mark.parametrize(("password", "sent"), [("ß", "Basic cmVhZGVyOsOf"), (None, "Basic cmVhZGVyOg==")])
def test_a_login_and_its_password_are_basic_authentication(
    connections: Connections, password: str | None, sent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A password that is missing is an empty one, and other letters are sent in UTF-8."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Api([]).serving() as api:
        api.credentials = sent
        value = {"conn_type": "http", "host": api.url, "login": "reader", "password": password}
        monkeypatch.setenv("AIRFLOW_CONN_API", json.dumps(value))
        endpoint = connections.api("api")
        assert endpoint.session.get(f"{endpoint.base_url}/all").status_code == 200
        endpoint.session.close()


@BOTH
def test_headers_come_from_the_extra_field(connections: Connections, monkeypatch: pytest.MonkeyPatch) -> None:
    """An API's key is one of `headers`, or a field of its own as Airflow has it; options are no headers."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Api([]).serving() as api:
        api.credentials = None
        extra = {"headers": {"X-Api-Key": TOKEN, "Accept": "text/csv"}, "X-Team": "shop", "verify": True}
        monkeypatch.setenv("AIRFLOW_CONN_API", json.dumps({"conn_type": "http", "host": api.url, "extra": extra}))
        endpoint = connections.api("api")
        endpoint.session.get(f"{endpoint.base_url}/all")
        endpoint.session.close()

        headers = api.asked[0].headers
        assert [headers[name] for name in ("x-api-key", "accept", "x-team")] == [TOKEN, "text/csv", "shop"]
        assert not {"headers", "verify", "authorization"} & set(headers)
        assert TOKEN in endpoint.secrets


@BOTH
@pytest.mark.parametrize("value", ['{"conn_type": "fs"}', "https://api.example"])
def test_a_connection_that_is_no_api_is_told(
    connections: Connections, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sentence shows a connection as it should be."""
    monkeypatch.setenv("AIRFLOW_CONN_API", value)

    with pytest.raises(ConnectionMissing, match="a source of kind `http` needs a connection such as"):
        connections.api("api")


def test_airflow_masks_a_key_in_a_header(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its name, X-Api-Key, Airflow would not know it for a secret."""
    from airflow.sdk._shared.secrets_masker import redact

    extra = {"headers": {"X-Api-Key": "key-of-the-shop"}}
    monkeypatch.setenv("AIRFLOW_CONN_API", json.dumps({"conn_type": "http", "host": "api.example", "extra": extra}))
    AirflowConnections().api("api")

    assert redact("it says key-of-the-shop") == "it says ***"


@BOTH
def test_a_postgres_connection_leads_to_its_database(connections: Connections, monkeypatch: pytest.MonkeyPatch) -> None:
    """Either makes the same address for the same driver, and shows it without the password."""
    fields = {"login": "reader", "password": "hunter2/@", "host": "db.example", "port": 5433, "schema": "shop"}
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", json.dumps({"conn_type": "postgres"} | fields))

    engine = connections.engine("shop")

    assert engine.url.set(drivername="postgresql") == make_url("postgresql://reader:hunter2%2F%40@db.example:5433/shop")
    assert engine.dialect.driver == "psycopg"
    assert "hunter2" not in repr(engine)


def test_the_driver_is_told_nothing_that_is_meant_for_airflow() -> None:
    """The extra field's names that Airflow's hook keeps for itself are left out without Airflow as well."""
    from airflow.providers.postgres.hooks.postgres import PostgresHook

    assert PostgresHook.ignored_extra_options == POSTGRES_OPTIONS


@BOTH
@pytest.mark.parametrize("form", ["json", "uri"])
def test_a_kafka_connection_leads_to_its_settings(
    connections: Connections, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The extra field is what the client is made with."""
    extra = {"bootstrap.servers": "broker.example:9092", "group.id": "shop"}
    uri = "kafka://?bootstrap.servers=broker.example%3A9092&group.id=shop"
    value = json.dumps({"conn_type": "kafka", "extra": extra}) if form == "json" else uri
    monkeypatch.setenv("AIRFLOW_CONN_STREAM", value)

    assert connections.kafka("stream") == extra


@BOTH
@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"conn_type": "kafka", "password": "hunter2"}, "no `bootstrap.servers`"),
        ({"conn_type": "kafka", "extra": {"sasl.password": "hunter2"}}, "no `bootstrap.servers`"),
        ({"conn_type": "http", "extra": {"bootstrap.servers": "hunter2"}}, "the type 'http'"),
    ],
)
def test_a_connection_that_names_no_brokers_is_told(
    connections: Connections, fields: dict[str, object], wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Type and servers are asked for by the same sentence, which has no secret."""
    monkeypatch.setenv("AIRFLOW_CONN_STREAM", json.dumps(fields))

    with pytest.raises(ConnectionMissing, match=f"connection 'stream' has {wrong}") as refused:
        connections.kafka("stream")
    assert "hunter2" not in str(refused.value)


def test_a_kafka_callback_that_airflow_does_not_allow_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection may not name code to run, unless Airflow's configuration lists it."""
    extra = {"bootstrap.servers": "broker.example:9092", "sasl.password": "hunter2", "error_cb": "os.abort"}
    monkeypatch.setenv("AIRFLOW_CONN_STREAM", json.dumps({"conn_type": "kafka", "extra": extra}))

    with pytest.raises(ConnectionMissing, match=r"cannot make a Kafka client .*os\.abort") as refused:
        AirflowConnections().kafka("stream")
    assert "hunter2" not in str(refused.value)


@BOTH
def test_a_missing_driver_of_a_store_is_named(connections: Connections, monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider is missing with Airflow, a driver without it; the sentence names both."""
    monkeypatch.setenv("AIRFLOW_CONN_DROP", json.dumps({"conn_type": "wasb", "extra": {"path": "abfss://landing/in"}}))

    with pytest.raises(ConnectionMissing, match=r"no driver for abfss:// is installed; install adlfs .*azure"):
        connections.folder("drop")


@BOTH
def test_a_local_folder_may_be_written_as_a_uri(
    connections: Connections, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is not there is told as a folder is, and not taken for an empty store."""
    monkeypatch.setenv("AIRFLOW_CONN_DROP", json.dumps({"conn_type": "fs", "extra": {"path": tmp_path.as_uri()}}))
    monkeypatch.setenv("AIRFLOW_CONN_NONE", json.dumps({"conn_type": "fs", "extra": {"path": "file:///no/such"}}))

    assert connections.folder("drop").is_dir()
    with pytest.raises(ConnectionMissing, match="which does not exist"):
        connections.folder("none")
