"""How soon a search reaches the same score: with and without pruning, and with and without a warm start."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from benchmarks.features import AS_OF
from benchmarks.measure import tell
from include.core import settings
from include.evaluation.metrics import Metric
from include.features.build import build_features
from include.features.feature_table import read_features
from include.features.snapshot import pin_snapshot
from include.training.folds import Folds
from include.training.tune import Search
from include.workflows.retrain.split import split_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    import pandas as pd

    from include.config.pipeline import Pipeline

SEEDS = (1,)
#: Trials of the family that is searched, and rows of a fold that each fits on.
TRIALS, SAMPLE_ROWS, FAMILY = 10, 20_000, "lightgbm"
#: The champion is what a search of as many trials found as of so many days before.
CHAMPION_DAYS = 28
LONG = 86_400  # seconds that are never used up
#: By what is shown: whether a trial is stopped that falls behind, and whether the champion's parameters are tried.
WAYS = {
    "as it is": (True, True),
    "without pruning": (False, True),
    "without a warm start": (True, False),
    "without both": (False, False),
}

_SECTION = """\
## Search

Seconds until a search of {trials} trials of {family} on the flights ({rows:,} rows of a fold to fit on) had a score
as good as the worst of the four searches found in the end, and seconds of the whole search: medians over {seeds}.
Pruning stops a trial that falls behind after a fold; a warm start tries the champion's parameters second, which such
a search had found as of {days} days before.

| search | s to the same score | trials until then | s in all |
|---|---:|---:|---:|
{lines}
"""


@dataclass(frozen=True)
class Found:
    """What one search came to.

    Attributes
    ----------
    bests
        Of each trial that was the best so far: the seconds since the start, its number from 1, and its score.
    seconds
        Of the whole search.
    params
        The best trial's.
    """

    bests: list[tuple[float, int, float]]
    seconds: float
    params: dict[str, Any]


@dataclass(frozen=True)
class Reached:
    """Median seconds and trials until the target, and median seconds of the whole search."""

    seconds: float
    trials: float
    whole: float


def compare_search(pipeline: Pipeline, seeds: Sequence[int] = SEEDS, trials: int = TRIALS) -> dict[str, Reached]:
    """Search in every way, the ways of a seed one after another; return what each took by how it is shown."""
    frames = {as_of: _frame(pipeline, as_of) for as_of in (AS_OF - timedelta(days=CHAMPION_DAYS), AS_OF)}
    (earlier, before), (now, frame) = frames.items()
    taken: dict[str, list[tuple[float, int, float]]] = {way: [] for way in WAYS}
    for seed in seeds:
        champion = _search(_of(pipeline, seed, trials, True, False), before, earlier, {})
        found = {
            way: _search(_of(pipeline, seed, trials, *how), frame, now, {FAMILY: champion.params})
            for way, how in WAYS.items()
        }
        sign = Metric.of(pipeline.training).sign
        target = min(sign * each.bests[-1][2] for each in found.values())
        for way, each in found.items():
            at, number, _ = next(best for best in each.bests if sign * best[2] >= target)
            taken[way].append((at, number, each.seconds))
            tell(f"  seed {seed}, {way}: {at:.1f} s of {each.seconds:.1f} s, trial {number}")
    return {way: Reached(*map(statistics.median, zip(*rounds, strict=True))) for way, rounds in taken.items()}


def section(found: Mapping[str, Reached]) -> str:
    """Return the part of the page."""
    return _SECTION.format(
        trials=TRIALS,
        family=FAMILY,
        rows=SAMPLE_ROWS,
        seeds="one seed" if len(SEEDS) == 1 else f"{len(SEEDS)} seeds",
        days=CHAMPION_DAYS,
        lines="\n".join(
            f"| {way} | {each.seconds:.1f} | {each.trials:g} | {each.whole:.1f} |" for way, each in found.items()
        ),
    )


def _frame(pipeline: Pipeline, as_of: date) -> pd.DataFrame:
    return read_features(build_features(pipeline, pin_snapshot(pipeline), as_of))


def _of(pipeline: Pipeline, seed: int, trials: int, prune: bool, warm_start: bool) -> Pipeline:
    chosen = {"trials": trials, "sample_rows": SAMPLE_ROWS, "prune": prune, "warm_start": warm_start}
    tuning = pipeline.training.tuning.model_copy(update=chosen)
    training = {"tuning": tuning, "candidates": [FAMILY], "seed": seed}
    return pipeline.model_copy(update={"training": pipeline.training.model_copy(update=training)})


def _search(pipeline: Pipeline, frame: pd.DataFrame, as_of: date, known: dict[str, Any]) -> Found:
    split = split_rows(pipeline, frame, as_of)
    folds = Folds(pipeline, frame, split, Metric.of(pipeline.training), settings.threads())
    with TemporaryDirectory(prefix="bench-search-") as scratch:
        search = Search(pipeline, Path(scratch) / "trials.journal", "bench", known)
        start, when = time.perf_counter(), {}
        search.run(folds, LONG, 0, lambda _, trial, __: when.update({trial: time.perf_counter() - start}))
        seconds = time.perf_counter() - start
        result = search.results()[FAMILY]
    scores = {trial.number: trial.score for trial in result.trials}
    bests = [(at, number + 1, scores[number]) for number, at in when.items()]
    return Found(bests, seconds, result.params or {})
