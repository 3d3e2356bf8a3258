"""Access rules of the production stack: Airflow's own roles, and approvers by their login names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.providers.fab.auth_manager.fab_auth_manager import FabAuthManager

if TYPE_CHECKING:
    from airflow.providers.fab.auth_manager.models import User


class StackAuthManager(FabAuthManager):
    """Airflow's logins with roles; `approval.approvers` in pipeline.yaml contains login names.

    FAB identifies a user by a number, which nobody would recognise in a reviewed file.
    """

    def is_authorized_hitl_task(self, *, assigned_users: set[str], user: User) -> bool:
        """Return whether a user may answer a question."""
        return user.get_name() in assigned_users
