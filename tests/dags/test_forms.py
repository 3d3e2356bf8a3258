"""The forms that Airflow shows before a run is triggered: which fields are needed, and what an empty field means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests import factories

if TYPE_CHECKING:
    from pathlib import Path


def form(folder: Path, kind: str, schedule: str = "") -> dict[str, Any]:
    """Return the form of a DAG of the shop: the schema of each field, and its value as the form opens."""
    from importlib import import_module

    from include.config.loader import load_pipeline

    factories.write_shop(folder.parent, pipeline=factories.SHOP_YAML + schedule)
    dag = getattr(import_module(f"dags.{kind}"), f"{kind}_dag")("shop", load_pipeline("shop"))
    return {name: dag.params.get_param(name).dump() for name in dag.params}


def needed(fields: dict[str, Any]) -> set[str]:
    """Return the fields for which Airflow disables Trigger as the form opens.

    The rule of Airflow's form: a field whose type is not nullable has a star, and may not be empty.
    """
    empty = (None, "")
    return {name for name, field in fields.items() if "null" not in field["schema"]["type"] and field["value"] in empty}


@pytest.mark.parametrize("kind", ["ingest", "score", "monitor"])
def test_a_form_of_a_scheduled_dag_can_be_triggered_as_it_opens(shop: Path, kind: str) -> None:
    """No field has to be filled in."""
    assert needed(form(shop, kind)) == set()


def test_the_quarantine_form_needs_what_it_calls_required(shop: Path) -> None:
    """The first day and the reason have a star; a field that may be empty says what that means."""
    fields = form(shop, "quarantine")

    required = {name for name, field in fields.items() if field["description"].startswith("Required: ")}
    assert needed(fields) == required == {"start", "note"}
    may_be_empty = {name for name, field in fields.items() if "Empty: " in field["description"]}
    assert may_be_empty == {name for name, field in fields.items() if "null" in field["schema"]["type"]}


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        ("", "On: scoring and retraining start afterwards, even if the days are old. Off: the run publishes"),
        ("schedule: {retrain: null}\n", "On: scoring starts afterwards, even if the days are old. Off:"),
        ("schedule: {retrain: null, score: null}\n", "no DAG of this pipeline is. Off:"),
    ],
)
def test_the_ingest_form_says_what_a_run_starts(shop: Path, schedule: str, said: str) -> None:
    """It follows the schedules of pipeline.yaml."""
    assert said in form(shop, "ingest", schedule)["announce"]["description"]


@pytest.mark.parametrize(
    ("kind", "schedule", "field", "empty"),
    [
        (
            "ingest",
            "",
            "start",
            "Both empty: as the latest scheduled run (15 0 * * *, UTC), for a daily schedule the day",
        ),
        ("ingest", "schedule: {ingest: null}\n", "start", "Both empty: yesterday (UTC)."),
        ("ingest", "", "end", "Empty: yesterday (UTC)."),
        ("retrain", "", "as_of", "Empty: the newest UTC day up to which the lake has every daily source"),
        (
            "score",
            "",
            "as_of",
            "Empty: the newest UTC day up to which the lake has every daily source",
        ),
        (
            "monitor",
            "",
            "as_of",
            "Empty: the newest UTC day with predictions; before the first predictions, the",
        ),
        ("monitor", "schedule: {monitor: 30 6 * * *}\n", "as_of", "Empty: the newest UTC day up to which the lake has"),
    ],
)
def test_an_empty_day_is_named_with_its_time_zone(shop: Path, kind: str, schedule: str, field: str, empty: str) -> None:
    """The text says which day a run takes, for the schedule that the pipeline has."""
    assert empty in form(shop, kind, schedule)[field]["description"]
