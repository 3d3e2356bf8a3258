"""One embedded stack for all tests of this folder, with the database of each of its shops."""

from __future__ import annotations

import json
import shutil
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import yaml

from include.ops.embedded.airflow_client import AirflowClient
from include.ops.embedded.environment import ADMIN, stack_secrets
from include.ops.embedded.stack import running_stack
from tests import factories
from tests.integration.embedded.running import DUE, LAST, Airflow, own_ports, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: One row of a day may break it and is held; more of them hold back the day.
EXPECTATIONS = """\
expectations:
  - expect_column_values_to_be_between: {column: revenue, min_value: 0, max_value: 100000, mostly: 0.8}
"""


def write_approved(folder: Path) -> str:
    """Write the shop whose promotions are approved; return its database's connection."""
    fields = yaml.safe_load(factories.SHOP_YAML) | {"approval": "required"}
    fields["training"]["tuning"]["seconds"] = 60  # its trials end the search, so that two runs tie
    factories.write_shop(folder / "pipelines", pipeline=yaml.safe_dump(fields))
    factories.write_sales(folder / "shop.db", factories.sales())
    return json.dumps({"conn_type": "sqlite", "host": str(folder / "shop.db")})


def write_daily(folder: Path) -> str:
    """Write the shop `daily`, whose source ends with the last day of its schedule; return its connection."""
    yaml_text = factories.SHOP_YAML.replace("connection: shop", "connection: daily")
    yaml_text += f'schedule: {{ingest: "{DUE.minute} {DUE.hour} * * *"}}\n'
    factories.write_shop(folder / "pipelines", "daily", pipeline=yaml_text, sales_expectations=EXPECTATIONS)
    frame = factories.sales(days=40)
    moved = LAST - timedelta(days=39) - factories.FIRST_DAY
    for column in ("day", "closed_at"):
        frame[column] = [str(datetime.fromisoformat(each) + moved) for each in frame[column]]
    factories.write_sales(folder / "daily.db", frame)
    return json.dumps({"conn_type": "sqlite", "host": str(folder / "daily.db")})


@pytest.fixture(scope="package")
def airflow(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> Iterator[Airflow]:
    """Run the stack for the shops `shop` and `daily`, nothing of which has run."""
    folder = tmp_path_factory.mktemp("stack")
    home = folder / "var"
    (home / "airflow").mkdir(parents=True)
    for file in migrated.glob("airflow.db*"):
        shutil.copy(file, home / "airflow")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in own_ports().items():
            patch.setenv(name, value)
        patch.setenv("NIGHTSHIFT_HOME", str(home))
        patch.setenv("NIGHTSHIFT_PIPELINES", str(folder / "pipelines"))
        patch.setenv("AIRFLOW_CONN_SHOP", write_approved(folder))
        patch.setenv("AIRFLOW_CONN_DAILY", write_daily(folder))
        with running_stack(home, {}, lambda _: None) as running:
            client = AirflowClient.embedded(running.paths)
            login = {"username": ADMIN, "password": stack_secrets(home)["admin_password"]}
            token = client.call("POST", "token", login, api="auth")["access_token"]
            # the DAGs of a file are known together, but files are parsed one after another
            dags = [f"{shop}.{kind}" for shop in ("shop", "daily") for kind in ("ingest", "retrain", "quarantine")]
            wait_for("the DAGs", lambda: all(client.has_dag(dag) for dag in [*dags, "shop.promote", "shop.rollback"]))
            sessions = frozenset(part.process.pid for part in running.parts)
            yield Airflow(home, folder / "pipelines", running.paths.airflow_url, token, client, sessions)


@pytest.fixture(autouse=True)
def in_its_home(airflow: Airflow, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the test read what the stack wrote."""
    monkeypatch.setenv("NIGHTSHIFT_HOME", str(airflow.home))
    monkeypatch.setenv("NIGHTSHIFT_PIPELINES", str(airflow.pipelines))
