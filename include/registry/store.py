"""Migrate MLflow's SQLite database when the installed MLflow is newer, and refuse it when it is older.

MLflow itself would migrate such a file in place without a copy, or not at all, depending on its tables.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from include.core.alembic_revisions import read_revisions
from include.core.database_file import DatabaseFile
from include.core.errors import OtherRelease

if TYPE_CHECKING:
    from collections.abc import Callable


def migrate_store(path: Path, tell: Callable[[str], None]) -> None:
    """Migrate MLflow's SQLite file to the installed MLflow; MLflow itself creates a missing file.

    Raises
    ------
    OtherRelease
        If a newer MLflow wrote the file, or it cannot be migrated; the file is unchanged.
    """
    if not path.is_file():
        return
    spec = find_spec("mlflow")  # found, not imported: that takes a second and more
    assert spec is not None, "MLflow is installed"
    assert spec.origin is not None, "MLflow is a package with a file"
    package = Path(spec.origin).parent
    file = DatabaseFile(path, "MLflow", version("mlflow"), lambda: read_revisions(package / "store" / "db_migrations"))
    if file.is_settled():
        return
    state = file.state()
    if state == "older":
        file.migrate(_upgrade, tell)
    if state != "none":
        file.settle()


def _upgrade(path: Path) -> None:
    """Run MLflow's own command in another process, because it changes the logging of its process."""
    done = subprocess.run(
        [sys.executable, "-m", "mlflow", "db", "upgrade", f"sqlite:///{path}"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
        raise OtherRelease(
            f"MLflow {version('mlflow')} could not migrate a copy of its database ({last}); the database is unchanged; "
            "go back to the release of Nightshift that wrote it"
        )
