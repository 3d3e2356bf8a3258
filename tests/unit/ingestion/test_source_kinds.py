"""A kind of source is a section of pipeline.yaml and a reader; extracting knows of no kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from include.config.loader import load_pipeline
from include.config.sources import SOURCE_KINDS
from include.config.sources.sql_source import SqlSource
from include.core.connections import EnvironmentConnections
from include.core.errors import ConfigError, SourceEmpty
from include.core.import_path import import_named
from include.ingestion.extract import extract_source
from include.ingestion.read_record import ReadRecord
from include.ingestion.source_reader import Chunk, SourceReader, SourceRows, reader_of
from include.ingestion.stage import read_manifest
from include.ingestion.staged_file import read_in_parts
from tests import factories

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from include.core.connections import Connections
    from include.ingestion.source_reader import ReadRequest


@dataclass(frozen=True)
class LedgerRead(ReadRecord):
    """The ledger that was read."""

    ledger: str


class LedgerReader(SourceReader["SqlSource", LedgerRead]):
    """Yields one row for the first of the requested days, as a kind that reads a ledger would."""

    record = LedgerRead

    def read(self, request: ReadRequest, connections: Connections) -> SourceRows[LedgerRead]:
        """Return the row."""

        def chunks() -> Generator[Chunk, None, LedgerRead]:
            first = {"store": ["north"], "day": [request.days[0]], "revenue": [1.5], "visitors": [3]}
            yield Chunk(pa.table(first | {"closed_at": [None]}), request.where)
            return LedgerRead(ledger="blue")

        return SourceRows(chunks())

    def missing_from(self, read_from: LedgerRead) -> str:
        """Name the ledger."""
        return f"no page for it in the {read_from.ledger} ledger"


#: Its import path.
LEDGER_READER = f"{__name__}.{LedgerReader.__name__}"


@pytest.mark.parametrize("kind", SOURCE_KINDS)
def test_each_kind_of_pipeline_yaml_has_a_reader(kind: str) -> None:
    """A section that names no reader is found here and not at night."""
    reader = import_named(kind, SOURCE_KINDS[kind].reader, "the section")

    assert issubclass(reader, SourceReader)
    assert issubclass(reader.record, ReadRecord)
    assert reader.__module__.startswith("include.ingestion.")


def test_a_reader_that_cannot_be_imported_is_named(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever adds a kind reads where its path is wrong."""
    monkeypatch.setattr(SqlSource, "reader", "include.ingestion.sheet.SheetReader")

    with pytest.raises(ConfigError) as refused:
        reader_of(load_pipeline("shop").sources["sales"])

    assert str(refused.value) == (
        "source of kind 'sql': include.ingestion.sheet.SheetReader cannot be imported (ModuleNotFoundError: No module "
        "named 'include.ingestion.sheet'); correct `reader` of include.config.sources.sql_source.SqlSource, or install "
        "its package"
    )


def test_extracting_needs_nothing_but_a_reader(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows and the record of what was read come from the reader alone."""
    monkeypatch.setattr(SqlSource, "reader", LEDGER_READER)
    day = factories.FIRST_DAY

    batch = extract_source(load_pipeline("shop"), "sales", day, day, EnvironmentConnections())

    [rows] = read_in_parts(batch)
    assert rows["store"].to_pylist() == ["north"]
    manifest = read_manifest("shop", "sales", batch.digest)
    assert (manifest.batch, manifest.read_from) == (batch, LedgerRead(ledger="blue"))


def test_a_reader_says_what_the_source_did_not_have(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error for an empty day ends with the reader's own words for what was missing."""
    monkeypatch.setattr(SqlSource, "reader", LEDGER_READER)
    day = factories.FIRST_DAY

    with pytest.raises(SourceEmpty, match=r"no rows for 1 day \(2024-01-02\); no page for it in the blue ledger;"):
        extract_source(load_pipeline("shop"), "sales", day, day.replace(day=2), EnvironmentConnections())
