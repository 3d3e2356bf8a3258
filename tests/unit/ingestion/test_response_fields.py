"""What an API's response says outside its records is found by common names, or by the declared path."""

from __future__ import annotations

from typing import Any

import pytest

from include.ingestion import response_fields

ITEMS = "data.list.items"


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"error": "a"}, "error"),
        ({"data": {"error": "a"}}, "data.error"),
        ({"data": {"list": {"error": "a"}}}, "data.list.error"),
        ({"data": {"list": {"meta": {"errors": ["a"]}}}}, "data.list.meta.errors"),
        ({"status": "error", "errors": ["a"]}, "errors"),
        ({"data": {"list": {"items": [{"error": "a"}]}}}, None),
        ({"rows": {"error": "a"}}, None),
        ([{"error": "a"}], None),
        ("error", None),
    ],
)
def test_a_failure_is_looked_for_outside_the_records(body: Any, place: str | None) -> None:
    """The fields of a record may have any name; the field with the reason comes before the one with the state."""
    found = response_fields.find_error(body, None, [ITEMS])

    assert (found and found[0]) == place


def test_only_the_declared_paths_say_that_a_request_failed() -> None:
    """An API whose `errors` is a count says where it says it."""
    assert response_fields.find_error({"errors": 3, "x": {"y": "a"}}, ["z", "x.y"], []) == ("x.y", "a")
    assert response_fields.find_error({"errors": 3}, [], []) is None


@pytest.mark.parametrize(("value", "number"), [(0, 0), ("25", 25), (25, 25), (True, None), ("many", None), (2.5, None)])
def test_a_number_of_records_is_a_whole_one(value: Any, number: int | None) -> None:
    """Some APIs write it as text."""
    assert response_fields.whole_number(value) == number


@pytest.mark.parametrize(
    ("value", "truth"),
    [(True, True), ("False", False), (1, True), ("0", False), (None, None), ("maybe", None), (2, None)],
)
def test_a_truth_value_is_told_from_what_is_none(value: Any, truth: bool | None) -> None:
    """Some APIs write it as text or number."""
    assert response_fields.boolean(value) is truth


def test_the_largest_number_that_may_be_a_total_counts() -> None:
    """The count of a page is beside the count of all."""
    body = {"count": 10, "meta": {"total_count": "25"}, "data": {"total": 3.5}}

    assert response_fields.find_total(body, [ITEMS], {"X-Total": "20"}) == ("meta.total_count", 25)
    assert response_fields.find_total({"page": 3}, [ITEMS], {"x-total-count": "7", "Age": "9"}) == (
        "header:x-total-count",
        7,
    )
    assert response_fields.find_total({"page": 3}, [ITEMS], {}) is None
    assert response_fields.find_total([], [], {"Content-Range": "items 0-9/25"}) == ("header:Content-Range", 25)
    assert response_fields.find_total([], [], {"Content-Range": "0-9/*"}) is None
    body = {"hits": {"total": {"value": 25, "relation": "eq"}, "hits": []}}
    assert response_fields.find_total(body, ["hits.hits"], {}) == ("hits.total.value", 25)


def test_the_largest_number_that_may_be_one_of_pages_counts() -> None:
    """The answer has it, or its headers."""
    assert response_fields.find_page_count({"pages": 3, "meta": {"total_pages": "4"}}, [], {"X-Total-Pages": "2"}) == (
        "meta.total_pages",
        4,
    )
    assert response_fields.find_page_count([], [], {"X-WP-TotalPages": "2"}) == ("header:X-WP-TotalPages", 2)
    assert response_fields.find_page_count({"last_page": False, "page": 3}, [], {}) is None


@pytest.mark.parametrize(
    "body",
    [
        {"next": None},
        {"links": {"next": ""}},
        {"meta": {"has_more": False}},
        {"next": []},
        {"last": True, "hasMore": 0},
        {"last": "/?page=3", "is_last": None},
        {"links": [{"rel": "self", "href": "/"}, "next"]},
        {"offset": 10, "meta": {"offset": "20"}},
    ],
)
def test_an_answer_that_leads_nowhere_says_no_more(body: Any) -> None:
    """The field is there in the last answer too."""
    assert response_fields.find_more(body, []) is None
    assert response_fields.find_next(body, [], {"X-Next-Page": " "}) is None


@pytest.mark.parametrize(
    ("header", "link"),
    [
        ("", None),
        ('<a>; rel="prev"', None),
        ('<a>; rel="prev", <b?x=1,2>; rel="next"', "b?x=1,2"),
        ("<a>; rel=last, <b>; Rel=NEXT", "b"),
        ('<a>; title="<b>; rel=next"', None),
        ('<a>; rel="prev"; rel="next"', None),
    ],
)
def test_the_next_link_is_that_whose_first_relation_says_so(header: str, link: str | None) -> None:
    """As RFC 8288 has it."""
    assert response_fields.next_link(header) == link
