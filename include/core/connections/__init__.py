"""Airflow Connections as sources use them: a database engine, a folder, an API or the settings of a Kafka client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from include.core.connections.api import ApiEndpoint, api_address, api_endpoint
from include.core.connections.database import POSTGRES_OPTIONS, driver_arguments, no_database, no_driver, sqlite_engine
from include.core.connections.environment import EnvironmentConnections
from include.core.connections.fields import ConnectionFields
from include.core.connections.folder import folder_of, s3_options
from include.core.connections.kafka import ClientSettings, kafka_settings

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from upath import UPath

__all__ = [
    "POSTGRES_OPTIONS",
    "ApiEndpoint",
    "ClientSettings",
    "ConnectionFields",
    "Connections",
    "EnvironmentConnections",
    "api_address",
    "api_endpoint",
    "driver_arguments",
    "folder_of",
    "kafka_settings",
    "no_database",
    "no_driver",
    "s3_options",
    "sqlite_engine",
]


class Connections(Protocol):
    """Finds connections by their id, in Airflow or in environment variables."""

    def engine(self, connection_id: str) -> Engine:
        """Return an SQLAlchemy engine for an SQL connection."""

    def folder(self, connection_id: str) -> UPath:
        """Return the folder that a connection names in its extra field `path`: a local one, or a store's URI."""

    def api(self, connection_id: str) -> ApiEndpoint:
        """Return the address of an `http` connection's API and a session that may call it."""

    def kafka(self, connection_id: str) -> ClientSettings:
        """Return the settings of a Kafka client from the extra field of a `kafka` connection."""

    def fields(self, connection_id: str) -> ConnectionFields:
        """Return the fields of a connection, for a kind of source that makes its own client from them."""
