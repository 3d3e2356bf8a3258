"""Which DAGs the reader of a page may read and trigger, by Airflow's own permissions."""

from typing import Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.models.dag import DagModel
from sqlalchemy.orm import Session


class Permissions:
    """What a user may do with DAGs.

    Our pages show what the logs of tasks say, so they are for whoever may read the logs of a DAG.
    """

    def __init__(self, user: Any, dag_ids: set[str], session: Session) -> None:
        self._user = user
        self._teams = DagModel.get_dag_id_to_team_name_mapping(sorted(dag_ids), session=session)

    def reads(self, dag_id: str) -> bool:
        """Return whether the user may read the logs of a DAG's tasks."""
        return self._may("GET", DagAccessEntity.TASK_LOGS, dag_id)

    def triggers(self, dag_id: str) -> bool:
        """Return whether the user may trigger a DAG."""
        return self._may("POST", DagAccessEntity.RUN, dag_id)

    def _may(self, method: Any, entity: DagAccessEntity, dag_id: str) -> bool:
        details = DagDetails(id=dag_id, team_name=self._teams.get(dag_id))
        return get_auth_manager().is_authorized_dag(
            method=method, access_entity=entity, details=details, user=self._user
        )
