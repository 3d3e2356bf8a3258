"""Writes docs/explanation/benchmarks.md of what was measured."""

from __future__ import annotations

import platform
import statistics
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING

from benchmarks import (
    days,
    fitting,
    gating,
    incremental,
    memory,
    models,
    orchestration,
    point_in_time,
    retraining,
    search,
)
from benchmarks.features import AS_OF
from benchmarks.measure import machine

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.measure import Comparison

LIBRARIES = (
    *("apache-airflow-core", "deltalake", "duckdb", "great-expectations", "lightgbm", "mlflow", "numpy"),
    *("optuna", "pandas", "pyarrow", "scikit-learn", "skops"),
)

_PAGE = """\
<!-- Written by `make bench`; do not edit. -->
# What Nightshift costs

Each line sets seconds of Nightshift beside seconds of the same work without it, measured in one run of
`make bench` on {machine}, on {day} (UTC). Smaller ratios are better; 1 costs nothing.

| measured | rounds | ours, s: median (least) | without, s: median (least) | ratio (of the least) | limit |
|---|---:|---:|---:|---:|---:|
{comparisons}

The data are the schedules, outcomes, weather and planes of 2013's flights, as of {as_of}. Rounds of ours and of the
other take turns, except for the retraining DAG. Every process has the settings of `config/embedded.env`. What else
runs on the machine meanwhile makes all of it slower, the stack the most.

- **A suite over 3 million rows**: 16 expectations on a Parquet file of one seeded day, counted by DuckDB in one query
  and judged by Great Expectations, beside one query by hand that counts the same; before timing, all counts were
  compared. Great Expectations alone, in pandas, gives the same verdicts in {pandas:.1f} s, {pandas_ratio:.0f} times
  as long as ours.
- **Feature table**: `build_features` beside a script that opens the same Delta tables at the same versions,
  runs the text of `features.sql` in DuckDB and writes a Delta table. The script makes tables, not views, of
  the rows known in time, with times in plain UTC, and sorts the result; before timing, both results were
  compared and are equal.
- **One more day on {window} days of flights**: `build_features` onto the table of the day before, once the lake has a
  day more, beside a build of all rows in the same lake; before timing, both results were compared and are equal.
- **Events**: see [below](#a-point-in-time-build).
- **Fit of one model**: `fit_model` on all rows to learn from, beside `lightgbm.train` with the same parameters and
  {trees} rounds; on either side categories are encoded from the same frame, by hand with pandas' codes. Before
  timing, the predictions of the held-out rows were compared and are equal.
- **Retraining, one process**: `include.workflows.retrain.run.retrain` beside one script that calls DuckDB, Great
  Expectations, Optuna, scikit-learn, LightGBM and MLflow for the same: {trials} trials for each candidate on the
  same folds, the same choice of weights, calibration and threshold, the same fit, champion, bootstrap, importance of
  the features and registration, each with an MLflow database of its own. Both use the project's definitions of the
  candidates, its folds, its way to put a challenger together and its bootstrap. The proof that no feature
  knows the future has no counterpart in a script: `{apart}` is not in the seconds that are compared, and its own
  are in the table of the steps. Fits with other seeds are switched off; what else the checks of the gate measure is
  in Nightshift's seconds alone. The area under the ROC curve of the two challengers: {our_auc:.6f} and {bare_auc:.6f}.
- **Retraining DAG**: a run of the DAG in a warm embedded stack, from `start_date` to `end_date` of the DAG run, beside
  `retrain` in one process that has its imports behind it (the faster of the choices). Both tune for {tuning}
  seconds, which are the same by construction. The rounds in the process lie before the stack's start and after its
  end.
- **What Airflow adds**: the seconds of these runs of the DAG that were not spent in a task's `execute`, beside a
  run of a DAG with as many tasks, in the same chain with a mapped one, that return at once, in the same stack;
  {empty_runs} of them after each round of ours.
  The benchmark's DAG file loads the project's DAG and wraps `execute` so that it notes its seconds in a file.

## Retraining in one process, step by step

Median seconds of that line above, and of the step that is not in it. The script reads its feature table once and
keeps it; Nightshift's steps each read it, so that each can be repeated alone. Where the script has no such step there
is a dash.

| step | ours | without |
|---|---:|---:|
{steps}

{gate}
{search}
{point_in_time}
## One more day of a source

Seconds of extracting, validating and publishing one more day of {day_rows:,} rows from SQLite in one process, by the
days that the table holds already, each of them a commit of its own (median of {day_rounds}). A day in the longest
table may take {day_limit} times as long as in the shortest; it took {day_ratio:.2f} times.

| days in the table | s |
|---:|---:|
{one_more}

{models}## Parsing

Airflow reads the {dags} DAGs of `dags/` in {parse:.2f} s, in a fresh process that has imported Airflow (median of 5).

## Peak memory

Each step on the whole year, in a fork of a process that has imported the heavy libraries, as Airflow's tasks are
forks of the scheduler: the most resident memory that the fork had, the libraries' share included. No step
may need more than {memory_limit} GB; the greatest needed {memory_most:.2f} GB.

| step | GB |
|---|---:|
{memory}

## Versions

Python {python}; {libraries}.
"""


@dataclass(frozen=True)
class Measured:
    """All that one run of the benchmarks measured.

    Attributes
    ----------
    steps
        Median seconds of each step of the retraining in one process, ours and bare.
    roc_auc
        Of the challengers of that retraining, ours and bare.
    peaks
        Peak memory of each step, in GB.
    search
        How soon a search reaches the same score, by its way.
    point_in_time
        A point-in-time build, by its number of events.
    pandas_seconds
        Seconds of the suite over 3 million rows by Great Expectations in pandas.
    one_more_day
        Seconds of one more day, by the days that the table holds.
    gate
        Seconds from two fitted models to a verdict.
    models
        Seconds of the page of all models.
    """

    comparisons: list[Comparison]
    steps: retraining.Steps
    roc_auc: tuple[float, float]
    dags: int
    parse_seconds: float
    peaks: dict[str, float]
    search: dict[str, search.Reached]
    point_in_time: list[point_in_time.PointInTime]
    pandas_seconds: float
    one_more_day: dict[int, float]
    gate: gating.GateSeconds
    models: models.PageSeconds

    def over_limit(self) -> list[str]:
        """Name what missed its limit."""
        missed = [each.name for each in self.comparisons if each.ratio > each.limit]
        missed += ["one more day"] * days.over_limit(self.one_more_day)
        missed += ["the page of all models"] * (self.models.warm > models.LIMIT)
        missed += ["the gate"] * (self.gate.whole > gating.LIMIT_SECONDS)
        return missed + [f"memory of {step}" for step, peak in self.peaks.items() if peak > memory.LIMIT_GB]


def write_page(path: Path, measured: Measured) -> None:
    """Write the page."""
    our_auc, bare_auc = measured.roc_auc
    text = _PAGE.format(
        machine=machine(),
        day=datetime.now(UTC).date(),
        comparisons="\n".join(map(_row, measured.comparisons)),
        as_of=AS_OF,
        trials=retraining.TRIALS,
        our_auc=our_auc,
        bare_auc=bare_auc,
        empty_runs=orchestration.EMPTY_RUNS,
        tuning=orchestration.TUNING_SECONDS,
        apart=retraining.NOT_COMPARED,
        window=incremental.WINDOW_DAYS,
        trees=fitting.ROUNDS_OF_TREES,
        steps="\n".join(_step(step, *seconds) for step, seconds in measured.steps.items()),
        gate=gating.section(measured.gate),
        models=models.section(measured.models),
        search=search.section(measured.search),
        point_in_time=point_in_time.section(measured.point_in_time),
        dags=measured.dags,
        parse=measured.parse_seconds,
        memory_limit=memory.LIMIT_GB,
        memory_most=max(measured.peaks.values()),
        memory="\n".join(f"| {step} | {peak:.2f} |" for step, peak in measured.peaks.items()),
        pandas=measured.pandas_seconds,
        pandas_ratio=measured.pandas_seconds / statistics.median(measured.comparisons[0].ours),
        day_rows=days.ROWS,
        day_rounds=days.ROUNDS,
        day_limit=days.LIMIT,
        day_ratio=measured.one_more_day[days.HELD[-1]] / measured.one_more_day[days.HELD[0]],
        one_more="\n".join(f"| {held:,} | {taken:.2f} |" for held, taken in measured.one_more_day.items()),
        python=platform.python_version(),
        libraries=", ".join(f"{name} {version(name)}" for name in LIBRARIES),
    )
    path.write_text(text, encoding="utf-8")


def _step(step: str, ours: float, bare: float | None) -> str:
    return f"| {step} | {ours:.2f} | {'-' if bare is None else f'{bare:.2f}'} |"


def _row(each: Comparison) -> str:
    ours, bare = (f"{statistics.median(taken):.2f} ({min(taken):.2f})" for taken in (each.ours, each.bare))
    ratio = f"{each.ratio:.2f} ({each.ratio_of_minima:.2f})"
    return f"| {each.name} | {len(each.ours)} | {ours} | {bare} | {ratio} | {each.limit} |"
