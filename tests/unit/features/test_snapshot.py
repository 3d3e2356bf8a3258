"""A snapshot pins what the lake holds, and its raw tables are read from the first day that is needed."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest

from include import lake
from include.config.loader import load_pipeline
from include.core.connections import EnvironmentConnections
from include.core.errors import NotIngested
from include.features.snapshot import pin_day, pin_snapshot, pinned_tables, raw_datasets
from include.workflows.retrain.run import ingest

if TYPE_CHECKING:
    from pathlib import Path

    from include.config.pipeline import Pipeline

FIRST, LAST, NEXT = date(2024, 1, 5), date(2024, 1, 11), date(2024, 1, 12)
WORDS = {"needed_by": "the sum", "instead": "sum"}


@pytest.fixture
def ingested(shop: Path) -> Pipeline:
    """Return the shop's pipeline with a week of days published."""
    pipeline = load_pipeline("shop")
    ingest(pipeline, FIRST, LAST, EnvironmentConnections())
    return pipeline


def test_a_pipeline_without_a_table_says_to_ingest_first(shop: Path) -> None:
    """The sentence names the sources and the DAG that ingests them."""
    with pytest.raises(NotIngested, match=r"^shop: no data has been ingested yet for sales; run the DAG shop\.ingest"):
        pin_snapshot(load_pipeline("shop"))


@pytest.mark.parametrize(("as_of", "day"), [(None, LAST), (LAST, LAST), (FIRST, FIRST)])
def test_the_day_is_the_one_asked_for_or_the_last(ingested: Pipeline, as_of: date | None, day: date) -> None:
    """Any day that the lake holds comes with the newest version of every source's table."""
    newest = {"sales": lake.latest_version(lake.raw_uri("shop", "sales"))}

    assert pin_day(ingested, as_of, **WORDS) == (day, newest)


def test_a_day_beyond_the_lake_is_refused_in_the_callers_words(ingested: Pipeline) -> None:
    """The sentence says how far the lake reaches, which day is needed, and both ways out."""
    with pytest.raises(
        NotIngested,
        match=r"^shop: the lake holds every source up to 2024-01-11, but the sum needs 2024-01-12; run the "
        r"DAG shop\.ingest for the days between, or sum as of 2024-01-11 or earlier$",
    ):
        pin_day(ingested, NEXT, **WORDS)


def test_a_lake_without_any_published_day_is_refused(ingested: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence said that the lake holds every source up to None, and that None is needed."""
    monkeypatch.setattr("include.features.snapshot.published_through", lambda pipeline: None)

    with pytest.raises(
        NotIngested,
        match=r"^shop: no daily source has a published day, and the sum needs one; run the DAG shop\.ingest for the "
        r"days that you have, then start this run again$",
    ):
        pin_day(ingested, None, **WORDS)


@pytest.mark.parametrize(("arrives", "days"), [("daily", 2), ("snapshot", 7)])
def test_a_source_is_read_from_a_day_on_and_a_snapshot_whole(ingested: Pipeline, arrives: str, days: int) -> None:
    """A snapshot's rows are dated by their delivery, which says nothing about the days that they describe."""
    sales = ingested.sources["sales"].model_copy(update={"arrives": arrives})
    pipeline = ingested.model_copy(update={"sources": {"sales": sales}})

    read = raw_datasets(pipeline, pinned_tables(pipeline, pin_snapshot(pipeline)), date(2024, 1, 10))

    assert len(set(read["sales"].to_table()["ds"].to_pylist())) == days
