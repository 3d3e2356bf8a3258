"""A point-in-time build of many events: Nightshift beside DuckDB by hand and pandas, with the memory of each."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from benchmarks.measure import Comparison, tell
from include.core import settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: Rounds by rows of events; the questions are a third as many.
ROUNDS = {1_000_000: 2, 3_000_000: 1, 10_000_000: 1}
LIMITS = {"duckdb": 1.3, "pandas": 0.33}
SHOWN = {"nightshift": "Nightshift", "duckdb": "DuckDB by hand", "pandas": "pandas"}
#: DuckDB may take so much before it spills, in Nightshift and by hand.
QUERY_MEMORY = "4GB"
#: Beyond these pandas is stopped.
PANDAS_SECONDS, PANDAS_GB = 600, 20

_SECTION = """\
## A point-in-time build

Seeded events of 60 days in a lake, and a third as many questions, each of one of the entities (a hundredth of the
events) at a moment. Of each question: the last value that was known, the days since, and sum, mean and count of the
values that became known in the 7 days before. Nightshift's `build_features` runs a `features.sql`; by hand, DuckDB
runs a query of its own; pandas has `merge_asof` and a rolling window by entity. All read the same Delta tables and
write one. Each build is a process of its own: seconds without its imports (median of the rounds; Nightshift and the
others take turns), and the most resident memory that it had, the libraries' share included. DuckDB may take {memory}
before it spills. The results were compared and are equal, to the precision of sums of floats in any order.

| events | rounds | {systems} |
|---:|---:|{lines}|
{rows}
"""


@dataclass
class PointInTime:
    """What was measured for one number of events.

    Attributes
    ----------
    seconds
        By system, of each round.
    gigabytes
        By system, the most resident memory of any round.
    stopped
        By system, why it was not measured.
    """

    events: int
    seconds: dict[str, list[float]] = field(default_factory=dict)
    gigabytes: dict[str, float] = field(default_factory=dict)
    stopped: dict[str, str] = field(default_factory=dict)

    def comparisons(self) -> list[Comparison]:
        """Return Nightshift's seconds beside each of the others that came to an end."""
        shown = f"{self.events / 1e6:g} million events"
        return [
            Comparison(f"{shown}, beside {SHOWN[other]}", self.seconds["nightshift"], self.seconds[other], limit)
            for other, limit in LIMITS.items()
            if other in self.seconds and other not in self.stopped
        ]


def compare_point_in_time(rounds: Mapping[int, int] = ROUNDS) -> list[PointInTime]:
    """Measure every number of events, each in a lake of its own; the results of each are compared."""
    return [_measure(events, number) for events, number in rounds.items()]


def section(measured: Iterable[PointInTime]) -> str:
    """Return the part of the page."""
    return _SECTION.format(
        memory=QUERY_MEMORY,
        systems=" | ".join(f"{shown}: s | GB" for shown in SHOWN.values()),
        lines="|".join(["---:"] * 2 * len(SHOWN)),
        rows="\n".join(map(_row, measured)),
    )


def _row(each: PointInTime) -> str:
    cells = []
    for system in SHOWN:
        if system in each.stopped:
            cells += [each.stopped[system], "-"]
        else:
            cells += [f"{statistics.median(each.seconds[system]):.2f}", f"{each.gigabytes[system]:.2f}"]
    rounds = len(each.seconds["nightshift"])
    return f"| {each.events:,} | {rounds} | {' | '.join(cells)} |"


def _measure(events: int, rounds: int) -> PointInTime:
    measured = PointInTime(events)
    with TemporaryDirectory(prefix="bench-point-in-time-") as folder:
        _call("write", Path(folder), events)
        for _ in range(rounds):
            for system in SHOWN:
                if system not in measured.stopped:
                    _build(measured, system, Path(folder))
        for other in LIMITS:
            if other not in measured.stopped:
                _call("compare", Path(folder), events, other)
    return measured


def _build(measured: PointInTime, system: str, folder: Path) -> None:
    limit = PANDAS_SECONDS if system == "pandas" else None
    try:
        found = _call(system, folder, measured.events, limit=limit)
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as error:
        if system != "pandas":
            raise
        # its memory is bounded, and where the machine has less than that, the kernel ends it
        too_long = isinstance(error, subprocess.TimeoutExpired)
        why = f"more than {PANDAS_SECONDS:,} s" if too_long else f"failed, with at most {PANDAS_GB} GB"
        measured.stopped[system] = why
        tell(f"  {measured.events:,} events, {system}: {why}")
        return
    measured.seconds.setdefault(system, []).append(found["seconds"])
    measured.gigabytes[system] = max(found["gigabytes"], measured.gigabytes.get(system, 0.0))
    tell(f"  {measured.events:,} events, {system}: {found['seconds']:.2f} s, {found['gigabytes']:.2f} GB")


def _call(what: str, folder: Path, events: int, *more: str, limit: float | None = None) -> dict[str, Any]:
    """Do one thing in a process of its own, with a home and a lake of its own; return what it says."""
    environment = os.environ | {
        "NIGHTSHIFT_HOME": str(folder / "home"),
        "LAKE_URI": str(folder / "lake"),
        "NIGHTSHIFT_PIPELINES": str(folder / "pipelines"),
        "NIGHTSHIFT_QUERY_MEMORY": QUERY_MEMORY,
        "BENCH_MEMORY_GB": str(PANDAS_GB) if what == "pandas" else "",
    }
    command = [sys.executable, "-m", "benchmarks.point_in_time_systems", what, str(folder), str(events), *more]
    done = subprocess.run(  # noqa: S603
        command, cwd=settings.root(), env=environment, stdout=subprocess.PIPE, timeout=limit, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])
