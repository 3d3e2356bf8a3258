"""The page of all models: each row says what is wrong with it, and the address of the page sorts and filters."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest

from include.reports.model_row import (
    Action,
    Alert,
    FailedRun,
    HeldSince,
    LastVerdict,
    Metric,
    ModelState,
    OpenApproval,
    Schedule,
    model_row,
)
from include.reports.models_page import View, arrange, message_page, models_page

if TYPE_CHECKING:
    from include.reports.model_row import ModelRow

NOW = datetime(2024, 3, 21, 6, 0, tzinfo=UTC)
TODAY = NOW.date()
OLD = date(2024, 3, 12)
DRIFT, HELD = Alert("drift", "price", "PSI"), HeldSince("ana", "2024-03-20", "prices change")
EVIL = "<script>alert(1)</script>"
SHOP = ModelState(
    pipeline="shop",
    description="What will each store take tomorrow?",
    owner="shop-team",
    champion=7,
    champion_page="http://mlflow.example/#/models/shop/versions/7",
    since=datetime(2024, 3, 18, 2, 13, tzinfo=UTC),
    metric=Metric("mae", 5.1, 4.9, 5.3),
    verdict=LastVerdict("kept", "2024-03-20", datetime(2024, 3, 21, 2, tzinfo=UTC), 8, "keep: GATE005 within noise"),
    data_through=date(2024, 3, 20),
    predictions_through=date(2024, 3, 20),
    scheduled={"ingest": "15 0 * * *", "retrain": "after_ingest", "score": "after_ingest"},
)


def row(schedule: Schedule | None = None, **changes: Any) -> ModelRow:
    """Return the shop's row with some fields changed."""
    return model_row(replace(SHOP, **changes), schedule or Schedule(), TODAY)


def page(*rows: ModelRow, view: View | None = None, **more: Any) -> str:
    """Return the page of some rows."""
    return models_page(rows, view or View(), now=NOW, root="../../", nonce="n0nce", **more)


def names(text: str) -> list[str]:
    """Return the names of the pipelines on a page, in their order."""
    return re.findall(r'rowheader"><a [^>]*>(\w+)</a>', text)


def test_a_row_says_who_is_the_champion_and_why_the_last_run_changed_nothing() -> None:
    """A stranger reads version, day, metric and reason without a click."""
    text = page(row(Schedule(next_run=datetime(2024, 3, 22, 0, 15, tzinfo=UTC), next_what="after the ingestion")))

    assert ">version 7</a>" in text
    assert 'since <time datetime="2024-03-18T02:13:00+00:00">2024-03-18 02:13</time>' in text
    assert re.search(r"mae 5\.1 <small>4\.9 to 5\.3</small>", text)
    assert '<span class="badge ">kept</span>' in text
    assert "keep: GATE005 within noise" in text
    assert "2024-03-20 <small>yesterday</small>" in text
    assert "2024-03-22 00:15" in text
    assert '<span class="good">nothing</span>' in text


def test_a_first_champion_of_yesterday_is_not_late() -> None:
    """It predicts after the next ingestion, and the page of a finished demo has no problem."""
    assert row(since=datetime(2024, 3, 20, 23, tzinfo=UTC), predictions_through=None).problems == ()


@pytest.mark.parametrize(
    ("kind", "says", "changed"),
    [
        ("unreadable", "no record", row(errors=("no record",))),
        ("failed", "the last score run failed", row(Schedule(failed=(FailedRun("score", NOW, "dags/shop.score"),)))),
        ("held", "held by ana: prices change", row(hold=HELD)),
        ("approval", "may version 8", row(Schedule(approvals=(OpenApproval("may version 8?", "dags/x"),)))),
        ("alert", "1 alert as of 2024-03-20: drift price", row(alerts=(DRIFT,), alerts_as_of="2024-03-20")),
        ("late", "data end at 2024-03-12, 9 days ago", row(data_through=OLD, predictions_through=OLD)),
        ("late", "end at 2024-03-11, but data reach 2024-03-20", row(predictions_through=date(2024, 3, 11))),
        ("late", "the champion has predicted nothing yet", row(predictions_through=None)),
        ("paused", "paused: score, monitor", row(Schedule(paused=("score", "monitor")))),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_the_row(kind: str, says: str, changed: ModelRow) -> None:
    """Each kind of problem has its badge and its sentence, and can be filtered by."""
    assert [problem.kind for problem in changed.problems] == [kind]
    assert says in changed.problems[0].text
    assert names(page(changed, view=View(show=kind))) == ["shop"]
    assert names(page(row(), view=View(show=kind))) == []


@pytest.mark.parametrize(
    "well",
    [
        row(),
        row(data_through=date(2024, 3, 19), predictions_through=date(2024, 3, 19)),  # this morning's are not due yet
        row(data_through=date(2024, 1, 1), predictions_through=None, scheduled={}),  # by hand only
        row(predictions_through=None, champion=None),
        row(data_through=None),
    ],
)
def test_what_no_schedule_promises_is_not_late(well: ModelRow) -> None:
    """A page that warns of what is as it should be is not read."""
    assert well.problems == ()


def test_a_long_error_is_shown_whole_after_a_click() -> None:
    """A pipeline.yaml with ten mistakes does not push the other rows off the screen."""
    [problem] = row(errors=("\n".join(f"mistake {number}: a field is missing" for number in range(10)),)).problems

    assert len(problem.text) <= 160
    assert len(problem.details) == 10


def test_the_most_urgent_comes_first() -> None:
    """Failed before held, held before alerts, and what is well last, by name."""
    failed = row(Schedule(failed=(FailedRun("score", NOW, "x"),)), pipeline="d")
    held = row(pipeline="c", hold=HeldSince("ana", "", ""))
    alert = row(pipeline="b", alerts=(Alert("drift", "price", "PSI"),))

    text = page(row(pipeline="z"), row(pipeline="a"), alert, held, failed)

    assert names(text) == ["d", "c", "b", "a", "z"]


def test_a_column_sorts_both_ways_with_unknown_values_last() -> None:
    """A row without a champion is last in either order."""
    rows = [row(pipeline="b"), row(pipeline="a", since=None), row(pipeline="c", since=NOW)]

    assert [each.state.pipeline for each in arrange(rows, View("champion"))] == ["b", "c", "a"]
    assert [each.state.pipeline for each in arrange(rows, View("champion", descending=True))] == ["c", "b", "a"]


def test_the_heading_says_the_order_and_turns_it_round() -> None:
    """Screen readers hear the order of the column, and its link leads to the other."""
    text = page(row(), view=View("data", search="store"))

    [heading] = re.findall(r'<th [^>]*aria-sort="ascending"><a href="\?([^"]*)">Data through', text)
    query = parse_qs(heading.replace("&amp;", "&"))
    assert query == {"sort": ["-data"], "show": ["all"], "q": ["store"]}
    assert "<caption>1 model, sorted by: data through</caption>" in text
    assert View.of_query({"sort": "-data", "q": "store"}) == View("data", descending=True, search="store")


def test_words_of_name_owner_and_description_are_searched() -> None:
    """All words must be there, in any order and case."""
    other = row(pipeline="parcels", owner="logistics", description="Which arrive late?")

    assert names(page(row(), other, view=View(search="LATE logistics"))) == ["parcels"]
    nothing = page(row(), other, view=View(search="nothing"))
    assert "No model matches" in nothing
    assert names(nothing) == []


def test_an_unknown_address_shows_all_models() -> None:
    """An old link does not end in an error."""
    assert View.of_query({"sort": "-nothing", "show": "nothing", "x": "1"}) == View()


def test_actions_are_for_those_who_may_trigger() -> None:
    """Without one, the column is not there at all."""
    action = Action("Roll back or hold", "dags/shop.rollback")

    assert 'href="../../dags/shop.rollback"' in page(row(Schedule(actions=(action,))))
    assert "Actions" not in page(row())


def test_without_rows_the_page_says_why() -> None:
    """Nothing yet is another case than nothing that may be seen."""
    assert "There is no pipeline yet" in page()
    assert "Ask somebody" in page(empty="Ask somebody.")
    assert "MLflow does not answer" in page(row(), error="MLflow does not answer")


def test_a_page_loads_nothing_and_shows_delivered_text_as_text() -> None:
    """Its only script and style carry the nonce, and links alone name other hosts."""
    text = page(row(description=EVIL, errors=(EVIL,), metric=Metric(EVIL, None)))

    assert EVIL not in text
    assert "&lt;script&gt;" in text
    assert re.findall(r"<(?:script|style)[^>]*>", text) == ['<style nonce="n0nce">', '<script nonce="n0nce">']
    assert not re.search(r"\s(src|style|on\w+)=", text)
    assert re.findall(r'"https?://[^"]*"', text) == ['"http://mlflow.example/#/models/shop/versions/7"']


def test_the_table_keeps_its_meaning_on_a_phone() -> None:
    """Rows become cards there, which would lose the roles of a table; each cell names its column."""
    text = page(row())

    assert text.count('role="columnheader"') == text.count('<th scope="col"') == 8
    assert text.count('role="cell"') == text.count("data-label=") == 7
    assert 'name="viewport"' in text


def test_an_error_is_a_page_that_leads_on() -> None:
    """Whoever follows an old link finds the way back."""
    text = message_page("There is no such page", "It was removed.", root="../../", nonce="n0nce")

    assert "<h1>There is no such page</h1>" in text
    assert 'href="../../"' in text
