"""`backup` and `restore`: the databases of Airflow and MLflow, MLflow's files and the lake, as one."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("to", type=click.Path(file_okay=False, path_type=Path))
def backup(to: Path) -> None:
    """Copy the databases, the model files and the lake into a new folder below TO, while they are in use."""
    from include.ops.production.backup import back_up

    click.echo(f"backup: {back_up(to, click.echo)}")


@click.command()
@click.argument("source", metavar="FROM", type=click.Path(file_okay=False, path_type=Path))
def restore(source: Path) -> None:
    """Restore the backup FROM into empty databases and folders, and verify its records and models.

    The exit status is 0 only if they are unchanged.
    """
    from include.ops.production.restore import restore as put_back

    problems = put_back(source, click.echo)
    if problems:
        raise click.ClickException(f"{len(problems)} problem{'s' * (len(problems) > 1)} found")
    click.echo(f"restored: {source}")
