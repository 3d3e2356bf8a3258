"""Makes what Airflow's metadata must hold before its parts start: the tables, the roles, the first user, the pool.

`python config/stack/prepare_airflow.py` may run any number of times; it changes no user and no pool that is there.
"""

from __future__ import annotations

import os

from airflow.models.pool import Pool
from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
from airflow.utils.session import create_session

ADMIN = "admin"
#: Airflow's Viewer, who may also answer what a run asks; for FAB that is to edit the DAG as well.
APPROVER = "Approver"
APPROVES = (("can_edit", "DAGs"), ("can_edit", "HITL Detail"), ("menu_access", "HITL Detail"))


def prepare_logins() -> None:
    """Make the role of approvers, and the user admin with the password of .env."""
    with get_application_builder() as builder:
        security = builder.sm
        viewer = security.find_role("Viewer")
        approver = security.add_role(APPROVER)
        for permission in viewer.permissions:
            security.add_permission_to_role(approver, permission)
        for action, resource in APPROVES:
            security.add_permission_to_role(approver, security.create_permission(action, resource))
        if security.find_user(username=ADMIN) is None:
            password = os.environ["NIGHTSHIFT_ADMIN_PASSWORD"]
            role = security.find_role("Admin")
            security.add_user(ADMIN, "Nightshift", "Admin", "admin@localhost", role, password=password)
            print(f"Airflow: made the user {ADMIN}, with NIGHTSHIFT_ADMIN_PASSWORD of .env")


def prepare_pool() -> None:
    """Make the pool of trainings, so that they leave room for the night's other tasks."""
    name, slots = os.environ["NIGHTSHIFT_TRAINING_POOL"], int(os.environ["NIGHTSHIFT_TRAINING_SLOTS"])
    with create_session() as session:
        if Pool.get_pool(name, session=session) is None:
            Pool.create_or_update_pool(
                name, slots, "Tuning and training, of all pipelines", include_deferred=False, session=session
            )
            print(f"Airflow: made the pool {name} of {slots}")


if __name__ == "__main__":
    prepare_logins()
    prepare_pool()
