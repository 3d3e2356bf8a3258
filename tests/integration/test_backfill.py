"""History and repeated days in real Airflow: backfills, ranges, corrected days, and the pages of validations."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
import requests

from include import lake
from include.core import settings
from include.ingestion.quarantine import quarantined
from include.ops.embedded.airflow_client import AirflowClient
from include.ops.embedded.environment import ADMIN, stack_secrets
from include.ops.embedded.stack import running_stack
from tests import factories
from tests.integration.test_embedded_stack import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

#: The last day of the daily schedule, which runs at a quarter past midnight.
LAST = (datetime.now(UTC) - timedelta(minutes=15)).date() - timedelta(days=1)
STORES = 5
INGEST = "shop.ingest"
ENDED = ("success", "failed")
#: One row of a day may break it and is held; more of them hold back the day.
EXPECTATIONS = """\
expectations:
  - expect_column_values_to_be_between: {column: revenue, min_value: 0, max_value: 100000, mostly: 0.8}
"""


def before(days: int) -> date:
    """Return the day so many days before the last."""
    return LAST - timedelta(days=days)


@dataclass(frozen=True)
class Night:
    """A running stack with the shop, its source's database, and a session with its API server."""

    home: Path
    pipelines: Path
    database: Path
    url: str
    client: AirflowClient
    token: str

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> requests.Response:
        """Ask Airflow's REST API."""
        return self.get(f"/api/v2/{path}", method=method, json=body, headers={"Authorization": f"Bearer {self.token}"})

    def get(self, path: str, method: str = "GET", **request: Any) -> requests.Response:
        """Ask the API server without being logged in, but for what the request brings."""
        with requests.Session() as session:
            session.trust_env = False
            return session.request(method, f"{self.url}{path}", timeout=60, allow_redirects=False, **request)

    def ended(self, *run_ids: str) -> list[str]:
        """Return the states of runs of the ingest once all have ended."""

        def states() -> list[str]:
            found = [self.client.state(INGEST, run_id) for run_id in run_ids]
            return found if set(found) <= set(ENDED) else []

        return wait_for(f"the end of {run_ids}", states)

    def tasks(self, run_id: str) -> dict[str, str]:
        """Return the states of a run's tasks."""
        return {task["task_id"]: task["state"] for task in self.client.tasks(INGEST, run_id)}

    def clear(self, run_id: str, **what: Any) -> None:
        """Clear tasks of a run, as the button of the UI does."""
        body = {"dry_run": False, "dag_run_id": run_id} | what
        answer = self.call("POST", f"dags/{INGEST}/clearTaskInstances", body)
        assert answer.status_code == 200, answer.text

    def create_backfill(self, create: Callable[[], Any]) -> Any:
        """Create a backfill while its DAG is paused, and return what that returned.

        Airflow commits its runs one by one. On SQLite it fails where the scheduler writes meanwhile, removes the runs
        again, and a scheduler that has begun with them ends with an error; those of a paused DAG it leaves alone.
        """
        self.client.pause(INGEST, True)
        created = wait_for("a backfill", create)
        self.client.pause(INGEST, False)
        return created

    def runs_of(self, first: date, last: date) -> list[dict[str, Any]]:
        """Return the runs of a backfill that stand for some days."""
        runs = [run for run in self.client.runs(INGEST) if run["run_type"] == "backfill"]
        return [run for run in runs if first.isoformat() <= run["data_interval_start"][:10] <= last.isoformat()]

    def execute(self, statement: str, *values: Any) -> None:
        """Change the source."""
        with closing(sqlite3.connect(self.database)) as database, database:
            assert database.execute(statement, [str(value) for value in values]).rowcount > 0

    def source_rows(self, first: date, last: date) -> list[tuple[str, str, float]]:
        """Return what the source has of some days."""
        with closing(sqlite3.connect(self.database)) as database:
            query = "SELECT store, date(day), revenue FROM sales WHERE date(day) BETWEEN ? AND ? ORDER BY 2, 1"
            return database.execute(query, (first.isoformat(), last.isoformat())).fetchall()

    def sound_rows(self, first: date, last: date) -> list[tuple[str, str, float]]:
        """Return what the source has of some days that breaks no expectation."""
        return [row for row in self.source_rows(first, last) if row[2] >= 0]

    def published_rows(self, first: date, last: date) -> list[tuple[str, str, float]]:
        """Return what the lake has of some days."""
        days = [first.isoformat(), last.isoformat()]
        rows = lake.read_days(lake.raw_uri("shop", "sales"), "ds", days)
        assert rows is not None
        return sorted(
            ((row["store"], row["ds"], row["revenue"]) for row in rows.to_pylist()), key=lambda row: (row[1], row[0])
        )

    def version(self) -> int | None:
        """Return the raw table's version."""
        return lake.latest_version(lake.raw_uri("shop", "sales"))

    def page_link(self, run_id: str) -> str:
        """Return the address of the validation's page by the link of its task."""
        answer = self.call("GET", f"dags/{INGEST}/dagRuns/{quote(run_id)}/taskInstances/sales.validate/links")
        link = answer.json()["extra_links"]["Data Docs"]
        assert link.startswith(f"{self.url}/"), link
        return link.removeprefix(self.url)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    """Run the embedded stack for the shop, whose source ends with the last day; its ingest is not paused."""
    folder = tmp_path_factory.mktemp("night")
    home, database, pipelines = folder / "var", folder / "shop.db", folder / "pipelines"
    frame = factories.sales(days=40, stores=STORES)
    for column in ("day", "closed_at"):
        moments = [datetime.fromisoformat(each) + (before(39) - factories.FIRST_DAY) for each in frame[column]]
        frame[column] = [str(each) for each in moments]
    factories.write_sales(database, frame)
    factories.write_shop(pipelines, sales_expectations=EXPECTATIONS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIGHTSHIFT_HOME", str(home))
        patch.setenv("NIGHTSHIFT_PIPELINES", str(pipelines))
        patch.setenv("AIRFLOW_CONN_SHOP", json.dumps({"conn_type": "sqlite", "host": str(database)}))
        with running_stack(home, {}, lambda _: None) as running:
            client = AirflowClient.embedded(running.paths)
            wait_for("the DAGs", lambda: client.has_dag(INGEST) and client.has_dag("shop.quarantine"))
            login = {"username": ADMIN, "password": stack_secrets(home)["admin_password"]}
            answer = requests.post(f"{running.paths.airflow_url}/auth/token", json=login, timeout=60)
            token = answer.json()["access_token"]
            yield Night(home, pipelines, database, running.paths.airflow_url, client, token)


@pytest.fixture
def night(stack: Night, monkeypatch: pytest.MonkeyPatch) -> Night:
    """Let the test read the lake of the stack."""
    monkeypatch.setenv("NIGHTSHIFT_HOME", str(stack.home))
    monkeypatch.setenv("NIGHTSHIFT_PIPELINES", str(stack.pipelines))
    return stack


@pytest.fixture(scope="module")
def race(stack: Night) -> list[str]:
    """Start a range by the form together with the daily run of its last day; return both once they have ended."""
    stack.execute("UPDATE sales SET revenue = -1 WHERE date(day) = ? AND store = 'store-4'", before(2))
    by_hand = stack.client.trigger(INGEST, {"start": before(2).isoformat(), "end": LAST.isoformat()})
    stack.client.pause(INGEST, False)  # which starts the daily run of the last day

    def daily() -> list[str]:
        runs = stack.client.runs(INGEST)
        return [run["dag_run_id"] for run in runs if run["run_type"] == "scheduled"]

    runs = [by_hand, *wait_for("the daily run", daily)]
    stack.ended(*runs)
    return runs


@pytest.fixture(scope="module")
def ten_days(stack: Night, race: list[str]) -> list[str]:
    """Backfill ten days at once by the command line, each with a row to hold; return their runs when all ended."""
    first, last = before(20), before(11)
    stack.execute("UPDATE sales SET revenue = -1 WHERE date(day) BETWEEN ? AND ? AND store = 'store-4'", first, last)
    command = [
        *(settings.root() / "nightshift", "airflow", "backfill", "create", "--dag-id", INGEST),
        *("--from-date", first.isoformat(), "--to-date", before(10).isoformat(), "--max-active-runs", "10"),
    ]
    environment = {"NIGHTSHIFT_HOME": str(stack.home), "NIGHTSHIFT_PIPELINES": str(stack.pipelines), "PATH": "/bin"}

    def create() -> bool:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0 or "database is locked" in done.stderr, done.stdout[-2000:] + done.stderr[-2000:]
        return done.returncode == 0

    stack.create_backfill(create)
    runs = [run["dag_run_id"] for run in stack.runs_of(first, last)]
    stack.ended(*runs)
    return runs


def test_a_range_and_the_daily_run_of_its_last_day_may_race(night: Night, race: list[str]) -> None:
    """Both succeed at their first try, and each day has the source's sound rows, once."""
    assert night.ended(*race) == ["success", "success"]
    assert [task["try_number"] for run in race for task in night.client.tasks(INGEST, run)] == [1] * 8
    assert night.published_rows(before(2), LAST) == night.sound_rows(before(2), LAST)
    assert len(night.published_rows(before(2), LAST)) == 3 * STORES - 1


def test_a_backfill_of_ten_days_at_once_publishes_each_day_once(night: Night, ten_days: list[str]) -> None:
    """There is a run for each day, none conflicts with another, and each day has the source's sound rows, once."""
    first, last = before(20), before(11)

    assert len(ten_days) == 10
    assert night.ended(*ten_days) == ["success"] * 10
    assert {task["try_number"] for run in ten_days for task in night.client.tasks(INGEST, run)} == {1}
    assert night.published_rows(first, last) == night.sound_rows(first, last)
    days = [before(days).isoformat() for days in range(20, 10, -1)]
    published = lake.partitions(lake.raw_uri("shop", "sales"))
    assert {ds: published[ds].rows for ds in days} == dict.fromkeys(days, STORES - 1)
    held = quarantined("shop", "sales", days).to_pylist()
    assert [(row["day"], row["status"]) for row in held] == [(ds, "held") for ds in days]


def test_a_failed_day_is_finished_by_clearing_its_task(night: Night, race: list[str]) -> None:
    """A source that is corrected needs the failed task cleared; where validation had failed, the extraction before it.

    Each validation, whether it passed or failed, has its page, and its task the link to it.
    """
    unreadable, broken = before(30), before(29)
    night.execute("UPDATE sales SET visitors = 'many' WHERE date(day) = ?", unreadable)
    night.execute("UPDATE sales SET revenue = -1 WHERE date(day) = ? AND store < 'store-3'", broken)
    runs = [night.client.trigger(INGEST, {"start": str(day), "end": str(day)}) for day in (unreadable, broken)]

    assert night.ended(*runs) == ["failed", "failed"]
    assert night.tasks(runs[0])["sales.extract"] == "failed"
    assert night.tasks(runs[1])["sales.validate"] == "failed"
    assert "Failed: nothing was published" in read_page(night, runs[1])
    published = lake.partitions(lake.raw_uri("shop", "sales"))
    assert {unreadable.isoformat(), broken.isoformat()} & set(published) == set()

    night.execute("UPDATE sales SET visitors = 7 WHERE date(day) = ?", unreadable)
    night.execute("UPDATE sales SET revenue = 1 WHERE date(day) = ? AND revenue < 0", broken)
    night.clear(runs[0])  # what failed, which is the UI's own choice as well
    night.clear(runs[1], only_failed=False, task_ids=["sales.extract"], include_downstream=True)

    assert night.ended(*runs) == ["success", "success"]
    assert night.published_rows(unreadable, broken) == night.source_rows(unreadable, broken)
    assert '<p class="passed">Passed</p>' in read_page(night, runs[1])


def test_the_page_of_a_validation_is_for_those_who_are_logged_in(night: Night, race: list[str]) -> None:
    """A browser with the cookie of Airflow's login sees it, nobody else does, and it can load and run nothing."""
    path = night.page_link(race[0])

    assert night.get(path).status_code == 401
    assert night.get(path, headers={"Authorization": "Bearer forged"}).status_code == 403
    assert night.get(path, cookies={"_token": "forged"}).status_code == 403
    answer = night.get(path, cookies={"_token": night.token})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert "<script" not in answer.text
    assert "://" not in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "shop/sales/no-such-run",
        "shop/no-such-source/run",
        "shop/../secret",
        "shop/%2e%2e/secret",
        "shop/sales/../../secret",
        "shop/sales/..%2f..%2fsecret",
        "..%2fshop/../secret",
        "shop/sales/%2e%2e%5c%2e%2e%5csecret",
        "shop/sales/.%00",
    ],
)
def test_an_address_that_is_no_page_is_not_found(night: Night, path: str) -> None:
    """Nothing beside the pages can be asked for, whatever the address says."""
    (night.home / "lake" / "shop" / "secret.html").write_text("a secret")  # where `..` leads to from the pages
    host = night.url.removeprefix("http://")
    with closing(HTTPConnection(host, timeout=60)) as connection:  # sends the address as it is
        connection.request("GET", f"/nightshift/validations/{path}", headers={"Cookie": f"_token={night.token}"})
        answer = connection.getresponse()
        content = answer.read()

    assert answer.status == 404
    assert b"a secret" not in content


def test_a_held_row_is_released_by_the_form(night: Night, race: list[str]) -> None:
    """A day is published without the row that breaks an expectation, until the form of shop.quarantine releases it."""
    day = before(25)
    night.execute("UPDATE sales SET revenue = -5 WHERE date(day) = ? AND store = 'store-2'", day)
    run = night.client.trigger(INGEST, {"start": str(day), "end": str(day)})
    assert night.ended(run) == ["success"]
    assert [row[0] for row in night.published_rows(day, day)] == ["store-0", "store-1", "store-3", "store-4"]

    night.client.pause("shop.quarantine", False)
    form = {"decision": "release", "source": "sales", "start": day.isoformat(), "note": "a return"}
    released = night.client.trigger("shop.quarantine", form)
    wait_for("the decision", lambda: night.client.state("shop.quarantine", released) in ENDED)

    assert night.client.state("shop.quarantine", released) == "success"
    assert night.client.result("shop.quarantine", released, "decide_quarantine") == {"rows": 1, "status": "released"}
    assert night.published_rows(day, day) == night.source_rows(day, day)


def test_a_backfill_of_published_days_changes_nothing(night: Night, ten_days: list[str]) -> None:
    """Repeating them as the UI does, every run again, writes no version of the table."""
    version = night.version()
    body = {
        "dag_id": INGEST,
        "from_date": f"{before(14)}T00:00:00Z",
        "to_date": f"{before(11)}T00:00:00Z",
        "reprocess_behavior": "completed",
        "max_active_runs": 3,
    }

    begun = datetime.now(UTC).isoformat()
    created = night.create_backfill(lambda: started(night.call("POST", "backfills", body)))
    repeated = [run for run in night.runs_of(before(14), before(12)) if run["dag_run_id"] in ten_days]

    assert created["reprocess_behavior"] == "completed"
    assert len(repeated) == 3
    assert night.ended(*[run["dag_run_id"] for run in repeated]) == ["success"] * 3
    tasks = [task for run in repeated for task in night.client.tasks(INGEST, run["dag_run_id"])]
    assert len(tasks) == 12
    assert min(task["start_date"] for task in tasks) > begun
    assert night.version() == version


def started(answer: requests.Response) -> dict[str, Any] | None:
    """Return the backfill that was created, or None where that is to be tried again.

    A DAG has one backfill at a time, and Airflow looks every 30 s whether it has ended (409); SQLite may be
    locked, of which Airflow tells in two ways (503, or 500 with the reason "Database error").
    """
    if answer.status_code in (409, 503) or (answer.status_code == 500 and '"Database error"' in answer.text):
        return None
    assert answer.status_code == 200, answer.text
    return answer.json()


def read_page(night: Night, run: str) -> str:
    """Return the page of a run's validation, as a browser that is logged in gets it."""
    answer = night.get(night.page_link(run), cookies={"_token": night.token})
    assert answer.status_code == 200, answer.text
    return answer.text
