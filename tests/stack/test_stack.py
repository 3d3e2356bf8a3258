"""The production stack, from nothing to a promoted model, and through what happens to stacks.

The tests are one story in the order of this file: each continues from the state that the one before has left.
After each injury the same is asked: one publication, one version a run, a champion that loads, records that hold.
"""

from __future__ import annotations

import re
import time
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
import requests

from include.core.errors import EmbeddedStackError
from include.ops.production.secrets import SECRETS
from tests.stack.promises import assert_promises, records
from tests.stack.stack import FIRST, LAST_INGESTED, PIPELINE, SERVICES, canary, docker, wait_for

if TYPE_CHECKING:
    from include.ops.embedded.airflow_client import AirflowClient
    from tests.stack.stack import Stack

SECONDS = 30
#: The day of each retraining's question: a later night knows more, and the first knows enough for a champion.
DAYS = (date(2013, 3, 20) + timedelta(days=number) for number in range((LAST_INGESTED - date(2013, 3, 20)).days + 1))


def retrain(stack: Stack, **conf: Any) -> str:
    """Start a retraining as of a day that none was before."""
    return stack.start_run("retrain", as_of=str(next(DAYS)), tuning_seconds=SECONDS, **conf)


@pytest.fixture(scope="module")
def ingested(stack: Stack) -> str:
    """Ingest the slice of flights, while the retraining waits for its turn."""
    run_id = stack.start_run("ingest", start=str(FIRST), end=str(LAST_INGESTED))
    stack.forget_scheduled("ingest")
    assert stack.wait_run("ingest", run_id) == "success"
    return run_id


def test_every_part_is_well_and_only_the_pages_are_published(stack: Stack) -> None:
    """No database and no queue can be reached from outside, and the pages only from this machine."""
    ports = docker("ps", "--filter", "label=com.docker.compose.project=nightshift-test", "--format", "{{.Ports}}")

    assert set(re.findall(r"(\S+):\d+->", ports)) == {"127.0.0.1"}
    assert sorted(re.findall(r"->(\d+)/tcp", ports)) == ["5000", "8080"]
    login = requests.get(f"{stack.airflow_url}/api/v2/auth/login", allow_redirects=False, timeout=30)
    assert login.headers["location"].startswith(f"{stack.airflow_url}/"), "the login is on another port"


def test_no_part_is_root_or_has_a_capability(stack: Stack) -> None:
    """The engine says who its processes are: those of each part, with the databases' and the queue's."""
    parts = (*SERVICES, "postgres", "redis")
    found = {part: stack.run_in(part, "sh", "-euc", "id -u; grep CapBnd /proc/1/status").split() for part in parts}

    assert {part: told[1:] for part, told in found.items()} == {part: ["CapBnd:", "0" * 16] for part in parts}
    assert all(int(told[0]) > 0 for told in found.values())
    ours = {part: told[0] for part, told in found.items() if part in SERVICES}
    assert ours == dict.fromkeys(SERVICES, "50000")
    # what a part may not write is refused by the engine, and not by a path that is not there
    told = stack.run_in("scheduler", "sh", "-euc", "touch /tmp/may; touch /var/lib/nightshift/may-not", check=False)
    assert "Read-only file system" in told


def test_a_night_runs_on_two_workers(stack: Stack, ingested: str) -> None:
    """Ingest and retrain end with a champion, and both workers had a part in it."""
    run_id = retrain(stack)
    assert stack.wait_run("retrain", run_id) == "success"

    assert_promises(stack, run_id)
    hosts = {
        task.hostname
        for kind, run in (("ingest", ingested), ("retrain", run_id))
        for task in stack.tasks(kind, run).values()
    }
    assert {"worker-1", "worker-2"} <= hosts
    assert stack.tasks("retrain", run_id)["tune_candidates"].pool == "training"
    assert "VERDICT" in stack.log("retrain", run_id, "summarize_run")


def run_to_end(stack: Stack, kind: str, as_of: date) -> str:
    """Run a DAG as of a day to its end and return the run's id."""
    run_id = stack.start_run(kind, as_of=str(as_of))
    assert stack.wait_run(kind, run_id) == "success"
    return run_id


def test_days_are_scored_once_and_watched(stack: Stack, ingested: str) -> None:
    """Each flight of the next day has one prediction, through a kill, and the monitor names the days without any."""
    first, last = LAST_INGESTED - timedelta(days=3), LAST_INGESTED
    run_id = stack.start_run("score", as_of=str(last))
    stack.kill(stack.wait_task("score", run_id, "score_rows").hostname)
    assert stack.wait_run("score", run_id) == "success"
    run_to_end(stack, "score", first)

    count = (
        "from include import lake; "
        f"rows = lake.read_predictions(lake.predictions_uri('{PIPELINE}'), '{last}', '{last}'); "
        f"asked = lake.partitions(lake.raw_uri('{PIPELINE}', 'schedule'))['{last}'].rows; "
        "print(rows.num_rows == asked > 0, len(set(rows['flight_id'].to_pylist())) == asked)"
    )
    assert stack.run_in("worker-2", "python", "-c", count).split() == ["True", "True"]
    told = stack.log("monitor", run_to_end(stack, "monitor", last), "measure_drift")
    assert "have no prediction" in told
    between = [first + timedelta(days=number) for number in (1, 2)]
    assert all(str(day) in told for day in between)

    for day in between:
        run_to_end(stack, "score", day)
    told = stack.log("monitor", run_to_end(stack, "monitor", last), "measure_drift")
    assert "have no prediction" not in told
    assert re.search(r"\bok +volume +predictions\b", told)


def test_mlflow_wants_a_login(stack: Stack) -> None:
    """Without one, or with a wrong one, nothing is told; the tasks' user is no administrator."""
    path = "api/2.0/mlflow/registered-models/search"

    assert stack.mlflow(path, user="nobody", password="nothing").status_code == 401
    assert stack.mlflow(path).ok
    tasks = stack.env["NIGHTSHIFT_MLFLOW_PASSWORD"]
    assert stack.mlflow(path, user="nightshift", password=tasks).ok
    new = {"username": "mallory", "password": "a-long-password-of-her-own"}
    made = requests.post(
        stack.mlflow_url("api/2.0/mlflow/users/create"), json=new, auth=("nightshift", tasks), timeout=30
    )
    assert made.status_code == 403


def answer(client: AirflowClient, run_id: str, option: str) -> None:
    """Answer the question of a promotion by hand, once it is asked, as one of Airflow's users."""
    path = f"dags/{PIPELINE}.promote/dagRuns/{quote(run_id)}/taskInstances/ask_another/-1/hitlDetails"
    wait_for(lambda: client.get(path, missing=None), "the question", 600)
    client.call("PATCH", path, {"chosen_options": [option], "params_input": {}})


def kept_out(stack: Stack) -> int:
    """Return a version that is not the champion; register another one where there is none."""
    for _ in range(3):
        told = [each["content"] for each in records(stack)]
        champion = next(each["champion_after"] for each in reversed(told) if "champion_after" in each)
        others = {each.get("challenger_version") for each in told} - {champion, None}
        if others:
            return max(others)
        assert stack.wait_run("retrain", retrain(stack)) == "success"
    raise AssertionError("each new version has become the champion")


def test_roles_and_four_eyes(stack: Stack) -> None:
    """A viewer looks, an approver answers, an operator triggers and cannot approve what they asked for."""
    dag, ask = f"{PIPELINE}.promote", {"version": kept_out(stack), "reason": "we know better"}
    viewer, approver, operator = (stack.new_user(role) for role in ("Viewer", "Approver", "Op"))
    for client in (viewer, approver):
        assert client.has_dag(dag)
        with pytest.raises(EmbeddedStackError, match="403"):
            client.trigger(dag, ask)

    own = operator.trigger(dag, ask)
    with pytest.raises(EmbeddedStackError, match="403"):
        answer(viewer, own, "Approve")
    answer(operator, own, "Approve")
    wait_for(lambda: "another user must approve" in stack.log("promote", own, "ask_another"), "the refusal", 120)
    answer(approver, own, "Approve")
    assert stack.wait_run("promote", own) == "success"
    newest = records(stack)[-1]
    assert (newest["kind"], newest["by"], newest["content"]["approver"]) == ("promotion", "op", "approver")


@pytest.mark.parametrize("task", ["tune_candidates", "train_challenger", "register_model"])
def test_a_worker_killed_in_mid_task(stack: Stack, task: str) -> None:
    """The task is tried again, on whichever worker is there."""
    run_id = retrain(stack)
    host = stack.wait_task("retrain", run_id, task).hostname
    stack.kill(host)

    assert stack.wait_run("retrain", run_id) == "success"
    assert_promises(stack, run_id)
    stack.wait_well(host)


@pytest.mark.parametrize("service", ["scheduler", "redis", "mlflow"])
def test_a_part_restarted_in_mid_run(stack: Stack, service: str) -> None:
    """The run goes on where it was, or its task is tried again."""
    run_id = retrain(stack)
    stack.wait_task("retrain", run_id, "evaluate_challenger" if service == "mlflow" else "tune_candidates")
    stack.compose("restart", service)

    assert stack.wait_run("retrain", run_id) == "success"
    assert_promises(stack, run_id)


def test_the_database_gone_for_a_minute(stack: Stack) -> None:
    """Airflow, MLflow and the trials live in it; all wait for it, and nobody has to mend anything."""
    run_id = retrain(stack)
    stack.wait_task("retrain", run_id, "tune_candidates")
    stack.compose("stop", "postgres")
    time.sleep(60)
    stack.compose("start", "postgres")

    assert stack.wait_run("retrain", run_id) == "success"
    assert_promises(stack, run_id)


def test_a_worker_that_slept_writes_nothing_twice(stack: Stack) -> None:
    """It is taken for dead, its task is done by another, and what it does when it wakes changes nothing."""
    run_id = retrain(stack)
    host = stack.wait_task("retrain", run_id, "train_challenger").hostname
    docker("pause", stack.container(host))
    try:
        stack.wait_task("retrain", run_id, "train_challenger", ("up_for_retry", "success"))
    finally:
        docker("unpause", stack.container(host))

    assert stack.wait_run("retrain", run_id) == "success"
    assert_promises(stack, run_id)


def test_a_full_volume_is_told_and_harms_nothing(stack: Stack) -> None:
    """The task says that there is no room; with room again the cleared run ends as any other."""
    champion = records(stack)[-1]["content"]["champion_after"]
    fill = (
        "dd if=/dev/zero of=/var/lib/nightshift/home/ballast bs=1M 2>/dev/null; df /var/lib/nightshift/home | tail -1"
    )
    stack.run_in("worker-1", "sh", "-c", fill, check=False)
    run_id = retrain(stack)
    try:
        assert stack.wait_run("retrain", run_id) == "failed"
        failed = next(task for task in stack.tasks("retrain", run_id).values() if task.state == "failed")
        told = stack.log("retrain", run_id, failed.task_id)
    finally:
        stack.run_in("worker-1", "rm", "/var/lib/nightshift/home/ballast")
    assert re.search(r"[Nn]o space left|free space|make room", told), told[-2000:]
    assert records(stack)[-1]["content"]["champion_after"] == champion

    stack.clear_failed("retrain", run_id)
    assert stack.wait_run("retrain", run_id) == "success"
    assert_promises(stack, run_id)


def test_two_triggers_at_once(stack: Stack) -> None:
    """They run one after the other, each with a version of its own."""
    first, second = retrain(stack), retrain(stack)

    assert {stack.wait_run("retrain", run) for run in (first, second)} == {"success"}
    assert_promises(stack, first)
    assert_promises(stack, second)


def test_a_worker_killed_while_it_ingests(stack: Stack, ingested: str) -> None:
    """The same days, ingested again through a kill, are in the tables once."""
    count = (
        "from include import lake; import sys; "
        f"print({{s: sum(p.rows for p in lake.partitions(lake.raw_uri('{PIPELINE}', s)).values()) "
        "for s in ('schedule', 'outcomes', 'weather')})"
    )
    before = stack.run_in("worker-1", "python", "-c", count)
    run_id = stack.start_run("ingest", start=str(FIRST), end=str(LAST_INGESTED))
    task = stack.wait_task("ingest", run_id, "weather.extract")
    stack.kill(task.hostname)

    assert stack.wait_run("ingest", run_id) == "success"
    assert stack.run_in("worker-2", "python", "-c", count) == before


def test_a_backup_is_restored_into_an_empty_stack(stack: Stack) -> None:
    """The same champion with the same history, and the next night compares with it."""
    before = records(stack)
    told = stack.compose("run", "--rm", "backup")
    name = re.findall(r"^backup: /backups/(\S+)$", told, re.MULTILINE)[0]
    stack.remove()
    told = stack.compose("run", "--rm", "backup", "python", "-m", "include", "restore", f"/backups/{name}")
    assert f"restored: /backups/{name}" in told
    stack.compose("up", "--detach")
    stack.wait_well(*SERVICES)

    assert records(stack) == before
    run_id = retrain(stack)
    assert stack.wait_run("retrain", run_id) == "success"
    assert_promises(stack, run_id)
    assert records(stack)[-1]["content"]["champion_before"] == before[-1]["content"]["champion_after"]


def test_no_secret_is_written_anywhere(stack: Stack) -> None:
    """Neither the logs of containers and tasks, nor the databases, the lake, the models or the image have one."""
    secrets = {name: stack.env[name] for name in SECRETS} | {"a source's": canary()}
    places = {
        "the image": docker("history", "--no-trunc", "nightshift:latest"),
        "the image's settings": docker("inspect", "nightshift:latest"),
        **{f"the log of {name}": docker("logs", stack.container(name), check=False) for name in stack.services()},
    }
    for database in ("airflow", "mlflow", "mlflow_auth", "optuna", "celery"):
        places[f"the database {database}"] = stack.run_in("postgres", "pg_dump", "-U", "postgres", database)
    silent = {"the log of own-postgres", "the log of own-redis"}  # they change a volume's owner and say nothing
    assert {name for name, text in places.items() if not text.strip()} <= silent
    assert PIPELINE in places["the database airflow"]
    for name, text in places.items():
        found = [secret for secret, value in secrets.items() if value in text]
        assert not found, f"{name} holds {found}"
    pattern = "|".join(re.escape(value) for value in secrets.values())
    for service, folder, known in (
        ("worker-1", "home", PIPELINE),
        ("worker-1", "logs", "VERDICT"),
        ("mlflow", "mlflow", "skops"),
    ):
        search = ("grep", "-rlaE")
        assert stack.run_in(service, *search, known, f"/var/lib/nightshift/{folder}")
        told = stack.run_in(service, *search, pattern, f"/var/lib/nightshift/{folder}", check=False)
        assert told.strip() == "", f"{folder}: {told}"
