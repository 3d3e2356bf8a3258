"""`python3 -m include.ops.production.wait`: wait until every part of the production stack is well, then say where."""

from __future__ import annotations

import json
import subprocess
import sys
import time

from include.core import settings

#: Seconds until the stack is given up.
PATIENCE = 300
_WELL = ("healthy", "running", "done")


def compose() -> list[str]:
    """Return Compose's command: version 2 where it is there, 1.29 otherwise."""
    second = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0
    return ["docker", "compose"] if second else ["docker-compose"]


def states() -> dict[str, str]:
    """Return how each container of the project is, by its service: healthy, starting, unhealthy, done, failed."""
    ids = _output([*compose(), "ps", "--all", "--quiet"]).split()
    inspected = json.loads(_output(["docker", "inspect", *ids])) if ids else []
    return {each["Config"]["Labels"]["com.docker.compose.service"]: _state(each) for each in inspected}


def _output(command: list[str]) -> str:
    return subprocess.run(command, cwd=settings.root(), stdout=subprocess.PIPE, text=True, check=True).stdout


def _state(container: dict) -> str:
    state = container["State"]
    if state["Status"] == "exited":
        return "done" if state["ExitCode"] == 0 else f"failed with {state['ExitCode']}"
    return state["Health"]["Status"] if "Health" in state else state["Status"]


def main() -> int:
    """Wait, and return 1 with the names of those that are not well where it takes too long."""
    start, found = time.monotonic(), states()
    while found and any(state not in _WELL for state in found.values()):
        failed = [name for name, state in found.items() if state.startswith("failed")]
        if failed or time.monotonic() - start > PATIENCE:
            told = ", ".join(f"{name} is {state}" for name, state in sorted(found.items()) if state not in _WELL)
            print(
                f"the stack is not well: {told}; see `{' '.join(compose())} logs {' '.join(failed)}`", file=sys.stderr
            )
            return 1
        time.sleep(1)
        found = states()
    env = settings.parse_env((settings.root() / ".env").read_text(encoding="utf-8"))
    address = env.get("NIGHTSHIFT_PUBLISH_ADDRESS") or "127.0.0.1"
    print(f"the stack is well, after {time.monotonic() - start:.0f} s")
    print(f"  Airflow  http://{address}:{env.get('NIGHTSHIFT_AIRFLOW_PORT') or 8080}")
    print(f"  MLflow   http://{address}:{env.get('NIGHTSHIFT_MLFLOW_PORT') or 5000}")
    print("  log in as admin, with NIGHTSHIFT_ADMIN_PASSWORD of .env")
    print("  DAGs with a schedule are paused; what unpausing one starts is in docs/how-to/run-the-stack.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
