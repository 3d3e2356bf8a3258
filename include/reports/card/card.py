"""Puts a card together from what a run has written down."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from include.core.formatting import number, share
from include.evaluation.metrics import Metric
from include.reports.card.blocks import Bullets, Card, Facts, Section, Table, Text
from include.reports.card.explained import explained_section
from include.reports.card.limits import limits_of
from include.reports.card.measured import measured_sections

if TYPE_CHECKING:
    from collections.abc import Mapping

    from include.config.pipeline import Pipeline

_ASKS = {
    "binary": "whether {label} is 1, as a probability",
    "multiclass": "which class {label} is, as a probability of each",
    "regression": "the value of {label}",
    "forecasting": "the value of {label}, of a time that is still to come",
}
#: Outcomes of which a reader wants to know more.
_FIRED = ("fail", "broken", "inconclusive", "warn")


def model_card(pipeline: Pipeline, facts: Mapping[str, Any]) -> Card:
    """Return the card of the model that a run has trained.

    Parameters
    ----------
    facts
        The run's documents as JSON types by their names: `plan`, `challenger`, `evidence`, `verdict` and `features`,
        and where there are any, `importance`, `curves`, `contributions`, `registration` (`version`, `alias`, `note`)
        and `approval` (`approved`, `by`, `at`, `reason`). What is not there is told to be missing.
    """
    evidence, verdict = facts["evidence"], facts["verdict"]
    return Card(
        title=f"{pipeline.name}: model card",
        subtitle=pipeline.description,
        verdict=verdict["verdict"],
        sections=[
            _purpose(pipeline, facts),
            _data(pipeline, facts),
            *measured_sections(pipeline, evidence, facts.get("curves") or {}, facts["challenger"]),
            explained_section(facts.get("contributions"), facts.get("importance") or [], evidence["metric"]),
            Section("Limits", [Bullets(limits_of(pipeline, evidence, verdict))]),
            _decision(facts),
        ],
    )


def _purpose(pipeline: Pipeline, facts: Mapping[str, Any]) -> Section:
    training, challenger = pipeline.training, facts["challenger"]
    told = {
        "version": _version(facts),
        "question": pipeline.description,
        "predicts": _ASKS[training.task].format(label=pipeline.features.label),
        "one row is": ", ".join(pipeline.features.key) + ", at its prediction_time",
        "owner": pipeline.owner,
        "task": training.task,
        "metric": _metric(pipeline),
        "model": _model(challenger),
        "as of": facts["plan"]["as_of"],
    }
    if challenger.get("threshold"):
        told["counted as positive"] = f"from a probability of {number(challenger['threshold']['value'])} on"
    return Section("Purpose", [Facts(told), *(Text(reason, "soft") for reason in challenger.get("reasons", []))])


def _metric(pipeline: Pipeline) -> str:
    training = pipeline.training
    asked = f" at the quantile {training.quantile:g}" if training.metric == "pinball" else ""
    return f"{training.metric}{asked}, {'higher' if Metric.of(training).higher_is_better else 'lower'} is better"


def _model(challenger: Mapping[str, Any]) -> str:
    members = challenger.get("members") or []
    told = challenger["family"]
    if len(members) > 1:
        told = " + ".join(f"{each['weight']:.2f} {each['family']}" for each in members)
    calibration = challenger.get("calibration", "none")
    return told if calibration == "none" else f"{told}, calibrated ({calibration})"


def _data(pipeline: Pipeline, facts: Mapping[str, Any]) -> Section:
    plan, challenger, features = facts["plan"], facts["challenger"], facts["features"]
    holdout = facts["evidence"]["holdout"]
    learned, known = f"{challenger['train_start']} to {challenger['train_end']}", features.get("labelled_rows")
    told = {
        "learned from": f"{learned}, {challenger['rows']:,} rows",
        "measured on": f"{holdout['start']} to {holdout['end']}, {holdout['rows']:,} rows of {holdout['days']} days",
        "label": _label(holdout, pipeline.training.task),
        "feature table": f"version {features['version']}, {features['rows']:,} rows"
        + ("" if known is None else f", {known:,} with a known label"),
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
    made = Facts(
        {"code": plan["code_version"], "lock": plan["lock"], "seed": str(plan["seed"]), "run": plan["run_key"]}
    )
    return Section("Data", [Facts(told), sources, Text("Made again from:", "soft"), made])


def _label(holdout: Mapping[str, Any], task: str) -> str:
    shares = holdout.get("label_shares")
    if shares:
        by_share = sorted(shares.items(), key=lambda item: -item[1])
        more = f" and {len(by_share) - 6} more" if len(by_share) > 6 else ""
        return (
            ", ".join(f"{name} {share(each)}" for name, each in by_share[:6]) + f"{more} of the rows it is measured on"
        )
    mean = holdout.get("label_mean")
    if mean is None:
        return "not known"
    told = f"1 in {share(mean)} of" if task == "binary" else f"{number(mean)} on average over"
    return f"{told} the rows it is measured on"


def _version(facts: Mapping[str, Any]) -> str:
    """Return the version's number and what it became when the card was written."""
    registration = facts.get("registration") or {}
    if not registration.get("version"):
        return "not registered"
    alias, note = registration["alias"], registration["note"]
    became = f"registered as {alias}" if alias else "registered without an alias"
    return f"{registration['version']}, {became}" + (f"; {note}" if note else "")


def _answer(approval: Mapping[str, Any] | None) -> list[Text]:
    """Return what a person answered, where one was asked."""
    if not approval:
        return []
    said, why = "Approved" if approval["approved"] else "Rejected", approval["reason"]
    by = f"by {approval['by']}" if approval["by"] else "since nobody answered in time"
    return [Text(f"{said} {by}, {approval['at']}" + (f": {why}" if why else ""))]


def _decision(facts: Mapping[str, Any]) -> Section:
    verdict = facts["verdict"]
    results = verdict["results"]
    rows = [
        [result["code"], result["outcome"], result["title"], _why(result, result["outcome"] in _FIRED)]
        for result in results
    ]
    counts = Counter(result["outcome"] for result in results)
    counted = ", ".join(f"{count} {outcome}" for outcome, count in counts.most_common())
    counted = f"{len(results)} checks of the gate: {counted}."
    return Section(
        "Decision",
        [
            Text(verdict["reason"]),
            *_answer(facts.get("approval")),
            Text(counted, "soft"),
            Table(["check", "outcome", "what has to hold", "why"], rows),
        ],
    )


def _why(result: Mapping[str, Any], fired: bool) -> str:
    more = f" ({result['documentation']})" if fired and result["documentation"] else ""
    return f"{result['explanation']}{more}"
