"""A SQLite file of another program: its revision, and a migration that succeeds completely or changes nothing.

MLflow and Airflow number the revisions of their tables with Alembic. This module reads the revision in the file and
the program's migration scripts, without running them, so that a start does not wait for either program's import.
"""

from __future__ import annotations

import ast
import fcntl
import sqlite3
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

from include.core.errors import OtherRelease

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: none: there are no tables yet. newest: the tables match the installed program. older: they can be migrated.
State = Literal["none", "newest", "older"]


@dataclass(frozen=True)
class DatabaseFile:
    """The database file of a program; failures of SQLite raise `sqlite3.DatabaseError`.

    Attributes
    ----------
    path
        The file, which need not exist yet.
    program, release
        The installed program that owns the tables, such as MLflow 3.17.2.
    scripts
        Folder of the program's migration scripts, one for each revision.
    """

    path: Path
    program: str
    release: str
    scripts: Path

    def is_settled(self) -> bool:
        """Return whether `settle` has noted the file's current revision for this release."""
        try:
            return self._note.read_text(encoding="utf-8") == self._noted(self._revision())
        except FileNotFoundError:
            return False

    def settle(self) -> None:
        """Note that the file is at the newest revision, because finding out again is slower."""
        self._note.write_text(self._noted(self._revision()), encoding="utf-8")

    def state(self) -> State:
        """Return how the file's revision compares to the installed release.

        Raises
        ------
        OtherRelease
            If the installed release does not know the file's revision.
        """
        revision = self._revision()
        if revision is None:
            return "none"
        known, newest = self._revisions()
        if revision in newest:
            return "newest"
        if revision in known:
            return "older"
        raise OtherRelease(
            f"{self.path} is at revision {revision}, which {self.program} {self.release} does not know: a newer or a "
            f"much older {self.program} wrote it; go back to the release of Nightshift that wrote it, or restore the "
            f"copy that was saved before the migration; the file was not changed"
        )

    def migrate(self, upgrade: Callable[[Path], None], tell: Callable[[str], None]) -> Path | None:
        """Bring an older file to the newest revision, and return a copy of it as it was before.

        A copy is migrated and then written over the file in one transaction. So a process that is killed leaves the
        old tables or the new ones. Returns None if another process has migrated the file meanwhile.

        Parameters
        ----------
        upgrade
            Migrates the file at a path.
        tell
            Receives a sentence for the log.

        Raises
        ------
        OtherRelease
            If the file cannot be migrated, or another process wrote to it meanwhile; the file is unchanged.
        """
        with self._alone(), closing(self._open()) as there:
            if self.state() != "older":
                return None
            before = there.execute("PRAGMA data_version").fetchone()
            with TemporaryDirectory(prefix=f".{self.path.stem}-", dir=self.path.parent) as folder:
                scratch = DatabaseFile(Path(folder) / self.path.name, self.program, self.release, self.scripts)
                _copy(there, scratch.path)
                upgrade(scratch.path)
                if scratch.state() != "newest":
                    raise OtherRelease(
                        f"{self.path}: the migration by {self.program} {self.release} did not reach its newest "
                        "revision; the file is unchanged; go back to the release of Nightshift that wrote it"
                    )
                kept = self._keep(there)
                if there.execute("PRAGMA data_version").fetchone() != before:
                    kept.unlink()
                    raise OtherRelease(
                        f"{self.path}: another process wrote to it while it was migrated to {self.program} "
                        f"{self.release}, so the migration was dropped; stop that process, then start again"
                    )
                with closing(sqlite3.connect(scratch.path)) as migrated:
                    migrated.backup(there)
        tell(f"{self.path} was migrated to {self.program} {self.release}; a copy from before is in {kept}")
        return kept

    @property
    def _note(self) -> Path:
        return self.path.with_name(f"{self.path.name}.migrated")

    def _noted(self, revision: str | None) -> str:
        return f"{self.release} {revision}"

    def _open(self) -> sqlite3.Connection:
        # a URI, because SQLite would create a missing file at a path
        return sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=rw", uri=True, timeout=30)

    def _revision(self) -> str | None:
        """Return the file's revision, or None where there is no file or no table of revisions."""
        if not self.path.is_file():
            return None
        with closing(self._open()) as there:
            found = there.execute("SELECT name FROM sqlite_master WHERE name = 'alembic_version'").fetchone()
            row = there.execute("SELECT version_num FROM alembic_version").fetchone() if found else None
        return row[0] if row else None

    def _revisions(self) -> tuple[set[str], set[str]]:
        """Return all revisions that the program knows, and the newest ones, which no other follows."""
        known, followed = set(), set()
        for script in self.scripts.glob("*.py"):
            assigned = _assigned(script, ("revision", "down_revision"))
            if not assigned.get("revision"):
                continue
            known.add(assigned["revision"])
            down = assigned.get("down_revision")
            followed.update([down] if isinstance(down, str) else down or [])
        return known, known - followed

    def _keep(self, there: sqlite3.Connection) -> Path:
        """Copy the file to an unused name beside it."""
        number, kept = 1, self.path.with_stem(f"{self.path.stem}-before-{self.release}")
        while kept.exists():
            number += 1
            kept = self.path.with_stem(f"{self.path.stem}-before-{self.release}-{number}")
        scratch = kept.with_name(f".{kept.name}")
        scratch.unlink(missing_ok=True)  # a killed migration may have left it
        _copy(there, scratch)
        return scratch.replace(kept)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with self.path.with_name(f".{self.path.name}.migration").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _copy(there: sqlite3.Connection, path: Path) -> None:
    with closing(sqlite3.connect(path)) as copied:
        there.backup(copied)


def _assigned(script: Path, names: tuple[str, ...]) -> dict[str, str | tuple[str, ...] | None]:
    """Return the values that a script assigns to some names, without running it."""
    found = {}
    for line in ast.parse(script.read_text(encoding="utf-8")).body:
        targets = line.targets if isinstance(line, ast.Assign) else [getattr(line, "target", None)]
        for target in targets:
            if isinstance(target, ast.Name) and target.id in names and isinstance(line, ast.Assign | ast.AnnAssign):
                found[target.id] = ast.literal_eval(line.value) if line.value else None
    return found
