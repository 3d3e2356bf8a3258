"""The revisions of a program's tables, read by Alembic from the program's own migration scripts.

Alembic runs the scripts, and these import the program. `read_revisions_apart` keeps that in another process.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from include.core import settings

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Revisions:
    """The revisions that a program knows, and the heads: those that no other revision follows."""

    known: frozenset[str]
    heads: frozenset[str]


def read_revisions(migrations: Path) -> Revisions:
    """Return the revisions of a migration environment, a folder with a folder `versions`."""
    from alembic.script import ScriptDirectory

    directory = ScriptDirectory(str(migrations))
    known = frozenset(script.revision for script in directory.walk_revisions())
    return Revisions(known, frozenset(directory.get_heads()))


def read_revisions_apart(migrations: Path, environment: Mapping[str, str]) -> Revisions:
    """Return the same, read by a process with the environment that the program needs.

    Raises
    ------
    subprocess.CalledProcessError
        If the scripts cannot be read; its `stderr` says why.
    """
    done = subprocess.run(  # noqa: S603  our own module
        [sys.executable, "-m", "include.core.alembic_revisions", str(migrations)],
        env=environment,
        cwd=settings.root(),
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    return Revisions(frozenset(found["known"]), frozenset(found["heads"]))


if __name__ == "__main__":
    found = read_revisions(Path(sys.argv[1]))
    print(json.dumps({"known": sorted(found.known), "heads": sorted(found.heads)}))
