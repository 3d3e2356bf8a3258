"""The steps that train: search the candidates' parameters, and fit the challenger."""

from __future__ import annotations

import io
import logging
import time
from datetime import date
from typing import TYPE_CHECKING

from include.core import settings
from include.core.errors import OtherRelease, RunMissing, TrainingImpossible
from include.lake import run_files
from include.training.fitted_challenger import FittedChallenger
from include.workflows.retrain import files
from include.workflows.retrain.refit import refit

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from upath import UPath

    from include.config.pipeline import Pipeline
    from include.training.challenger import TunedCandidate
    from include.training.tune import Search
    from include.training.tuning_result import TuningResult
    from include.workflows.retrain.plan import RunPlan

log = logging.getLogger(__name__)


def tune(pipeline: Pipeline, plan: RunPlan, worker: int = 0) -> dict[str, float | None]:
    """Search the candidates' parameters within the plan's time budget; return the best score of each family.

    Parameters
    ----------
    worker
        Number of this task where several tasks search together.
    """
    import numpy as np

    from include.evaluation.metrics import Metric
    from include.training.check import check_trainable
    from include.training.folds import Folds
    from include.training.tuning_result import format_unfinished

    digest = files.made_from(pipeline, plan)
    search = _open_search(pipeline, plan, digest)

    def keep(family: str, trial: int, predictions: np.ndarray) -> None:
        content = io.BytesIO()
        np.save(content, predictions)
        run_files.write_bytes(_predictions_file(plan, digest, family, trial), content.getvalue())

    unreachable = files.folder(plan) / f"unreachable-{digest}-{worker}"
    if unreachable.exists():
        search.interrupt(worker)
        unreachable.unlink()
    if search.is_over(plan.tuning_seconds, worker):
        log.info("%s: the search of this run has ended; its trials are used again", plan.pipeline)
    else:
        frame, split = files.frame_to_learn_from(pipeline, plan)
        check_trainable(pipeline, frame, split)
        folds = Folds(pipeline, frame, split, Metric.of(pipeline.training), settings.threads())
        try:
            search.run(folds, plan.tuning_seconds, worker, keep)
        except TrainingImpossible as error:
            if error.retryable:
                # the storage did not record the trial's end; the next attempt must not count the trial as dead
                run_files.write_bytes(unreachable, b"")
            raise
    if search.waits_for_others():
        log.info("%s: waits for the results of other tasks; no trial is left for this one", plan.pipeline)
        return {}
    results = search.results()
    if unfinished := format_unfinished(results):
        log.warning("%s: %s", pipeline.name, unfinished)
    return {family: result.score for family, result in results.items()}


def train(pipeline: Pipeline, plan: RunPlan) -> FittedChallenger:
    """Fit the best result of the search on all rows before the holdout; return the challenger."""
    from include.evaluation.metrics import Metric
    from include.training.challenger import choose_challenger, fit_challenger
    from include.training.combine import weighted_mean
    from include.training.folds import Folds

    digest = files.made_from(pipeline, plan)
    fitted = _fitted_before(plan, digest)
    if fitted:
        log.info("%s: this run has already fitted its challenger", plan.pipeline)
        return fitted
    results = _open_search(pipeline, plan, digest).results()
    run_files.write_json(
        files.folder(plan) / "tuning.json", {family: result.to_json() for family, result in results.items()}
    )
    _log_results(pipeline, results)
    frame, split = files.frame_to_learn_from(pipeline, plan)
    folds = Folds(pipeline, frame, split, Metric.of(pipeline.training), settings.threads())
    tuned = [_tuned(plan, digest, result) for result in results.values() if result.trial is not None]
    chosen = choose_challenger(pipeline, folds, tuned)
    validated = weighted_mean({each.family: each.predictions for each in tuned}, chosen.weights)
    y = folds.y[folds.validated]
    held = frame.iloc[split.holdout]
    del frame  # the folds hold the training rows; a second copy would double the memory
    start = time.monotonic()
    model = fit_challenger(pipeline, folds.rows, chosen, y, validated, settings.threads())
    fit_seconds = time.monotonic() - start
    fitted = FittedChallenger(
        chosen=chosen,
        sha256=files.write_model(plan, model),
        rows=len(split.train),
        train_start=date.fromisoformat(split.train_start),
        train_end=date.fromisoformat(split.train_end),
        made_from=digest,
    )
    run_files.write_json(files.folder(plan) / "challenger.json", fitted.to_json())
    for reason in chosen.reasons:
        log.info("%s: %s", plan.pipeline, reason)
    log.info(
        "%s: fitted challenger %s on %s rows from %s to %s",
        plan.pipeline,
        chosen.family,
        f"{len(split.train):,}",
        split.train_start,
        split.train_end,
    )
    del model
    refit(pipeline, plan, digest, folds.rows, held, chosen, y, validated, fit_seconds)
    return fitted


def _fitted_before(plan: RunPlan, digest: str) -> FittedChallenger | None:
    """Return the challenger that an earlier attempt fitted from the same inputs, if one did.

    Fitting again would change the bytes of the model file, and a version is known by its bytes.
    """
    try:
        fitted = files.challenger(plan)
    except (RunMissing, OtherRelease):
        return None
    return fitted if fitted.made_from == digest else None


def _log_results(pipeline: Pipeline, results: Mapping[str, TuningResult]) -> None:
    """Log the results of the search, the candidates without a result first."""
    from include.training.tuning_result import format_unfinished, tuning_table

    if unfinished := format_unfinished(results):
        log.warning("%s: %s", pipeline.name, unfinished)
    for line in tuning_table(results, pipeline.training.metric).splitlines():
        log.info("%s", line)


def _open_search(pipeline: Pipeline, plan: RunPlan, digest: str) -> Search:
    from include.training.tune import Search

    name = f"{plan.pipeline}/{plan.run_key}/{digest}"
    known = plan.champion.members if plan.champion else {}
    return Search(pipeline, files.journal_file(plan, digest), name, known)


def _predictions_file(plan: RunPlan, digest: str, family: str, trial: int) -> UPath:
    return files.folder(plan) / f"predictions-{digest}-{family}-{trial}.npy"


def _tuned(plan: RunPlan, digest: str, result: TuningResult) -> TunedCandidate:
    """Return the result of a family, with the predictions of its best trial."""
    import numpy as np

    from include.training.challenger import TunedCandidate

    assert result.trial is not None, "the caller passes families with a finished trial"
    assert result.params is not None, "a finished trial has parameters"
    assert result.score is not None, "a finished trial has a score"
    path = _predictions_file(plan, digest, result.family, result.trial)
    try:
        predictions = np.load(io.BytesIO(path.read_bytes()), allow_pickle=False)
    except FileNotFoundError as error:
        raise RunMissing(f"the predictions of the best trial are not at {path}; start a new run") from error
    return TunedCandidate(result.family, result.params, result.fold_rounds, result.score, predictions, result.max_rows)
