"""A program's SQLite file is migrated as a whole with a copy kept, or refused in words and left alone."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from include.core.alembic_revisions import Revisions
from include.core.database_file import DatabaseFile
from include.core.errors import OtherRelease

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def file(tmp_path: Path) -> DatabaseFile:
    """Return the file, not there yet, of a program that knows the revisions a, b and c in this order."""
    revisions = Revisions(known=frozenset("abc"), heads=frozenset("c"))
    return DatabaseFile(tmp_path / "store.db", "Program", "2.0", lambda: revisions)


def write(path: Path, revision: str | None, rows: int = 1, journal: str = "delete") -> None:
    """Write a database of a revision."""
    with closing(sqlite3.connect(path)) as there, there:
        there.execute(f"PRAGMA journal_mode={journal}")
        there.execute("CREATE TABLE runs (name TEXT)")
        there.executemany("INSERT INTO runs VALUES (?)", [(f"run {number}",) for number in range(rows)])
        if revision:
            there.execute("CREATE TABLE alembic_version (version_num TEXT)")
            there.execute("INSERT INTO alembic_version VALUES (?)", (revision,))


def upgrade(path: Path) -> None:
    """Migrate as the program does, to revision c."""
    with closing(sqlite3.connect(path)) as there, there:
        there.execute("ALTER TABLE runs ADD COLUMN verdict TEXT DEFAULT 'keep'")
        there.execute("UPDATE alembic_version SET version_num = 'c'")


def read(path: Path) -> tuple[str, list[tuple[str, ...]]]:
    """Return the revision and the rows of a database."""
    with closing(sqlite3.connect(path)) as there:
        revision = there.execute("SELECT version_num FROM alembic_version").fetchone()[0]
        return revision, there.execute("SELECT * FROM runs").fetchall()


@pytest.mark.parametrize(("revision", "state"), [(None, "none"), ("a", "older"), ("b", "older"), ("c", "newest")])
def test_a_revision_is_compared_with_those_of_the_program(file: DatabaseFile, revision: str | None, state: str) -> None:
    """The newest revision is the head: the one that no other revision follows."""
    write(file.path, revision)

    assert file.state() == state


def test_a_file_that_is_not_there_is_not_made(file: DatabaseFile) -> None:
    """Asking about a database leaves it to its program to make one."""
    assert (file.state(), file.is_settled()) == ("none", False)
    assert not file.path.exists()


def test_a_revision_of_a_newer_program_is_refused(file: DatabaseFile) -> None:
    """The sentence names the file, its revision and the installed release, and nothing is written."""
    write(file.path, "d")
    before = file.path.read_bytes()

    with pytest.raises(OtherRelease, match=r"store\.db is at revision d, which Program 2\.0 does not know: a newer"):
        file.state()

    assert file.path.read_bytes() == before


def test_a_process_that_is_killed_while_it_creates_the_tables_leaves_no_file(file: DatabaseFile) -> None:
    """The next one begins again, beside what was left, and nobody has seen half of the tables."""

    def die(path: Path) -> None:
        with closing(sqlite3.connect(path)) as there, there:
            there.execute("CREATE TABLE runs (name TEXT)")
        assert not file.path.exists()
        os._exit(9)

    child = os.fork()
    if child == 0:
        try:
            file.create(die)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert not file.path.exists()

    file.create(lambda path: write(path, "c"))

    assert (file.state(), read(file.path)) == ("newest", ("c", [("run 0",)]))
    assert [path for path in file.path.parent.iterdir() if path.is_dir()] == []


def test_a_file_that_another_process_has_created_is_left_alone(file: DatabaseFile) -> None:
    """Two first runs at once: the second uses the tables of the first."""
    write(file.path, "c")

    file.create(lambda path: pytest.fail(f"{path} was created"))

    assert read(file.path) == ("c", [("run 0",)])


def test_a_program_that_makes_no_tables_is_named(file: DatabaseFile) -> None:
    """There is still no file, which the next try would take for a database."""
    with pytest.raises(OtherRelease, match=r"store\.db was not created: Program 2\.0 made no tables"):
        file.create(lambda path: path.touch())

    assert not file.path.exists()


@pytest.mark.parametrize("journal", ["delete", "wal"])
def test_an_older_file_is_migrated_and_kept(file: DatabaseFile, journal: str) -> None:
    """The rows are in the new tables; the copy has the old ones; a person is told where."""
    write(file.path, "a", journal=journal)
    told: list[str] = []

    kept = file.migrate(upgrade, told.append)

    assert read(file.path) == ("c", [("run 0", "keep")])
    assert kept == file.path.with_name("store-before-2.0.db")
    assert read(kept) == ("a", [("run 0",)])
    assert told == [f"{file.path} was migrated to Program 2.0; the old file was saved as {kept}"]
    left = {path.name for path in file.path.parent.iterdir()}
    assert left == {"store.db", kept.name, ".store.db.migration"}


def test_a_second_copy_does_not_take_the_place_of_the_first(file: DatabaseFile) -> None:
    """Who goes back and comes again keeps both copies."""
    write(file.path, "a")
    first = file.migrate(upgrade, lambda _: None)
    file.path.unlink()
    write(file.path, "b", rows=2)

    second = file.migrate(upgrade, lambda _: None)

    assert (read(first)[0], read(second)[0]) == ("a", "b")


def test_a_file_that_another_process_has_migrated_is_left_alone(file: DatabaseFile) -> None:
    """Of two processes that find an older file, the later one does nothing."""
    write(file.path, "a")
    file.migrate(upgrade, lambda _: None)

    assert file.migrate(lambda _: pytest.fail("migrated twice"), lambda _: None) is None


def break_halfway(path: Path) -> None:
    """Change tables, then fail."""
    with closing(sqlite3.connect(path)) as there, there:
        there.execute("DROP TABLE runs")
    raise KeyboardInterrupt


def stop_early(path: Path) -> None:
    """Migrate, but not to the newest revision."""
    with closing(sqlite3.connect(path)) as there, there:
        there.execute("UPDATE alembic_version SET version_num = 'b'")


@pytest.mark.parametrize(("broken", "error"), [(break_halfway, KeyboardInterrupt), (stop_early, OtherRelease)])
def test_a_migration_that_fails_changes_nothing(
    file: DatabaseFile, broken: Callable[[Path], None], error: type[BaseException]
) -> None:
    """Who breaks off or stops early leaves the old tables and rows, and the next try can be made."""
    write(file.path, "a")

    with pytest.raises(error):
        file.migrate(broken, lambda _: None)

    assert read(file.path) == ("a", [("run 0",)])
    assert list(file.path.parent.glob("*before*")) == []
    file.migrate(upgrade, lambda _: None)
    assert read(file.path) == ("c", [("run 0", "keep")])


def test_what_is_written_meanwhile_is_not_lost(file: DatabaseFile) -> None:
    """A row that another program wrote while the copy was migrated is not written over."""
    write(file.path, "a")

    def upgrade_while_another_writes(path: Path) -> None:
        upgrade(path)
        with closing(sqlite3.connect(file.path)) as there, there:
            there.execute("INSERT INTO runs VALUES ('late')")

    with pytest.raises(OtherRelease, match="was written to while it was migrated"):
        file.migrate(upgrade_while_another_writes, lambda _: None)

    assert read(file.path) == ("a", [("run 0",), ("late",)])
    assert list(file.path.parent.glob("*before*")) == []


def test_what_is_settled_is_not_asked_again_until_it_changes(file: DatabaseFile) -> None:
    """A file is settled for one release and one revision: a copy that was put back is looked at again."""
    write(file.path, "c")
    assert not file.is_settled()

    file.settle()

    assert file.is_settled()
    assert not DatabaseFile(file.path, "Program", "2.1", file.revisions).is_settled()
    file.path.unlink()
    write(file.path, "a")
    assert not file.is_settled()
