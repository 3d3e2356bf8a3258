"""`python3 -m include.ops.production.env_file`: .env has every secret of the production stack, each drawn once.

What stands in the file stays as it is, to the letter; what it lacks is added at its end. The exit status is 1
where the stack would refuse to start with it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from include.core import settings
from include.core.private_file import write_private
from include.ops.production.guard import refusals
from include.ops.production.secrets import SECRETS

if TYPE_CHECKING:
    from pathlib import Path

#: More that Compose reads, for a team to fill.
FILES = {
    "connections.env": "# Connections of sources, as AIRFLOW_CONN_NAME={...}, for the workers; see .env.example.\n",
    "store.env": (
        "# Where the lake is, if not in a volume, for the workers, Airflow's UI and MLflow:\n# LAKE_URI=s3://bucket/lake\n"
        "# AWS_ACCESS_KEY_ID=\n# AWS_SECRET_ACCESS_KEY=\n# AWS_DEFAULT_REGION=eu-central-1\n"
        "# AWS_ENDPOINT_URL=https://store.example.org\n# MLFLOW_ARTIFACTS_DESTINATION=s3://bucket/models\n"
    ),
}
_HEADING = "# Secrets of the production stack, drawn by `make stack`. Keep a copy apart from the backups.\n"


def complete(path: Path) -> list[str]:
    """Add the secrets that a file lacks, and return their names.

    The file is readable by its owner only, from the first moment on.
    """
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    there = settings.parse_env(text)
    lacking = [name for name in SECRETS if name not in there]
    if not lacking:
        return []
    lines = []
    for name in lacking:
        what, draw = SECRETS[name]
        lines += [f"# {what}", f"{name}={draw()}"]
    gap = "" if not text else "\n" if text.endswith("\n") else "\n\n"
    write_private(path, text + gap + _HEADING + "\n".join(lines) + "\n")
    return lacking


def main() -> int:
    """Complete the project's .env, say what was done, and refuse what the stack would."""
    path = settings.root() / ".env"
    drawn = complete(path)
    if drawn:
        print(f"{path}: drew {len(drawn)} secret{'s' * (len(drawn) > 1)} ({', '.join(drawn)})")
    if path.stat().st_mode & 0o077:
        print(f"{path}: others on this machine may read it; run `chmod 600 {path}`", file=sys.stderr)
    for name, heading in FILES.items():
        if not (settings.root() / name).exists():  # Compose wants it to be there
            write_private(settings.root() / name, heading)
    refused = refusals(settings.parse_env(path.read_text(encoding="utf-8")), SECRETS)
    for why in refused:
        print(f"{path}: {why}", file=sys.stderr)
    return bool(refused)


if __name__ == "__main__":
    sys.exit(main())
