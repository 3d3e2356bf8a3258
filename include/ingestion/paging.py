"""Follows the pages of an API to an end that the API declares, and extracts their records."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from include.core.errors import SourceUnreadable
from include.ingestion import response_fields
from include.ingestion.api import resolved
from include.ingestion.values import Number, parse_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from requests import Response

    from include.config.sources.http_source import HttpSource, Paging
    from include.ingestion.api import Api, Params
    from include.ingestion.values import Record

    Records = list[Record]
    Request = tuple[str, Params]

log = logging.getLogger(__name__)

#: Consecutive pages without records after which numbered pages are considered endless.
EMPTY_PAGES = 100


@dataclass(frozen=True)
class _Page:
    """One response: its JSON, its records (None if the response has null in place of the list), and its headers."""

    body: Any
    found: Records | None
    response: Response

    @property
    def records(self) -> Records:
        return self.found or []

    def at(self, path: str) -> Any:
        """Return the value at a dotted path of the JSON, or of a header if the path is like `header:X-Total-Count`."""
        name = path.removeprefix("header:")
        return response_fields.at(self.body, path) if name == path else self.response.headers.get(name)


def pages(api: Api, path: str, params: Params) -> Iterator[tuple[str, Records]]:
    """Yield the place of each page, for an error's sentence, and the page's records.

    Raises
    ------
    SourceUnreadable
        If a response is not a page or reports a failure, or if the pages end where the API does not declare the end.
    """
    paging = api.source.paging
    counted = paging is not None and paging.style in ("page", "offset")
    if paging and paging.size_parameter:
        params = {**params, paging.size_parameter: str(paging.size)}
    if paging and paging.style == "page":
        params = {**params, paging.parameter or "page": str(paging.first)}
    request: Request | None = (f"{api.base_url}/{path.lstrip('/')}", params)
    number, before, requested, counter = 1, None, set(), _Counter(api.source)
    empty = 0
    while request:
        here = f"{api.where}, {path}" + (f", page {number}" if paging and paging.style != "one_answer" else "")
        requested.add(_identity(request))
        # past the last page, some APIs return an empty page and others 404
        response = api.get(*request, here, may_be_past_the_end=counted and number > 1)
        if response is None:
            counter.check_total(here)
            return
        page = _page(api, response, here)
        if page.records and page.records == before:
            raise SourceUnreadable(
                f"{here}: the API returned the same records as for the page before; correct the source's paging, such "
                "as paging.parameter, which chooses the page, or, if the API repeats its last page, declare the end of "
                "the pages by paging.total or paging.last; nothing was published"
            )
        counter.add(page, here)
        yield here, page.records
        request = _next_request(api, request, page, counter, here)
        empty = 0 if page.records else empty + 1
        if request and paging and counted and empty == EMPTY_PAGES:
            raise SourceUnreadable(
                f"{here}: the API sent {empty} pages without records, one after another, and announces more "
                f"by '{paging.more}'; correct paging.more, or ask the API's owner; nothing was "
                "published"
            )
        if request and _identity(request) in requested:
            raise SourceUnreadable(
                f"{here}: the API's response leads to a page that was read before, so its pages have no end; "
                "correct the source's paging, or ask the API's owner; nothing was published"
            )
        if request is None:
            counter.check_end(page, here)
        number, before = number + 1, page.records


class _Counter:
    """Counts the records of a sequence of pages and compares the count with what the API declares."""

    def __init__(self, source: HttpSource) -> None:
        self.paging, self.paths = source.paging, declared_paths(source)
        self.records = 0
        self.total: int | None = None

    def add(self, page: _Page, here: str) -> None:
        """Count a page's records and compare its declared total with the one of the page before."""
        self.records += len(page.records)
        if self.paging is None or not self.paging.total:
            return
        value = page.at(self.paging.total)
        total = response_fields.whole_number(value)
        if total is None:
            raise SourceUnreadable(
                f"{here}: the API's response has {_describe(value)} at '{self.paging.total}', where paging.total "
                "expects the number of all records; correct paging.total; nothing was published"
            )
        if self.total not in (None, total):
            raise _retryable(
                f"{here}: the API's total changed from {self.total:,} to {total:,}, so its records changed while they "
                "were being read; run this task again; nothing was published"
            )
        self.total = total

    @property
    def reached_total(self) -> bool:
        """Whether the API declares a total and at least that many records were read."""
        return self.total is not None and self.records >= self.total

    def check_total(self, here: str) -> None:
        """Raise if the number of records differs from the total that the API declares."""
        if self.paging and self.total is not None and self.total != self.records:
            raise _retryable(
                f"{here}: the pages end after {self.records:,} records, and the API's '{self.paging.total}' declares "
                f"{self.total:,}; run this task again, or correct paging.total if it counts something else; nothing "
                "was published"
            )

    def check_end(self, page: _Page, here: str) -> None:
        """Raise if the last page does not look like the end."""
        paging = self.paging
        self.check_total(here)
        if paging and paging.style == "one_answer":
            return
        if (
            page.found is None
            and self.records
            and self.total is None
            and (paging is None or paging.last != "null_page")
        ):
            raise _retryable(
                f"{here}: the API's response has null in place of a list after {self.records:,} records, which does "
                "not mean that these are all; run this task again, or declare by paging.last: null_page that null "
                "ends this API's pages; nothing was published"
            )
        if more := self._announced_more(page):
            remedy = "correct `paging`, such as its more or next"
            if paging is None:
                remedy = "declare by `paging` how the API splits its responses (style: one_answer if it does not)"
            raise SourceUnreadable(
                f"{here}: the pages end after {self.records:,} records, and the API's response announces more "
                f"by {more}; {remedy}; nothing was published"
            )
        total = self._larger_total(page)
        if total and paging:
            log.warning(
                "%s: the pages end after %s records, and the API's response has %s; if this is the number of all "
                "records, declare it by paging.total, so that a shorter read is refused",
                here,
                f"{self.records:,}",
                total,
            )

    def _announced_more(self, page: _Page) -> str | None:
        """Return the field by which a page announces another one, for a sentence; None if it does not."""
        paging, body = self.paging, page.body
        if paging and paging.more:
            return f"'{paging.more}'" if response_fields.boolean(response_fields.at(body, paging.more)) else None
        more = response_fields.find_more(body, self.paths) or self._unfollowed_next(page)
        if more or paging:
            return more and f"'{more}'"
        pages = response_fields.find_page_count(body, self.paths, page.response.headers)
        return self._larger_total(page) or (f"{pages[1]:,} at '{pages[0]}'" if pages and pages[1] > 1 else None)

    def _larger_total(self, page: _Page) -> str | None:
        """Return, for a sentence, an undeclared total that is larger than the number of records read."""
        total = response_fields.find_total(page.body, self.paths, page.response.headers) if self.total is None else None
        return f"{total[1]:,} at '{total[0]}'" if total and total[1] > self.records else None

    def _unfollowed_next(self, page: _Page) -> str | None:
        """Return the link to a next page that `paging` does not follow; None if the API declares the end otherwise."""
        ends_here = self.paging is None or (self.paging.last == "short_page" and self.total is None)
        if not page.records or not ends_here:
            return None
        header = page.response.headers.get("Link", "")
        return "Link" if _link(header, "") else response_fields.find_next(page.body, self.paths, page.response.headers)


def declared_paths(source: HttpSource) -> list[str]:
    """Return the paths into a response that pipeline.yaml declares."""
    paging = source.paging
    about_pages = [paging.next, paging.total, paging.more] if paging else []
    return [path for path in [source.records, *about_pages] if path]


def _next_request(api: Api, request: Request, page: _Page, counter: _Counter, here: str) -> Request | None:
    """Return the request for the next page, or None after the last one."""
    paging, (url, params) = api.source.paging, request
    if paging is None or paging.style == "one_answer":
        return None
    more = _declared_more(page, paging, here)
    if more is False:
        return None
    if paging.style == "link":
        link = _link(page.response.headers.get("Link", ""), here)
        return (api.check_origin(resolved(link, url), here), {}) if link else None
    parameter = paging.parameter or paging.style
    if paging.style == "cursor":
        cursor = response_fields.at(page.body, paging.next or "")
        if isinstance(cursor, Number):
            cursor = cursor.decode()
        if cursor and not isinstance(cursor, str | int):
            raise SourceUnreadable(
                f"{here}: the API's response has {_describe(cursor)} at '{paging.next}', where paging.next expects the "
                "next cursor, text or a number; correct paging.next; nothing was published"
            )
        return (url, {**params, parameter: str(cursor)}) if cursor else None
    if counter.reached_total:
        return None
    if not page.records and (not more or paging.style == "offset"):
        return None
    if paging.last == "short_page" and counter.total is None and len(page.records) < (paging.size or 0):
        return None
    step = 1 if paging.style == "page" else len(page.records)
    return url, {**params, parameter: str(int(params.get(parameter, 0)) + step)}


def _declared_more(page: _Page, paging: Paging, here: str) -> bool | None:
    """Return whether the field that paging.more names announces another page; None if paging.more is not set."""
    if not paging.more:
        return None
    value = response_fields.at(page.body, paging.more)
    more = response_fields.boolean(value)
    if more is None:
        raise SourceUnreadable(
            f"{here}: the API's response has {_describe(value)} at '{paging.more}', where paging.more expects true or "
            "false; correct paging.more; nothing was published"
        )
    return more


def _link(header: str, here: str) -> str | None:
    """Return the address of the next page from a Link header."""
    try:
        return response_fields.next_link(header)
    except ValueError as error:
        if not here:
            return None
        raise SourceUnreadable(
            f"{here}: the API's Link header cannot be read ({error}), so whether another page follows is "
            'unknown; <address>; rel="next" is expected; ask the API\'s owner; nothing was published'
        ) from error


def _identity(request: Request) -> tuple[str, frozenset[tuple[str, str]]]:
    """Return a hashable value that is equal for equal requests."""
    url, params = request
    return url, frozenset(params.items())


def _page(api: Api, response: Response, here: str) -> _Page:
    """Return a response as a page; raise if it is none or reports a failure."""
    source = api.source
    body = _json(response, here)
    error = response_fields.find_error(body, source.error, declared_paths(source))
    if error:
        place, value = error
        reason = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=bytes.decode)
        raise _retryable(
            f"{here}: the API of connection '{source.connection}' returned 200 OK and reports a failure by '{place}' "
            f"({api.excerpt(reason)}); run this task again later, or name by `error` in pipeline.yaml the field by "
            "which this API reports a failure; nothing was published"
        )
    return _Page(body, _records(body, source.records, here), response)


def _json(response: Response, here: str) -> Any:
    try:
        return parse_json(response.content)  # bytes: JSON is UTF-8, whatever the header says
    except ValueError as error:
        kind, content = response.headers.get("Content-Type", "no content type"), response.content
        what = f"{here}: the API's response ({kind}, {len(content)} bytes)"
        if content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"[")):
            raise _retryable(
                f"{what} is truncated or broken JSON ({error}); run this task again, or ask the API's owner; "
                "nothing was published"
            ) from error
        raise SourceUnreadable(
            f"{what} is not JSON; correct the source's path, or add a header such as Accept to the connection; "
            "nothing was published"
        ) from error


def _records(body: Any, path: str, here: str) -> Records | None:
    """Return the list of records in a response; None if the response has null in its place, as some servers write."""
    value, at = body, "the response"
    for name in path.split(".") if path else []:
        if not isinstance(value, dict) or name not in value:
            raise SourceUnreadable(
                f"{here}: the API's response has nothing at '{path}', where `records` expects the list of records: "
                f"{at} is {_describe(value)}; correct `records`; nothing was published"
            )
        value, at = value[name], f"'{name}'"
    if value is None:
        return None
    if not isinstance(value, list):
        what = f"at '{path}'" if path else "as a whole"
        raise SourceUnreadable(
            f"{here}: the API's response has no list of records {what}: {at} is {_describe(value)}; correct `records`; "
            "nothing was published"
        )
    for number, record in enumerate(value, start=1):
        if not isinstance(record, dict):
            raise SourceUnreadable(
                f"{here}: record {number} is {_describe(record)} and not an object; correct `records`; nothing was "
                "published"
            )
    return value


def _retryable(sentence: str) -> SourceUnreadable:
    """Return an error that may not occur at the next attempt."""
    unreadable = SourceUnreadable(sentence)
    unreadable.retryable = True
    return unreadable


def _describe(value: Any) -> str:
    """Describe a JSON value by its type and keys, without showing its content."""
    if isinstance(value, dict):
        keys = [str(key)[:60] for key in list(value)[:20]] + ["..."] * (len(value) > 20)
        return f"an object with the keys {', '.join(keys)}" if value else "an object without keys"
    numbers = dict.fromkeys((int, float, Number), "a number")
    kinds = {list: "a list", str: "text", bool: "a boolean"} | numbers
    return kinds.get(type(value), "null")
