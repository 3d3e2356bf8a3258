"""People decide in real Airflow: a promotion waits for an answer, nobody approves their own, and a hold holds."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from include.ops.embedded.environment import ADMIN
from include.registry.champion import find_champion
from include.registry.promotion import held
from include.registry.records.chain import read_all, verify
from tests.integration.embedded.running import wait_for

if TYPE_CHECKING:
    import requests

    from include.ops.embedded.airflow_answers import DagRun
    from tests.integration.embedded.running import Airflow

INGEST, RETRAIN = "shop.ingest", "shop.retrain"


def question(airflow: Airflow, dag: str, run: str, task: str) -> dict[str, Any]:
    """Return what a task asks, once it waits for an answer."""
    path = f"dags/{dag}/dagRuns/{run}/taskInstances/{task}/-1/hitlDetails"

    def asked() -> dict[str, Any] | None:
        found = airflow.call("GET", path)
        return found.json() if found.status_code == 200 else None

    found = wait_for(f"the question of {task}", asked)
    # an answer before the scheduler knows that the task waits looks to it as if the task had been lost
    noticed = re.compile(rf"TaskInstance Finished: dag_id={dag}, task_id={task}, run_id={re.escape(run)}, ")
    log = airflow.home / "logs" / "scheduler.log"
    wait_for("the scheduler's notice", lambda: noticed.search(log.read_text(errors="replace")))
    return found


def answer(airflow: Airflow, dag: str, run: str, task: str, option: str, **form: str) -> requests.Response:
    """Answer it."""
    path = f"dags/{dag}/dagRuns/{run}/taskInstances/{task}/-1/hitlDetails"
    return airflow.call("PATCH", path, {"chosen_options": [option], "params_input": form})


@pytest.fixture(scope="module")
def asset_triggered(airflow: Airflow) -> DagRun:
    """Ingest the shop's rows, and return the retraining that follows without a hand."""
    airflow.client.pause(RETRAIN, False)
    run = airflow.started(INGEST, {"start": "2024-01-01", "end": "2024-03-20"})
    assert airflow.ended(INGEST, run) == ["success"]
    return wait_for("a retraining by the asset", lambda: airflow.client.runs(RETRAIN))[0]


def test_the_log_of_a_running_task_has_no_error(airflow: Airflow, asset_triggered: DagRun) -> None:
    """Airflow asks a log server for the lines of a running task: the embedded stack has none, and reads the file."""
    run = asset_triggered.dag_run_id

    def log_while_it_runs() -> list[str] | None:
        for task in airflow.client.tasks(RETRAIN, run):
            if task.state == "running":
                lines = airflow.client.log(RETRAIN, run, task)
                after = {(each.task_id, each.map_index): each.state for each in airflow.client.tasks(RETRAIN, run)}
                if "::group::Pre Execute" in lines and after[task.task_id, task.map_index] == "running":
                    return lines
        return None

    lines = wait_for("a line of a running task", log_while_it_runs)

    group = lines[lines.index("::group::Log message source details") : lines.index("::endgroup::")]
    assert len(group) == 2
    assert group[1].endswith("attempt=1.log")


@pytest.fixture(scope="module")
def approved(airflow: Airflow, asset_triggered: DagRun) -> str:
    """Take the first version through its approval, and return the run."""
    run = asset_triggered.dag_run_id
    asked = question(airflow, RETRAIN, run, "request_approval")
    assert asked["options"] == ["Approve", "Reject"]
    assert asked["defaults"] == ["Reject"]
    assert "GATE005" in asked["body"]
    assert "Approved, version 1 is the first champion." in asked["body"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIGHTSHIFT_HOME", str(airflow.home))
        assert find_champion("shop") is None, "nothing is promoted before the answer"
    given = answer(airflow, RETRAIN, run, "request_approval", "Approve", reason="looks well")
    assert given.status_code == 200, given.text
    assert airflow.ended(RETRAIN, run) == ["success"]
    return run


def test_ingest_leads_to_retraining_without_a_hand(airflow: Airflow, asset_triggered: DagRun, approved: str) -> None:
    """The update of the raw tables starts the run, which retrains as of their last day."""
    summary = airflow.client.result(RETRAIN, approved, "summarize_run")

    assert asset_triggered.run_type == "asset_triggered"
    assert (summary["verdict"], summary["version"], summary["as_of"]) == ("promote", 1, "2024-03-20")


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


@pytest.fixture(scope="module")
def tied(airflow: Airflow, approved: str) -> str:
    """Retrain as of the same day, which is a tie and registers version 2, and return the run."""
    run = airflow.started(RETRAIN, {"as_of": "2024-03-20"})
    assert airflow.ended(RETRAIN, run) == ["success"]
    return run


def test_nobody_is_asked_where_nothing_is_promoted(airflow: Airflow, tied: str) -> None:
    """A tie keeps the champion and ends the run without a question."""
    summary = airflow.client.result(RETRAIN, tied, "summarize_run")

    assert summary["verdict"] != "promote"
    assert summary["outcome"].startswith("NOT PROMOTED: ")


def test_nobody_is_asked_about_a_version_that_does_not_exist(airflow: Airflow, approved: str) -> None:
    """Version 99 was accepted, and its approval awaited for twelve hours."""
    run = airflow.started("shop.promote", {"version": 99, "reason": "I like it"})

    assert airflow.ended("shop.promote", run) == ["failed"]
    content = airflow.call("GET", f"dags/shop.promote/dagRuns/{run}/taskInstances/ask_another/logs/1").json()["content"]
    errors = [error for record in content for error in record.get("error_detail", [])]
    assert "shop has no version 99" in errors[-1]["exc_value"]
    assert errors[-1]["frames"] == [], "the sentence is the last line"


def test_nobody_approves_their_own_promotion(airflow: Airflow, tied: str) -> None:
    """The approval by who asked is not taken: the question is asked again, and the asker can withdraw it."""
    path = "dags/shop.promote/dagRuns/{}/taskInstances/ask_another"
    run = airflow.started("shop.promote", {"version": 2, "reason": "I like it"})
    asked = question(airflow, "shop.promote", run, "ask_another")
    answer(airflow, "shop.promote", run, "ask_another", "Approve")

    def asked_again() -> bool:
        waits = airflow.call("GET", path.format(run)).json()["state"] == "awaiting_input"
        detail = airflow.call("GET", f"{path.format(run)}/-1/hitlDetails").json()
        return waits and not detail["response_received"]

    assert f"{ADMIN} asks to promote version 2" in asked["body"]
    wait_for("the question, open again", asked_again)
    answer(airflow, "shop.promote", run, "ask_another", "Reject")
    assert airflow.ended("shop.promote", run) == ["success"]
    champion = find_champion("shop")
    assert champion is not None
    assert champion.version == 1


def test_a_hold_is_set_and_released_from_the_form(airflow: Airflow, approved: str) -> None:
    """The form of the roll-back DAG holds promotions and releases them; both are in the record."""
    run = airflow.started("shop.rollback", {"decision": "hold", "reason": "stocktaking"})
    assert airflow.ended("shop.rollback", run) == ["success"]
    hold = held("shop")
    run = airflow.started("shop.rollback", {"decision": "release"})
    assert airflow.ended("shop.rollback", run) == ["success"]

    assert hold is not None
    assert (hold.by, hold.reason) == (ADMIN, "stocktaking")
    assert held("shop") is None
    assert [record.kind for record in read_all("shop")][-2:] == ["hold", "release"]
