"""Maintenance keeps the lake small and fast, and readers notice nothing of it."""

from __future__ import annotations

import json
import logging
import os
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from include import lake
from include.config.loader import load_pipeline
from include.core.errors import LakeError, PublishConflict
from include.ingestion import quarantine
from include.ingestion.published_days import missing_range, published_through
from include.ingestion.stage import StagedBatch
from include.lake import maintenance, publication, run_files, upkeep
from include.lake.maintenance import maintain_files, maintain_table
from tests import factories

if TYPE_CHECKING:
    from include.config.pipeline import Pipeline

#: Eight days; rows come up to two days late, so the first five are settled.
DAYS = [(factories.FIRST_DAY + timedelta(days=number)).isoformat() for number in range(8)]
LATE_DAYS = 2
APPEND = f"    arrives: append\n    late_days: {LATE_DAYS}\n"
KEEP_DAYS = 30
DAY_SECONDS = 86_400


@pytest.fixture
def pipeline(shop: Path) -> Pipeline:
    """Return the shop with sales that come late, and a keep_days of 30."""
    yaml = factories.SHOP_YAML.replace("    connection: shop\n", f"    connection: shop\n{APPEND}")
    factories.write_shop(shop.parent, pipeline=yaml.replace("owner:", f"keep_days: {KEEP_DAYS}\nowner:"))
    return load_pipeline("shop")


@pytest.fixture
def uri(pipeline: Pipeline) -> str:
    """Return the address of the sales' raw table."""
    return lake.raw_uri("shop", "sales")


def digest(number: int) -> str:
    """Return a batch's digest."""
    return f"{number:016x}"


def delivery(number: int, batch: str | None = None, each: int = 2) -> pa.Table:
    """Return what a day delivers: rows of its own, and late ones of the two days before it."""
    own = [ds for ds in DAYS[max(0, number - LATE_DAYS) : number + 1] for _ in range(each)]
    return pa.table(
        {
            "batch": [batch or digest(number)] * len(own),
            "ds": own,
            "delivered": [DAYS[number]] * len(own),
            "store": [f"s{place}" for place in range(len(own))],
        }
    )


def publish(uri: str, number: int, moment: int, batch: str | None = None, parts: Any = None) -> lake.TableVersion:
    """Publish what a day delivers."""
    rows = delivery(number, batch)
    slices = lake.Slices("delivered", [DAYS[number]], batch or digest(number), moment, {DAYS[number]: rows.num_rows})
    return lake.publish_days(uri, parts or [rows], rows.schema, slices)


def publish_all(uri: str) -> None:
    """Publish each day's delivery, one night after another."""
    for number in range(len(DAYS)):
        publish(uri, number, number + 1)


def rows(uri: str, version: int | None = None) -> list[dict[str, Any]]:
    """Return the rows of a table, sorted."""
    version = lake.latest_version(uri) if version is None else version
    order = [("ds", "ascending"), ("delivered", "ascending"), ("store", "ascending")]
    return lake.read_table(uri, version).sort_by(order).to_pylist()


def files_by_day(uri: str) -> dict[str, int]:
    """Return how many files each partition has."""
    found: dict[str, int] = {}
    for path in DeltaTable(uri).file_uris():
        ds = path.partition("/ds=")[2].partition("/")[0]
        found[ds] = found.get(ds, 0) + 1
    return dict(sorted(found.items()))


def make_older(folder: str | Path, days: int) -> None:
    """Set everything in a folder some days back: the files, and for a table what its log says of them."""
    for file in filter(Path.is_file, Path(folder).rglob("*")):
        past = file.stat().st_mtime - days * DAY_SECONDS
        if file.suffix == ".json" and file.parent.name == "_delta_log":
            actions = [json.loads(line) for line in file.read_text().splitlines()]
            for action in actions:
                for kind, name in (
                    ("commitInfo", "timestamp"),
                    ("remove", "deletionTimestamp"),
                    ("add", "modificationTime"),
                ):
                    if kind in action:
                        action[kind][name] -= days * DAY_SECONDS * 1000
            file.write_text("".join(json.dumps(action) + "\n" for action in actions))
        os.utime(file, (past, past))


def test_a_compaction_changes_no_rows(pipeline: Pipeline, uri: str) -> None:
    """A day's files become one; its rows, the batch of each delivery and every old version stay."""
    publish_all(uri)
    before, parts, version = rows(uri), lake.partitions(uri, "delivered"), lake.latest_version(uri)
    through, missing = published_through(pipeline), missing_range(pipeline, date.fromisoformat(DAYS[-1]))

    done = maintain_table(pipeline, "raw", "sales")

    assert done is not None
    assert (done.files_before, done.files_after) == (21, 11)
    assert files_by_day(uri) == dict.fromkeys(DAYS[:5], 1) | {DAYS[5]: 3, DAYS[6]: 2, DAYS[7]: 1}
    assert rows(uri) == rows(uri, version) == before
    assert lake.partitions(uri, "delivered") == parts
    assert list(lake.partitions(uri)) == DAYS
    assert published_through(pipeline) == through == date.fromisoformat(DAYS[-1])
    assert missing_range(pipeline, date.fromisoformat(DAYS[-1])) == missing is None
    assert lake.published_at(uri, DAYS) == {ds: number + 1 for number, ds in enumerate(DAYS)}


def test_a_batch_in_compacted_days_is_known_as_published(pipeline: Pipeline, uri: str) -> None:
    """Publishing the same delivery again writes nothing, and another delivery replaces only its own rows."""
    publish_all(uri)
    maintain_table(pipeline, "raw", "sales")

    assert not publish(uri, 3, moment=100).changed
    assert publish(uri, 3, moment=101, batch="other").changed

    parts = lake.partitions(uri, "delivered")
    assert parts[DAYS[3]] == lake.Partition(DAYS[3], "other", 6)
    assert {ds: parts[ds].batch for ds in DAYS if ds != DAYS[3]} == {
        ds: digest(number) for number, ds in enumerate(DAYS) if number != 3
    }


def test_the_deliveries_of_a_range_are_known_by_their_day(uri: str) -> None:
    """If several nights were read at once, one day's file has several deliveries, and each is found."""
    table = pa.concat_tables([delivery(number, "range") for number in range(4)])
    counts = {each["values"]: each["counts"] for each in table["delivered"].value_counts().to_pylist()}
    slices = lake.Slices("delivered", DAYS[:4], "range", 1, counts)
    lake.publish_days(uri, [table], table.schema, slices)

    found = lake.partitions(uri, "delivered")

    assert found == {ds: lake.Partition(ds, "range", counts[ds]) for ds in DAYS[:4]}


def test_nothing_is_merged_twice(pipeline: Pipeline, uri: str) -> None:
    """A second maintenance does nothing and creates no version."""
    publish_all(uri)
    first = maintain_table(pipeline, "raw", "sales")
    version = lake.latest_version(uri)

    second = maintain_table(pipeline, "raw", "sales")

    assert first is not None
    assert second is not None
    assert second.files_before == second.files_after == first.files_after
    assert lake.latest_version(uri) == version


def test_a_publication_wins_over_a_concurrent_compaction(
    uri: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """If a settled day is published again meanwhile, the compaction gives up and logs it."""
    publish_all(uri)
    look = upkeep._settled_days

    def look_and_publish(*args: Any) -> list[str]:
        days = look(*args)
        publish(uri, 2, moment=100, batch="backfill")
        return days

    monkeypatch.setattr(upkeep, "_settled_days", look_and_publish)

    assert not lake.compact(uri, LATE_DAYS)
    assert "merged no files, because another run changed the same days" in caplog.text
    assert lake.partitions(uri, "delivered")[DAYS[2]] == lake.Partition(DAYS[2], "backfill", 6)
    assert len(rows(uri)) == 42


@pytest.mark.parametrize(("number", "expected_conflicts"), [(7, []), (2, [True])])
def test_a_compaction_during_a_publication_loses_no_row_and_doubles_none(
    uri: str, number: int, expected_conflicts: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A compaction never merges the nightly run's days; a backfill gets an error and tries again."""
    publish_all(uri)
    look, conflicts = publication._holds, []

    def look_and_compact(*args: Any) -> bool:
        lake.compact(uri, LATE_DAYS)
        return look(*args)

    # asked after the table was opened, before it is written
    monkeypatch.setattr(publication, "_holds", look_and_compact)
    for _ in range(2):
        try:
            publish(uri, number, moment=100, batch="again")
        except PublishConflict as conflict:
            conflicts.append(conflict.retryable)

    assert conflicts == expected_conflicts
    assert files_by_day(uri)[DAYS[0]] == 1
    assert lake.partitions(uri, "delivered")[DAYS[number]] == lake.Partition(DAYS[number], "again", 6)
    assert len(rows(uri)) == 42


@pytest.mark.parametrize("checkpoint", [True, False])
def test_the_versions_of_keep_days_stay_readable_and_older_ones_are_refused(
    pipeline: Pipeline, checkpoint: bool
) -> None:
    """Versions of the last days stay readable, although checkpoints forget removed files after a week."""
    uri = lake.features_uri("shop")
    for number in range(5):
        lake.write_table(uri, pa.table({"x": [number]}), f"build-{number}")
        make_older(uri, 12)  # so version 0 is 60 days old and was replaced 48 days ago, version 2 replaced 24 days ago
    if checkpoint:
        lake.checkpoint(uri)

    done = maintain_table(pipeline, "features")

    assert done is not None
    assert (done.removed, done.versions) == (2, (2, 4))
    assert done.freed_bytes > 0
    assert [lake.read_table(uri, version).to_pydict() for version in (2, 3, 4)] == [{"x": [x]} for x in (2, 3, 4)]
    for version in (0, 1):
        with pytest.raises(LakeError, match=f"version {version} is older than the keep_days of pipeline.yaml") as gone:
            lake.dataset(uri, version)
        assert not gone.value.retryable
    assert lake.find_build(uri, "build-4") == 4


def test_the_predictions_are_maintained_as_well(pipeline: Pipeline) -> None:
    """Replaced predictions go with their old versions; each day stays."""
    uri = lake.predictions_uri("shop")
    for number, ds in enumerate([DAYS[0], DAYS[1], DAYS[0]]):
        rows = pa.table({"x": [number]})
        lake.publish_predictions(uri, ds, rows, f"{number:016x}", {}, moment=number)
        make_older(uri, KEEP_DAYS)

    done = maintain_table(pipeline, "predictions")

    assert done is not None
    assert done.removed == 1
    found = lake.read_predictions(uri, DAYS[0], DAYS[1])
    assert found is not None
    assert found["x"].to_pylist() == [2, 1]


def test_orphaned_files_are_removed_when_old(pipeline: Pipeline, uri: str) -> None:
    """Old files of a killed writer go; files that a writer is writing stay."""
    publish_all(uri)
    left, being_written = Path(uri) / f"ds={DAYS[0]}" / "part-left.parquet", Path(uri) / "part-new.parquet"
    left.touch()
    make_older(uri, KEEP_DAYS + 1)
    being_written.touch()

    maintain_table(pipeline, "raw", "sales")

    assert not left.exists()
    assert being_written.exists()
    assert len(rows(uri)) == 42


def test_the_table_writes_a_checkpoint_of_its_own_at_every_twentieth_version(home: Path) -> None:
    """Our tables open fast even if nobody maintains them."""
    uri = str(home / "table")
    lake.write_table(uri, pa.table({"x": [0]}), "first")
    table = DeltaTable(uri)
    for number in range(39):
        table.alter.set_table_description(str(number))

    written = sorted(path.name for path in Path(uri, "_delta_log").glob("*.checkpoint.parquet"))
    assert written == [f"{version:020}.checkpoint.parquet" for version in (19, 39)]
    assert len(list(Path(uri, "_delta_log").glob("*.json"))) == 40


def test_a_missing_table_is_skipped(pipeline: Pipeline) -> None:
    """A source without quarantined rows has no quarantine table."""
    assert maintain_table(pipeline, "quarantine", "sales") is None


def test_a_maintenance_killed_between_its_steps_is_finished_by_the_next(
    pipeline: Pipeline, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is lost after the compaction's commit, and the next run does the rest."""
    publish_all(uri)
    make_older(uri, KEEP_DAYS + 1)
    before = rows(uri)
    with monkeypatch.context() as killed:
        killed.setattr(lake, "vacuum", interrupt)
        with pytest.raises(KeyboardInterrupt):
            maintain_table(pipeline, "raw", "sales")
    assert rows(uri) == before
    make_older(uri, KEEP_DAYS + 1)

    done = maintain_table(pipeline, "raw", "sales")

    assert done is not None
    assert (done.removed, done.files_after) == (15, 11)
    assert rows(uri) == before
    assert len(list(Path(uri).rglob("ds=*/*.parquet"))) == 11


def interrupt(*args: Any, **options: Any) -> None:
    """Stand for the end of the process."""
    raise KeyboardInterrupt


def staged(number: int, days: int, *kinds: str) -> str:
    """Write the files of a staged batch, some days old, and return its digest."""
    folder = Path(str(run_files.staged_folder("shop", "sales")))
    folder.mkdir(parents=True, exist_ok=True)
    for kind in kinds or ("parquet", "json", "validation.json", "profile.parquet"):
        age(folder / f"{digest(number)}.{kind}", days)
    return digest(number)


def age(file: Path, days: float) -> None:
    """Write a file that is some days old."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("{}")
    past = time.time() - days * DAY_SECONDS
    os.utime(file, (past, past))


def left_of(number: int) -> set[str]:
    """Return the kinds of files that are left of a batch."""
    folder = Path(str(run_files.staged_folder("shop", "sales")))
    return {path.name.partition(".")[2] for path in folder.glob(f"{digest(number)}.*")}


def hold(number: int, status: str = "held") -> None:
    """Put a row of a batch into quarantine, and decide about it."""
    ds = DAYS[number]
    read_at = datetime.fromisoformat(ds).replace(tzinfo=UTC)
    batch = StagedBatch("shop", "sales", read_at.date(), read_at.date(), digest(number), 1, read_at)
    row = {"day": ds, "position": 0, "row_id": "r", "row": "{}", "reason": "", "releasable": True}
    quarantine.quarantine_rows(batch, pa.Table.from_pylist([row]), pa.table({"position": [0], "row_id": ["r"]}), "run")
    if status != "held":
        quarantine.decide("shop", "sales", [ds], None, status, "somebody", "why")  # type: ignore[arg-type]


EVERY = {"parquet", "json", "validation.json", "profile.parquet"}
TOLD = EVERY - {"parquet"}


def test_exactly_the_staged_files_that_nothing_needs_are_removed(pipeline: Pipeline, uri: str) -> None:
    """Reports about a published batch stay for ever, its rows as long as a release may need them."""
    old, young = KEEP_DAYS + 1, KEEP_DAYS - 1
    for number, days in enumerate([old, young, old, old, old, young, old]):
        staged(number, days)
    publish(uri, 0, 1)
    publish(uri, 1, 2)
    publish(uri, 2, 3, batch=f"{digest(2)}-0a1b2c3d")  # with rows left out
    hold(3)
    hold(4, "released")
    publish(uri, 4, 4)

    done = maintain_files(pipeline)["staged/sales"]

    assert [left_of(number) for number in range(7)] == [TOLD, EVERY, TOLD, EVERY, EVERY, EVERY, set()]
    assert (done.files_before, done.files_after, done.freed_bytes) == (28, 22, 12)


def test_a_batch_is_as_old_as_its_newest_file(pipeline: Pipeline) -> None:
    """A batch that was just validated again is about to be published."""
    staged(0, KEEP_DAYS + 1, "parquet", "json")
    staged(0, 1, "validation.json")

    maintain_files(pipeline)

    assert left_of(0) == {"parquet", "json", "validation.json"}


def test_unknown_files_stay(pipeline: Pipeline) -> None:
    """Maintenance removes only files that Nightshift names."""
    note = Path(str(run_files.staged_folder("shop", "sales"))) / "note.json"
    age(note, 1000)

    maintain_files(pipeline)

    assert note.exists()


def test_old_runs_go_and_those_that_made_a_champion_stay(pipeline: Pipeline) -> None:
    """A run is as old as its newest file; a run that made a champion stays for ever."""
    runs = Path(str(run_files.run_folder("shop", "old"))).parent
    for name, days, alias in (("old", 31, "challenger"), ("champion", 31, "champion"), ("young", 29, None)):
        age(runs / name / "plan.json", 31)
        (runs / name / "registration.json").write_text(json.dumps({"version": 1, "alias": alias}))
        past = time.time() - days * DAY_SECONDS
        os.utime(runs / name / "registration.json", (past, past))
    age(runs / "unfinished" / "plan.json", 31)
    (runs / "emptied").mkdir()  # by a maintenance that was killed

    maintain_files(pipeline)

    assert {folder.name for folder in runs.iterdir()} == {"champion", "young"}
    assert (runs / "champion" / "plan.json").exists()


def test_old_pages_of_validations_go(pipeline: Pipeline) -> None:
    """Pages are kept as long as the runs that they describe."""
    folder = Path(str(run_files.validations_folder("shop", "sales")))
    age(folder / "old.html", 31)
    age(folder / "young.html", 29)

    maintain_files(pipeline)

    assert [page.name for page in folder.iterdir()] == ["young.html"]


@pytest.mark.parametrize(("days", "there"), [(1.1, False), (0.9, True)])
def test_scratch_files_go_after_a_day(pipeline: Pipeline, days: float, there: bool) -> None:
    """No process can still be writing such a file."""
    folders = [run_files.staged_folder("shop", "sales"), run_files.run_folder("shop", "run")]
    scratch = [Path(str(folder)) / f".plan.json.{'0f' * 16}" for folder in folders]
    for file in scratch:
        age(file, days)

    maintain_files(pipeline)

    assert [file.exists() for file in scratch] == [there, there]


def test_a_killed_cleanup_is_finished_by_the_next(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Each file is judged by itself, so the next run removes the rest."""
    for number in range(3):
        staged(number, KEEP_DAYS + 1)
    staged(3, 1)
    unlink, left = Path.unlink, iter([True, True])

    def unlink_some(path: Path, missing_ok: bool = False) -> None:
        if not next(left, False):
            raise KeyboardInterrupt
        unlink(path, missing_ok)

    with monkeypatch.context() as killed:
        killed.setattr(Path, "unlink", unlink_some)
        with pytest.raises(KeyboardInterrupt):
            maintain_files(pipeline)
    assert sum(len(left_of(number)) for number in range(3)) == 10
    caplog.set_level(logging.INFO, logger=maintenance.__name__)

    maintain_files(pipeline)

    assert [left_of(number) for number in range(4)] == [set(), set(), set(), EVERY]
    assert "shop/staged/sales: 14 files before, 4 after, 20 bytes freed" in caplog.text


def test_a_file_that_cannot_be_removed_is_an_error(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence has the path of the file."""
    staged(0, KEEP_DAYS + 1, "parquet")

    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refuse)

    with pytest.raises(LakeError, match=rf"{digest(0)}.parquet could not be removed \(Permission denied\)"):
        maintain_files(pipeline)


def test_files_of_unknown_age_stay(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store may not report the age of a file."""
    monkeypatch.setenv("LAKE_URI", "memory://maintenance")
    page = run_files.validations_folder("shop", "sales") / "page.html"
    run_files.write_bytes(page, b"page")
    monkeypatch.setattr(maintenance, "_unneeded_batches", lambda *args: [])  # the tables are not in memory

    maintain_files(pipeline)

    assert page.read_bytes() == b"page"


def test_the_newest_day_comes_from_the_table_not_the_clock(uri: str) -> None:
    """A source that has been silent for a year keeps its last days unmerged."""
    assert date.fromisoformat(DAYS[-1]) < date.today() - timedelta(days=300)
    publish_all(uri)

    lake.compact(uri, late_days=len(DAYS))

    assert sum(files_by_day(uri).values()) == 21
