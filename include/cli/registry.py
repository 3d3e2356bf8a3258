"""`promote`, `rollback`, `hold` and `release`: a person's decisions about the champion."""

from __future__ import annotations

from getpass import getuser
from typing import TYPE_CHECKING

import click

from include.config import loader

if TYPE_CHECKING:
    from include.registry.promotion import ChampionChange


def _not_empty(context: click.Context, option: click.Parameter, value: str) -> str:
    """Refuse an empty reason."""
    if not value.strip():
        raise click.BadParameter("it is empty; give the reason in a few words, for the readers of the decision record")
    return value


_why = click.option("--reason", required=True, callback=_not_empty, help="Why; kept in the decision record.")
_who = click.option("--by", default=getuser, show_default="you", help="Who decides.")


@click.command()
@click.argument("pipeline")
@click.option("--version", type=click.IntRange(min=1), required=True, help="Version to promote.")
@_why
@_who
def promote(pipeline: str, version: int, reason: str, by: str) -> None:
    """Make a registered version of PIPELINE the champion, whatever the gate decided.

    The command verifies the version's files and loads the model before it changes anything. A hold stays in force.
    """
    from include.workflows.retrain import decisions

    loaded = loader.load_pipeline(pipeline)
    decisions.check_promotable(loaded, version)
    _show(decisions.promote(loaded, version, reason=reason, by=by))


@click.command()
@click.argument("pipeline")
@click.option("--version", type=click.IntRange(min=1), help="Version to restore; default: the previous champion.")
@_why
@_who
def rollback(pipeline: str, version: int | None, reason: str, by: str) -> None:
    """Make an earlier version of PIPELINE the champion again, and hold automatic promotion.

    The command verifies the version's files and loads the model before it changes anything.
    """
    from include.workflows.retrain import decisions

    _show(decisions.rollback(loader.load_pipeline(pipeline), version, reason=reason, by=by))


@click.command()
@click.argument("pipeline")
@_why
@_who
def hold(pipeline: str, reason: str, by: str) -> None:
    """Stop automatic promotion for PIPELINE until `release`; runs continue and register challengers."""
    from include.workflows.retrain import decisions

    _show(decisions.hold(loader.load_pipeline(pipeline), reason=reason, by=by))


@click.command()
@click.argument("pipeline")
@_who
def release(pipeline: str, by: str) -> None:
    """Allow automatic promotion for PIPELINE again, from the next run that passes the gate."""
    from include.workflows.retrain import decisions

    change, was = decisions.release(loader.load_pipeline(pipeline), by=by)
    click.echo(was)
    _show(change)


def _show(change: ChampionChange) -> None:
    """Print the champion before and after, and whether promotion is on hold."""
    from include.workflows.retrain import decisions

    for line in decisions.describe_change(change):
        click.echo(line)
