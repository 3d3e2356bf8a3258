"""`python3 -m include.ops.production.wait`: wait until every part of the stack is healthy, then print the addresses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from include.core import settings

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Seconds to wait for the stack: longer than the start period of the image's health check, in the Dockerfile.
PATIENCE = 600
_HEALTHY = ("healthy", "running", "done")


def compose() -> list[str]:
    """Return the command of Compose: version 2 if it is installed, otherwise 1.29."""
    second = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0
    return ["docker", "compose"] if second else ["docker-compose"]


def states() -> dict[str, str]:
    """Return the state of each service's container: healthy, starting, unhealthy, done or failed."""
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
    """Wait for the stack; return 1 and print the unhealthy services if it fails or takes too long."""
    start, found = time.monotonic(), states()
    while found and any(state not in _HEALTHY for state in found.values()):
        failed = [name for name, state in found.items() if state.startswith("failed")]
        if failed or time.monotonic() - start > PATIENCE:
            unhealthy = ", ".join(
                f"{name} is {state}" for name, state in sorted(found.items()) if state not in _HEALTHY
            )
            print(
                f"the stack is not healthy: {unhealthy}; see `{' '.join(compose())} logs {' '.join(failed)}`",
                file=sys.stderr,
            )
            return 1
        time.sleep(1)
        found = states()
    # Compose prefers the environment too
    env = settings.parse_env((settings.root() / ".env").read_text(encoding="utf-8")) | os.environ
    print("the stack is healthy")
    print(f"  Airflow  {_address('AIRFLOW', 8080, env)}")
    print(f"  MLflow   {_address('MLFLOW', 5000, env)}")
    print("  log in as admin, with NIGHTSHIFT_ADMIN_PASSWORD of .env")
    print("  DAGs with a schedule start paused; docs/how-to/run-the-stack.md says what runs when you unpause one")
    return 0


def _address(server: str, port: int, env: Mapping[str, str]) -> str:
    """Return the address of a server's pages: a proxy's, if there is one."""
    host = env.get("NIGHTSHIFT_PUBLISH_ADDRESS") or "127.0.0.1"
    return env.get(f"NIGHTSHIFT_{server}_URL") or f"http://{host}:{env.get(f'NIGHTSHIFT_{server}_PORT') or port}"


if __name__ == "__main__":
    sys.exit(main())
