"""A SQLite file whose tables are another program's: the revision it is at, and a migration that is whole or not at all.

Both MLflow and Airflow number the revisions of their tables with Alembic. Alembic is asked which revisions a program
knows; that takes seconds, so a note beside the file remembers a file that was found to be at the newest revision.
"""

from __future__ import annotations

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

    from include.core.alembic_revisions import Revisions

#: none: there are no tables yet. newest: as the installed program has them. older: it can be migrated.
State = Literal["none", "newest", "older"]


@dataclass(frozen=True)
class DatabaseFile:
    """A program's database; what SQLite cannot do raises `sqlite3.DatabaseError`.

    Attributes
    ----------
    path
        Where it is, or will be.
    program, release
        Whose tables these are, such as MLflow 3.17.2, as installed.
    revisions
        Reads the revisions that the program knows.
    """

    path: Path
    program: str
    release: str
    revisions: Callable[[], Revisions]

    def is_settled(self) -> bool:
        """Return whether this release was told by `settle` that the file is as it should be, and it still is."""
        try:
            return self._note.read_text(encoding="utf-8") == self._noted(self._revision())
        except FileNotFoundError:
            return False

    def settle(self) -> None:
        """Remember that the file is at the newest revision: to find that out again takes longer."""
        self._note.write_text(self._noted(self._revision()), encoding="utf-8")

    def state(self) -> State:
        """Return how the file stands to the installed release.

        Raises
        ------
        OtherRelease
            If its revision is not one that the installed release knows.
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
            f"{self.program} wrote it, or one that is too old; go back to the release of Nightshift that wrote it, or "
            f"put the copy in its place that was kept before it was migrated; it was not changed"
        )

    def migrate(self, upgrade: Callable[[Path], None], tell: Callable[[str], None]) -> Path | None:
        """Bring an older file to the newest revision and return the copy of it that is kept.

        A copy is migrated and then written over the file in one transaction: whoever is killed leaves the old tables
        or the new ones. None where another process has done it meanwhile.

        Parameters
        ----------
        upgrade
            Migrates the file at a path.

        Raises
        ------
        OtherRelease
            If the file cannot be migrated, or was written to meanwhile; it is as it was.
        """
        with self._alone(), closing(self._open()) as there:
            if self.state() != "older":
                return None
            before = there.execute("PRAGMA data_version").fetchone()
            with TemporaryDirectory(prefix=f".{self.path.stem}-", dir=self.path.parent) as folder:
                scratch = DatabaseFile(Path(folder) / self.path.name, self.program, self.release, self.revisions)
                _copy(there, scratch.path)
                upgrade(scratch.path)
                if scratch.state() != "newest":
                    raise OtherRelease(
                        f"{self.path}: the migration by {self.program} {self.release} did not reach its newest "
                        "revision; the file is as it was; go back to the release of Nightshift that wrote it"
                    )
                kept = self._keep(there)
                if there.execute("PRAGMA data_version").fetchone() != before:
                    kept.unlink()
                    raise OtherRelease(
                        f"{self.path} was written to while it was migrated to {self.program} {self.release}; it is as "
                        "that left it; stop what else uses it, then start again"
                    )
                with closing(sqlite3.connect(scratch.path)) as migrated:
                    migrated.backup(there)
        tell(f"{self.path} was migrated to {self.program} {self.release}; as it was before, it is kept in {kept}")
        return kept

    @property
    def _note(self) -> Path:
        return self.path.with_name(f"{self.path.name}.migrated")

    def _noted(self, revision: str | None) -> str:
        return f"{self.release} {revision}"

    def _open(self) -> sqlite3.Connection:
        # an address, since a path would be made where there is none
        return sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=rw", uri=True, timeout=30)

    def _revision(self) -> str | None:
        """Return the revision that stands in the file; None where there is no file, or no table of revisions."""
        if not self.path.is_file():
            return None
        with closing(self._open()) as there:
            found = there.execute("SELECT name FROM sqlite_master WHERE name = 'alembic_version'").fetchone()
            row = there.execute("SELECT version_num FROM alembic_version").fetchone() if found else None
        return row[0] if row else None

    def _keep(self, there: sqlite3.Connection) -> Path:
        """Copy the file to a name beside it that is free yet."""
        number, kept = 1, self.path.with_stem(f"{self.path.stem}-before-{self.release}")
        while kept.exists():
            number += 1
            kept = self.path.with_stem(f"{self.path.stem}-before-{self.release}-{number}")
        scratch = kept.with_name(f".{kept.name}")
        scratch.unlink(missing_ok=True)  # of a migration that was killed
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
