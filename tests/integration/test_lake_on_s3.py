"""Nights whose lake and models are in an object store: what a second machine would need is all there."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import date
from typing import TYPE_CHECKING

import pytest
from fsspec.asyn import reset_lock
from s3fs import S3FileSystem

from include.config.loader import load_pipeline
from include.core import settings
from include.core.connections import EnvironmentConnections
from include.lake.maintenance import maintain_files, maintain_table
from include.registry.records import chain
from include.workflows.retrain import steps
from include.workflows.retrain.explain_row import explain_row
from include.workflows.retrain.plan import plan_run
from include.workflows.retrain.run import ingest, run
from tests.services.s3 import REGION, S3, running_s3

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def server() -> Iterator[S3]:
    """Run an S3 with a bucket; one for all tests, since MLflow keeps its client."""
    with running_s3() as server:
        server.write("nights", {})
        yield server


@pytest.fixture(autouse=True)
def folder(server: S3, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Let the lake and the models be in a folder of the bucket that no other test has; return it."""
    folder = re.sub(r"\W+", "-", request.node.name)
    for name, value in {
        "AWS_ACCESS_KEY_ID": server.key,
        "AWS_SECRET_ACCESS_KEY": server.secret,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": server.url,
        "AWS_ALLOW_HTTP": "true",
        "LAKE_URI": f"s3://nights/{folder}/the lake",
        "NIGHTSHIFT_ARTIFACT_ROOT": f"s3://nights/{folder}/models",
    }.items():
        monkeypatch.setenv(name, value)
    S3FileSystem.clear_instance_cache()
    yield folder
    S3FileSystem.clear_instance_cache()
    reset_lock()


def test_nights_on_an_object_store(server: S3, folder: str, shop: Path, home: Path) -> None:
    """A night, an upkeep and a night: the chain holds, the champion is loaded, and nothing of the lake is local."""
    pipeline = load_pipeline("shop")

    first = run(pipeline, "first", date(2024, 2, 14), EnvironmentConnections())
    upkeep = maintain_table(pipeline, "raw", "sales")
    maintain_files(pipeline)
    second = run(pipeline, "second", date(2024, 2, 15), EnvironmentConnections())

    assert first.verdict == "promote"
    assert upkeep is not None
    assert upkeep.files_after == upkeep.files_before == 45  # a file a day: what is needed is all that there is
    assert [each.number for each in chain.read_all("shop")] == [1, 2]
    assert chain.verify("shop") == []
    assert second.version == 2
    assert explain_row(pipeline, ["store-1-2024-02-15"]).version in (1, 2)
    keys = {each["Key"] for each in server.client().list_objects_v2(Bucket="nights", Prefix=folder)["Contents"]}
    assert any(key.startswith(f"{folder}/the lake/shop/features/_delta_log/") for key in keys)
    assert any(key.startswith(f"{folder}/models/") and key.endswith("MLmodel") for key in keys)
    assert not (home / "lake").exists()


@pytest.mark.parametrize("processes", [1, pytest.param(5, marks=pytest.mark.slow)])
def test_a_process_that_has_read_ends_well(processes: int, shop: Path) -> None:
    """Nothing of what reads a table is left behind to be aborted, however soon the process ends."""
    pipeline, as_of = load_pipeline("shop"), date(2024, 1, 20)
    ingest(pipeline, date(2024, 1, 1), as_of, EnvironmentConnections())
    steps.build(pipeline, plan_run(pipeline, "first", as_of))
    read = "from include import lake; uri = lake.features_uri('shop'); print(lake.read_features(uri, 0).num_rows)"

    for _ in range(processes):
        done = subprocess.run([sys.executable, "-c", read], cwd=settings.root(), capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
        assert int(done.stdout) > 0
