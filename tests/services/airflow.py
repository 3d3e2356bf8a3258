"""Airflow's database and environment for tests that run it."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from include.core.database_file import DatabaseFile

ROOT = Path(__file__).resolve().parents[2]


def airflow_environment(home: Path) -> dict[str, str]:
    """Return an environment in which Airflow keeps everything in a folder."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW__")}
    return clean | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__API__BASE_URL": "http://localhost:8080",
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__API_AUTH__JWT_SECRET": "for-tests-only-and-long-enough-to-be-taken",
        "PYTHONPATH": str(ROOT),
    }


def migrate(home: Path) -> None:
    """Make Airflow's database in a folder, and note beside it that it is migrated, as the embedded stack does."""
    subprocess.run(
        [sys.executable, "-m", "airflow", "db", "migrate"],
        env=airflow_environment(home),
        check=True,
        capture_output=True,
    )
    (package,) = find_spec("airflow").submodule_search_locations
    scripts = Path(package) / "migrations" / "versions"
    DatabaseFile(home / "airflow.db", "Airflow", version("apache-airflow-core"), scripts).settle()
