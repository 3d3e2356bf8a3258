"""A PostgreSQL server of the tests' own: a fresh cluster on 127.0.0.1, gone when they end."""

from __future__ import annotations

import json
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, create_engine

from tests.services.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

HOST, OWNER, DATABASE = "127.0.0.1", "owner", "postgres"

#: A cluster for tests may lose everything when the machine stops, so it waits for no disk.
SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "max_connections": "30",
    # as far from UTC as a server in the field may be
    "timezone": "America/New_York",
    "lc_messages": "C",
}


@dataclass(frozen=True)
class Postgres:
    """A running server."""

    port: int
    password: str = field(repr=False)

    def engine(self, **url: Any) -> Engine:
        """Return an engine of the cluster's owner, with parts of its address changed."""
        parts = {"username": OWNER, "password": self.password, "host": HOST, "port": self.port, "database": DATABASE}
        return create_engine(URL.create(**{"drivername": "postgresql"} | parts | url))

    def connection(self, **fields: Any) -> str:
        """Return the value of an AIRFLOW_CONN_ variable that leads here, with some fields changed."""
        parts = {"login": OWNER, "password": self.password, "host": HOST, "port": self.port, "schema": DATABASE}
        return json.dumps({"conn_type": "postgres"} | parts | fields)

    def run(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements as the owner, each committed by itself, and return the last one's rows."""
        import psycopg

        rows: list[tuple[Any, ...]] = []
        address = {"host": HOST, "port": self.port, "user": OWNER, "password": self.password, "dbname": DATABASE}
        with psycopg.connect(**address, autocommit=True) as connection:
            for statement in statements:
                result = connection.execute(statement)
                rows = result.fetchall() if result.description else []
        return rows


def missing() -> str | None:
    """Return why no server can be started here, if none can."""
    if _programs() is None:
        return "PostgreSQL's server is not installed; config/test-packages.sh installs it"
    if os.geteuid() == 0 and not shutil.which("setpriv"):
        return "PostgreSQL does not run as root, and there is no setpriv to run it as somebody else"
    return None


@contextmanager
def serve() -> Iterator[Postgres]:
    """Make a cluster in a folder of its own, run it, and stop and delete it."""
    programs = _programs()
    as_user, user = _other_user()
    # not below pytest's folders, which only the tests' own user may enter
    folder = Path(tempfile.mkdtemp(prefix="nightshift-postgres-"))
    try:
        password, port = secrets.token_urlsafe(16), free_port()
        (folder / "password").write_text(password, encoding="utf-8")
        if user:
            for path in (folder, folder / "password"):
                shutil.chown(path, user)
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
        files = ["-D", folder / "data", f"--pwfile={folder / 'password'}"]
        subprocess.run(
            [*as_user, programs / "initdb", *files, "-U", OWNER, "-A", "scram-sha-256", "-E", "UTF8", "--no-sync"],
            check=True,
            capture_output=True,
            env=environment,
            cwd=folder,
        )
        settings = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
        # the server ends with the tests even where nobody comes to stop it
        tied = ["setpriv", "--pdeathsig", "INT", *as_user[1:]] if shutil.which("setpriv") else as_user
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [*tied, programs / "postgres", "-D", folder / "data", "-p", str(port), *settings],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env=environment,
                cwd=folder,
            )
        try:
            server = Postgres(port, password)
            _wait_for(server, process, folder / "log")
            yield server
        finally:
            _stop(process)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    on_path = shutil.which("initdb")
    if not found and on_path:
        found = [Path(on_path).resolve()]
    return found[-1].parent if found else None


def _other_user() -> tuple[list[str], str | None]:
    """Return the command that gives up root, and whom for; PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return [], None
    user = next(name for name in ("postgres", "nobody") if name in {entry.pw_name for entry in pwd.getpwall()})
    entry = pwd.getpwnam(user)
    return ["setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups"], user


def _wait_for(server: Postgres, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 180
    while True:
        try:
            server.run("SELECT 1")
        except Exception as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text(errors='replace')}") from error
            time.sleep(0.05)
        else:
            return


def _stop(process: subprocess.Popen[bytes]) -> None:
    # fast shutdown, which waits for no client; immediate shutdown; then what cannot be refused
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        if process.poll() is None:
            process.send_signal(number)
            try:
                process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                continue
