"""Good challengers: each is better than the champion in a way that a night brings, and must be promoted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from include.evaluation.refits import Refits

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.mutation.world import Judged, World


def more_rows(world: World) -> Judged:
    """Learned from all rows, as the champion could not yet."""
    return world.good


def other_parameters(world: World) -> Judged:
    """Learned slower and longer."""
    return world.challenger(world.fit(world.learned, learning_rate=0.03, n_estimators=160, num_leaves=12))


def another_family(world: World) -> Judged:
    """Trees of another library, whose errors are others."""
    return world.challenger(world.fit_histogram_trees(world.learned))


def recent_rows(world: World) -> Judged:
    """Learned from the last two months only."""
    return world.challenger(world.fit(world.learned.iloc[len(world.learned) // 2 :]))


def steady_over_seeds(world: World) -> Judged:
    """As good with every seed."""
    value = world.evidence(world.good).challenger.metrics["roc_auc"]
    return replace(world.good, refits=Refits([1, 2], [value - 0.001, value + 0.0005]))


def with_missing_values(world: World) -> Judged:
    """Learned from rows with gaps, and judged on rows with gaps."""
    draw = np.random.default_rng(world.seed)
    learned, held = (
        rows.assign(age=rows["age"].mask(draw.uniform(size=len(rows)) < 0.1)) for rows in (world.learned, world.held)
    )
    return replace(world.challenger(world.fit(learned)), frame=held)


def from_its_file(world: World) -> Judged:
    """Loaded in a fresh process, as all are."""
    path, sha256 = world.write(world.good.model, "good.skops")
    return replace(world.good, path=path, sha256=sha256, in_a_clean_process=True)


GOOD: list[Callable[[World], Judged]] = [
    more_rows,
    other_parameters,
    another_family,
    recent_rows,
    steady_over_seeds,
    with_missing_values,
    from_its_file,
]
