"""An API's records come whole and in order, and what it does wrong is told in one sentence without its token."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from include.connections import EnvironmentConnections
from include.errors import SchemaMismatch, SourceUnreadable
from include.ingestion import api as asking
from include.ingestion.http import read_http
from include.source_config import HttpSource
from tests.services.api import TOKEN, Api, Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from include.ingestion.delivery import Delivery

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
    """Serve the rentals to who has the token."""
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


def deliver(what: HttpSource) -> Delivery:
    """Ask for the two days."""
    return read_http(what, START, END, EnvironmentConnections().api("rentals"), "source 'rentals'")


def tables(what: HttpSource) -> list[pa.Table]:
    """Return all chunks."""
    return [chunk.rows for chunk in deliver(what).chunks]


def ids(what: HttpSource) -> list[int]:
    """Return the ids of all records."""
    return [number for table in tables(what) for number in table["id"].to_pylist()]


def refused(what: HttpSource) -> SourceUnreadable:
    """Return the error, which is one sentence with an end that says what was published, and has no token."""
    with pytest.raises(SourceUnreadable) as caught:
        tables(what)
    sentence = str(caught.value)
    assert sentence.startswith("source 'rentals', ")
    assert sentence.endswith("nothing was published")
    assert TOKEN not in sentence
    return caught.value


@pytest.mark.parametrize("style", STYLES)
def test_every_style_of_paging_brings_the_records_of_the_range(api: Api, style: str) -> None:
    """All pages are read once and in order, and the day after the range is not among them."""
    assert ids(source(style)) == [0, 1, 2, 3, 4, 5, 6]
    assert len(api.asked) == (1 if style == "all" else 3)


@pytest.mark.parametrize("style", STYLES)
def test_a_source_that_names_its_day_is_asked_for_each_day_by_itself(api: Api, style: str) -> None:
    """Each day has a sequence of pages of its own."""
    assert ids(source(style, params={"ds": "{ds}"})) == [0, 1, 2, 3, 4, 5, 6]
    assert [asked.params["ds"] for asked in api.asked] == sorted(asked.params["ds"] for asked in api.asked)
    assert {asked.params["ds"] for asked in api.asked} == {"2024-01-01", "2024-01-02"}


def test_the_day_may_be_in_the_path_and_has_bounds_of_its_own(api: Api) -> None:
    """Beside {ds}, {start} and {end} are the bounds of that day."""
    assert ids(source(path="/v1/{ds}/all")) == [0, 1, 2, 3, 4, 5, 6]
    assert [(asked.path, asked.params) for asked in api.asked] == [
        ("/v1/2024-01-01/all", {"from": "2024-01-01T00:00:00Z", "to": "2024-01-02T00:00:00Z"}),
        ("/v1/2024-01-02/all", {"from": "2024-01-02T00:00:00Z", "to": "2024-01-03T00:00:00Z"}),
    ]


def test_a_range_is_asked_for_by_its_bounds(api: Api) -> None:
    """{start} is the first midnight and {end} the midnight after the last day."""
    tables(source())
    assert api.asked[0].params == {"from": "2024-01-01T00:00:00Z", "to": "2024-01-03T00:00:00Z"}


def test_a_snapshot_needs_no_day(api: Api) -> None:
    """The whole table comes with each delivery."""
    assert ids(source(params={}, arrives="snapshot")) == list(range(8))


def test_a_source_that_names_no_day_is_refused_unless_it_is_a_snapshot() -> None:
    """It would bring the same records for each day."""
    with pytest.raises(ValidationError, match=r"must contain \{ds\} or \{start\}"):
        source(params={})


def test_a_size_to_ask_for_must_be_named() -> None:
    """The parameter alone says nothing."""
    with pytest.raises(ValidationError, match="size_parameter needs `size`"):
        source("page", paging={"style": "page", "size_parameter": "limit"})


@pytest.mark.parametrize("style", ["page", "offset"])
@pytest.mark.parametrize("missing", [False, True], ids=["empty", "404"])
def test_without_a_size_the_pages_end_at_one_without_records(api: Api, style: str, missing: bool) -> None:
    """Past the last page some APIs answer with none, and some with 404."""
    api.missing_past_the_end = missing
    assert ids(source(style, paging={"style": style})) == [0, 1, 2, 3, 4, 5, 6]
    assert len(api.asked) == 4


@pytest.mark.parametrize("style", ["page", "offset"])
def test_a_full_last_page_is_no_end(api: Api, style: str) -> None:
    """Six records in pages of three end at a third page that is empty, or not there."""
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


def test_a_cursor_that_is_no_text_is_an_error(api: Api) -> None:
    """The sentence names the field and what is there."""
    api.next_cursor = {"after": 3}
    assert "has an object with the keys after at 'meta.next'" in str(refused(source("cursor")))


def test_a_link_that_repeats_itself_is_an_error(api: Api) -> None:
    """The second page leads to itself."""
    api.next_link = f"{api.url}/v1/link?link=3"
    assert "was read before, so its pages have no end" in str(refused(source("link")))


def test_a_link_below_the_address_is_followed(api: Api) -> None:
    """A link without a host is the API's own."""
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
        assert "so it was not followed and the token not sent there" in str(refused(source("link")))
    assert (len(api.asked), other.asked) == (1, [])


def test_a_redirect_is_not_followed(api: Api) -> None:
    """A redirect would take the token, or a header with a key, to another host."""
    with Api(RENTALS).serving() as other:
        api.faults.append(Fault(302, headers={"Location": f"{other.url}/v1/all?from=x"}))
        error = refused(source())
    assert f"answers 302 Found, which leads to {other.url}/v1/all and was not followed" in str(error)
    assert (error.retryable, other.asked) == (False, [])


@pytest.mark.parametrize("status", asking.PASSING_STATUS)
def test_a_failure_that_passes_is_asked_again(api: Api, status: int) -> None:
    """Two failures leave the third attempt."""
    api.faults.extend([Fault(status), Fault(status, headers={"Retry-After": "soon"})])
    assert ids(source()) == [0, 1, 2, 3, 4, 5, 6]
    assert len(api.asked) == 3


@pytest.mark.parametrize("status", asking.PASSING_STATUS)
def test_a_failure_that_stays_is_for_the_tasks_retry(api: Api, status: int) -> None:
    """After the last attempt the sentence shows the status and what the API says."""
    api.faults.extend([Fault(status, b"too much")] * 3)
    error = refused(source())
    assert f"answers {status} " in str(error)
    assert "at the last of up to 3 attempts (too much)" in str(error)
    assert error.retryable
    assert len(api.asked) == 3


def test_an_hour_of_retry_after_does_not_hold_the_task(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The longest wait is ours; without it this test would last an hour."""
    monkeypatch.setattr(asking, "LONGEST_WAIT_SECONDS", 0.01)
    api.faults.append(Fault(429, headers={"Retry-After": "3600"}))
    assert ids(source()) == [0, 1, 2, 3, 4, 5, 6]


def test_silence_is_asked_again_and_then_for_the_tasks_retry(api: Api) -> None:
    """An API that takes the request and says nothing is given up after the timeout."""
    api.faults.extend([Fault(hangs=True)] * 2)
    error = refused(source(timeout_seconds=0.05, attempts=2))
    assert "did not answer in up to 2 attempts" in str(error)
    assert "Read timed out" in str(error)
    assert error.retryable
    assert len(api.asked) == 2


def test_silence_that_ends_is_no_error(api: Api) -> None:
    """The third attempt brings the records, after a silence and a connection that was dropped."""
    api.faults.extend([Fault(hangs=True), Fault(drops=True)])
    assert ids(source(timeout_seconds=0.5)) == [0, 1, 2, 3, 4, 5, 6]


def test_an_answer_that_breaks_off_is_for_the_tasks_retry(api: Api) -> None:
    """Half a page is no page."""
    api.faults.append(Fault(body=b"[", cut=True))
    error = refused(source())
    assert "IncompleteRead" in str(error)
    assert error.retryable


def test_nobody_there_is_for_the_tasks_retry(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence says why, and neither it nor its cause shows the params."""
    connect(monkeypatch, api, host="http://127.0.0.1:9")
    error = refused(source(params={"from": "{start}", "api_key": TOKEN}))
    assert "Connection refused" in str(error)
    assert error.retryable
    assert TOKEN not in str(error.__cause__)


@pytest.mark.parametrize("status", [401, 403])
def test_wrong_credentials_are_not_tried_again(api: Api, status: int) -> None:
    """The sentence says where to correct them."""
    api.faults.append(Fault(status, TOKEN.encode()))
    error = refused(source())
    assert f"answers {status} " in str(error)
    assert "correct the connection's password (its token), login or headers" in str(error)
    assert not error.retryable
    assert len(api.asked) == 1


def test_a_wrong_token_is_told_without_it(api: Api) -> None:
    """A real refusal, with the token of somebody else."""
    api.credentials = "Bearer another"
    assert "answers 401 Unauthorized, so it does not accept the connection's credentials" in str(refused(source()))


@pytest.mark.parametrize("status", [400, 404, 410, 422])
def test_a_refused_request_shows_what_the_api_says(api: Api, status: int) -> None:
    """The beginning of the answer is shown, and a token that it repeats is not."""
    api.faults.append(Fault(status, f"no such thing\n for {TOKEN}{'.' * 500}".encode()))
    error = refused(source())
    assert f"answers {status} " in str(error)
    assert f"(no such thing for ***{'.' * 179})" in str(error)
    assert not error.retryable
    assert len(api.asked) == 1


def test_a_first_page_that_is_missing_is_an_error(api: Api) -> None:
    """Only past a page with records is 404 the end."""
    api.faults.append(Fault(404))
    assert "answers 404 Not Found (without a text)" in str(refused(source("page")))


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff\xfe\x00", b"[" * 100_000])
def test_an_answer_that_is_not_json_is_an_error(api: Api, body: bytes) -> None:
    """The sentence has the type and the size of what came instead."""
    api.faults.append(Fault(body=body, headers={"Content-Type": "text/html"}))
    assert f"the API's answer (text/html, {len(body)} bytes) is not JSON" in str(refused(source()))


@pytest.mark.parametrize(
    ("path", "body", "sentence"),
    [
        ("data.items", {"data": {"rows": [], "n": 1}}, "nothing at 'data.items', where `records` expects the list of "
         "records: 'data' is an object with the keys rows, n; correct `records`"),
        ("items", [], "nothing at 'items', where `records` expects the list of records: the answer is a list"),
        ("", {"items": []}, "no list of records as a whole: the answer is an object with the keys items"),
        ("items", {"items": {"a": 1}}, "no list of records at 'items': 'items' is an object with the keys a"),
        ("", "none", "no list of records as a whole: the answer is text"),
        ("", [{}, [1]], "record 2 is a list and not an object"),
        ("", [None], "record 1 is null and not an object"),
        ("", {str(n): n for n in range(30)}, "18, 19, ...; correct `records`"),
    ],
)  # fmt: skip
def test_records_that_are_not_where_they_should_be_are_an_error(
    api: Api, path: str, body: object, sentence: str
) -> None:
    """The sentence names the path and the keys that are there instead."""
    api.faults.append(Fault(body=json.dumps(body).encode()))
    assert sentence in str(refused(source(records=path)))


@pytest.mark.parametrize("body", [{"items": []}, {"items": None}])
def test_an_answer_without_records_yields_nothing(api: Api, body: object) -> None:
    """Some servers write null for a list without any."""
    api.faults.append(Fault(body=json.dumps(body).encode()))
    delivery = deliver(source(records="items"))
    assert list(delivery.chunks) == []
    assert (delivery.read_from["requests"], delivery.read_from["records"]) == (1, 0)


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
    """Half of a surrogate pair can be written in JSON and stands for no letter."""
    api.faults.append(Fault(body=json.dumps([{"x": "\ud800"}]).encode()))
    with pytest.raises(SchemaMismatch) as caught:
        tables(source())
    assert "column 'x' holds text that is not Unicode" in str(caught.value)
    assert str(caught.value).endswith("nothing was published")


def test_what_was_read_is_told_without_secrets(api: Api) -> None:
    """The manifest gets the counts and the first request; a secret does not belong among the params at all."""
    params = {"from": "{start}", "api_key": "abc", "PageToken": "def"}
    delivery = deliver(source("cursor", params=params))
    assert api.asked == []  # nothing is read before it is asked for
    chunks = list(delivery.chunks)
    assert json.loads(json.dumps(delivery.read_from)) == {
        "requests": 3,
        "records": 8,
        "path": "/v1/cursor",
        "params": {"from": "2024-01-01T00:00:00Z", "api_key": "***", "PageToken": "***"},
    }
    assert [chunk.where for chunk in chunks] == [f"source 'rentals', /v1/cursor, page {n}" for n in (1, 2, 3)]


def test_requests_keep_the_pace(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before each request but the first there is a pause, no longer than the pace asks for."""
    pauses: list[float] = []
    monkeypatch.setattr(asking, "sleep", pauses.append)
    assert len(ids(source("link", requests_per_second=0.001))) == 7
    assert len(pauses) == len(api.asked) - 1
    assert all(0 < pause <= 1000 for pause in pauses)


def test_the_token_is_in_no_log(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    """Not even at the most talkative level, when a request is made again."""
    caplog.set_level(logging.DEBUG)
    api.faults.extend([Fault(drops=True), Fault(503)])
    ids(source())
    assert [asked.headers["authorization"] for asked in api.asked] == [f"Bearer {TOKEN}"] * 3
    assert "Retrying" in caplog.text
    assert TOKEN not in caplog.text
