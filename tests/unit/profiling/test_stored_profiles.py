"""Profiles of published days are found by the batch of each day."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from include import lake
from include.config.loader import load_pipeline
from include.ingestion.days import days_between
from include.ingestion.stage import StagedBatch
from include.lake import run_files
from include.profiling.profile import profile_schema
from include.profiling.stored_profiles import earlier_days, read_profiles, write_profile

if TYPE_CHECKING:
    from pathlib import Path


def publish(first: int, last: int, digest: str, published_as: str | None = None) -> None:
    """Publish some days of the shop's sales, one row each, and keep the profile of a batch."""
    days = days_between(date(2024, 3, first), date(2024, 3, last))
    batch = published_as or digest
    table = pa.table({"batch": [batch] * len(days), "ds": days, "store": ["a"] * len(days)})
    slices = lake.Slices("ds", days, batch, moment=int(digest, 16), rows=dict.fromkeys(days, 1))
    lake.publish_days(lake.raw_uri("shop", "sales"), [table], table.schema, slices)
    start, end = date(2024, 3, first), date(2024, 3, last)
    staged = StagedBatch("shop", "sales", start, end, digest, len(days), datetime(2024, 3, 20, tzinfo=UTC))
    found = [{"day": ds, "column": "store", "rows": int(digest, 16), "nulls": 0, "not_finite": 0} for ds in days]
    write_profile(staged, pa.Table.from_pylist(found, profile_schema()))


def read(first: int, last: int) -> dict[str, int]:
    """Return the rows in the profiles of some days, by day."""
    days = days_between(date(2024, 3, first), date(2024, 3, last))
    return {row["day"]: row["rows"] for row in read_profiles(load_pipeline("shop"), "sales", days).to_pylist()}


def test_each_day_has_the_profile_of_its_published_batch(shop: Path) -> None:
    """A day that was published again has the profile of its newer batch, whatever rows were left out."""
    publish(1, 4, digest="1a")
    publish(3, 3, digest="2b", published_as="2b-0123abcd")

    assert read(2, 9) == {"2024-03-02": 0x1A, "2024-03-03": 0x2B, "2024-03-04": 0x1A}


def test_a_batch_without_a_profile_is_passed_over(shop: Path) -> None:
    """Days from before there were profiles, or whose files were removed, are not history."""
    publish(1, 2, digest="1a")
    publish(3, 3, digest="2b")
    (run_files.staged_folder("shop", "sales") / "1a.profile.parquet").unlink()

    assert read(1, 3) == {"2024-03-03": 0x2B}


def test_a_source_that_was_never_published_has_no_profiles(shop: Path) -> None:
    """The first batch is compared with nothing."""
    assert read(1, 3) == {}


def test_a_snapshot_is_compared_with_the_last_ones_however_old(shop: Path) -> None:
    """An unchanged snapshot is not published, so days without one say nothing."""
    publish(1, 1, digest="1a")
    publish(9, 9, digest="2b")
    pipeline = load_pipeline("shop")
    snapshot = pipeline.sources["sales"].model_copy(update={"arrives": "snapshot"})
    registry = pipeline.model_copy(update={"sources": {"sales": snapshot}})

    assert earlier_days(pipeline, "sales", "2024-06-29")[::27] == ["2024-06-01", "2024-06-28"]
    assert earlier_days(registry, "sales", "2024-06-29") == ["2024-03-01", "2024-03-09"]
