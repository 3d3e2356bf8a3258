"""Databases in a backup: SQLite by its online backup, PostgreSQL by `pg_dump` and `pg_restore`."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from include.core.errors import BackupFailed, RestoreRefused
from include.core.redaction import redacted

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import URL

    from include.core.errors import NightshiftError
    from include.ops.production.backup_targets import Database

#: Seconds that a copy waits for a writer.
WAIT_SECONDS = 60

#: Options of a driver's address that PostgreSQL's programs accept; they refuse all others.
_PG_OPTIONS = {"sslmode", "sslrootcert", "sslcert", "sslkey", "options", "connect_timeout", "host", "port"}


def part_name(database: Database) -> str:
    """Return the name of a database's file in a backup.

    Raises
    ------
    BackupFailed
        If the database is neither SQLite nor PostgreSQL.
    """
    kind = _url(database).get_backend_name()
    if kind not in ("sqlite", "postgresql"):
        raise BackupFailed(
            f"{database.setting} names {database.shown}, and only SQLite and PostgreSQL can be backed up; use the "
            "database's own tools"
        )
    return f"{database.name}.{'sqlite' if kind == 'sqlite' else 'dump'}"


def identity(database: Database) -> tuple[object, ...]:
    """Return what identifies a database, whatever driver its address names."""
    url = _url(database)
    return (url.get_backend_name(), url.host, url.port, url.database)


def is_there(database: Database) -> bool:
    """Return whether the database exists; opening a missing SQLite file would create it."""
    url = _url(database)
    return url.get_backend_name() != "sqlite" or _sqlite_file(url).is_file()


def dump(database: Database, path: Path) -> None:
    """Write a consistent copy of a database to a file, while others may use the database.

    Raises
    ------
    BackupFailed
        If the database cannot be read.
    """
    url = _url(database)
    if url.get_backend_name() == "sqlite":
        _copy_sqlite(_sqlite_file(url), path)
        return
    _run(
        ["pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={path}", f"--dbname={_bare(url)}"],
        url,
        lambda reason: BackupFailed(
            f"{database.shown} could not be dumped ({reason}); check {database.setting}, and that pg_dump is not older "
            "than the server; nothing was left behind"
        ),
    )


def refuse_unless_empty(database: Database) -> None:
    """Refuse a database that contains a table.

    Raises
    ------
    RestoreRefused
        If the database contains a table, or cannot be inspected.
    """
    from sqlalchemy import create_engine, inspect
    from sqlalchemy.exc import SQLAlchemyError

    if not is_there(database):
        return
    engine = create_engine(_url(database))
    try:
        tables = inspect(engine).get_table_names()
    except SQLAlchemyError as error:
        raise RestoreRefused(
            f"{database.shown} cannot be inspected ({type(error).__name__}); check {database.setting}, and that the "
            "database and its role exist; nothing was restored"
        ) from redacted(error)
    finally:
        engine.dispose()
    if tables:
        raise RestoreRefused(
            f"{database.shown} has {len(tables)} tables, and a backup is only restored into an empty database; stop "
            f"the programs that use it, then name another database in {database.setting} or recreate this one; nothing "
            "was restored"
        )


def load(database: Database, path: Path) -> None:
    """Fill an empty database from a file of `dump`, wholly or not at all.

    Raises
    ------
    RestoreRefused
        If the database cannot be filled.
    """
    url = _url(database)
    if url.get_backend_name() == "sqlite":
        target = _sqlite_file(url)
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = target.with_name(f".{target.name}.restoring")
        scratch.unlink(missing_ok=True)
        shutil.copyfile(path, scratch)  # its digest was verified
        scratch.chmod(0o600)
        scratch.replace(target)
        return
    _run(
        [
            *("pg_restore", "--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction"),
            *(f"--dbname={_bare(url)}", str(path)),
        ],
        url,
        lambda reason: RestoreRefused(
            f"{database.shown} could not be filled ({reason}), and is still empty; check {database.setting}, and "
            "that pg_restore is not older than the pg_dump of the backup, then run this again"
        ),
    )


def _copy_sqlite(source: Path, target: Path) -> None:
    """Copy a database in one step: a copy page by page would restart at each concurrent write."""
    try:
        with (
            closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=rw", uri=True, timeout=WAIT_SECONDS)) as live,
            closing(sqlite3.connect(target)) as copy,
        ):
            live.backup(copy)
            [verdict] = copy.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.Error as error:
        raise BackupFailed(f"{source} could not be copied ({error}); check that no program locks it") from error
    if verdict != "ok":
        raise BackupFailed(f"{source} is damaged ({verdict}); repair it, or restore an older backup")
    target.chmod(0o600)
    with target.open("rb") as file:
        os.fsync(file.fileno())


def _run(command: list[str], url: URL, failed: Callable[[str], NightshiftError]) -> None:
    """Run a program of PostgreSQL; the password is passed in the environment, which process lists do not show."""
    password = url.password or url.query.get("password")
    environment = os.environ | {"LC_ALL": "C"} | ({"PGPASSWORD": str(password)} if password else {})
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
        )
    except FileNotFoundError as error:
        raise failed(f"{command[0]} is not installed; install postgresql-client") from error
    if done.returncode:
        lines = [line for line in done.stderr.strip().splitlines() if line] or [f"status {done.returncode}"]
        raise failed(_short(lines[0], password))


def _short(line: str, password: object) -> str:
    import textwrap

    return textwrap.shorten(line.replace(str(password), "…") if password else line, 300, placeholder=" …")


def _bare(url: URL) -> str:
    """Return an address for PostgreSQL's own programs, without driver and password."""
    from sqlalchemy import URL

    query = {name: value for name, value in url.query.items() if name in _PG_OPTIONS}
    return URL.create("postgresql", url.username, None, url.host, url.port, url.database, query).render_as_string(
        hide_password=False
    )


def _url(database: Database) -> URL:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(database.url)
    except ArgumentError as error:
        raise BackupFailed(
            f"{database.setting} is not the address of a database; expected one such as "
            "postgresql://user:password@host/database"
        ) from redacted(error)


def _sqlite_file(url: URL) -> Path:
    if not url.database or url.database == ":memory:":
        raise BackupFailed(f"{url.render_as_string()} is an in-memory database, which cannot be backed up")
    return Path(url.database).resolve()
