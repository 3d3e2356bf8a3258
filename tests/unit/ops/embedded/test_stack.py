"""Airflow's database of an older Airflow is migrated with a copy kept; a newer one's is refused."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from include.core.errors import EmbeddedStackError, OtherRelease
from include.ops.embedded.environment import StackPaths, stack_environment
from include.ops.embedded.stack import Stack, migrate_airflow, running_stack
from tests import factories

if TYPE_CHECKING:
    from pathlib import Path

AIRFLOW, MLFLOW = "airflow-3.1.0.sql.gz", "mlflow-3.1.4.sql.gz"


@pytest.fixture
def stack(home: Path) -> Stack:
    """Return a stack without running parts."""
    paths = StackPaths(home, 8080, 5000)
    for folder in (paths.airflow_home, paths.logs):
        folder.mkdir(parents=True)
    return Stack(paths, stack_environment(paths, {}), [])


def asked(path: Path, query: str) -> str:
    """Return the single value of a query."""
    with closing(sqlite3.connect(path)) as there:
        return there.execute(query).fetchone()[0]


def test_an_upgrade_keeps_the_contents_of_an_older_airflow(stack: Stack) -> None:
    """The new tables have the old runs, variables and connections, and the old file is saved next to them."""
    path = factories.write_database(stack.paths.airflow_home / "airflow.db", AIRFLOW)
    before, told = asked(path, "SELECT version_num FROM alembic_version"), []

    migrate_airflow(stack, told.append)

    assert asked(path, "SELECT val FROM variable WHERE key = 'kept'") == "from Airflow 3.1.0"
    after = asked(path, "SELECT version_num FROM alembic_version")
    assert after != before
    (kept,) = path.parent.glob("airflow-before-*.db")
    assert asked(kept, "SELECT version_num FROM alembic_version") == before
    assert len(told) == 1
    assert str(kept) in told[0]
    log = stack.paths.logs / "migration.log"
    log.unlink()
    migrate_airflow(stack, told.append)  # which costs no process of Airflow any more
    assert not log.exists()
    assert len(told) == 1


@pytest.mark.parametrize(("program", "dump"), [("airflow", AIRFLOW), ("mlflow", MLFLOW)])
def test_a_stack_on_a_newer_programs_database_does_not_start(home: Path, program: str, dump: str) -> None:
    """After a return to an older lock the sentence names the newer file, which is left unchanged."""
    path = factories.write_database(home / program / f"{program}.db", dump, revision="ffffffffffff")
    before = path.read_bytes()

    with (
        pytest.raises(OtherRelease, match=rf"{program}\.db is at revision ffffffffffff, which .* does not know"),
        running_stack(home, {}, lambda _: None),
    ):
        pass

    assert path.read_bytes() == before


def test_an_invalid_database_address_is_refused_by_its_setting(stack: Stack) -> None:
    """A broken file is reported in one sentence with its path, not by Airflow's traceback."""
    (stack.paths.airflow_home / "airflow.db").write_bytes(b"this is no database" * 100)

    with pytest.raises(EmbeddedStackError, match=r"airflow\.db cannot be used \(file is not a database\)"):
        migrate_airflow(stack, pytest.fail)
