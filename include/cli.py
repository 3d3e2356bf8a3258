"""The command line: the same steps without Airflow, checks of the configuration, and the demo."""

from __future__ import annotations

import json
import logging
import os
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from include import catalog, settings
from include.errors import ConfigError, NightshiftError
from include.wording import unknown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rich.console import Console

    from include.config import Pipeline
    from include.ingestion.quarantine import Status
    from include.retraining.run import Progress


class _Group(click.Group):
    """Shows a named error as its one sentence, without a traceback."""

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


@main.command()
@click.argument("pipeline")
@click.option("--as-of", type=click.DateTime(["%Y-%m-%d"]), help="Last UTC day known; default: yesterday.")
@click.option("--tuning-seconds", type=click.IntRange(min=1), help="Instead of pipeline.yaml's.")
@click.option("--dry-run", is_flag=True, help="Stop at the verdict: register nothing.")
def run(pipeline: str, as_of: datetime | None, tuning_seconds: int | None, dry_run: bool) -> None:
    """Ingest what is missing and retrain PIPELINE, in this process."""
    from include.connections import EnvironmentConnections
    from include.demo.sources import prepare_sources
    from include.retraining.run import run as run_night

    console = _console()
    now = datetime.now(UTC)
    day = as_of.date() if as_of else now.date() - timedelta(days=1)
    loaded = catalog.load_pipeline(pipeline)

    progress = _progress(console)
    console.print(f"[bold]{pipeline}[/] as of {day}")
    if _reads_demo(loaded):
        with progress("prepare_sources"):
            prepare_sources(_sources_folder(), now.date())
    result = run_night(
        loaded,
        f"local-{day}-{now:%Y%m%dT%H%M%S%f}",
        day,
        EnvironmentConnections(),
        tuning_seconds,
        dry_run=dry_run,
        progress=progress,
    )
    console.print()
    console.print(result["table"], markup=False, highlight=False, soft_wrap=True)


@main.command("replay")
@click.argument("pipeline")
@click.argument("version", type=click.IntRange(min=1))
def replay_version(pipeline: str, version: int) -> None:
    """Make VERSION of PIPELINE's model again from what its run recorded, and compare predictions.

    The features are built from the recorded table versions, and nothing is written. The exit status is 0 only if
    both models predict the same.
    """
    from include.retraining.replay import replay

    console = _console()
    again = replay(pipeline, version, _progress(console))
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


@main.command("validate-config")
@click.argument("pipelines", nargs=-1)
def validate_config(pipelines: tuple[str, ...]) -> None:
    """Name every mistake in every pipeline's folder (or in those of PIPELINES)."""
    from include.features.query import check_query
    from include.validation.suite import read_suite, suite_path

    names = pipelines or catalog.pipeline_names()
    if not names:
        raise click.ClickException(f"{settings.pipelines_folder()} holds no folder with a pipeline.yaml")
    found = 0
    for name in names:
        folder = settings.pipelines_folder() / name
        if not (folder / "pipeline.yaml").is_file():
            catalog.load_pipeline(name)  # says what is missing, with the nearest name
        pipeline, mistakes = catalog.read_pipeline(folder)
        if pipeline is not None:
            for suite in [*pipeline.sources, "features"]:
                mistakes += read_suite(suite_path(folder, suite))[1]
            mistakes += catalog.stray_suites(pipeline)
            if not mistakes:
                mistakes += _mistakes_of_candidates(pipeline)
                wrong = check_query(pipeline)
                mistakes += [wrong] if wrong else []
        for mistake in mistakes:
            click.echo(mistake)
        if not mistakes:
            click.echo(f"{name}: ok")
        found += len(mistakes)
    if found:
        raise click.ClickException(f"{found} mistake{'s' * (found > 1)} found")


@main.command("prove-features")
@click.argument("pipeline")
@click.option("--as-of", type=click.DateTime(["%Y-%m-%d"]), help="Last UTC day known; default: the last one ingested.")
@click.option("--cut-offs", type=click.IntRange(min=1), default=20, show_default=True, help="How many times to check.")
@click.option("--seed", type=int, default=0, show_default=True, help="Another one draws other times.")
def prove_features(pipeline: str, as_of: datetime | None, cut_offs: int, seed: int) -> None:
    """Prove that no feature of PIPELINE knows the future.

    At several times, the rows of the day before are built again of what was known then, and must be the same.
    """
    from include.features.proof import prove_newest

    day = as_of.date() if as_of else None
    prove_newest(catalog.load_pipeline(pipeline), day, cut_offs=cut_offs, seed=seed, told=click.echo)


@main.group()
def quarantine() -> None:
    """Show and decide about rows that were not fit to be published."""


_DAY = click.DateTime(["%Y-%m-%d"])


@quarantine.command("list")
@click.argument("pipeline")
@click.argument("source", required=False)
@click.option("--all", "everything", is_flag=True, help="Also what was decided.")
def list_quarantine(pipeline: str, source: str | None, everything: bool) -> None:
    """Show the rows of PIPELINE (or of one SOURCE) that are held, with their reasons."""
    from include.ingestion.quarantine import quarantined

    loaded = catalog.load_pipeline(pipeline)
    names = [_source(loaded, source)] if source else list(loaded.sources)
    found = 0
    for name in names:
        for row in quarantined(pipeline, name).to_pylist():
            if everything or row["status"] == "held":
                click.echo(f"{name} {row['day']} {row['row_id']} {row['status']}: {row['reason']}: {row['row']}")
                found += 1
    if not found:
        click.echo("no row is held in quarantine")


def _decision(name: str, status: Status, text: str) -> None:
    """Add the command that releases rows, or the one that discards them."""

    @quarantine.command(name, help=text)
    @click.argument("pipeline")
    @click.argument("source")
    @click.option("--start", type=_DAY, required=True, help="First day of the rows.")
    @click.option("--end", type=_DAY, help="Last day of the rows; default: the first.")
    @click.option("--row", "rows", multiple=True, help="Id of a row; may be given several times. Default: every row.")
    @click.option("--note", required=True, help="Why; it is kept with the rows.")
    def decide(
        pipeline: str, source: str, start: datetime, end: datetime | None, rows: tuple[str, ...], note: str
    ) -> None:
        from getpass import getuser

        from include.validation.decide import decide_rows

        loaded = catalog.load_pipeline(pipeline)
        last = (end or start).date()
        row_ids = set(rows) or None
        count = decide_rows(
            loaded, _source(loaded, source), start.date(), last, status, row_ids=row_ids, by=getuser(), note=note
        )
        click.echo(f"{count} row{'' if count == 1 else 's'} {status}; what there is to publish is published")


_decision("release", "released", "Publish held rows of SOURCE although they break an expectation.")
_decision("hold", "held", "Take a decision about rows of SOURCE back; they are judged and held as before.")
_decision("discard", "discarded", "Give up held rows of SOURCE; the rest of their day may then be published.")


@main.command("suggest-expectations")
@click.argument("pipeline")
@click.argument("source")
@click.option("--days", type=click.IntRange(min=1), help="Look at so many of the last published days; default: 28.")
@click.option("--start", type=click.DateTime(["%Y-%m-%d"]), help="Read the source itself from this UTC day on.")
@click.option("--end", type=click.DateTime(["%Y-%m-%d"]), help="Read the source itself to this UTC day.")
@click.option("--print", "print_only", is_flag=True, help="Print the suite instead of writing it.")
@click.option("--force", is_flag=True, help="Replace the suite that is there.")
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

    The rows are the published ones. Where there are none yet, or with --start or --end, the source itself is
    read: those days, by default yesterday.
    """
    from include.connections import EnvironmentConnections
    from include.demo.sources import prepare_sources
    from include.ingestion.extract import extract_source
    from include.validation.suggest import suggest_from_batch, suggest_from_lake
    from include.validation.suite import suite_path
    from include.wording import unknown

    today = datetime.now(UTC).date()
    last = end.date() if end else today - timedelta(days=1)
    first = start.date() if start else last
    if days and (start or end):
        raise click.UsageError("--days counts published days; --start and --end name days that are read anew")
    if first > last:
        raise click.UsageError(f"--start ({first}) is after --end ({last})")
    loaded = catalog.load_pipeline(pipeline)
    if source not in loaded.sources:
        raise ConfigError(f"{pipeline}: {unknown('source', source, list(loaded.sources))}")
    path = suite_path(loaded.folder, source)
    if path.exists() and not (print_only or force):
        raise ConfigError(
            f"{path} exists and was left as it is; see what is suggested with --print, or replace the file with --force"
        )
    suite = None if start or end else suggest_from_lake(loaded, source, days or 28)
    if suite is None:
        if _reads_demo(loaded):
            prepare_sources(_sources_folder(), today)
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


@main.command()
def schema() -> None:
    """Print the JSON Schema of pipeline.yaml, for editors."""
    from include.config import json_schema

    click.echo(json.dumps(json_schema(), indent=2))


@main.command()
@click.option("--exit", "exit_after", is_flag=True, help="End after the verdict; status 0 only if promoted.")
def demo(exit_after: bool) -> None:
    """Show the whole night on real data: Airflow, MLflow, ingest, retrain, verdict."""
    from include.demo.show import run_demo

    raise SystemExit(run_demo(exit_after=exit_after))


@main.command()
def up() -> None:
    """Start Airflow and MLflow on this machine, until Ctrl-C."""
    from include.demo.show import run_up

    raise SystemExit(run_up())


@main.command()
def sources() -> None:
    """Prepare the demo's database and landing folder."""
    from include.demo.sources import prepare_sources

    made = prepare_sources(_sources_folder(), datetime.now(UTC).date())
    click.echo(f"{made.database} and {made.landing}: {made.first_day} to {made.last_day}")


@main.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def airflow(arguments: tuple[str, ...]) -> None:
    """Run Airflow's own command in the environment of the embedded stack."""
    from include.embedded.environment import run_airflow

    raise SystemExit(run_airflow(arguments))


@main.command("document-features")
@click.argument("pipeline")
@click.option("--output", type=click.Path(dir_okay=False), help="Write the page there; default: beside the table.")
def document_features(pipeline: str, output: str | None) -> None:
    """Write the page of PIPELINE's features: what each is, where it comes from, what the champion has of it."""
    from pathlib import Path

    from include.errors import ConfigError
    from include.features.page import feature_page, newest_features, write_feature_page
    from include.tracking.importance import champion_importance

    loaded = catalog.load_pipeline(pipeline)
    table, champion = newest_features(loaded), champion_importance(pipeline)
    if output is None:
        click.echo(write_feature_page(loaded, table, champion))
        return
    try:
        Path(output).write_text(feature_page(loaded, table, champion), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{output} could not be written ({error.strerror or error}); name another file") from error
    click.echo(output)


def _demo_environment() -> None:
    """Read .env, and offer the demo's connections where they are not defined."""
    from include.demo.sources import connections

    for name, value in (settings.env_file() | connections(_sources_folder())).items():
        os.environ.setdefault(name, value)


def _mistakes_of_candidates(pipeline: Pipeline) -> list[str]:
    """Name what keeps a candidate from being fitted: an import path, a parameter, a package that is not there."""
    from include.training.check import check_candidates

    try:
        check_candidates(pipeline)
    except ConfigError as error:
        return [str(error)]
    return []


def _source(pipeline: Pipeline, name: str) -> str:
    """Return a source's name, if the pipeline has it."""
    if name not in pipeline.sources:
        raise click.ClickException(f"{pipeline.name}: {unknown('source', name, list(pipeline.sources))}")
    return name


def _reads_demo(pipeline: Pipeline) -> bool:
    """Return whether a pipeline reads the demo's own sources."""
    from include.demo.sources import connections

    named = {f"AIRFLOW_CONN_{source.connection.upper()}" for source in pipeline.sources.values()}
    return any(name in named and os.environ[name] == value for name, value in connections(_sources_folder()).items())


def _sources_folder() -> Path:
    return settings.home() / "sources"


def _console() -> Console:
    from rich.console import Console

    return Console()


def _progress(console: Console) -> Progress:
    """Return what shows a step while it runs, and its seconds afterwards."""

    @contextmanager
    def progress(step: str) -> Iterator[None]:
        start = time.monotonic()
        with console.status(f"{step} …"):
            yield
        console.print(f"  {step:<40} {time.monotonic() - start:7.1f} s")

    return progress
