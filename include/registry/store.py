"""Create MLflow's SQLite database, migrate it when the installed MLflow is newer, refuse it when it is older.

MLflow itself would create and migrate such a file in place, without a copy, statement by statement.
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
    """Create MLflow's SQLite file, or migrate it to the installed MLflow; MLflow itself fills an empty file.

    Raises
    ------
    OtherRelease
        If a newer MLflow wrote the file, or it cannot be created or migrated; the file is unchanged.
    """
    spec = find_spec("mlflow")  # found, not imported: that takes a second and more
    assert spec is not None, "MLflow is installed"
    assert spec.origin is not None, "MLflow is a package with a file"
    package = Path(spec.origin).parent
    file = DatabaseFile(path, "MLflow", version("mlflow"), lambda: read_revisions(package / "store" / "db_migrations"))
    if file.is_settled():
        return
    if not path.exists():
        file.create(_upgrade)
        file.settle()
        return
    state = file.state()
    if state == "older":
        file.migrate(_upgrade, tell)
    if state != "none":
        file.settle()


def _upgrade(path: Path) -> None:
    """Create or migrate the tables by MLflow's own command, in another process, because it changes logging."""
    done = subprocess.run(
        [sys.executable, "-m", "mlflow", "db", "upgrade", f"sqlite:///{path}"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
        raise OtherRelease(
            f"MLflow {version('mlflow')} could not make its tables in a copy of its database ({last}); the database is "
            "unchanged; go back to the release of Nightshift that wrote it"
        )
