"""The command of a task's pod, run with only the variables of that pod."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
import urllib.request
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import URLError

import pytest
import yaml

from tests import factories
from tests.dags.test_pods import KUBERNETES, base_of, last_values
from tests.services.airflow import ROOT, airflow_environment
from tests.services.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE_SECONDS = 600
VALUES = yaml.safe_load((ROOT / "config" / "kubernetes" / "values.yaml").read_text())


@contextmanager
def api_server(home: Path, log: Path) -> Iterator[str]:
    """Serve Airflow's API for tasks, and yield its address."""
    port = free_port()
    command = [sys.executable, "-m", "airflow", "api-server", "--apps", "execution", "--host", "127.0.0.1"]
    with log.open("w") as written:
        server = subprocess.Popen(
            [*command, "--port", str(port), "--workers", "1"],
            env=airflow_environment(home),
            stdout=written,
            stderr=subprocess.STDOUT,
        )
    address = f"http://127.0.0.1:{port}/execution/"
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                urllib.request.urlopen(f"{address}health", timeout=30).close()  # noqa: S310  the address is above
                break
            except (URLError, OSError):
                if time.monotonic() > deadline or server.poll() is not None:
                    pytest.fail(f"the API server does not answer:\n{log.read_text()[-3000:]}")
                time.sleep(0.3)
        yield address
    finally:
        server.terminate()
        server.wait(180)


def test_a_task_runs_with_the_variables_of_its_pod_alone(schedule_tasks: Callable[..., Any], tmp_path: Path) -> None:
    """The task succeeds without Airflow's database and keys: a token is enough, and its result is in the lake.

    Of the settings, those that name a place of the cluster or of the image name one of this machine instead.
    """
    factories.write_shop(tmp_path / "pipelines")
    factories.write_sales(tmp_path / "shop.db", factories.sales())
    tasks, days = [("shop.ingest", ["sales.extract"])], {"start": "2024-01-01", "end": "2024-01-02"}
    pods = schedule_tasks(tmp_path, KUBERNETES, tasks, params=days, pods=True)
    container = base_of(pods["shop.ingest sales.extract"])

    with api_server(tmp_path / "airflow", tmp_path / "api-server.log") as address:
        (tmp_path / "pod").mkdir()
        here = {
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": address,
            "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
            "AIRFLOW__LOGGING__REMOTE_LOGGING": "False",
            "AIRFLOW_HOME": str(tmp_path / "pod"),
            "HOME": str(tmp_path / "pod"),
            "LAKE_URI": str(tmp_path / "lake"),
            "NIGHTSHIFT_HOME": str(tmp_path / "pod"),
            "PYTHONPATH": str(ROOT),
        }
        settings = yaml.safe_load(VALUES["extraConfigMaps"]["nightshift-settings"]["data"])
        assert here.keys() <= settings.keys()
        secrets = {
            "AIRFLOW_CONN_SHOP": json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "shop.db")}),
            "NIGHTSHIFT_TUNING_STORAGE": f"sqlite:///{tmp_path / 'trials.db'}",
        }
        image = {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"]),
            "NIGHTSHIFT_PIPELINES": str(tmp_path / "pipelines"),
        }
        done = subprocess.run(
            container["args"],
            env=image | settings | here | secrets | last_values(container),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    assert done.returncode == 0, done.stdout[-3000:]
    with closing(sqlite3.connect(tmp_path / "airflow" / "airflow.db")) as database:
        [state] = database.execute("SELECT state FROM task_instance WHERE task_id = 'sales.extract'").fetchone()
    assert state == "success", done.stdout[-3000:]
    assert len(list((tmp_path / "lake" / "shop" / "staged" / "sales").glob("*.parquet"))) == 1
