"""What an API's answer says beside its records: that it failed, that there is more, and how many records there are.

Everything here is a function of the answer's JSON. Where pipeline.yaml declares no path, the names that are in common
use are looked for: in the objects that lead to the records, and in the objects in them that are about the answer, such
as `meta`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from include.ingestion.values import Number

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

#: Objects that are about the answer, by their names in small letters without underscores.
ABOUT = {
    *("cursor", "cursors", "info", "links", "meta", "metadata", "page", "pageinfo", "pagination", "paging"),
    *("response", "responsemetadata", "result", "shards", "status"),
}

#: Names of what went wrong. A value that is empty, zero or false says that nothing did.
ERRORS = {
    *("errcode", "errmsg", "errno", "error", "errorcode", "errordescription", "errormessage", "errors", "exception"),
    *("failures", "fault"),
}

#: Names that say by `false` that the request failed, and those that say by `true` that records are missing.
SUCCEEDED = {"ok", "success"}
INCOMPLETE = {"incomplete", "incompleteresults", "partial", "partialresults", "timedout", "truncated"}

#: Names of a state, and what a state says of a failure: a number there is negative, or one of HTTP's, also with two
#: more digits (40301).
STATES = {"code", "result", "status", "statuscode"}
FAILED = re.compile(
    r"(err|errors?|fail|failed|failure|incomplete|ko|nok|partial|timeout)\b|[45]\d\d(\d\d)?$|-\d+$", re.IGNORECASE
)

#: Names that say by `true` that there is another page, and those of what leads to it.
MORE = {"hasmore", "hasnext", "hasnextpage", "istruncated", "more", "moreavailable"}
NEXT = {
    *("continuation", "continuationtoken", "lastevaluatedkey", "next", "nextcontinuationtoken", "nextcursor"),
    *("nextlink", "nextmarker", "nextoffset", "nextpage", "nextpagelink", "nextpagetoken", "nextpageurl"),
    *("nextrecordsurl", "nexttoken", "nexturl", "odata.nextlink"),
}
NEXT_HEADERS = {"x-next-page"}

#: Names that say by `false` that another page follows.
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
    """Return what is at a dotted path, or None."""
    for name in path.split("."):
        body = body.get(name) if isinstance(body, dict) else None
    return body


def said_error(body: Any, declared: list[str] | None, paths: Iterable[str]) -> tuple[str, Any] | None:
    """Return where an answer says that it failed, and what it says; None if it does not.

    Parameters
    ----------
    declared
        The only paths to look at; None to look for the names in common use.
    paths
        The declared paths to the records and to what is beside them.
    """
    if declared is not None:
        return next(((path, at(body, path)) for path in declared if _is_something(at(body, path))), None)
    failures = [(place, name, value) for place, name, value in _said(body, paths) if _is_failure(name, value)]
    failures.sort(key=lambda failure: failure[1] not in ERRORS)  # what went wrong tells more than that it did
    return next(((place, value) for place, _, value in failures), None)


def said_more(body: Any, paths: Iterable[str]) -> str | None:
    """Return where an answer says that there is another page; None if it does not."""
    for place, name, value in _said(body, paths):
        if (name in MORE and truth(value)) or (name in LAST and _is_false(value)):
            return place
    return None


def said_next(body: Any, paths: Iterable[str], headers: Mapping[str, str]) -> str | None:
    """Return where an answer has a link, cursor or number of another page; None if it has none."""
    said = (place for place, name, value in _said(body, paths) if _leads_on(name, value))
    of_headers = (f"header:{name}" for name, value in headers.items() if name.lower() in NEXT_HEADERS and value.strip())
    return next(said, None) or next(of_headers, None)


def said_pages(body: Any, paths: Iterable[str], headers: Mapping[str, str]) -> tuple[str, int] | None:
    """Return where an answer seems to say how many pages there are, and the highest such number."""
    return _highest([*_named(body, paths, PAGES), *_of_headers(headers, PAGES_HEADERS)])


def said_total(body: Any, paths: Iterable[str], headers: Mapping[str, str]) -> tuple[str, int] | None:
    """Return where an answer seems to say how many records there are, and the highest such number."""
    said = [*_named(body, paths, TOTALS), *_of_headers(headers, TOTAL_HEADERS)]
    # Elasticsearch has an object with the number in it
    said += [(f"{place}.value", value.get("value")) for place, value in said if isinstance(value, dict)]
    # "items 0-9/25", which a server may send with 200 as well
    said += [(place, value.rpartition("/")[2]) for place, value in _of_headers(headers, {"content-range"})]
    return _highest(said)


def whole_number(value: Any) -> int | None:
    """Return a number of records, which some APIs write as text; None if it is none."""
    if isinstance(value, str) and re.fullmatch(r"\d{1,18}", value):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def truth(value: Any) -> bool | None:
    """Return a truth value, which some APIs write as text or number; None if it is none."""
    text = str(value).lower()
    return True if text in ("true", "1") else False if text in ("false", "0") else None


def next_link(header: str) -> str | None:
    """Return the link of a Link header that has the relation `next`, or None.

    Raises
    ------
    ValueError
        If the header is no list of links as RFC 8288 has them.
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


#: A parameter of a link, and a link with its parameters and the comma after it.
_PARAMETER_TEXT = r"""(?:;\s*(?:([\w!#$%&'*+.^`|~-]+)\s*(?:=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",;]+)))?)?\s*)"""
_PARAMETER = re.compile(_PARAMETER_TEXT)
_LINK = re.compile(rf"\s*<(?P<target>[^<>]+)>\s*(?P<parameters>{_PARAMETER_TEXT}*)(?:,\s*|$)")


def _said(body: Any, paths: Iterable[str]) -> Iterator[tuple[str, str, Any]]:
    """Yield the place, the plain name and the value of each field beside the records."""
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
    return [(place, value) for place, name, value in _said(body, paths) if name in names]


def _of_headers(headers: Mapping[str, str], names: set[str]) -> list[tuple[str, str]]:
    return [(f"header:{name}", value) for name, value in headers.items() if name.lower() in names]


def _highest(said: Iterable[tuple[str, Any]]) -> tuple[str, int] | None:
    """Return the highest number, and where it is said."""
    found = [(place, number) for place, value in said if (number := whole_number(value)) is not None]
    return max(found, key=lambda each: each[1], default=None)


def _leads_on(name: str, value: Any) -> bool:
    """Return whether a field leads to another page."""
    if name == "links" and isinstance(value, list):  # of objects, each with its relation
        return any(isinstance(each, dict) and each.get("rel") == "next" for each in value)
    if name == "offset":  # a mark, where it is no number of rows
        return isinstance(value, str) and _is_something(value) and whole_number(value) is None
    return name in NEXT and _is_something(value)


def _plain(name: str) -> str:
    return re.sub(r"[_@-]", "", name).lower()


def _is_failure(name: str, value: Any) -> bool:
    if name in ERRORS:
        return _is_something(value)
    if name in SUCCEEDED:
        return truth(value) is False
    if name in STATES and isinstance(value, str | int):
        return FAILED.match(str(value)) is not None
    return name in INCOMPLETE and truth(value) is True


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
