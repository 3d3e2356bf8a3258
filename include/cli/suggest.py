"""`suggest-expectations`: write a first suite from the rows of a source."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click

from include.cli.shared import reads_demo, sources_folder
from include.config import loader
from include.core.errors import ConfigError


@click.command("suggest-expectations")
@click.argument("pipeline")
@click.argument("source")
@click.option("--days", type=click.IntRange(min=1), help="Number of the last published days to look at; default: 28.")
@click.option("--start", type=click.DateTime(["%Y-%m-%d"]), help="Read the source itself from this UTC day.")
@click.option("--end", type=click.DateTime(["%Y-%m-%d"]), help="Read the source itself to this UTC day.")
@click.option("--print", "print_only", is_flag=True, help="Print the suite instead of writing it.")
@click.option("--force", is_flag=True, help="Replace an existing suite.")
def suggest_expectations(
    pipeline: str,
    source: str,
    days: int | None,
    start: datetime | None,
    end: datetime | None,
    print_only: bool,
    force: bool,
) -> None:
    """Write a first suite for SOURCE of PIPELINE from its rows, for you to edit.

    The rows are the published ones. If none are published, or with --start or --end, the command reads these days from
    the source itself; default: yesterday.
    """
    from include.core.connections import EnvironmentConnections
    from include.core.suggestions import unknown_name
    from include.ingestion.extract import extract_source
    from include.ops.demo.sources import prepare_sources
    from include.validation.suggest import suggest_from_batch, suggest_from_lake
    from include.validation.suite import suite_path

    today = datetime.now(UTC).date()
    last = end.date() if end else today - timedelta(days=1)
    first = start.date() if start else last
    if days and (start or end):
        raise click.UsageError(
            "--days counts published days, and --start and --end read the source; use one or the other"
        )
    if first > last:
        raise click.UsageError(f"--start ({first}) is after --end ({last})")
    loaded = loader.load_pipeline(pipeline)
    if source not in loaded.sources:
        raise ConfigError(f"{pipeline}: {unknown_name('source', source, list(loaded.sources))}")
    path = suite_path(loaded.folder, source)
    if path.exists() and not (print_only or force):
        raise ConfigError(
            f"{path} exists and was left as it is; see what is suggested with --print, or replace the file with --force"
        )
    suite = None if start or end else suggest_from_lake(loaded, source, days or 28)
    if suite is None:
        if reads_demo(loaded):
            prepare_sources(sources_folder(), today)
        suite = suggest_from_batch(loaded, extract_source(loaded, source, first, last, EnvironmentConnections()))
    click.echo(f"Looked at {suite.seen}", err=True)
    if print_only:
        click.echo(suite.text, nl=False)
        return
    try:
        path.parent.mkdir(exist_ok=True)
        path.write_text(suite.text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"{path} could not be written ({error.strerror or error}); see what is suggested with --print"
        ) from error
    click.echo(f"{path}: {suite.expectations} expectations to edit; then run ./nightshift validate-config {pipeline}")
