"""The fields of a connection, read from JSON or from a URI as Airflow reads them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class ConnectionFields:
    """The fields of a connection; `extra` is an object of whatever the connection's type knows."""

    conn_type: str
    host: str | None = None
    port: int | None = None
    schema: str | None = None
    login: str | None = None
    password: str | None = field(default=None, repr=False)
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def parse(cls, text: str) -> ConnectionFields:
        """Read a connection from JSON or from a URI.

        Raises
        ------
        ValueError, TypeError
            If the text is neither; only a TypeError's message is free of secrets.
        """
        return _from_json(text) if text.lstrip().startswith("{") else _from_uri(text)


def _from_json(text: str) -> ConnectionFields:
    fields = json.loads(text)
    if not fields.get("conn_type"):
        raise ValueError("conn_type is missing")
    for name in ("conn_type", "host", "schema", "login", "password"):
        if not isinstance(fields.get(name), str | None):
            raise TypeError(f"{name} is not a text")
    extra = fields.get("extra")
    if isinstance(extra, str):
        extra = json.loads(extra or "{}")
    return ConnectionFields(
        conn_type=fields["conn_type"],
        host=fields.get("host"),
        port=int(fields["port"]) if fields.get("port") else None,
        schema=fields.get("schema"),
        login=fields.get("login"),
        password=fields.get("password"),
        extra=extra if isinstance(extra, dict) else {},
    )


def _from_uri(text: str) -> ConnectionFields:
    # Airflow writes an API's connection as http://https://api.example or http://http%3A%2F%2Fapi.example
    protocol = re.match(r"[\w-]+://(https?://)", text)
    parts = urlsplit(text.replace(protocol[1], "", 1) if protocol else text)
    if not parts.scheme:
        raise ValueError("no scheme")
    host = (protocol[1] if protocol else "") + unquote(parts.hostname or "")
    path = unquote(parts.path)
    extra: Any = dict(parse_qsl(parts.query))
    if "__extra__" in extra:
        extra = json.loads(extra["__extra__"])
    return ConnectionFields(
        conn_type=parts.scheme,
        # an SQLite file's absolute path comes after an empty host: sqlite:////data/sales.db
        host=path.removeprefix("/") if parts.scheme == "sqlite" and not host else host or None,
        port=parts.port,
        schema=path.removeprefix("/") or None,
        login=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        extra=extra if isinstance(extra, dict) else {},
    )
