"""One page of an API: its JSON, its records, and the errors of a response that is no page."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from include.core.errors import SourceUnreadable
from include.ingestion import response_fields
from include.ingestion.values import Number, parse_json

if TYPE_CHECKING:
    from requests import Response

    from include.config.sources.http_source import HttpSource
    from include.ingestion.api import Api
    from include.ingestion.values import Record

    Records = list[Record]


@dataclass(frozen=True)
class Page:
    """One response: its JSON, its records (None if the response has null in place of the list), and its headers."""

    body: Any
    found: Records | None
    response: Response

    @property
    def records(self) -> Records:
        """The records; empty if the response has null in their place."""
        return self.found or []

    def at(self, path: str) -> Any:
        """Return the value at a dotted path of the JSON, or of a header if the path is like `header:X-Total-Count`."""
        name = path.removeprefix("header:")
        return response_fields.at(self.body, path) if name == path else self.response.headers.get(name)

    def next_link(self, here: str) -> str | None:
        """Return the address of the next page from the Link header; if `here` is empty, ignore a wrong header."""
        try:
            return response_fields.next_link(self.response.headers.get("Link", ""))
        except ValueError as error:
            if not here:
                return None
            raise SourceUnreadable(
                f"{here}: the API's Link header cannot be read ({error}), so whether another page follows is "
                'unknown; <address>; rel="next" is expected; ask the API\'s owner; nothing was published'
            ) from error


def page_of(api: Api, response: Response, here: str) -> Page:
    """Return a response as a page; raise if it is none or reports a failure."""
    source = api.source
    body = _json(response, here)
    error = response_fields.find_error(body, source.error, declared_paths(source))
    if error:
        place, value = error
        reason = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=bytes.decode)
        raise retryable(
            f"{here}: the API of connection '{source.connection}' returned 200 OK and reports a failure by '{place}' "
            f"({api.excerpt(reason)}); run this task again later, or name by `error` in pipeline.yaml the field by "
            "which this API reports a failure; nothing was published"
        )
    return Page(body, _records(body, source.records, here), response)


def declared_paths(source: HttpSource) -> list[str]:
    """Return the paths into a response that pipeline.yaml declares."""
    paging = source.paging
    about_pages = [paging.next, paging.total, paging.more] if paging else []
    return [path for path in [source.records, *about_pages] if path]


def _json(response: Response, here: str) -> Any:
    try:
        return parse_json(response.content)  # bytes: JSON is UTF-8, whatever the header says
    except ValueError as error:
        kind, content = response.headers.get("Content-Type", "no content type"), response.content
        what = f"{here}: the API's response ({kind}, {len(content)} bytes)"
        if content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"[")):
            raise retryable(
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
                f"{at} is {describe(value)}; correct `records`; nothing was published"
            )
        value, at = value[name], f"'{name}'"
    if value is None:
        return None
    if not isinstance(value, list):
        what = f"at '{path}'" if path else "as a whole"
        raise SourceUnreadable(
            f"{here}: the API's response has no list of records {what}: {at} is {describe(value)}; correct `records`; "
            "nothing was published"
        )
    for number, record in enumerate(value, start=1):
        if not isinstance(record, dict):
            raise SourceUnreadable(
                f"{here}: record {number} is {describe(record)} and not an object; correct `records`; nothing was "
                "published"
            )
    return value


def retryable(sentence: str) -> SourceUnreadable:
    """Return an error that may not occur at the next attempt."""
    unreadable = SourceUnreadable(sentence)
    unreadable.retryable = True
    return unreadable


def describe(value: Any) -> str:
    """Describe a JSON value by its type and keys, without showing its content."""
    if isinstance(value, dict):
        keys = [str(key)[:60] for key in list(value)[:20]] + ["..."] * (len(value) > 20)
        return f"an object with the keys {', '.join(keys)}" if value else "an object without keys"
    numbers = dict.fromkeys((int, float, Number), "a number")
    kinds = {list: "a list", str: "text", bool: "a boolean"} | numbers
    return kinds.get(type(value), "null")
