"""History and repeated days in real Airflow: backfills, ranges, corrected days, and the pages of validations."""

from __future__ import annotations

import dataclasses
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from include import lake
from include.core import settings
from include.ingestion.quarantine import quarantined
from tests.integration.embedded.running import ENDED, LAST, Airflow, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import requests

    from include.ops.embedded.airflow_answers import DagRun

STORES = 5
INGEST = "daily.ingest"


def before(days: int) -> date:
    """Return the day so many days before the last."""
    return LAST - timedelta(days=days)


@dataclass(frozen=True)
class Daily(Airflow):
    """The running stack, and the database of the shop whose source ends with the last day."""

    database: Path

    def tasks(self, run_id: str) -> dict[str, str | None]:
        """Return the states of a run's tasks."""
        return {task.task_id: task.state for task in self.client.tasks(INGEST, run_id)}

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

    def runs_of(self, first: date, last: date) -> list[DagRun]:
        """Return the runs of a backfill that stand for some days."""
        runs = [run for run in self.client.runs(INGEST) if run.run_type == "backfill"]
        return [run for run in runs if run.data_interval_start and first <= run.data_interval_start.date() <= last]

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
        rows = lake.read_days(lake.raw_uri("daily", "sales"), "ds", days)
        assert rows is not None
        return sorted(
            ((row["store"], row["ds"], row["revenue"]) for row in rows.to_pylist()), key=lambda row: (row[1], row[0])
        )

    def version(self) -> int | None:
        """Return the raw table's version."""
        return lake.latest_version(lake.raw_uri("daily", "sales"))

    def page_link(self, run_id: str) -> str:
        """Return the address of the validation's page by the link of its task."""
        answer = self.call("GET", f"dags/{INGEST}/dagRuns/{quote(run_id)}/taskInstances/sales.validate/links")
        link = answer.json()["extra_links"]["Data Docs"]
        assert link.startswith(f"{self.url}/"), link
        return link.removeprefix(self.url)


@pytest.fixture(scope="module")
def daily(airflow: Airflow) -> Daily:
    """Return the shop, whose ingest is paused; the other shop rests, since a backfill needs SQLite for itself."""
    for kind in ("ingest", "retrain", "promote", "rollback"):
        airflow.client.pause(f"shop.{kind}", True)
    fields = {each.name: getattr(airflow, each.name) for each in dataclasses.fields(airflow)}
    return Daily(**fields, database=airflow.pipelines.parent / "daily.db")


@pytest.fixture(scope="module")
def race(daily: Daily) -> list[str]:
    """Start a range by the form together with the daily run of its last day; return both once they have ended."""
    daily.execute("UPDATE sales SET revenue = -1 WHERE date(day) = ? AND store = 'store-4'", before(2))
    by_hand = daily.client.trigger(INGEST, {"start": before(2).isoformat(), "end": LAST.isoformat()})
    daily.client.pause(INGEST, False)  # which starts the daily run of the last day

    def scheduled() -> list[str]:
        runs = daily.client.runs(INGEST)
        return [run.dag_run_id for run in runs if run.run_type == "scheduled"]

    runs = [by_hand, *wait_for("the daily run", scheduled)]
    daily.ended(INGEST, *runs)
    return runs


@pytest.fixture(scope="module")
def six_days(daily: Daily, race: list[str]) -> list[str]:
    """Backfill six days at once by the command line, each with a row to hold; return their runs when all ended."""
    first, last = before(16), before(11)
    daily.execute("UPDATE sales SET revenue = -1 WHERE date(day) BETWEEN ? AND ? AND store = 'store-4'", first, last)
    command = [
        *(settings.root() / "nightshift", "airflow", "backfill", "create", "--dag-id", INGEST),
        *("--from-date", first.isoformat(), "--to-date", before(10).isoformat(), "--max-active-runs", "6"),
    ]
    environment = {"NIGHTSHIFT_HOME": str(daily.home), "NIGHTSHIFT_PIPELINES": str(daily.pipelines), "PATH": "/bin"}

    def create() -> bool:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0 or "database is locked" in done.stderr, done.stdout[-2000:] + done.stderr[-2000:]
        return done.returncode == 0

    daily.create_backfill(create)
    runs = [run.dag_run_id for run in daily.runs_of(first, last)]
    daily.ended(INGEST, *runs)
    return runs


def test_a_range_and_the_daily_run_of_its_last_day_may_race(daily: Daily, race: list[str]) -> None:
    """Both succeed at their first try, and each day has the source's sound rows, once."""
    assert daily.ended(INGEST, *race) == ["success", "success"]
    assert [task.try_number for run in race for task in daily.client.tasks(INGEST, run)] == [1] * 8
    assert daily.published_rows(before(2), LAST) == daily.sound_rows(before(2), LAST)
    assert len(daily.published_rows(before(2), LAST)) == 3 * STORES - 1


def test_a_backfill_of_six_days_at_once_publishes_each_day_once(daily: Daily, six_days: list[str]) -> None:
    """There is a run for each day, none conflicts with another, and each day has the source's sound rows, once."""
    first, last = before(16), before(11)

    assert len(six_days) == 6
    assert daily.ended(INGEST, *six_days) == ["success"] * 6
    assert {task.try_number for run in six_days for task in daily.client.tasks(INGEST, run)} == {1}
    assert daily.published_rows(first, last) == daily.sound_rows(first, last)
    days = [before(days).isoformat() for days in range(16, 10, -1)]
    published = lake.partitions(lake.raw_uri("daily", "sales"))
    assert {ds: published[ds].rows for ds in days} == dict.fromkeys(days, STORES - 1)
    held = quarantined("daily", "sales", days).to_pylist()
    assert [(row["day"], row["status"]) for row in held] == [(ds, "held") for ds in days]


def test_a_failed_day_is_finished_by_clearing_its_task(daily: Daily, race: list[str]) -> None:
    """A source that is corrected needs the failed task cleared; where validation had failed, the extraction before it.

    Each validation, whether it passed or failed, has its page, and its task the link to it.
    """
    unreadable, broken = before(30), before(29)
    daily.execute("UPDATE sales SET visitors = 'many' WHERE date(day) = ?", unreadable)
    daily.execute("UPDATE sales SET revenue = -1 WHERE date(day) = ? AND store < 'store-3'", broken)
    runs = [daily.client.trigger(INGEST, {"start": str(day), "end": str(day)}) for day in (unreadable, broken)]

    assert daily.ended(INGEST, *runs) == ["failed", "failed"]
    assert daily.tasks(runs[0])["sales.extract"] == "failed"
    assert daily.tasks(runs[1])["sales.validate"] == "failed"
    assert "Failed: nothing was published" in read_page(daily, runs[1])
    published = lake.partitions(lake.raw_uri("daily", "sales"))
    assert {unreadable.isoformat(), broken.isoformat()} & set(published) == set()

    daily.execute("UPDATE sales SET visitors = 7 WHERE date(day) = ?", unreadable)
    daily.execute("UPDATE sales SET revenue = 1 WHERE date(day) = ? AND revenue < 0", broken)
    daily.clear(runs[0])  # what failed, which is the UI's own choice as well
    daily.clear(runs[1], only_failed=False, task_ids=["sales.extract"], include_downstream=True)

    assert daily.ended(INGEST, *runs) == ["success", "success"]
    assert daily.published_rows(unreadable, broken) == daily.source_rows(unreadable, broken)
    assert '<p class="passed">Passed</p>' in read_page(daily, runs[1])


def test_the_page_of_a_validation_is_for_those_who_are_logged_in(daily: Daily, race: list[str]) -> None:
    """A browser with the cookie of Airflow's login sees it, nobody else does, and it can load and run nothing."""
    path = daily.page_link(race[0])

    assert daily.get(path).status_code == 401
    assert daily.get(path, headers={"Authorization": "Bearer forged"}).status_code == 403
    assert daily.get(path, cookies={"_token": "forged"}).status_code == 403
    answer = daily.get(path, cookies={"_token": daily.token})
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
        "daily/sales/no-such-run",
        "daily/no-such-source/run",
        "daily/../secret",
        "daily/%2e%2e/secret",
        "daily/sales/../../secret",
        "daily/sales/..%2f..%2fsecret",
        "..%2fdaily/../secret",
        "daily/sales/%2e%2e%5c%2e%2e%5csecret",
        "daily/sales/.%00",
    ],
)
def test_an_address_that_is_no_page_is_not_found(daily: Daily, path: str) -> None:
    """Nothing beside the pages can be asked for, whatever the address says."""
    (daily.home / "lake" / "daily" / "secret.html").write_text("a secret")  # where `..` leads to from the pages
    host = daily.url.removeprefix("http://")
    with closing(HTTPConnection(host, timeout=60)) as connection:  # sends the address as it is
        connection.request("GET", f"/nightshift/validations/{path}", headers={"Cookie": f"_token={daily.token}"})
        answer = connection.getresponse()
        content = answer.read()

    assert answer.status == 404
    assert b"a secret" not in content


def test_a_held_row_is_released_by_the_form(daily: Daily, race: list[str]) -> None:
    """A day is published without the row that breaks an expectation, until the form of daily.quarantine releases it."""
    day = before(25)
    daily.execute("UPDATE sales SET revenue = -5 WHERE date(day) = ? AND store = 'store-2'", day)
    run = daily.client.trigger(INGEST, {"start": str(day), "end": str(day)})
    assert daily.ended(INGEST, run) == ["success"]
    assert [row[0] for row in daily.published_rows(day, day)] == ["store-0", "store-1", "store-3", "store-4"]

    daily.client.pause("daily.quarantine", False)
    form = {"decision": "release", "source": "sales", "start": day.isoformat(), "note": "a return"}
    released = daily.client.trigger("daily.quarantine", form)
    wait_for("the decision", lambda: daily.client.state("daily.quarantine", released) in ENDED)

    assert daily.client.state("daily.quarantine", released) == "success"
    assert daily.client.result("daily.quarantine", released, "decide_quarantine") == {"rows": 1, "status": "released"}
    assert daily.client.run("daily.quarantine", released).note == f"1 row of sales, {day}, released"
    assert daily.published_rows(day, day) == daily.source_rows(day, day)


def test_a_backfill_of_published_days_changes_nothing(daily: Daily, six_days: list[str]) -> None:
    """Repeating them as the UI does, every run again, writes no version of the table."""
    version = daily.version()
    body = {
        "dag_id": INGEST,
        "from_date": f"{before(14)}T00:00:00Z",
        "to_date": f"{before(11)}T00:00:00Z",
        "reprocess_behavior": "completed",
        "max_active_runs": 3,
    }

    begun = datetime.now(UTC)
    created = daily.create_backfill(lambda: started(daily.call("POST", "backfills", body)))
    repeated = [run for run in daily.runs_of(before(14), before(12)) if run.dag_run_id in six_days]

    assert created["reprocess_behavior"] == "completed"
    assert len(repeated) == 3
    assert daily.ended(INGEST, *[run.dag_run_id for run in repeated]) == ["success"] * 3
    tasks = [task for run in repeated for task in daily.client.tasks(INGEST, run.dag_run_id)]
    assert len(tasks) == 12
    assert min(task.start_date for task in tasks if task.start_date) > begun
    assert daily.version() == version


def started(answer: requests.Response) -> dict[str, Any] | None:
    """Return the backfill that was created, or None where that is to be tried again.

    A DAG has one backfill at a time, and Airflow looks every 30 s whether it has ended (409); SQLite may be
    locked, of which Airflow tells in two ways (503, or 500 with the reason "Database error").
    """
    if answer.status_code in (409, 503) or (answer.status_code == 500 and '"Database error"' in answer.text):
        return None
    assert answer.status_code == 200, answer.text
    return answer.json()


def read_page(daily: Daily, run: str) -> str:
    """Return the page of a run's validation, as a browser that is logged in gets it."""
    answer = daily.get(daily.page_link(run), cookies={"_token": daily.token})
    assert answer.status_code == 200, answer.text
    return answer.text
