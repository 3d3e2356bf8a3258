"""A SQLite file with the tables of another program: its revision, its creation and its migration.

Programs change their tables statement by statement. A process that is killed meanwhile, or a backup of that moment,
would have half of the tables, which the program itself can neither use nor repair. Here the program works on another
file, which then takes the place of the first as a whole.

Both MLflow and Airflow number the revisions of their tables with Alembic. Asking Alembic which revisions a
program knows takes seconds, so a note next to the file remembers that the file is at the newest revision.
"""

from __future__ import annotations

import fcntl
import shutil
import sqlite3
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from include.core.errors import OtherRelease

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from include.core.alembic_revisions import Revisions

#: none: no tables yet. newest: the installed program's revision. older: can be migrated.
State = Literal["none", "newest", "older"]


@dataclass(frozen=True)
class DatabaseFile:
    """The database of a program; SQLite's errors are raised as `sqlite3.DatabaseError`.

    Attributes
    ----------
    path
        Path of the file, which may not exist yet.
    program, release
        The installed program that owns the tables, such as MLflow 3.17.2.
    revisions
        Reads the revisions that the program knows.
    """

    path: Path
    program: str
    release: str
    revisions: Callable[[], Revisions]

    def is_settled(self) -> bool:
        """Return whether `settle` was called for this release and the file's present revision."""
        try:
            return self._note.read_text(encoding="utf-8") == self._note_text(self._revision())
        except FileNotFoundError:
            return False

    def settle(self) -> None:
        """Remember that the file is at the newest revision, which takes seconds to find out again."""
        self._note.write_text(self._note_text(self._revision()), encoding="utf-8")

    def state(self) -> State:
        """Return how the file's revision compares with the installed release.

        Raises
        ------
        OtherRelease
            If the installed release does not know the file's revision.
        """
        revision = self._revision()
        if revision is None:
            return "none"
        revisions = self.revisions()
        if revision in revisions.heads:
            return "newest"
        if revision in revisions.known:
            return "older"
        raise OtherRelease(
            f"{self.path} is at revision {revision}, which {self.program} {self.release} does not know: a newer "
            f"or a much older {self.program} wrote it; go back to the release of Nightshift that wrote it, or restore "
            "the copy that was saved before the migration; the file was not changed"
        )

    def create(self, upgrade: Callable[[Path], None]) -> None:
        """Create a missing file with the program's tables; do nothing if another process has created it.

        Parameters
        ----------
        upgrade
            Creates the file at a path, with the newest tables.

        Raises
        ------
        OtherRelease
            If the program made no tables; there is still no file.
        """
        with self._alone(), self._scratch() as scratch:
            if self.path.exists():
                return
            upgrade(scratch.path)
            if scratch._revision() is None:
                raise OtherRelease(
                    f"{self.path} was not created: {self.program} {self.release} made no tables; install the locked "
                    "requirements again"
                )
            scratch.path.rename(self.path)

    def migrate(self, upgrade: Callable[[Path], None], tell: Callable[[str], None]) -> Path | None:
        """Migrate an older file to the newest revision, and return the saved copy of the old file.

        A copy is migrated and then written over the file in one transaction, so a killed process leaves the old tables
        or the new ones. Returns None if another process has already migrated the file.

        Parameters
        ----------
        upgrade
            Migrates the file at a path.

        Raises
        ------
        OtherRelease
            If the file cannot be migrated, or another program wrote to it during the migration; it is unchanged.
        """
        with self._alone(), closing(self._open()) as there:
            if self.state() != "older":
                return None
            before = there.execute("PRAGMA data_version").fetchone()
            with self._scratch() as scratch:
                _copy(there, scratch.path)
                upgrade(scratch.path)
                if scratch.state() != "newest":
                    raise OtherRelease(
                        f"{self.path}: the migration by {self.program} {self.release} did not reach its newest "
                        "revision; the file was not changed; go back to the release of Nightshift that wrote it"
                    )
                kept = self._keep(there)
                if there.execute("PRAGMA data_version").fetchone() != before:
                    kept.unlink()
                    raise OtherRelease(
                        f"{self.path} was written to while it was migrated to {self.program} {self.release}, so the "
                        "migration was dropped; stop the other program that uses the file, then start again"
                    )
                with closing(sqlite3.connect(scratch.path)) as migrated:
                    migrated.backup(there)
        tell(f"{self.path} was migrated to {self.program} {self.release}; the old file was saved as {kept}")
        return kept

    @property
    def _note(self) -> Path:
        return self.path.with_name(f"{self.path.name}.migrated")

    def _note_text(self, revision: str | None) -> str:
        return f"{self.release} {revision}"

    def _open(self) -> sqlite3.Connection:
        # mode=rw, because SQLite would otherwise create a missing file
        return sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=rw", uri=True, timeout=30)

    def _revision(self) -> str | None:
        """Return the file's revision; None without a file or a table of revisions."""
        if not self.path.is_file():
            return None
        with closing(self._open()) as there:
            found = there.execute("SELECT name FROM sqlite_master WHERE name = 'alembic_version'").fetchone()
            row = there.execute("SELECT version_num FROM alembic_version").fetchone() if found else None
        return row[0] if row else None

    def _keep(self, there: sqlite3.Connection) -> Path:
        """Copy the file to a free name next to it."""
        number, kept = 1, self.path.with_stem(f"{self.path.stem}-before-{self.release}")
        while kept.exists():
            number += 1
            kept = self.path.with_stem(f"{self.path.stem}-before-{self.release}-{number}")
        scratch = kept.with_name(f".{kept.name}")
        scratch.unlink(missing_ok=True)  # left by a killed migration
        _copy(there, scratch)
        return scratch.replace(kept)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        path = self.path.with_name(f".{self.path.name}.migration")
        try:
            lock = path.open("w")
        except OSError as error:
            raise sqlite3.OperationalError(f"{path} cannot be written: {error.strerror}") from error
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @contextmanager
    def _scratch(self) -> Iterator[DatabaseFile]:
        """Yield a missing file in a folder of its own next to this one; only `_alone` makes it safe."""
        folder = self.path.with_name(f".{self.path.name}.scratch")
        shutil.rmtree(folder, ignore_errors=True)  # left by a killed process
        folder.mkdir()
        try:
            yield DatabaseFile(folder / self.path.name, self.program, self.release, self.revisions)
        finally:
            shutil.rmtree(folder)


def _copy(there: sqlite3.Connection, path: Path) -> None:
    with closing(sqlite3.connect(path)) as copied:
        there.backup(copied)
