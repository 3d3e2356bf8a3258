"""A search whose trials PostgreSQL keeps, so that tasks on several machines have it together."""

from __future__ import annotations

import json
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from signal import SIGKILL
from typing import TYPE_CHECKING

import pytest

from include.core.errors import TrainingImpossible
from include.training.trial_storage import open_storage
from include.workflows.retrain import steps
from include.workflows.retrain.run import retrain
from tests.integration.tuning_results import FAMILIES, assert_had_by_both, assert_whole, found, run_folder
from tests.integration.tuning_task import (
    AS_OF,
    RUN_KEY,
    ended,
    prepare,
    start,
    start_together,
    start_until_fit,
    write_pipeline,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.services.postgres import Postgres

DRIVERS = ["postgresql", "postgresql+psycopg", "postgresql+psycopg2"]


def address(postgres: Postgres, database: str, driver: str = "postgresql+psycopg2", **parts: object) -> str:
    """Return what NIGHTSHIFT_TUNING_STORAGE says of a database."""
    url = postgres.engine(drivername=driver, database=database, **parts).url
    return url.render_as_string(hide_password=False)


def make_database(postgres: Postgres, name: str) -> str:
    """Make a database without tables and return its name."""
    postgres.run(f'CREATE DATABASE "{name}"')
    return name


@pytest.fixture
def trials(postgres: Postgres, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make a database of the test's own, let it keep the trials, and return its name."""
    name = make_database(postgres, request.node.originalname[:50])
    monkeypatch.setenv("NIGHTSHIFT_TUNING_STORAGE", address(postgres, name))
    return name


def cut_connections(postgres: Postgres, database: str) -> int:
    """End all connections to a database, as its restart does, and return how many there were."""
    [row] = postgres.run(f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{database}' ")
    return int(row[0])


@pytest.mark.parametrize("driver", DRIVERS)
def test_tables_are_made_once_by_all_who_start_at_once(
    driver: str, postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of tasks that all find a database without tables, none fails."""
    together = 4
    meeting = threading.Barrier(together)

    def open_and_count(_: int) -> int:
        meeting.wait()
        return len(open_storage(tmp_path / "no.journal").get_all_studies())

    for number in range(2):
        database = make_database(postgres, f"made at once {number} by {driver}")
        monkeypatch.setenv("NIGHTSHIFT_TUNING_STORAGE", address(postgres, database, driver))
        with ThreadPoolExecutor(together) as pool:
            assert list(pool.map(open_and_count, range(together))) == [0] * together
        cut_connections(postgres, database)  # the server takes thirty
    assert not (tmp_path / "no.journal").exists()


def test_two_tasks_have_one_search_in_a_database(
    trials: str, postgres: Postgres, ingested: Path, tmp_path: Path
) -> None:
    """As on a journal: every trial once, the best of both is trained, and no log has the password."""
    pipeline = write_pipeline(ingested, ["baseline", "linear", "lightgbm"], trials=5, parallel=2)
    plan = prepare(pipeline)

    printed = [ended(process) for process in start_together(tmp_path / "meeting", {"worker": 0}, {"worker": 1})]
    challenger = steps.train(pipeline, plan)

    assert_had_by_both(challenger, trials=5)
    assert not list(run_folder().glob("*.journal"))
    assert all("lightgbm" in text for text in printed)
    assert not [text for text in printed if postgres.password in text]
    assert postgres.password not in json.dumps(found())


def test_a_task_killed_in_a_trial_goes_on_in_a_database(trials: str, ingested: Path) -> None:
    """As on a journal: what was there is used, and the family that may have taken the memory is tried once more."""
    pipeline = write_pipeline(ingested, FAMILIES, trials=2)
    ended(start(worker=None, fold=["extra_trees", 2, "die"]), -SIGKILL)

    result = retrain(pipeline, RUN_KEY, AS_OF)

    assert result.version == 1
    assert "Candidate extra_trees: trial 0 was lost, tried again on at most " in result.table
    assert {family: len(of["trials"]) for family, of in found().items()} == {
        "linear": 2,
        "extra_trees": 3,
        "lightgbm": 2,
    }


def test_a_connection_that_is_cut_between_two_questions_is_made_again(
    trials: str, postgres: Postgres, ingested: Path, tmp_path: Path
) -> None:
    """A database that was restarted while a model was fitted costs no trial."""
    pipeline = write_pipeline(ingested, FAMILIES, trials=2)
    plan = prepare(pipeline)
    task, go = start_until_fit(tmp_path / "meeting", "lightgbm", 2)

    assert cut_connections(postgres, trials) > 0
    go.touch()
    ended(task)
    steps.train(pipeline, plan)

    assert_whole(found(), trials=2)


def test_a_database_that_goes_away_is_one_sentence_and_nobodys_fault(
    trials: str, postgres: Postgres, ingested: Path, tmp_path: Path
) -> None:
    """The task ends with the address without its password, may be retried, and then has every trial of every family."""
    pipeline = write_pipeline(ingested, FAMILIES, trials=2)
    plan = prepare(pipeline)
    task, go = start_until_fit(tmp_path / "meeting", "linear", 3)
    postgres.run(f'ALTER DATABASE "{trials}" ALLOW_CONNECTIONS false')
    cut_connections(postgres, trials)
    go.touch()
    printed = ended(task, 1)
    last = printed.strip().splitlines()[-1]

    assert last.startswith(
        "include.core.errors.TrainingImpossible: the trials cannot be stored in postgresql+psycopg2://"
    )
    assert trials in last
    assert postgres.password not in printed
    postgres.run(f'ALTER DATABASE "{trials}" ALLOW_CONNECTIONS true')
    ended(start(worker=0))
    steps.train(pipeline, plan)
    notes = {family: result["note"] for family, result in found().items()}
    assert notes == {"linear": "", "extra_trees": "", "lightgbm": ""}


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_wrong_password_is_in_no_error(
    driver: str, postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What is told, logged and traced names the database only; a retry may mend it."""
    url = address(postgres, "postgres", driver, password="wrong-but-secret", query={"password": "another-secret"})
    monkeypatch.setenv("NIGHTSHIFT_TUNING_STORAGE", url)

    with pytest.raises(TrainingImpossible, match="NIGHTSHIFT_TUNING_STORAGE") as caught:
        open_storage(tmp_path / "no.journal")

    told = "".join(traceback.format_exception(caught.value)) + caplog.text
    assert "secret" not in told
    assert caught.value.retryable
