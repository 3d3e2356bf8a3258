"""Makes what MLflow's databases must hold before its server starts: the tables and two users.

`python config/stack/prepare_mlflow.py` may run any number of times; it changes no user that is there. `admin` is for
people; `nightshift` is the tasks', who may change what they have made, and read the rest.
"""

from __future__ import annotations

import os

from mlflow.db import upgrade
from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore

USERS = (("admin", "NIGHTSHIFT_ADMIN_PASSWORD", True), ("nightshift", "NIGHTSHIFT_MLFLOW_PASSWORD", False))


def main() -> None:
    """Bring both databases to this version, and make the users that are missing."""
    upgrade.callback(os.environ["NIGHTSHIFT_MLFLOW_DB_URI"])
    store = SqlAlchemyStore()
    store.init_db(os.environ["NIGHTSHIFT_MLFLOW_AUTH_URI"])
    for name, password, is_admin in USERS:
        if not store.has_user(name):
            store.create_user(name, os.environ[password], is_admin=is_admin)
            print(f"MLflow: made the user {name}, with {password} of .env")


if __name__ == "__main__":
    main()
