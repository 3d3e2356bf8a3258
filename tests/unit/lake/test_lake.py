"""A publication replaces whole days in one commit, or nothing."""

from __future__ import annotations

import itertools
import shutil
import threading
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from include import lake
from include.config.loader import load_pipeline
from include.core.connections import EnvironmentConnections
from include.core.errors import LakeError, PublishConflict, SchemaMismatch
from include.ingestion.extract import extract_source
from include.ingestion.publish import publish_batch
from include.validation.validate import validate_batch
from tests import factories

DAYS = ("2024-01-01", "2024-01-02", "2024-01-03")


@pytest.fixture
def uri(home: Path) -> str:
    """Return the address of a table that does not exist yet."""
    return lake.raw_uri("shop", "sales")


def rows(batch: str, *days: str, each: int = 2, **more: pa.Array) -> pa.Table:
    """Return some rows of each day, from one batch."""
    ds = [day for day in days for _ in range(each)]
    columns = {"store": [f"s{n}" for n in range(len(ds))], "ds": ds, "batch": [batch] * len(ds)}
    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()} | more)


#: The moments at which batches are read, one after another.
CLOCK = itertools.count(1)


def publish(uri: str, table: pa.Table, batch: str, *days: str, moment: int | None = None) -> lake.TableVersion:
    """Publish a batch's rows for some days, read at a moment: by default after all others."""
    counts = {each["values"]: each["counts"] for each in table["ds"].value_counts().to_pylist()}
    slices = lake.Slices("ds", list(days), batch, next(CLOCK) if moment is None else moment, counts)
    return lake.publish_days(uri, [table], table.schema, slices)


def replace(uri: str, batch: str, *days: str, each: int = 2, moment: int | None = None) -> lake.TableVersion:
    """Replace some days with the same number of rows for each."""
    return publish(uri, rows(batch, *days, each=each), batch, *days, moment=moment)


def batches(uri: str, version: int) -> dict[str, list[str]]:
    """Return the batch of each row, by day."""
    found: dict[str, list[str]] = {}
    for row in lake.read_table(uri, version).sort_by("ds").to_pylist():
        found.setdefault(row["ds"], []).append(row["batch"])
    return found


def test_a_missing_table_has_no_version_and_no_days(uri: str) -> None:
    """Before the first publication, readers get nothing and no error."""
    assert lake.latest_version(uri) is None
    assert lake.partitions(uri) == {}
    assert lake.find_build(uri, "b") is None


def test_days_are_replaced_and_the_others_stay(uri: str) -> None:
    """A batch of two days leaves the third day unchanged."""
    replace(uri, "a", *DAYS)

    published = replace(uri, "b", *DAYS[:2], each=3)

    assert published.changed
    assert batches(uri, published.version) == {DAYS[0]: ["b"] * 3, DAYS[1]: ["b"] * 3, DAYS[2]: ["a"] * 2}
    assert lake.partitions(uri) == {
        DAYS[0]: lake.Partition(DAYS[0], "b", 3),
        DAYS[1]: lake.Partition(DAYS[1], "b", 3),
        DAYS[2]: lake.Partition(DAYS[2], "a", 2),
    }


def test_days_are_replaced_in_one_commit(uri: str) -> None:
    """No version lacks a day, and no version has only some of the new days."""
    before = replace(uri, "a", *DAYS)

    after = replace(uri, "b", *DAYS)

    assert after.version == before.version + 1
    assert batches(uri, before.version) == {day: ["a", "a"] for day in DAYS}
    assert batches(uri, after.version) == {day: ["b", "b"] for day in DAYS}


def test_a_day_without_rows_in_the_batch_is_emptied(uri: str) -> None:
    """The whole range is replaced: a day without rows in the new batch loses its old rows."""
    replace(uri, "a", *DAYS)

    published = publish(uri, rows("b", DAYS[0], DAYS[2]), "b", *DAYS)

    assert sorted(batches(uri, published.version)) == [DAYS[0], DAYS[2]]


def test_publishing_a_batch_again_writes_nothing(uri: str) -> None:
    """A step that runs again finds its own publication and creates no version."""
    first = replace(uri, "a", *DAYS)

    again = replace(uri, "a", *DAYS)

    assert again == lake.TableVersion(uri, first.version, first.rows, changed=False)
    assert lake.latest_version(uri) == first.version


def test_a_partly_replaced_batch_is_restored_whole(uri: str) -> None:
    """If another batch has replaced one day since, publishing the first again restores all its days."""
    replace(uri, "a", *DAYS)
    replace(uri, "b", DAYS[1])

    published = replace(uri, "a", *DAYS)

    assert published.changed
    assert batches(uri, published.version) == {day: ["a", "a"] for day in DAYS}


def test_a_repeated_publication_does_not_undo_a_later_one(uri: str) -> None:
    """A task that was killed after its commit and starts again must not replace newer rows."""
    replace(uri, "a", *DAYS, moment=2000)
    replace(uri, "b", DAYS[1], moment=3000)

    again = replace(uri, "a", *DAYS, moment=2000)

    assert not again.changed
    assert batches(uri, again.version) == {DAYS[0]: ["a"] * 2, DAYS[1]: ["b"] * 2, DAYS[2]: ["a"] * 2}


def test_an_older_batch_skips_days_with_newer_rows(uri: str, caplog: pytest.LogCaptureFixture) -> None:
    """A backfill that ends after the nightly run keeps the nightly run's day and logs it."""
    replace(uri, "night", DAYS[1], moment=3000)

    published = replace(uri, "backfill", *DAYS, moment=2000)

    assert batches(uri, published.version) == {
        DAYS[0]: ["backfill"] * 2,
        DAYS[1]: ["night"] * 2,
        DAYS[2]: ["backfill"] * 2,
    }
    assert (
        f"kept the published rows of 1 day, from {DAYS[1]} to {DAYS[1]}, which are newer than this batch" in caplog.text
    )


def test_a_day_without_rows_is_known_as_published(uri: str) -> None:
    """An empty day has no file and still counts as ingested."""
    publish(uri, rows("a", DAYS[0]), "a", *DAYS[:2], moment=5)

    assert lake.published_at(uri, DAYS) == {DAYS[0]: 5, DAYS[1]: 5}
    assert list(lake.partitions(uri)) == [DAYS[0]]


def test_a_retired_column_is_null_from_now_on(uri: str) -> None:
    """A retired column keeps its values in older days."""
    publish(uri, rows("a", DAYS[0], visitors=pa.array([3, 4])), "a", DAYS[0])
    table = rows("b", DAYS[1])
    slices = lake.Slices("ds", [DAYS[1]], "b", next(CLOCK), {DAYS[1]: 2})

    published = lake.publish_days(uri, [table], table.schema, slices, retired=["visitors"])

    assert lake.read_table(uri, published.version).sort_by("ds")["visitors"].to_pylist() == [3, 4, None, None]


def test_the_commit_names_its_batch(uri: str) -> None:
    """The table's history says which batch made which version."""
    replace(uri, "a", *DAYS)

    assert DeltaTable(uri).history(1)[0]["nightshift.batch"] == "a"


def test_an_old_version_stays_readable(uri: str) -> None:
    """A model can be traced to the exact rows that it learned from."""
    old = replace(uri, "a", *DAYS)
    for batch in "bcd":
        replace(uri, batch, *DAYS, each=5)

    assert batches(uri, old.version) == {day: ["a", "a"] for day in DAYS}
    assert lake.dataset(uri, old.version).count_rows() == 6


def test_a_new_column_is_null_in_older_days(uri: str) -> None:
    """A source may add a column; days published before lack it."""
    replace(uri, "a", DAYS[0])

    more = rows("b", DAYS[1], visitors=pa.array([3, 4]))
    published = publish(uri, more, "b", DAYS[1])

    found = lake.read_table(uri, published.version).sort_by("ds")
    assert found["visitors"].to_pylist() == [None, None, 3, 4]


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        (rows("b", DAYS[1]).drop_columns(["store"]), r"'store' \(string\) is not declared in pipeline.yaml now"),
        (
            rows("b", DAYS[1]).set_column(0, "store", pa.array([1, 2])),
            r"'store' \(string\) is declared as int64 in pipeline.yaml now",
        ),
    ],
)
def test_a_changed_schema_is_refused_and_the_table_stays(uri: str, changed: pa.Table, sentence: str) -> None:
    """A missing column or another type is refused in one sentence, and the table is unchanged."""
    before = replace(uri, "a", DAYS[0])

    with pytest.raises(SchemaMismatch, match=sentence) as refused:
        publish(uri, changed, "b", DAYS[1])

    assert "list it in the source's contract.retired" in str(refused.value)
    assert lake.latest_version(uri) == before.version
    assert batches(uri, before.version) == {DAYS[0]: ["a", "a"]}


@pytest.mark.parametrize("there", [True, False])
def test_two_writers_of_the_same_days_never_mix(uri: str, there: bool) -> None:
    """Each of several concurrent publications of the same days succeeds whole or reports a conflict."""
    if there:
        replace(uri, "before", *DAYS)
    writers = [f"w{number}" for number in range(4)]
    together, results = threading.Barrier(len(writers)), {}

    def write(batch: str) -> None:
        together.wait()
        try:
            results[batch] = replace(uri, batch, *DAYS, each=50)
        except PublishConflict as error:
            results[batch] = error

    threads = [threading.Thread(target=write, args=(batch,)) for batch in writers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    won = [batch for batch in writers if isinstance(results[batch], lake.TableVersion)]
    lost = [batch for batch in writers if isinstance(results[batch], PublishConflict)]
    assert won, results
    assert sorted(won + lost) == writers, results
    assert all(results[batch].retryable and "nothing of this batch" in str(results[batch]) for batch in lost)
    latest = lake.latest_version(uri)
    assert latest is not None
    parts = lake.partitions(uri)
    assert {part.rows for part in parts.values()} == {50}
    [winner] = {part.batch for part in parts.values()}
    assert winner in won
    assert batches(uri, latest) == {day: [winner] * 50 for day in DAYS}


def test_writers_of_different_days_do_not_lose_each_others_rows(uri: str) -> None:
    """Concurrent publications are all in the table, or their writer got an error."""
    replace(uri, "before", "2023-12-31")
    together, refused_days = threading.Barrier(len(DAYS)), []

    def write(day: str) -> None:
        together.wait()
        try:
            replace(uri, f"batch-{day}", day)
        except PublishConflict:
            refused_days.append(day)

    threads = [threading.Thread(target=write, args=(day,)) for day in DAYS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    expected = {"2023-12-31"} | set(DAYS) - set(refused_days)
    assert {day: part.rows for day, part in lake.partitions(uri).items()} == dict.fromkeys(sorted(expected), 2)


def test_an_open_table_stays_at_one_version_until_it_is_refreshed(uri: str) -> None:
    """The answers within a step agree, and the next step sees later publications."""
    replace(uri, "a", *DAYS[:2], moment=5)
    raw = lake.RawTable(uri).refresh()
    replace(uri, "b", *DAYS[1:], moment=6)

    before = {ds: part.batch for ds, part in raw.partitions().items()}, raw.newest_partition(), raw.published_at(DAYS)
    raw.refresh()

    assert before == ({DAYS[0]: "a", DAYS[1]: "a"}, lake.Partition(DAYS[1], "a", 2), {DAYS[0]: 5, DAYS[1]: 5})
    assert {ds: part.batch for ds, part in raw.partitions().items()} == {DAYS[0]: "a", DAYS[1]: "b", DAYS[2]: "b"}
    assert raw.newest_partition() == lake.Partition(DAYS[2], "b", 2)
    assert raw.published_at(DAYS) == {DAYS[0]: 5, DAYS[1]: 6, DAYS[2]: 6}


def test_a_refresh_finds_a_table_created_meanwhile(uri: str) -> None:
    """A step opens the table before the first publication of its source."""
    raw = lake.RawTable(uri).refresh()
    nothing = raw.version, raw.partitions(), raw.newest_partition(), raw.published_at(DAYS)
    replace(uri, "a", DAYS[0])

    assert nothing == (None, {}, None, {})
    assert list(raw.refresh().partitions()) == [DAYS[0]]


@pytest.mark.parametrize("versions", [0, 1, 6])
def test_a_refresh_notices_a_recreated_table(uri: str, versions: int) -> None:
    """No row of the removed table is read, and nothing is written to it."""
    for batch in "abc":
        replace(uri, batch, *DAYS)
    raw = lake.RawTable(uri).refresh()
    shutil.rmtree(uri)
    for number in range(versions):
        replace(uri, f"new{number}", DAYS[0])

    slices = lake.Slices("ds", [DAYS[1]], "d", next(CLOCK), {DAYS[1]: 2})
    table = rows("d", DAYS[1])
    published = lake.publish_days(raw, [table], table.schema, slices)

    there = ({DAYS[0]: [f"new{versions - 1}"] * 2} if versions else {}) | {DAYS[1]: ["d"] * 2}
    assert batches(uri, published.version) == there
    assert list(raw.partitions()) == list(there)


def test_publishing_to_an_open_table_checks_later_commits(uri: str, caplog: pytest.LogCaptureFixture) -> None:
    """A table opened before the source was read does not hide a newer publication of the same day."""
    replace(uri, "a", *DAYS, moment=1000)
    raw = lake.RawTable(uri).refresh()
    newer = replace(uri, "c", DAYS[1], moment=3000)

    table = rows("b", DAYS[1])
    slices = lake.Slices("ds", [DAYS[1]], "b", 2000, {DAYS[1]: 2})
    published = lake.publish_days(raw, [table], table.schema, slices)

    assert published == lake.TableVersion(uri, newer.version, 2, changed=False)
    assert "which are newer than this batch" in caplog.text


def test_a_refresh_of_a_damaged_log_names_the_table(uri: str) -> None:
    """A refresh fails with the same sentence as opening the table."""
    replace(uri, "a", DAYS[0])
    raw = lake.RawTable(uri).refresh()
    Path(uri, "_delta_log", f"{raw.version + 1:020}.json").write_text("{")

    with pytest.raises(LakeError, match=rf"{uri}/?: the table cannot be opened"):
        raw.refresh()


def test_a_day_of_several_batches_has_no_batch(uri: str) -> None:
    """Another program may mix rows of two batches in one day."""
    mixed = pa.concat_tables([rows("a", DAYS[0]), rows("b", DAYS[0])])

    publish(uri, mixed, "a", DAYS[0])

    assert lake.partitions(uri) == {DAYS[0]: lake.Partition(DAYS[0], None, 4)}


def test_a_build_is_found_by_its_digest(home: Path) -> None:
    """The build is found at its own version after later builds."""
    uri = lake.features_uri("shop")
    first = lake.write_table(uri, pa.table({"x": [1.0]}), "build-1")
    second = lake.write_table(uri, pa.table({"y": ["other", "columns"]}), "build-2")

    assert lake.find_build(uri, "build-1") == first.version
    assert lake.find_build(uri, "build-2") == second.version
    assert lake.find_build(uri, "build-3") is None
    assert lake.read_table(uri, first.version).to_pydict() == {"x": [1.0]}
    assert lake.read_table(uri, second.version).to_pydict() == {"y": ["other", "columns"]}


def test_only_the_newest_commits_are_searched_for_a_build(home: Path) -> None:
    """The search is bounded, so it does not slow down with the age of a table."""
    uri = lake.features_uri("shop")
    for number in range(3):
        lake.write_table(uri, pa.table({"x": [number]}), f"build-{number}")

    assert lake.find_build(uri, "build-0", commits=2) is None
    assert lake.find_build(uri, "build-1", commits=2) == 1


def test_reading_a_missing_table_is_an_error(uri: str) -> None:
    """The sentence says to ingest the source first."""
    with pytest.raises(LakeError, match="there is no such table; ingest its source first"):
        lake.read_table(uri, 0)


def test_reading_a_missing_version_is_an_error(uri: str) -> None:
    """The sentence has the number of the version."""
    replace(uri, "a", DAYS[0])

    with pytest.raises(LakeError, match="99"):
        lake.read_table(uri, 99)


def test_a_damaged_log_is_an_error_with_the_tables_address(uri: str, home: Path) -> None:
    """A table that another program broke gives one sentence, not a traceback."""
    replace(uri, "a", DAYS[0])
    for commit in (home / "lake" / "shop" / "raw" / "sales" / "_delta_log").glob("*.json"):
        commit.write_text("not a log", encoding="utf-8")

    with pytest.raises(LakeError, match=f"{uri}: the table cannot be opened"):
        lake.latest_version(uri)


def test_a_lake_that_cannot_be_written_is_an_error(uri: str, home: Path) -> None:
    """A file in the place of the lake's folder gives one sentence with the days."""
    home.mkdir()
    (home / "lake").touch()

    with pytest.raises(LakeError):
        replace(uri, "a", DAYS[0])
    assert (home / "lake").is_file()


def test_a_wide_table_knows_the_batch_of_its_days(shop: Path, tmp_path: Path) -> None:
    """Only the first columns have statistics; publishing a wide day again still writes nothing."""
    names = [f"column_{number}" for number in range(40)]
    columns = ", ".join(f"{name}: integer" for name in names)
    yaml = factories.SHOP_YAML.replace("      visitors: integer\n", f"      visitors: integer\n      {columns}\n")
    yaml = yaml.replace(columns, "\n      ".join(f"{name}: integer" for name in names))
    query = factories.SHOP_SQL.replace("visitors,", "visitors, " + ", ".join(f"1 AS {name}" for name in names) + ",")
    factories.write_shop(shop.parent, pipeline=yaml, sales_sql=query)
    pipeline = load_pipeline("shop")
    day = factories.FIRST_DAY

    changed = []
    for _ in range(2):
        batch = extract_source(pipeline, "sales", day, day, EnvironmentConnections())
        validate_batch(pipeline, batch)
        changed.append(publish_batch(pipeline, batch).changed)

    assert changed == [True, False]


def test_the_log_is_never_cleaned_up(home: Path) -> None:
    """Runs are repeated on the versions that they read."""
    written = lake.write_table(str(home / "table"), pa.table({"number": [1]}), "first")

    assert DeltaTable(written.uri).metadata().configuration["delta.enableExpiredLogCleanup"] == "false"
