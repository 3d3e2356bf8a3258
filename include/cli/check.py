"""`validate-config` and `schema`: check that the configuration can run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from include.config import loader
from include.core import settings
from include.core.errors import ConfigError, FeatureQueryFailed, NightshiftError, ScoringImpossible

if TYPE_CHECKING:
    from include.config.pipeline import Pipeline


@click.command("validate-config")
@click.argument("pipelines", nargs=-1)
def validate_config(pipelines: tuple[str, ...]) -> None:
    """Report every mistake in the folders of PIPELINES; default: all pipelines."""
    names = pipelines or loader.pipeline_names()
    if not names:
        raise click.ClickException(f"{settings.pipelines_folder()} holds no folder with a pipeline.yaml")
    found = 0
    for name in names:
        if name not in loader.pipeline_names():
            loader.load_pipeline(name)  # says what is missing, with the nearest name
        try:
            mistakes = _mistakes(name)
        except NightshiftError as error:
            mistakes = str(error).splitlines()
        except (Exception, SystemExit) as error:  # noqa: BLE001  the others are checked all the same
            mistakes = [f"{name}: it cannot be checked: {type(error).__name__}: {error}; correct its folder"]
        for mistake in mistakes:
            click.echo(mistake)
        if not mistakes:
            click.echo(f"{name}: ok")
        found += len(mistakes)
    if found:
        raise click.ClickException(f"{found} mistake{'s' * (found > 1)} found")


@click.command()
def schema() -> None:
    """Print the JSON Schema of pipeline.yaml, for editors."""
    from include.config.pipeline import json_schema

    click.echo(json.dumps(json_schema(), indent=2))


def _mistakes(name: str) -> list[str]:
    """Return every mistake in a pipeline's folder; later checks run only if pipeline.yaml is valid."""
    from include.features.query import feature_schema
    from include.validation.suite import read_items, suite_path
    from include.validation.trial import source_columns, try_suite

    pipeline, mistakes = loader.read_pipeline(settings.pipelines_folder() / name)
    if pipeline is None:
        return mistakes
    runnable = not mistakes
    suites = {}
    for suite in [*pipeline.sources, "features"]:
        suites[suite], wrong = read_items(suite_path(pipeline.folder, suite))
        mistakes += wrong
    mistakes += loader.stray_suites(pipeline)
    for name_of_source, source in pipeline.sources.items():
        mistakes += try_suite(suites[name_of_source], source_columns(source))
    if runnable:
        mistakes += _mistakes_of_code(pipeline)
        try:
            mistakes += try_suite(suites["features"], feature_schema(pipeline))
        except (ConfigError, FeatureQueryFailed) as error:
            mistakes.append(str(error))
    return mistakes


def _mistakes_of_code(pipeline: Pipeline) -> list[str]:
    """Return the mistakes that only show when queries, candidates, gate checks and the prediction key are loaded."""
    from include.gate.selection import check_gate
    from include.training.check import check_candidates
    from include.workflows.score.plan import check_key

    mistakes = []
    for check in (_check_sources, check_candidates, check_gate, *([check_key] if pipeline.schedule.score else [])):
        try:
            check(pipeline)
        except (ConfigError, ScoringImpossible) as error:
            mistakes.append(str(error))
    return mistakes


def _check_sources(pipeline: Pipeline) -> None:
    """Check what each source needs of the pipeline's folder, such as its query."""
    from include.ingestion.source_reader import reader_of

    for source in pipeline.sources.values():
        reader_of(source).check(pipeline)
