"""Pins the snapshot that features are built from: one version of every source's raw table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include import lake
from include.core.errors import NotIngested
from include.ingestion.published_days import published_days, published_through

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from pyarrow.dataset import Dataset

    from include.config.pipeline import Pipeline


def pin_snapshot(pipeline: Pipeline) -> dict[str, int]:
    """Return the newest version of every source's raw table.

    Raises
    ------
    NotIngested
        If a source has no table yet.
    """
    versions = {name: lake.latest_version(lake.raw_uri(pipeline.name, name)) for name in pipeline.sources}
    missing = [name for name, version in versions.items() if version is None]
    if missing:
        raise NotIngested(
            f"{pipeline.name}: no data has been ingested yet for {', '.join(missing)}; run the DAG "
            f"{pipeline.name}.ingest for the days that you have, then start this run again"
        )
    return {name: version for name, version in versions.items() if version is not None}


def pin_day(pipeline: Pipeline, as_of: date | None, *, needed_by: str, instead: str) -> tuple[date, dict[str, int]]:
    """Return the day of a run, and the newest snapshot, which holds every source up to it.

    Parameters
    ----------
    as_of
        None means the last day that every daily source has.
    needed_by, instead
        The error's words for what needs the day, and for doing the same with an earlier day.

    Raises
    ------
    NotIngested
        If the lake does not hold every source up to `as_of`.
    """
    through = published_through(pipeline)
    snapshot = pin_snapshot(pipeline)  # afterwards, so that it holds what `through` promises
    if through is None:
        raise NotIngested(
            f"{pipeline.name}: no daily source has a published day, and {needed_by} needs one; run the DAG "
            f"{pipeline.name}.ingest for the days that you have, then start this run again"
        )
    if as_of and as_of > through:
        raise NotIngested(
            f"{pipeline.name}: the lake holds every source up to {through}, but {needed_by} needs {as_of}; run the DAG "
            f"{pipeline.name}.ingest for the days between, or {instead} as of {through} or earlier"
        )
    return as_of or through, snapshot


def check_published(pipeline: Pipeline, as_of: date) -> None:
    """Refuse a run as of a day on which a daily source is not published.

    Raises
    ------
    NotIngested
        If a daily source is not published for the day; the error names it.
    """
    for name in pipeline.daily_sources:
        if not published_days(pipeline, name, [as_of.isoformat()]):
            raise NotIngested(
                f"{pipeline.name}: source '{name}' is not published for {as_of}; run the DAG "
                f"{pipeline.name}.ingest for that day, then start this run again"
            )


def pinned_tables(pipeline: Pipeline, snapshot: Mapping[str, int]) -> dict[str, lake.PinnedTable]:
    """Return the raw tables at a snapshot's versions, by source."""
    return {name: lake.PinnedTable(lake.raw_uri(pipeline.name, name), version) for name, version in snapshot.items()}


def raw_datasets(pipeline: Pipeline, tables: Mapping[str, lake.PinnedTable], since: date) -> dict[str, Dataset]:
    """Return the part of each raw table that a query reads, by source.

    Parameters
    ----------
    since
        The oldest partition to read; a source that arrives as a snapshot is read whole.
    """
    return {
        name: table.dataset(None if pipeline.sources[name].arrives == "snapshot" else since)
        for name, table in tables.items()
    }
