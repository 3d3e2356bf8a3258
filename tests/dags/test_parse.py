"""The DAG files: what they define, and what reading them costs."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from include.config import task_ids
from include.config.loader import pipeline_names
from tests import factories
from tests.services.airflow import ROOT, airflow_environment

if TYPE_CHECKING:
    from pathlib import Path

HEAVY = ("pandas", "sklearn", "lightgbm", "mlflow", "great_expectations", "optuna", "duckdb", "deltalake", "kubernetes")

PARSE = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization
bag = DagBag(sys.argv[1])
for dag in bag.dags.values():
    DagSerialization.serialize_dag(dag)
told = {
    "errors": bag.import_errors,
    "dags": {
        dag_id: {
            "tasks": dag.task_ids,
            "tags": sorted(dag.tags),
            "doc": dag.doc_md,
            "owner": dag.owner,
            "paused": dag.is_paused_upon_creation,
            "turns": [[task.priority_weight, str(task.weight_rule)] for task in dag.tasks],
            "pools": {task.task_id: task.pool for task in dag.tasks},
            "outlets": sorted(asset.name for task in dag.tasks for asset in task.outlets),
            "starts": [asset.name for asset in getattr(dag.timetable.asset_condition, "objects", [])],
            "fields": {name: dag.params.get_param(name).schema for name in dag.params},
            "asks": [task.task_id for task in dag.tasks if task.executor_config],
        }
        for dag_id, dag in bag.dags.items()
    },
    "modules": sorted({name.partition(".")[0] for name in sys.modules}),
}
print("PARSED" + json.dumps(told))
"""


def parse(home: Path, **environment: str) -> dict:
    """Parse dags/ in a new process and return what it found."""
    done = subprocess.run(
        [sys.executable, "-c", PARSE, str(ROOT / "dags")],
        env=airflow_environment(home) | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.rpartition("PARSED")[2])


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """Parse the repository's DAGs once."""
    return parse(tmp_path_factory.mktemp("airflow"))


def test_each_pipeline_has_its_dags(parsed: dict) -> None:
    """Every pipeline has each kind of DAG, and every file can be imported."""
    assert parsed["errors"] == {}
    kinds = ("ingest", "maintain", "monitor", "promote", "quarantine", "retrain", "rollback", "score")
    assert set(parsed["dags"]) == {f"{name}.{kind}" for name in pipeline_names() for kind in kinds}


def test_no_form_replaces_a_number(parsed: dict) -> None:
    """Airflow's form turns a number beyond `minimum` or `maximum` into that limit without a word.

    Tuning seconds of -5 became 1, and the model that one second of search had found became the champion.
    """
    fields = [
        (dag_id, name, schema) for dag_id, dag in parsed["dags"].items() for name, schema in dag["fields"].items()
    ]
    numbers = [each for each in fields if "integer" in each[2]["type"] or "number" in each[2]["type"]]

    assert {name for _, name, _ in numbers} == {"tuning_seconds", "version"}
    assert [each for each in fields if {"minimum", "maximum"} & each[2].keys()] == []
    assert [each for each in numbers if each[2].get("exclusiveMinimum") != 0] == []


def test_parsing_loads_no_heavy_library(parsed: dict) -> None:
    """Reading the DAG files imports none of the libraries that only tasks need."""
    assert {"airflow", "dags", "include"} <= set(parsed["modules"])
    assert [name for name in HEAVY if find_spec(name.partition(".")[0]) is None] == []
    assert set(HEAVY) & set(parsed["modules"]) == set()


def test_every_dag_has_documentation_and_an_owner(parsed: dict) -> None:
    """The UI shows documentation, an owner and tags for each DAG."""
    for dag in parsed["dags"].values():
        assert dag["doc"]
        assert dag["owner"] not in ("", "airflow")
        assert len(dag["tags"]) == 2


def test_a_dag_without_a_schedule_is_not_paused(parsed: dict) -> None:
    """A triggered run of a paused DAG would wait forever; scheduled DAGs wait for their owner."""
    awake = {dag_id for dag_id, dag in parsed["dags"].items() if dag["paused"] is False}
    assert {dag_id.rpartition(".")[2] for dag_id in awake} == {"promote", "quarantine", "rollback"}


def test_the_retraining_is_a_chain_of_coarse_tasks(parsed: dict) -> None:
    """A run has ten tasks, each named by a verb and a noun."""
    assert parsed["dags"]["flight_delays.retrain"]["tasks"] == [
        "tune_candidates",
        "plan_run",
        "build_features",
        "validate_features",
        "prove_features",
        "train_challenger",
        "evaluate_challenger",
        "apply_gate",
        "register_model",
        "summarize_run",
    ]


def test_predictions_update_an_asset_and_go_before_training(parsed: dict) -> None:
    """Other DAGs can be scheduled on them; scoring has two tasks, with a priority between ingestion and retraining."""
    dags = parsed["dags"]
    assert dags["flight_delays.score"]["tasks"] == ["plan_scoring", "score_rows"]
    assert dags["flight_delays.score"]["outlets"] == ["flight_delays.predictions"]
    assert dags["flight_delays.ingest"]["outlets"] == ["flight_delays.raw_tables"]
    turns = {
        kind: [turn for turn, _ in dags[f"flight_delays.{kind}"]["turns"]] for kind in ("ingest", "score", "retrain")
    }
    assert min(turns["ingest"]) > max(turns["score"]) >= min(turns["score"]) > max(turns["retrain"])


def test_the_monitor_starts_with_the_predictions_at_a_low_priority(parsed: dict) -> None:
    """Its tasks run after scoring and started retrainings, and before another training."""
    dags = parsed["dags"]
    assert dags["flight_delays.monitor"]["tasks"] == ["plan_monitoring", "measure_drift", "confirm_no_alerts"]
    assert dags["flight_delays.monitor"]["starts"] == ["flight_delays.predictions"]
    turns = {kind: {turn for turn, _ in dags[f"flight_delays.{kind}"]["turns"]} for kind in ("monitor", "score")}
    assert max(turns["monitor"]) < min(turns["score"])


def test_a_mistake_in_one_pipeline_stops_no_other(tmp_path: Path) -> None:
    """A pipeline.yaml with a mistake gets DAGs that name the mistake; the other pipelines keep theirs."""
    pipelines = tmp_path / "pipelines"
    factories.write_shop(pipelines)
    factories.write_shop(pipelines, "broken", pipeline=factories.SHOP_YAML.replace("metric: mae", "metric: mse"))

    found = parse(tmp_path, NIGHTSHIFT_PIPELINES=str(pipelines))

    assert found["errors"] == {}
    assert "extract" in " ".join(found["dags"]["shop.ingest"]["tasks"])
    assert found["dags"]["broken.retrain"]["tasks"] == ["report_mistakes"]
    assert "mse" in found["dags"]["broken.retrain"]["doc"]


RESOURCES = "resources: {default: {cpu: 1, memory: 1Gi}}\n"


def test_resources_are_only_used_for_pods(tmp_path: Path) -> None:
    """Under another executor `resources` changes nothing and does not import the Kubernetes client."""
    factories.write_shop(tmp_path / "pipelines", pipeline=factories.SHOP_YAML + RESOURCES)

    found = parse(tmp_path, NIGHTSHIFT_PIPELINES=str(tmp_path / "pipelines"))

    assert found["errors"] == {}
    assert [dag["asks"] for dag in found["dags"].values()] == [[]] * 8
    assert "kubernetes" not in found["modules"]


def test_every_task_has_a_priority_and_can_request_resources(tmp_path: Path) -> None:
    """Every task has a priority, and `resources` knows exactly the tasks that a pipeline can have."""
    text = factories.SHOP_YAML.replace(
        "  label: revenue\n",
        "  label: revenue\n  automated: {aggregates: {trade: {source: sales, by: [store], values: [visitors]}}}\n",
    )
    text += "approval: required\nschedule: {retrain: when_needed}\n"
    factories.write_shop(tmp_path / "pipelines", pipeline=f"{text}{RESOURCES}")

    found = parse(
        tmp_path,
        NIGHTSHIFT_PIPELINES=str(tmp_path / "pipelines"),
        NIGHTSHIFT_TRAINING_POOL="training",
        AIRFLOW__CORE__EXECUTOR="LocalExecutor,KubernetesExecutor",
    )

    assert found["errors"] == {}
    tasks = [task for dag in found["dags"].values() for task in dag["tasks"]]
    assert sorted(tasks) == sorted(task_ids.known_task_ids(["sales"]))
    assert sorted(task for dag in found["dags"].values() for task in dag["asks"]) == sorted(tasks)
    for dag in found["dags"].values():
        assert {rule for _, rule in dag["turns"]} == {"absolute"}
        assert min(priority for priority, _ in dag["turns"]) >= 10
    assert (
        found["dags"]["shop.retrain"]["starts"] == found["dags"]["shop.monitor"]["outlets"] == ["shop.retrain_wanted"]
    )
    trains = {task for dag in found["dags"].values() for task, pool in dag["pools"].items() if pool == "training"}
    assert trains == {
        "build_features",
        "prove_features",
        "select_features",
        "tune_candidates",
        "train_challenger",
        "evaluate_challenger",
    }
