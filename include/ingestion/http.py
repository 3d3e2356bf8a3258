"""Reads the records of a range of days from a JSON API, page by page."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from urllib3 import Retry
from urllib3.exceptions import InvalidHeader, LocationParseError
from urllib3.util import parse_url

from include.errors import SchemaMismatch, SourceUnreadable
from include.ingestion.delivery import Chunk, Delivery

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa
    from requests import RequestException, Response
    from urllib3 import BaseHTTPResponse

    from include.config import HttpSource
    from include.connections import ApiEndpoint

    Params = dict[str, str]
    Records = list[dict[str, Any]]
    Request = tuple[str, Params]

#: Answers after which the same request is made again.
PASSING_STATUS = (429, 500, 502, 503, 504)

#: Seconds before the second attempt; doubled before each further one.
BACK_OFF_SECONDS = 1.0

#: Longest time between two attempts, whatever Retry-After says; beyond it the task's own retry is the better place.
LONGEST_WAIT_SECONDS = 120

#: How much of an answer an error shows.
EXCERPT_CHARACTERS = 200


def read_http(source: HttpSource, start: datetime, end: datetime, endpoint: ApiEndpoint, where: str) -> Delivery:
    """Ask an API for the records from `start` (inclusive) to `end` (exclusive), both midnights in UTC.

    Where the source's path or params name `{ds}`, each day is asked for by itself, else the range at once.
    Nested values become JSON text, and times stay the text that they are.

    Parameters
    ----------
    endpoint
        Where the API is, and the session with its token; closed when the chunks are exhausted.
    where
        What is read, for the error's sentence.

    Raises
    ------
    SourceUnreadable
        While the chunks are read, if the API refuses a request, does not answer, or answers something else
        than a page of records; `retryable` if it was overloaded, failing or silent to the last attempt.
    SchemaMismatch
        While the chunks are read, if a column holds values of several types.
    """
    sequences = _sequences(source, start, end)
    path, params = sequences[0]
    read_from: dict[str, Any] = {"requests": 0, "records": 0, "path": path, "params": _without_secrets(params)}

    def chunks() -> Iterator[Chunk]:
        with endpoint.session:
            api = _Api(source, endpoint, where)
            for path, params in sequences:
                for here, records in _pages(api, path, params):
                    read_from["requests"] = api.requests
                    read_from["records"] += len(records)
                    if records:
                        yield Chunk(_to_arrow(records, here), here)
                read_from["requests"] = api.requests

    return Delivery(chunks(), read_from)


def _sequences(source: HttpSource, start: datetime, end: datetime) -> list[tuple[str, Params]]:
    """Return the path and params of each first request: one a day, or one for all."""
    if not any("{ds}" in text for text in [source.path, *source.params.values()]):
        bounds = [(start, end)]
    else:
        day = timedelta(days=1)
        bounds = [(start + day * number, start + day * (number + 1)) for number in range((end - start) // day)]
    sequences = []
    for first, last in bounds:
        values = {"{ds}": f"{first:%Y-%m-%d}", "{start}": _moment(first), "{end}": _moment(last)}
        params = {name: _filled(text, values) for name, text in source.params.items()}
        sequences.append((_filled(source.path, values), params))
    return sequences


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _filled(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(name, value)
    return text


def _without_secrets(params: Params) -> Params:
    """Mask what should not be among the params at all."""
    secret = re.compile("key|token|secret|passw|auth|signature|credential", re.IGNORECASE)
    return {name: "***" if secret.search(name) else value for name, value in params.items()}


def _pages(api: _Api, path: str, params: Params) -> Iterator[tuple[str, Records]]:
    """Yield each page's records, and what they are in an error's sentence."""
    paging = api.source.paging
    if paging and paging.size_parameter:
        params = {**params, paging.size_parameter: str(paging.size)}
    if paging and paging.style == "page":
        params = {**params, paging.parameter or "page": str(paging.first)}
    request: Request | None = (f"{api.base_url}/{path.lstrip('/')}", params)
    number, before, asked = 1, None, set()
    while request:
        here = f"{api.where}, {path}, page {number}" if paging else f"{api.where}, {path}"
        asked.add(_mark(request))
        # some APIs have an empty page past the last one, others 404
        counted = paging is not None and paging.style in ("page", "offset")
        answer = api.ask(*request, here, may_be_past_the_end=counted and number > 1)
        if answer is None:
            return
        body = _json(answer, here)
        records = _records(body, api.source.records, here)
        if records and records == before:
            raise SourceUnreadable(
                f"{here}: the API answers with the same records as for the page before; correct the source's paging, "
                "such as paging.parameter, which chooses the page; nothing was published"
            )
        yield here, records
        request = _following(api, request, answer, body, records, here) if paging else None
        if request and _mark(request) in asked:
            raise SourceUnreadable(
                f"{here}: the API's answer leads to a page that was read before, so its pages have no end; correct "
                "the source's paging, or ask the API's owner; nothing was published"
            )
        number, before = number + 1, records


def _following(api: _Api, request: Request, answer: Response, body: Any, records: Records, here: str) -> Request | None:
    """Return the request for the page after the one that was asked for, if there is one."""
    paging, (url, params) = api.source.paging, request
    parameter = paging.parameter or paging.style
    if paging.style == "link":
        link = answer.links.get("next", {}).get("url")
        return (api.own(_resolved(link, url), here), {}) if link else None
    if paging.style == "cursor":
        cursor = _at(body, paging.next)
        if cursor and not isinstance(cursor, str | int | float):
            raise SourceUnreadable(
                f"{here}: the API's answer has {_shape(cursor)} at '{paging.next}', where paging.next expects the "
                "next cursor, text or a number; correct paging.next; nothing was published"
            )
        return (url, {**params, parameter: str(cursor)}) if cursor else None
    if not records or (paging.size and len(records) < paging.size):
        return None
    step = 1 if paging.style == "page" else len(records)
    return url, {**params, parameter: str(int(params.get(parameter, 0)) + step)}


def _mark(request: Request) -> tuple[str, frozenset[tuple[str, str]]]:
    """Return what tells one request from another."""
    url, params = request
    return url, frozenset(params.items())


class _Patience(Retry):
    """urllib3's retries, which wait before the second attempt too and take an odd Retry-After for none."""

    def get_backoff_time(self) -> float:
        return min(self.backoff_max, self.backoff_factor * 2 ** (len(self.history) - 1))

    def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
        try:
            return super().get_retry_after(response)
        except InvalidHeader:
            return None


class _Api:
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
        if may_be_past_the_end and answer.status_code == 404:
            return None
        if answer.status_code != 200:
            raise self._refused(answer, here)
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

    def _refused(self, answer: Response, here: str) -> SourceUnreadable:
        """Return the error of an answer that is no page."""
        status, connection = answer.status_code, self.source.connection
        says = f"{here}: the API of connection '{connection}' answers {status} {answer.reason or ''}".rstrip()
        if status in (401, 403):
            unreadable = SourceUnreadable(
                f"{says}, so it does not accept the connection's credentials for this; correct the connection's "
                "password (its token), login or headers; nothing was published"
            )
        elif 300 <= status < 400:
            target = _resolved(answer.headers.get("Location", ""), answer.url)
            unreadable = SourceUnreadable(
                f"{says}, which leads to {_origin(target)}{_path(target)} and was not followed, so that the token is "
                "not sent there; correct the connection's host and schema, or the source's path; nothing was published"
            )
        elif status == 429 or status >= 500:
            unreadable = SourceUnreadable(
                f"{says} at the last of up to {self.source.attempts} attempts ({self._excerpt(answer)}); run this task "
                "again later, or lower requests_per_second; nothing was published"
            )
            unreadable.retryable = True
        else:
            unreadable = SourceUnreadable(
                f"{says} ({self._excerpt(answer)}); correct the source's path or params, or the connection's host; "
                "nothing was published"
            )
        return unreadable

    def _excerpt(self, answer: Response) -> str:
        """Return how the answer begins, without what the session sent in secret."""
        text = " ".join(answer.text.split())
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text[:EXCERPT_CHARACTERS] or "without a text"


def _cause(error: RequestException) -> Exception | None:
    """Return what urllib3 says of it: unlike requests, it leaves out the address with its params."""
    from urllib3.exceptions import HTTPError, MaxRetryError

    inner = error.args[0] if error.args else None
    cause = inner.reason if isinstance(inner, MaxRetryError) else inner
    return cause if isinstance(cause, HTTPError) and not isinstance(cause, LocationParseError) else None


def _resolved(link: str, url: str) -> str:
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


def _json(answer: Response, here: str) -> Any:
    try:
        return json.loads(answer.content)  # bytes: JSON is UTF-8, whatever the header says
    except (ValueError, RecursionError) as error:
        kind = answer.headers.get("Content-Type", "no content type")
        raise SourceUnreadable(
            f"{here}: the API's answer ({kind}, {len(answer.content)} bytes) is not JSON; correct the source's path, "
            "or add a header such as Accept to the connection; nothing was published"
        ) from error


def _at(body: Any, path: str) -> Any:
    """Return what is at a dotted path, or None."""
    for name in path.split("."):
        body = body.get(name) if isinstance(body, dict) else None
    return body


def _records(body: Any, path: str, here: str) -> Records:
    """Return the list of records of an answer; null is a list without any, as some servers write it."""
    value, at = body, "the answer"
    for name in path.split(".") if path else []:
        if not isinstance(value, dict) or name not in value:
            raise SourceUnreadable(
                f"{here}: the API's answer has nothing at '{path}', where `records` expects the list of records: {at} "
                f"is {_shape(value)}; correct `records`; nothing was published"
            )
        value, at = value[name], f"'{name}'"
    if value is None:
        return []
    if not isinstance(value, list):
        what = f"at '{path}'" if path else "as a whole"
        raise SourceUnreadable(
            f"{here}: the API's answer has no list of records {what}: {at} is {_shape(value)}; correct `records`; "
            "nothing was published"
        )
    for number, record in enumerate(value, start=1):
        if not isinstance(record, dict):
            raise SourceUnreadable(
                f"{here}: record {number} is {_shape(record)} and not an object; correct `records`; nothing was "
                "published"
            )
    return value


def _shape(value: Any) -> str:
    """Describe a JSON value by its kind and keys; what it holds is not shown."""
    if isinstance(value, dict):
        keys = [str(key)[:60] for key in list(value)[:20]] + ["..."] * (len(value) > 20)
        return f"an object with the keys {', '.join(keys)}" if value else "an object without keys"
    kinds = {list: "a list", str: "text", bool: "a truth value", int: "a number", float: "a number"}
    return kinds.get(type(value), "null")


def _to_arrow(records: Records, here: str) -> pa.Table:
    """Return records as a table of all the keys they have, in the order of their appearance."""
    import pyarrow as pa

    arrays = {}
    for name in dict.fromkeys(name for record in records for name in record):
        values = [_plain(record.get(name)) for record in records]
        try:
            arrays[name] = pa.array(values, from_pandas=True)
        except (ValueError, TypeError, OverflowError) as error:
            kinds = sorted({type(value).__name__ for value in values if value is not None})
            what = f"values of several types ({', '.join(kinds)})"
            if len(kinds) == 1:
                what = "a number beyond 64 bits" if kinds == ["int"] else "text that is not Unicode"
            raise SchemaMismatch(
                f"{here}: column '{name}' holds {what}; one type is expected, so ask the API's owner, or for other "
                "fields in `params`; nothing was published"
            ) from error
    return pa.table(arrays)


def _plain(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
