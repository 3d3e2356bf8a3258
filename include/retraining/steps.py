"""The steps of a retraining run: each reads what earlier steps left, and returns a small reference.

Every step follows the plan and writes its files whole or not at all, so that it may be killed anywhere
and run again.
"""

from __future__ import annotations

import logging
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from include import lake, settings, workspace
from include.errors import NightshiftError
from include.features.build import FeatureTable, build_features, read_features

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline as Model

    from include.config import Pipeline
    from include.retraining.plan import RunPlan
    from include.training.split import Split

log = logging.getLogger(__name__)

CHALLENGER_FILE = "challenger.skops"


def build(pipeline: Pipeline, plan: RunPlan) -> dict[str, Any]:
    """Build the feature table of the plan's snapshot and return its version."""
    return build_features(pipeline, plan.snapshot, date.fromisoformat(plan.as_of)).to_json()


def validate(pipeline: Pipeline, plan: RunPlan, features: dict[str, Any]) -> dict[str, Any]:
    """Hold the feature table against its expectations and return its version."""
    from include.validation.validate import validate_features

    table = FeatureTable(**features)
    report = validate_features(pipeline, lake.read_table(table.uri, table.version))
    workspace.write_json(_folder(plan) / "feature_validation.json", report.to_json())
    return features


def tune(pipeline: Pipeline, plan: RunPlan, features: dict[str, Any], candidate: str) -> dict[str, Any]:
    """Tune one candidate for its share of the seconds; its trials are kept and found again."""
    from include.training.fit import check_trainable
    from include.training.tune import tune_candidate

    path = _folder(plan) / f"tuning-{candidate}.json"
    if path.exists():
        log.info("%s: this run has tuned %s already, its trials are used again", plan.pipeline, candidate)
        found = workspace.read_json(path, "the tuning")
    else:
        frame, split = _frame_and_split(pipeline, plan, features)
        check_trainable(pipeline, frame, split)
        seconds = plan.tuning_seconds / len(pipeline.training.candidates)
        result = tune_candidate(pipeline, frame, split, candidate, seconds, plan.tuning_trials, settings.threads())
        found = result.to_json()
        workspace.write_json(path, found)
    return {name: found[name] for name in ("family", "params", "score", "fold_scores", "seconds")}


def train(pipeline: Pipeline, plan: RunPlan, features: dict[str, Any], tuned: list[dict[str, Any]]) -> dict[str, Any]:
    """Fit the best candidate on all rows before the holdout and return the challenger's reference."""
    from include.training.fit import fit_challenger
    from include.training.model_file import save_model
    from include.training.tune import choose_best

    best = choose_best(tuned, pipeline.training.task, pipeline.training.metric)
    for result in tuned:
        mark = "best" if result is best else ""
        log.info("%-24s %s %.5f %s", result["family"], pipeline.training.metric, result["score"], mark)
    frame, split = _frame_and_split(pipeline, plan, features)
    model = fit_challenger(pipeline, frame, split, best["family"], best["params"], settings.threads())
    with TemporaryDirectory(prefix="challenger-") as folder:
        path = Path(folder) / CHALLENGER_FILE
        sha256 = save_model(model, path)
        workspace.write_bytes(_folder(plan) / CHALLENGER_FILE, path.read_bytes())
    challenger = {
        "family": best["family"],
        "params": best["params"],
        "tuning_score": best["score"],
        "sha256": sha256,
        "rows": len(split.train),
        "train_start": split.train_start,
        "train_end": split.train_end,
    }
    log.info(
        "%s: challenger %s fitted on %s rows of %s to %s",
        *(plan.pipeline, best["family"], f"{len(split.train):,}", split.train_start, split.train_end),
    )
    return challenger


def evaluate(pipeline: Pipeline, plan: RunPlan, features: dict[str, Any], challenger: dict[str, Any]) -> dict[str, Any]:
    """Score challenger, champion and baseline on the same holdout rows and return the evidence."""
    from include.evaluation.evidence import baseline_predictions, collect_evidence
    from include.training.fit import predict

    frame, split = _frame_and_split(pipeline, plan, features)
    holdout, task = frame.iloc[split.holdout], pipeline.training.task
    label = pipeline.features.label
    champion_predictions, champion_error = _champion_predictions(plan, holdout, task)
    evidence = collect_evidence(
        pipeline,
        y_true=holdout[label].to_numpy(dtype="float64"),
        days=holdout["prediction_time"].dt.strftime("%Y-%m-%d").to_numpy(),
        challenger=predict(_load_challenger(plan, challenger), holdout, task),
        baseline=baseline_predictions(pipeline, frame[label].iloc[split.train].to_numpy("float64"), holdout),
        champion=champion_predictions,
        champion_error=champion_error,
        challenger_is={
            "family": challenger["family"],
            "as_of": plan.as_of,
            "train_start": split.train_start,
            "train_end": split.train_end,
        },
        champion_is=plan.champion.to_json() if plan.champion else None,
        holdout_days=(split.holdout_start, split.holdout_end),
    ).to_json()
    workspace.write_json(_folder(plan) / "evidence.json", evidence)
    return evidence


def judge(pipeline: Pipeline, plan: RunPlan, evidence: dict[str, Any]) -> dict[str, Any]:
    """Apply the gate to the evidence and return the verdict."""
    from include.evaluation.evidence import Evidence
    from include.evaluation.gate import decide

    verdict = decide(Evidence.from_json(evidence), pipeline.gate)
    workspace.write_json(_folder(plan) / "verdict.json", verdict.to_json())
    log.info("%s", verdict.reason)
    return verdict.to_json()


def register(
    pipeline: Pipeline,
    plan: RunPlan,
    features: dict[str, Any],
    challenger: dict[str, Any],
    evidence: dict[str, Any],
    verdict: dict[str, Any],
) -> dict[str, Any]:
    """Register the challenger in MLflow; a dry run registers nothing."""
    from include.tracking.register import register_model

    if plan.dry_run:
        log.info("%s: a dry run registers nothing", plan.pipeline)
        return {"version": None, "alias": None, "mlflow_run_id": None, "note": "dry run: nothing registered"}
    frame, split = _frame_and_split(pipeline, plan, features)
    return register_model(
        _record(pipeline, plan, features, challenger, evidence, verdict),
        _load_challenger(plan, challenger),
        _example(pipeline, frame.iloc[split.train]),
        pipeline.training.task,
        promote=verdict["verdict"] == "promote",
        expected_champion=plan.champion.version if plan.champion else None,
    ).to_json()


def summarize(
    pipeline: Pipeline,
    plan: RunPlan,
    evidence: dict[str, Any],
    verdict: dict[str, Any],
    registration: dict[str, Any],
) -> dict[str, Any]:
    """Log what the run came to, and return it."""
    from include.evaluation.evidence import Evidence
    from include.evaluation.gate import Verdict
    from include.evaluation.report import verdict_table

    table = verdict_table(Evidence.from_json(evidence), Verdict.from_json(verdict))
    version, alias = registration["version"], registration["alias"]
    lines = [f"{pipeline.name}, as of {plan.as_of}: {pipeline.description}", "", table, ""]
    if version:
        lines.append(f"Registered: {pipeline.name} version {version}" + (f", alias {alias}" if alias else ""))
    if registration["note"]:
        lines.append(registration["note"])
    uri = settings.shown_tracking_uri()
    if version and uri.startswith("http"):
        lines.append(f"Look further: {uri}/#/models/{pipeline.name}/versions/{version}")
    lines.append(f"Files of this run: {_folder(plan)}")
    for line in "\n".join(lines).splitlines():
        log.info("%s", line)
    # the alias has the last word: another run may have promoted between the verdict and the registration
    final = "keep" if verdict["verdict"] == "promote" and version and alias != "champion" else verdict["verdict"]
    return {
        "verdict": final,
        "reason": registration["note"] or verdict["reason"],
        "version": version,
        "alias": alias,
        "as_of": plan.as_of,
        "table": "\n".join(lines),
    }


def _folder(plan: RunPlan) -> Any:
    return workspace.run_folder(plan.pipeline, plan.run_key)


def _frame_and_split(pipeline: Pipeline, plan: RunPlan, features: dict[str, Any]) -> tuple[pd.DataFrame, Split]:
    """Return the feature frame and its split by time, the same in every step of a run."""
    from include.training.split import split_by_time

    frame = read_features(FeatureTable(**features))
    training = pipeline.training
    split = split_by_time(
        frame["prediction_time"].to_numpy(),
        frame[pipeline.features.label].notna().to_numpy(),
        training,
        # the labels of later days may be known in part only, and which part is not by chance
        through=date.fromisoformat(plan.as_of) - timedelta(days=training.gap_days),
    )
    return frame, split


def _load_challenger(plan: RunPlan, challenger: dict[str, Any]) -> Model:
    from include.errors import RunMissing
    from include.training.model_file import load_model

    kept = _folder(plan) / CHALLENGER_FILE
    with TemporaryDirectory(prefix="challenger-") as folder:
        path = Path(folder) / CHALLENGER_FILE
        try:
            path.write_bytes(kept.read_bytes())
        except FileNotFoundError as error:
            raise RunMissing(f"the challenger is not at {kept}; run the task train_challenger again") from error
        return load_model(path, challenger["sha256"])


def _champion_predictions(plan: RunPlan, holdout: pd.DataFrame, task: str) -> tuple[Any, str | None]:
    """Return the champion's predictions, or why it cannot be scored."""
    from include.errors import TrackingUnavailable
    from include.tracking.champion import load_champion
    from include.training.fit import predict

    if plan.champion is None:
        return None, None
    try:
        return predict(load_champion(plan.champion), holdout, task), None
    except TrackingUnavailable:
        raise  # says nothing of the champion: a retry may load it
    except (NightshiftError, ValueError, KeyError, TypeError) as error:
        log.warning("the champion, version %s, cannot be scored: %s", plan.champion.version, error)
        return None, f"{type(error).__name__}: {error}"


def _example(pipeline: Pipeline, rows: pd.DataFrame, count: int = 5) -> pd.DataFrame:
    """Return a few rows of the features that a model takes."""
    from include.training.columns import feature_columns

    columns = feature_columns(pipeline, rows)
    whole = rows[[*columns.numeric, *columns.categorical]].dropna().head(count)
    example = whole if len(whole) else rows[[*columns.numeric, *columns.categorical]].head(count)
    return example.astype(dict.fromkeys(columns.numeric, "float64"))


def _record(
    pipeline: Pipeline,
    plan: RunPlan,
    features: dict[str, Any],
    challenger: dict[str, Any],
    evidence: dict[str, Any],
    verdict: dict[str, Any],
) -> Any:
    """Gather what MLflow is told of the run."""
    from include.evaluation.evidence import Evidence
    from include.evaluation.gate import Verdict
    from include.evaluation.report import verdict_table
    from include.tracking.register import RunRecord, documents

    tuning = {
        family: workspace.read_json(_folder(plan) / f"tuning-{family}.json", "the tuning")
        for family in pipeline.training.candidates
    }
    table = verdict_table(Evidence.from_json(evidence), Verdict.from_json(verdict))
    tags = {
        "pipeline": plan.pipeline,
        "owner": pipeline.owner,
        "as_of": plan.as_of,
        "verdict": verdict["verdict"],
        "family": challenger["family"],
        "train_start": challenger["train_start"],
        "train_end": challenger["train_end"],
        "features_version": str(features["version"]),
        "code_version": plan.code_version,
        "lock": plan.lock,
        "seed": str(plan.seed),
    } | {f"table.{source}": str(version) for source, version in plan.snapshot.items()}
    return RunRecord(
        name=plan.pipeline,
        run_key=plan.run_key,
        params={"family": challenger["family"], "rows": challenger["rows"], "seed": plan.seed} | challenger["params"],
        metrics=_measured("holdout", evidence["challenger"])
        | _measured("baseline", evidence["baseline"])
        | _measured("champion", evidence["champion"])
        | {f"tuning.{pipeline.training.metric}": challenger["tuning_score"]},
        tags=tags,
        documents=documents(plan=plan.to_json(), evidence=evidence, verdict=verdict, tuning=tuning)
        | {"verdict.txt": table},
        description=f"{pipeline.description}\n\n{verdict['reason']}",
    )


def _measured(prefix: str, measured: dict[str, Any] | None) -> dict[str, float]:
    """Return the metrics that are defined, named for MLflow."""
    values = (measured or {}).get("metrics") or {}
    return {f"{prefix}.{name}": value for name, value in values.items() if value is not None}
