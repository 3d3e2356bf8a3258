"""`score`: predict a day with the champion, and publish it in this process."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from include.cli.shared import DAY, new_console, show_progress
from include.config import loader


@click.command()
@click.argument("pipeline")
@click.option("--as-of", type=DAY, help="Last UTC day known; default: the last day ingested.")
def score(pipeline: str, as_of: datetime | None) -> None:
    """Predict the next day's rows of PIPELINE with its champion, and publish them in this process."""
    from include.workflows.score.plan import plan_scoring
    from include.workflows.score.score import score_rows

    console = new_console()
    progress = show_progress(console)
    loaded = loader.load_pipeline(pipeline)
    with progress("plan_scoring"):
        run_key = f"local-{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
        plan = plan_scoring(loaded, run_key, as_of.date() if as_of else None)
    with progress("score_rows"):
        result = score_rows(loaded, plan)
    console.print()
    console.print(result.table, markup=False, highlight=False, soft_wrap=True)
