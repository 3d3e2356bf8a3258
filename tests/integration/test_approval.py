"""People decide in real Airflow: a promotion waits for an answer, nobody approves their own, and a hold holds."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import requests

from include.ops.embedded.airflow_client import AirflowClient
from include.ops.embedded.environment import ADMIN, stack_secrets
from include.ops.embedded.stack import running_stack
from include.registry.champion import find_champion
from include.registry.promotion import held
from include.registry.records.chain import read_all, verify
from tests import factories
from tests.integration.test_embedded_stack import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RETRAIN = "shop.retrain"
ENDED = ("success", "failed")


@dataclass(frozen=True)
class Airflow:
    """The stack's API, and the home that it writes to."""

    home: Path
    url: str
    token: str
    client: AirflowClient

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> requests.Response:
        """Ask Airflow's REST API as the administrator."""
        with requests.Session() as session:
            session.trust_env = False
            headers = {"Authorization": f"Bearer {self.token}"}
            return session.request(method, f"{self.url}/api/v2/{path}", json=body, headers=headers, timeout=60)

    def started(self, dag: str, conf: dict[str, Any]) -> str:
        """Start a run and return its id."""
        wait_for(f"the DAG {dag}", lambda: self.client.has_dag(dag))
        self.client.pause(dag, False)
        return self.client.trigger(dag, conf)

    def ended(self, dag: str, run: str) -> str:
        """Return the state of a run once it has ended."""
        return wait_for(f"the end of {dag}", lambda: (s := self.client.state(dag, run)) in ENDED and s)

    def question(self, dag: str, run: str, task: str) -> dict[str, Any]:
        """Return what a task asks, once it waits for an answer."""
        path = f"dags/{dag}/dagRuns/{run}/taskInstances/{task}/-1/hitlDetails"

        def asked() -> dict[str, Any] | None:
            answer = self.call("GET", path)
            return answer.json() if answer.status_code == 200 else None

        return wait_for(f"the question of {task}", asked)

    def answer(self, dag: str, run: str, task: str, option: str, **form: str) -> requests.Response:
        """Answer it."""
        path = f"dags/{dag}/dagRuns/{run}/taskInstances/{task}/-1/hitlDetails"
        return self.call("PATCH", path, {"chosen_options": [option], "params_input": form})


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    """Run the stack for a shop whose promotions are approved, its rows ingested."""
    folder = tmp_path_factory.mktemp("approval")
    home, pipelines = folder / "var", folder / "pipelines"
    factories.write_sales(folder / "shop.db", factories.sales())
    factories.write_shop(pipelines, pipeline=factories.SHOP_YAML + "approval: required\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIGHTSHIFT_HOME", str(home))
        patch.setenv("NIGHTSHIFT_PIPELINES", str(pipelines))
        patch.setenv("AIRFLOW_CONN_SHOP", json.dumps({"conn_type": "sqlite", "host": str(folder / "shop.db")}))
        with running_stack(home, {}, lambda _: None) as running:
            login = {"username": ADMIN, "password": stack_secrets(home)["admin_password"]}
            answer = requests.post(f"{running.paths.airflow_url}/auth/token", json=login, timeout=60)
            client = AirflowClient.embedded(running.paths)
            found = Airflow(home, running.paths.airflow_url, answer.json()["access_token"], client)
            run = found.started("shop.ingest", {"start": "2024-01-01", "end": "2024-03-20"})
            assert found.ended("shop.ingest", run) == "success"
            yield found


@pytest.fixture(autouse=True)
def in_its_home(airflow: Airflow, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the test read what the stack wrote."""
    monkeypatch.setenv("NIGHTSHIFT_HOME", str(airflow.home))


@pytest.fixture(scope="module")
def approved(airflow: Airflow) -> str:
    """Take the first version through its approval, and return the run."""
    run = airflow.started(RETRAIN, {"as_of": "2024-03-20", "tuning_seconds": 60})
    question = airflow.question(RETRAIN, run, "request_approval")
    assert question["options"] == ["Approve", "Reject"]
    assert question["defaults"] == ["Reject"]
    assert "GATE005" in question["body"]
    assert "Approved, version 1 is the first champion." in question["body"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIGHTSHIFT_HOME", str(airflow.home))
        assert find_champion("shop") is None, "nothing is promoted before the answer"
    answer = airflow.answer(RETRAIN, run, "request_approval", "Approve", reason="looks well")
    assert answer.status_code == 200, answer.text
    assert airflow.ended(RETRAIN, run) == "success"
    return run


def test_a_promotion_waits_for_its_answer(airflow: Airflow, approved: str) -> None:
    """The version becomes champion once somebody approves, and the record has the person and the reason."""
    summary = airflow.client.result(RETRAIN, approved, "summarize_run")
    champion = find_champion("shop")
    record = read_all("shop")[-1]

    assert summary["verdict"] == "promote"
    assert champion is not None
    assert champion.version == 1
    assert record.content["approver"] == ADMIN
    assert record.content["approval"]["reason"] == "looks well"
    assert (record.content["champion_before"], record.content["champion_after"]) == (None, 1)
    assert verify("shop") == []


def test_nobody_is_asked_where_nothing_is_promoted(airflow: Airflow, approved: str) -> None:
    """A tie keeps the champion and ends the run without a question."""
    run = airflow.started(RETRAIN, {"as_of": "2024-03-20", "tuning_seconds": 60})

    assert airflow.ended(RETRAIN, run) == "success"
    assert airflow.client.result(RETRAIN, run, "summarize_run")["verdict"] != "promote"


def test_nobody_approves_their_own_promotion(airflow: Airflow, approved: str) -> None:
    """Who asks for a promotion by hand cannot answer: the run fails, and the champion stays."""
    run = airflow.started("shop.promote", {"version": 2, "reason": "I like it"})
    question = airflow.question("shop.promote", run, "ask_another")
    airflow.answer("shop.promote", run, "ask_another", "Approve")

    assert f"{ADMIN} asks to promote version 2" in question["body"]
    assert airflow.ended("shop.promote", run) == "failed"
    champion = find_champion("shop")
    assert champion is not None
    assert champion.version == 1


def test_a_hold_is_set_and_released_from_the_form(airflow: Airflow, approved: str) -> None:
    """The form of the roll-back DAG holds promotions and releases them; both are in the record."""
    run = airflow.started("shop.rollback", {"decision": "hold", "reason": "stocktaking"})
    assert airflow.ended("shop.rollback", run) == "success"
    hold = held("shop")
    run = airflow.started("shop.rollback", {"decision": "release"})
    assert airflow.ended("shop.rollback", run) == "success"

    assert hold is not None
    assert (hold.by, hold.reason) == (ADMIN, "stocktaking")
    assert held("shop") is None
    assert [record.kind for record in read_all("shop")][-2:] == ["hold", "release"]
