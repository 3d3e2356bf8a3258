"""Replay: make a registered version again from what its run recorded, and hold both against each other."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from include.core import settings
from include.core.errors import ModelRefused
from include.lake import run_files
from include.workflows.retrain.plan import RunPlan, code_version, lock_digest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from include.config.pipeline import Pipeline
    from include.registry.version_record import VersionRecord
    from include.workflows.retrain.run import Progress

log = logging.getLogger(__name__)

#: Predictions that differ by less are the same but for the order in which threads added numbers.
TOLERANCE = 1e-6


@dataclass(frozen=True)
class Replay:
    """What came of making a version again.

    Attributes
    ----------
    rows, train_rows, compared_rows
        Of the feature table, of those learned from, and of the held-out ones that both models predicted.
    largest_difference
        Of the two models' predictions.
    identical
        Whether all predictions are equal to the last bit.
    changes
        What is not as it was when the version was made, each as a clause.
    """

    version: int
    rows: int
    train_rows: int
    compared_rows: int
    largest_difference: float
    identical: bool
    changes: list[str]

    @property
    def agrees(self) -> bool:
        """Whether both models predict the same, to the precision of sums."""
        return self.largest_difference <= TOLERANCE


def replay(name: str, version: int, progress: Progress) -> Replay:
    """Rebuild a version's features from the recorded table versions, retrain, and compare predictions.

    Nothing is written: not to the lake, and not to MLflow.

    Raises
    ------
    ModelRefused
        If the version's run did not record enough.
    LakeError
        If a table version is older than what the lake keeps.
    """
    import numpy as np

    from include.evaluation.metrics import Metric
    from include.features.build import compute_features
    from include.registry.version_record import load_version, read_record
    from include.training.candidates import candidates_of
    from include.training.challenger import Chosen, fit_challenger
    from include.training.combine import weighted_mean
    from include.training.fit import predict
    from include.training.folds import Folds
    from include.training.model_file import trusted_of
    from include.workflows.retrain.split import split_rows

    with progress("read_record"):
        record = _as_decided(read_record(name, version))
    with run_files.of_this_release("what was recorded", f"version {version} of {name}"):
        plan = RunPlan.from_json(record.plan)
        chosen = Chosen.from_json(record.challenger)
    as_of = plan.as_of
    with _recorded_pipeline(name, record) as pipeline:
        training, label = pipeline.training, pipeline.features.label
        with progress("build_features"):
            frame = compute_features(pipeline, plan.snapshot, as_of)
        split = split_rows(pipeline, frame, as_of)
        threads = settings.threads()
        kept_out = pipeline.kept_out | set(chosen.features)
        learned = frame[[column for column in frame.columns if column in kept_out]]
        with progress("train_challenger"):
            folds = Folds(pipeline, learned, split, Metric.of(training), threads)
            validated = None
            if chosen.calibration != "none":
                candidates = candidates_of(training)
                predictions = {
                    member.family: folds.refit(
                        candidates[member.family].on_at_most(member.max_rows), member.params, member.fold_rounds
                    )
                    for member in chosen.members
                }
                validated = weighted_mean(predictions, chosen.weights)
            y = folds.y[folds.validated]
            model = fit_challenger(pipeline, learned.iloc[split.train], chosen, y, validated, threads)
        with progress("compare_predictions"):
            registered = load_version(record, trusted_of(training))
            holdout = frame.iloc[split.holdout]
            again = predict(model, holdout, training, chosen.classes)
            before = predict(registered, holdout, training, chosen.classes)
    log.info("%s: version %s made again from %s labelled %s", name, version, len(split.train), label)
    return Replay(
        version,
        len(frame),
        len(split.train),
        len(holdout),
        float(np.max(np.abs(again - before))) if len(holdout) else 0.0,
        bool(np.array_equal(again, before)),
        _changes(plan, record),
    )


def _as_decided(record: VersionRecord) -> VersionRecord:
    """Return what a version was made from as the chain of records has it, which nobody can change unseen.

    Of a run that was killed before it was recorded, or of an older release, there is only what MLflow keeps.
    """
    from include.registry.records.chain import read_all

    for each in reversed(read_all(record.name)):
        decided = each.content
        if each.kind == "retrain" and decided["challenger_version"] == record.version and "definition" in decided:
            known = {name: decided[name] for name in ("as_of", "snapshot", "seed", "lock")}
            code = decided["code"]
            known["code_version"] = code["version"] + ("-dirty" if code["dirty"] else "")
            return replace(
                record,
                plan=record.plan | known,
                challenger=decided["challenger"],
                definition=decided["definition"],
            )
    log.info(
        "%s: no record has what version %s was made from; MLflow's documents are used", record.name, record.version
    )
    return record


def _recorded_pipeline(name: str, record: VersionRecord) -> AbstractContextManager[Pipeline]:
    """Give the pipeline as its folder was when the version was made."""
    from contextlib import contextmanager

    from include.config.loader import read_pipeline

    @contextmanager
    def recorded() -> Iterator[Pipeline]:
        with TemporaryDirectory(prefix="replay-") as scratch:
            folder = Path(scratch) / name
            for path, text in record.definition.items():
                target = folder / path
                if not target.resolve().is_relative_to(folder.resolve()):
                    raise ModelRefused(f"version {record.version} recorded a file outside of its folder: {path}")
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text, encoding="utf-8")
            pipeline, mistakes = read_pipeline(folder)
            if pipeline is None or mistakes:
                raise ModelRefused(
                    f"{name}: what version {record.version} recorded cannot be run by this release ({mistakes[0]}); "
                    f"check out its code, {record.plan['code_version']}"
                )
            yield pipeline

    return recorded()


def _changes(plan: RunPlan, record: VersionRecord) -> list[str]:
    """Say what is not as it was, which may be why predictions differ."""
    changes = []
    now, lock = code_version(), lock_digest()
    if now != plan.code_version:
        changes.append(f"the code was {_shown(plan.code_version)} and is {_shown(now)}")
    if lock != plan.lock:
        changes.append("requirements.txt has changed")
    return changes


def _shown(version: str) -> str:
    """Return a code version with its hash shortened."""
    commit, _, dirty = version.partition("-")
    return f"{commit[:12]}-{dirty}" if dirty else commit[:12]
