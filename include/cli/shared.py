"""Shared by several commands: the console, the demo's sources, and the check of a source's name."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from include.core import settings
from include.core.suggestions import unknown_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date
    from pathlib import Path

    from rich.console import Console

    from include.config.pipeline import Pipeline
    from include.workflows.retrain.run import Progress

#: Format of a day on the command line.
DAY = click.DateTime(["%Y-%m-%d"])


def named_source(pipeline: Pipeline, name: str) -> str:
    """Return the name of a source; refuse a name that the pipeline does not have."""
    if name not in pipeline.sources:
        raise click.ClickException(f"{pipeline.name}: {unknown_name('source', name, list(pipeline.sources))}")
    return name


def reads_demo(pipeline: Pipeline) -> bool:
    """Return whether a pipeline reads the demo's own sources."""
    from include.ops.demo.sources import connections

    named = {f"AIRFLOW_CONN_{source.connection.upper()}" for source in pipeline.sources.values()}
    return any(name in named and os.environ[name] == value for name, value in connections(sources_folder()).items())


def prepare_demo(pipeline: Pipeline, today: date, progress: Progress) -> None:
    """Write the demo's sources up to today if the pipeline reads them."""
    from include.ops.demo.sources import prepare_sources

    if reads_demo(pipeline):
        with progress("prepare_sources"):
            prepare_sources(sources_folder(), today)


def sources_folder() -> Path:
    """Return the folder of the demo's sources."""
    return settings.home() / "sources"


def new_console() -> Console:
    """Return a Rich console."""
    from rich.console import Console

    return Console()


def show_progress(console: Console) -> Progress:
    """Return a context manager that shows a running step, and its duration afterwards."""

    @contextmanager
    def progress(step: str) -> Iterator[None]:
        start = time.monotonic()
        with console.status(f"{step} …"):
            yield
        console.print(f"  {step:<40} {time.monotonic() - start:7.1f} s")

    return progress
