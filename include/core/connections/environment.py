"""Connections without Airflow: from the environment variables that Airflow reads too."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from include.core.connections.api import HTTP_OPTIONS, ApiEndpoint, api_address, api_endpoint
from include.core.connections.database import driver_arguments, no_database, no_driver, sqlite_engine
from include.core.connections.fields import ConnectionFields
from include.core.connections.folder import folder_of, s3_options
from include.core.connections.kafka import ClientSettings, kafka_settings
from include.core.errors import ConnectionMissing

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from upath import UPath


class EnvironmentConnections:
    """Reads the same `AIRFLOW_CONN_<ID>` variables that Airflow reads, as JSON or as a URI."""

    def engine(self, connection_id: str) -> Engine:
        """Return an SQLAlchemy engine for the connection."""
        from sqlalchemy import URL, create_engine
        from sqlalchemy.exc import ArgumentError, NoSuchModuleError

        fields = self.fields(connection_id)
        if fields.conn_type == "sqlite":
            return sqlite_engine(connection_id, fields.host or fields.schema or "")
        try:
            return create_engine(
                URL.create(
                    "postgresql" if fields.conn_type == "postgres" else fields.conn_type,
                    username=fields.login,
                    password=fields.password,
                    host=fields.host,
                    port=fields.port,
                    database=fields.schema,
                ),
                connect_args=driver_arguments(fields.conn_type, fields.extra),
            )
        except (ArgumentError, NoSuchModuleError) as error:
            raise ConnectionMissing(no_database(connection_id, fields.conn_type, _variable(connection_id))) from error
        except ModuleNotFoundError as error:
            raise ConnectionMissing(
                no_driver(connection_id, fields.conn_type, error, _variable(connection_id))
            ) from error

    def folder(self, connection_id: str) -> UPath:
        """Return the folder of a connection; on S3 with the login and endpoint of an `aws` connection."""
        from upath import UPath

        fields = self.fields(connection_id)
        options = s3_options(fields) if fields.conn_type == "aws" else {}
        return folder_of(connection_id, fields.extra.get("path"), lambda uri: UPath(uri, **options))

    def api(self, connection_id: str) -> ApiEndpoint:
        """Return the API of an `http` connection."""
        import requests

        fields = self.fields(connection_id)
        address = api_address(connection_id, fields)
        extra = fields.extra
        session = requests.Session()
        session.verify = extra.get("verify", extra.get("verify_ssl", True))
        session.cert = extra.get("cert")
        session.proxies = extra.get("proxies", extra.get("proxy")) or {}
        session.trust_env = extra.get("trust_env", True)
        session.headers.update({name: value for name, value in extra.items() if name not in HTTP_OPTIONS})
        return api_endpoint(connection_id, address, fields, session)

    def kafka(self, connection_id: str) -> ClientSettings:
        """Return the settings of a Kafka client from a `kafka` connection."""
        fields = self.fields(connection_id)
        return kafka_settings(connection_id, fields.conn_type, fields.extra)

    def fields(self, connection_id: str) -> ConnectionFields:
        """Return the fields of a connection."""
        value = os.environ.get(_variable(connection_id))
        if not value:
            raise ConnectionMissing(
                f"connection '{connection_id}' is not defined; set {_variable(connection_id)} in the "
                "environment or in .env (see .env.example), or run `./nightshift sources` for the demo's"
            )
        try:
            return ConnectionFields.parse(value)
        except (ValueError, TypeError) as error:
            # a parser's words would show the text, which may have a password
            reason = f" ({error})" if isinstance(error, TypeError) else ""
            raise ConnectionMissing(
                f"{_variable(connection_id)} is neither JSON nor a URI such as sqlite:////data/sales.db"
                f"{reason}; see .env.example"
            ) from error


def _variable(connection_id: str) -> str:
    return f"AIRFLOW_CONN_{connection_id.upper()}"
