"""Follows the pages of an API's answers to an end that the API says, and finds the records in them."""

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

    from include.config.sources import HttpSource, Paging
    from include.ingestion.api import Api, Params

    Records = list[dict[str, Any]]
    Request = tuple[str, Params]

log = logging.getLogger(__name__)

#: Pages without records, one after another, of an API whose pages have numbers; one with more of them has no end.
EMPTY_PAGES = 100


@dataclass(frozen=True)
class _Page:
    """One answer: its JSON, the records in it (None where it has null in their place), and the response."""

    body: Any
    found: Records | None
    response: Response

    @property
    def records(self) -> Records:
        return self.found or []

    def at(self, path: str) -> Any:
        """Return what is at a dotted path of the JSON, or in a header that is named as `header:X-Total-Count`."""
        name = path.removeprefix("header:")
        return response_fields.at(self.body, path) if name == path else self.response.headers.get(name)


def pages(api: Api, path: str, params: Params) -> Iterator[tuple[str, Records]]:
    """Yield each page's records, and what they are in an error's sentence.

    Raises
    ------
    SourceUnreadable
        If an answer is no page, says that it failed, or if the pages end where the API does not say that they do.
    """
    paging = api.source.paging
    counted = paging is not None and paging.style in ("page", "offset")
    if paging and paging.size_parameter:
        params = {**params, paging.size_parameter: str(paging.size)}
    if paging and paging.style == "page":
        params = {**params, paging.parameter or "page": str(paging.first)}
    request: Request | None = (f"{api.base_url}/{path.lstrip('/')}", params)
    number, before, asked, read = 1, None, set(), _Read(api.source)
    empty = 0
    while request:
        here = f"{api.where}, {path}" + (f", page {number}" if paging and paging.style != "one_answer" else "")
        asked.add(_mark(request))
        # some APIs have an empty page past the last one, others 404
        response = api.ask(*request, here, may_be_past_the_end=counted and number > 1)
        if response is None:
            read.check_total(here)
            return
        page = _page(api, response, here)
        if page.records and page.records == before:
            raise SourceUnreadable(
                f"{here}: the API answers with the same records as for the page before; correct the source's paging, "
                "such as paging.parameter, which chooses the page, or, if the API repeats its last page, say by "
                "paging.total or paging.last where the pages end; nothing was published"
            )
        read.add(page, here)
        yield here, page.records
        request = _following(api, request, page, read, here)
        empty = 0 if page.records else empty + 1
        if request and counted and empty == EMPTY_PAGES:
            raise SourceUnreadable(
                f"{here}: the API has sent {empty} pages without records, one after another, and says by "
                f"'{paging.more}' that there are more; correct paging.more, or ask the API's owner; nothing was "
                "published"
            )
        if request and _mark(request) in asked:
            raise SourceUnreadable(
                f"{here}: the API's answer leads to a page that was read before, so its pages have no end; correct "
                "the source's paging, or ask the API's owner; nothing was published"
            )
        if request is None:
            read.check_end(page, here)
        number, before = number + 1, page.records


class _Read:
    """Counts what was read of a sequence of pages, and compares it with what the API says of its end."""

    def __init__(self, source: HttpSource) -> None:
        self.paging, self.paths = source.paging, declared_paths(source)
        self.records, self.total = 0, None

    def add(self, page: _Page, here: str) -> None:
        """Count a page's records, and hold its total against that of the page before."""
        self.records += len(page.records)
        if self.paging is None or not self.paging.total:
            return
        value = page.at(self.paging.total)
        total = response_fields.whole_number(value)
        if total is None:
            raise SourceUnreadable(
                f"{here}: the API's answer has {_shape(value)} at '{self.paging.total}', where paging.total expects "
                "the number of all records; correct paging.total; nothing was published"
            )
        if self.total not in (None, total):
            raise _passing(
                f"{here}: the API's total was {self.total:,} and is {total:,} now, so its records changed while they "
                "were being read; run this task again; nothing was published"
            )
        self.total = total

    @property
    def reached_total(self) -> bool:
        """Whether the API declares a total, and so many records were read."""
        return self.total is not None and self.records >= self.total

    def check_total(self, here: str) -> None:
        """Raise if the number of records is not the one that the API declares."""
        if self.total not in (None, self.records):
            raise _passing(
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
            raise _passing(
                f"{here}: the API's answer has null in place of a list after {self.records:,} records, which does "
                "not say that they are all; run this task again, or say by paging.last: null_page that null is "
                "this API's end; nothing was published"
            )
        if more := self._says_more(page):
            remedy = "correct `paging`, such as its more or next"
            if paging is None:
                remedy = "declare by `paging` how the API splits its answers (style: one_answer if it does not)"
            raise SourceUnreadable(
                f"{here}: the pages end after {self.records:,} records, and the API's answer says by {more} that "
                f"there are more; {remedy}; nothing was published"
            )
        total = self._larger_total(page)
        if total and paging:
            log.warning(
                "%s: the pages end after %s records, and the API's answer has %s; if that is the number of all "
                "records, declare it by paging.total, so that fewer are refused",
                *(here, f"{self.records:,}", total),
            )

    def _says_more(self, page: _Page) -> str | None:
        """Return, for a sentence, by what an answer says that it is not the last."""
        paging, body = self.paging, page.body
        if paging and paging.more:
            return f"'{paging.more}'" if response_fields.boolean(response_fields.at(body, paging.more)) else None
        more = response_fields.find_more(body, self.paths) or self._way_on(page)
        if more or paging:
            return more and f"'{more}'"
        pages = response_fields.find_page_count(body, self.paths, page.response.headers)
        return self._larger_total(page) or (f"{pages[1]:,} at '{pages[0]}'" if pages and pages[1] > 1 else None)

    def _larger_total(self, page: _Page) -> str | None:
        """Return, for a sentence, what seems to be the number of all records, and is larger than that of those read."""
        total = response_fields.find_total(page.body, self.paths, page.response.headers) if self.total is None else None
        return f"{total[1]:,} at '{total[0]}'" if total and total[1] > self.records else None

    def _way_on(self, page: _Page) -> str | None:
        """Return what leads on from a page with records that nothing but our own reading ends."""
        ends_here = self.paging is None or (self.paging.last == "short_page" and self.total is None)
        if not page.records or not ends_here:
            return None
        header = page.response.headers.get("Link", "")
        return "Link" if _link(header, "") else response_fields.find_next(page.body, self.paths, page.response.headers)


def declared_paths(source: HttpSource) -> list[str]:
    """Return the paths that pipeline.yaml declares in an answer."""
    paging = source.paging
    beside = [paging.next, paging.total, paging.more] if paging else []
    return [path for path in [source.records, *beside] if path]


def _following(api: Api, request: Request, page: _Page, read: _Read, here: str) -> Request | None:
    """Return the request for the page after the one that was asked for, if there is one."""
    paging, (url, params) = api.source.paging, request
    if paging is None or paging.style == "one_answer":
        return None
    more = _more(page, paging, here)
    if more is False:
        return None
    if paging.style == "link":
        link = _link(page.response.headers.get("Link", ""), here)
        return (api.own(resolved(link, url), here), {}) if link else None
    parameter = paging.parameter or paging.style
    if paging.style == "cursor":
        cursor = response_fields.at(page.body, paging.next)
        if isinstance(cursor, Number):
            cursor = cursor.decode()
        if cursor and not isinstance(cursor, str | int):
            raise SourceUnreadable(
                f"{here}: the API's answer has {_shape(cursor)} at '{paging.next}', where paging.next expects the "
                "next cursor, text or a number; correct paging.next; nothing was published"
            )
        return (url, {**params, parameter: str(cursor)}) if cursor else None
    if read.reached_total:
        return None
    if not page.records and (not more or paging.style == "offset"):
        return None
    if paging.last == "short_page" and read.total is None and len(page.records) < paging.size:
        return None
    step = 1 if paging.style == "page" else len(page.records)
    return url, {**params, parameter: str(int(params.get(parameter, 0)) + step)}


def _more(page: _Page, paging: Paging, here: str) -> bool | None:
    """Return what the answer says of another page, where paging.more declares it."""
    if not paging.more:
        return None
    value = response_fields.at(page.body, paging.more)
    more = response_fields.boolean(value)
    if more is None:
        raise SourceUnreadable(
            f"{here}: the API's answer has {_shape(value)} at '{paging.more}', where paging.more expects true or "
            "false; correct paging.more; nothing was published"
        )
    return more


def _link(header: str, here: str) -> str | None:
    """Return where a Link header says that the next page is."""
    try:
        return response_fields.next_link(header)
    except ValueError as error:
        if not here:
            return None
        raise SourceUnreadable(
            f"{here}: the API's Link header cannot be read ({error}), so it does not tell whether there is another "
            'page; <address>; rel="next" is expected; ask the API\'s owner; nothing was published'
        ) from error


def _mark(request: Request) -> tuple[str, frozenset[tuple[str, str]]]:
    """Return what tells one request from another."""
    url, params = request
    return url, frozenset(params.items())


def _page(api: Api, response: Response, here: str) -> _Page:
    """Return an answer as a page, if it is one and does not say that it failed."""
    source = api.source
    body = _json(response, here)
    error = response_fields.find_error(body, source.error, declared_paths(source))
    if error:
        place, value = error
        told = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=bytes.decode)
        raise _passing(
            f"{here}: the API of connection '{source.connection}' answers 200 OK and says by '{place}' that it failed "
            f"({api.shown(told)}); run this task again later, or name by `error` in pipeline.yaml where this API says "
            "that it failed; nothing was published"
        )
    return _Page(body, _records(body, source.records, here), response)


def _json(response: Response, here: str) -> Any:
    try:
        return parse_json(response.content)  # bytes: JSON is UTF-8, whatever the header says
    except ValueError as error:
        kind, content = response.headers.get("Content-Type", "no content type"), response.content
        what = f"{here}: the API's answer ({kind}, {len(content)} bytes)"
        if content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"[")):
            raise _passing(
                f"{what} is JSON that is cut off or broken ({error}); run this task again, or ask the API's owner; "
                "nothing was published"
            ) from error
        raise SourceUnreadable(
            f"{what} is not JSON; correct the source's path, or add a header such as Accept to the connection; "
            "nothing was published"
        ) from error


def _records(body: Any, path: str, here: str) -> Records | None:
    """Return the list of records of an answer; None where it has null in its place, as some servers write it."""
    value, at = body, "the answer"
    for name in path.split(".") if path else []:
        if not isinstance(value, dict) or name not in value:
            raise SourceUnreadable(
                f"{here}: the API's answer has nothing at '{path}', where `records` expects the list of records: {at} "
                f"is {_shape(value)}; correct `records`; nothing was published"
            )
        value, at = value[name], f"'{name}'"
    if value is None:
        return None
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


def _passing(sentence: str) -> SourceUnreadable:
    """Return an error that may be gone when the API is asked again."""
    unreadable = SourceUnreadable(sentence)
    unreadable.retryable = True
    return unreadable


def _shape(value: Any) -> str:
    """Describe a JSON value by its kind and keys; what it holds is not shown."""
    if isinstance(value, dict):
        keys = [str(key)[:60] for key in list(value)[:20]] + ["..."] * (len(value) > 20)
        return f"an object with the keys {', '.join(keys)}" if value else "an object without keys"
    numbers = dict.fromkeys((int, float, Number), "a number")
    kinds = {list: "a list", str: "text", bool: "a truth value"} | numbers
    return kinds.get(type(value), "null")
