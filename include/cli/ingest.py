"""`ingest`: extract, validate and publish days of every source in this process."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click

from include.cli.shared import DAY, new_console, prepare_demo, show_progress
from include.config import loader


@click.command()
@click.argument("pipeline")
@click.option("--from", "first", type=DAY, help="First UTC day; default: the last one.")
@click.option("--to", "last", type=DAY, help="Last UTC day; default: yesterday.")
def ingest(pipeline: str, first: datetime | None, last: datetime | None) -> None:
    """Ingest days of every source of PIPELINE in this process: extract, validate and publish them.

    Publishing replaces a whole day, so you can repeat it at any time.
    """
    from include.core.connections import EnvironmentConnections
    from include.ingestion.days import chosen_days, shown_range
    from include.workflows.retrain.run import ingest as ingest_days

    console, today = new_console(), datetime.now(UTC).date()
    loaded, progress = loader.load_pipeline(pipeline), show_progress(console)
    yesterday = today - timedelta(days=1)
    start, end = chosen_days(first and first.date(), last and last.date(), (yesterday, yesterday), today)
    console.print(f"[bold]{pipeline}[/] {shown_range(start, end)}")
    prepare_demo(loaded, today, progress)
    ingest_days(loaded, start, end, EnvironmentConnections(), progress)
