"""A retraining run as a script would have it: the libraries' calls, and none of Nightshift's steps.

It is written for one pipeline: a binary task, the metric roc_auc, a feature as the baseline. What is not a
library's is taken from `include`: the families' pipelines, the folds and the bootstrap.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from benchmarks.features import AS_OF, bare_features
from benchmarks.measure import PIPELINE, Stopwatch
from include import settings
from include.evaluation.metrics import Measure
from include.evaluation.noise import paired_difference
from include.features.build import pin_snapshot
from include.training.candidates import CANDIDATES
from include.training.columns import FeatureColumns, feature_columns
from include.training.model_file import ALLOWED_TYPES
from include.training.split import time_ordered_folds
from include.validation.suite import load_suite

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from sklearn.pipeline import Pipeline as Model

    from include.config import Pipeline
    from include.training_config import Training


def bare_retrain(pipeline: Pipeline, watch: Stopwatch) -> float:
    """Retrain by calling the libraries; return the challenger's area under the ROC curve on the holdout."""
    import numpy as np
    from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

    training, label = pipeline.training, "is_late"
    with watch("build_features"):
        frame = bare_features(pipeline, pin_snapshot(pipeline)).to_pandas()
    with watch("validate_features"):
        _expect(frame, pipeline)
    last = np.datetime64(AS_OF - timedelta(days=training.gap_days))
    first = last - np.timedelta64(training.holdout_days - 1, "D")
    days = frame["prediction_time"].to_numpy().astype("datetime64[D]")
    known = frame[label].notna().to_numpy()
    rows = frame[known & (days < first - np.timedelta64(training.gap_days, "D"))]
    held = frame[known & (days >= first) & (days <= last)]
    columns = feature_columns(pipeline, frame)
    folds = _folds(rows, training)
    studies = {}
    for family in training.candidates:
        with watch(f"tune_candidate {family}"):
            studies[family] = _tune(rows, columns, folds, family, training)
    with watch("train_challenger"):
        family = max(studies, key=lambda name: studies[name][0])
        model = _fit(rows, columns, family, studies[family][1], training)
    with watch("evaluate_challenger"):
        y = held[label].to_numpy("float64")
        scores = {"challenger": model.predict_proba(held[columns.all])[:, 1]}
        scores["baseline"] = held[pipeline.gate.baseline].fillna(rows[label].mean()).to_numpy()
        champion = _champion()
        if champion is not None:
            scores["champion"] = champion.predict_proba(held[columns.all])[:, 1]
        metrics = {
            f"{name}.{metric.__name__}": metric(y, each)
            for name, each in scores.items()
            for metric in (roc_auc_score, average_precision_score, log_loss, brier_score_loss)
        }
        held_days = held["prediction_time"].dt.strftime("%Y-%m-%d").to_numpy()
        better = True
        for other in scores.keys() - {"challenger"}:
            drawn = {"rounds": pipeline.gate.bootstrap_rounds, "confidence": pipeline.gate.confidence}
            pair = scores["challenger"], scores[other]
            roc_auc = Measure("binary", "roc_auc")
            difference = paired_difference(roc_auc, y, held_days, *pair, **drawn, seed=training.seed)
            metrics[f"{other}.low"] = difference.low
            better = better and difference.low > 0
    with watch("register_model"):
        example = rows[columns.all].dropna().head(5)
        params = {"family": family, **studies[family][1]}
        _register(model, example.astype(dict.fromkeys(columns.numeric, "float64")), params, metrics, better)
    return metrics["challenger.roc_auc_score"]


def _expect(frame: pd.DataFrame, pipeline: Pipeline) -> None:
    import great_expectations as gx

    suite = gx.ExpectationSuite(name="suite", expectations=load_suite(pipeline.folder, "features"))
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("rows").add_dataframe_asset("rows")
    batch = asset.add_batch_definition_whole_dataframe("rows").get_batch(batch_parameters={"dataframe": frame})
    assert batch.validate(suite, result_format="SUMMARY").success


def _folds(rows: pd.DataFrame, training: Training) -> list[tuple[np.ndarray, np.ndarray]]:
    import numpy as np

    draw, size = np.random.default_rng(training.seed), training.tuning.sample_rows
    times = rows["prediction_time"].to_numpy()
    folds = time_ordered_folds(times, training.tuning.folds, training.gap_days, training.holdout_days)
    return [(np.sort(draw.choice(fit, size, replace=False)) if len(fit) > size else fit, held) for fit, held in folds]


def _fit(rows: pd.DataFrame, columns: FeatureColumns, family: str, params: Any, training: Training) -> Model:
    model = CANDIDATES[family].build(columns, "binary", params, training.seed, settings.threads())
    return model.fit(rows[columns.all], rows["is_late"].to_numpy("int64"))


def _tune(rows: pd.DataFrame, columns: FeatureColumns, folds: Any, family: str, training: Training) -> Any:
    import optuna
    from sklearn.metrics import roc_auc_score

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=training.seed, n_startup_trials=5),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=3),
    )
    study.enqueue_trial(CANDIDATES[family].defaults)

    def objective(trial: optuna.Trial) -> float:
        params = CANDIDATES[family].suggest(trial)
        scores: list[float] = []
        for number, (fit, validate) in enumerate(folds):
            model = _fit(rows.iloc[fit], columns, family, params, training)
            held = rows.iloc[validate]
            scores.append(roc_auc_score(held["is_late"], model.predict_proba(held[columns.all])[:, 1]))
            trial.report(sum(scores) / len(scores), number)
            if number + 1 < len(folds) and trial.should_prune():
                raise optuna.TrialPruned
        return sum(scores) / len(scores)

    study.optimize(objective, n_trials=training.tuning.trials)
    return study.best_value, study.best_params


def _champion() -> Model | None:
    import mlflow

    folder = settings.home() / "bare" / "mlflow"
    folder.mkdir(parents=True, exist_ok=True)
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    mlflow.set_registry_uri(f"sqlite:///{folder / 'mlflow.db'}")
    if not mlflow.MlflowClient().search_registered_models(f"name = '{PIPELINE}'"):
        return None
    return mlflow.sklearn.load_model(f"models:/{PIPELINE}@champion")


def _register(model: Model, example: pd.DataFrame, params: dict[str, Any], metrics: Any, better: bool) -> None:
    """Log and register as Nightshift does: the model file of skops, what explains it, and the alias."""
    import mlflow
    from mlflow.models import infer_signature

    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name(PIPELINE)
    root = (settings.home() / "bare" / "mlflow" / "artifacts").as_uri()
    at = experiment.experiment_id if experiment else client.create_experiment(PIPELINE, artifact_location=root)
    with mlflow.start_run(experiment_id=at):
        mlflow.log_params(params)
        mlflow.log_metrics(metrics)
        for name in ("plan.json", "evidence.json", "verdict.json", "tuning.json", "features.json", "verdict.txt"):
            mlflow.log_text(json.dumps(metrics), name)
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
    client.set_registered_model_alias(PIPELINE, "champion" if better else "challenger", info.registered_model_version)
