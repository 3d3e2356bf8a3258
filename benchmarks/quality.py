"""Nightshift beside other systems that search for a model, in the same seconds; `python -m benchmarks.quality`.

Every measurement is a line of var/bench-quality.jsonl, so that an interrupted run goes on where it was, and
docs/explanation/benchmarks-quality.md is made of the lines. BENCH_TABLES and BENCH_BUDGETS (by commas) name parts
to run.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from benchmarks import datasets
from benchmarks.datasets import NAMES, prepare_flights
from benchmarks.measure import machine, tell, temporary_home
from benchmarks.peers import AUTOGLUON
from include.core import settings

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

BUDGETS = (60, 300)
SHOWN = {"nightshift": "Nightshift", "flaml": "FLAML", "autogluon": "AutoGluon"}
LIBRARIES = ("flaml", "lightgbm", "scikit-learn", "optuna")
#: A system is stopped after so many times its seconds, and some more for what comes before and after the search.
PATIENCE, SPARE_SECONDS = 5, 300
#: Metrics that are equal to so many places say the same.
PLACES = 3

_PAGE = """\
<!-- Written by `make bench-quality`; do not edit. -->
# How good the models are

What Nightshift finds in some seconds, beside what others find in as many, measured by `make bench-quality` on
{machine}, last on {day} (UTC). All learn from the same rows and are measured on the same later ones, which none has
seen. Nightshift has its default candidates, FLAML its own but CatBoost, which does not keep to the seconds; both
search on the same folds. AutoGluon splits the rows to learn from as it likes. Each is a process of its own with all
cores, one at a time. Nightshift and FLAML fit the final model after the seconds of the search, so *s* is more than
them. On a table the systems follow each other, so that what else the machine does takes from each of them.

The flights are a year's, split by time. The other tables are those that scikit-learn ships, {shipped}: their rows, in
a seeded order, stand for {days} days, the last 25 of which are held out. Such small tables tell little of a
difference in the third place.

{counts}

| table | rows, held out | metric | s to search | system | value | s | model |
|---|---:|---|---:|---|---:|---:|---|
{lines}

For roc_auc more is better, for the others less; the best value of each table and budget is bold.

Python {python}; {libraries}.
"""


def main(kept: Path, page: Path) -> int:
    """Measure what is not yet among the lines that are kept, and write the page."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the home is removed on the way out
    known = read(kept)
    tables, budgets = _asked("BENCH_TABLES", NAMES), [int(each) for each in _asked("BENCH_BUDGETS", BUDGETS)]
    systems = [each for each in SHOWN if each != "autogluon" or os.environ.get(AUTOGLUON)]
    missing = [each for each in itertools.product(tables, budgets, systems) if each not in known]
    if missing:
        kept.parent.mkdir(exist_ok=True)
        with temporary_home():
            if any(table == "flights" for table, *_ in missing):
                tell("ingesting the flights")
                prepare_flights()
            for table, budget, system in missing:
                tell(f"{table}, {budget} s, {SHOWN[system]}")
                found = _measure(system, table, budget)
                if found is None:
                    continue
                shown = "-" if found["value"] is None else f"{found['metric']} {found['value']:.5f}"
                tell(f"  {shown} in {found['took']:.0f} s: {found['model']}")
                with kept.open("a", encoding="utf-8") as lines:
                    lines.write(json.dumps(found) + "\n")
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    page.write_text(page_of(read(kept).values(), libraries), encoding="utf-8")
    tell(f"written: {page}")
    return 0


def read(kept: Path) -> dict[tuple[str, int, str], dict[str, Any]]:
    """Return what was measured, by table, seconds and system; of several the last, and no line that was cut off."""
    found = {}
    for line in kept.read_text(encoding="utf-8").splitlines() if kept.exists() else []:
        try:
            each = json.loads(line)
        except json.JSONDecodeError:
            continue  # it was being written when the run was interrupted
        found[each["table"], each["budget"], each["system"]] = each
    return found


def page_of(measured: Iterable[dict[str, Any]], libraries: str) -> str:
    """Return the page, whose rows are in one order whenever they were measured."""
    order = {"table": NAMES, "system": list(SHOWN)}
    rows = sorted(
        measured,
        key=lambda each: (order["table"].index(each["table"]), each["budget"], order["system"].index(each["system"])),
    )
    return _PAGE.format(
        machine=machine(),
        day=datetime.now(UTC).date(),
        shipped=", ".join(datasets.SHIPPED),
        days=datasets.DAYS,
        counts="\n".join(_counts(rows)),
        lines="\n".join(_line(each, rows) for each in rows),
        python=".".join(map(str, sys.version_info[:3])),
        libraries=libraries,
    )


def _asked(name: str, otherwise: Iterable[Any]) -> list[str]:
    named = [each.strip() for each in os.environ.get(name, "").split(",") if each.strip()]
    known = set(NAMES) if name == "BENCH_TABLES" else None
    unknown = [each for each in named if (each not in known if known else not each.isdigit())]
    if unknown:
        sys.exit(f"{name} has {', '.join(unknown)}, and must be of {', '.join(known) if known else 'whole seconds'}")
    return named or [str(each) for each in otherwise]


def _measure(system: str, table: str, budget: int) -> dict[str, Any] | None:
    """Let one system learn, in a process of its own; None where it failed, which another run tries again."""
    command = [sys.executable, "-m", "benchmarks.peers", system, table, str(budget)]
    limit = PATIENCE * budget + SPARE_SECONDS
    with subprocess.Popen(  # noqa: S603
        command, cwd=settings.root(), stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            told, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            asked = {"system": system, "table": table, "budget": budget}
            return asked | {"took": limit, "value": None, "model": "did not come to an end, and was stopped"}
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # and what it has started
    if process.returncode:
        tell(f"  {SHOWN[system]} failed and is left out; run this again to try it again")
        return None
    return json.loads(told.splitlines()[-1])


def _same_task(each: dict[str, Any], rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return all systems' results of the same table and seconds, by system."""
    return {
        other["system"]: other for other in rows if (other["table"], other["budget"]) == (each["table"], each["budget"])
    }


def _quality(each: dict[str, Any]) -> float:
    """Return the value to so many places, as a number of which more is better."""
    if each["value"] is None:
        return -math.inf
    return round(each["value"], PLACES) * (1 if each["higher_is_better"] else -1)


def _counts(rows: list[dict[str, Any]]) -> list[str]:
    """Say for how many Nightshift is at least equal to each of the others."""
    lines = []
    for system in SHOWN:
        pairs = [
            (each, _same_task(each, rows)[system])
            for each in rows
            if each["system"] == "nightshift" and system in _same_task(each, rows)
        ]
        if system != "nightshift" and pairs:
            equal = sum(_quality(ours) >= _quality(other) for ours, other in pairs)
            cases = f"in {equal} of {len(pairs)} cases"
            lines.append(f"- To {PLACES} decimals Nightshift is at least as good as {SHOWN[system]} {cases}.")
    return lines


def _line(each: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    same = _same_task(each, rows).values()
    best, task = max(map(_quality, same)), max(same, key=len)  # what was stopped has not told of the table
    value = "-" if each["value"] is None else f"{each['value']:.4f}"
    cells = [
        *(each["table"], f"{task['rows']:,}, {task['held_rows']:,}", task["metric"], str(each["budget"])),
        *(SHOWN[each["system"]], f"**{value}**" if _quality(each) == best else value),
        *(f"{each['took']:.0f}", each["model"]),
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    results = settings.root() / "var" / "bench-quality.jsonl"
    sys.exit(main(results, settings.root() / "docs" / "explanation" / "benchmarks-quality.md"))
