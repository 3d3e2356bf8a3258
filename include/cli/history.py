"""`history` and `verify`: the decision records of a pipeline's models, and whether they are unchanged."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from include.config import loader

if TYPE_CHECKING:
    from include.registry.records.record import Record


@click.command()
@click.argument("pipeline")
@click.option("--last", type=click.IntRange(min=1), metavar="N", help="Only the last N records; default: all.")
@click.option("--json", "as_json", is_flag=True, help="Print the records as JSON, with the digests of their files.")
def history(pipeline: str, last: int | None, as_json: bool) -> None:
    """Show the decisions about PIPELINE's models, oldest first."""
    from include.registry.records.chain import read_all
    from include.registry.records.table import history_table

    records = read_all(pipeline)
    _known(pipeline, records)
    shown = records[-last:] if last else records
    if as_json:
        documents = [record.document() | {"digest": record.digest} for record in shown]
        click.echo(json.dumps(documents, indent=1, ensure_ascii=False))
    elif shown:
        click.echo(history_table(shown))
    else:
        click.echo(f"{pipeline}: nothing is recorded yet")


@click.command()
@click.argument("pipeline")
@click.option("--head", metavar="DIGEST", help="Digest of a record from a run's log; the record must still exist.")
@click.option("--models/--no-models", default=True, help="Compare every version's files in MLflow with their digests.")
def verify(pipeline: str, head: str | None, models: bool) -> None:
    """Verify that PIPELINE's decision records, and the models that they name, are unchanged.

    The exit status is 0 only if they are. Deleted records at the end are found only with --head.
    """
    from include.registry.champion import find_champion
    from include.registry.records.chain import examine
    from include.registry.verification import champion_note, verify_models

    records, problems = examine(pipeline, head)
    if not problems:
        _known(pipeline, records)
    if models:
        problems += verify_models(pipeline, records)
        champion = find_champion(pipeline)
        note = champion_note(pipeline, champion.version if champion else None, records)
        if note:
            click.echo(f"note: {note}", err=True)
    for problem in problems:
        click.echo(problem)
    if problems:
        raise click.ClickException(f"{len(problems)} problem{'s' * (len(problems) > 1)} found")
    count = f"{len(records)} record{'s' * (len(records) != 1)} of {pipeline}"
    versions = {record.content.get("challenger_version") for record in records if record.kind == "retrain"} - {None}
    if models and versions:
        count += f" and the files of {len(versions)} version{'s' * (len(versions) != 1)}"
    click.echo(f"ok: {count}" + (f", the last has the digest {records[-1].digest}" if records else ""))


def _known(pipeline: str, records: list[Record]) -> None:
    """Refuse an unknown name without records; a removed pipeline still has its records."""
    if not records:
        loader.load_pipeline(pipeline)
