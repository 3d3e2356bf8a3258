"""Follows the pages of an API's answers, and finds the records in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.errors import SourceUnreadable
from include.ingestion.api import resolved
from include.ingestion.values import Number, parse_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from requests import Response

    from include.ingestion.api import Api, Params

    Records = list[dict[str, Any]]
    Request = tuple[str, Params]


def pages(api: Api, path: str, params: Params) -> Iterator[tuple[str, Records]]:
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


def _following(api: Api, request: Request, answer: Response, body: Any, records: Records, here: str) -> Request | None:
    """Return the request for the page after the one that was asked for, if there is one."""
    paging, (url, params) = api.source.paging, request
    parameter = paging.parameter or paging.style
    if paging.style == "link":
        link = answer.links.get("next", {}).get("url")
        return (api.own(resolved(link, url), here), {}) if link else None
    if paging.style == "cursor":
        cursor = _at(body, paging.next)
        if isinstance(cursor, Number):
            cursor = cursor.decode()
        if cursor and not isinstance(cursor, str | int):
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


def _json(answer: Response, here: str) -> Any:
    try:
        return parse_json(answer.content)  # bytes: JSON is UTF-8, whatever the header says
    except ValueError as error:
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
    numbers = dict.fromkeys((int, float, Number), "a number")
    kinds = {list: "a list", str: "text", bool: "a truth value"} | numbers
    return kinds.get(type(value), "null")
