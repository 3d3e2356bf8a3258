"""Faults that sources have, planted one at a time: each is told in a sentence, and nothing of it is published.

After a refused delivery the lake is as it was, and the healthy one ends in the rows of an undisturbed night.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import sqlite3
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import yaml

from include import lake
from include.config.loader import load_pipeline
from include.core.connections import EnvironmentConnections, sqlite_engine
from include.core.errors import (
    ExpectationsFailed,
    NightshiftError,
    PublishConflict,
    RunMissing,
    SchemaMismatch,
    SourceEmpty,
    SourceUnreadable,
)
from include.features.query import run_features_query
from include.ingestion import quarantine
from include.ingestion.extract import extract_source
from include.ingestion.publish import publish_batch
from include.ingestion.published_days import missing_range
from include.ingestion.quarantine import quarantined
from include.ingestion.stage import StagedBatch, read_manifest
from include.lake import run_files
from include.validation.validate import validate_batch
from tests import factories
from tests.services.api import TOKEN, Api, Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from include.validation.report import ValidationReport

FIRST = factories.FIRST_DAY
SECOND = FIRST + timedelta(days=1)
HEADER = "store,day,revenue,visitors,closed_at\n"

#: What a source of each kind has instead of the shop's query.
KINDS: dict[str, dict[str, Any]] = {
    "files": {"kind": "files", "path": "{ds}*"},
    "sql": {"kind": "sql", "query": "sql/sales.sql"},
    "http": {
        "kind": "http",
        "path": "/all",
        "params": {"since": "{start}"},
        "attempts": 1,
        "timeout_seconds": 5,
        "requests_per_second": 1000,
    },
}


@dataclass
class Shop:
    """The shop's sales, delivered by a source of some kind."""

    root: Path
    api: Api
    monkeypatch: pytest.MonkeyPatch
    kind: str = "files"
    frame: pd.DataFrame = field(default_factory=lambda: factories.sales(days=4))

    def open(self, kind: str, expectations: str = factories.SHOP_EXPECTATIONS, **source: Any) -> None:
        """Let the sales come from a source of a kind, with some of its fields changed."""
        self.kind = kind
        content = yaml.safe_load(factories.SHOP_YAML)
        sales = content["sources"]["sales"]
        del sales["kind"], sales["query"]
        content["sources"]["sales"] = sales | KINDS[kind] | source
        query = "SELECT * FROM sales WHERE day >= :start AND day < :end"
        text = yaml.safe_dump(content, sort_keys=False)
        pipelines = self.root / "pipelines"
        factories.write_shop(pipelines, pipeline=text, sales_sql=query, sales_expectations=expectations)
        connection = {
            "files": {"conn_type": "fs", "extra": {"path": str(self.landing)}},
            "sql": {"conn_type": "sqlite", "host": str(self.root / "shop.db")},
            "http": {"conn_type": "http", "host": self.api.url, "password": TOKEN},
        }[kind]
        self.landing.mkdir(exist_ok=True)
        self.monkeypatch.setenv("NIGHTSHIFT_PIPELINES", str(pipelines))
        self.monkeypatch.setenv("AIRFLOW_CONN_SHOP", json.dumps(connection))

    @property
    def landing(self) -> Path:
        """Where files are delivered."""
        return self.root / "landing"

    def rows(self, day: date) -> pd.DataFrame:
        """Return the healthy sales of a day."""
        return self.frame[self.frame["day"].str.startswith(day.isoformat())].reset_index(drop=True)

    def deliver(self, day: date, rows: pd.DataFrame | None = None) -> None:
        """Deliver a day's sales, by default the healthy ones, in the place of all that was delivered of it."""
        rows = self.rows(day) if rows is None else rows
        if self.kind == "files":
            self.put(day, f"{day}.csv", rows.to_csv(index=False).encode())
        elif self.kind == "sql":
            factories.write_sales(self.root / "shop.db", rows)
        else:
            self.api.records = json.loads(rows.to_json(orient="records"))

    def put(self, day: date, *names_and_contents: Any) -> None:
        """Put files in the landing folder, in the place of all of the day's."""
        for old in self.landing.glob(f"{day}*"):
            old.unlink()
        for name, content in zip(names_and_contents[::2], names_and_contents[1::2], strict=True):
            (self.landing / name).write_bytes(content)

    def undisturbed(self, *days: date) -> list[dict[str, Any]]:
        """Return what is published of some days' healthy sales."""
        rows = pd.concat([self.rows(day) for day in days]).sort_values(["day", "store"])
        return [
            {
                "ds": row.day[:10],
                "store": row.store,
                "revenue": row.revenue,
                "visitors": row.visitors,
                "available_at": datetime.fromisoformat(row.closed_at).replace(tzinfo=UTC),
            }
            for row in rows.itertuples()
        ]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """Open the shop, which delivers files until it is told otherwise."""
    with Api([]).serving() as api:
        shop = Shop(tmp_path, api, monkeypatch)
        shop.open("files")
        yield shop


def extract(start: date, end: date | None = None) -> StagedBatch:
    """Extract the shop's sales."""
    return extract_source(load_pipeline("shop"), "sales", start, end or start, EnvironmentConnections())


def night(start: date, end: date | None = None) -> tuple[StagedBatch, ValidationReport]:
    """Take the shop's sales of some days from the source to the lake."""
    batch = extract(start, end)
    report = validate_batch(load_pipeline("shop"), batch)
    publish_batch(load_pipeline("shop"), batch)
    return batch, report


def version() -> int | None:
    """Return the version of the shop's raw table."""
    return lake.latest_version(lake.raw_uri("shop", "sales"))


def published(*days: date) -> list[dict[str, Any]]:
    """Return what is published of some days, by default of all."""
    at = version()
    if at is None:
        return []
    rows = lake.read_table(lake.raw_uri("shop", "sales"), at).sort_by([("day", "ascending"), ("store", "ascending")])
    chosen = {day.isoformat() for day in days}
    columns = ("ds", "store", "revenue", "visitors", "available_at")
    return [{name: row[name] for name in columns} for row in rows.to_pylist() if not days or row["ds"] in chosen]


def refused(error: type[NightshiftError], said: str, start: date = SECOND, end: date | None = None) -> NightshiftError:
    """Expect a night to be refused in a sentence, and the lake to be as it was."""
    uri = lake.raw_uri("shop", "sales")
    before = version(), published(), lake.published_at(uri, [SECOND.isoformat()])
    with pytest.raises(error, match=said) as caught:
        night(start, end)
    assert "\n" not in str(caught.value)
    assert "nothing was published" in str(caught.value)
    assert (version(), published(), lake.published_at(uri, [SECOND.isoformat()])) == before
    return caught.value


def check_healthy_again(shop: Shop) -> None:
    """Deliver the second day as it should have been, and expect what an undisturbed night would have left."""
    shop.deliver(SECOND)
    night(SECOND)
    assert published() == shop.undisturbed(FIRST, SECOND)
    assert quarantined("shop", "sales").num_rows == 0


def changed(**columns: Any) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Return a change of a day's sales that gives columns other values."""
    return lambda rows: rows.assign(**columns)


# what is wrong with a file


def csv(rows: pd.DataFrame, encoding: str = "utf-8") -> bytes:
    """Return sales as a CSV file."""
    return rows.to_csv(index=False).encode(encoding)


def parquet(rows: pd.DataFrame) -> bytes:
    """Return sales as a Parquet file."""
    buffer = io.BytesIO()
    rows.to_parquet(buffer, index=False)
    return buffer.getvalue()


def zipped(content: bytes) -> bytes:
    """Return a ZIP archive of one CSV file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("sales.csv", content)
    return buffer.getvalue()


def foreign(rows: pd.DataFrame) -> pd.DataFrame:
    """Return sales of which the third row's store is in Zürich."""
    return rows.assign(store=rows["store"].where(rows.index != 2, "Zürich"))


BOMB = b"\n" * (80 * 2**20)
FILES: dict[str, tuple[Callable[[pd.DataFrame], tuple[Any, ...]], type[NightshiftError], str]] = {
    "an empty file": (
        lambda rows: ("2024-01-02.csv", b""),
        SourceUnreadable,
        r"file .*/landing/2024-01-02\.csv: the file is empty \(0 rows and no header\); deliver it again",
    ),
    "no file": (lambda rows: (), SourceEmpty, r"no rows for 1 day \(2024-01-02\); 2024-01-02\* not found below .*land"),
    "a header alone": (
        lambda rows: ("2024-01-02.csv", HEADER.encode()),
        SourceEmpty,
        r"no rows for 1 day \(2024-01-02\); check that the source has been delivered",
    ),
    "half a Parquet file": (
        lambda rows: ("2024-01-02.parquet", parquet(rows)[:-100]),
        SourceUnreadable,
        r"2024-01-02\.parquet: the file is truncated or broken \(Parquet magic bytes not found.*deliver it again",
    ),
    "other bytes as Parquet": (
        lambda rows: ("2024-01-02.parquet", csv(rows)),
        SourceUnreadable,
        r"2024-01-02\.parquet: this is not a Parquet file \(it begins with other bytes\); deliver it again",
    ),
    "a workbook as CSV": (
        lambda rows: ("2024-01-02.csv", zipped(csv(rows))),
        SourceUnreadable,
        r"2024-01-02\.csv: this is a ZIP archive or a workbook, and not csv; correct its name",
    ),
    "half a gzip file": (
        lambda rows: ("2024-01-02.csv.gz", gzip.compress(csv(rows))[:-20]),
        SourceUnreadable,
        r"2024-01-02\.csv\.gz: the file is truncated or broken \(",
    ),
    "a bomb of zip": (
        lambda rows: ("2024-01-02.csv.zip", zipped(BOMB)),
        SourceUnreadable,
        r"2024-01-02\.csv\.zip: it unpacks to more than 200 times its size \(over 64 MB\), as a bomb does",
    ),
    "a bomb of gzip": (
        lambda rows: ("2024-01-02.csv.gz", gzip.compress(BOMB, 1)),
        SourceUnreadable,
        r"2024-01-02\.csv\.gz: it unpacks to more than 200 times its size \(over 64 MB\), as a bomb does",
    ),
    "Latin-1": (
        lambda rows: ("2024-01-02.csv", csv(foreign(rows), "latin-1")),
        SourceUnreadable,
        r"this is not a CSV file in UTF-8 \(line 4: the byte 0xfc is not UTF-8\)",
    ),
    "UTF-16": (
        lambda rows: ("2024-01-02.csv", csv(rows, "utf-16")),
        SourceUnreadable,
        r"this is not a CSV file in UTF-8 \(line 1: the byte 0xff is not UTF-8\)",
    ),
    "one file twice": (
        lambda rows: ("2024-01-02.csv", csv(rows), "2024-01-02-copy.csv", csv(rows)),
        SourceUnreadable,
        r"its content is that of .*2024-01-02-copy\.csv, byte for byte; deliver only one of them",
    ),
    "the same rows in two files": (
        lambda rows: ("2024-01-02.csv", csv(rows), "2024-01-02-copy.csv", csv(rows[::-1])),
        ExpectationsFailed,
        r"column 'ds, store, day': expect_compound_columns_to_be_unique .* failed for 10 of 10 rows \(100 %\)",
    ),
    "half a row": (
        lambda rows: ("2024-01-02.csv", csv(rows)[:-30]),
        SourceUnreadable,
        r"not a CSV file in UTF-8 \(row 6, the header being row 1, has 3 values, and the header has 5\)",
    ),
    "another day's rows": (
        lambda rows: ("2024-01-02.csv", csv(rows).replace(b"2024-01-02 00", b"2024-02-01 00")),
        SchemaMismatch,
        r"5 of 5 rows belong to other days by their 'day' \(2024-02-01\); correct the file",
    ),
    "far too many rows": (
        lambda rows: ("2024-01-02.csv", csv(pd.concat([rows] * 300))),
        SourceUnreadable,
        r"reading stopped after more than 1,000 rows, 10 times what rows_per_day allows",
    ),
    "more rows than a day has": (
        lambda rows: (
            "2024-01-02.csv",
            csv(pd.concat([rows.assign(store=rows["store"] + f"/{n}") for n in range(30)])),
        ),
        ExpectationsFailed,
        r"table: rows_per_day \(min=1, max=100\) failed for 1 of 1 days, 2024-01-02: 150; nothing was published",
    ),
}


@pytest.mark.parametrize("fault", FILES)
def test_a_wrong_file_is_told_and_nothing_of_it_is_published(shop: Shop, fault: str) -> None:
    """Each names the file or the day, what is wrong with it, and what to do."""
    deliver, error, said = FILES[fault]
    shop.deliver(FIRST)
    night(FIRST)
    shop.put(SECOND, *deliver(shop.rows(SECOND)))

    refused(error, rf"^shop: source 'sales', 2024-01-02.*{said}")

    check_healthy_again(shop)


# what is wrong with the rows or the columns, whatever brings them


def burst(value: float) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Return a change after which four of five revenues are of one value."""
    return lambda rows: rows.assign(revenue=rows["revenue"].where(rows.index == 0, value))


#: One row in five may be wrong.
TOLERANT = """\
expectations:
  - expect_column_values_to_be_between: {column: revenue, min_value: 0, max_value: 100000, mostly: 0.8}
"""

#: Revenues must be there, and of a size that none of the shop's days has left.
STRICT = """\
expectations:
  - expect_column_values_to_not_be_null: {column: revenue}
  - expect_column_values_to_be_between: {column: revenue, min_value: 0, max_value: 1000}
  - expect_column_values_to_be_in_set: {column: store, value_set: [store-0, store-1, store-2, store-3, store-4]}
"""

ROWS: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], type[NightshiftError], str]] = {
    "a key twice": (
        lambda rows: pd.concat([rows, rows[:1].assign(revenue=1.0)]),
        ExpectationsFailed,
        r"column 'ds, store, day': expect_compound_columns_to_be_unique .* failed for 2 of 6 rows \(33\.3 %\)",
    ),
    "no key": (
        lambda rows: rows.assign(store=rows["store"].where(rows.index > 0, None)),
        ExpectationsFailed,
        r"column 'store': expect_column_values_to_not_be_null .* failed for 1 of 5 rows \(20 %\)",
    ),
    "no time": (
        lambda rows: rows.assign(closed_at=rows["closed_at"].where(rows.index > 0, None)),
        ExpectationsFailed,
        r"column 'closed_at': expect_column_values_to_not_be_null .* failed for 1 of 5 rows",
    ),
    "a column added": (
        changed(tip=1.5),
        SchemaMismatch,
        r"the source has column 'tip', which pipeline\.yaml does not declare; expected store, day, revenue, visi",
    ),
    "a column dropped": (
        lambda rows: rows.drop(columns="visitors"),
        SchemaMismatch,
        r"the source lacks column 'visitors'; expected store, .*; correct the source, or `columns` or `contract`",
    ),
    "a column renamed": (
        lambda rows: rows.rename(columns={"revenue": "revenues"}),
        SchemaMismatch,
        r"(lacks column 'revenue' \(renamed to 'revenues'\?\); it has column 'revenues', which pipeline\.yaml does"
        r" not declare; expected|has column 'revenues', which pipeline\.yaml does not declare \('revenue' renamed)",
    ),
    "a column of another type": (
        changed(visitors="many"),
        SchemaMismatch,
        r"column 'visitors' is declared as integer, and the value 'many' is not one; correct the source, or the col",
    ),
    "an infinite number": (
        burst(np.inf),
        SchemaMismatch,
        r"column 'revenue' is declared as float, and the value '?inf'? is infinite; correct the source, or let it be",
    ),
    "a burst of nulls": (
        burst(np.nan),
        ExpectationsFailed,
        r"column 'revenue': expect_column_values_to_not_be_null .* failed for 4 of 5 rows \(80 %\)",
    ),
    "another unit": (
        lambda rows: rows.assign(revenue=rows["revenue"] * 100),
        ExpectationsFailed,
        r"column 'revenue': expect_column_values_to_be_between \(min_value=0, max_value=1000\) failed for 5 of 5",
    ),
    "an unseen category": (
        lambda rows: rows.assign(store=rows["store"].replace("store-3", "store-X")),
        ExpectationsFailed,
        r"column 'store': expect_column_values_to_be_in_set .* failed for 1 of 5 rows \(20 %\), for example store-X",
    ),
}


@pytest.mark.parametrize(
    ("kind", "fault"),
    [(kind, fault) for kind in KINDS for fault in ROWS if kind != "http" or fault.startswith("a ")],
)
def test_wrong_rows_are_told_whatever_brings_them(shop: Shop, kind: str, fault: str) -> None:
    """Each names the column, how many rows are meant, and an example, for a file, a database and an API alike."""
    change, error, said = ROWS[fault]
    shop.open(kind, STRICT)
    shop.deliver(FIRST)
    night(FIRST)
    shop.deliver(SECOND, change(shop.rows(SECOND)))

    refused(error, rf"^shop: source 'sales', 2024-01-02.*{said}")

    check_healthy_again(shop)


@pytest.mark.parametrize(("kind", "value"), [("files", "inf"), ("files", "NaN"), ("sql", 9e999)])
def test_a_burst_of_numbers_that_are_none_is_told(shop: Shop, kind: str, value: Any) -> None:
    """A division by zero upstream is infinity in one database, and NaN in a file; both may be null, as here."""
    shop.open(kind, STRICT, contract={"infinity": "null"})
    shop.deliver(FIRST)
    night(FIRST)
    rows = shop.rows(SECOND)
    shop.deliver(SECOND, rows.assign(revenue=rows["revenue"].astype(object).where(rows.index == 0, value)))

    refused(ExpectationsFailed, r"column 'revenue': expect_column_values_to_\w+ .* failed for 4 of 5 rows \(80 %\)")

    check_healthy_again(shop)


CONTRACTS: dict[str, tuple[dict[str, Any], Callable[[pd.DataFrame], pd.DataFrame], str | None]] = {
    "a column added": (
        {"added": "ignore"},
        changed(tip=1.5),
        "column 'tip' was delivered, is not declared and was left out",
    ),
    "a column dropped": (
        {"dropped": "null"},
        lambda rows: rows.drop(columns="visitors"),
        "column 'visitors' was not delivered and is null",
    ),
    "a column renamed": (
        {"renamed": {"revenues": "revenue"}},
        lambda rows: rows.rename(columns={"revenue": "revenues"}),
        "column 'revenues' was delivered for 'revenue'",
    ),
    "a column of another type": (
        {"retyped": "cast"},
        lambda rows: rows.assign(visitors=rows["visitors"].astype(str)),
        "column 'visitors' was delivered as string, before as integer",
    ),
    "columns in another order": ({}, lambda rows: rows[rows.columns[::-1]], None),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("change", CONTRACTS)
def test_a_change_that_the_contract_allows_is_published_and_noted(shop: Shop, kind: str, change: str) -> None:
    """The rows are those of an undisturbed night, and the manifest says what was different about them."""
    contract, make, noted = CONTRACTS[change]
    shop.open(kind, contract=contract)
    shop.deliver(FIRST)
    night(FIRST)
    shop.deliver(SECOND, make(shop.rows(SECOND)))

    batch, _ = night(SECOND)

    expected = shop.undisturbed(FIRST, SECOND)
    if change == "a column dropped":
        expected = [row | {"visitors": None} if row["ds"] == "2024-01-02" else row for row in expected]
    if change == "a column of another type" and kind == "files":
        noted = None  # in a CSV file everything is text, and always was
    assert published() == expected
    assert read_manifest("shop", "sales", batch.digest).changes == ([noted] if noted else [])


def test_another_type_is_refused_where_the_contract_says_so(shop: Shop) -> None:
    """Numbers as text would all fit, and yet somebody wants to know."""
    shop.open("sql", contract={"retyped": "refuse"})
    shop.deliver(FIRST)
    night(FIRST)
    rows = shop.rows(SECOND)
    shop.deliver(SECOND, rows.assign(visitors=rows["visitors"].astype(str)))

    refused(SchemaMismatch, r"column 'visitors' was delivered as string, before as integer; .* \{retyped: cast\}")

    check_healthy_again(shop)


# what only the days before can tell

LAST = FIRST + timedelta(days=30)

HISTORY: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str, str]] = {
    "a burst of nulls": (
        burst(np.nan),
        "nulls",
        r"column 'revenue': history_nulls \(limit 10 % more\) 98 % of 45 rows are null, at most 0 % in the last 28",
    ),
    "another unit": (
        lambda rows: rows.assign(revenue=rows["revenue"] * 100),
        "distribution",
        r"column 'revenue': history_distribution \(limit 0\.25 more than usual\) PSI [\d.]+ against the last 28 days.*"
        r"values above [\d.]+, farther off than any before",
    ),
    "unseen categories": (
        lambda rows: rows.assign(store=rows["store"].where(rows.index > 9, "new-" + rows["store"])),
        "distinct",
        r"column 'store': history_distinct .* never seen in the last 28 days: 'new-store-0', .* 22 % of 45 rows",
    ),
    "half of the rows": (
        lambda rows: rows[::2],
        "volume",
        r"table: history_volume \(limit 40 %\) 23 rows, 49 % below the mean of the last 4 Wednesdays \(45\)",
    ),
}


@pytest.mark.parametrize("fault", HISTORY)
def test_what_only_history_knows_blocks_where_it_is_critical_and_else_is_told(
    shop: Shop, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A day that no expectation objects to is held against a month; by default that is a warning."""
    change, check, said = HISTORY[fault]
    shop.frame = factories.sales(days=31, stores=45)
    none = "expectations: []\n"
    shop.open("sql", none, history={check: {"severity": "critical"}})
    shop.deliver(FIRST, shop.frame[shop.frame["day"] < LAST.isoformat()])
    night(FIRST, LAST - timedelta(days=1))
    shop.deliver(LAST, change(shop.rows(LAST)))

    refused(ExpectationsFailed, rf"^shop: source 'sales', 2024-01-31: 1 critical expectation failed: {said}", LAST)
    shop.open("sql", none)
    _, report = night(LAST)

    assert [failure.severity for failure in report.failures] == ["warning"] * len(report.failures)
    assert f"history_{check}" in caplog.text
    assert len(published(LAST)) == len(change(shop.rows(LAST)))
    shop.deliver(LAST)
    night(LAST)
    assert published(LAST) == shop.undisturbed(LAST)


@pytest.mark.parametrize("kind", KINDS)
def test_a_day_that_comes_before_its_predecessor_ends_right_as_both_do(shop: Shop, kind: str) -> None:
    """The hole is named until it is filled, and the day after it is judged and published meanwhile."""
    shop.open(kind)
    pipeline, third = load_pipeline("shop"), FIRST + timedelta(days=2)
    for day in (FIRST, third):
        shop.deliver(day)
        night(day)
    assert missing_range(pipeline, third) == (SECOND, SECOND)
    assert published() == shop.undisturbed(FIRST, third)

    shop.deliver(SECOND)
    night(SECOND)

    assert missing_range(pipeline, third) is None
    assert published() == shop.undisturbed(FIRST, SECOND, third)


def test_a_source_whose_first_day_comes_second_keeps_both(shop: Shop) -> None:
    """Before the first published day nothing is missed, yet a day that comes there late is taken."""
    shop.deliver(SECOND)
    night(SECOND)
    assert missing_range(load_pipeline("shop"), SECOND) is None
    shop.deliver(FIRST)

    night(FIRST)

    assert published() == shop.undisturbed(FIRST, SECOND)


def test_a_month_with_a_hole_is_judged_and_the_hole_is_filled_and_judged(shop: Shop) -> None:
    """Neither the day after a hole nor the day in it is unusual for it."""
    shop.frame = factories.sales(days=31, stores=45)
    shop.open("sql", "expectations: []\n")
    hole = LAST - timedelta(days=1)
    shop.deliver(FIRST, shop.frame[shop.frame["day"] < hole.isoformat()])
    night(FIRST, hole - timedelta(days=1))
    reports = []
    for day in (LAST, hole):
        shop.deliver(day)
        reports.append(night(day)[1])

    assert [report.failures for report in reports] == [[], []]
    assert published(hole, LAST) == shop.undisturbed(hole, LAST)


# sources that do not answer, or refuse


def test_a_file_that_never_ends_is_given_up_at_the_deadline(shop: Shop) -> None:
    """A pipe without a writer stands for a file server that is gone: reading it waits for ever."""
    shop.deliver(FIRST)
    night(FIRST)
    shop.open("files", deadline="PT0.3S")
    pipe = shop.landing / "2024-01-02.csv"
    os.mkfifo(pipe)

    error = refused(
        SourceUnreadable, r"reading did not end within its deadline of 0:00:00\.3.*check whether the source"
    )
    os.close(os.open(pipe, os.O_RDWR | os.O_NONBLOCK))  # which lets the reader that was left behind go

    assert error.retryable
    shop.open("files")
    check_healthy_again(shop)


def test_a_query_that_never_ends_is_given_up_at_the_deadline(shop: Shop) -> None:
    """A join that forgot its condition is not waited for all night."""
    shop.open("sql")
    shop.deliver(FIRST)
    night(FIRST)
    shop.open("sql", deadline="PT0.3S")
    shop.deliver(SECOND)
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000000) "
    (shop.root / "pipelines/shop/sql/sales.sql").write_text(
        endless + "SELECT store, day, revenue, visitors, closed_at FROM sales, (SELECT max(i) FROM n)"
    )

    assert refused(SourceUnreadable, r"reading did not end within its deadline of 0:00:00\.3").retryable

    shop.open("sql")
    check_healthy_again(shop)


REFUSALS: dict[str, tuple[Fault | None, str, bool]] = {
    "401": (
        None,
        r"returned 401 Unauthorized, so it does not accept the connection's credentials for this; corr",
        False,
    ),
    "403": (Fault(403), r"returned 403 Forbidden, so it does not accept the connection's credentials", False),
    "404": (Fault(404, b"nothing here"), r"returned 404 Not Found \(nothing here\); correct the source's path", False),
    "429": (
        Fault(429, b"slowly"),
        r"returned 429 Too Many Requests at the last .*\(slowly\).*or lower requests_per",
        True,
    ),
    "500": (
        Fault(500, b"broken"),
        r"returned 500 Internal Server Error at the last of up to 1 attempts \(broken\)",
        True,
    ),
    "no answer": (
        Fault(drops=True),
        r"did not respond in up to 1 attempts \(.*run this task again when it responds",
        True,
    ),
    "a page of HTML": (
        Fault(body=b"<html>"),
        r"response \(application/json, 6 bytes\) is not JSON; correct the",
        False,
    ),
    "half an answer": (Fault(body=b'[{"store"', cut=True), r"did not respond in up to 1 attempts", True),
    "another shape": (
        Fault(body=b'{"sales": "later"}'),
        r"no list of records as a whole: the response is an obj",
        False,
    ),
    "an error with 200": (
        Fault(body=b'{"error": "later"}'),
        r"returned 200 OK and reports a failure by 'error'",
        True,
    ),
}


@pytest.mark.parametrize("fault", REFUSALS)
def test_an_api_that_refuses_is_told_and_asked_again_where_that_may_help(shop: Shop, fault: str) -> None:
    """The sentence has the answer, never the token; only what may pass is tried again."""
    answer, said, again = REFUSALS[fault]
    shop.open("http")
    shop.deliver(FIRST)
    night(FIRST)
    shop.deliver(SECOND)
    if answer is None:
        shop.api.credentials = "Bearer another"
    else:
        shop.api.faults.append(answer)

    error = refused(SourceUnreadable, rf"^shop: source 'sales', 2024-01-02.*(connection 'shop' )?{said}")

    assert error.retryable is again
    assert TOKEN not in str(error)
    shop.api.credentials = f"Bearer {TOKEN}"
    check_healthy_again(shop)


def test_an_api_that_hangs_is_given_up_at_the_deadline(shop: Shop) -> None:
    """Its own limit is how long the API may be silent; the deadline is for all of it."""
    shop.open("http")
    shop.deliver(FIRST)
    night(FIRST)
    shop.open("http", deadline="PT0.3S")
    shop.deliver(SECOND)
    shop.api.faults.append(Fault(hangs=True))

    assert refused(SourceUnreadable, r"reading did not end within its deadline of 0:00:00\.3").retryable

    shop.open("http")
    check_healthy_again(shop)


QUERIES = {
    "no such table": ("SELECT * FROM sale WHERE day >= :start", SourceUnreadable, r"failed on .*no such table: sale"),
    "no query": ("SELEC * FROM sales", SourceUnreadable, r'failed on connection .*near "SELEC": syntax error'),
    "no rows": ("SELECT * FROM sales WHERE day < '2000'", SourceEmpty, r"no rows for 1 day \(2024-01-02\)"),
    "all rows": ("SELECT * FROM sales", SchemaMismatch, r"15 of 20 rows belong to other days .*2024-01-01.*:start and"),
    "no rows to give": ("DELETE FROM sales", SourceUnreadable, r"failed on connection 'shop': attempt to write a read"),
}


@pytest.mark.parametrize("fault", QUERIES)
def test_a_query_that_fails_is_told_and_changes_nothing(shop: Shop, fault: str) -> None:
    """The sentence has the file of the query, the connection, and what the database says."""
    query, error, said = QUERIES[fault]
    shop.open("sql")
    shop.deliver(FIRST, shop.frame)
    night(FIRST)
    (shop.root / "pipelines/shop/sql/sales.sql").write_text(query)

    assert refused(error, rf"^shop: source 'sales', 2024-01-02.*{said}").retryable is (error is SourceEmpty)

    shop.open("sql")
    check_healthy_again(shop)


def test_a_database_that_somebody_locks_is_asked_again(shop: Shop) -> None:
    """Who writes to an SQLite file keeps others out only for as long as that takes."""
    shop.open("sql")
    shop.deliver(FIRST)
    night(FIRST)
    shop.deliver(SECOND)
    shop.monkeypatch.setattr("sqlite3.dbapi2.connect", _impatient(sqlite3.connect))

    with closing(sqlite3.connect(shop.root / "shop.db")) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        assert refused(SourceUnreadable, r"failed on connection 'shop': database is locked").retryable

    check_healthy_again(shop)


def _impatient(connect: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *arguments, **options: connect(*arguments, **options | {"timeout": 0.05})


def test_a_batch_that_vanished_after_its_validation_is_asked_for_again(shop: Shop) -> None:
    """Somebody emptied the staged folder: the sentence is of the batch, not of the table that it was meant for."""
    shop.deliver(FIRST)
    night(FIRST)
    shop.deliver(SECOND)
    batch = extract(SECOND)
    validate_batch(load_pipeline("shop"), batch)
    before = version()
    (run_files.staged_folder("shop", "sales") / f"{batch.digest}.parquet").unlink()

    with pytest.raises(RunMissing, match=rf"^shop: the staged batch {batch.digest} .*; run the extract task again$"):
        publish_batch(load_pipeline("shop"), batch)
    assert (version(), published()) == (before, shop.undisturbed(FIRST))

    check_healthy_again(shop)


# runs of the same days at once


@dataclass
class Database:
    """The shop's database as one run sees it; another run may see another."""

    path: Path

    def engine(self, _: str) -> Any:
        """Return the engine of a connection, whichever it is."""
        return sqlite_engine("shop", str(self.path))


class TestRunsAtOnce:
    """Runs that meet at the lake leave each day as the latest of them read it, once the refused are run again."""

    @pytest.fixture
    def readings(self, shop: Shop) -> list[Database]:
        """Let an earlier and a later run find other revenues."""
        shop.open("sql", TOLERANT)
        shop.frame = factories.sales(days=10)
        readings = []
        for number in (1, 2):
            path = shop.root / f"reading-{number}.db"
            factories.write_sales(path, shop.frame.assign(revenue=float(number)))
            readings.append(Database(path))
        return readings

    def read(self, database: Database, start: date, end: date | None = None) -> StagedBatch:
        """Extract and validate days."""
        batch = extract_source(load_pipeline("shop"), "sales", start, end or start, database)
        validate_batch(load_pipeline("shop"), batch)
        return batch

    def publish_at_once(self, batches: list[StagedBatch]) -> list[PublishConflict]:
        """Publish batches in as many threads, then those again that were told to, and return what was told."""
        pipeline, together = load_pipeline("shop"), threading.Barrier(len(batches))
        told: list[PublishConflict] = []

        def publish(batch: StagedBatch) -> None:
            together.wait()
            # each conflict means that another batch was published, so one that never ends would be a fault
            for _ in range(10 * len(batches)):
                try:
                    publish_batch(pipeline, batch)
                except PublishConflict as conflict:
                    told.append(conflict)
                else:
                    return
            pytest.fail(f"{batch.start}: never published; {told[-1]}")

        with ThreadPoolExecutor(len(batches)) as threads:
            for done in [threads.submit(publish, batch) for batch in batches]:
                done.result()
        return told

    @pytest.mark.parametrize("later_first", [False, True])
    @pytest.mark.parametrize("first_night", [False, True])
    def test_of_two_runs_of_a_day_the_later_reading_stands(
        self, shop: Shop, readings: list[Database], first_night: bool, later_first: bool
    ) -> None:
        """Whichever comes to the lake first, and whether or not it has a table by then."""
        if not first_night:
            publish_batch(load_pipeline("shop"), self.read(readings[0], FIRST))
        batches = [self.read(database, SECOND) for database in readings]

        told = self.publish_at_once(batches[::-1] if later_first else batches)

        assert [row["revenue"] for row in published(SECOND)] == [2.0] * 5
        for conflict in told:
            assert conflict.retryable
            assert "another run changed the days 2024-01-02 to 2024-01-02 at the same time" in str(conflict)

    @pytest.mark.parametrize("backfill_is_later", [False, True])
    def test_a_backfill_and_the_nights_run_leave_all_days_right(
        self, readings: list[Database], backfill_is_later: bool
    ) -> None:
        """The night's day is in the backfill's range, and who has read it last has read it best."""
        days = [FIRST + timedelta(days=number) for number in range(5)]
        spans = [(days[0], days[-1]), (days[-1], days[-1])][:: -1 if backfill_is_later else 1]
        batches = [self.read(database, *span) for database, span in zip(readings, spans, strict=True)]

        self.publish_at_once(batches)

        found = {(row["ds"], row["revenue"]) for row in published()}
        of_backfill = 2.0 if backfill_is_later else 1.0
        assert found == {(day.isoformat(), of_backfill) for day in days[:-1]} | {(days[-1].isoformat(), 2.0)}
        assert len(published()) == 25
        assert missing_range(load_pipeline("shop"), days[-1]) is None

    def test_ten_days_at_once_are_all_published(self, readings: list[Database]) -> None:
        """Airflow's backfill of a run a day ends with each day once."""
        days = [FIRST + timedelta(days=number) for number in range(10)]
        batches = [self.read(readings[0], day) for day in days]

        self.publish_at_once(batches)

        assert [row["ds"] for row in published()] == [day.isoformat() for day in days for _ in range(5)]

    def test_two_whole_runs_of_a_day_at_once_end_with_one(self, shop: Shop, readings: list[Database]) -> None:
        """From the source to the lake side by side: one reading stands as a whole, and the other says why not."""
        together = threading.Barrier(2)

        def run(database: Database) -> NightshiftError | None:
            together.wait()
            try:
                publish_batch(load_pipeline("shop"), self.read(database, SECOND))
            except PublishConflict as conflict:
                return conflict
            return None

        with ThreadPoolExecutor(2) as threads:
            told = list(threads.map(run, readings))

        assert len(published(SECOND)) == 5
        assert len({row["revenue"] for row in published(SECOND)}) == 1
        assert told.count(None) >= 1

    def test_a_broken_row_is_not_published_when_another_run_took_its_place_in_quarantine(
        self, shop: Shop, readings: list[Database]
    ) -> None:
        """Between a run's validation and its publication another run validated the same day."""
        frame = shop.rows(SECOND)
        factories.write_sales(readings[0].path, frame.assign(revenue=frame["revenue"].where(frame.index > 0, -1.0)))
        batch = self.read(readings[0], SECOND)
        self.read(readings[1], SECOND)
        assert quarantined("shop", "sales").num_rows == 0

        with pytest.raises(PublishConflict, match=r"holds 0 rows of batch \w+, and its validation left 1 there"):
            publish_batch(load_pipeline("shop"), batch)
        assert published() == []

        validate_batch(load_pipeline("shop"), batch)
        publish_batch(load_pipeline("shop"), batch)
        assert [row["store"] for row in published()] == [f"store-{number}" for number in range(1, 5)]
        assert quarantined("shop", "sales").num_rows == 1

    def test_a_decision_is_not_lost_to_a_run_that_validates_at_the_same_time(
        self, shop: Shop, readings: list[Database]
    ) -> None:
        """Somebody releases a row just after a run has read what is in quarantine, and before it writes."""
        frame = shop.rows(SECOND)
        factories.write_sales(readings[0].path, frame.assign(revenue=frame["revenue"].where(frame.index > 0, -1.0)))
        batch = self.read(readings[0], SECOND)
        publish_batch(load_pipeline("shop"), batch)
        read = quarantine.quarantined

        def then_decide(*arguments: Any) -> Any:
            rows = read(*arguments)
            shop.monkeypatch.setattr(quarantine, "quarantined", read)
            quarantine.decide("shop", "sales", ["2024-01-02"], None, "released", "kim", "seen")
            return rows

        shop.monkeypatch.setattr(quarantine, "decided_ids", lambda _: [])
        shop.monkeypatch.setattr(quarantine, "quarantined", then_decide)
        with pytest.raises(PublishConflict, match="another run changed the same days at the same time"):
            validate_batch(load_pipeline("shop"), batch)

        assert quarantined("shop", "sales")["status"].to_pylist() == ["released"]


# rows that come late


class TestLateRows:
    """A day's delivery brings rows of the days before it as well, which count from when they came."""

    DAYS = tuple(FIRST + timedelta(days=number) for number in range(4))

    @pytest.fixture
    def late(self, shop: Shop) -> Shop:
        """Let rows be up to two days late: store-4 reports its first day on the third."""
        shop.open("files", arrives="append", late_days=2, key=["store", "day"])
        shop.frame.loc[(shop.frame["store"] == "store-4") & (shop.frame["day"] < str(SECOND)), "closed_at"] = (
            "2024-01-03 09:00:00"
        )
        for day in self.DAYS:
            came = shop.frame["closed_at"].str.startswith(day.isoformat())
            shop.deliver(day, shop.frame[came])
        return shop

    def features(self, known_before: str) -> list[dict[str, Any]]:
        """Return the features, without their label, of what was known before a day."""
        table = lake.dataset(lake.raw_uri("shop", "sales"), version())
        bound = datetime.fromisoformat(known_before)
        rows = run_features_query(load_pipeline("shop"), {"sales": table}, known_before=bound)
        return rows.drop_columns("revenue").to_pylist()

    def test_they_are_of_their_own_day_and_known_from_when_they_came(self, late: Shop) -> None:
        """The partition is that of the day they tell of; a question of the day between does not see them."""
        for day in self.DAYS:
            night(day)

        [row] = [row for row in published(FIRST) if row["store"] == "store-4"]
        assert (row["ds"], row["available_at"]) == ("2024-01-01", datetime(2024, 1, 3, 9, tzinfo=UTC))
        assert published() == late.undisturbed(*self.DAYS)

    def test_features_of_the_time_before_they_came_do_not_change(self, late: Shop) -> None:
        """A model that was asked on the second day did not know them, and is not trained as if it had."""
        for day in self.DAYS[:2]:
            night(day)
        before = self.features("2024-01-03")
        for day in self.DAYS[2:]:
            night(day)

        after = self.features("2024-01-05")

        came = datetime(2024, 1, 3, 9)
        known = {row["store_day"] for row in before}
        assert [row for row in after if row["prediction_time"] < came and row["store_day"] in known] == before
        assert self.features("2024-01-03") == before
        assert {row["store_day"] for row in after} - known >= {"store-4-2024-01-02"}

    def test_a_delivery_that_comes_again_replaces_its_own_rows_alone(self, late: Shop) -> None:
        """The first day's own delivery again leaves the late row, and the late row's own corrects it."""
        for day in self.DAYS:
            night(day)
        late.frame.loc[late.frame["closed_at"].str.startswith("2024-01-03"), "revenue"] = 1.0
        came = late.frame["closed_at"].str.startswith("2024-01-03")
        late.deliver(self.DAYS[2], late.frame[came])
        night(FIRST)
        assert 1.0 not in {row["revenue"] for row in published()}

        night(self.DAYS[2])

        assert published() == late.undisturbed(*self.DAYS)
        assert [row["store"] for row in published(FIRST) if row["revenue"] == 1.0] == ["store-4"]

    @pytest.mark.parametrize(("own_day", "told"), [("2023-12-31", "2023-12-31"), ("2024-01-05", "2024-01-05")])
    def test_those_that_are_too_late_or_too_early_are_refused(self, late: Shop, own_day: str, told: str) -> None:
        """Of a day long ago, and of one that has not been, no delivery can tell."""
        for day in self.DAYS[:3]:
            night(day)
        fourth = self.DAYS[3]
        rows = late.rows(fourth)
        late.deliver(fourth, rows.assign(day=rows["day"].where(rows.index > 0, f"{own_day} 00:00:00")))

        refused(
            SchemaMismatch,
            rf"1 of 5 rows belong to other days by their 'day' and 'closed_at' \({told}\), or are more than late_days "
            r"\(2\) late",
            fourth,
        )

        late.deliver(fourth)
        night(fourth)
        assert published() == late.undisturbed(*self.DAYS)
