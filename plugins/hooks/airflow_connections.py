"""Airflow's Connections, as what a source needs of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowException, AirflowNotFoundException

from include.connections import folder_of, sqlite_engine
from include.errors import ConnectionMissing

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from upath import UPath


class AirflowConnections:
    """Finds connections where Airflow keeps them: secrets backends, environment, metadata database."""

    def engine(self, connection_id: str) -> Engine:
        """Return the SQLAlchemy engine of the connection's own Airflow hook."""
        connection = self._get(connection_id)
        if connection.conn_type == "sqlite":
            return sqlite_engine(connection_id, connection.host or connection.schema or "")
        try:
            return connection.get_hook().get_sqlalchemy_engine()
        except (AirflowException, AttributeError, ImportError) as error:
            raise ConnectionMissing(
                f"connection '{connection_id}' has the type '{connection.conn_type}', and no installed Airflow "
                f"provider makes a database of it ({error}); install its provider or correct its type"
            ) from error

    def folder(self, connection_id: str) -> UPath:
        """Return the folder of an `fs` connection."""
        return folder_of(connection_id, self._get(connection_id).extra_dejson.get("path"))

    def _get(self, connection_id: str) -> Connection:
        try:
            return Connection.get(connection_id)
        except (AirflowNotFoundException, AirflowException) as error:
            raise ConnectionMissing(
                f"connection '{connection_id}' is not defined in Airflow; add it under Admin, Connections, or as "
                f"AIRFLOW_CONN_{connection_id.upper()} in the environment of the workers"
            ) from error
