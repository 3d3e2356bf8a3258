"""Lets Airflow's own scheduler choose among waiting tasks, and its KubernetesExecutor render their pods.

The question has `tasks` (lists of a DAG's id and the ids of its waiting tasks), `pools` (slots by name) and `slots`
(how many tasks may start, one time after the other), or `pods` to have the pods of all of them; and `params` of the
runs.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from airflow.configuration import AIRFLOW_HOME
from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.dagbag import BundleDagBag, sync_bag_to_db
from airflow.executors import workloads
from airflow.executors.base_executor import BaseExecutor
from airflow.jobs.job import Job
from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
from airflow.models.dag import DagModel
from airflow.models.dagrun import get_or_create_dagrun
from airflow.models.pool import Pool
from airflow.sdk import timezone
from airflow.serialization.serialized_objects import DagSerialization
from airflow.utils.session import create_session
from airflow.utils.state import TaskInstanceState
from airflow.utils.types import DagRunTriggeredByType

from include.core import settings


def main(question: dict[str, Any], result: str, home: str) -> None:
    """Write the started tasks in order, or the pods of all tasks; keep Airflow's database in a folder."""
    folder = settings.root() / "dags"
    bag = BundleDagBag(dag_folder=folder, bundle_path=folder, bundle_name="dags-folder")
    assert not bag.import_errors, bag.import_errors
    told: Any = []
    with create_session() as session:
        DagBundlesManager().sync_bundles_to_db(session=session)
        session.commit()
        sync_bag_to_db(bag, "dags-folder", None)
        for name, slots in question.get("pools", {}).items():
            Pool.create_or_update_pool(name, slots, "", include_deferred=False, session=session)
        for number, (dag_id, waiting) in enumerate(question["tasks"]):
            session.get(DagModel, dag_id).is_paused = False
            for task in run_of(bag, dag_id, number, question.get("params"), session).get_task_instances(
                session=session
            ):
                if task.task_id in waiting:
                    task.state, task.try_number = TaskInstanceState.SCHEDULED, 1
        session.commit()
        session.expunge_all()  # the scheduler knows of a task what the database holds
        scheduler = SchedulerJobRunner(Job())
        for slots in question.get("slots", []):
            started = scheduler._executable_task_instances_to_queued(slots, session=session)
            told.append([f"{task.dag_id} {task.task_id}" for task in started])
        if question.get("pods"):
            started = scheduler._executable_task_instances_to_queued(100, session=session)
            told = {f"{task.dag_id} {task.task_id}": pod_of(task) for task in started}
    shutil.copytree(AIRFLOW_HOME, home, ignore=shutil.ignore_patterns("logs"))
    Path(result).write_text(json.dumps(told), encoding="utf-8")


def run_of(bag: BundleDagBag, dag_id: str, number: int, params: dict[str, Any] | None, session: Any) -> Any:
    """Return a running DAG run with its own time."""
    now = timezone.utcnow()
    return get_or_create_dagrun(
        dag=DagSerialization.deserialize_dag(DagSerialization.serialize_dag(bag.dags[dag_id])),
        run_id=f"run-{number}",
        logical_date=None,
        data_interval=None,
        run_after=now,
        conf=params,
        triggered_by=DagRunTriggeredByType.TEST,
        triggering_user_name=None,
        start_date=now,
        session=session,
    )


def pod_of(task: Any) -> dict[str, Any]:
    """Return the pod that the KubernetesExecutor would create for a task, without a cluster."""
    from airflow.providers.cncf.kubernetes.executors.kubernetes_executor_types import KubernetesJob
    from airflow.providers.cncf.kubernetes.executors.kubernetes_executor_utils import AirflowKubernetesScheduler
    from airflow.providers.cncf.kubernetes.kube_config import KubeConfig
    from airflow.providers.cncf.kubernetes.pod_generator import PodGenerator

    workload = workloads.ExecuteTask.make(task, generator=BaseExecutor().jwt_generator)
    config = KubeConfig()
    override = PodGenerator.from_obj(workload.ti.executor_config or {})
    executor = SimpleNamespace(
        kube_config=config,
        namespace=config.kube_namespace,
        scheduler_job_id="1",
        supports_task_instance_uuid=False,
        log=SimpleNamespace(info=print, debug=print),
    )
    job = KubernetesJob(workload.ti.key, [workload], override, None)
    return PodGenerator.serialize_pod(AirflowKubernetesScheduler._build_pod_request(executor, job))
