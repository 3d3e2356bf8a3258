"""The settings of a Kafka client in a `kafka` connection."""

from __future__ import annotations

from typing import Any

from include.core.errors import ConnectionMissing

#: Settings of a confluent-kafka client by name: those of a connection's extra field, and callbacks that Airflow adds.
ClientSettings = dict[str, object]


def kafka_settings(connection_id: str, kind: str, extra: Any) -> ClientSettings:
    """Return the extra field of a `kafka` connection, which must name the brokers."""
    settings = extra if isinstance(extra, dict) else {}
    servers = settings.get("bootstrap.servers")
    if kind == "kafka" and isinstance(servers, str) and servers:
        return settings
    wrong = "no `bootstrap.servers` in its extra field" if kind == "kafka" else f"the type '{kind}'"
    raise ConnectionMissing(
        f"connection '{connection_id}' has {wrong}, and a source of kind `kafka` needs a connection such as "
        '{"conn_type": "kafka", "extra": {"bootstrap.servers": "broker:9092"}}'
    )
