"""`prove-features` and `document-features`: what the features know, and what they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from include.config import loader

if TYPE_CHECKING:
    from datetime import datetime


@click.command("prove-features")
@click.argument("pipeline")
@click.option("--as-of", type=click.DateTime(["%Y-%m-%d"]), help="Last UTC day known; default: the last one ingested.")
@click.option("--cut-offs", type=click.IntRange(min=1), default=20, show_default=True, help="How many times to check.")
@click.option("--seed", type=int, default=0, show_default=True, help="Another one draws other times.")
def prove_features(pipeline: str, as_of: datetime | None, cut_offs: int, seed: int) -> None:
    """Prove that no feature of PIPELINE knows the future.

    At several times, the rows of the day before are built again of what was known then, and must be the same.
    """
    from include.features.leakage_check import check_newest_features

    day = as_of.date() if as_of else None
    check_newest_features(loader.load_pipeline(pipeline), day, cut_offs=cut_offs, seed=seed, report_line=click.echo)


@click.command("document-features")
@click.argument("pipeline")
@click.option("--output", type=click.Path(dir_okay=False), help="Write the page there; default: beside the table.")
def document_features(pipeline: str, output: str | None) -> None:
    """Write the page of PIPELINE's features: what each is, where it comes from, what the champion has of it."""
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
