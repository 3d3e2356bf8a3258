"""`monitor`: measure drift and prediction errors of the champion in this process."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from include.cli.shared import DAY, new_console, show_progress
from include.config import loader


@click.command()
@click.argument("pipeline")
@click.option("--as-of", type=DAY, help="Last UTC day known; default: the last day predicted.")
def monitor(pipeline: str, as_of: datetime | None) -> None:
    """Compare the last days of PIPELINE with the champion's training data, in this process.

    The exit status is 0 also with alerts: an alert is not a failure.
    """
    from include.workflows.monitor.measure import measure_drift
    from include.workflows.monitor.plan import plan_monitoring

    console = new_console()
    progress = show_progress(console)
    loaded = loader.load_pipeline(pipeline)
    with progress("plan_monitoring"):
        run_key = f"local-{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
        plan = plan_monitoring(loaded, run_key, as_of.date() if as_of else None)
    with progress("measure_drift"):
        found = measure_drift(loaded, plan)
    console.print()
    console.print(found.table, markup=False, highlight=False, soft_wrap=True)
    console.print()
    console.print(f"{pipeline}: {found.outcome}", markup=False, highlight=False, soft_wrap=True)
