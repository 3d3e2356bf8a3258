"""What the benchmarks share: rounds that take turns, a stopwatch, and a temporary home with a year's lake."""

from __future__ import annotations

import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from include import lake
from include.config.loader import load_pipeline
from include.core import settings
from include.core.connections import EnvironmentConnections
from include.ops.demo.sources import FIRST_DAY, LAST_DAY, connections, prepare_sources
from include.ops.embedded.environment import read_env
from include.workflows.retrain.run import ingest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from include.config.pipeline import Pipeline

PIPELINE = "flight_delays"
#: Of each comparison; BENCH_ROUNDS says another number.
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))

#: A day's schedule is published at noon of the day before, so the year's files hold none for its last day.
LAST_INGESTED = LAST_DAY - timedelta(days=1)


@dataclass(frozen=True)
class Comparison:
    """Seconds of the same work done by Nightshift and without it, each of shape (n_rounds,)."""

    name: str
    ours: list[float]
    bare: list[float]
    limit: float

    @property
    def ratio(self) -> float:
        """The median of ours over the median of the bare ones."""
        return statistics.median(self.ours) / statistics.median(self.bare)

    @property
    def ratio_of_minima(self) -> float:
        """The same of the quickest rounds, which other work on the machine disturbed least."""
        return min(self.ours) / min(self.bare)


class Stopwatch:
    """Collects the seconds of named steps; a `Progress` for `include.workflows.retrain.run`."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {}

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        """Time the block as one round of a step."""
        start = time.perf_counter()
        yield
        self.seconds.setdefault(step, []).append(time.perf_counter() - start)

    def medians(self) -> dict[str, float]:
        """Return the median seconds of each step."""
        return {step: statistics.median(rounds) for step, rounds in self.seconds.items()}


def seconds_of(work: Callable[[], object]) -> float:
    """Return how long a call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def take_turns(
    ours: Callable[[], object],
    bare: Callable[[], object],
    prepare: Callable[[], object],
) -> tuple[list[float], list[float]]:
    """Time both in turns, so that what disturbs the machine for a while disturbs both; `prepare` is not timed."""
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for work, seconds in zip((ours, bare), taken, strict=True):
            prepare()
            seconds.append(seconds_of(work))
    return taken


def start_afresh() -> None:
    """Forget what an earlier round leaves to a later one.

    That is the feature table, which a run as of the same day would use again, and the address of its
    store, which MLflow writes to the environment when it is set.
    """
    shutil.rmtree(lake.features_uri(PIPELINE), ignore_errors=True)
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        os.environ.pop(name, None)


def use_home(home: Path) -> None:
    """Let all that follows in this process keep its state in a folder."""
    os.environ["NIGHTSHIFT_HOME"] = str(home)
    os.environ["LAKE_URI"] = str(home / "lake")  # said, so that a .env file has no say


@contextmanager
def temporary_home() -> Iterator[Path]:
    """Yield a home folder that holds the demo's sources, with no setting of this machine; removed at the end.

    This process then has the settings that the embedded stack gives to its tasks, so that it computes as they do.
    """
    for name in list(os.environ):
        if name.startswith(("NIGHTSHIFT_", "MLFLOW_", "AIRFLOW_", "OPTUNA_")) or name == "LAKE_URI":
            del os.environ[name]
    for name, value in read_env(settings.root() / "config" / "embedded.env").items():
        os.environ.setdefault(name, value)
    with tempfile.TemporaryDirectory(prefix="nightshift-bench-") as folder:
        home = Path(folder).resolve() / "home"
        use_home(home)
        sources = home / "sources"
        sources.parent.mkdir()
        prepare_sources(sources, LAST_DAY, days=(FIRST_DAY, LAST_DAY))
        os.environ.update(connections(sources))
        yield home


def ingest_year(pipeline: Pipeline) -> None:
    """Bring every source of 2013 into the lake."""
    ingest(pipeline, FIRST_DAY, LAST_INGESTED, EnvironmentConnections())


def the_pipeline() -> Pipeline:
    """Return the pipeline that is measured."""
    return load_pipeline(PIPELINE)


def machine() -> str:
    """Say what kind of machine this is."""
    gigabytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    return f"{os.cpu_count()} cores with {gigabytes:.0f} GB of memory ({platform.system()}, {platform.machine()})"


def tell(line: str) -> None:
    """Say what is being measured, in the terminal."""
    print(line, file=sys.stderr, flush=True)
