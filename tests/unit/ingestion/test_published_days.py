"""A pipeline's days are published up to its slowest source, and the missing ones are one range."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include import lake
from include.config.loader import load_pipeline
from include.ingestion.published_days import missing_range, published_through
from tests import factories
from tests.unit.ingestion.ingested_shop import STORES, day, ingest, sell

if TYPE_CHECKING:
    from pathlib import Path


def test_nothing_is_published_through_any_day_at_first(shop: Path) -> None:
    """Without a day in the lake, there is no last day."""
    assert published_through(load_pipeline("shop")) is None


def test_published_days_end_where_the_slowest_daily_source_ends(shop: Path) -> None:
    """A day is complete when every daily source has it; snapshots do not count."""
    second = factories.SHOP_YAML.split("  sales:\n")[1].split("features:\n")[0]
    text = factories.SHOP_YAML.replace("features:\n", "  returns:\n" + second + STORES + "features:\n", 1)
    factories.write_shop(shop.parent, pipeline=text)
    (shop / "sql" / "stores.sql").write_text("SELECT 1", encoding="utf-8")
    ingest(day(0), day(4))
    assert published_through(load_pipeline("shop")) is None

    ingest(day(0), day(2), "returns")

    assert published_through(load_pipeline("shop")) == day(2)


def test_empty_days_after_the_last_rows_are_published_days(shop: Path) -> None:
    """A shop that may close for weeks is published up to the last requested day, not up to its last sale."""
    factories.write_shop(shop.parent, pipeline=factories.SHOP_YAML.replace("{min: 1, max: 100}", "{min: 0}"))
    sell(shop, factories.sales(days=2))

    ingest(day(0), day(99))

    assert published_through(load_pipeline("shop")) == day(99)
    assert missing_range(load_pipeline("shop"), day(99)) is None


def test_a_source_with_only_empty_days_does_not_limit_the_others(shop: Path) -> None:
    """A run does not wait for the first accident in a register of accidents."""
    second = factories.SHOP_YAML.split("  sales:\n")[1].split("features:\n")[0]
    second = second.replace("{min: 1, max: 100}", "{min: 0}").replace("sql/sales.sql", "sql/none.sql")
    text = factories.SHOP_YAML.replace("features:\n", "  returns:\n" + second + "features:\n", 1)
    (shop / "sql" / "none.sql").write_text(factories.SHOP_SQL + " AND false", encoding="utf-8")
    factories.write_shop(shop.parent, pipeline=text)
    ingest(day(0), day(4))
    assert published_through(load_pipeline("shop")) is None

    ingest(day(0), day(4), "returns")

    assert published_through(load_pipeline("shop")) == day(4)


def test_a_first_run_is_missing_the_whole_history(shop: Path) -> None:
    """Without any day the range begins `history_days` ago and ends with the requested day."""
    assert missing_range(load_pipeline("shop"), day(200)) == (day(81), day(200))


def test_nothing_is_missing_if_every_day_is_published(shop: Path) -> None:
    """The days before the source's first one are not missing."""
    ingest(day(0), day(10))

    assert missing_range(load_pipeline("shop"), day(10)) is None


def test_the_missing_range_spans_the_gap_and_the_end(shop: Path) -> None:
    """A gap in the middle and the days after the last one are one range, which is ingested again."""
    ingest(day(0), day(2))
    ingest(day(5), day(7))

    assert missing_range(load_pipeline("shop"), day(7)) == (day(3), day(4))
    assert missing_range(load_pipeline("shop"), day(9)) == (day(3), day(9))


SHORT_HISTORY = (
    factories.SHOP_YAML.replace("history_days: 120", "history_days: 5")
    .replace("window_days: 100", "window_days: 5")
    .replace("holdout_days: 14", "holdout_days: 2")
)


def test_days_older_than_the_history_are_not_missing(shop: Path) -> None:
    """A gap before the history that models use is left alone."""
    factories.write_shop(shop.parent, pipeline=SHORT_HISTORY)
    ingest(day(0), day(1))
    ingest(day(5), day(9))

    assert missing_range(load_pipeline("shop"), day(9)) is None


def test_ingesting_the_missing_days_leaves_none_missing(shop: Path) -> None:
    """Ingesting the missing range fills the gaps without losing a day."""
    ingest(day(0), day(2))
    ingest(day(5), day(7))
    missing = missing_range(load_pipeline("shop"), day(9))
    assert missing is not None

    ingest(*missing)

    assert missing_range(load_pipeline("shop"), day(9)) is None
    assert {part.rows for part in lake.partitions(lake.raw_uri("shop", "sales")).values()} == {5}
