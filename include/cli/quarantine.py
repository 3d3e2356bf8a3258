"""`quarantine`: rows that broke an expectation and were not published."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from include.cli.shared import DAY, named_source
from include.config import loader

if TYPE_CHECKING:
    from datetime import datetime

    from include.ingestion.quarantine import Status


@click.group()
def quarantine() -> None:
    """List, release or discard rows that broke an expectation and were not published."""


@quarantine.command("list")
@click.argument("pipeline")
@click.argument("source", required=False)
@click.option("--all", "everything", is_flag=True, help="Show decided rows, too.")
def list_quarantine(pipeline: str, source: str | None, everything: bool) -> None:
    """List the quarantined rows of PIPELINE (or of one SOURCE) with their reasons."""
    from include.ingestion.quarantine import quarantined

    loaded = loader.load_pipeline(pipeline)
    names = [named_source(loaded, source)] if source else list(loaded.sources)
    found = 0
    for name in names:
        for row in quarantined(pipeline, name).to_pylist():
            if everything or row["status"] == "held":
                click.echo(f"{name} {row['day']} {row['row_id']} {row['status']}: {row['reason']}: {row['row']}")
                found += 1
    if not found:
        click.echo("no row is held in quarantine")


def _decision(name: str, status: Status, text: str) -> None:
    """Add a command that changes the status of quarantined rows."""

    @quarantine.command(name, help=text)
    @click.argument("pipeline")
    @click.argument("source")
    @click.option("--start", type=DAY, required=True, help="First day of the rows.")
    @click.option("--end", type=DAY, help="Last day of the rows; default: the first.")
    @click.option("--row", "rows", multiple=True, help="Row id; can be repeated. Default: every row.")
    @click.option("--note", required=True, help="Reason of the decision; stored with the rows.")
    def decide(
        pipeline: str, source: str, start: datetime, end: datetime | None, rows: tuple[str, ...], note: str
    ) -> None:
        from getpass import getuser

        from include.validation.decide import decide_rows

        loaded = loader.load_pipeline(pipeline)
        last = (end or start).date()
        row_ids = set(rows) or None
        count = decide_rows(
            loaded, named_source(loaded, source), start.date(), last, status, row_ids=row_ids, by=getuser(), note=note
        )
        click.echo(f"{count} row{'' if count == 1 else 's'} {status}; what there is to publish is published")


_decision("release", "released", "Publish quarantined rows of SOURCE although they break an expectation.")
_decision(
    "hold", "held", "Undo a decision about rows of SOURCE; they are quarantined again if they break an expectation."
)
_decision(
    "discard", "discarded", "Drop quarantined rows of SOURCE for good; the rest of their day can then be published."
)
