"""Registration killed by `kill -9` around each of its writes, and by two processes at once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from include.core import settings
from include.registry.champion import find_champion
from include.registry.client import mlflow_client
from include.registry.load_model import load_champion
from tests.forked import Forked
from tests.integration.killed_registration import register
from tests.integration.killed_registration import shop as small_shop

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.registry.conftest import Shop


def left() -> dict[str, Any]:
    """Return what MLflow and the lake hold of the shop."""
    with mlflow_client("testing") as client:
        experiment = client.get_experiment_by_name("shop")
        assert experiment is not None
        runs = client.search_runs([experiment.experiment_id])
        return {
            "runs": [(run.info.status, run.data.tags["nightshift.state"]) for run in runs],
            "versions": len(client.search_model_versions("name = 'shop'")),
            "models": len(client.search_logged_models([experiment.experiment_id])),
            "aliases": dict(client.get_registered_model("shop").aliases),
        }


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the tables of MLflow once; each test has a copy."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setenv("NIGHTSHIFT_HOME", str(tmp_path_factory.mktemp("store")))
        with mlflow_client("making the tables") as client:
            client.search_experiments()
        return settings.home() / "mlflow" / "mlflow.db"


@pytest.fixture
def shop(store: Path, home: Path, tmp_path: Path) -> Shop:
    """Return a shop in a home of the test's own."""
    (home / "mlflow").mkdir(parents=True)
    (home / "mlflow" / "mlflow.db").write_bytes(store.read_bytes())
    return small_shop(tmp_path)


@pytest.mark.parametrize(
    ("function", "when", "number"),
    [
        ("include.registry.lease.create_file", "after", 1),
        ("mlflow.MlflowClient.create_run", "after", 1),
        ("mlflow.sklearn.log_model", "after", 1),
        ("include.registry.manifest.create_file", "before", 1),
        ("include.registry.manifest.create_file", "after", 1),
        ("include.registry.lease.create_file", "after", 2),
        ("mlflow.MlflowClient.create_registered_model", "after", 1),
        ("mlflow.MlflowClient.create_model_version", "after", 1),
        ("mlflow.MlflowClient.set_model_version_tag", "after", 1),
        ("mlflow.MlflowClient.set_registered_model_alias", "before", 1),
        ("mlflow.MlflowClient.set_registered_model_alias", "after", 1),
        ("mlflow.MlflowClient.set_terminated", "before", 2),
    ],
)
def test_a_killed_registration_is_finished_by_its_next_try(function: str, when: str, number: int, shop: Shop) -> None:
    """Wherever it was killed, the next try need not wait, and leaves one run, one version, one model, one champion."""
    killed = Forked(register, "night-1", None, function, when, number)
    printed = killed.wait()
    assert killed.returncode == 137, printed[-2000:]

    registration = shop.register("night-1")

    assert (registration.version, registration.alias) == (1, "champion")
    assert left() == {"runs": [("FINISHED", "completed")], "versions": 1, "models": 1, "aliases": {"champion": 1}}
    champion = find_champion("shop")
    assert champion is not None
    load_champion(champion)


def test_of_two_processes_that_promote_at_once_one_wins(shop: Shop) -> None:
    """Both compared with version 1; one becomes champion, and the other's note says which."""
    shop.register("night-1")

    both = []
    for each in [Forked(register, "night-2", 1), Forked(register, "night-3", 1)]:
        printed = each.wait()
        assert each.returncode == 0, printed[-2000:]
        both.append(json.loads(printed.splitlines()[-1]))

    (winner,) = (each for each in both if each["alias"] == "champion")
    (loser,) = (each for each in both if each["alias"] != "champion")
    assert left()["aliases"]["champion"] == winner["version"]
    assert loser["note"].startswith(f"not promoted: version {winner['version']} has become the champion since this run")


def test_two_processes_of_one_run_register_one_version(shop: Shop) -> None:
    """Airflow may run a task twice at the same time: both answer the same."""
    both = []
    for each in [Forked(register, "night-1", None), Forked(register, "night-1", None)]:
        printed = each.wait()
        assert each.returncode == 0, printed[-2000:]
        both.append(json.loads(printed.splitlines()[-1]))

    assert both[0] == both[1]
    assert left() == {"runs": [("FINISHED", "completed")], "versions": 1, "models": 1, "aliases": {"champion": 1}}
