"""The page on features does what it prints: its queries are run on its tables, and its fragments are valid."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
import yaml

from include.config.loader import load_pipeline
from include.config.pipeline import Pipeline
from include.core import settings
from include.features.automated import automated_names
from include.features.macros import MACROS
from include.features.query import run_features_query
from include.ingestion.arrow_types import arrow_type
from tests import factories

if TYPE_CHECKING:
    from pathlib import Path

TEXT = (settings.root() / "docs" / "how-to" / "write-features.md").read_text(encoding="utf-8")
#: The end of the last day that the page's tables tell of.
KNOWN_BEFORE = datetime(2024, 1, 6)

TABLE = r"((?:^\|[^\n]*\n)+)"
QUERIES = re.findall(rf"^```sql\n-- include/pipelines/(\w+)/features\.sql\n(.*?)^```\n.*?{TABLE}", TEXT, re.M | re.S)
KEYS = {"deliveries": ["delivery"], "takings": ["store", "prediction_time"]}
LABELS = {"deliveries": "late", "takings": "revenue_ahead"}

Rows = list[dict[str, Any]]


def blocks(language: str) -> list[str]:
    """Return the code blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


def rows_of(table: str) -> Rows:
    """Return the rows of a table of the page, with times, numbers and nulls as such."""
    names, _, *lines = ([cell.strip() for cell in line.strip().strip("|").split("|")] for line in table.splitlines())
    return [{name: value_of(cell) for name, cell in zip(names, cells, strict=True)} for cells in lines]


def value_of(cell: str) -> object:
    """Return what a cell of a table stands for."""
    if cell == "null":
        return None
    if re.fullmatch(r"\d{4}-\d\d-\d\d( \d\d:\d\d)?", cell):
        return datetime.fromisoformat(cell)
    return float(cell) if re.fullmatch(r"[\d.]+", cell) else cell


def declared(rows: Rows) -> dict[str, str]:
    """Return the columns of a source by the types of its values."""
    types = {datetime: "timestamp", float: "float", str: "string"}
    return {name: types[type(value)] for name, value in rows[0].items()}


def raw_table(rows: Rows) -> pa.Table:
    """Return a source's raw table, with its own columns."""
    columns = {
        name: pa.array([in_utc(row[name]) for row in rows], arrow_type(kind)) for name, kind in declared(rows).items()
    }
    return pa.table(columns | {"ds": pa.array([f"{row['available_at']:%Y-%m-%d}" for row in rows])})


def in_utc(value: object) -> object:
    """Return a value as a raw table has it, whose times have a zone."""
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value


SOURCES: dict[str, Rows] = {
    name: rows_of(table) for name, table in re.findall(rf"^`(\w+)`[^\n]*:\n\n{TABLE}", TEXT, re.MULTILINE)
}


def declaration(**features: object) -> dict[str, Any]:
    """Return a pipeline.yaml with the page's tables as sources."""
    fields = yaml.safe_load(factories.SHOP_YAML)
    fields["sources"] = {
        name: {
            "kind": "sql",
            "connection": "shop",
            "query": "sql/sales.sql",
            "arrives": "snapshot" if name == "stores" else "daily",
            "key": list(rows[0]),
            "available_at": "available_at",
            "columns": declared(rows),
        }
        for name, rows in SOURCES.items()
    }
    return fields | {"features": features}


def written(folder: Path, name: str, query: str, **features: object) -> Pipeline:
    """Write and load a pipeline of the page's tables."""
    text = yaml.safe_dump(declaration(key=KEYS[name], label=LABELS[name], **features))
    factories.write_shop(folder, name, pipeline=text, features=query)
    return load_pipeline(name)


def test_the_page_has_what_these_tests_read() -> None:
    """Four tables, and two queries which are all its SQL, each with the table that it yields behind it."""
    assert list(SOURCES) == ["deliveries", "arrivals", "stores", "sales"]
    assert [name for name, _, _ in QUERIES] == ["deliveries", "takings"]
    assert len(blocks("sql")) == len(QUERIES)


@pytest.mark.parametrize(("name", "query", "expected"), QUERIES, ids=[name for name, _, _ in QUERIES])
def test_a_query_of_the_page_yields_the_table_behind_it(shop: Path, name: str, query: str, expected: str) -> None:
    """Each query, run as a night runs it over the page's tables, gives the rows that the page prints."""
    pipeline = written(shop.parent, name, query)

    rows = run_features_query(
        pipeline, {name: raw_table(rows) for name, rows in SOURCES.items()}, known_before=KNOWN_BEFORE
    ).to_pylist()

    assert len(rows) == len(rows_of(expected))
    for row, shown in zip(rows, rows_of(expected), strict=True):
        assert list(row) == list(shown)
        # the page rounds to two digits
        assert row == {
            column: pytest.approx(value, abs=0.005) if isinstance(value, float) else value
            for column, value in shown.items()
        }


@pytest.mark.parametrize(("name", "query"), [(name, query) for name, query, _ in QUERIES], ids=list(KEYS))
def test_a_query_of_the_page_knows_nothing_of_the_future(shop: Path, name: str, query: str) -> None:
    """Rows asked at a time are the same from what was known by then, but for the label."""
    pipeline = written(shop.parent, name, query)
    tables = {name: raw_table(rows) for name, rows in SOURCES.items()}
    moment = datetime.resolution

    def run(known_before: datetime) -> Rows:
        rows = run_features_query(pipeline, tables, known_before=known_before, rows_until=KNOWN_BEFORE)
        return rows.drop_columns([LABELS[name]]).to_pylist()

    full = run(KNOWN_BEFORE)
    for time in {row["prediction_time"] for row in full}:
        asked = [row for row in full if row["prediction_time"] == time]
        assert [row for row in run(time + moment) if row["prediction_time"] == time] == asked


def test_what_the_page_says_of_a_window_by_the_days_event_is_so() -> None:
    """When d4 was announced, oak had 1 late arrival of 2 by when they arrived, and 1 of 1 by what was known."""
    suppliers = {row["delivery"]: row["supplier"] for row in SOURCES["deliveries"]}
    [asked] = [row["available_at"] for row in SOURCES["deliveries"] if row["delivery"] == "d4"]

    for column, late, known in (("arrived_at", 1, 2), ("available_at", 1, 1)):
        seen = [row for row in SOURCES["arrivals"] if suppliers[row["delivery"]] == "oak" and row[column] <= asked]
        assert (sum(row["late"] for row in seen), len(seen)) == (late, known)


def test_each_fragment_of_the_page_is_valid() -> None:
    """Each YAML block fits into a pipeline.yaml with the page's sources."""
    fragments = [yaml.safe_load(block)["features"] for block in blocks("yaml")]
    assert len(fragments) == 2
    for fragment in fragments:
        Pipeline.model_validate(declaration(**fragment))


def test_the_automated_columns_that_the_page_names_are_made() -> None:
    """The names in the text are among those that the YAML block above them makes."""
    [fragment] = [fields for block in blocks("yaml") if "automated" in (fields := yaml.safe_load(block)["features"])]
    made = automated_names(Pipeline.model_validate(declaration(**fragment)))

    named = re.findall(r"`((?:takings|rhythm)_\w+)`", TEXT)
    assert len(named) == 3
    assert set(named) <= set(made)


def test_the_page_lists_each_macro_with_its_arguments() -> None:
    """The table has the macros of macros.sql and no others, and their arguments are those of the file."""
    created = dict(re.findall(r"^CREATE MACRO (\w+)(\([^)]*\))", MACROS.read_text(encoding="utf-8"), re.MULTILINE))
    [table] = re.findall(rf"^\| macro \| gives \|\n\|---\|---\|\n{TABLE}", TEXT, re.MULTILINE)
    listed: dict[str, str] = {}
    for line in table.splitlines():
        waiting: list[str] = []
        for name, arguments in re.findall(r"`(\w*)(\([^`]*\))?`", line.split("|")[1]):
            waiting += [name] if name else []
            if arguments:
                listed |= dict.fromkeys(waiting, arguments)
                waiting = []

    assert listed == created


def test_the_page_is_found_from_the_readme() -> None:
    """The list of the how-to pages links to it."""
    assert "(write-features.md)" in (settings.root() / "docs" / "how-to" / "index.md").read_text(encoding="utf-8")
