"""The kind of source that docs/how-to/add-a-source-kind.md adds works as the page says."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Any

import pytest

from include import ingestion
from include.config import sources
from include.config.loader import load_pipeline
from include.core import settings
from include.core.connections import EnvironmentConnections
from include.core.errors import SourceUnreadable
from include.ingestion.source_reader import ReadRequest, reader_of
from tests import factories

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from include.config.sources import BaseSource
    from include.ingestion.source_reader import SourceReader

PAGE = (settings.root() / "docs" / "how-to" / "add-a-source-kind.md").read_text(encoding="utf-8")
SECTION, READER = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[BaseSource]]:
    """Write the page's two files where it says, as far as Python can tell, and return the section that is found."""
    for package, name, text in ((sources, "sheet_source", SECTION), (ingestion, "sheet", READER)):
        folder = tmp_path / package.__name__
        folder.mkdir()
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
    yield sources.find_kinds()["sheet"]
    for package, name in ((sources, "sheet_source"), (ingestion, "sheet")):
        if sys.modules.pop(f"{package.__name__}.{name}", None):
            delattr(package, name)


@pytest.fixture
def request_of_a_day(shop: Path) -> ReadRequest:
    """Return a request for the shop's first day."""
    day = factories.FIRST_DAY
    return ReadRequest(load_pipeline("shop"), day, day, "shop: source 'prices'", lambda ds: None)


def sheet(section: type[BaseSource], tab: str) -> SourceReader[Any, Any]:
    """Return the reader of a tab with prices."""
    fields = {
        "kind": "sheet",
        "connection": "prices",
        "tab": tab,
        "key": ["item"],
        "columns": {"item": "string", "price": "float", "at": "timestamp"},
        "available_at": "at",
    }
    return reader_of(section.model_validate(fields))


def test_the_kind_of_the_page_reads_rows(
    page: type[BaseSource], request_of_a_day: ReadRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Section and reader are as short as the page shows them, and need no registration."""
    monkeypatch.setenv("AIRFLOW_CONN_PRICES", json.dumps({"conn_type": "http", "host": tmp_path.as_uri()}))
    (tmp_path / "food and drink.csv").write_text("item,price,at\ntea,1.5,2024-01-01T10:00:00Z\n")

    rows = sheet(page, "food and drink").read(request_of_a_day, EnvironmentConnections())

    [chunk] = rows.chunks
    assert chunk.rows.select(["item", "price"]).to_pylist() == [{"item": "tea", "price": 1.5}]
    assert rows.read_from.to_json() == {"address": f"{tmp_path.as_uri()}/food%20and%20drink.csv"}


def test_the_kind_of_the_page_names_what_it_cannot_read(
    page: type[BaseSource], request_of_a_day: ReadRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its error is one sentence, and the task tries again."""
    monkeypatch.setenv("AIRFLOW_CONN_PRICES", json.dumps({"conn_type": "http", "host": tmp_path.as_uri()}))

    with pytest.raises(SourceUnreadable, match=r"^shop: source 'prices': the sheet at connection 'prices'") as refused:
        list(sheet(page, "food").read(request_of_a_day, EnvironmentConnections()).chunks)
    assert refused.value.retryable


@pytest.mark.parametrize("path", re.findall(r"`((?:include|tests)/\S+\.py)`", PAGE))
def test_the_files_that_the_page_names_exist(path: str) -> None:
    """Only the new kind's own test is yet to be written."""
    assert path == "tests/unit/ingestion/test_sheet.py" or (settings.root() / path).is_file()
