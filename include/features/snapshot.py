"""The snapshot that features are built from: every source's raw table, at one version each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include import lake
from include.core.errors import NotIngested
from include.ingestion.publish import published_days, published_through

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
            f"{pipeline.name}: nothing has been ingested yet of {', '.join(missing)}; run the DAG "
            f"{pipeline.name}.ingest for the days that you have, then start this run again"
        )
    return {name: version for name, version in versions.items() if version is not None}


def pin_day(pipeline: Pipeline, as_of: date | None, *, asked: str, instead: str) -> tuple[date, dict[str, int]]:
    """Return the day that is asked for, and the newest snapshot, which holds every source up to it.

    Parameters
    ----------
    as_of
        None means the last day that every daily source has.
    asked, instead
        The refusal's words for what is asked as of that day, and for asking for an earlier one.

    Raises
    ------
    NotIngested
        If the lake does not hold every source up to `as_of`.
    """
    through = published_through(pipeline)
    snapshot = pin_snapshot(pipeline)  # afterwards, so that it holds what `through` promises
    if through is None or (as_of and as_of > through):
        raise NotIngested(
            f"{pipeline.name}: the lake holds every source up to {through}, and {asked} as of {as_of}; run the DAG "
            f"{pipeline.name}.ingest for the days between, or {instead} as of {through} or earlier"
        )
    return as_of or through, snapshot


def check_published(pipeline: Pipeline, as_of: date) -> None:
    """Refuse a run as of a day that a daily source does not have.

    Raises
    ------
    NotIngested
        With the source.
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
    """Return what a query reads of the raw tables, by source.

    Parameters
    ----------
    since
        The oldest partition of a source with days; of one that arrives as a snapshot, all is read.
    """
    return {
        name: table.dataset(None if pipeline.sources[name].arrives == "snapshot" else since)
        for name, table in tables.items()
    }
