"""Finds what an API's response says outside its records: an error, another page, the number of all records.

Everything here is a function of the response's JSON and headers. If pipeline.yaml declares no path, the functions look
for common names: in the objects on the path to the records, and in their children that describe the response, such as
`meta`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from include.ingestion.values import Number

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

#: Names of objects that describe the response, in lower case and without underscores.
ABOUT = {
    *("cursor", "cursors", "info", "links", "meta", "metadata", "page", "pageinfo", "pagination", "paging"),
    *("response", "responsemetadata", "result", "shards", "status"),
}

#: Names of an error. An empty, zero or false value means that there was none.
ERRORS = {
    *("errcode", "errmsg", "errno", "error", "errorcode", "errordescription", "errormessage", "errors", "exception"),
    *("failures", "fault"),
}

#: Names that report a failed request by `false`, and names that report missing records by `true`.
SUCCEEDED = {"ok", "success"}
INCOMPLETE = {"incomplete", "incompleteresults", "partial", "partialresults", "timedout", "truncated"}

#: Names of a status, and the statuses that mean failure. A number means failure if it is negative or an HTTP error,
#: possibly with two more digits (40301).
STATES = {"code", "result", "status", "statuscode"}
FAILED = re.compile(
    r"(err|errors?|fail|failed|failure|incomplete|ko|nok|partial|timeout)\b|[45]\d\d(\d\d)?$|-\d+$", re.IGNORECASE
)

#: Names that announce another page by `true`, and names of the link, cursor or number that leads to it.
MORE = {"hasmore", "hasnext", "hasnextpage", "istruncated", "more", "moreavailable"}
NEXT = {
    *("continuation", "continuationtoken", "lastevaluatedkey", "next", "nextcontinuationtoken", "nextcursor"),
    *("nextlink", "nextmarker", "nextoffset", "nextpage", "nextpagelink", "nextpagetoken", "nextpageurl"),
    *("nextrecordsurl", "nexttoken", "nexturl", "odata.nextlink"),
}
NEXT_HEADERS = {"x-next-page"}

#: Names that announce another page by `false`.
LAST = {"islast", "islastpage", "last", "lastpage"}

#: Names of the number of all pages.
PAGES = {"lastpage", "numpages", "pagecount", "pages", "pagestotal", "pagetotal", "totalpages"}
PAGES_HEADERS = {"x-page-count", "x-total-pages", "x-wp-totalpages"}

#: Names of the number of all records.
TOTALS = {
    *(
        "count",
        "odata.count",
        "total",
        "totalcount",
        "totalelements",
        "totalhits",
        "totalitems",
        "totalrecords",
        "totalresults",
    ),
    *("totalrows", "totalsize"),
}

TOTAL_HEADERS = {"total-count", "x-total", "x-total-count", "x-wp-total"}

NOTHING = ("", "0", "false", "no", "no error", "no errors", "none", "null", "ok", "success")


def at(body: Any, path: str) -> Any:
    """Return the value at a dotted path, or None."""
    for name in path.split("."):
        body = body.get(name) if isinstance(body, dict) else None
    return body


def find_error(body: Any, declared: list[str] | None, paths: Iterable[str]) -> tuple[str, Any] | None:
    """Return the place and the value of the field by which a response reports a failure, or None.

    Parameters
    ----------
    declared
        The only paths to look at; None to look for common names.
    paths
        The declared paths: to the records and to the fields about pages.
    """
    if declared is not None:
        return next(((path, at(body, path)) for path in declared if _is_something(at(body, path))), None)
    failures = [(place, name, value) for place, name, value in _outer_fields(body, paths) if _is_failure(name, value)]
    failures.sort(key=lambda failure: failure[1] not in ERRORS)  # a reason says more than a status
    return next(((place, value) for place, _, value in failures), None)


def find_more(body: Any, paths: Iterable[str]) -> str | None:
    """Return the place of the field by which a response announces another page, or None."""
    for place, name, value in _outer_fields(body, paths):
        if (name in MORE and boolean(value)) or (name in LAST and _is_false(value)):
            return place
    return None


def find_next(body: Any, paths: Iterable[str], headers: Mapping[str, str]) -> str | None:
    """Return the place of the link, cursor or number of another page, or None."""
    said = (place for place, name, value in _outer_fields(body, paths) if _leads_on(name, value))
    in_headers = (f"header:{name}" for name, value in headers.items() if name.lower() in NEXT_HEADERS and value.strip())
    return next(said, None) or next(in_headers, None)


def find_page_count(body: Any, paths: Iterable[str], headers: Mapping[str, str]) -> tuple[str, int] | None:
    """Return the highest number that seems to count all pages, with its place, or None."""
    return _highest([*_named(body, paths, PAGES), *_in_headers(headers, PAGES_HEADERS)])


def find_total(body: Any, paths: Iterable[str], headers: Mapping[str, str]) -> tuple[str, int] | None:
    """Return the highest number that seems to count all records, with its place, or None."""
    said = [*_named(body, paths, TOTALS), *_in_headers(headers, TOTAL_HEADERS)]
    # Elasticsearch nests the number in an object
    said += [(f"{place}.value", value.get("value")) for place, value in said if isinstance(value, dict)]
    # "items 0-9/25", which some servers send with status 200
    said += [(place, value.rpartition("/")[2]) for place, value in _in_headers(headers, {"content-range"})]
    return _highest(said)


def whole_number(value: Any) -> int | None:
    """Return a value as a whole number, which some APIs write as text; None if it is none."""
    if isinstance(value, str) and re.fullmatch(r"\d{1,18}", value):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def boolean(value: Any) -> bool | None:
    """Return a value as a boolean, which some APIs write as text or number; None if it is none."""
    text = str(value).lower()
    return True if text in ("true", "1") else False if text in ("false", "0") else None


def next_link(header: str) -> str | None:
    """Return the link of a Link header that has the relation `next`, or None.

    Raises
    ------
    ValueError
        If the header is not a list of links as in RFC 8288.
    """
    found, position = None, 0
    while position < len(header):
        link = _LINK.match(header, position)
        if link is None:
            raise ValueError(f"no link at character {position + 1}")
        parameters = _PARAMETER.finditer(link["parameters"])
        relations = next((each[2] or each[3] or "" for each in parameters if (each[1] or "").lower() == "rel"), "")
        if "next" in relations.lower().split() and found is None:
            found = link["target"].strip()
        position = link.end()
    return found


#: A parameter of a link; a link with its parameters and the comma after it.
_PARAMETER_TEXT = r"""(?:;\s*(?:([\w!#$%&'*+.^`|~-]+)\s*(?:=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",;]+)))?)?\s*)"""
_PARAMETER = re.compile(_PARAMETER_TEXT)
_LINK = re.compile(rf"\s*<(?P<target>[^<>]+)>\s*(?P<parameters>{_PARAMETER_TEXT}*)(?:,\s*|$)")


def _outer_fields(body: Any, paths: Iterable[str]) -> Iterator[tuple[str, str, Any]]:
    """Yield the place, the plain name and the value of each field outside the records."""
    seen: set[str] = set()
    for path in ["", *paths]:
        *parents, _ = path.split(".")
        for depth in range(len(parents) + 1):
            place = ".".join(parents[:depth])
            found = at(body, place) if place else body
            if place in seen or not isinstance(found, dict):
                continue
            seen.add(place)
            for name, value in found.items():
                where = f"{place}.{name}" if place else name
                yield where, _plain(name), value
                if _plain(name) in ABOUT and isinstance(value, dict) and where not in seen:
                    seen.add(where)
                    yield from ((f"{where}.{inner}", _plain(inner), each) for inner, each in value.items())


def _named(body: Any, paths: Iterable[str], names: set[str]) -> list[tuple[str, Any]]:
    return [(place, value) for place, name, value in _outer_fields(body, paths) if name in names]


def _in_headers(headers: Mapping[str, str], names: set[str]) -> list[tuple[str, str]]:
    return [(f"header:{name}", value) for name, value in headers.items() if name.lower() in names]


def _highest(said: Iterable[tuple[str, Any]]) -> tuple[str, int] | None:
    """Return the highest number and its place."""
    found = [(place, number) for place, value in said if (number := whole_number(value)) is not None]
    return max(found, key=lambda each: each[1], default=None)


def _leads_on(name: str, value: Any) -> bool:
    """Return whether a field has a link, cursor or number of another page."""
    if name == "links" and isinstance(value, list):  # a list of objects, each with its relation
        return any(isinstance(each, dict) and each.get("rel") == "next" for each in value)
    if name == "offset":  # a cursor, unless it is a number of rows
        return isinstance(value, str) and _is_something(value) and whole_number(value) is None
    return name in NEXT and _is_something(value)


def _plain(name: str) -> str:
    return re.sub(r"[_@-]", "", name).lower()


def _is_failure(name: str, value: Any) -> bool:
    if name in ERRORS:
        return _is_something(value)
    if name in SUCCEEDED:
        return boolean(value) is False
    if name in STATES and isinstance(value, str | int):
        return FAILED.match(str(value)) is not None
    return name in INCOMPLETE and boolean(value) is True


def _is_false(value: Any) -> bool:
    return value is False or (isinstance(value, str) and value.lower() == "false")


def _is_something(value: Any) -> bool:
    if isinstance(value, str):
        return value.strip().lower() not in NOTHING
    if isinstance(value, list):
        return any(_is_something(each) for each in value)
    if isinstance(value, dict):
        return any(_is_something(each) for each in value.values())
    if isinstance(value, Number):
        return float(value) != 0
    return value not in (None, False, 0)
