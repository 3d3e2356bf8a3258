"""The lease of a champion, and the manifests of models, where the lake is an object store."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from fsspec.asyn import reset_lock
from s3fs import S3FileSystem

from include.core.errors import ModelRefused, PublishConflict
from include.registry import lease as lease_module
from include.registry.lease import champion_lease
from include.registry.manifest import ModelFile, keep_manifest, read_manifest
from tests.services.s3 import REGION, S3, running_s3

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    """Run an S3 with an empty bucket."""
    with running_s3() as server:
        server.write("lake", {})
        yield server


@pytest.fixture(autouse=True)
def lake(s3: S3, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the lake be a folder of the bucket that no other test has."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": s3.key,
        "AWS_SECRET_ACCESS_KEY": s3.secret,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": s3.url,
        "LAKE_URI": f"s3://lake/{request.node.name}",
    }.items():
        monkeypatch.setenv(name, value)
    S3FileSystem.clear_instance_cache()
    yield
    S3FileSystem.clear_instance_cache()
    reset_lock()


def test_of_many_at_once_one_holds_the_lease_at_a_time() -> None:
    """Each has it once, with a token of its own, and its lease is in force while it does."""
    inside: list[int] = []
    seen: list[int] = []

    def hold(number: int) -> int:
        with champion_lease("shop", f"night-{number}") as lease:
            inside.append(number)
            seen.append(len(inside))
            lease.check()
            inside.remove(number)
            return lease.token

    with ThreadPoolExecutor(4) as threads:
        tokens = list(threads.map(hold, range(4)))

    assert sorted(tokens) == [1, 2, 3, 4]
    assert seen == [1] * 4


def test_a_lease_that_was_taken_fences(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who held it before finds the higher token before it writes."""
    with champion_lease("shop", "night-1") as paused:
        monkeypatch.setattr(lease_module, "_is_free", lambda held: True)  # as if it had expired
        with champion_lease("shop", "night-2") as later:
            assert later.token == 2
            with pytest.raises(PublishConflict, match="ran out"):
                paused.check()


def test_a_manifest_is_written_once() -> None:
    """Kept again it is the same; another one for the same model is refused."""
    files = {"MLmodel": ModelFile("0" * 64, 1)}
    digest = keep_manifest("shop", "m-1", files)

    assert keep_manifest("shop", "m-1", files) == digest
    assert read_manifest("shop", "m-1", digest, "version 1") == files
    assert read_manifest("shop", "m-2", None, "version 2") is None
    with pytest.raises(ModelRefused, match="has another manifest"):
        keep_manifest("shop", "m-1", {"MLmodel": ModelFile("1" * 64, 1)})
