"""A scoring run's plan is pinned once: its day, its tables and the version that predicts."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from include import lake
from include.config.loader import load_pipeline
from include.core.connections import EnvironmentConnections
from include.core.errors import NotIngested, OtherRelease, RunMissing, ScoringImpossible
from include.lake import run_files
from include.registry.champion import Champion
from include.workflows.retrain.run import ingest
from include.workflows.score import plan as planning
from include.workflows.score.plan import ScoringPlan, plan_scoring
from tests import factories

if TYPE_CHECKING:
    from pathlib import Path

    from include.config.pipeline import Pipeline

FIRST, LAST = date(2024, 1, 5), date(2024, 1, 11)
CHAMPION = Champion(
    3, "night", "linear", "0" * 64, "models:/m-1", date(2023, 12, 31), date(2023, 10, 1), date(2023, 12, 30)
)


@pytest.fixture(autouse=True)
def champion(monkeypatch: pytest.MonkeyPatch) -> list[Champion | None]:
    """Return a list whose last item MLflow names as the champion."""
    champions: list[Champion | None] = [CHAMPION]
    monkeypatch.setattr(planning, "find_recorded_champion", lambda name: champions[-1])
    return champions


@pytest.fixture
def ingested(shop: Path) -> Pipeline:
    """Return the shop's pipeline with a week of days published."""
    pipeline = load_pipeline("shop")
    ingest(pipeline, FIRST, LAST, EnvironmentConnections())
    return pipeline


def plan_as_of(day: date) -> ScoringPlan:
    """Return a plan for a day."""
    return ScoringPlan(
        "shop", "night", day, {"sales": 4}, CHAMPION, datetime(2024, 1, 12, 1, 15, microsecond=2, tzinfo=UTC)
    )


def test_the_last_published_day_and_the_champion_are_the_default(ingested: Pipeline) -> None:
    """A run that names no day is as of the last one that every daily source has."""
    plan = plan_scoring(ingested, "night")

    assert plan.as_of == LAST
    assert plan.snapshot == {"sales": lake.latest_version(lake.raw_uri("shop", "sales"))}
    assert plan.champion == CHAMPION


def test_an_earlier_day_may_be_named(ingested: Pipeline) -> None:
    """Predictions of the past can be made again."""
    assert plan_scoring(ingested, "night", FIRST).as_of == FIRST


def test_a_cleared_run_follows_its_first_plan(ingested: Pipeline, champion: list[Champion | None]) -> None:
    """Neither a new day nor a new champion changes what the run does."""
    plan = plan_scoring(ingested, "night")
    champion.append(replace(CHAMPION, version=4))
    ingest(ingested, LAST + timedelta(days=1), LAST + timedelta(days=1), EnvironmentConnections())

    assert plan_scoring(ingested, "night") == plan == ScoringPlan.load("shop", "night")
    assert plan_scoring(ingested, "next").champion.version == 4


def test_a_retraining_of_the_same_id_has_another_folder(ingested: Pipeline) -> None:
    """Runs of two DAGs may have the same id in Airflow, such as those that one ingestion started."""
    plan_scoring(ingested, "night")

    assert not (run_files.run_folder("shop", "night") / "plan.json").exists()
    with pytest.raises(RunMissing):
        ScoringPlan.load("shop", "score-night")


def test_a_plan_has_its_moment_to_the_microsecond() -> None:
    """It decides which of two plans for a day is later."""
    assert plan_as_of(date(2024, 1, 11)).moment == 1_705_022_100_000_002


def test_a_plan_that_was_written_is_read() -> None:
    """A plan comes back from JSON as it was."""
    plan = plan_as_of(date(2024, 1, 11))

    assert ScoringPlan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


def test_a_plan_of_another_release_is_refused(shop: Path) -> None:
    """A missing field is one sentence."""
    plan = plan_as_of(date(2024, 1, 11)).to_json()
    del plan["champion"]
    run_files.write_json(run_files.run_folder("shop", "score/night") / "plan.json", plan)

    with pytest.raises(OtherRelease, match="the run's plan"):
        ScoringPlan.load("shop", "night")


def test_without_a_champion_nothing_is_planned(ingested: Pipeline, champion: list[Champion | None]) -> None:
    """The sentence says to retrain first, and leaves no plan that a later attempt would follow."""
    champion.append(None)
    with pytest.raises(ScoringImpossible, match=r"has no champion yet.*run the DAG shop\.retrain") as refused:
        plan_scoring(ingested, "night")

    assert not refused.value.retryable
    champion.append(CHAMPION)
    assert plan_scoring(ingested, "night").champion == CHAMPION


def test_days_that_are_not_there_are_refused(ingested: Pipeline) -> None:
    """Predictions as of tomorrow would know less than they say."""
    with pytest.raises(NotIngested, match="but scoring needs 2024-01-12"):
        plan_scoring(ingested, "night", LAST + timedelta(days=1))


def test_a_hole_in_the_days_is_refused_or_logged(ingested: Pipeline, caplog: pytest.LogCaptureFixture) -> None:
    """A missing day cannot be scored; before a later day it makes the features worse."""
    after = LAST + timedelta(days=3)
    ingest(ingested, after, after, EnvironmentConnections())

    with pytest.raises(NotIngested, match="'sales' is not published for 2024-01-12"):
        plan_scoring(ingested, "night", LAST + timedelta(days=1))
    plan_scoring(ingested, "night", after)
    assert "so trailing features cover fewer days" in caplog.text


def test_predictions_of_training_days_are_logged(ingested: Pipeline, caplog: pytest.LogCaptureFixture) -> None:
    """A champion knows the labels of the days that it was trained on."""
    plan_scoring(ingested, "night")
    assert "look better than they are" not in caplog.text

    early = replace(CHAMPION, train_end=FIRST)
    planning._warn_of_biased_predictions(ingested, FIRST, early)
    assert (
        "predictions as of 2024-01-05 look better than they are, because version 3 learned from days up to 2024-01-05"
        in caplog.text
    )


@pytest.mark.parametrize("name", ["ds", "prediction", "Decision", "probability_x", "model_version"])
def test_a_key_with_the_name_of_a_prediction_column_is_refused(shop: Path, name: str) -> None:
    """The table could not have both columns."""
    factories.write_shop(shop.parent, pipeline=factories.SHOP_YAML.replace("key: [store_day]", f"key: [store, {name}]"))

    with pytest.raises(ScoringImpossible, match=f"features.key names '{name}'"):
        plan_scoring(load_pipeline("shop"), "night")
