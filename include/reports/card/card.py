"""Assembles a card from the documents of a run."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from include.core.formatting import format_number, format_share
from include.evaluation.metrics import Metric
from include.reports.card.blocks import Bullets, Card, CardSection, Facts, Table, Text
from include.reports.card.explanations import explanations_section
from include.reports.card.limits import model_limits
from include.reports.card.performance import performance_sections

if TYPE_CHECKING:
    from collections.abc import Mapping

    from include.config.pipeline import Pipeline

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


def model_card(pipeline: Pipeline, facts: Mapping[str, Any]) -> Card:
    """Return the card of the model that a run has trained.

    Parameters
    ----------
    facts
        The run's documents as JSON types by their names: `plan`, `challenger`, `evidence`, `verdict` and `features`,
        and optionally `importance`, `curves`, `contributions`, `registration` (`version`, `alias`, `note`) and
        `approval` (`approved`, `by`, `at`, `reason`). The card says which optional ones are missing.
    """
    evidence, verdict = facts["evidence"], facts["verdict"]
    return Card(
        title=f"{pipeline.name}: model card",
        subtitle=pipeline.description,
        verdict=verdict["verdict"],
        sections=[
            _purpose(pipeline, facts),
            _data(pipeline, facts),
            *performance_sections(pipeline, evidence, facts.get("curves") or {}, facts["challenger"]),
            explanations_section(facts.get("contributions"), facts.get("importance") or [], evidence["metric"]),
            CardSection("Limits", [Bullets(model_limits(pipeline, evidence, verdict))]),
            _decision(facts),
        ],
    )


def _purpose(pipeline: Pipeline, facts: Mapping[str, Any]) -> CardSection:
    training, challenger = pipeline.training, facts["challenger"]
    purpose = {
        "version": _version(facts),
        "question": pipeline.description,
        "predicts": _PREDICTS[training.task].format(label=pipeline.features.label),
        "one row per": ", ".join(pipeline.features.key) + " and prediction_time",
        "owner": pipeline.owner,
        "task": training.task,
        "metric": _metric(pipeline),
        "model": _model(challenger),
        "as of": facts["plan"]["as_of"],
    }
    if challenger.get("threshold"):
        purpose["threshold"] = f"{format_number(challenger['threshold']['value'])}; rows from it on are positive"
    return CardSection("Purpose", [Facts(purpose), *(Text(reason, "soft") for reason in challenger.get("reasons", []))])


def _metric(pipeline: Pipeline) -> str:
    training = pipeline.training
    quantile = f" at the quantile {training.quantile:g}" if training.metric == "pinball" else ""
    return f"{training.metric}{quantile}, {'higher' if Metric.of(training).higher_is_better else 'lower'} is better"


def _model(challenger: Mapping[str, Any]) -> str:
    members = challenger.get("members") or []
    model = challenger["family"]
    if len(members) > 1:
        model = " + ".join(f"{each['weight']:.2f} {each['family']}" for each in members)
    calibration = challenger.get("calibration", "none")
    return model if calibration == "none" else f"{model}, calibrated ({calibration})"


def _data(pipeline: Pipeline, facts: Mapping[str, Any]) -> CardSection:
    plan, challenger, features = facts["plan"], facts["challenger"], facts["features"]
    holdout = facts["evidence"]["holdout"]
    labelled = features.get("labelled_rows")
    data = {
        "training": f"{challenger['train_start']} to {challenger['train_end']}, {challenger['rows']:,} rows",
        "holdout": f"{holdout['start']} to {holdout['end']}, {holdout['rows']:,} rows of {holdout['days']} days",
        "label": _label(holdout, pipeline.training.task),
        "feature table": f"version {features['version']}, {features['rows']:,} rows"
        + ("" if labelled is None else f", {labelled:,} with a known label"),
        "features": f"{len(challenger['features'])}: {', '.join(challenger['features'])}",
    }
    sources = Table(
        ["source", "kind", "version read"],
        [
            [name, source.kind, str(plan["snapshot"].get(name, "-"))]
            for name, source in sorted(pipeline.sources.items())
        ],
        numbers=(2,),
    )
    origin = Facts(
        {"code": plan["code_version"], "lock": plan["lock"], "seed": str(plan["seed"]), "run": plan["run_key"]}
    )
    return CardSection("Data", [Facts(data), sources, Text("To reproduce the model:", "soft"), origin])


def _label(holdout: Mapping[str, Any], task: str) -> str:
    """Return how the label is distributed over the holdout."""
    shares = holdout.get("label_shares")
    if shares:
        by_share = sorted(shares.items(), key=lambda item: -item[1])
        listed = ", ".join(f"{name} {format_share(each)}" for name, each in by_share[:_LISTED_CLASSES])
        left = len(by_share) - _LISTED_CLASSES
        return listed + (f" and {left} more" if left > 0 else "")
    mean = holdout.get("label_mean")
    if mean is None:
        return "not known"
    return f"1 in {format_share(mean)} of the holdout" if task == "binary" else f"mean {format_number(mean)}"


def _version(facts: Mapping[str, Any]) -> str:
    """Return the version's number and its alias when the card was written."""
    registration = facts.get("registration") or {}
    if not registration.get("version"):
        return "not registered"
    alias, note = registration["alias"], registration["note"]
    registered = f"registered as {alias}" if alias else "registered without an alias"
    return f"{registration['version']}, {registered}" + (f"; {note}" if note else "")


def _approval(approval: Mapping[str, Any] | None) -> list[Text]:
    """Return the answer to the approval, where one was requested."""
    if not approval:
        return []
    answer, reason = "Approved" if approval["approved"] else "Rejected", approval["reason"]
    by = f"by {approval['by']}" if approval["by"] else "because nobody answered in time"
    return [Text(f"{answer} {by}, {approval['at']}" + (f": {reason}" if reason else ""))]


def _decision(facts: Mapping[str, Any]) -> CardSection:
    verdict = facts["verdict"]
    results = verdict["results"]
    rows = [[result["code"], result["outcome"], result["title"], _explanation(result)] for result in results]
    counts = Counter(result["outcome"] for result in results)
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in counts.most_common())
    return CardSection(
        "Decision",
        [
            Text(verdict["reason"]),
            *_approval(facts.get("approval")),
            Text(f"{len(results)} checks of the gate: {outcomes}.", "soft"),
            Table(["check", "outcome", "requirement", "explanation"], rows),
        ],
    )


def _explanation(result: Mapping[str, Any]) -> str:
    linked = result["outcome"] in _FIRED and result["documentation"]
    return result["explanation"] + (f" ({result['documentation']})" if linked else "")
