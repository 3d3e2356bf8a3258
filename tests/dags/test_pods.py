"""The pods of tasks, as Airflow's KubernetesExecutor renders them from the template and from `resources`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests import factories
from tests.services.airflow import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

TEMPLATE = ROOT / "config" / "kubernetes" / "pod_template.yaml"
KUBERNETES = {
    "AIRFLOW__CORE__EXECUTOR": "KubernetesExecutor",
    "AIRFLOW__KUBERNETES_EXECUTOR__POD_TEMPLATE_FILE": str(TEMPLATE),
    "AIRFLOW__KUBERNETES_EXECUTOR__NAMESPACE": "nightshift",
    "AIRFLOW__KUBERNETES_EXECUTOR__WORKER_CONTAINER_REPOSITORY": "registry.example.org/nightshift",
    "AIRFLOW__KUBERNETES_EXECUTOR__WORKER_CONTAINER_TAG": "0.1.0",
}
RESOURCES = """\
resources:
  default: {cpu: 1, memory: 3Gi}
  tasks:
    tune_candidates: {cpu: 2.5, memory: 8Gi, gpu: 1}
"""


@pytest.fixture(scope="module")
def pods(schedule_tasks: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Render the pods of two pipelines; the pipeline `plain` requests no resources."""
    folder = tmp_path_factory.mktemp("pods")
    factories.write_shop(folder / "pipelines", "shop", pipeline=factories.SHOP_YAML + RESOURCES)
    factories.write_shop(folder / "pipelines", "plain")
    tasks = [
        ("shop.retrain", ["plan_run", "tune_candidates"]),
        ("shop.ingest", ["sales.extract"]),
        ("plain.retrain", ["plan_run", "tune_candidates"]),
    ]
    found = schedule_tasks(folder, KUBERNETES, tasks, pods=True)
    assert set(found) == {f"{dag_id} {task}" for dag_id, waiting in tasks for task in waiting}
    return found


def base_of(pod: dict[str, Any]) -> dict[str, Any]:
    """Return the container of a task's pod."""
    [container] = pod["spec"]["containers"]
    assert container["name"] == "base"
    return container


def last_values(container: dict[str, Any]) -> dict[str, str]:
    """Return a container's variables without secrets; Kubernetes uses the last of duplicate variables."""
    return {each["name"]: each["value"] for each in container["env"] if "value" in each}


def test_a_task_gets_exactly_the_resources_that_it_requests(pods: dict[str, Any]) -> None:
    """Requests equal limits; a named task has its own resources and the others the default."""
    tuning = base_of(pods["shop.retrain tune_candidates"])
    asked = {"cpu": "2500m", "memory": "8Gi", "nvidia.com/gpu": "1"}
    assert tuning["resources"] == {"requests": asked, "limits": asked}
    assert last_values(tuning)["NIGHTSHIFT_THREADS"] == "3"
    for name in ("shop.retrain plan_run", "shop.ingest sales.extract"):
        usual = {"cpu": "1000m", "memory": "3Gi"}
        assert base_of(pods[name])["resources"] == {"requests": usual, "limits": usual}
        assert last_values(base_of(pods[name]))["NIGHTSHIFT_THREADS"] == "1"


def test_a_pipeline_without_resources_gets_those_of_the_template(pods: dict[str, Any]) -> None:
    """Every task has a memory limit, so that no task can exhaust its node."""
    template = yaml.safe_load(TEMPLATE.read_text())["spec"]["containers"][0]["resources"]

    for task in ("plan_run", "tune_candidates"):
        assert base_of(pods[f"plain.retrain {task}"])["resources"] == template
    assert template["limits"]["memory"] == template["requests"]["memory"]


def test_requested_resources_keep_the_rest_of_the_template(pods: dict[str, Any]) -> None:
    """User, rights, settings, secrets, volumes, image and command are the same as without resources."""
    pod = pods["shop.retrain tune_candidates"]
    template = yaml.safe_load(TEMPLATE.read_text())
    container, given = base_of(pod), template["spec"]["containers"][0]

    assert container["image"] == "registry.example.org/nightshift:0.1.0"
    assert container["args"][:3] == ["python", "-m", "airflow.sdk.execution_time.execute_workload"]
    assert pod["metadata"]["namespace"] == "nightshift"
    assert pod["metadata"]["labels"].items() >= template["metadata"]["labels"].items()
    for field in ("envFrom", "securityContext", "volumeMounts", "imagePullPolicy"):
        assert container[field] == given[field]
    for field in set(template["spec"]) - {"containers"}:
        assert pod["spec"][field] == template["spec"][field]
    assert last_values(container).items() >= {"AIRFLOW__CORE__EXECUTOR": "LocalExecutor"}.items()


def test_a_pod_without_a_database_of_trials_does_not_start(pods: dict[str, Any]) -> None:
    """Training reads the trials of the tuning pod; a file inside that pod would be lost."""
    for pod in pods.values():
        [storage] = [each for each in base_of(pod)["env"] if each["name"] == "NIGHTSHIFT_TUNING_STORAGE"]
        assert storage["valueFrom"]["secretKeyRef"] == {"name": "nightshift-tasks", "key": "NIGHTSHIFT_TUNING_STORAGE"}


def test_a_tasks_pod_has_no_special_rights() -> None:
    """The pod's user is not root and cannot become root, writes only to volumes, and has no cluster token."""
    spec = yaml.safe_load(TEMPLATE.read_text())["spec"]
    container = spec["containers"][0]

    assert (spec["securityContext"]["runAsNonRoot"], spec["securityContext"]["runAsUser"]) == (True, 50000)
    assert spec["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {each["name"] for each in container["volumeMounts"]} == {each["name"] for each in spec["volumes"]}
