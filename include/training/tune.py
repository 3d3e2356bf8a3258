"""Tunes one candidate with Optuna, on time-ordered folds of the rows before the holdout."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from include.errors import TrainingImpossible
from include.evaluation.metrics import metric_value
from include.training.candidates import CANDIDATES
from include.training.fit import fit_model, predict
from include.training.split import time_ordered_folds
from include.training_config import METRICS

if TYPE_CHECKING:
    import numpy as np
    import optuna
    import pandas as pd

    from include.config import Pipeline
    from include.training.split import Split

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TuningResult:
    """The best parameters that a candidate's search found.

    Attributes
    ----------
    score
        Mean of the metric over the folds.
    trials
        Every trial: its number, parameters, score (None where it was stopped early) and seconds.
    seconds
        What the search took.
    """

    family: str
    params: dict[str, Any]
    score: float
    fold_scores: list[float]
    trials: list[dict[str, Any]]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON types."""
        return asdict(self)


def tune_candidate(
    pipeline: Pipeline,
    frame: pd.DataFrame,
    split: Split,
    family: str,
    seconds: float,
    trials: int | None,
    threads: int,
) -> TuningResult:
    """Search a family's parameters until the seconds or the trials are used up.

    The first trial has the family's defaults and is always finished, so there is a result whatever the
    budget; later ones stop as soon as they fall behind the median of those before them. With `trials`
    set and seconds enough, the same data and seed give the same result.

    Raises
    ------
    TrainingImpossible
        If no trial gives a finite score.
    """
    import optuna

    start = time.monotonic()
    deadline = start + seconds
    training = pipeline.training
    higher = METRICS[training.task][training.metric]
    rows = frame.iloc[split.train]
    folds = _sampled_folds(pipeline, rows)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        direction="maximize" if higher else "minimize",
        sampler=optuna.samplers.TPESampler(seed=training.seed, n_startup_trials=5),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=3),
    )
    study.enqueue_trial(CANDIDATES[family].defaults)

    def objective(trial: optuna.Trial) -> float:
        params = CANDIDATES[family].suggest(trial)
        scores: list[float] = []
        for number, (fit, validate) in enumerate(folds):
            if trial.number > 0 and time.monotonic() > deadline:
                raise optuna.TrialPruned
            model = fit_model(pipeline, rows.iloc[fit], family, params, threads)
            held = rows.iloc[validate]
            y_true = held[pipeline.features.label].to_numpy(dtype="float64")
            scores.append(metric_value(training.metric, y_true, predict(model, held, training.task)))
            trial.set_user_attr("fold_scores", scores)
            trial.report(math.fsum(scores) / len(scores), number)
            if number + 1 < len(folds) and trial.should_prune():
                raise optuna.TrialPruned
        return math.fsum(scores) / len(scores)

    study.optimize(objective, n_trials=trials, timeout=seconds)
    done = [trial for trial in study.trials if trial.value is not None and math.isfinite(trial.value)]
    done = [trial for trial in done if trial.state == optuna.trial.TrialState.COMPLETE]
    if not done:
        raise TrainingImpossible(
            f"{pipeline.name}: no trial of {family} has a finite {training.metric}; check the label and the "
            f"features of {split.train_start} to {split.train_end}"
        )
    best = study.best_trial
    took = time.monotonic() - start
    log.info(
        "%s: %s trials in %.1f s (%s stopped early), best %s %.5f in trial %s: %s",
        *(family, len(study.trials), took, len(study.trials) - len(done), training.metric, best.value),
        *(best.number, best.params),
    )
    return TuningResult(
        family,
        best.params,
        best.value,
        best.user_attrs["fold_scores"],
        [_told(each) for each in study.trials],
        took,
    )


def choose_best(tuned: list[dict[str, Any]], task: str, metric: str) -> dict[str, Any]:
    """Return the result with the best score over the folds; of equal ones the first.

    Raises
    ------
    TrainingImpossible
        If no score is finite.
    """
    sign = 1.0 if METRICS[task][metric] else -1.0
    finite = [result for result in tuned if math.isfinite(result["score"])]
    if not finite:
        raise TrainingImpossible(f"no candidate has a finite {metric}; see the logs of the tuning tasks")
    return max(finite, key=lambda result: sign * result["score"])


def _sampled_folds(pipeline: Pipeline, rows: pd.DataFrame) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the folds, each fitted on at most `sample_rows` rows drawn by the pipeline's seed."""
    import numpy as np

    training, tuning = pipeline.training, pipeline.training.tuning
    draw = np.random.default_rng(training.seed)
    folds = time_ordered_folds(
        rows["prediction_time"].to_numpy(), tuning.folds, training.gap_days, training.holdout_days
    )
    return [
        (
            np.sort(draw.choice(fit, tuning.sample_rows, replace=False)) if len(fit) > tuning.sample_rows else fit,
            validate,
        )
        for fit, validate in folds
    ]


def _told(trial: optuna.trial.FrozenTrial) -> dict[str, Any]:
    complete = trial.state.name == "COMPLETE"
    return {
        "number": trial.number,
        "params": trial.params,
        "score": trial.value if complete else None,
        "fold_scores": trial.user_attrs.get("fold_scores", []),
        "seconds": trial.duration.total_seconds() if trial.duration else None,
    }
