"""Asks an API at the pace that the source allows, again where it failed in passing."""

from __future__ import annotations

from time import monotonic, sleep
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from urllib3 import Retry
from urllib3.exceptions import InvalidHeader, LocationParseError
from urllib3.util import parse_url

from include.core.errors import SourceUnreadable

if TYPE_CHECKING:
    from requests import RequestException, Response
    from urllib3 import BaseHTTPResponse

    from include.config.sources import HttpSource
    from include.core.connections import ApiEndpoint

    Params = dict[str, str]

#: Answers after which the same request is made again.
PASSING_STATUS = (429, 500, 502, 503, 504)

#: Seconds before the second attempt; doubled before each further one.
BACK_OFF_SECONDS = 1.0

#: Longest time between two attempts, whatever Retry-After says; beyond it the task's own retry is the better place.
LONGEST_WAIT_SECONDS = 120

#: How much of an answer an error shows.
EXCERPT_CHARACTERS = 200


class Api:
    """An API, asked at the pace that the source allows."""

    def __init__(self, source: HttpSource, endpoint: ApiEndpoint, where: str) -> None:
        self.source, self.where = source, where
        self.base_url, self.requests = endpoint.base_url, 0
        self._session, self._secrets = endpoint.session, endpoint.secrets
        self._pause = 1 / source.requests_per_second
        self._not_before = monotonic()
        self._session.get_adapter(self.base_url).max_retries = _Patience(
            total=source.attempts - 1,
            status_forcelist=PASSING_STATUS,
            raise_on_status=False,
            backoff_factor=max(BACK_OFF_SECONDS, self._pause),
            backoff_max=LONGEST_WAIT_SECONDS,
            retry_after_max=LONGEST_WAIT_SECONDS,
        )

    def ask(self, url: str, params: Params, here: str, *, may_be_past_the_end: bool) -> Response | None:
        """Return the API's answer, or None for a page past the last one."""
        from requests import RequestException

        if (wait := self._not_before - monotonic()) > 0:
            sleep(wait)
        self._not_before = monotonic() + self._pause
        self.requests += 1
        try:
            # a redirect would take the token along
            answer = self._session.get(url, params=params, timeout=self.source.timeout_seconds, allow_redirects=False)
        except RequestException as error:
            raise self._no_answer(error, here) from _cause(error)
        # a page of HTML is of a proxy that did not reach the API
        if may_be_past_the_end and answer.status_code == 404 and "html" not in answer.headers.get("Content-Type", ""):
            return None
        if answer.status_code != 200:
            raise self._refused(answer, here, may_be_past_the_end=may_be_past_the_end)
        return answer

    def own(self, link: str, here: str) -> str:
        """Return a link that leads to this API; the token is sent nowhere else."""
        if _origin(link) == _origin(self.base_url):
            return link
        raise SourceUnreadable(
            f"{here}: the API's link to the next page leads to {_origin(link)} and not to the address of connection "
            f"'{self.source.connection}', {_origin(self.base_url)}, so it was not followed and the token not sent "
            "there; correct the connection's host and schema, or the source's paging; nothing was published"
        )

    def _no_answer(self, error: RequestException, here: str) -> SourceUnreadable:
        from requests.exceptions import ChunkedEncodingError, ConnectionError, SSLError, Timeout

        cause = _cause(error)
        unreadable = SourceUnreadable(
            f"{here}: the API of connection '{self.source.connection}' did not answer in up to "
            f"{self.source.attempts} attempts ({cause or type(error).__name__}); run this task again when it does, or "
            "correct the connection; nothing was published"
        )
        unreadable.retryable = isinstance(error, ConnectionError | Timeout | ChunkedEncodingError) and not isinstance(
            error, SSLError
        )
        return unreadable

    def _refused(self, answer: Response, here: str, *, may_be_past_the_end: bool) -> SourceUnreadable:
        """Return the error of an answer that is no page."""
        status, connection = answer.status_code, self.source.connection
        says = f"{here}: the API of connection '{connection}' answers {status} {answer.reason or ''}".rstrip()
        if status in (401, 403):
            unreadable = SourceUnreadable(
                f"{says}, so it does not accept the connection's credentials for this; correct the connection's "
                "password (its token), login or headers; nothing was published"
            )
        elif 300 <= status < 400:
            target = resolved(answer.headers.get("Location", ""), answer.url)
            unreadable = SourceUnreadable(
                f"{says}, which leads to {_origin(target)}{_path(target)} and was not followed, so that the token is "
                "not sent there; correct the connection's host and schema, or the source's path; nothing was published"
            )
        elif 200 < status < 300:
            unreadable = SourceUnreadable(
                f"{says}, which does not say that all is in the answer; 200 OK is expected; correct the source's path "
                "or params, or ask the API's owner; nothing was published"
            )
        elif status == 429 or status >= 500:
            unreadable = SourceUnreadable(
                f"{says} at the last of up to {self.source.attempts} attempts ({self.shown(answer.text)}); run "
                "this task again later, or lower requests_per_second; nothing was published"
            )
            unreadable.retryable = True
        else:
            remedy = "correct the source's path or params, or the connection's host"
            if may_be_past_the_end:
                remedy += ", or, if the page before was the last, say by paging.total, more or last where the pages end"
            unreadable = SourceUnreadable(f"{says} ({self.shown(answer.text)}); {remedy}; nothing was published")
        return unreadable

    def shown(self, text: str) -> str:
        """Return how a text of the API begins, without what the session sent in secret."""
        text = " ".join(text.split())
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text[:EXCERPT_CHARACTERS] or "without a text"


class _Patience(Retry):
    """urllib3's retries, which wait before the second attempt too and take an odd Retry-After for none."""

    def get_backoff_time(self) -> float:
        return min(self.backoff_max, self.backoff_factor * 2 ** (len(self.history) - 1))

    def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
        try:
            return super().get_retry_after(response)
        except InvalidHeader:
            return None


def _cause(error: RequestException) -> Exception | None:
    """Return what urllib3 says of it: unlike requests, it leaves out the address with its params."""
    from urllib3.exceptions import HTTPError, MaxRetryError

    inner = error.args[0] if error.args else None
    cause = inner.reason if isinstance(inner, MaxRetryError) else inner
    return cause if isinstance(cause, HTTPError) and not isinstance(cause, LocationParseError) else None


def resolved(link: str, url: str) -> str:
    """Return a link as it is meant on the page at an address; one that is no link stays as it is."""
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
