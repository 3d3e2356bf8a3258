"""The command line: the steps without Airflow, checks of the configuration, operations, and the demo."""

from __future__ import annotations

import logging
import os

import click

from include.cli.backup import backup, restore
from include.cli.check import schema, validate_config
from include.cli.explain import explain_row
from include.cli.features import document_features, prove_features
from include.cli.history import history, verify
from include.cli.ingest import ingest
from include.cli.monitor import monitor
from include.cli.quarantine import quarantine
from include.cli.registry import hold, promote, release, rollback
from include.cli.run import replay_version, run
from include.cli.score import score
from include.cli.shared import sources_folder
from include.cli.stack import airflow, demo, sources, up
from include.cli.suggest import suggest_expectations
from include.core import settings
from include.core.errors import NightshiftError


class _Group(click.Group):
    """Shows a Nightshift error as one sentence, without a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except NightshiftError as error:
            raise click.ClickException(f"{type(error).__name__}: {error}") from error


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-v", "--verbose", is_flag=True, help="Show every log line of the steps.")
def main(verbose: bool) -> None:
    """Retrain models every night; promote one only when it has earned it."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    logging.getLogger("include").setLevel(logging.INFO if verbose else logging.ERROR)
    _demo_environment()
    settings.check_paths()


for command in (
    *(run, ingest, score, monitor, replay_version, validate_config, schema),
    *(prove_features, document_features, explain_row),
    *(promote, rollback, hold, release),
    *(history, verify, backup, restore, quarantine, suggest_expectations, demo, up, sources, airflow),
):
    main.add_command(command)


def _demo_environment() -> None:
    """Set the variables of .env and the demo's connections, unless the environment already has them."""
    from include.ops.demo.sources import connections

    for name, value in (settings.env_file() | connections(sources_folder())).items():
        os.environ.setdefault(name, value)
