"""Which DAGs of a pipeline run by their schedules, and which are paused. Airflow pauses a new DAG with a schedule."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from include.ops.embedded.airflow_answers import Dag
    from include.ops.embedded.airflow_client import AirflowClient

#: End of a sentence that asks to unpause a DAG.
HOW_TO_UNPAUSE = "in Airflow's list of DAGs, or with `./nightshift airflow dags unpause <DAG>`"


def unpause_scheduled(client: AirflowClient, pipeline: str) -> None:
    """Unpause the DAGs of a pipeline that have a schedule."""
    for dag in _scheduled(client, pipeline):
        if dag.is_paused:
            client.pause(dag.dag_id, False)


def schedule_lines(client: AirflowClient, pipeline: str) -> list[str]:
    """Return a line that names the DAGs that run by their schedules, and one that names the paused DAGs."""
    dags = _scheduled(client, pipeline)
    lines = []
    if running := _names(dag for dag in dags if not dag.is_paused):
        lines.append(f"While this stack is up, Airflow runs by their schedules: {running}")
    if paused := _names(dag for dag in dags if dag.is_paused):
        lines.append(f"Paused, so they do not run: {paused}; unpause them {HOW_TO_UNPAUSE}")
    return lines


def _scheduled(client: AirflowClient, pipeline: str) -> list[Dag]:
    dags = [dag for dag in client.dags(pipeline) if dag.dag_id.startswith(f"{pipeline}.") and dag.is_scheduled]
    return sorted(dags, key=lambda dag: dag.dag_id)


def _names(dags: Iterable[Dag]) -> str:
    return ", ".join(dag.dag_id for dag in dags)
