"""`prove-features` and `document-features`: the leakage check and the feature page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from include.config import loader

if TYPE_CHECKING:
    from datetime import datetime


@click.command("prove-features")
@click.argument("pipeline")
@click.option("--as-of", type=click.DateTime(["%Y-%m-%d"]), help="Last UTC day known; default: the last day ingested.")
@click.option(
    "--cut-offs", type=click.IntRange(min=1), default=20, show_default=True, help="Number of cut-off times to check."
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the random cut-off times."
)
def prove_features(pipeline: str, as_of: datetime | None, cut_offs: int, seed: int) -> None:
    """Check PIPELINE's features for leakage from the future.

    At several cut-off times, the check rebuilds the rows of the day before from the data known then. A value that
    changes has used data from the future.
    """
    from include.features.leakage_check import check_newest_features

    day = as_of.date() if as_of else None
    check_newest_features(loader.load_pipeline(pipeline), day, cut_offs=cut_offs, seed=seed, report_line=click.echo)


@click.command("document-features")
@click.argument("pipeline")
@click.option(
    "--output", type=click.Path(dir_okay=False), help="File for the page; default: next to the feature table."
)
def document_features(pipeline: str, output: str | None) -> None:
    """Write the page of PIPELINE's features: definition, lineage, and importance for the champion."""
    from pathlib import Path

    from include.core.errors import ConfigError
    from include.registry.importance import champion_importance
    from include.reports.feature_page import feature_page, newest_features, write_feature_page

    loaded = loader.load_pipeline(pipeline)
    table, champion = newest_features(loaded), champion_importance(pipeline)
    if output is None:
        click.echo(write_feature_page(loaded, table, champion))
        return
    try:
        Path(output).write_text(feature_page(loaded, table, champion), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{output} could not be written ({error.strerror or error}); name another file") from error
    click.echo(output)
