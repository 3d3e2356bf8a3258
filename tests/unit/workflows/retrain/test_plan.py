"""A run's plan is pinned once, before anything is done, and is the same whenever the run is repeated."""

from __future__ import annotations

import json
import logging
import subprocess
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest

from include import lake
from include.config.loader import load_pipeline
from include.core import settings
from include.core.connections import EnvironmentConnections
from include.core.errors import ConfigError, NotIngested, OtherRelease, RunMissing, TrackingUnavailable
from include.lake import run_files
from include.registry.champion import Champion
from include.workflows.retrain.plan import RunPlan, code_version, plan_run
from include.workflows.retrain.run import ingest
from tests import factories

if TYPE_CHECKING:
    from pathlib import Path

    from include.config.pipeline import Pipeline

FIRST, LAST, NEXT = date(2024, 1, 5), date(2024, 1, 11), date(2024, 1, 12)


@pytest.fixture(scope="session")
def tracking_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an MLflow database that is made once: its tables take seconds to create."""
    return tmp_path_factory.mktemp("plans") / "mlflow.db"


@pytest.fixture
def pipeline(shop: Path, tracking_database: Path, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    """Return the shop's pipeline, connected to the shared MLflow, with nothing ingested."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tracking_database}")
    return load_pipeline("shop")


@pytest.fixture
def ingested(pipeline: Pipeline) -> Pipeline:
    """Return the shop's pipeline with a week of days published."""
    ingest(pipeline, FIRST, LAST, EnvironmentConnections())
    return pipeline


def test_the_last_published_day_is_the_default(ingested: Pipeline) -> None:
    """A run that names no day is as of the last one that every daily source has."""
    plan = plan_run(ingested, "night")

    assert plan.as_of == LAST
    assert plan.snapshot == {"sales": lake.latest_version(lake.raw_uri("shop", "sales"))}
    assert plan.champion is None


def test_the_defaults_come_from_the_pipeline(ingested: Pipeline) -> None:
    """Seconds and seed are those of pipeline.yaml, and the run is no dry run."""
    plan = plan_run(ingested, "night")

    assert (plan.tuning_seconds, plan.seed, plan.dry_run) == (60, 7, False)


def test_the_arguments_of_a_run_are_followed(ingested: Pipeline) -> None:
    """A run may name an earlier day and other seconds, and may be a dry run."""
    plan = plan_run(ingested, "night", FIRST, 99, dry_run=True)

    assert (plan.as_of, plan.tuning_seconds, plan.dry_run) == (FIRST, 99, True)


@pytest.mark.parametrize("seconds", [0, -5])
def test_seconds_that_are_no_time_are_refused(ingested: Pipeline, seconds: int) -> None:
    """They are neither replaced by pipeline.yaml's nor by the least possible; the run has no plan."""
    with pytest.raises(
        ConfigError,
        match=rf"^shop: this run has {seconds} tuning_seconds, and a search needs at least 1; start another run with "
        r"more, or without tuning_seconds for the \d+ of pipeline\.yaml$",
    ):
        plan_run(ingested, "night", tuning_seconds=seconds)

    with pytest.raises(RunMissing, match="the run's plan is not at"):
        RunPlan.load("shop", "night")


def test_a_day_beyond_the_lake_is_refused(ingested: Pipeline) -> None:
    """The sentence names the newest day of the lake, the requested day, and both remedies."""
    with pytest.raises(
        NotIngested,
        match=r"^shop: the lake holds every source up to 2024-01-11, but this run needs 2024-01-12; run the DAG "
        r"shop\.ingest for the days between, or start a run as of 2024-01-11 or earlier$",
    ):
        plan_run(ingested, "night", NEXT)

    with pytest.raises(RunMissing, match="the run's plan is not at"):
        RunPlan.load("shop", "night")


def test_a_day_before_the_first_is_refused(ingested: Pipeline) -> None:
    """A day that a daily source does not have is refused by the source's name."""
    with pytest.raises(NotIngested, match=r"source 'sales' is not published for 2024-01-04; run the DAG"):
        plan_run(ingested, "night", date(2024, 1, 4))


def test_missing_days_in_between_are_logged(pipeline: Pipeline, caplog: pytest.LogCaptureFixture) -> None:
    """A failed ingestion leaves a hole; a later run trains without these days and logs them."""
    ingest(pipeline, FIRST, date(2024, 1, 7), EnvironmentConnections())
    ingest(pipeline, date(2024, 1, 10), LAST, EnvironmentConnections())

    plan_run(pipeline, "night")

    assert "the lake lacks days from 2024-01-08 to 2024-01-09" in caplog.text


@pytest.mark.parametrize("as_of", [None, LAST])
def test_an_empty_lake_is_refused(as_of: date | None, pipeline: Pipeline) -> None:
    """Before the first ingestion there is nothing to plan with, whichever day is asked for."""
    with pytest.raises(NotIngested, match=r"^shop: no data has been ingested yet for sales; run the DAG shop\.ingest "):
        plan_run(pipeline, "night", as_of)


def test_a_repeated_run_follows_its_first_plan(
    ingested: Pipeline, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """New data, other code and other arguments do not change an existing plan, and the log says so."""
    first = plan_run(ingested, "night")
    ingest(ingested, NEXT, NEXT, EnvironmentConnections())
    monkeypatch.setenv("NIGHTSHIFT_CODE_VERSION", "another")

    with caplog.at_level(logging.INFO):
        again = plan_run(ingested, "night", NEXT, 999, dry_run=True)

    assert again == first == RunPlan.load("shop", "night")
    assert "follows the plan that it made earlier" in caplog.text


def test_a_new_run_sees_the_new_data(ingested: Pipeline) -> None:
    """Another run key has a plan of its own, of the lake as it is then."""
    first = plan_run(ingested, "night-1")
    ingest(ingested, NEXT, NEXT, EnvironmentConnections())

    second = plan_run(ingested, "night-2")

    assert second.as_of == NEXT
    assert second.snapshot["sales"] > first.snapshot["sales"]


def test_a_refused_run_can_be_repeated_once_the_day_is_there(ingested: Pipeline) -> None:
    """A refusal leaves no plan behind, so the same run goes through after the day was ingested."""
    with pytest.raises(NotIngested):
        plan_run(ingested, "night", NEXT)
    ingest(ingested, NEXT, NEXT, EnvironmentConnections())

    assert plan_run(ingested, "night", NEXT).as_of == NEXT


def test_without_mlflow_there_is_no_plan(
    ingested: Pipeline, closed_port: int, tracking_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run whose champion is not known is not planned as one without a champion."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{closed_port}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(TrackingUnavailable, match="looking for the champion of shop"):
        plan_run(ingested, "night")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tracking_database}")

    assert plan_run(ingested, "night").champion is None


@pytest.mark.parametrize("with_champion", [True, False])
def test_a_plan_that_was_written_is_read(with_champion: bool) -> None:
    """A plan is equal after a round trip through JSON, with a champion or without."""
    champion = Champion(
        3, "night-0", "linear", "0" * 64, "models:/m-1", date(2024, 1, 4), date(2023, 10, 1), date(2023, 12, 30)
    )
    plan = RunPlan(
        pipeline="shop",
        run_key="night",
        as_of=date(2024, 1, 11),
        snapshot={"sales": 4},
        champion=champion if with_champion else None,
        tuning_seconds=60,
        dry_run=False,
        seed=7,
        code_version="abc",
        lock="def",
        created_at=datetime(2024, 1, 12, 0, 15, tzinfo=UTC),
    )

    assert RunPlan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


def test_the_code_version_can_be_named(ingested: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """An image without git says which code it runs, and the plan keeps it."""
    monkeypatch.setenv("NIGHTSHIFT_CODE_VERSION", "release-7")

    assert code_version() == "release-7"
    assert plan_run(ingested, "night").code_version == "release-7"


def _git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_the_code_version_is_the_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a name it is the whole commit, marked where a file differs from it, and no tag's name."""
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    _git(checkout, "init", "--quiet")
    (checkout / "code.py").write_text("a = 1\n")
    _git(checkout, "add", ".")
    _git(checkout, "commit", "--quiet", "--message", "first")
    _git(checkout, "tag", "--annotate", "--message", "one", "v1.0")
    monkeypatch.setattr(settings, "root", lambda: checkout)
    commit = _git(checkout, "rev-parse", "HEAD")

    assert code_version() == commit
    (checkout / "code.py").write_text("a = 2\n")
    assert code_version() == f"{commit}-dirty"


def test_without_git_the_code_version_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that is no checkout has no version, and that is no error."""
    monkeypatch.setattr(settings, "root", lambda: tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))

    assert code_version() == "unknown"


def test_runs_of_two_keys_have_two_plans(ingested: Pipeline) -> None:
    """Run keys as Airflow makes them, with a time and a zone, never share a plan."""
    keys = ["scheduled__2024-01-11T00:15:00+00:00", "scheduled__2024-01-11T00:15:00+01:00"]

    plans = [plan_run(ingested, key) for key in keys]

    assert [RunPlan.load("shop", key).run_key for key in keys] == keys == [plan.run_key for plan in plans]


def test_a_plan_of_an_earlier_release_with_the_same_fields_is_followed(shop: Path) -> None:
    """A run that another commit of this release began continues."""
    put_plan("run-32d988c-plan.json")

    plan = RunPlan.load("shop", "night")

    assert (plan.as_of, plan.snapshot, plan.champion.version) == (date(2024, 3, 20), {"sales": 1}, 1)


def test_a_plan_of_a_release_with_other_fields_is_refused_in_words(shop: Path) -> None:
    """The sentence names the file, the field and the remedy; a retry cannot help."""
    put_plan("run-77f6a14-plan.json")

    with pytest.raises(
        OtherRelease,
        match=r"the run's plan at .*plan\.json was written by another release .*'tuning_trials'.*start a new run",
    ) as refused:
        RunPlan.load("shop", "night")

    assert "\n" not in str(refused.value)
    assert not refused.value.retryable


def put_plan(name: str) -> None:
    """Put the plan of another release in the place of the run `night`'s."""
    path = run_files.run_folder("shop", "night") / "plan.json"
    run_files.write_bytes(path, (factories.OTHER_RELEASES / name).read_bytes())
