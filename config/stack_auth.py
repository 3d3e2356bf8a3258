"""Who may do what in the production stack: Airflow's own roles, and approvers by their names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.providers.fab.auth_manager.fab_auth_manager import FabAuthManager

if TYPE_CHECKING:
    from airflow.providers.fab.auth_manager.models import User


class StackAuthManager(FabAuthManager):
    """Airflow's logins with roles, in which `approval.approvers` of pipeline.yaml names users as they log in.

    FAB knows a user by a number, which nobody could write into a file that is reviewed.
    """

    def is_authorized_hitl_task(self, *, assigned_users: set[str], user: User) -> bool:
        """Return whether a question is put to a user."""
        return user.get_name() in assigned_users
