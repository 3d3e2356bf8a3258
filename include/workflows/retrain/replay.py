"""Replay: train a registered version again from its run's record, and compare both models' predictions."""

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

#: Predictions that differ by less than this differ only by the order in which threads added numbers.
TOLERANCE = 1e-6


@dataclass(frozen=True)
class Replay:
    """The result of replaying a version.

    Attributes
    ----------
    rows, train_rows, compared_rows
        Number of rows in the feature table, in the training data, and in the holdout that both models predicted.
    largest_difference
        Largest difference between the two models' predictions.
    identical
        Whether all predictions are equal to the last bit.
    changes
        What has changed since the version was made, one clause each.
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
        """Whether both models predict the same within `TOLERANCE`."""
        return self.largest_difference <= TOLERANCE


def replay(name: str, version: int, progress: Progress) -> Replay:
    """Rebuild a version's features from the recorded table versions, retrain, and compare predictions.

    A replay writes nothing to the lake and nothing to MLflow.

    Raises
    ------
    ModelRefused
        If the record of the version's run is incomplete.
    LakeError
        If the lake no longer keeps a table version.
    """
    import numpy as np

    from include.evaluation.metrics import Metric
    from include.features.build import compute_features
    from include.registry.version_record import load_version, read_record
    from include.training.candidates import candidates_of
    from include.training.challenger import ChallengerSpec, fit_challenger
    from include.training.combine import weighted_mean
    from include.training.fit import predict
    from include.training.folds import Folds
    from include.training.model_file import trusted_of
    from include.workflows.retrain.split import split_rows

    with progress("read_record"):
        record = _as_decided(read_record(name, version))
    with run_files.refuse_other_release("what was recorded", f"version {version} of {name}"):
        plan = RunPlan.from_json(record.plan)
        chosen = ChallengerSpec.from_json(record.challenger)
    as_of = plan.as_of
    with _recorded_pipeline(name, record) as pipeline:
        training, label = pipeline.training, pipeline.features.label
        with progress("build_features"):
            frame = compute_features(pipeline, plan.snapshot, as_of)
        split = split_rows(pipeline, frame, as_of)
        threads = settings.threads()
        kept_out = pipeline.kept_out | set(chosen.features)
        kept = frame[[column for column in frame.columns if column in kept_out]]
        with progress("train_challenger"):
            folds = Folds(pipeline, kept, split, Metric.of(training), threads)
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
            model = fit_challenger(pipeline, kept.iloc[split.train], chosen, y, validated, threads)
        with progress("compare_predictions"):
            registered = load_version(record, trusted_of(training))
            holdout = frame.iloc[split.holdout]
            replayed = predict(model, holdout, training, chosen.classes)
            recorded = predict(registered, holdout, training, chosen.classes)
    log.info("%s: replayed version %s from %s rows with a label %s", name, version, f"{len(split.train):,}", label)
    return Replay(
        version=version,
        rows=len(frame),
        train_rows=len(split.train),
        compared_rows=len(holdout),
        largest_difference=float(np.max(np.abs(replayed - recorded))) if len(holdout) else 0.0,
        identical=bool(np.array_equal(replayed, recorded)),
        changes=_changes(plan, record),
    )


def _as_decided(record: VersionRecord) -> VersionRecord:
    """Return the inputs of a version from the chain of records, where no change goes unnoticed.

    A run that was killed before it was recorded, and a run of an older release, have only MLflow's documents.
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
    log.info("%s: uses MLflow's documents, because no record has the inputs of version %s", record.name, record.version)
    return record


def _recorded_pipeline(name: str, record: VersionRecord) -> AbstractContextManager[Pipeline]:
    """Return a context with the pipeline as its folder was when the version was made."""
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
                    f"{name}: this release cannot run the pipeline that version {record.version} recorded "
                    f"({mistakes[0]}); check out its code, {record.plan['code_version']}"
                )
            yield pipeline

    return recorded()


def _changes(plan: RunPlan, record: VersionRecord) -> list[str]:
    """Return the changes since the version was made, which may explain different predictions."""
    changes = []
    now, lock = code_version(), lock_digest()
    if now != plan.code_version:
        changes.append(f"the code was {_short_version(plan.code_version)} and is {_short_version(now)}")
    if lock != plan.lock:
        changes.append("requirements.txt has changed")
    return changes


def _short_version(version: str) -> str:
    """Return a code version with a shortened hash."""
    commit, _, dirty = version.partition("-")
    return f"{commit[:12]}-{dirty}" if dirty else commit[:12]
