"""Assembles a card from the results of a run."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from include.core.formatting import format_number, format_share
from include.evaluation.metrics import Metric
from include.reports.card.blocks import Bullets, Card, CardSection, Facts, Table, Text
from include.reports.card.explanations import explanations_section
from include.reports.card.limits import model_limits
from include.reports.card.performance import performance_sections

if TYPE_CHECKING:
    from include.config.pipeline import Pipeline
    from include.evaluation.evidence import HoldoutSummary
    from include.gate.answer import Answer
    from include.gate.verdict import CheckResult
    from include.reports.card.described_run import DescribedRun
    from include.training.challenger import ChallengerSpec

_PREDICTS = {
    "binary": "the probability that {label} is 1",
    "multiclass": "the probability of each class of {label}",
    "regression": "the value of {label}",
    "forecasting": "the future value of {label}",
}
#: Outcomes that link to the documentation of their check.
_FIRED = ("fail", "broken", "inconclusive", "warn")
#: A label's classes that the card lists with their shares, the most frequent ones.
_LISTED_CLASSES = 6


def model_card(pipeline: Pipeline, run: DescribedRun) -> Card:
    """Return the card of the model that a run has trained."""
    evidence, verdict = run.evidence, run.verdict
    return Card(
        title=f"{pipeline.name}: model card",
        subtitle=pipeline.description,
        verdict=verdict.verdict,
        sections=[
            _purpose(pipeline, run),
            _data(pipeline, run),
            *performance_sections(pipeline, evidence, run.curves, run.challenger.chosen.calibration),
            explanations_section(run.contributions, run.importance, evidence.metric),
            CardSection("Limits", [Bullets(model_limits(pipeline, evidence, verdict))]),
            _decision(run),
        ],
    )


def _purpose(pipeline: Pipeline, run: DescribedRun) -> CardSection:
    training, chosen = pipeline.training, run.challenger.chosen
    purpose = {
        "version": _version(run),
        "question": pipeline.description,
        "predicts": _PREDICTS[training.task].format(label=pipeline.features.label),
        "one row per": ", ".join(pipeline.features.key) + " and prediction_time",
        "owner": pipeline.owner,
        "task": training.task,
        "metric": _metric(pipeline),
        "model": _model(chosen),
        "as of": str(run.as_of),
    }
    if chosen.threshold:
        purpose["threshold"] = f"{format_number(chosen.threshold.value)}; rows from it on are positive"
    return CardSection("Purpose", [Facts(purpose), *(Text(reason, "soft") for reason in chosen.reasons)])


def _metric(pipeline: Pipeline) -> str:
    training = pipeline.training
    quantile = f" at the quantile {training.quantile:g}" if training.metric == "pinball" else ""
    return f"{training.metric}{quantile}, {'higher' if Metric.of(training).higher_is_better else 'lower'} is better"


def _model(chosen: ChallengerSpec) -> str:
    model = chosen.family
    if len(chosen.members) > 1:
        model = " + ".join(f"{each.weight:.2f} {each.family}" for each in chosen.members)
    return model if chosen.calibration == "none" else f"{model}, calibrated ({chosen.calibration})"


def _data(pipeline: Pipeline, run: DescribedRun) -> CardSection:
    challenger, features, holdout = run.challenger, run.features, run.evidence.holdout
    names = challenger.chosen.features
    data = {
        "training": f"{challenger.train_start} to {challenger.train_end}, {challenger.rows:,} rows",
        "holdout": f"{holdout.start} to {holdout.end}, {holdout.rows:,} rows of {holdout.days} days",
        "label": _label(holdout, pipeline.training.task),
        "feature table": f"version {features.version}, {features.rows:,} rows, {features.labelled_rows:,} with a known "
        "label",
        "features": f"{len(names)}: {', '.join(names)}",
    }
    sources = Table(
        ["source", "kind", "version read"],
        [[name, source.kind, str(run.snapshot.get(name, "-"))] for name, source in sorted(pipeline.sources.items())],
        numbers=(2,),
    )
    origin = Facts({"code": run.code_version, "lock": run.lock, "seed": str(run.seed), "run": run.run_key})
    return CardSection("Data", [Facts(data), sources, Text("To reproduce the model:", "soft"), origin])


def _label(holdout: HoldoutSummary, task: str) -> str:
    """Return how the label is distributed over the holdout."""
    shares = holdout.label_shares
    if shares:
        by_share = sorted(shares.items(), key=lambda item: -item[1])
        listed = ", ".join(f"{name} {format_share(each)}" for name, each in by_share[:_LISTED_CLASSES])
        left = len(by_share) - _LISTED_CLASSES
        return listed + (f" and {left} more" if left > 0 else "")
    mean = holdout.label_mean
    if math.isnan(mean):
        return "not known"
    return f"1 in {format_share(mean)} of the holdout" if task == "binary" else f"mean {format_number(mean)}"


def _version(run: DescribedRun) -> str:
    """Return the version's number and its alias when the card was written."""
    if not run.version:
        return "not registered"
    registered = f"registered as {run.alias}" if run.alias else "registered without an alias"
    return f"{run.version}, {registered}" + (f"; {run.note}" if run.note else "")


def _approval(answer: Answer | None) -> list[Text]:
    """Return the answer to the approval, where one was requested."""
    if not answer:
        return []
    said = "Approved" if answer.approved else "Rejected"
    by = f"by {answer.by}" if answer.by else "because nobody answered in time"
    return [Text(f"{said} {by}, {answer.at.isoformat()}" + (f": {answer.reason}" if answer.reason else ""))]


def _decision(run: DescribedRun) -> CardSection:
    verdict = run.verdict
    results = verdict.results
    rows = [[result.code, result.outcome, result.title, _explanation(result)] for result in results]
    counts = Counter(result.outcome for result in results)
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in counts.most_common())
    return CardSection(
        "Decision",
        [
            Text(verdict.reason),
            *_approval(run.answer),
            Text(f"{len(results)} checks of the gate: {outcomes}.", "soft"),
            Table(["check", "outcome", "requirement", "explanation"], rows),
        ],
    )


def _explanation(result: CheckResult) -> str:
    linked = result.outcome in _FIRED and result.documentation
    return result.explanation + (f" ({result.documentation})" if linked else "")
