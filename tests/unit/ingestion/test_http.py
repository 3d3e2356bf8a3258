"""An API's records are read completely and in order, and a failure is one sentence without the token."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from include.config.sources.http_source import HttpSource
from include.core.connections import EnvironmentConnections
from include.core.errors import SchemaMismatch, SourceUnreadable
from include.ingestion import api as asking
from include.ingestion.http import read_http
from include.ingestion.paging import EMPTY_PAGES
from tests.services.api import TOKEN, Api, Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from include.ingestion.source_reader import SourceRows

START, END = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 3, tzinfo=UTC)

#: Seven rentals: four of the first day, three of the second, and one of the day after.
RENTALS = [
    {"id": number, "at": f"2024-01-0{day}T0{number}:00:00Z", "price": 1.5 * number}
    for number, day in enumerate([1, 1, 1, 1, 2, 2, 2, 3])
]

STYLES: dict[str, dict[str, Any] | None] = {
    "page": {"style": "page", "size": 3, "size_parameter": "limit"},
    "offset": {"style": "offset", "size": 3, "size_parameter": "limit"},
    "cursor": {"style": "cursor", "next": "meta.next"},
    "link": {"style": "link"},
    "all": None,
}


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """Serve the rentals to requests with the token."""
    monkeypatch.setattr(asking, "BACK_OFF_SECONDS", 0.001)
    with Api(RENTALS).serving() as serving:
        connect(monkeypatch, serving)
        yield serving


def connect(monkeypatch: pytest.MonkeyPatch, api: Api, **fields: object) -> None:
    """Define the connection `rentals`."""
    value = {"conn_type": "http", "host": api.url, "password": TOKEN} | fields
    monkeypatch.setenv("AIRFLOW_CONN_RENTALS", json.dumps(value))
    monkeypatch.setenv("no_proxy", "127.0.0.1")  # of a machine that has one


def source(style: str = "all", **changes: Any) -> HttpSource:
    """Return a source of rentals, one request sequence for the range."""
    fields: dict[str, Any] = {
        "kind": "http",
        "connection": "rentals",
        "path": f"/v1/{style}",
        "params": {"from": "{start}", "to": "{end}"},
        "records": "data.items" if STYLES[style] else "",
        "paging": STYLES[style],
        "key": ["id"],
        "columns": {"id": "integer", "at": "timestamp", "price": "float"},
        "available_at": "at",
        "requests_per_second": 1000,
        "attempts": 3,
    }
    return HttpSource(**fields | changes)


def deliver(what: HttpSource) -> SourceRows:
    """Request the two days."""
    return read_http(what, START, END, EnvironmentConnections().api("rentals"), "source 'rentals'")


def tables(what: HttpSource) -> list[pa.Table]:
    """Return all chunks."""
    return [chunk.rows for chunk in deliver(what).chunks]


def ids(what: HttpSource) -> list[int]:
    """Return the ids of all records."""
    return [number for table in tables(what) for number in table["id"].to_pylist()]


def refused(what: HttpSource) -> SourceUnreadable:
    """Return the error, which is one sentence without the token and says that nothing was published."""
    with pytest.raises(SourceUnreadable) as caught:
        tables(what)
    sentence = str(caught.value)
    assert sentence.startswith("source 'rentals', ")
    assert sentence.endswith("nothing was published")
    assert TOKEN not in sentence
    return caught.value


@pytest.mark.parametrize("style", STYLES)
def test_every_style_of_paging_reads_the_records_of_the_range(api: Api, style: str) -> None:
    """All pages are read once and in order, and the day after the range is not among them.

    Pages and offsets end at one without records.
    """
    assert ids(source(style)) == [0, 1, 2, 3, 4, 5, 6]
    assert len(api.asked) == {"all": 1, "page": 4, "offset": 4}.get(style, 3)


@pytest.mark.parametrize("style", STYLES)
def test_a_source_that_names_its_day_is_requested_day_by_day(api: Api, style: str) -> None:
    """Each day has a sequence of pages of its own."""
    assert ids(source(style, params={"ds": "{ds}"})) == [0, 1, 2, 3, 4, 5, 6]
    assert [asked.params["ds"] for asked in api.asked] == sorted(asked.params["ds"] for asked in api.asked)
    assert {asked.params["ds"] for asked in api.asked} == {"2024-01-01", "2024-01-02"}


def test_the_day_may_be_in_the_path_and_has_bounds_of_its_own(api: Api) -> None:
    """With {ds}, {start} and {end} are the bounds of that day."""
    assert ids(source(path="/v1/{ds}/all")) == [0, 1, 2, 3, 4, 5, 6]
    assert [(asked.path, asked.params) for asked in api.asked] == [
        ("/v1/2024-01-01/all", {"from": "2024-01-01T00:00:00Z", "to": "2024-01-02T00:00:00Z"}),
        ("/v1/2024-01-02/all", {"from": "2024-01-02T00:00:00Z", "to": "2024-01-03T00:00:00Z"}),
    ]


def test_the_parts_of_the_day_also_name_it(api: Api) -> None:
    """An API may need the day in another form."""
    assert ids(source(path="/v1/{year}/{month}/all", params={"ds": "{year}-{month}-{day}"})) == [0, 1, 2, 3, 4, 5, 6]
    assert [(asked.path, asked.params) for asked in api.asked] == [
        ("/v1/2024/01/all", {"ds": "2024-01-01"}),
        ("/v1/2024/01/all", {"ds": "2024-01-02"}),
    ]


def test_a_range_is_requested_by_its_bounds(api: Api) -> None:
    """{start} is the first midnight and {end} the midnight after the last day."""
    tables(source())
    assert api.asked[0].params == {"from": "2024-01-01T00:00:00Z", "to": "2024-01-03T00:00:00Z"}


def test_a_snapshot_needs_no_day(api: Api) -> None:
    """Each batch is the whole table."""
    assert ids(source(params={}, arrives="snapshot")) == list(range(8))


def test_a_source_that_names_no_day_is_refused_unless_it_is_a_snapshot() -> None:
    """It would have the same records for each day."""
    with pytest.raises(ValidationError, match=r"write \{ds\} .* or \{year\}, \{month\} and \{day\}, or the bounds"):
        source(params={})
    with pytest.raises(ValidationError, match="do not name the day"):
        source(params={"month": "{year}-{month}"})


def test_a_size_parameter_needs_a_size() -> None:
    """The parameter alone has no value."""
    with pytest.raises(ValidationError, match="size_parameter needs `size`"):
        source("page", paging={"style": "page", "size_parameter": "limit"})


@pytest.mark.parametrize("style", ["page", "offset"])
@pytest.mark.parametrize("missing", [False, True], ids=["empty", "404"])
def test_without_a_size_the_pages_end_at_one_without_records(api: Api, style: str, missing: bool) -> None:
    """Past the last page, some APIs return an empty page, and some return 404."""
    api.missing_past_the_end = missing
    assert ids(source(style, paging={"style": style})) == [0, 1, 2, 3, 4, 5, 6]
    assert len(api.asked) == 4


@pytest.mark.parametrize("style", ["page", "offset"])
def test_a_short_page_is_the_last_if_pipeline_yaml_says_so(api: Api, style: str) -> None:
    """Seven records in pages of three need no fourth request."""
    assert ids(source(style, paging=STYLES[style] | {"last": "short_page"})) == [0, 1, 2, 3, 4, 5, 6]
    assert len(api.asked) == 3


@pytest.mark.parametrize("style", ["page", "offset"])
def test_a_full_page_is_not_the_end(api: Api, style: str) -> None:
    """Six records in pages of three end at a third page that is empty or does not exist."""
    api.records, api.missing_past_the_end = RENTALS[:6], True
    assert ids(source(style)) == [0, 1, 2, 3, 4, 5]


def test_the_names_and_the_first_number_of_pages_are_the_apis(api: Api) -> None:
    """A parameter of another name is used, counted from where the API counts."""
    paging = {"style": "page", "parameter": "p", "first": 0, "size": 3}
    with pytest.raises(SourceUnreadable, match="the same records as for the page before; correct the source's paging"):
        tables(source("page", paging=paging))
    assert [asked.params["p"] for asked in api.asked] == ["0", "1"]


def test_a_cursor_that_repeats_itself_is_an_error(api: Api) -> None:
    """The pages would have no end."""
    api.next_cursor = "3"
    assert "was read before, so its pages have no end" in str(refused(source("cursor")))


def test_a_cursor_that_is_not_text_is_an_error(api: Api) -> None:
    """The error names the field and its value's type."""
    api.next_cursor = {"after": 3}
    assert "has an object with the keys after at 'meta.next'" in str(refused(source("cursor")))


def test_a_link_that_repeats_itself_is_an_error(api: Api) -> None:
    """The second page leads to itself."""
    api.next_link = f"{api.url}/v1/link?link=3"
    assert "was read before, so its pages have no end" in str(refused(source("link")))


def test_a_link_below_the_address_is_followed(api: Api) -> None:
    """A link without a host leads to the API itself."""
    api.records, api.next_link = RENTALS[:6], "/v1/link?link=3"
    assert ids(source("link")) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    "link",
    ["{other}/v1/link", "https://{host}/v1/link", "{other}\\@{host}/v1/link", "http://[/", "//elsewhere.example/"],
)
def test_a_link_to_elsewhere_is_not_followed(api: Api, link: str) -> None:
    """The token is sent nowhere else, however the link is written."""
    with Api(RENTALS).serving() as other:
        api.next_link = link.format(other=other.url, host=api.url.removeprefix("http://"))
        assert "so it was not followed and the token was not sent there" in str(refused(source("link")))
    assert (len(api.asked), other.asked) == (1, [])


def test_a_redirect_is_not_followed(api: Api) -> None:
    """A redirect would send the token, or a header with a key, to another host."""
    with Api(RENTALS).serving() as other:
        api.faults.append(Fault(302, headers={"Location": f"{other.url}/v1/all?from=x"}))
        error = refused(source())
    assert f"returned 302 Found, a redirect to {other.url}/v1/all, which was not followed" in str(error)
    assert (error.retryable, other.asked) == (False, [])


@pytest.mark.parametrize("status", asking.RETRIED_STATUS)
def test_a_temporary_failure_is_retried(api: Api, status: int) -> None:
    """After two failures, the third attempt succeeds."""
    api.faults.extend([Fault(status), Fault(status, headers={"Retry-After": "soon"})])
    assert ids(source()) == [0, 1, 2, 3, 4, 5, 6]
    assert len(api.asked) == 3


@pytest.mark.parametrize("status", asking.RETRIED_STATUS)
def test_a_lasting_failure_is_left_to_the_tasks_retry(api: Api, status: int) -> None:
    """After the last attempt, the error shows the status and the API's text."""
    api.faults.extend([Fault(status, b"too much")] * 3)
    error = refused(source())
    assert f"returned {status} " in str(error)
    assert "at the last of up to 3 attempts (too much)" in str(error)
    assert error.retryable
    assert len(api.asked) == 3


def test_an_hour_of_retry_after_does_not_hold_the_task(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our own limit ends the wait; without it, this test would take an hour."""
    monkeypatch.setattr(asking, "LONGEST_WAIT_SECONDS", 0.01)
    api.faults.append(Fault(429, headers={"Retry-After": "3600"}))
    assert ids(source()) == [0, 1, 2, 3, 4, 5, 6]


def test_silence_is_retried_and_then_left_to_the_tasks_retry(api: Api) -> None:
    """A request without a response is given up after the timeout."""
    api.faults.extend([Fault(hangs=True)] * 2)
    error = refused(source(timeout_seconds=0.05, attempts=2))
    assert "did not respond in up to 2 attempts" in str(error)
    assert "Read timed out" in str(error)
    assert error.retryable
    assert len(api.asked) == 2


def test_temporary_silence_is_not_an_error(api: Api) -> None:
    """The third attempt succeeds, after a timeout and a dropped connection."""
    api.faults.extend([Fault(hangs=True), Fault(drops=True)])
    assert ids(source(timeout_seconds=0.5)) == [0, 1, 2, 3, 4, 5, 6]


def test_a_truncated_response_is_left_to_the_tasks_retry(api: Api) -> None:
    """Half a page is not a page."""
    api.faults.append(Fault(body=b"[", cut=True))
    error = refused(source())
    assert "IncompleteRead" in str(error)
    assert error.retryable


@pytest.mark.parametrize("status", [201, 203, 204, 206])
def test_only_200_means_a_complete_response(api: Api, status: int) -> None:
    """Nobody requested part of a page, as 206 announces it."""
    api.faults.append(Fault(status, headers={"Content-Range": "bytes 0-1/90"}))
    assert f"returned {status} " in (told := str(refused(source())))
    assert "which does not mean that the response is complete; 200 OK is expected" in told


def test_a_proxys_404_is_not_the_end(api: Api) -> None:
    """A load balancer that has lost the API responds to the third request with an HTML page."""
    api.faults.extend([page([0]), Fault(404, b"<html>", {"Content-Type": "text/html; charset=utf-8"})])
    assert "returned 404 Not Found (<html>)" in str(refused(source("page")))


def test_an_unreachable_api_is_left_to_the_tasks_retry(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error gives the reason, and neither it nor its cause shows the params."""
    connect(monkeypatch, api, host="http://127.0.0.1:9")
    error = refused(source(params={"from": "{start}", "api_key": TOKEN}))
    assert "Connection refused" in str(error)
    assert error.retryable
    assert TOKEN not in str(error.__cause__)


@pytest.mark.parametrize("status", [401, 403])
def test_wrong_credentials_are_not_tried_again(api: Api, status: int) -> None:
    """The error says where to correct them."""
    api.faults.append(Fault(status, TOKEN.encode()))
    error = refused(source())
    assert f"returned {status} " in str(error)
    assert "correct the connection's password (its token), login or headers" in str(error)
    assert not error.retryable
    assert len(api.asked) == 1


def test_a_wrong_token_is_not_in_the_error(api: Api) -> None:
    """The API refuses the token of somebody else."""
    api.credentials = "Bearer another"
    assert "returned 401 Unauthorized, so it does not accept the connection's credentials" in str(refused(source()))


@pytest.mark.parametrize("status", [400, 404, 410, 422])
def test_a_refused_request_shows_the_apis_text(api: Api, status: int) -> None:
    """The error shows the beginning of the response, but not a token that it repeats."""
    api.faults.append(Fault(status, f"no such thing\n for {TOKEN}{'.' * 500}".encode()))
    error = refused(source())
    assert f"returned {status} " in str(error)
    assert f"(no such thing for ***{'.' * 179})" in str(error)
    assert not error.retryable
    assert len(api.asked) == 1


def test_a_missing_first_page_is_an_error(api: Api) -> None:
    """A 404 is the end only after a page with records."""
    api.faults.append(Fault(404))
    assert "returned 404 Not Found (without a text)" in str(refused(source("page")))


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff\xfe\x00", b"# busy"])
def test_a_response_that_is_not_json_is_an_error(api: Api, body: bytes) -> None:
    """The error has the type and size of the response."""
    api.faults.append(Fault(body=body, headers={"Content-Type": "text/html"}))
    assert f"the API's response (text/html, {len(body)} bytes) is not JSON" in str(refused(source()))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'[{"id": 1}, {"id": 2', "Expecting ',' delimiter: line 1 column 21"),
        (b'[{"id": 1}][{"id": 2}]', "Extra data: line 1 column 12"),
        (b'[{"id": 1, "price": 1.5, "price": 99}]', "an object has the name 'price' twice"),
        (b'[{"id": 1, "tags": {"a": 1, "a": 1}}]', "an object has the name 'a' twice"),
        (b"[" * 100_000, ""),
    ],
    ids=["cut", "two", "twice", "twice within", "deep"],
)
def test_json_that_would_lose_data_is_an_error(api: Api, body: bytes, reason: str) -> None:
    """If a price occurred twice, the second one was once published."""
    api.faults.append(Fault(body=body))
    error = refused(source())
    assert f"({reason}" in str(error)
    assert "is truncated or broken JSON" in str(error)
    assert error.retryable


@pytest.mark.parametrize(
    ("path", "body", "sentence"),
    [
        ("data.items", {"data": {"rows": [], "n": 1}}, "nothing at 'data.items', where `records` expects the list of "
         "records: 'data' is an object with the keys rows, n; correct `records`"),
        ("items", [], "nothing at 'items', where `records` expects the list of records: the response is a list"),
        ("", {"items": []}, "no list of records as a whole: the response is an object with the keys items"),
        ("items", {"items": {"a": 1}}, "no list of records at 'items': 'items' is an object with the keys a"),
        ("", "none", "no list of records as a whole: the response is text"),
        ("", [{}, [1]], "record 2 is a list and not an object"),
        ("", [None], "record 1 is null and not an object"),
        ("", {str(n): n for n in range(30)}, "18, 19, ...; correct `records`"),
    ],
)  # fmt: skip
def test_records_at_another_path_are_an_error(api: Api, path: str, body: object, sentence: str) -> None:
    """The error names the path and the keys of the response."""
    api.faults.append(Fault(body=json.dumps(body).encode()))
    assert sentence in str(refused(source(records=path)))


@pytest.mark.parametrize("body", [{"items": []}, {"items": None}])
def test_a_response_without_records_yields_nothing(api: Api, body: object) -> None:
    """Some servers write null for an empty list."""
    api.faults.append(Fault(body=json.dumps(body).encode()))
    delivery = deliver(source(records="items"))
    assert list(delivery.chunks) == []
    assert (delivery.read_from.requests, delivery.read_from.records) == (1, 0)


def test_the_columns_are_all_keys_of_a_page(api: Api) -> None:
    """A key that only the second record has is a column, nested values are JSON text, numbers and times as written."""
    body = [{"id": 1, "at": "2024-01-01"}, {"id": 2.5, "where": {"städte": ["Köln"]}, "tags": []}]
    api.faults.append(Fault(body=json.dumps(body, ensure_ascii=False).encode(), headers={"Content-Type": "text/plain"}))
    (table,) = tables(source())
    assert table.column_names == ["id", "at", "where", "tags"]
    assert table.to_pylist() == [
        {"id": 1, "at": "2024-01-01", "where": None, "tags": None},
        {"id": "2.5", "at": None, "where": '{"städte": ["Köln"]}', "tags": "[]"},
    ]


def test_text_that_is_not_unicode_is_a_mismatch(api: Api) -> None:
    """JSON can contain half of a surrogate pair, which is no character."""
    api.faults.append(Fault(body=json.dumps([{"x": "\ud800"}]).encode()))
    with pytest.raises(SchemaMismatch) as caught:
        tables(source())
    assert "column 'x' holds text that is not Unicode" in str(caught.value)
    assert str(caught.value).endswith("nothing was published")


def test_the_record_of_what_was_read_has_no_secrets(api: Api) -> None:
    """The manifest has the counts and the first request; secrets do not belong in the params."""
    params = {"from": "{start}", "api_key": "abc", "PageToken": "def"}
    delivery = deliver(source("cursor", params=params))
    assert api.asked == []  # nothing is read before it is asked for
    chunks = list(delivery.chunks)
    assert json.loads(json.dumps(delivery.read_from.to_json())) == {
        "requests": 3,
        "records": 8,
        "path": "/v1/cursor",
        "params": {"from": "2024-01-01T00:00:00Z", "api_key": "***", "PageToken": "***"},
    }
    assert [chunk.where for chunk in chunks] == [f"source 'rentals', /v1/cursor, page {n}" for n in (1, 2, 3)]


def test_requests_keep_the_pace(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pause precedes each request but the first, and is no longer than the rate requires."""
    pauses: list[float] = []
    monkeypatch.setattr(asking, "sleep", pauses.append)
    assert len(ids(source("link", requests_per_second=0.001))) == 7
    assert len(pauses) == len(api.asked) - 1
    assert all(0 < pause <= 1000 for pause in pauses)


def test_the_token_is_in_no_log(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    """The token is not logged even at the debug level, when a request is retried."""
    caplog.set_level(logging.DEBUG)
    api.faults.extend([Fault(drops=True), Fault(503)])
    ids(source())
    assert [asked.headers["authorization"] for asked in api.asked] == [f"Bearer {TOKEN}"] * 3
    assert "Retrying" in caplog.text
    assert TOKEN not in caplog.text


# what looks complete is complete


def page(numbers: list[int] | None, **outer: object) -> Fault:
    """Return a response with records at `data.items` and other fields next to `data`."""
    items = None if numbers is None else [RENTALS[number] for number in numbers]
    return Fault(body=json.dumps({"data": {"items": items}, **outer}).encode())


def link(numbers: list[int], header: str) -> Fault:
    """Return a response with a Link header."""
    return Fault(body=page(numbers).body, headers={"Link": header})


@pytest.mark.parametrize("style", ["page", "offset"])
def test_an_api_with_smaller_pages_than_requested_is_read_to_its_end(api: Api, style: str) -> None:
    """Asked for fifty records it gives three, and once two of them are none of ours; a day had a part of its rows."""
    api.faults.extend([page([0, 1, 2]), page([3]), page([4, 5, 6]), page([])])
    assert ids(source(style, paging={"style": style, "size": 50, "size_parameter": "limit"})) == [0, 1, 2, 3, 4, 5, 6]
    if style == "offset":
        assert [asked.params.get("offset") for asked in api.asked] == [None, "3", "4", "7"]


@pytest.mark.parametrize(
    "outer",
    [
        {"error": "rate limit of the-token-of-the-api"},
        {"errors": ["backend timeout"]},
        {"errors": [{"message": "backend timeout", "path": None}]},
        {"error": {"code": 0, "message": "backend timeout"}},
        {"status": "error"},
        {"status": "ERROR: backend timeout"},
        {"status": 500},
        {"statusCode": "503"},
        {"success": False},
        {"ok": "false"},
        {"meta": {"errorCode": 17}},
        {"status": {"error_code": 1001, "error_message": None}},
        {"incomplete_results": True},
        {"timed_out": True},
        {"success": 0},
        {"code": 40301, "msg": "quota"},
        {"code": -1},
        {"errno": 17},
        {"_shards": {"failed": 1, "failures": [{"reason": "timeout"}]}},
    ],
    ids=json.dumps,
)
def test_a_failure_with_status_200_is_an_error(api: Api, outer: dict[str, object]) -> None:
    """Some APIs return 200 and report a failure in the body; a day was once published with part of its rows."""
    api.faults.extend([page([0, 1, 2]), page([], **outer)])
    error = refused(source("page"))
    named = next(iter(outer))
    assert f"page 2: the API of connection 'rentals' returned 200 OK and reports a failure by '{named}" in str(error)
    assert error.retryable


@pytest.mark.parametrize("style", ["page", "cursor", "link"])
@pytest.mark.parametrize("items", [[3], [], None], ids=["records", "empty", "null"])
def test_a_failure_counts_whatever_records_it_has(api: Api, style: str, items: list[int] | None) -> None:
    """Records with an error are incomplete."""
    api.faults.append(page(items, error="backend timeout"))
    assert "reports a failure by 'error' (backend timeout); run this task again later" in str(refused(source(style)))


def test_a_failure_in_place_of_the_records_is_reported(api: Api) -> None:
    """A response with only an error is not a response with another path."""
    api.faults.append(Fault(body=b'{"error": {"message": "the quota is used up"}}'))
    assert 'reports a failure by \'error\' ({"message": "the quota is used up"})' in str(refused(source("page")))


def test_a_failure_next_to_the_records_is_found(api: Api) -> None:
    """The error is next to the list of records, below `data`."""
    api.faults.append(Fault(body=b'{"data": {"items": [], "error": "quota"}}'))
    assert "reports a failure by 'data.error' (quota)" in str(refused(source("page")))


@pytest.mark.parametrize(
    "outer",
    [
        {"error": None, "errors": [], "exception": ""},
        {"error": False, "errors": {}, "fault": 0},
        {"error": {"code": 0, "message": ""}, "error_message": "none"},
        {"status": "ok", "success": True, "ok": 1, "code": 200},
        {"status": 200, "code": "0", "partial": False},
        {"status": "active", "result": {"error_code": 0}},
        {"rows": {"error": "a name"}, "warnings": ["slow"]},
        {"error": "No error", "_shards": {"failures": []}},
    ],
    ids=json.dumps,
)
def test_an_empty_error_field_is_not_a_failure(api: Api, outer: dict[str, object]) -> None:
    """Many APIs have the field in each response."""
    api.faults.extend([page([0, 1, 2], **outer), page([], **outer)])
    assert ids(source("page")) == [0, 1, 2]


def test_the_field_of_a_failure_may_be_declared(api: Api) -> None:
    """Only the declared path counts: `errors` is not a failure here."""
    api.faults.extend([page([0], errors=3), page([], outcome={"fault": "backend"})])
    assert "reports a failure by 'outcome.fault' (backend)" in str(refused(source("page", error="outcome.fault")))
    api.faults.extend([page([0], errors=3), page([])])
    assert ids(source("page", error=[])) == [0]


@pytest.mark.parametrize("style", ["page", "offset", "cursor"])
def test_null_after_records_is_not_the_end_unless_declared(api: Api, style: str) -> None:
    """A failing backend leaves null in place of the list; a server in Go writes null for an empty list."""
    answers = [page([0, 1, 2], meta={"next": "3"}), page(None)]
    api.faults.extend(answers)
    error = refused(source(style))
    assert "null in place of a list after 3 records, which does not mean that these are all" in str(error)
    assert error.retryable
    api.faults.extend(answers)
    assert ids(source(style, paging=STYLES[style] | {"last": "null_page"})) == [0, 1, 2]


def test_a_total_ends_the_pages(api: Api) -> None:
    """Once all records are read, no further page is requested, however few the last one has."""
    paging = STYLES["page"] | {"total": "meta.total"}
    api.faults.extend([page([0, 1], meta={"total": 4}), page([2], meta={"total": "4"}), page([3], meta={"total": 4})])
    assert ids(source("page", paging=paging)) == [0, 1, 2, 3]
    api.faults.append(page(None, meta={"total": 0}))
    assert ids(source("page", paging=paging)) == []


def test_a_total_may_be_in_a_header(api: Api) -> None:
    """Many APIs have the total there."""
    first, last = page([0, 1]), page([2])
    first.headers["X-Total-Count"] = last.headers["X-Total-Count"] = "3"
    paging = {"style": "page", "total": "header:x-total-count"}
    api.faults.extend([first, last])
    assert ids(source("page", paging=paging)) == [0, 1, 2]
    api.faults.extend([first, page([])])
    assert "has null at 'header:x-total-count'" in str(refused(source("page", paging=paging)))


def test_a_refused_page_past_the_last_is_an_error(api: Api) -> None:
    """Some APIs return 400 there, others an empty page or 404."""
    api.faults.extend([page([0]), Fault(400, b"page out of range")])
    told = str(refused(source("page")))
    assert "if the page before was the last, declare the end of the pages by paging.total, more or last" in told


@pytest.mark.parametrize("style", ["page", "offset", "cursor", "link"])
@pytest.mark.parametrize(
    "last",
    [page([], meta={"total": 5}), page(None, meta={"total": 5}), page([3, 4, 5], meta={"total": 5})],
    ids=["empty", "null", "more"],
)
def test_a_total_that_differs_from_the_records_is_an_error(api: Api, style: str, last: Fault) -> None:
    """The error has both numbers."""
    first = page([0, 1, 2], meta={"total": 5, "next": "3"})
    first.headers["Link"] = f'<{api.url}/v1/link?link=3>; rel="next"'
    api.faults.extend([first, last])
    error = refused(source(style, paging=STYLES[style] | {"total": "meta.total"}))
    came = 6 if b"price" in last.body else 3
    assert f"page 2: the pages end after {came} records, and the API's 'meta.total' declares 5" in str(error)
    assert error.retryable


def test_a_missing_page_before_the_total_is_an_error(api: Api) -> None:
    """404 is the end only once all records are read."""
    api.faults.extend([page([0, 1, 2], meta={"total": 5}), Fault(404)])
    told = str(refused(source("page", paging=STYLES["page"] | {"total": "meta.total"})))
    assert "the pages end after 3 records, and the API's 'meta.total' declares 5" in told


def test_a_total_that_changes_is_an_error(api: Api) -> None:
    """A record that is deleted meanwhile moves another one across a page boundary, where it is not read."""
    api.faults.extend([page([0, 1, 2], meta={"total": 6}), page([4, 5], meta={"total": 5})])
    error = refused(source("page", paging=STYLES["page"] | {"total": "meta.total"}))
    assert "the API's total changed from 6 to 5, so its records changed while they were being read" in str(error)
    assert error.retryable


def test_a_total_that_is_not_a_number_is_an_error(api: Api) -> None:
    """A missing total is an error too."""
    api.faults.append(page([0]))
    told = str(refused(source("page", paging=STYLES["page"] | {"total": "meta.total"})))
    assert "has null at 'meta.total', where paging.total expects the number of all records" in told


def test_an_undeclared_total_is_compared_with_the_records(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    """It may count something else, so the log only shows both numbers."""
    api.faults.extend([page([0, 1], meta={"total": 3}), page([2]), page([], meta={"total": 3})])
    assert ids(source("page")) == [0, 1, 2]
    assert not caplog.records
    api.faults.extend([page([0, 1], meta={"total": 3}), page([], meta={"total": 3})])
    assert ids(source("page")) == [0, 1]
    assert "the pages end after 2 records, and the API's response has 3 at 'meta.total'; if this is the" in caplog.text


@pytest.mark.parametrize("style", ["page", "offset", "cursor", "link"])
@pytest.mark.parametrize(
    "outer", [{"has_more": True}, {"meta": {"hasMore": "true"}}, {"pageInfo": {"hasNextPage": True}}]
)
def test_an_end_that_announces_more_is_an_error(api: Api, style: str, outer: dict[str, object]) -> None:
    """A missing cursor or link, or a page whose records were all filtered out, is not the end."""
    api.faults.append(page([], **outer))
    told = str(refused(source(style)))
    assert f"the pages end after 0 records, and the API's response announces more by '{next(iter(outer))}" in told
    assert "; correct `paging`" in told


@pytest.mark.parametrize(
    "outer",
    [
        {"next": "https://api.example.com/?page=2"},
        {"links": {"next": "/?page=2"}},
        {"_links": {"next": {"href": "/?page=2"}}},
        {"meta": {"next_page": 2}},
        {"nextPageToken": "abc"},
        {"paging": {"cursors": {"after": "abc"}, "next": "https://api.example.com"}},
        {"@odata.nextLink": "https://api.example.com"},
        {"has_more": True},
        {"total": 4},
        {"meta": {"total_count": "120"}},
        {"has_more": 1},
        {"last": False},
        {"pages": 3},
        {"meta": {"current_page": 1, "total_pages": 3}},
        {"links": [{"rel": "next", "href": "/?page=2"}]},
        {"LastEvaluatedKey": {"id": 9}},
        {"offset": "itr1/rec9"},
    ],
    ids=json.dumps,
)
def test_a_first_page_with_more_needs_declared_paging(api: Api, outer: dict[str, object]) -> None:
    """Without `paging`, only the first page of each day was once read, silently."""
    api.faults.extend([page([0, 1, 2], **outer)] * 2)
    told = str(refused(source(records="data.items")))
    assert f"'{next(iter(outer))}" in told
    assert ids(source(records="data.items", paging={"style": "one_answer"})) == [0, 1, 2]
    assert "; declare by `paging` how the API splits its responses" in told


@pytest.mark.parametrize(
    ("name", "value"), [("X-Next-Page", "2"), ("X-Total-Pages", "3"), ("Content-Range", "items 0-2/25")]
)
def test_a_header_may_announce_more_pages(api: Api, name: str, value: str) -> None:
    """GitLab, WordPress and PostgREST announce them only there."""
    api.faults.append(Fault(body=page([0, 1, 2]).body, headers={name: value}))
    assert f"header:{name}'; declare by `paging`" in str(refused(source(records="data.items")))


def test_pages_without_records_have_an_end(api: Api) -> None:
    """An API that always announces more was once requested until the deadline, an hour later."""
    api.faults.extend([page([0], more=True), *[page([], more=True)] * EMPTY_PAGES])
    told = str(refused(source("page", paging={"style": "page", "more": "more"}, requests_per_second=100_000)))
    assert "sent 100 pages without records, one after another, and announces more by 'more'" in told


def test_a_link_header_without_declared_paging_is_an_error(api: Api) -> None:
    """The header announces more pages."""
    api.faults.append(link([0], f'<{api.url}/v1/all?page=2>; rel="next"'))
    assert "announces more by 'Link'; declare by `paging`" in str(refused(source(records="data.items")))


def test_the_field_that_announces_more_may_be_declared(api: Api) -> None:
    """It overrides an empty page, and a cursor that leads nowhere."""
    answers = [page([0], more={"left": True}), page([], more={"left": True}), page([1], more={"left": False})]
    api.faults.extend(answers)
    assert ids(source("page", paging={"style": "page", "more": "more.left"})) == [0, 1]
    api.faults.extend([page([0], next="a", more=1), page([1], next="b", more=0)])
    assert ids(source("cursor", paging={"style": "cursor", "next": "next", "more": "more"})) == [0, 1]
    api.faults.extend([page([0], next="a", more=True), page([1], next=None, more=True)])
    told = str(refused(source("cursor", paging={"style": "cursor", "next": "next", "more": "more"})))
    assert "the pages end after 2 records, and the API's response announces more by 'more'" in told
    api.faults.append(page([0]))
    told = str(refused(source("page", paging={"style": "page", "more": "more"})))
    assert "has null at 'more', where paging.more expects true or false" in told


@pytest.mark.parametrize(
    "header",
    [
        "<{next}>; rel=next",
        '<{next}>; title="a, b; c"; REL="prev Next"',
        '<{first}>; rel="first",<{next}>;rel="next"',
        '<{next}> ;rel="next" , ',
    ],
)
def test_a_link_header_may_be_written_in_several_ways(api: Api, header: str) -> None:
    """RFC 8288 allows all of them."""
    api.faults.append(link([0], header.format(next=f"{api.url}/v1/link?link=9", first=f"{api.url}/v1/link")))
    assert ids(source("link")) == [0]
    assert len(api.asked) == 2


@pytest.mark.parametrize(
    "header", ["{next}; rel=next", '<{next}; rel="next"', "next", '<{next}> rel="next"', "<>; rel=next"]
)
def test_an_unreadable_link_header_is_not_the_end(api: Api, header: str) -> None:
    """Its page was once treated as the last one."""
    api.faults.append(link([0], header.format(next=f"{api.url}/v1/link?link=3")))
    assert "the API's Link header cannot be read (no link at character 1)" in str(refused(source("link")))


@pytest.mark.parametrize(
    "paging",
    [{"style": "page", "last": "short_page"}, {"style": "link", "size": 3, "last": "short_page"}],
)
def test_last_short_page_needs_a_size(paging: dict[str, Any]) -> None:
    """Without a size, no page is short; a cursor or link ends by itself."""
    with pytest.raises(ValidationError, match="last: short_page needs `size`"):
        source("page", paging=paging)
