"""The shop's sources as tests of publishing ingest and change them."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from include.config.loader import load_pipeline
from include.core.connections import EnvironmentConnections
from include.ingestion.extract import extract_source
from include.ingestion.publish import publish_batch
from include.validation.validate import validate_batch
from tests import factories

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from include import lake
    from include.ingestion.stage import StagedBatch

FIRST = factories.FIRST_DAY

STORES = """\
  stores:
    kind: sql
    arrives: snapshot
    connection: shop
    query: sql/stores.sql
    key: [store]
    available_at: opened_at
    columns:
      store: string
      city: string
      opened_at: timestamp
"""


def day(number: int) -> date:
    """Return a day of the shop's sales, counted from 0."""
    return FIRST + timedelta(days=number)


def extract(start: date, end: date | None = None, source: str = "sales") -> StagedBatch:
    """Extract one of the shop's sources."""
    return extract_source(load_pipeline("shop"), source, start, end or start, EnvironmentConnections())


def ingest(start: date, end: date | None = None, source: str = "sales") -> lake.TableVersion:
    """Extract, validate and publish one of the shop's sources, as a night does."""
    pipeline, batch = load_pipeline("shop"), extract(start, end, source)
    validate_batch(pipeline, batch)
    return publish_batch(pipeline, batch)


def sell(shop: Path, frame: pd.DataFrame) -> None:
    """Give the shop's database other sales."""
    factories.write_sales(shop.parent.parent / "shop.db", frame)
