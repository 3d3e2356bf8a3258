"""What the gate costs: from two fitted models to the verdict."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from benchmarks.features import AS_OF
from benchmarks.measure import ROUNDS, seconds_of
from include.core.settings import threads
from include.evaluation.collect import ChallengerFacts, ChampionFacts
from include.evaluation.signature import feature_kinds
from include.features.build import build_features
from include.features.feature_table import read_features
from include.features.snapshot import pin_snapshot
from include.gate.verdict import decide
from include.training.candidates import candidates_of
from include.training.columns import feature_columns
from include.training.fit import fit_model
from include.training.model_file import save_model
from include.workflows.retrain.measure import ChallengerModel, ChampionModel, HoldoutRows, measure_evidence
from include.workflows.retrain.split import split_rows

if TYPE_CHECKING:
    from include.config.pipeline import Pipeline

LIMIT_SECONDS = 5
MOST_ROWS = 30_000
SLICES = ["carrier", "origin"]

_SECTION = """\
## The gate

Seconds from two fitted models, a year's and half a year's, to the verdict on {rows:,} held-out rows of the flights:
all that the checks measure, with {bootstrap:,} rounds of the bootstrap and the slices of {slices}, and the loading of
the model file in a clean process; without fits with other seeds and the importance of the features (median of
{rounds}). It may take {limit} s.

| | s |
|---|---:|
| in all | {whole:.2f} |
| of which the clean process | {reload:.2f} |
"""


@dataclass(frozen=True)
class GateSeconds:
    """Median seconds of the gate, and of the clean process in it."""

    rows: int
    bootstrap: int
    whole: float
    reload: float


def gate_seconds(pipeline: Pipeline) -> GateSeconds:
    """Time measuring and deciding together."""
    gate = pipeline.gate.model_copy(update={"slices": SLICES})
    pipeline = pipeline.model_copy(update={"gate": gate})
    frame = read_features(build_features(pipeline, pin_snapshot(pipeline), AS_OF))
    split = split_rows(pipeline, frame, AS_OF)
    learned, held, label = frame.iloc[split.train], frame.iloc[split.holdout].head(MOST_ROWS), pipeline.features.label
    columns = feature_columns(pipeline, frame)
    params = candidates_of(pipeline.training)["lightgbm"].defaults | {"n_estimators": 150}
    champion, challenger = (
        fit_model(pipeline, rows, "lightgbm", params, threads()) for rows in (learned.head(len(learned) // 2), learned)
    )
    first, last = date.fromisoformat(split.train_start), date.fromisoformat(split.train_end)
    facts = ChallengerFacts("lightgbm", as_of=AS_OF, train_start=first, train_end=last, threshold=0.5)
    champion_facts = ChampionFacts(1, as_of=last, train_end=first, threshold=0.5)
    rows = HoldoutRows(
        held,
        held[label].to_numpy("float64"),
        learned[label].to_numpy("float64"),
        date.fromisoformat(split.holdout_start),
        date.fromisoformat(split.holdout_end),
    )
    taken, reloads = [], []
    with TemporaryDirectory(prefix="bench-gate-") as folder:
        path = Path(folder) / "model.skops"
        ours = ChallengerModel(challenger, facts, path, save_model(challenger, path), columns.all)
        theirs = ChampionModel(champion_facts, champion, inputs=feature_kinds(columns.numeric, columns.categorical))

        def judge() -> None:
            evidence = measure_evidence(pipeline, rows, ours, theirs)
            decide(evidence, gate)
            assert evidence.reload is not None
            reloads.append(evidence.reload.seconds)

        judge()
        taken = [seconds_of(judge) for _ in range(ROUNDS)]
    return GateSeconds(len(held), gate.bootstrap_rounds, statistics.median(taken), statistics.median(reloads[1:]))


def section(measured: GateSeconds) -> str:
    """Return the part of the page."""
    return _SECTION.format(**vars(measured), slices=" and ".join(SLICES), rounds=ROUNDS, limit=LIMIT_SECONDS)
