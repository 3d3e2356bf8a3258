"""`python3 -m include.ops.demo.stack_connections`: connections.env of the production stack has the demo's connections.

`make stack DEMO=1` calls it with the machine's own Python. What stands in the file stays as it is, to the letter.
"""

from __future__ import annotations

import sys
from pathlib import Path

from include.core import settings
from include.core.private_file import write_private
from include.ops.demo.sources import connections

#: Where `nightshift sources` keeps the demo's sources in a container: in the volume that all workers share.
SOURCES = Path("/var/lib/nightshift/home/sources")


def add_connections(path: Path) -> tuple[list[str], list[str]]:
    """Add the connections of the demo's sources that a file lacks.

    Returns
    -------
    tuple
        The names that were added, and those that the file has with another value, which stays.
    """
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    there, demo = settings.parse_env(text), connections(SOURCES)
    lacking = {name: value for name, value in demo.items() if name not in there}
    if lacking:
        gap = "" if text.endswith("\n") or not text else "\n"
        lines = ["# The demo's sources, added by `make stack DEMO=1`."]
        lines += [f"{name}={value}" for name, value in lacking.items()]
        write_private(path, text + gap + "\n".join(lines) + "\n")
    return list(lacking), [name for name, value in demo.items() if name in there and there[name] != value]


def main() -> None:
    """Add the connections and say which were added, and which are a team's own."""
    path = settings.root() / "connections.env"
    added, own = add_connections(path)
    if added:
        print(f"{path}: added the demo's connections {', '.join(added)}")
    if own:
        print(
            f"{path}: {', '.join(own)} is not the demo's and stays; the demo's pipeline reads from it", file=sys.stderr
        )


if __name__ == "__main__":
    main()
