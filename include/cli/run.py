"""`run` and `replay`: a nightly run in this process, and a rebuilt version."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click

from include.cli.shared import new_console, prepare_demo, show_progress
from include.config import loader
from include.core.errors import NotIngested, SourceEmpty, SourceUnreadable, TrainingImpossible


@click.command()
@click.argument("pipeline")
@click.option("--as-of", type=click.DateTime(["%Y-%m-%d"]), help="Last UTC day known; default: yesterday.")
@click.option(
    "--tuning-seconds", type=click.IntRange(min=1), help="Search budget in seconds; default: pipeline.yaml's."
)
@click.option("--dry-run", is_flag=True, help="Stop after the verdict and register nothing.")
def run(pipeline: str, as_of: datetime | None, tuning_seconds: int | None, dry_run: bool) -> None:
    """Ingest missing days and retrain PIPELINE in this process."""
    from include.core.connections import EnvironmentConnections
    from include.workflows.retrain.run import ended_earlier
    from include.workflows.retrain.run import run as run_pipeline

    console = new_console()
    now = datetime.now(UTC)
    day = as_of.date() if as_of else now.date() - timedelta(days=1)
    loaded = loader.load_pipeline(pipeline)

    progress = show_progress(console)
    console.print(f"[bold]{pipeline}[/] as of {day}")
    prepare_demo(loaded, now.date(), progress)
    try:
        result = run_pipeline(
            loaded,
            f"local-{day}-{now:%Y%m%dT%H%M%S%f}",
            day,
            EnvironmentConnections(),
            tuning_seconds,
            dry_run=dry_run,
            progress=progress,
        )
    except (SourceEmpty, SourceUnreadable, NotIngested, TrainingImpossible) as error:
        hint = None if as_of else ended_earlier(loaded, day)
        if hint is None:
            raise
        raise type(error)(f"{error}; {hint}") from error
    console.print()
    console.print(result.table, markup=False, highlight=False, soft_wrap=True)


@click.command("replay")
@click.argument("pipeline")
@click.argument("version", type=click.IntRange(min=1))
def replay_version(pipeline: str, version: int) -> None:
    """Rebuild VERSION of PIPELINE's model from its decision record, and compare the predictions.

    The command builds the features from the recorded table versions and writes nothing. The exit status is 0 only if
    both models predict the same.
    """
    from include.workflows.retrain.replay import replay

    console = new_console()
    again = replay(pipeline, version, show_progress(console))
    console.print(f"  {again.rows:,} rows of features, {again.train_rows:,} of them to learn from")
    for change in again.changes:
        console.print(f"  since then: {change}", highlight=False)
    rows = f"all {again.compared_rows:,} held-out rows"
    if again.identical:
        click.echo(f"{pipeline} version {version}: {rows} are predicted the same, to the last bit")
    elif again.agrees:
        click.echo(
            f"{pipeline} version {version}: {rows} are predicted the same but for {again.largest_difference:.1e}, "
            "which is the order in which threads add numbers; set training.deterministic for the last bit"
        )
    else:
        raise click.ClickException(
            f"{pipeline} version {version}: predictions of {again.compared_rows:,} held-out rows differ by up to "
            f"{again.largest_difference:.2g}; check out the code and install the requirements that it was made with"
        )
