"""What a source needs of an Airflow Connection, and where it comes from without Airflow."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

from include.errors import ConnectionMissing

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from upath import UPath


class Connections(Protocol):
    """Turns a connection's id into a database engine or a folder."""

    def engine(self, connection_id: str) -> Engine:
        """Return an SQLAlchemy engine for an SQL connection."""

    def folder(self, connection_id: str) -> UPath:
        """Return the folder that an `fs` connection names in its extra field `path`."""


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
                )
            )
        except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
            raise ConnectionMissing(
                f"connection '{connection_id}' has the type '{fields['conn_type']}', for which no database "
                f"driver is installed ({error}); install its driver or correct {_variable(connection_id)}"
            ) from error

    def folder(self, connection_id: str) -> UPath:
        """Return the folder of an `fs` connection."""
        fields = self._fields(connection_id)
        return folder_of(connection_id, (fields.get("extra") or {}).get("path"))

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
                f"{_variable(connection_id)} is neither JSON nor a URI such as sqlite:////data/sales.db; "
                "see .env.example"
            ) from error


def sqlite_engine(connection_id: str, path: str) -> Engine:
    """Return an engine for an SQLite file that exists; SQLite itself would make an empty one."""
    from sqlalchemy import URL, create_engine

    if not Path(path).is_file():
        raise ConnectionMissing(
            f"connection '{connection_id}' names the SQLite file '{path}', which does not exist; "
            "correct its host, the absolute path of the file"
        )
    return create_engine(URL.create("sqlite", database=path))


def folder_of(connection_id: str, path: str | None) -> UPath:
    """Return a connection's folder, if it is there."""
    from upath import UPath

    if not path:
        raise ConnectionMissing(
            f"connection '{connection_id}' has no `path` in its extra field; a source of kind `files` needs "
            'a connection such as {"conn_type": "fs", "extra": {"path": "/data/landing"}}'
        )
    folder = UPath(path)
    if not folder.is_dir():
        raise ConnectionMissing(
            f"connection '{connection_id}' names the folder '{path}', which does not exist or cannot be read"
        )
    return folder


def _variable(connection_id: str) -> str:
    return f"AIRFLOW_CONN_{connection_id.upper()}"


def _from_json(value: str) -> dict[str, Any]:
    fields = json.loads(value)
    if isinstance(fields.get("extra"), str):
        fields["extra"] = json.loads(fields["extra"] or "{}")
    if not fields.get("conn_type"):
        raise ValueError("conn_type is missing")
    return fields


def _from_uri(value: str) -> dict[str, Any]:
    parts = urlsplit(value)
    if not parts.scheme:
        raise ValueError("no scheme")
    path = unquote(parts.path)
    extra = dict(parse_qsl(parts.query))
    if "__extra__" in extra:
        extra = json.loads(extra["__extra__"])
    return {
        "conn_type": parts.scheme,
        "login": unquote(parts.username) if parts.username else None,
        "password": unquote(parts.password) if parts.password else None,
        # an SQLite file's absolute path comes after an empty host: sqlite:////data/sales.db
        "host": path.removeprefix("/") if parts.scheme == "sqlite" and not parts.hostname else parts.hostname,
        "port": parts.port,
        "schema": path.removeprefix("/") or None,
        "extra": extra,
    }
