"""`validate-config` and `schema`: the configuration, held against what can be run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from include import catalog, settings
from include.errors import ConfigError

if TYPE_CHECKING:
    from include.config import Pipeline


@click.command("validate-config")
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
                mistakes += _mistakes_of_code(pipeline)
                wrong = check_query(pipeline)
                mistakes += [wrong] if wrong else []
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
    from include.config import json_schema

    click.echo(json.dumps(json_schema(), indent=2))


def _mistakes_of_code(pipeline: Pipeline) -> list[str]:
    """Name what keeps a candidate or a check from being made: an import path, a parameter, a missing package."""
    from include.gate.selection import check_gate
    from include.training.check import check_candidates

    mistakes = []
    for check in (check_candidates, check_gate):
        try:
            check(pipeline)
        except ConfigError as error:
            mistakes.append(str(error))
    return mistakes
