"""`demo`, `up`, `sources` and `airflow`: the embedded stack."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from include.cli.shared import sources_folder


@click.command()
@click.option(
    "--exit", "exit_after", is_flag=True, help="Stop after the verdict; exit status 0 only if a version was promoted."
)
def demo(exit_after: bool) -> None:
    """Run a whole night on real data: Airflow, MLflow, ingest, retrain, verdict."""
    from include.ops.demo.show import run_demo

    raise SystemExit(run_demo(exit_after=exit_after))


@click.command()
def up() -> None:
    """Start Airflow and MLflow on this machine; Ctrl-C stops them."""
    from include.ops.demo.show import run_up

    raise SystemExit(run_up())


@click.command()
def sources() -> None:
    """Prepare the demo's database and landing folder."""
    from include.ops.demo.sources import prepare_sources

    made = prepare_sources(sources_folder(), datetime.now(UTC).date())
    click.echo(f"{made.database} and {made.landing}: {made.first_day} to {made.last_day}")


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def airflow(arguments: tuple[str, ...]) -> None:
    """Run Airflow's own command in the environment of the embedded stack."""
    from include.ops.embedded.environment import run_airflow

    raise SystemExit(run_airflow(arguments))
