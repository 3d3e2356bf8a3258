"""The production stack whose lake and models are in an object store, as docs/how-to/run-the-stack.md says."""

from __future__ import annotations

import os
import shlex
from importlib.metadata import version
from typing import TYPE_CHECKING

import pytest

from include.core import settings
from tests.stack.promises import assert_promises
from tests.stack.stack import FIRST, LAST_INGESTED, SERVICES, Stack, docker

if TYPE_CHECKING:
    from collections.abc import Iterator

STORE = """\
LAKE_URI=s3://nights/lake
MLFLOW_ARTIFACTS_DESTINATION=s3://nights/models
AWS_ACCESS_KEY_ID=reader-of-nights
AWS_SECRET_ACCESS_KEY=hunter2-of-the-store
AWS_DEFAULT_REGION=us-east-1
AWS_ENDPOINT_URL=http://store:5000
AWS_ALLOW_HTTP=true
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Start a stack beside an object store with an empty bucket."""
    folder = settings.root() / "tests" / "stack"
    options = shlex.split(os.environ.get("BUILD_OPTIONS", ""))
    moto = f"MOTO={version('moto')}"
    docker(
        "build",
        *options,
        "--build-arg",
        moto,
        "-f",
        f"{folder}/store.Dockerfile",
        "-t",
        "nightshift-test-store",
        str(folder),
    )
    stack = Stack(tmp_path_factory.mktemp("stack"))
    stack.use("docker-compose.s3.yaml")
    (stack.folder / "store.env").write_text(STORE)
    with stack.running():
        stack.wait_well(*SERVICES)
        stack.run_in("worker-1", "python", "-c", "import s3fs; s3fs.S3FileSystem().mkdir('nights')")
        yield stack


def test_a_night_with_an_object_store(stack: Stack) -> None:
    """The tables and the models are objects, the volume holds none of them, and all promises are kept."""
    run_id = stack.start_run("ingest", start=str(FIRST), end=str(LAST_INGESTED))
    stack.forget_scheduled("ingest")
    assert stack.wait_run("ingest", run_id) == "success"
    run_id = stack.start_run("retrain", as_of="2013-03-20", tuning_seconds=30)
    assert stack.wait_run("retrain", run_id) == "success"

    assert_promises(stack, run_id)
    objects = stack.run_in(
        "worker-1", "python", "-c", "import s3fs; print(*s3fs.S3FileSystem().find('nights'), sep='\\n')"
    )
    assert "nights/lake/flight_delays/features/_delta_log/" in objects
    assert any(line.startswith("nights/models/") and line.endswith("/MLmodel") for line in objects.splitlines())
    assert not (stack.home / "lake").exists()
