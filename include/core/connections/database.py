"""Databases of connections: engines, driver options, and the errors about missing databases and drivers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from include.core.connections.container import in_this_container, or_mount_it
from include.core.errors import ConnectionMissing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Engine

#: Options that Airflow reads from a `postgres` connection's extra field; any other field there is the driver's.
POSTGRES_OPTIONS = {
    *("iam", "redshift", "redshift-serverless", "cluster-identifier", "workgroup-name", "aws_conn_id"),
    *("azure_conn_id", "cursor", "sqlalchemy_scheme", "sqlalchemy_query"),
}


def no_database(connection_id: str, kind: str, place: str = "its type") -> str:
    """Say that a connection's type is not a known database; `place` is what the reader may correct."""
    return (
        f"connection '{connection_id}' has the type '{kind}', which is not a known database; a source of kind `sql` "
        "needs one, such as postgres, mysql, mssql, oracle or sqlite; name another connection, correct "
        f"{place}, or install the database's driver"
    )


def no_driver(connection_id: str, kind: str, error: Exception, place: str = "its type") -> str:
    """Say that the driver of a connection's database is not installed; `place` is what the reader may correct."""
    return (
        f"connection '{connection_id}' has the type '{kind}', for which no database driver is installed ({error}); "
        f"install its driver, or correct {place}"
    )


def sqlite_engine(connection_id: str, path: str) -> Engine:
    """Return an engine for an existing SQLite file; SQLite itself would create a missing one."""
    from sqlalchemy import URL, create_engine

    if not Path(path).is_file():
        raise ConnectionMissing(
            f"connection '{connection_id}' names the SQLite file '{path}', which does not exist{in_this_container()}; "
            f"correct its host, the absolute path of the file{or_mount_it()}"
        )
    return create_engine(URL.create("sqlite", database=path))


def driver_arguments(conn_type: str, extra: Mapping[str, object]) -> dict[str, object]:
    """Return the options in the extra field that PostgreSQL's driver takes, such as sslmode; none for other types."""
    if conn_type not in ("postgres", "postgresql"):
        return {}
    return {name: value for name, value in extra.items() if name not in POSTGRES_OPTIONS}
