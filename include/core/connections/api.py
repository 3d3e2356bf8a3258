"""The API of an `http` connection: its address, and a session with its login, token and headers."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from include.core.errors import ConnectionMissing

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests import PreparedRequest, Session

    from include.core.connections.fields import ConnectionFields

#: Options that Airflow reads from an `http` connection's extra field; any other field there is a header.
HTTP_OPTIONS = {
    *("headers", "verify", "verify_ssl", "cert", "proxies", "proxy", "stream", "timeout", "trust_env", "srv_lookup"),
    *("allow_redirects", "max_redirects", "check_response"),
}


@dataclass(frozen=True)
class ApiEndpoint:
    """The address of an API, and the session that calls it.

    Attributes
    ----------
    base_url
        Address without a slash at its end.
    session
        Sends the connection's token and headers with each request, so it may call nothing but `base_url`.
    secrets
        Secret values that the session sends; they must be removed from answers that repeat them.
    """

    base_url: str
    session: Session
    secrets: tuple[str, ...] = field(default=(), repr=False)


def api_address(connection_id: str, fields: ConnectionFields) -> str:
    """Return the address of an API from its connection's type, host, schema and port."""
    example = '{"conn_type": "http", "host": "https://api.example.com/v1", "password": "the token"}'
    needs = f"a source of kind `http` needs a connection such as {example}"
    if fields.conn_type != "http":
        raise ConnectionMissing(f"connection '{connection_id}' has the type '{fields.conn_type}', and {needs}")
    host = fields.host or ""
    try:
        parts = urlsplit(host if "://" in host else f"{fields.schema or 'http'}://{host}")
        port = parts.port or fields.port
    except ValueError as error:
        raise ConnectionMissing(
            f"connection '{connection_id}' has an invalid address as its host, and {needs}"
        ) from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConnectionMissing(
            f"connection '{connection_id}' has no host for http or https (see its schema), and {needs}"
        )
    if parts.username or parts.password:
        raise ConnectionMissing(
            f"connection '{connection_id}' has a login in its host, where logs would show it; move it to the "
            "connection's fields login and password"
        )
    place = f"{parts.netloc}:{port}" if port and not parts.port else parts.netloc
    return f"{parts.scheme}://{place}{parts.path}".rstrip("/")


def api_endpoint(connection_id: str, address: str, fields: ConnectionFields, session: Session) -> ApiEndpoint:
    """Return an API whose session sends the connection's login and password, or its token, and its headers.

    A password without a login is a bearer token: the password is the field that Airflow shows to nobody.
    """
    from requests.utils import default_headers

    login, password = fields.login, fields.password or ""
    headers = fields.extra.get("headers") or {}
    if not isinstance(headers, dict):
        raise ConnectionMissing(
            f"connection '{connection_id}' has `headers` in its extra field that are not an object; write them as "
            '{"headers": {"X-Api-Key": "the key"}}'
        )
    session.headers.pop("headers", None)  # Airflow's hook sends the whole object as a header of that name
    session.headers.update(headers)
    sent = {f"the header '{name}'": value for name, value in session.headers.items()}
    if not login:
        sent["the token that is its password"] = password
    for what, value in sent.items():
        # the characters that a header may hold; requests would show the value in its error
        if not (isinstance(value, str) and re.fullmatch(r"([!-~]([ -~]*[!-~])?)?", value)):
            raise ConnectionMissing(
                f"connection '{connection_id}' has a value for {what} that cannot be sent; it must be text of ASCII "
                "characters, without a line break and without a space at either end"
            )
    secrets = {password} - {""}
    if login:
        # as bytes, since requests would encode text as Latin-1
        session.auth = (login.encode(), password.encode())  # type: ignore[assignment]  # the stubs know text only
        secrets.add(b64encode(f"{login}:{password}".encode()).decode())
    elif password:
        session.auth = _bearer(password)
    for name, value in session.headers.items():
        if (
            isinstance(value, str) and name not in default_headers() and len(value) > 4
        ):  # shorter values are versions and the like
            secrets |= {value, value.rpartition(" ")[2]}  # the token of `Token abc` too
    return ApiEndpoint(address, session, tuple(sorted(secrets, key=len, reverse=True)))


def _bearer(token: str) -> Callable[[PreparedRequest], PreparedRequest]:
    """Return requests' authentication by a token; a ~/.netrc file would replace a mere header."""

    def authenticate(request: PreparedRequest) -> PreparedRequest:
        request.headers["Authorization"] = f"Bearer {token}"
        return request

    return authenticate
