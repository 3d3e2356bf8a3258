"""Sends requests to an API at the pace that the source allows, and retries those that fail temporarily."""

from __future__ import annotations

from time import monotonic, sleep
from typing import TYPE_CHECKING, cast
from urllib.parse import urljoin

from urllib3 import Retry
from urllib3.exceptions import InvalidHeader, LocationParseError
from urllib3.util import parse_url

from include.core.errors import SourceUnreadable

if TYPE_CHECKING:
    from requests import RequestException, Response
    from requests.adapters import HTTPAdapter
    from urllib3 import BaseHTTPResponse

    from include.config.sources.http_source import HttpSource
    from include.core.connections import ApiEndpoint

    Params = dict[str, str]

#: Status codes after which the same request is sent again.
RETRIED_STATUS = (429, 500, 502, 503, 504)

#: Seconds before the second attempt; doubled before each further one.
BACK_OFF_SECONDS = 1.0

#: Longest time between two attempts, whatever Retry-After says; a longer wait is left to the task's own retry.
LONGEST_WAIT_SECONDS = 120

#: Characters of a response that an error shows.
EXCERPT_CHARACTERS = 200


class Api:
    """An API and the session that sends requests to it, at the pace that the source allows."""

    def __init__(self, source: HttpSource, endpoint: ApiEndpoint, where: str) -> None:
        self.source, self.where = source, where
        self.base_url, self.requests = endpoint.base_url, 0
        self._session, self._secrets = endpoint.session, endpoint.secrets
        self._pause = 1 / source.requests_per_second
        self._not_before = monotonic()
        adapter = cast("HTTPAdapter", self._session.get_adapter(self.base_url))
        adapter.max_retries = _Retries(
            total=source.attempts - 1,
            status_forcelist=RETRIED_STATUS,
            raise_on_status=False,
            backoff_factor=max(BACK_OFF_SECONDS, self._pause),
            backoff_max=LONGEST_WAIT_SECONDS,
            retry_after_max=LONGEST_WAIT_SECONDS,
        )

    def get(self, url: str, params: Params, here: str, *, may_be_past_the_end: bool) -> Response | None:
        """Return the API's response, or None for a page past the last one."""
        from requests import RequestException

        if (wait := self._not_before - monotonic()) > 0:
            sleep(wait)
        self._not_before = monotonic() + self._pause
        self.requests += 1
        try:
            # following a redirect would send the token to another address
            response = self._session.get(url, params=params, timeout=self.source.timeout_seconds, allow_redirects=False)
        except RequestException as error:
            raise self._no_response(error, here) from _cause(error)
        # HTML comes from a proxy that did not reach the API
        if (
            may_be_past_the_end
            and response.status_code == 404
            and "html" not in response.headers.get("Content-Type", "")
        ):
            return None
        if response.status_code != 200:
            raise self._wrong_status(response, here, may_be_past_the_end=may_be_past_the_end)
        return response

    def check_origin(self, link: str, here: str) -> str:
        """Return a link if it leads to this API; the token is sent nowhere else."""
        if _origin(link) == _origin(self.base_url):
            return link
        raise SourceUnreadable(
            f"{here}: the API's link to the next page leads to {_origin(link)} and not to the address of connection "
            f"'{self.source.connection}', {_origin(self.base_url)}, so it was not followed and the token was "
            "not sent there; correct the connection's host and schema, or the source's paging; nothing was published"
        )

    def _no_response(self, error: RequestException, here: str) -> SourceUnreadable:
        from requests.exceptions import ChunkedEncodingError, ConnectionError, SSLError, Timeout

        cause = _cause(error)
        unreadable = SourceUnreadable(
            f"{here}: the API of connection '{self.source.connection}' did not respond in up to {self.source.attempts} "
            f"attempts ({cause or type(error).__name__}); run this task again when it responds, or correct the "
            "connection; nothing was published"
        )
        unreadable.retryable = isinstance(error, ConnectionError | Timeout | ChunkedEncodingError) and not isinstance(
            error, SSLError
        )
        return unreadable

    def _wrong_status(self, response: Response, here: str, *, may_be_past_the_end: bool) -> SourceUnreadable:
        """Return the error for a response that is not 200 OK."""
        status, connection = response.status_code, self.source.connection
        returned = f"{here}: the API of connection '{connection}' returned {status} {response.reason or ''}".rstrip()
        if status in (401, 403):
            unreadable = SourceUnreadable(
                f"{returned}, so it does not accept the connection's credentials for this; correct the connection's "
                "password (its token), login or headers; nothing was published"
            )
        elif 300 <= status < 400:
            target = resolved(response.headers.get("Location", ""), response.url)
            unreadable = SourceUnreadable(
                f"{returned}, a redirect to {_origin(target)}{_path(target)}, which was not followed, so that the "
                "token is not sent there; correct the connection's host and schema, or the source's path; nothing was "
                "published"
            )
        elif 200 < status < 300:
            unreadable = SourceUnreadable(
                f"{returned}, which does not mean that the response is complete; 200 OK is expected; correct the "
                "source's path or params, or ask the API's owner; nothing was published"
            )
        elif status == 429 or status >= 500:
            unreadable = SourceUnreadable(
                f"{returned} at the last of up to {self.source.attempts} attempts ({self.excerpt(response.text)}); run "
                "this task again later, or lower requests_per_second; nothing was published"
            )
            unreadable.retryable = True
        else:
            remedy = "correct the source's path or params, or the connection's host"
            if may_be_past_the_end:
                remedy += (
                    ", or, if the page before was the last, declare the end of the pages by paging.total, more or last"
                )
            unreadable = SourceUnreadable(
                f"{returned} ({self.excerpt(response.text)}); {remedy}; nothing was published"
            )
        return unreadable

    def excerpt(self, text: str) -> str:
        """Return the beginning of a text from the API, without the secrets that the session sent."""
        text = " ".join(text.split())
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text[:EXCERPT_CHARACTERS] or "without a text"


class _Retries(Retry):
    """urllib3's retries, which also wait before the second attempt and ignore a Retry-After that they cannot read."""

    def get_backoff_time(self) -> float:
        return min(self.backoff_max, self.backoff_factor * 2 ** (len(self.history) - 1))

    def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
        try:
            return super().get_retry_after(response)
        except InvalidHeader:
            return None


def _cause(error: RequestException) -> Exception | None:
    """Return urllib3's own error, whose text has no address with params, unlike that of requests."""
    from urllib3.exceptions import HTTPError, MaxRetryError

    inner = error.args[0] if error.args else None
    cause = inner.reason if isinstance(inner, MaxRetryError) else inner
    return cause if isinstance(cause, HTTPError) and not isinstance(cause, LocationParseError) else None


def resolved(link: str, url: str) -> str:
    """Return a link resolved against the address of its page; text that is no link is returned unchanged."""
    try:
        return urljoin(url, link)
    except ValueError:
        return link


def _origin(url: str) -> str:
    """Return scheme, host and port, as the library that sends the request reads them."""
    try:
        parts = parse_url(url)
    except LocationParseError:
        return "no address"
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme or "")
    return f"{parts.scheme}://{parts.host}:{port}".lower()


def _path(url: str) -> str:
    try:
        return parse_url(url).path or ""
    except LocationParseError:
        return ""
