"""A night that is killed anywhere between its source and the lake is ended by its next try, as if undisturbed."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

from include import lake
from include.core import settings
from include.ingestion.quarantine import quarantined
from include.lake import run_files
from tests import factories

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

#: One row in five may be wrong.
TOLERANT = """\
expectations:
  - expect_column_values_to_be_between: {column: revenue, min_value: 0, max_value: 100000, mostly: 0.8}
"""

#: The night before brought the first of these days; this night brings both, the first of them corrected.
BEFORE, NIGHT = ("2024-01-01", "2024-01-01"), ("2024-01-01", "2024-01-02")

#: Where the process ends: a function, before or after it, and at which of its calls.
PLACES = [
    ("include.ingestion.staged_file.write_rows", "before", 1),
    ("include.ingestion.staged_file.sort_rows", "before", 1),
    ("include.ingestion.staged_file.sort_rows", "after", 1),
    ("os.fsync", "before", 1),
    ("include.lake.run_files.put_file", "after", 1),
    ("include.lake.run_files.write_json", "after", 1),
    ("include.validation.validate.run_suite", "before", 1),
    ("include.ingestion.quarantine.quarantine_rows", "before", 1),
    ("include.lake.replace_days", "before", 1),
    ("include.lake.replace_days", "after", 1),
    ("include.profiling.stored_profiles.write_profile", "before", 1),
    ("os.fsync", "after", 3),
    ("include.profiling.stored_profiles.write_profile", "after", 1),
    ("include.validation.validate.write_page", "before", 1),
    ("include.validation.validate.write_page", "after", 1),
    ("os.fsync", "before", 5),
    ("include.lake.run_files.write_json", "after", 2),
    ("include.lake.publish_days", "before", 1),
    ("include.ingestion.publish._published_rows", "amid", 1),
    ("include.lake.publish_days", "after", 1),
]


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., int]]:
    """Return a function that ingests in a process of its own, which may be killed, and returns its exit code."""
    folder = tmp_path_factory.mktemp("shop")
    factories.write_shop(folder / "pipelines", sales_expectations=TOLERANT)
    for name, refunds in (("before", ["store-0"]), ("night", ["store-1"])):
        frame = factories.sales()
        frame.loc[frame["day"].str.startswith("2024-01-01") & frame["store"].isin(refunds), "revenue"] = -1.0
        factories.write_sales(folder / f"{name}.db", frame)
    (folder / "tmp").mkdir()
    environment = {
        "NIGHTSHIFT_PIPELINES": str(folder / "pipelines"),
        "NIGHTSHIFT_THREADS": "1",
        "TMPDIR": str(folder / "tmp"),
        "PYTHONPATH": str(settings.root()),
    }
    server = subprocess.Popen(
        [sys.executable, str(settings.root() / "tests/integration/killed_ingest.py")],
        env=os.environ | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdin is not None
    assert server.stdout is not None

    def run(home: Path, days: tuple[str, str] = NIGHT, **death: Any) -> int:
        database = folder / ("before.db" if days == BEFORE else "night.db")
        connection = json.dumps({"conn_type": "sqlite", "host": str(database)})
        asked = {"environment": {"NIGHTSHIFT_HOME": str(home), "AIRFLOW_CONN_SHOP": connection}, "days": days, **death}
        server.stdin.write(json.dumps(asked) + "\n")
        server.stdin.flush()
        return int(server.stdout.readline())

    yield run
    server.stdin.close()
    server.wait()


@pytest.fixture(scope="module")
def nights(ask: Callable[..., int], tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Return what the night before left and what this night leaves when nothing disturbs it."""
    home = tmp_path_factory.mktemp("undisturbed") / "var"
    found: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIGHTSHIFT_HOME", str(home))
        for name, days in (("before", BEFORE), ("after", NIGHT)):
            assert ask(home, days) == 0
            found[name] = kept()
            shutil.copytree(home, home.with_name(name))
            found[f"{name}_home"] = home.with_name(name)
    [held] = found["after"]["quarantine"]
    assert (json.loads(held["row"])["store"], len(found["after"]["raw"])) == ("store-1", 9)
    return found


@pytest.fixture
def before(nights: dict[str, Any], home: Path) -> Path:
    """Copy the home that the night before left, and return it."""
    shutil.copytree(nights["before_home"], home)
    return home


def kept() -> dict[str, Any]:
    """Return all that ingestion keeps of the shop, without the moments at which it was made."""
    batches = {path.name: path.read_bytes() for path in visible(run_files.staged_folder("shop", "sales"))}
    moments = {"at", "extracted_at", "ended_at"}
    told = {name: json.loads(content) for name, content in batches.items() if name.endswith(".json")}
    return {
        "raw": rows(),
        "quarantine": [
            {name: value for name, value in row.items() if name != "quarantined_at"}
            for row in quarantined("shop", "sales").to_pylist()
        ],
        "rows": {name: content for name, content in batches.items() if name.endswith(".parquet")},
        "told": {name: {key: told[name][key] for key in told[name].keys() - moments} for name in told},
        "pages": {path.name: path.read_bytes() for path in visible(run_files.validations_folder("shop", "sales"))},
    }


def rows() -> list[dict[str, Any]]:
    """Return what is published."""
    uri = lake.raw_uri("shop", "sales")
    version = lake.latest_version(uri)
    table = None if version is None else lake.read_table(uri, version)
    return [] if table is None else table.sort_by([("ds", "ascending"), ("store", "ascending")]).to_pylist()


def visible(folder: Any) -> list[Any]:
    """Return the files of a folder that a reader meets."""
    return [path for path in folder.iterdir() if not path.name.startswith(".")] if folder.exists() else []


def check_whole(nights: dict[str, Any]) -> None:
    """Hold what a killed night left against what a reader may meet: each file is whole, and so is each day."""
    assert rows() in (nights["before"]["raw"], nights["after"]["raw"])
    quarantined("shop", "sales")
    for path in visible(run_files.staged_folder("shop", "sales")):
        json.loads(path.read_bytes()) if path.name.endswith(".json") else pq.read_table(str(path))


@pytest.mark.parametrize(("at", "when", "number"), PLACES)
def test_a_killed_night_is_ended_by_its_next_try(
    at: str, when: str, number: int, before: Path, nights: dict[str, Any], ask: Callable[..., int]
) -> None:
    """Whichever step was under way, a reader meets no half of it, and the same steps again end as if undisturbed."""
    assert ask(before, at=at, when=when, number=number) == 137
    check_whole(nights)

    assert ask(before) == 0

    assert kept() == nights["after"]


@pytest.mark.parametrize(
    ("at", "number"),
    [
        ("include.ingestion.publish._published_rows", 1),
        ("include.lake.run_files.put_file", 2),
        ("include.lake.publication._check_schema", 1),
    ],
)
def test_a_first_night_that_is_killed_leaves_no_rows_and_is_ended_by_its_next_try(
    at: str, number: int, nights: dict[str, Any], home: Path, ask: Callable[..., int]
) -> None:
    """Not even an empty table that was just made is in the way of the second try."""
    when = "amid" if at.endswith("_rows") else "after"
    assert ask(home, at=at, when=when, number=number) == 137
    assert rows() == []

    assert ask(home) == 0

    after = kept()
    assert (after["raw"], after["quarantine"]) == (nights["after"]["raw"], nights["after"]["quarantine"])


@pytest.mark.parametrize("table", ["raw", "quarantine"])
def test_files_of_a_commit_that_was_never_made_are_not_read(
    table: str, before: Path, nights: dict[str, Any], ask: Callable[..., int]
) -> None:
    """Delta writes the rows and then the entry of its log: killed in between, the rows lie there for nobody."""
    assert ask(before, seen=f"lake/shop/{table}/sales/*/*.parquet") in (-9, 0)
    check_whole(nights)
    assert ask(before) == 0
    assert kept() == nights["after"]

    log = before / "lake" / "shop" / table / "sales" / "_delta_log"
    entry = max(log.glob("*.json"))
    entry.rename(log / f"_commit_{entry.stem}.json.tmp")
    check_whole(nights)

    assert ask(before) == 0

    assert kept() == nights["after"]


def test_a_night_that_is_killed_at_any_moment_is_ended_by_its_next_try(
    before: Path, nights: dict[str, Any], ask: Callable[..., int]
) -> None:
    """The system ends a process where it likes, and that again and again."""
    moments = random.Random(20240101)  # noqa: S311  it chooses moments, and keeps no secret
    codes = []
    for _ in range(8):
        codes.append(ask(before, after=moments.uniform(0.02, 0.5)))
        check_whole(nights)

    assert ask(before) == 0

    assert -9 in codes
    assert kept() == nights["after"]
