"""A source's days become one staged batch, or nothing is staged and an error says why."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest

from include import lake
from include.config.loader import load_pipeline
from include.core.connections import EnvironmentConnections
from include.core.errors import NightshiftError, RunMissing, SchemaMismatch, SourceEmpty, SourceUnreadable
from include.ingestion.days import days_between
from include.ingestion.extract import extract_source
from include.ingestion.publish import publish_batch
from include.ingestion.staged_file import read_in_parts
from include.lake import run_files
from include.validation.validate import validate_batch
from tests import factories

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from include.ingestion.stage import StagedBatch

FIRST = factories.FIRST_DAY
SECOND = FIRST + timedelta(days=1)
SIXTH = FIRST + timedelta(days=5)

FILES_YAML = factories.SHOP_YAML.replace("kind: sql", "kind: files").replace(
    "query: sql/sales.sql", "path: sales/{ds}.csv"
)


def extract(start: date = FIRST, end: date | None = None) -> StagedBatch:
    """Extract the shop's sales of one or more days."""
    return extract_source(load_pipeline("shop"), "sales", start, end or start, EnvironmentConnections())


def sell(shop: Path, frame: pd.DataFrame) -> None:
    """Replace the sales in the shop's database."""
    factories.write_sales(shop.parent.parent / "shop.db", frame)


def without(*days: date) -> pd.DataFrame:
    """Return the shop's sales of ten days without some of them."""
    frame = factories.sales(days=10)
    return frame[~frame["day"].str[:10].isin([day.isoformat() for day in days])]


def staged() -> list[str]:
    """Return the names of the staged files of the shop's sales."""
    folder = run_files.staged_folder("shop", "sales")
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def table() -> tuple[int | None, list[dict[str, object]]]:
    """Return the version and the rows of the shop's raw table."""
    uri = lake.raw_uri("shop", "sales")
    version = lake.latest_version(uri)
    return version, [] if version is None else lake.read_table(uri, version).to_pylist()


@pytest.fixture
def landing(shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the shop write its sales to one file a day, and return the folder of the files."""
    factories.write_shop(shop.parent, pipeline=FILES_YAML)
    folder = tmp_path / "landing"
    (folder / "sales").mkdir(parents=True)
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", json.dumps({"conn_type": "fs", "extra": {"path": str(folder)}}))
    for day, rows in factories.sales(days=4).groupby("day"):
        rows.to_csv(folder / "sales" / f"{str(day)[:10]}.csv", index=False)
    return folder / "sales"


def test_a_batch_holds_the_days_rows_with_their_day(shop: Path) -> None:
    """The rows of the range are staged, sorted by day and key, with the declared columns and `ds`."""
    batch = extract(FIRST, SECOND)

    [rows] = read_in_parts(batch)
    assert (batch.start, batch.end, batch.rows) == (FIRST, SECOND, 10)
    assert rows.column_names == ["store", "day", "revenue", "visitors", "closed_at", "ds"]
    assert rows["ds"].to_pylist() == ["2024-01-01"] * 5 + ["2024-01-02"] * 5
    assert rows["store"].to_pylist() == [f"store-{n}" for n in range(5)] * 2


def publish(batch: StagedBatch) -> None:
    """Validate and publish a batch of the shop's sales."""
    validate_batch(load_pipeline("shop"), batch)
    publish_batch(load_pipeline("shop"), batch)


def test_the_same_rows_are_the_same_batch(shop: Path) -> None:
    """The digest of its rows names a batch, whatever order the database returned the rows in."""
    first = extract(FIRST, SECOND)
    sell(shop, factories.sales().iloc[::-1])

    again = extract(FIRST, SECOND)

    assert again == replace(first, extracted_at=again.extracted_at)
    assert again.extracted_at > first.extracted_at
    assert staged() == [f"{first.digest}.json", f"{first.digest}.parquet"]


def test_a_changed_value_is_another_batch(shop: Path) -> None:
    """If a day is read again with one changed value, both batches stay and can be compared."""
    first = extract()
    changed = factories.sales()
    changed.loc[0, "revenue"] += 0.01
    sell(shop, changed)

    assert extract().digest != first.digest
    assert len(staged()) == 4


def test_a_manifest_records_where_a_batch_was_read(shop: Path) -> None:
    """The manifest answers what a person asks about a batch: the query, the connection, the columns, the days."""
    batch = extract()

    manifest = run_files.read_json(run_files.staged_folder("shop", "sales") / f"{batch.digest}.json", "the manifest")
    assert batch.to_json().items() <= manifest.items()
    assert (manifest["read_from"]["query"], manifest["connection"]) == ("sql/sales.sql", "shop")
    assert (manifest["read_from"]["rows"], manifest["rows_by_day"]) == (5, {"2024-01-01": 5})
    assert manifest["columns"]["revenue"] == "float"


def test_extracting_publishes_nothing(shop: Path) -> None:
    """Rows are visible to a model only after they were validated and published."""
    extract()

    assert table() == (None, [])


def test_a_manifest_that_this_release_cannot_read_stops_no_ingestion(
    shop: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A release that knew no kinds of source wrote other manifests; the next day has nothing to be compared with."""
    batch = extract()
    publish(batch)
    path = run_files.staged_folder("shop", "sales") / f"{batch.digest}.json"
    run_files.write_json(path, {"pipeline": "shop", "source": "sales", "read_from": "sql/sales.sql"})

    assert extract(SECOND).rows == 5

    assert f"The batch is not compared with the published one: the manifest of batch {batch.digest}" in caplog.text
    assert "was written by another release of Nightshift" in caplog.text


def test_a_removed_batch_is_a_clear_error(shop: Path) -> None:
    """If somebody emptied the lake's staged folder, the error names the task to run again."""
    batch = extract()
    (run_files.staged_folder("shop", "sales") / f"{batch.digest}.parquet").unlink()

    with pytest.raises(RunMissing, match=f"the staged batch {batch.digest} of source 'sales' is not at"):
        next(read_in_parts(batch))


@pytest.mark.parametrize(
    ("start", "end", "missing", "told"),
    [
        (SECOND, SECOND, [SECOND], r"no rows for 1 day \(2024-01-02\)"),
        (FIRST, SIXTH, [SECOND, SIXTH], r"no rows for 2 days \(2024-01-02, 2024-01-06\)"),
        (date(2030, 1, 1), date(2030, 1, 5), [], r"no rows for 5 days \(2030-01-01, .* and 2 more\)"),
    ],
)
def test_an_empty_day_is_refused_by_its_name(
    shop: Path, start: date, end: date, missing: list[date], told: str
) -> None:
    """The error names a day that should have rows and has none, and nothing is staged."""
    sell(shop, without(*missing))

    with pytest.raises(SourceEmpty, match=f"^shop: source 'sales', .*{told}") as refused:
        extract(start, end)
    assert "nothing was published" in str(refused.value)
    assert staged() == []


def test_empty_days_may_be_allowed(shop: Path) -> None:
    """With `rows_per_day: {min: 0}` a shop may close for a day."""
    factories.write_shop(shop.parent, pipeline=factories.SHOP_YAML.replace("{min: 1,", "{min: 0,"))
    sell(shop, without(SECOND))

    assert (extract(FIRST, SIXTH).rows, extract(SECOND).rows) == (25, 0)


def test_the_days_before_a_source_begins_are_left_out(shop: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A first range may begin before the source does; the batch then begins where the rows do."""
    batch = extract(FIRST - timedelta(days=3), SECOND)

    assert (batch.start, batch.end) == (FIRST, SECOND)
    assert "the source begins at 2024-01-01; 3 days before it left out" in caplog.text


def test_leading_days_are_missing_once_the_day_before_is_published(shop: Path) -> None:
    """After the first day is in the lake, an empty second day is a gap, not a late beginning."""
    publish(extract())
    before = table()
    sell(shop, without(SECOND))

    with pytest.raises(SourceEmpty, match=r"no rows for 1 day \(2024-01-02\)"):
        extract(SECOND, SIXTH)
    assert table() == before


def test_a_published_first_day_that_is_empty_now_is_refused(shop: Path) -> None:
    """A source that lost its first day does not begin later: that day has been published already."""
    publish(extract(FIRST, SIXTH))
    sell(shop, without(FIRST))

    with pytest.raises(SourceEmpty, match=r"no rows for 1 day \(2024-01-01\)"):
        extract(FIRST, SIXTH)


def test_a_gap_after_left_out_days_is_still_refused(shop: Path) -> None:
    """If a source begins late and has a gap, the error is about the gap only."""
    sell(shop, without(SECOND))

    with pytest.raises(SourceEmpty, match=r"no rows for 1 day \(2024-01-02\)"):
        extract(FIRST - timedelta(days=3), SIXTH)


def test_rows_of_other_days_are_refused(shop: Path) -> None:
    """A query that forgets its bounds would replace days that were not requested."""
    factories.write_shop(shop.parent, sales_sql="SELECT * FROM sales WHERE day < :end")

    with pytest.raises(SchemaMismatch, match=r"10 of 15 rows belong to other days by their 'day' \(2024-01-01, 2024-"):
        extract(FIRST + timedelta(days=2))
    assert staged() == []


def test_rows_without_a_day_are_refused(shop: Path) -> None:
    """A row that belongs to no day cannot be replaced by a later batch."""
    frame = factories.sales()
    frame["visitors"] = 0
    sell(shop, frame)
    query = "SELECT store, NULLIF(day, '2024-01-02 00:00:00') AS day, revenue, visitors, closed_at FROM sales "
    factories.write_shop(shop.parent, sales_sql=query + "WHERE day >= :start AND day < :end")

    with pytest.raises(SchemaMismatch, match="5 of 10 rows have no 'day'"):
        extract(FIRST, SECOND)
    assert staged() == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("2024-01-03.csv", b"\x89PNG\r\n\x1a\n\xff"),
        ("2024-01-03.csv", b""),
        ("2024-01-03.csv", b"store,day,revenues,visitors,closed_at\na,2024-01-03,1,1,2024-01-03\n"),
        ("2024-01-03.csv", b"store,day,revenue,visitors,closed_at\na,2024-01-03,much,1,2024-01-03\n"),
        ("2024-01-03.csv", b"store,day,revenue,visitors,closed_at\na,2024-01-04,1,1,2024-01-04\n"),
        ("2024-01-03.csv", b"store,day,revenue,visitors,closed_at\n"),
    ],
    ids=["binary", "empty", "renamed", "wrong type", "another day", "header only"],
)
def test_a_refused_file_changes_nothing(landing: Path, name: str, content: bytes) -> None:
    """A refused file changes neither the table's version nor its rows, and nothing is staged."""
    publish(extract(FIRST, FIRST + timedelta(days=2)))
    before, staged_before = table(), staged()
    (landing / name).write_bytes(content)

    with pytest.raises(NightshiftError, match=r"^shop: source 'sales', 2024-01-03.*nothing was published"):
        extract(FIRST + timedelta(days=2))
    assert table() == before
    assert staged() == staged_before


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM sale",
        "SELECT store, day, revenue AS revenues, visitors, closed_at FROM sales WHERE day >= :start AND day < :end",
        "SELECT *, 1 AS tip FROM sales WHERE day >= :start AND day < :end",
        "SELECT store, day, 'much' AS revenue, visitors, closed_at FROM sales WHERE day >= :start AND day < :end",
        "SELECT * FROM sales",
        "SELECT * FROM sales WHERE day > '2030-01-01'",
    ],
    ids=["no table", "renamed", "extra", "wrong type", "other days", "no rows"],
)
def test_a_refused_query_changes_nothing(shop: Path, query: str) -> None:
    """A query that fails or changed leaves the table unchanged."""
    publish(extract(FIRST, SECOND))
    before, staged_before = table(), staged()
    factories.write_shop(shop.parent, sales_sql=query)

    with pytest.raises((SourceUnreadable, SchemaMismatch, SourceEmpty), match="nothing was published"):
        extract(SECOND)
    assert table() == before
    assert staged() == staged_before


def test_a_missing_file_is_named_with_its_folder(landing: Path) -> None:
    """The error names the file, the folder and the connection."""
    with pytest.raises(SourceEmpty, match=r"sales/2024-01-09\.csv not found below .*landing \(connection 'shop'\)"):
        extract(date(2024, 1, 9))


def test_a_missing_file_among_others_is_an_empty_day(landing: Path) -> None:
    """The error names the day whose file is missing."""
    (landing / "2024-01-02.csv").unlink()

    with pytest.raises(SourceEmpty, match=r"no rows for 1 day \(2024-01-02\)"):
        extract(FIRST, FIRST + timedelta(days=3))


def test_a_day_without_a_file_may_be_allowed(landing: Path) -> None:
    """`rows_per_day: {min: 0}` allows an empty day both alone and within a range."""
    factories.write_shop(load_pipeline("shop").folder.parent, pipeline=FILES_YAML.replace("{min: 1,", "{min: 0,"))

    assert extract(FIRST, date(2024, 1, 9)).rows == 20
    assert extract(date(2024, 1, 9)).rows == 0


def test_days_between_includes_both_ends() -> None:
    """A range of one day is that day."""
    assert days_between(FIRST, FIRST) == ["2024-01-01"]
    assert days_between(date(2024, 2, 28), date(2024, 3, 1)) == ["2024-02-28", "2024-02-29", "2024-03-01"]


def test_a_day_with_too_few_rows_may_still_be_coming(shop: Path) -> None:
    """A day with half of its rows is retried a little later, as is a day without rows."""
    factories.write_shop(shop.parent, pipeline=factories.SHOP_YAML.replace("{min: 1, max: 100}", "{min: 6}"))

    with pytest.raises(
        SourceEmpty, match=r"fewer rows than rows_per_day expects \(6\) on 2 days \(2024-01-01: 5, 2024-01-02: 5\)"
    ) as told:
        extract(FIRST, SECOND)
    assert told.value.retryable
    assert staged() == []


def test_a_text_key_of_another_type_is_refused(shop: Path) -> None:
    """A new version of a database returned the id 007 as the number 7, which joined no earlier row."""
    publish(extract(FIRST))
    query = factories.SHOP_SQL.replace("SELECT store", "SELECT cast(substr(store, 7) AS integer) AS store")
    before = table()
    factories.write_shop(shop.parent, sales_sql=query)

    with pytest.raises(SchemaMismatch, match="key column 'store' was delivered as integer, before as string"):
        extract(SECOND)
    assert table() == before

    allowed = factories.SHOP_YAML.replace("    key: [", "    contract: {retyped: cast}\n    key: [", 1)
    factories.write_shop(shop.parent, pipeline=allowed, sales_sql=query)
    assert extract(SECOND).rows == 5
