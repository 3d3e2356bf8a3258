"""What a source needs of an Airflow Connection, and where it comes from without Airflow."""

from __future__ import annotations

import json
import os
import re
from base64 import b64encode
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

from include.core.errors import ConnectionMissing
from include.core.settings import in_container, without_password

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests import PreparedRequest, Session
    from sqlalchemy import Engine
    from upath import UPath


#: Options that Airflow reads from an `http` connection's extra field; any other field there is a header.
HTTP_OPTIONS = {
    *("headers", "verify", "verify_ssl", "cert", "proxies", "proxy", "stream", "timeout", "trust_env", "srv_lookup"),
    *("allow_redirects", "max_redirects", "check_response"),
}


@dataclass(frozen=True)
class ApiEndpoint:
    """Where an API is, and what it is asked with.

    Attributes
    ----------
    base_url
        Address, without a slash at its end.
    session
        Sends the connection's token and headers with each request, so it may ask nothing but `base_url`.
    secrets
        What the session sends and nobody may read, for an answer that repeats it.
    """

    base_url: str
    session: Session
    secrets: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class ConnectionFields:
    """The fields of a connection, for a kind of source that makes its own client from them."""

    conn_type: str
    host: str | None = None
    port: int | None = None
    schema: str | None = None
    login: str | None = None
    password: str | None = field(default=None, repr=False)
    extra: dict[str, Any] = field(default_factory=dict, repr=False)


#: Options that Airflow reads from a `postgres` connection's extra field; any other field there is the driver's.
POSTGRES_OPTIONS = {
    *("iam", "redshift", "redshift-serverless", "cluster-identifier", "workgroup-name", "aws_conn_id"),
    *("azure_conn_id", "cursor", "sqlalchemy_scheme", "sqlalchemy_query"),
}


class Connections(Protocol):
    """Turns a connection's id into a database engine or a folder."""

    def engine(self, connection_id: str) -> Engine:
        """Return an SQLAlchemy engine for an SQL connection."""

    def folder(self, connection_id: str) -> UPath:
        """Return the folder that a connection names in its extra field `path`: a local one, or a store's URI."""

    def api(self, connection_id: str) -> ApiEndpoint:
        """Return where the API of an `http` connection is, and the session that may ask it."""

    def kafka(self, connection_id: str) -> dict[str, Any]:
        """Return the settings of the Kafka client that a `kafka` connection has in its extra field."""

    def fields(self, connection_id: str) -> ConnectionFields:
        """Return a connection's fields."""


class EnvironmentConnections:
    """Reads the same `AIRFLOW_CONN_<ID>` variables that Airflow reads, as JSON or as a URI."""

    def engine(self, connection_id: str) -> Engine:
        """Return an SQLAlchemy engine for the connection."""
        from sqlalchemy import URL, create_engine
        from sqlalchemy.exc import ArgumentError, NoSuchModuleError

        fields = self._fields(connection_id)
        kind = {"postgres": "postgresql"}.get(fields["conn_type"], fields["conn_type"])
        if kind == "sqlite":
            path = fields.get("host") or fields.get("schema") or ""
            return sqlite_engine(connection_id, path)
        try:
            return create_engine(
                URL.create(
                    kind,
                    username=fields.get("login"),
                    password=fields.get("password"),
                    host=fields.get("host"),
                    port=fields.get("port"),
                    database=fields.get("schema"),
                ),
                connect_args=driver_arguments(fields["conn_type"], fields.get("extra") or {}),
            )
        except (ArgumentError, NoSuchModuleError) as error:
            raise ConnectionMissing(
                no_database(connection_id, fields["conn_type"], _variable(connection_id))
            ) from error
        except ModuleNotFoundError as error:
            raise ConnectionMissing(
                no_driver(connection_id, fields["conn_type"], error, _variable(connection_id))
            ) from error

    def folder(self, connection_id: str) -> UPath:
        """Return the folder of a connection; one on S3 with the login and endpoint of an `aws` connection."""
        from upath import UPath

        fields = self._fields(connection_id)
        extra = fields.get("extra") or {}
        options = s3_options(fields, extra) if fields["conn_type"] == "aws" else {}
        return folder_of(connection_id, extra.get("path"), lambda uri: UPath(uri, **options))

    def api(self, connection_id: str) -> ApiEndpoint:
        """Return the API of an `http` connection."""
        import requests

        fields = self._fields(connection_id)
        address = api_address(connection_id, fields)
        extra = fields.get("extra") or {}
        session = requests.Session()
        session.verify = extra.get("verify", extra.get("verify_ssl", True))
        session.cert = extra.get("cert")
        session.proxies = extra.get("proxies", extra.get("proxy")) or {}
        session.trust_env = extra.get("trust_env", True)
        session.headers.update({name: value for name, value in extra.items() if name not in HTTP_OPTIONS})
        return api_endpoint(connection_id, address, fields, session)

    def kafka(self, connection_id: str) -> dict[str, Any]:
        """Return the Kafka client's settings of a `kafka` connection."""
        fields = self._fields(connection_id)
        return kafka_settings(connection_id, fields["conn_type"], fields.get("extra"))

    def fields(self, connection_id: str) -> ConnectionFields:
        """Return a connection's fields."""
        given = self._fields(connection_id)
        return ConnectionFields(
            **{name: given[name] for name in ConnectionFields.__dataclass_fields__ if name in given}
        )

    def _fields(self, connection_id: str) -> dict[str, Any]:
        value = os.environ.get(_variable(connection_id))
        if not value:
            raise ConnectionMissing(
                f"connection '{connection_id}' is not defined; set {_variable(connection_id)} in the "
                "environment or in .env (see .env.example), or run `./nightshift sources` for the demo's"
            )
        try:
            return _from_json(value) if value.lstrip().startswith("{") else _from_uri(value)
        except (ValueError, TypeError) as error:
            raise ConnectionMissing(
                f"{_variable(connection_id)} is neither JSON nor a URI such as sqlite:////data/sales.db"
                f"{_reason(error)}; see .env.example"
            ) from error


def _reason(error: Exception) -> str:
    """Return what is wrong with a field; a parser's words would show the text, which may have a password."""
    return f" ({error})" if isinstance(error, TypeError) else ""


def no_database(connection_id: str, kind: str, place: str = "its type") -> str:
    """Say that a connection's type is no database that is known; `place` is what may be corrected."""
    return (
        f"connection '{connection_id}' has the type '{kind}', which is no database that is known here, and a source of "
        "kind `sql` needs one, such as postgres, mysql, mssql, oracle or sqlite; name another connection, correct "
        f"{place}, or install the database's driver"
    )


def no_driver(connection_id: str, kind: str, error: Exception, place: str = "its type") -> str:
    """Say that what reads a connection's database is not installed; `place` is what may be corrected."""
    return (
        f"connection '{connection_id}' has the type '{kind}', for which no database driver is installed ({error}); "
        f"install its driver, or correct {place}"
    )


def sqlite_engine(connection_id: str, path: str) -> Engine:
    """Return an engine for an SQLite file that exists; SQLite itself would make an empty one."""
    from sqlalchemy import URL, create_engine

    if not Path(path).is_file():
        raise ConnectionMissing(
            f"connection '{connection_id}' names the SQLite file '{path}', which does not exist{_in_here()}; "
            f"correct its host, the absolute path of the file{_or_mount()}"
        )
    return create_engine(URL.create("sqlite", database=path))


def driver_arguments(conn_type: str, extra: dict[str, Any]) -> dict[str, Any]:
    """Return what a connection's extra field tells PostgreSQL's driver, such as sslmode; none for other databases."""
    if conn_type not in ("postgres", "postgresql"):
        return {}
    return {name: value for name, value in extra.items() if name not in POSTGRES_OPTIONS}


#: What reads an object store: a package, and the Airflow provider that knows the store's connections.
STORE_DRIVERS = {
    **dict.fromkeys(("s3", "s3a"), "s3fs (with Airflow: apache-airflow-providers-amazon[s3fs])"),
    **dict.fromkeys(("gs", "gcs"), "gcsfs (with Airflow: apache-airflow-providers-google)"),
    **dict.fromkeys(("abfs", "abfss", "az"), "adlfs (with Airflow: apache-airflow-providers-microsoft-azure)"),
}


def s3_options(fields: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
    """Return what s3fs needs of an `aws` connection; without a login it looks where all AWS clients look."""
    options = {
        "key": fields.get("login"),
        "secret": fields.get("password"),
        "token": extra.get("aws_session_token"),
        "endpoint_url": extra.get("endpoint_url"),
        "client_kwargs": {"region_name": extra["region_name"]} if extra.get("region_name") else None,
    }
    return {name: value for name, value in options.items() if value}


def folder_of(connection_id: str, path: str | None, in_store: Callable[[str], UPath]) -> UPath:
    """Return a connection's folder, if it is there; `in_store` makes that of a URI such as s3://bucket/landing."""
    from upath import UPath

    if not path:
        raise ConnectionMissing(
            f"connection '{connection_id}' has no `path` in its extra field; a source of kind `files` needs "
            'a connection such as {"conn_type": "fs", "extra": {"path": "/data/landing"}}'
        )
    if "://" in path and not path.startswith("file://"):
        return _store_folder(connection_id, path, in_store)
    folder = UPath(path)
    if not folder.is_dir():
        raise ConnectionMissing(
            f"connection '{connection_id}' names the folder '{path}', which does not exist or cannot be "
            f"read{_in_here()}; correct `path` in its extra field{_or_mount()}"
        )
    return folder


def _in_here() -> str:
    return " in this container" if in_container() else ""


def _or_mount() -> str:
    """Return what else to do in a container, which sees of its machine only what is mounted."""
    return ", or mount it into every worker (docs/how-to/run-the-stack.md)" if in_container() else ""


def _store_folder(connection_id: str, uri: str, in_store: Callable[[str], UPath]) -> UPath:
    """Return a folder of an object store, where a folder without objects is none; S3 is asked for its bucket."""
    scheme, _, rest = uri.partition("://")
    if ":" in rest.partition("/")[0].rpartition("@")[0]:
        raise ConnectionMissing(
            f"connection '{connection_id}' has a login in its `path`, where logs would show it; move it to the "
            "connection's fields login and password"
        )
    names = f"connection '{connection_id}' names the folder '{uri}'"
    bucket = rest.partition("/")[0]
    try:
        folder = in_store(uri)
        folder.fs.invalidate_cache()
        if scheme in ("s3", "s3a"):
            folder.fs.info(bucket)
    except (ImportError, ValueError) as error:
        driver = STORE_DRIVERS.get(scheme, "its fsspec driver, or correct the path")
        raise ConnectionMissing(
            f"{names}, and nothing that reads {scheme}:// is installed; install {driver}"
        ) from error
    except FileNotFoundError as error:
        raise ConnectionMissing(
            f"{names}, and there is no bucket '{bucket}'; correct `path` in its extra field"
        ) from error
    except Exception as error:
        refused = isinstance(error, PermissionError)
        reason = without_password(str(error) or type(error).__name__).splitlines()[0]
        remedy = "correct its login and password, or what they may read" if refused else "check its endpoint_url"
        unreachable = ConnectionMissing(
            f"{names}, and the store {'refuses' if refused else 'cannot be asked for'} it ({reason}); {remedy}"
        )
        unreachable.retryable = not refused
        raise unreachable from error
    return folder


def api_address(connection_id: str, fields: dict[str, Any]) -> str:
    """Return the address of an API from its connection's type, host, schema and port."""
    example = '{"conn_type": "http", "host": "https://api.example.com/v1", "password": "the token"}'
    needs = f"a source of kind `http` needs a connection such as {example}"
    if fields["conn_type"] != "http":
        raise ConnectionMissing(f"connection '{connection_id}' has the type '{fields['conn_type']}', and {needs}")
    host = fields.get("host") or ""
    try:
        parts = urlsplit(host if "://" in host else f"{fields.get('schema') or 'http'}://{host}")
        port = parts.port or fields.get("port")
    except ValueError as error:
        raise ConnectionMissing(f"connection '{connection_id}' has a host that is no address, and {needs}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConnectionMissing(
            f"connection '{connection_id}' has no host that is reached by http or https (its schema), and {needs}"
        )
    if parts.username or parts.password:
        raise ConnectionMissing(
            f"connection '{connection_id}' has a login in its host, where logs would show it; move it to the "
            "connection's fields login and password"
        )
    place = f"{parts.netloc}:{port}" if port and not parts.port else parts.netloc
    return f"{parts.scheme}://{place}{parts.path}".rstrip("/")


def api_endpoint(connection_id: str, address: str, fields: dict[str, Any], session: Session) -> ApiEndpoint:
    """Return an API with what its connection holds: a login and its password, or a token, and further headers.

    A password without a login is a bearer token: the password is the field that Airflow shows to nobody.
    """
    from requests.utils import default_headers

    login, password = fields.get("login"), fields.get("password") or ""
    headers = (fields.get("extra") or {}).get("headers") or {}
    if not isinstance(headers, dict):
        raise ConnectionMissing(
            f"connection '{connection_id}' has `headers` in its extra field that are no object; write them as "
            '{"headers": {"X-Api-Key": "the key"}}'
        )
    session.headers.pop("headers", None)  # Airflow's hook takes the object for a header of that name
    session.headers.update(headers)
    sent = {f"the header '{name}'": value for name, value in session.headers.items()}
    if not login:
        sent["the token that is its password"] = password
    for what, value in sent.items():
        # what a header's line can hold; requests would show the value in its error
        if not (isinstance(value, str) and re.fullmatch(r"([!-~]([ -~]*[!-~])?)?", value)):
            raise ConnectionMissing(
                f"connection '{connection_id}' has a value for {what} that cannot be sent; it must be text of ASCII "
                "characters, without a line break and without a space at either end"
            )
    secrets = {password} - {""}
    if login:
        session.auth = (login.encode(), password.encode())
        secrets.add(b64encode(f"{login}:{password}".encode()).decode())
    elif password:
        session.auth = _bearer(password)
    for name, value in session.headers.items():
        if name not in default_headers() and len(value) > 4:  # shorter ones are versions and the like
            secrets |= {value, value.rpartition(" ")[2]}  # the token of `Token abc` too
    return ApiEndpoint(address, session, tuple(sorted(secrets, key=len, reverse=True)))


def _bearer(token: str) -> Callable[[PreparedRequest], PreparedRequest]:
    """Return requests' authentication by a token; as a mere header, a ~/.netrc would take its place."""

    def authenticate(request: PreparedRequest) -> PreparedRequest:
        request.headers["Authorization"] = f"Bearer {token}"
        return request

    return authenticate


def kafka_settings(connection_id: str, kind: str, extra: Any) -> dict[str, Any]:
    """Return a `kafka` connection's extra field, if it says where the brokers are."""
    settings = extra if isinstance(extra, dict) else {}
    servers = settings.get("bootstrap.servers")
    if kind == "kafka" and isinstance(servers, str) and servers:
        return settings
    wrong = "no `bootstrap.servers` in its extra field" if kind == "kafka" else f"the type '{kind}'"
    raise ConnectionMissing(
        f"connection '{connection_id}' has {wrong}, and a source of kind `kafka` needs a connection such as "
        '{"conn_type": "kafka", "extra": {"bootstrap.servers": "broker:9092"}}'
    )


def _variable(connection_id: str) -> str:
    return f"AIRFLOW_CONN_{connection_id.upper()}"


def _from_json(value: str) -> dict[str, Any]:
    fields = json.loads(value)
    if isinstance(fields.get("extra"), str):
        fields["extra"] = json.loads(fields["extra"] or "{}")
    if not fields.get("conn_type"):
        raise ValueError("conn_type is missing")
    for name in ("conn_type", "host", "schema", "login", "password"):
        if not isinstance(fields.get(name), str | None):
            raise TypeError(f"{name} is no text")
    if not isinstance(fields.get("extra"), dict):
        fields["extra"] = {}
    return fields | ({"port": int(fields["port"])} if fields.get("port") else {})


def _from_uri(value: str) -> dict[str, Any]:
    # Airflow writes an API's connection as http://https://api.example or http://http%3A%2F%2Fapi.example
    protocol = re.match(r"[\w-]+://(https?://)", value)
    parts = urlsplit(value.replace(protocol[1], "", 1) if protocol else value)
    if not parts.scheme:
        raise ValueError("no scheme")
    host = (protocol[1] if protocol else "") + unquote(parts.hostname or "")
    path = unquote(parts.path)
    extra = dict(parse_qsl(parts.query))
    if "__extra__" in extra:
        extra = json.loads(extra["__extra__"])
    return {
        "conn_type": parts.scheme,
        "login": unquote(parts.username) if parts.username else None,
        "password": unquote(parts.password) if parts.password else None,
        # an SQLite file's absolute path comes after an empty host: sqlite:////data/sales.db
        "host": path.removeprefix("/") if parts.scheme == "sqlite" and not host else host or None,
        "port": parts.port,
        "schema": path.removeprefix("/") or None,
        "extra": extra,
    }
