"""The steps of a retraining run: each reads what earlier steps left in the run's folder, and adds to it.

Every step follows the plan and writes its files whole or not at all, so that it may be killed anywhere
and run again. What a step returns is for its caller; no later step depends on it.
"""

from __future__ import annotations

import hashlib
import json
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
    from upath import UPath

    from include.config import Pipeline
    from include.evaluation.evidence import Evidence
    from include.evaluation.gate import Verdict
    from include.retraining.plan import RunPlan
    from include.tracking.register import RunRecord
    from include.training.split import Split

log = logging.getLogger(__name__)


def build(pipeline: Pipeline, plan: RunPlan) -> dict[str, Any]:
    """Build the feature table of the plan's snapshot; return its version."""
    table = build_features(pipeline, plan.snapshot, date.fromisoformat(plan.as_of)).to_json()
    workspace.write_json(_folder(plan) / "features.json", table)
    return table


def validate(pipeline: Pipeline, plan: RunPlan) -> dict[str, Any]:
    """Hold the feature table against its expectations; return how many hold."""
    from include.validation.validate import validate_features

    table = _features(plan)
    report = validate_features(pipeline, lake.read_table(table.uri, table.version))
    workspace.write_json(_folder(plan) / "feature_validation.json", report.to_json())
    return {"expectations": report.expectations, "warnings": [str(failure) for failure in report.failures]}


def tune(pipeline: Pipeline, plan: RunPlan, candidate: str) -> dict[str, Any]:
    """Tune one candidate for its share of the seconds; return its best parameters and their score."""
    from include.training.fit import check_trainable
    from include.training.tune import tune_candidate

    path = _folder(plan) / f"tuning-{candidate}.json"
    made_from = _made_from(pipeline, plan)
    found = workspace.read_json(path, "the tuning") if path.exists() else {}
    if found.get("made_from") == made_from:
        log.info("%s: this run has tuned %s already, its trials are used again", plan.pipeline, candidate)
    else:
        frame, split = _frame_and_split(pipeline, plan)
        check_trainable(pipeline, frame, split)
        seconds = plan.tuning_seconds / len(pipeline.training.candidates)
        result = tune_candidate(pipeline, frame, split, candidate, seconds, plan.tuning_trials, settings.threads())
        found = result.to_json() | {"made_from": made_from}
        workspace.write_json(path, found)
    return {name: found[name] for name in ("family", "params", "score", "fold_scores", "seconds")}


def train(pipeline: Pipeline, plan: RunPlan) -> dict[str, Any]:
    """Fit the best candidate on all rows before the holdout; return what the challenger is."""
    from include.training.fit import fit_challenger
    from include.training.model_file import save_model
    from include.training.tune import choose_best

    tuned = list(_tunings(pipeline, plan).values())
    best = choose_best(tuned, pipeline.training.task, pipeline.training.metric)
    for result in tuned:
        mark = "best" if result is best else ""
        log.info("%-24s %s %.5f %s", result["family"], pipeline.training.metric, result["score"], mark)
    path = _folder(plan) / "challenger.json"
    made_from = _made_from(pipeline, plan, best["family"], best["params"])
    if path.exists():
        # a file of the same model differs in its bytes each time, and a version is known by its bytes
        found = workspace.read_json(path, "the challenger")
        if found["made_from"] == made_from:
            log.info("%s: this run has fitted its challenger already", plan.pipeline)
            return found
    frame, split = _frame_and_split(pipeline, plan)
    model = fit_challenger(pipeline, frame, split, best["family"], best["params"], settings.threads())
    with TemporaryDirectory(prefix="challenger-") as folder:
        scratch = Path(folder) / "challenger.skops"
        sha256 = save_model(model, scratch)
        workspace.write_bytes(_challenger_file(plan, sha256), scratch.read_bytes())
    challenger = {
        "family": best["family"],
        "params": best["params"],
        "tuning_score": best["score"],
        "sha256": sha256,
        "rows": len(split.train),
        "train_start": split.train_start,
        "train_end": split.train_end,
        "made_from": made_from,
    }
    workspace.write_json(path, challenger)
    log.info(
        "%s: challenger %s fitted on %s rows of %s to %s",
        *(plan.pipeline, best["family"], f"{len(split.train):,}", split.train_start, split.train_end),
    )
    return challenger


def evaluate(pipeline: Pipeline, plan: RunPlan) -> dict[str, Any]:
    """Score challenger, champion and baseline on the same holdout rows; return the evidence."""
    from include.evaluation.evidence import baseline_predictions, collect_evidence
    from include.training.fit import predict

    challenger = _challenger(plan)
    frame, split = _frame_and_split(pipeline, plan)
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
            "train_start": challenger["train_start"],
            "train_end": challenger["train_end"],
        },
        champion_is=plan.champion.to_json() if plan.champion else None,
        holdout_days=(split.holdout_start, split.holdout_end),
    ).to_json()
    workspace.write_json(_folder(plan) / "evidence.json", evidence)
    return evidence


def judge(pipeline: Pipeline, plan: RunPlan) -> dict[str, Any]:
    """Apply the gate to the evidence; return the verdict."""
    from include.evaluation.gate import decide

    verdict = decide(_evidence(plan), pipeline.gate)
    workspace.write_json(_folder(plan) / "verdict.json", verdict.to_json())
    log.info("%s", verdict.reason)
    return verdict.to_json()


def register(pipeline: Pipeline, plan: RunPlan) -> dict[str, Any]:
    """Register the challenger in MLflow and return its version and alias; a dry run registers nothing."""
    from include.tracking.register import register_model

    if plan.dry_run:
        log.info("%s: a dry run registers nothing", plan.pipeline)
        registration = {"version": None, "alias": None, "mlflow_run_id": None, "note": "dry run: nothing registered"}
    else:
        challenger = _challenger(plan)
        frame, split = _frame_and_split(pipeline, plan)
        registration = register_model(
            _record(pipeline, plan, challenger),
            _load_challenger(plan, challenger),
            _example(pipeline, frame.iloc[split.train]),
            pipeline.training.task,
            promote=_verdict(plan).verdict == "promote",
            expected_champion=plan.champion.version if plan.champion else None,
        ).to_json()
    workspace.write_json(_folder(plan) / "registration.json", registration)
    return registration


def summarize(pipeline: Pipeline, plan: RunPlan) -> dict[str, Any]:
    """Log what the run came to, and return it."""
    from include.evaluation.report import verdict_table

    verdict = _verdict(plan)
    registration = workspace.read_json(_folder(plan) / "registration.json", "what was registered")
    table = verdict_table(_evidence(plan), verdict)
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
    # the alias has the last word: another run may have promoted between the verdict and the registration
    overtaken = verdict.verdict == "promote" and version and alias != "champion"
    reason = registration["note"] or verdict.reason
    for line in "\n".join(lines).splitlines():
        log.info("%s", line)
    log.info("%s: %s", pipeline.name, reason)
    return {
        "verdict": "keep" if overtaken else verdict.verdict,
        "reason": reason,
        "version": version,
        "alias": alias,
        "as_of": plan.as_of,
        "table": "\n".join(lines),
    }


def _folder(plan: RunPlan) -> UPath:
    return workspace.run_folder(plan.pipeline, plan.run_key)


def _features(plan: RunPlan) -> FeatureTable:
    return FeatureTable(**workspace.read_json(_folder(plan) / "features.json", "the feature table"))


def _tunings(pipeline: Pipeline, plan: RunPlan) -> dict[str, dict[str, Any]]:
    return {
        family: workspace.read_json(_folder(plan) / f"tuning-{family}.json", f"the tuning of {family}")
        for family in pipeline.training.candidates
    }


def _challenger(plan: RunPlan) -> dict[str, Any]:
    return workspace.read_json(_folder(plan) / "challenger.json", "the challenger")


def _challenger_file(plan: RunPlan, sha256: str) -> UPath:
    # named for what it holds, so that it and challenger.json cannot be of two attempts
    return _folder(plan) / f"challenger-{sha256[:12]}.skops"


def _evidence(plan: RunPlan) -> Evidence:
    from include.evaluation.evidence import Evidence

    return Evidence.from_json(workspace.read_json(_folder(plan) / "evidence.json", "the evidence"))


def _verdict(plan: RunPlan) -> Verdict:
    from include.evaluation.gate import Verdict

    return Verdict.from_json(workspace.read_json(_folder(plan) / "verdict.json", "the verdict"))


def _made_from(pipeline: Pipeline, plan: RunPlan, *more: Any) -> str:
    """Return a digest of what a result of this run rests on, so that it is used again for that only."""
    rests_on = [_features(plan).build, pipeline.training.model_dump(mode="json"), plan.to_json(), *more]
    return hashlib.sha256(json.dumps(rests_on, sort_keys=True).encode()).hexdigest()[:16]


def _frame_and_split(pipeline: Pipeline, plan: RunPlan) -> tuple[pd.DataFrame, Split]:
    """Return the feature frame and its split by time, the same in every step of a run."""
    from include.training.split import split_by_time

    frame = read_features(_features(plan))
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

    kept = _challenger_file(plan, challenger["sha256"])
    with TemporaryDirectory(prefix="challenger-") as folder:
        path = Path(folder) / kept.name
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


def _record(pipeline: Pipeline, plan: RunPlan, challenger: dict[str, Any]) -> RunRecord:
    """Gather what MLflow is told of the run."""
    from include.evaluation.report import verdict_table
    from include.tracking.register import RunRecord, documents

    evidence, verdict, features = _evidence(plan), _verdict(plan), _features(plan)
    measured, metric = evidence.to_json(), pipeline.training.metric
    return RunRecord(
        name=plan.pipeline,
        run_key=plan.run_key,
        sha256=challenger["sha256"],
        params={"family": challenger["family"], "rows": challenger["rows"], "seed": plan.seed} | challenger["params"],
        metrics=_measured("holdout", measured["challenger"])
        | _measured("baseline", measured["baseline"])
        | _measured("champion", measured["champion"])
        | {f"tuning.{metric}": challenger["tuning_score"]},
        version_tags={
            "as_of": plan.as_of,
            "verdict": verdict.verdict,
            "family": challenger["family"],
            "train_start": challenger["train_start"],
            "train_end": challenger["train_end"],
            "snapshot": ", ".join(f"{source}={version}" for source, version in plan.snapshot.items()),
            "code_version": plan.code_version,
            "seed": str(plan.seed),
        },
        run_tags={
            "pipeline": plan.pipeline,
            "owner": pipeline.owner,
            "features_version": str(features.version),
            "features_build": features.build,
            "lock": plan.lock,
        },
        documents=documents(
            plan=plan.to_json(),
            evidence=measured,
            verdict=verdict.to_json(),
            tuning=_tunings(pipeline, plan),
            features=features.to_json(),
        )
        | {"verdict.txt": verdict_table(evidence, verdict)},
        description=f"{pipeline.description}\n\n{verdict.reason}",
    )


def _measured(prefix: str, measured: dict[str, Any] | None) -> dict[str, float]:
    """Return the metrics that are defined, named for MLflow."""
    values = (measured or {}).get("metrics") or {}
    return {f"{prefix}.{name}": value for name, value in values.items() if value is not None}
