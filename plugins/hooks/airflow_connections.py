"""Turns Airflow's Connections into engines, folders and clients for the sources."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowException

from include.core.connections import (
    ApiEndpoint,
    ConnectionFields,
    api_address,
    api_endpoint,
    driver_arguments,
    folder_of,
    kafka_settings,
    no_database,
    no_driver,
    sqlite_engine,
)
from include.core.errors import ConnectionMissing
from include.core.redaction import hide_secrets, redacted

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from upath import UPath

    from include.core.connections import ClientSettings


class AirflowConnections:
    """Finds connections where Airflow keeps them: secrets backends, environment, metadata database."""

    def engine(self, connection_id: str) -> Engine:
        """Return the SQLAlchemy engine of the connection's own Airflow hook."""
        from sqlalchemy.exc import ArgumentError, NoSuchModuleError

        connection = self._get(connection_id)
        if connection.conn_type == "sqlite":
            return sqlite_engine(connection_id, connection.host or connection.schema or "")
        try:
            # the hook ignores the extra field, even the setting that verifies the server
            arguments = driver_arguments(connection.conn_type, connection.extra_dejson)
            return connection.get_hook().get_sqlalchemy_engine({"connect_args": arguments} if arguments else None)
        except ImportError as error:
            raise ConnectionMissing(no_driver(connection_id, connection.conn_type, error)) from error
        except (AirflowException, AttributeError, ArgumentError, NoSuchModuleError) as error:
            raise ConnectionMissing(no_database(connection_id, connection.conn_type)) from error

    def folder(self, connection_id: str) -> UPath:
        """Return the folder of a connection; Airflow's provider opens a folder in an object store."""
        from airflow.sdk import ObjectStoragePath

        path = self._get(connection_id).extra_dejson.get("path")
        return folder_of(connection_id, path, lambda uri: ObjectStoragePath(uri, conn_id=connection_id))

    def api(self, connection_id: str) -> ApiEndpoint:
        """Return the API of an `http` connection, with the session of Airflow's own hook."""
        from airflow.providers.http.hooks.http import HttpHook
        from airflow.sdk.log import mask_secret

        fields = self.fields(connection_id)
        address = api_address(connection_id, fields)
        session = HttpHook(method="GET", http_conn_id=connection_id).get_conn()
        endpoint = api_endpoint(connection_id, address, fields, session)
        for secret in endpoint.secrets:
            mask_secret(secret)  # Airflow masks fields called token or api_key, but not X-Api-Key
        return endpoint

    def kafka(self, connection_id: str) -> ClientSettings:
        """Return the Kafka client's settings as Airflow's own hook makes them: including callbacks and cloud tokens."""
        from airflow.providers.apache.kafka.hooks.base import KafkaBaseHook

        class Settings(KafkaBaseHook):
            def _get_client(self, config: dict[str, Any]) -> dict[str, Any]:
                return config

        connection = self._get(connection_id)
        kafka_settings(connection_id, connection.conn_type, connection.extra_dejson)
        try:
            return Settings(connection_id).get_conn
        except (AirflowException, ImportError, ValueError) as error:
            raise ConnectionMissing(
                f"connection '{connection_id}' has settings from which Airflow cannot make a Kafka client ({error}); "
                "correct its extra field"
            ) from error

    def fields(self, connection_id: str) -> ConnectionFields:
        """Return a connection's fields."""
        connection = self._get(connection_id)
        return ConnectionFields(
            conn_type=connection.conn_type,
            host=connection.host,
            port=connection.port,
            schema=connection.schema,
            login=connection.login,
            password=connection.password,
            extra=connection.extra_dejson,
        )

    def _get(self, connection_id: str) -> Connection:
        try:
            return Connection.get(connection_id)
        except AirflowException as error:
            variable = f"AIRFLOW_CONN_{connection_id.upper()}"
            uri = os.environ.get(variable, "")  # Airflow's error of a broken URI repeats the URI
            raise ConnectionMissing(
                f"connection '{connection_id}' is not defined in Airflow; add it under Admin, Connections, or as "
                f"{variable} in the environment of the workers"
            ) from redacted(error, lambda text: hide_secrets(text, [uri]))
