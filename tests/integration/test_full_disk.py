"""A disk that is full, or may only be read, is named in a sentence; nothing is half there, and space mends it.

The disks are small file systems in memory, in a namespace of this file's own process: run as a program, it
fills them and tells as JSON what became of the nights.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from include import lake
from include.config.loader import load_pipeline
from include.core import settings
from include.core.connections import EnvironmentConnections
from include.core.errors import NightshiftError
from include.ingestion.extract import extract_source
from include.ingestion.publish import publish_batch
from include.ingestion.quarantine import quarantined
from include.lake import run_files
from include.validation.validate import validate_batch
from tests import factories

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from include.ingestion.stage import StagedBatch

#: One row in five may be wrong.
TOLERANT = """\
expectations:
  - expect_column_values_to_be_between: {column: revenue, min_value: 0, max_value: 100000, mostly: 0.8}
"""

#: The bytes that such a disk gives at once, and so many of them are more than a night needs.
PAGE, ENOUGH = 4096, 60


def program() -> dict[str, Any]:
    """Fill the disks in turns, and return what each night said and left."""
    folder = Path.cwd()
    frame = factories.sales()
    frame.loc[frame["store"] == "store-1", "revenue"] = -1.0
    factories.write_sales(folder / "shop.db", frame)
    factories.write_shop(folder / "pipelines", sales_expectations=TOLERANT)
    for disk in ("lake", "tmp"):
        (folder / disk).mkdir()
        mount("-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder / disk))
    os.environ |= {
        "AIRFLOW_CONN_SHOP": json.dumps({"conn_type": "sqlite", "host": str(folder / "shop.db")}),
        "NIGHTSHIFT_PIPELINES": str(folder / "pipelines"),
        "LAKE_URI": str(folder / "lake"),
    }
    tempfile.tempdir = str(folder / "tmp")
    batch, told = extract(1), {}
    validate(batch)
    publish(batch)
    told["lake, night"] = with_ever_more_space(folder / "lake", lambda left: night(2, f"night-{left}"))
    batch = extract(3)
    validate(batch)
    told["lake, publish"] = with_ever_more_space(folder / "lake", lambda _: publish(batch))
    told["tmp, night"] = with_ever_more_space(folder / "tmp", lambda _: night(4, "night"))
    batch = extract(5)
    with filled(folder / "tmp", 0):
        told["tmp, validate"] = [outcome(lambda: validate(batch))]
    validate(batch)
    with filled(folder / "tmp", 0):
        told["tmp, publish"] = [outcome(lambda: publish(batch))]
    validate(batch := extract(6))
    mount("-o", "remount,ro", str(folder / "lake"))
    told["read only"] = [
        outcome(step) for step in (lambda: extract(7), lambda: validate(batch), lambda: publish(batch))
    ]
    mount("-o", "remount,rw", str(folder / "lake"))
    told["read and write"] = [outcome(lambda: publish(batch))]
    told["left"] = {"published": rows(), "held": [row["day"] for row in quarantined("shop", "sales").to_pylist()]}
    return told


def mount(*arguments: str) -> None:
    """Mount a file system."""
    subprocess.run(["mount", *arguments], check=True)


def extract(day: int) -> StagedBatch:
    """Extract a day of the shop's sales."""
    at = date(2024, 1, day)
    return extract_source(load_pipeline("shop"), "sales", at, at, EnvironmentConnections())


def validate(batch: StagedBatch, run: str = "night") -> None:
    """Validate a batch of the shop's sales."""
    validate_batch(load_pipeline("shop"), batch, run)


def publish(batch: StagedBatch) -> None:
    """Publish a batch of the shop's sales."""
    publish_batch(load_pipeline("shop"), batch)


def night(day: int, run: str) -> None:
    """Take a day of the shop's sales from the source to the lake."""
    batch = extract(day)
    validate(batch, run)
    publish(batch)


def with_ever_more_space(disk: Path, step: Callable[[int], None]) -> list[dict[str, Any]]:
    """Try a step on a full disk and again with one page more, until it succeeds."""
    told: list[dict[str, Any]] = []
    while len(told) < ENOUGH and not (told and told[-1]["error"] is None):
        with filled(disk, len(told)):
            told.append(outcome(lambda: step(len(told))))
    return told


@contextmanager
def filled(disk: Path, pages: int) -> Iterator[None]:
    """Let a disk have so many pages left."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:  # until there is no space, which what a failed commit leaves is still giving back
            file.write(bytes(PAGE))
    os.truncate(ballast, max(ballast.stat().st_size // PAGE - pages, 0) * PAGE)
    yield
    ballast.unlink()


def outcome(step: Callable[[], object]) -> dict[str, Any]:
    """Return what a step said, and whether what was there before is still there and whole."""
    before, error = rows(), None
    try:
        step()
    except NightshiftError as refused:
        error = refused
    for path in run_files.staged_folder("shop", "sales").iterdir():
        if path.suffix == ".json" and not path.name.startswith("."):
            json.loads(path.read_bytes())
    return {
        "error": error and type(error).__name__,
        "said": str(error),
        "again": error is not None and error.retryable,
        "unchanged": rows() == before,
        "left behind": [path.name for path in Path(tempfile.gettempdir()).iterdir() if path.name != "ballast"],
    }


def rows() -> tuple[int | None, list[tuple[str, str]]]:
    """Return the version of the shop's raw table, and the day and store of each of its rows."""
    uri = lake.raw_uri("shop", "sales")
    version = lake.latest_version(uri)
    table = [] if version is None else lake.read_table(uri, version).to_pylist()
    return version, sorted((row["ds"], row["store"]) for row in table)


def missing() -> str | None:
    """Return why no file system can be mounted here, or None where one can."""
    if shutil.which("unshare") is None:
        return "the program unshare is not there, so no small disk can be made"
    tried = subprocess.run(
        ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, text=True, check=False
    )
    return f"this user may mount no small disk ({tried.stderr.strip()})" if tried.returncode else None


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Run this file as a program on disks of its own, and return what it told."""
    reason = missing()
    if reason:
        pytest.skip(reason)
    done = subprocess.run(
        ["unshare", "-rm", sys.executable, __file__],
        cwd=tmp_path_factory.mktemp("disks"),
        env=os.environ | {"PYTHONPATH": str(settings.root()), "NIGHTSHIFT_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    "what",
    [
        r"staged/sales/\w+\.parquet could not be written \(No space left",
        r"staged/sales/\w+\.json could not be written \(No space left",
        r"quarantine/sales: the days 2024-01-02 to 2024-01-02 could not be written \(.*No space left.*; the table is",
        r"staged/sales/\w+\.profile\.parquet could not be written \(No space left",
        r"validations/sales/night-\d+\.html could not be written \(No space left",
        r"staged/sales/\w+\.validation\.json could not be written \(No space left",
    ],
    ids=["rows", "manifest", "quarantine", "profile", "page", "report"],
)
def test_a_full_lake_is_named_by_what_did_not_fit(told: dict[str, Any], what: str) -> None:
    """Whatever is written when the space ends, the sentence says what it was, where, and what to do."""
    said = [each["said"] for each in told["lake, night"]]

    [first, *_] = [each for each in said if re.search(what, each)]
    assert re.search(r"check .*permissions and free space, then run this task again", first)


def test_a_publication_that_does_not_fit_leaves_the_table_as_it_was(told: dict[str, Any]) -> None:
    """Neither where the rows do not fit nor where only the log's entry does not."""
    *failed, last = told["lake, publish"]

    assert len(failed) >= 2
    assert {each["error"] for each in failed} == {"LakeError"}
    for each in failed:
        assert re.search(
            r"raw/sales: the days 2024-01-03 to 2024-01-03 could not be written \(.*No space left.*; the table is "
            r"unchanged; check the lake's permissions and free space",
            each["said"],
        )
    assert last["error"] is None


@pytest.mark.parametrize("which", ["lake, night", "lake, publish", "tmp, night", "tmp, validate", "read only"])
def test_what_was_published_stays_and_the_task_may_be_tried_again(told: dict[str, Any], which: str) -> None:
    """A full or protected disk changes nothing that a reader sees, and somebody may make room meanwhile."""
    failed = [each for each in told[which] if each["error"]]

    assert failed
    assert {each["error"] for each in failed} == {"LakeError"}
    assert all(each["unchanged"] and each["again"] for each in failed)
    assert all(each["left behind"] == [] for each in failed)


def test_the_same_task_succeeds_once_there_is_space(told: dict[str, Any]) -> None:
    """Nothing of the failed tries is in the way, and each day is there once."""
    version, published = told["left"]["published"]

    days = [f"2024-01-0{number}" for number in range(1, 7)]
    assert published == [[ds, f"store-{store}"] for ds in days for store in (0, 2, 3, 4)]
    assert told["left"]["held"] == days
    assert version == 6  # one commit a day, after the empty table's


def test_temporary_files_that_do_not_fit_are_named_by_their_folder(told: dict[str, Any]) -> None:
    """The lake may have all the space that is needed, so the sentence says which disk is meant."""
    [full, *_] = told["tmp, night"]

    assert re.search(r"^shop: source 'sales', 2024-01-04: the rows could not be written to .*/tmp \(", full["said"])
    assert "name a larger folder in TMPDIR, then run this task again; nothing was published" in full["said"]
    assert re.search(
        r"^temporary files could not be written \(.*No space left.*; make room .* TMPDIR",
        told["tmp, validate"][0]["said"],
    )
    assert told["tmp, publish"][0]["error"] is None  # which needs none


def test_a_lake_that_may_only_be_read_is_told(told: dict[str, Any]) -> None:
    """A disk that the system protects after a fault is named in each of the steps."""
    extracted, validated, published = (each["said"] for each in told["read only"])

    assert re.search(r"staged/sales/\w+\.parquet could not be written \(Read-only file system\); check", extracted)
    assert re.search(r"quarantine/sales: the days .* could not be written \(.*Read-only file system", validated)
    assert re.search(r"raw/sales: the days .* could not be written \(.*Read-only file system", published)
    assert told["read and write"][0]["error"] is None


if __name__ == "__main__":
    print(json.dumps(program()), flush=True)
    os._exit(0)  # a thread of a library that met the full disk may abort the interpreter's own end
