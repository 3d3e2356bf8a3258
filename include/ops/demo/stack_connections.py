"""`python3 -m include.ops.demo.stack_connections`: add the demo's connections to connections.env.

`make stack DEMO=1` calls this module with the machine's own Python. Existing lines of the file stay unchanged.
"""

from __future__ import annotations

import sys
from pathlib import Path

from include.core import settings
from include.core.private_file import write_private
from include.ops.demo.sources import connections

#: Folder of the demo's sources in a container, in the volume that all workers share.
SOURCES = Path("/var/lib/nightshift/home/sources")


def add_connections(path: Path) -> tuple[list[str], list[str]]:
    """Add missing connections of the demo's sources to a file.

    Returns
    -------
    tuple
        The added names, and the names that the file has with another value, which is kept.
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
    """Add the connections, and print which were added and which are the team's own."""
    path = settings.root() / "connections.env"
    added, own = add_connections(path)
    if added:
        print(f"{path}: added the demo's connections {', '.join(added)}")
    if own:
        print(
            f"{path}: {', '.join(own)} has a value of your own and was kept; the demo's pipeline reads from it",
            file=sys.stderr,
        )


if __name__ == "__main__":
    main()
