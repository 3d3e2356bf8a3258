"""Hand what pipeline.yaml's `resources` asks for to the Kubernetes executor, where Airflow runs tasks by it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from airflow.sdk.definitions.mappedoperator import MappedOperator

if TYPE_CHECKING:
    from airflow.sdk import DAG

    from include.config.pipeline import Pipeline
    from include.config.resources import Ask

#: The container of a task's pod in which Airflow runs the task, by the name that it must have.
CONTAINER = "base"
GPU = "nvidia.com/gpu"


def ask_for_resources(dag: DAG, pipeline: Pipeline) -> None:
    """Let each task of a DAG ask for what its pipeline.yaml says; nothing changes under another executor."""
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
    """Return whether one of the executors that Airflow is set to starts a pod for each task."""
    from airflow.sdk.configuration import conf

    return "KubernetesExecutor" in conf.get("core", "executor")


def pod_override(ask: Ask) -> Any:
    """Return a `kubernetes.client.models.V1Pod` that has nothing but resources and the threads to use them.

    A task gets what it asks for and no more, so that what it was seen to need on one node is what it has on
    another. The number of threads is given because a container sees every core of its node, whatever its limit.
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
