"""Follows the pages of an API to an end that the API declares, and extracts their records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.core.errors import SourceUnreadable
from include.ingestion import response_fields
from include.ingestion.api import resolved
from include.ingestion.page import describe, page_of
from include.ingestion.page_counter import PageCounter
from include.ingestion.values import Number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from include.config.sources.http_source import Paging
    from include.ingestion.api import Api, Params
    from include.ingestion.page import Page, Records

    Request = tuple[str, Params]

#: Consecutive pages without records after which numbered pages are considered endless.
EMPTY_PAGES = 100


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
    number, before, requested, counter = 1, None, set(), PageCounter(api.source)
    empty = 0
    while request:
        here = f"{api.where}, {path}" + (f", page {number}" if paging and paging.style != "one_answer" else "")
        requested.add(_identity(request))
        # past the last page, some APIs return an empty page and others 404
        response = api.get(*request, here, may_be_past_the_end=counted and number > 1)
        if response is None:
            counter.check_total(here)
            return
        page = page_of(api, response, here)
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


def _next_request(api: Api, request: Request, page: Page, counter: PageCounter, here: str) -> Request | None:
    """Return the request for the next page, or None after the last one."""
    paging, (url, params) = api.source.paging, request
    if paging is None or paging.style == "one_answer":
        return None
    more = _declared_more(page, paging, here)
    if more is False:
        return None
    if paging.style == "link":
        link = page.next_link(here)
        return (api.check_origin(resolved(link, url), here), {}) if link else None
    parameter = paging.parameter or paging.style
    if paging.style == "cursor":
        cursor = response_fields.at(page.body, paging.next or "")
        if isinstance(cursor, Number):
            cursor = cursor.decode()
        if cursor and not isinstance(cursor, str | int):
            raise SourceUnreadable(
                f"{here}: the API's response has {describe(cursor)} at '{paging.next}', where paging.next expects the "
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


def _declared_more(page: Page, paging: Paging, here: str) -> bool | None:
    """Return whether the field that paging.more names announces another page; None if paging.more is not set."""
    if not paging.more:
        return None
    value = response_fields.at(page.body, paging.more)
    more = response_fields.boolean(value)
    if more is None:
        raise SourceUnreadable(
            f"{here}: the API's response has {describe(value)} at '{paging.more}', where paging.more expects true or "
            "false; correct paging.more; nothing was published"
        )
    return more


def _identity(request: Request) -> tuple[str, frozenset[tuple[str, str]]]:
    """Return a hashable value that is equal for equal requests."""
    url, params = request
    return url, frozenset(params.items())
