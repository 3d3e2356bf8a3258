"""A retraining run as a script would have it: the libraries' calls, and none of Nightshift's steps.

It is written for one pipeline: a binary task, the metric roc_auc, a feature as the baseline. What is not a
library's is taken from `include`: the candidates, the folds, what the challenger is put together by, and the
bootstrap.
"""

from __future__ import annotations

import json
import math
import warnings
from typing import TYPE_CHECKING, Any

from benchmarks.features import AS_OF, bare_features
from benchmarks.measure import PIPELINE, Stopwatch
from include.core import settings
from include.evaluation.metrics import Metric
from include.evaluation.paired_bootstrap import paired_difference
from include.features.snapshot import pin_snapshot
from include.training.candidates import Candidate, candidates_of
from include.training.challenger import TunedCandidate, choose_challenger, fit_challenger
from include.training.columns import feature_columns
from include.training.combine import weighted_mean
from include.training.folds import Folds
from include.training.model_file import ALLOWED_TYPES
from include.validation.suite import load_suite
from include.workflows.retrain.split import split_rows

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from sklearn.pipeline import Pipeline as Model

    from include.config.pipeline import Pipeline
    from include.config.training import Training


def bare_retrain(pipeline: Pipeline, watch: Stopwatch) -> float:
    """Retrain by calling the libraries; return the challenger's area under the ROC curve on the holdout."""
    warnings.filterwarnings("ignore", message="X does not have valid feature names")
    training = pipeline.training
    with watch("plan_run"):
        snapshot = pin_snapshot(pipeline)
        champion, known = _champion()
    with watch("build_features"):
        frame = bare_features(pipeline, snapshot).to_pandas()
    with watch("validate_features"):
        _expect(frame, pipeline)
    with watch("tune_candidates"):
        split = split_rows(pipeline, frame, AS_OF)
        folds = Folds(pipeline, frame, split, Metric.of(training), settings.threads())
        tuned = [
            _tune(folds, candidate, known.get(family), training)
            for family, candidate in candidates_of(training).items()
        ]
    with watch("train_challenger"):
        chosen = choose_challenger(pipeline, folds, tuned)
        validated = weighted_mean({each.family: each.predictions for each in tuned}, chosen.weights)
        rows, y = frame.iloc[split.train], folds.y[folds.validated]
        model = fit_challenger(pipeline, rows, chosen, y, validated, settings.threads())
    with watch("evaluate_challenger"):
        held = frame.iloc[split.holdout]
        assert chosen.threshold is not None, "the task is binary"
        metrics, better = _evaluate(pipeline, model, champion, rows, held, chosen.threshold.value)
        importance = _importance(model, held, pipeline)
    with watch("register_model"):
        example = rows[chosen.features].dropna().head(5)
        example = example.astype(dict.fromkeys(feature_columns(pipeline, example).numeric, "float64"))
        members = {member.family: member.params for member in chosen.members}
        _register(pipeline, model, example, members, metrics | importance, better)
    return metrics["challenger.roc_auc_score"]


def _expect(frame: pd.DataFrame, pipeline: Pipeline) -> None:
    import great_expectations as gx

    suite = gx.ExpectationSuite(name="suite", expectations=load_suite(pipeline.folder, "features"))
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("rows").add_dataframe_asset("rows")
    batch = asset.add_batch_definition_whole_dataframe("rows").get_batch(batch_parameters={"dataframe": frame})
    assert batch.validate(suite, result_format="SUMMARY").success


def _tune(folds: Folds, candidate: Candidate, known: dict[str, Any] | None, training: Training) -> TunedCandidate:
    """Have the trials that Nightshift's search has: the defaults, the champion's parameters, and draws."""
    import numpy as np
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", pruner=optuna.pruners.PercentilePruner(33.0, n_startup_trials=3))
    study.enqueue_trial(candidate.defaults)
    if known:
        searched = {name: value for name, value in known.items() if name in candidate.defaults}
        study.enqueue_trial(candidate.defaults | searched, skip_if_exists=True)
    best: TunedCandidate | None = None
    for _ in range(training.tuning.trials or 1 if candidate.searches else 1):
        study.sampler = optuna.samplers.TPESampler(seed=training.seed + len(study.trials), n_startup_trials=6)
        trial = study.ask()
        params = candidate.suggest(trial)
        found = []
        for number in range(len(folds.folds)):
            found.append(folds.fit(candidate, params, number, None))
            trial.report(math.fsum(each.score for each in found) / len(found), number)
            if number + 1 < len(folds.folds) and trial.should_prune():
                break
        if len(found) < len(folds.folds):
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            continue
        mean = math.fsum(each.score for each in found) / len(found)
        study.tell(trial, mean)
        if best is None or mean > best.score:
            rounds = [each.rounds or 1 for each in found] if candidate.rounds else None
            if candidate.rounds and rounds:
                params = params | {candidate.rounds: max(1, round(float(np.mean(rounds))))}
            predictions = np.concatenate([each.predictions for each in found])
            best = TunedCandidate(candidate.family, params, rounds, mean, predictions)
    assert best is not None, "the first trial is not pruned"
    return best


def _evaluate(
    pipeline: Pipeline, model: Model, champion: Model | None, rows: pd.DataFrame, held: pd.DataFrame, threshold: float
) -> tuple[dict[str, float], bool]:
    """Return the metrics of all three, and whether the challenger is better than the others by more than noise."""
    from sklearn.metrics import average_precision_score, brier_score_loss, f1_score, log_loss, roc_auc_score

    label = pipeline.features.label
    y = held[label].to_numpy("float64")
    scores = {"challenger": _probabilities(model, held)}
    scores["baseline"] = held[pipeline.gate.baseline].fillna(rows[label].mean()).to_numpy()
    if champion is not None:
        scores["champion"] = _probabilities(champion, held)
    metrics = {
        f"{name}.{metric.__name__}": float(metric(y, each))
        for name, each in scores.items()
        for metric in (roc_auc_score, average_precision_score, log_loss, brier_score_loss)
    }
    metrics |= {f"{name}.f1": float(f1_score(y, each >= threshold)) for name, each in scores.items()}
    days = held["prediction_time"].dt.strftime("%Y-%m-%d").to_numpy()
    drawn = {"rounds": pipeline.gate.bootstrap_rounds, "confidence": pipeline.gate.confidence}
    better = True
    for other in scores.keys() - {"challenger"}:
        measure, pair = Metric("binary", "roc_auc"), (scores["challenger"], scores[other])
        difference = paired_difference(measure, y, days, *pair, **drawn, seed=pipeline.training.seed)
        metrics[f"{other}.low"] = difference.low
        better = better and difference.low > 0
    return metrics, better


def _probabilities(model: Model, rows: pd.DataFrame) -> np.ndarray:
    return model.predict_proba(rows[list(model.feature_names_in_)])[:, 1]


def _importance(model: Model, held: pd.DataFrame, pipeline: Pipeline) -> dict[str, float]:
    from sklearn.inspection import permutation_importance

    sample = held.sample(min(len(held), 5000), random_state=pipeline.training.seed)
    x, y = sample[list(model.feature_names_in_)], sample[pipeline.features.label].astype("int64")
    found = permutation_importance(model, x, y, scoring="roc_auc", n_repeats=3, random_state=pipeline.training.seed)
    return {f"importance.{name}": float(mean) for name, mean in zip(x.columns, found.importances_mean, strict=True)}


def _champion() -> tuple[Model | None, dict[str, Any]]:
    """Return the champion, and the parameters of the families that it consists of."""
    import mlflow

    folder = settings.home() / "bare" / "mlflow"
    folder.mkdir(parents=True, exist_ok=True)
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    mlflow.set_registry_uri(f"sqlite:///{folder / 'mlflow.db'}")
    client = mlflow.MlflowClient()
    registered = client.search_registered_models(f"name = '{PIPELINE}'")
    if not registered or "champion" not in registered[0].aliases:
        return None, {}
    version = client.get_model_version_by_alias(PIPELINE, "champion")
    return mlflow.sklearn.load_model(f"models:/{PIPELINE}@champion"), json.loads(version.tags["members"])


def _register(
    pipeline: Pipeline, model: Model, example: pd.DataFrame, members: dict[str, Any], metrics: Any, better: bool
) -> None:
    """Log and register as Nightshift does: the model file of skops, what explains it, and the alias."""
    import mlflow
    from mlflow.models import infer_signature

    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name(PIPELINE)
    root = (settings.home() / "bare" / "mlflow" / "artifacts").as_uri()
    at = experiment.experiment_id if experiment else client.create_experiment(PIPELINE, artifact_location=root)
    with mlflow.start_run(experiment_id=at):
        mlflow.log_params({f"{family}.{name}": each for family, own in members.items() for name, each in own.items()})
        mlflow.log_metrics({name: value for name, value in metrics.items() if not name.startswith("importance.")})
        for name in ("plan", "evidence", "verdict", "tuning", "features", "challenger", "importance", "summary"):
            mlflow.log_text(json.dumps(metrics), f"{name}.json")
        for path in sorted(pipeline.folder.rglob("*")):
            if path.suffix in (".yaml", ".sql"):
                mlflow.log_text(path.read_text(encoding="utf-8"), f"pipeline/{path.relative_to(pipeline.folder)}")
        info = mlflow.sklearn.log_model(
            model,
            name="model",
            serialization_format="skops",
            skops_trusted_types=ALLOWED_TYPES,
            signature=infer_signature(example, model.predict_proba(example)),
            input_example=example,
            pip_requirements=["scikit-learn", "lightgbm", "skops"],
            pyfunc_predict_fn="predict_proba",
            registered_model_name=PIPELINE,
        )
    version = info.registered_model_version
    client.set_model_version_tag(PIPELINE, str(version), "members", json.dumps(members))
    client.set_registered_model_alias(PIPELINE, "champion" if better else "challenger", version)
