"""`promote`, `rollback`, `hold` and `release`: what a person decides about the champion."""

from __future__ import annotations

from getpass import getuser
from typing import TYPE_CHECKING

import click

from include.config import loader

if TYPE_CHECKING:
    from include.registry.promotion import ChampionChange


def _said(context: click.Context, option: click.Parameter, value: str) -> str:
    """Return a reason that says something."""
    if not value.strip():
        raise click.BadParameter("it is empty; say in a few words why, for whoever reads the record")
    return value


_why = click.option("--reason", required=True, callback=_said, help="Why; it is kept with the decision.")
_who = click.option("--by", default=getuser, show_default="you", help="Who decides.")


@click.command()
@click.argument("pipeline")
@click.option("--version", type=click.IntRange(min=1), required=True, help="Version that is to be champion.")
@_why
@_who
def promote(pipeline: str, version: int, reason: str, by: str) -> None:
    """Make a registered version of PIPELINE the champion, whatever the gate said of it.

    Its files are verified and it is loaded before anything changes. A hold stays in force.
    """
    from include.workflows.retrain import decisions

    _show(decisions.promote(loader.load_pipeline(pipeline), version, reason=reason, by=by))


@click.command()
@click.argument("pipeline")
@click.option("--version", type=click.IntRange(min=1), help="Version to go back to; default: the champion before.")
@_why
@_who
def rollback(pipeline: str, version: int | None, reason: str, by: str) -> None:
    """Make an earlier version of PIPELINE the champion again, and hold automatic promotion.

    Its files are verified and it is loaded before anything changes.
    """
    from include.workflows.retrain import decisions

    _show(decisions.rollback(loader.load_pipeline(pipeline), version, reason=reason, by=by))


@click.command()
@click.argument("pipeline")
@_why
@_who
def hold(pipeline: str, reason: str, by: str) -> None:
    """Let no run of PIPELINE promote until the hold is released; runs go on and register challengers."""
    from include.workflows.retrain import decisions

    _show(decisions.hold(loader.load_pipeline(pipeline), reason=reason, by=by))


@click.command()
@click.argument("pipeline")
@_who
def release(pipeline: str, by: str) -> None:
    """Let runs of PIPELINE promote again; the next one that passes the gate does."""
    from include.workflows.retrain import decisions

    change, was = decisions.release(loader.load_pipeline(pipeline), by=by)
    click.echo(was)
    _show(change)


def _show(change: ChampionChange) -> None:
    """Print which version was champion and is, and what is held."""
    from include.workflows.retrain import decisions

    for line in decisions.describe_change(change):
        click.echo(line)
