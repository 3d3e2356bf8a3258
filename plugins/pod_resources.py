"""Pass `resources` of pipeline.yaml to the Kubernetes executor."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from airflow.sdk.definitions.mappedoperator import MappedOperator

if TYPE_CHECKING:
    from airflow.sdk import DAG

    from include.config.pipeline import Pipeline
    from include.config.resources import Ask

#: Airflow's fixed name of the container in which a pod runs its task.
CONTAINER = "base"
GPU = "nvidia.com/gpu"


def ask_for_resources(dag: DAG, pipeline: Pipeline) -> None:
    """Set the resource requests of a DAG's tasks; changes nothing under another executor."""
    if pipeline.resources is None or not runs_in_pods():
        return
    for task in dag.tasks:
        ask = pipeline.resources.of(task.task_id)
        if ask is None:
            continue
        config = {"pod_override": pod_override(ask)}
        if isinstance(task, MappedOperator):
            task.partial_kwargs["executor_config"] = config
        else:
            task.executor_config = config


def runs_in_pods() -> bool:
    """Return whether a configured executor starts a pod for each task."""
    from airflow.sdk.configuration import conf

    return "KubernetesExecutor" in conf.get("core", "executor")


def pod_override(ask: Ask) -> Any:
    """Return a `kubernetes.client.models.V1Pod` with the resources and the number of threads to use.

    Requests equal limits, so that a task has the same resources on every node. The number of threads is set because a
    container sees every core of its node, whatever its limit.
    """
    from kubernetes.client import models as k8s

    amounts = {"cpu": f"{round(ask.cpu * 1000)}m", "memory": ask.memory}
    if ask.gpu:
        amounts[GPU] = str(ask.gpu)
    container = k8s.V1Container(
        name=CONTAINER,
        resources=k8s.V1ResourceRequirements(requests=amounts, limits=dict(amounts)),
        env=[k8s.V1EnvVar(name="NIGHTSHIFT_THREADS", value=str(math.ceil(ask.cpu)))],
    )
    return k8s.V1Pod(spec=k8s.V1PodSpec(containers=[container]))
