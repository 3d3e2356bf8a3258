"""MLflow down, silent, or answering 500 after it has committed: bounded waiting, one sentence, nothing twice."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import mlflow
import numpy as np
import pytest

from include.core.errors import TrackingUnavailable
from include.registry.champion import aliases, find_champion
from include.registry.client import longest_wait_seconds, mlflow_client, without_retries
from include.registry.load_model import load_champion
from include.training.fit import predict
from tests.services.tracking_server import TrackingServer, running_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mlflow import MlflowClient

    from tests.unit.registry.conftest import Shop

RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"


@pytest.fixture(scope="module")
def any_server(tracking_home: Path) -> Iterator[TrackingServer]:
    """Serve the tests' MLflow over HTTP."""
    with running_server(f"sqlite:///{tracking_home / 'mlflow' / 'mlflow.db'}") as server:
        yield server


@pytest.fixture
def server(
    any_server: TrackingServer, client: MlflowClient, mlflow_home: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[TrackingServer]:
    """Connect the test to the server, which works until the test breaks it."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", any_server.address)
    monkeypatch.setenv("NIGHTSHIFT_ARTIFACT_ROOT", (mlflow_home / "mlflow" / "artifacts").as_uri())
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "0")
    any_server.asked.clear()
    any_server.fails_after.clear()
    yield any_server
    any_server.woken.set()
    any_server.silent = False


def test_waiting_is_bounded_far_below_the_clients_defaults() -> None:
    """A request without an answer fails within half a minute, including its repetitions."""
    assert longest_wait_seconds() <= 30


def test_what_a_user_has_set_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables of MLflow's client mean what its documentation says."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")
    monkeypatch.setenv(RETRIES, "0")

    assert longest_wait_seconds() == 60


def test_requests_of_the_block_are_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client's repetitions are off in the block and in blocks within it, and on again after the last."""
    monkeypatch.setenv(RETRIES, "5")

    with without_retries():
        with without_retries():
            assert os.environ[RETRIES] == "0"
        assert os.environ[RETRIES] == "0"

    assert os.environ[RETRIES] == "5"


def test_threads_without_retries_restore_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """However the blocks of several threads overlap, the last one restores the value from before the first."""
    monkeypatch.setenv(RETRIES, "5")
    seen: list[str] = []

    def ask(_: int) -> None:
        with without_retries():
            seen.append(os.environ[RETRIES])

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(ask, range(200)))

    assert set(seen) == {"0"}
    assert os.environ[RETRIES] == "5"


def test_a_server_that_never_answers_is_one_sentence(server: TrackingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence names the action; timeout and number of repetitions are those that are set."""
    server.woken.clear()
    server.silent = True
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv(RETRIES, "1")

    with pytest.raises(
        TrackingUnavailable,
        match=rf"^MLflow at {server.address} failed while looking for the champion of shop: it did not answer within "
        r"1 s \(MLFLOW_HTTP_REQUEST_TIMEOUT\); the champion is unchanged; .*run this task again$",
    ) as refused:
        find_champion("shop")

    assert refused.value.retryable
    server.wait_until_asked(2)
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        ("UNAUTHENTICATED", "correct the login in MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"),
        ("PERMISSION_DENIED", "give that user the permission in MLflow"),
        ("INVALID_PARAMETER_VALUE", "correct what the error names"),
    ],
)
def test_a_refusal_is_not_called_an_outage(code: str, remedy: str) -> None:
    """A wrong password was retried, with the advice to check that the server is up."""
    from mlflow.exceptions import RestException

    with (
        pytest.raises(TrackingUnavailable, match=rf"refused looking for the champion of shop: .*; {remedy}") as refused,
        mlflow_client("looking for the champion of shop"),
    ):
        raise RestException({"error_code": code, "message": "You are not authenticated."})

    assert not refused.value.retryable


@pytest.mark.parametrize(
    "request_that_fails",
    [
        "experiments/create",
        "runs/create",
        "runs/log-batch",
        "POST mlflow/logged-models",
        "registered-models/create",
        "model-versions/create",
        "model-versions/set-tag",
        "runs/set-tag",
        "runs/update",
    ],
)
def test_a_server_that_fails_after_it_has_committed_leaves_no_duplicate(
    request_that_fails: str, server: TrackingServer, shop_model: Shop, client: MlflowClient
) -> None:
    """The attempt fails, and the next one finds what was committed: one run, one model, one version."""
    server.fails_after[request_that_fails] = 9

    with pytest.raises(TrackingUnavailable) as refused:
        shop_model.register("night-1")
    assert "\n" not in str(refused.value)
    assert refused.value.retryable
    assert server.fails_after[request_that_fails] < 9

    server.fails_after.clear()
    registration = shop_model.register("night-1")

    assert (registration.version, registration.alias) == (1, "champion")
    experiment = client.get_experiment_by_name(shop_model.name)
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.status, run.data.tags["nightshift.state"]) == ("FINISHED", "completed")
    (version,) = client.search_model_versions(f"name = '{shop_model.name}'")
    assert version.run_id == run.info.run_id
    assert len(client.search_logged_models([experiment.experiment_id])) == 1
    assert aliases(client, shop_model.name) == {"champion": "1"}
    champion = find_champion(shop_model.name)
    assert champion is not None
    assert np.isfinite(predict(load_champion(champion), shop_model.example, shop_model.training)).all()


def test_a_creation_is_not_repeated_by_the_client(server: TrackingServer, shop_model: Shop) -> None:
    """MLflow's client would send it again, and a server that had committed would have two versions."""
    server.fails_after["model-versions/create"] = 9

    with pytest.raises(TrackingUnavailable):
        shop_model.register("night-1")

    assert sum(asked.endswith("model-versions/create") for asked in server.asked) == 1


def test_a_read_is_repeated_by_the_client(server: TrackingServer, shop_model: Shop) -> None:
    """A read survives a server that fails for a moment."""
    shop_model.register("night-1")
    server.fails_after["registered-models/get"] = 2

    champion = find_champion(shop_model.name)

    assert champion is not None
    assert champion.version == 1


def test_a_server_that_fails_after_it_has_moved_the_alias_is_asked_who_is_champion(
    server: TrackingServer, shop_model: Shop, client: MlflowClient
) -> None:
    """The alias is read back, so that no sentence wrongly claims that the champion is unchanged."""
    server.fails_after["POST registered-models/alias"] = 1

    registration = shop_model.register("night-1")

    assert (registration.version, registration.alias) == (1, "champion")
    assert aliases(client, shop_model.name) == {"champion": "1"}


def test_an_unknown_move_of_the_alias_is_an_error(
    server: TrackingServer, shop_model: Shop, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the alias cannot be read back, the sentence says so, and the next attempt finds out."""
    with monkeypatch.context() as patch:
        move = mlflow.MlflowClient.set_registered_model_alias

        def last_words(*args: Any) -> None:
            server.fails_after["registered-models/get"] = 9
            move(*args)

        patch.setattr(mlflow.MlflowClient, "set_registered_model_alias", last_words)
        with pytest.raises(
            TrackingUnavailable, match="became the champion, and does not answer whether it has; run this"
        ):
            shop_model.register("night-1")
    server.fails_after.clear()

    assert shop_model.register("night-1").alias == "champion"
    assert aliases(client, shop_model.name) == {"champion": "1"}


def test_a_run_that_fails_is_closed_as_failed_and_reopened(
    server: TrackingServer, shop_model: Shop, client: MlflowClient
) -> None:
    """MLflow shows no run that runs for ever; the next attempt finishes the same run."""
    server.fails_after["runs/log-batch"] = 9
    with pytest.raises(TrackingUnavailable):
        shop_model.register("night-1")
    experiment = client.get_experiment_by_name(shop_model.name)
    (failed,) = client.search_runs([experiment.experiment_id])
    assert (failed.info.status, failed.data.tags["nightshift.state"]) == ("FAILED", "started")

    server.fails_after.clear()
    shop_model.register("night-1")

    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.run_id, run.info.status) == (failed.info.run_id, "FINISHED")
    assert run.data.tags["nightshift.state"] == "completed"
