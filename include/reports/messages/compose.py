"""Composes the messages: subject, sentences and table of an event."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from include.core.redaction import hide_secrets
from include.gate.report import align_columns, format_value
from include.reports.messages.message import Link, Message

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from include.evaluation.evidence import Evidence
    from include.gate.verdict import Verdict

#: Maximum characters of an error, which may contain a table or a query; the log has all of it.
MAX_ERROR = 1000
#: Maximum sentences about alerts; the table has every alert.
MAX_ALERTS = 10


def verdict_message(
    pipeline: str, summary: Mapping[str, Any], evidence: Evidence, verdict: Verdict, links: Sequence[Link] = ()
) -> Message:
    """Report the result of a retraining.

    Parameters
    ----------
    summary
        The result of the step `summarize`.
    """
    version, alias = summary["version"], summary["alias"]
    registered = f"version {version}" + (f", alias {alias}" if alias else "") if version else "nothing registered"
    outcome: str = summary["outcome"]
    paragraphs = [_sentence(outcome)]
    if verdict.reason not in outcome:
        paragraphs.append(_sentence(verdict.reason))
    if version:
        paragraphs.append(f"Registered: {pipeline} {registered}.")
    return Message(
        event="verdict",
        pipeline=pipeline,
        subject=_one_line(f"{pipeline} as of {summary['as_of']}: {_headline(outcome, verdict)} ({registered})"),
        paragraphs=tuple(paragraphs),
        table=metric_table(evidence),
        links=tuple(links),
        facts={
            "as_of": summary["as_of"],
            "verdict": summary["verdict"],
            "outcome": outcome,
            "reason": summary["reason"],
            "version": version,
            "alias": alias,
            "metric": evidence.metric,
            "challenger": _finite_or_none(evidence.challenger.metrics.get(evidence.metric)),
            "champion": _finite_or_none(((evidence.champion and evidence.champion.metrics) or {}).get(evidence.metric)),
            "baseline": _finite_or_none((evidence.baseline.metrics or {}).get(evidence.metric)),
        },
    )


def drift_message(pipeline: str, summary: Mapping[str, Any], links: Sequence[Link] = ()) -> Message:
    """Report the alerts of the monitor.

    Parameters
    ----------
    summary
        The result of `measure_drift`, with at least one alert.
    """
    alerts = summary["alerts"]
    first = alerts[0]
    more = f" and {len(alerts) - 1} more" if len(alerts) > 1 else ""
    sentences = [_sentence(f"{each['kind']} {each['name']}: {each['sentence']}") for each in alerts[:MAX_ALERTS]]
    if len(alerts) > MAX_ALERTS:
        sentences.append(f"The table has {len(alerts) - MAX_ALERTS} more.")
    rows = [["", "value", "limit", "rows"]]
    rows += [
        [f"{each['kind']} {each['name']}", *map(format_value, (each["value"], each["limit"])), f"{each['rows']:,}"]
        for each in alerts
    ]
    return Message(
        event="drift",
        pipeline=pipeline,
        subject=_one_line(f"{pipeline} as of {summary['as_of']}: {first['kind']} {first['name']}{more}"),
        paragraphs=tuple(sentences),
        table="\n".join(align_columns(rows)),
        links=tuple(links),
        facts={
            "as_of": summary["as_of"],
            "version": summary["version"],
            "alerts": [{name: each[name] for name in ("kind", "name", "value", "limit", "rows")} for each in alerts],
        },
    )


def failure_message(
    pipeline: str, dag: str, task: str, run: str, tried: int, error: str | None, links: Sequence[Link] = ()
) -> Message:
    """Report that a task has failed for good.

    Parameters
    ----------
    tried
        The number of the last try, counted from 1.
    error
        The text of the error; None where the task left none.
    """
    reason = _shortened(error)
    no_reason = "The task left no error: its process was killed, its machine was lost, or it never started."
    return Message(
        event="failure",
        pipeline=pipeline,
        subject=_one_line(f"{pipeline}: {task} failed in {dag}"),
        paragraphs=(reason or no_reason, f"Run {run}; try {tried} was the last."),
        links=tuple(links),
        facts={"dag": dag, "task": task, "run": run, "try": tried, "error": reason or None},
    )


def outage_message(
    pipeline: str, dag: str, task: str, run: str, error: str | None, links: Sequence[Link] = ()
) -> Message:
    """Report that a service is unavailable and that Airflow retries the task.

    Parameters
    ----------
    error
        The text of the error, which names the service.
    """
    cause = _shortened(error)
    return Message(
        event="outage",
        pipeline=pipeline,
        subject=_one_line(f"{pipeline}: {task} waits for a service in {dag}"),
        paragraphs=(
            cause,
            f"Run {run}. Airflow retries the task for at least half an hour. Nobody has to act unless the task fails, "
            "which sends another message.",
        ),
        links=tuple(links),
        facts={"dag": dag, "task": task, "run": run, "error": cause or None},
    )


def overdue_message(pipeline: str, dag: str, run: str, reason: str, links: Sequence[Link] = ()) -> Message:
    """Report that the scheduler ended a whole run, which no task of it can report.

    Parameters
    ----------
    reason
        Airflow's reason: `timed_out` or `all_tasks_deadlocked`.
    """
    why = {
        "timed_out": "It took longer than its DAG's dagrun_timeout, so Airflow stopped it.",
        "all_tasks_deadlocked": "None of its tasks can ever start, so Airflow ended it.",
    }.get(reason, f"Airflow ended it: {reason}.")
    return Message(
        event="failure",
        pipeline=pipeline,
        subject=_one_line(f"{pipeline}: a run of {dag} failed"),
        paragraphs=(why, f"Run {run}."),
        links=tuple(links),
        facts={"dag": dag, "task": None, "run": run, "try": None, "error": reason},
    )


def approval_message(
    pipeline: str, question: str, body: str, unanswered: str, until: str | None, links: Sequence[Link] = ()
) -> Message:
    """Ask somebody to approve or reject a promotion.

    Parameters
    ----------
    body
        The text on Airflow's page: the verdict as a table, and the version to replace; Markdown's fences are dropped.
    unanswered
        The answer that Airflow assumes if nobody answers in time.
    until
        When the time ends; None waits for ever.
    """
    deadline = f"If nobody answers until {until}, the answer is {unanswered}." if until else "There is no deadline."
    return Message(
        event="approval",
        pipeline=pipeline,
        subject=_one_line(f"{pipeline}: waiting for an approval"),
        paragraphs=(question, deadline),
        table="\n".join(line for line in body.splitlines() if not line.startswith("```")).strip(),
        links=tuple(links),
        facts={"question": question, "until": until, "unanswered": unanswered},
    )


def metric_table(evidence: Evidence) -> str:
    """Return a table of all metrics of challenger, champion and baseline, the gate's metric first."""
    champion = evidence.champion
    of_champion, of_baseline = (champion and champion.metrics) or {}, evidence.baseline.metrics or {}
    rows = [["", "challenger", "champion" if champion else "no champion", "baseline"]]
    for name, value in sorted(evidence.challenger.metrics.items(), key=lambda item: item[0] != evidence.metric):
        others = (of_champion.get(name), of_baseline.get(name))
        rows.append([f"{name} *" if name == evidence.metric else name, *map(format_value, (value, *others))])
    note = "higher" if evidence.higher_is_better else "lower"
    holdout = f"{evidence.holdout.rows:,} rows, {evidence.holdout.start} to {evidence.holdout.end}"
    return "\n".join([*align_columns(rows), f"* the gate's metric, {note} is better; {holdout}"])


def _headline(outcome: str, verdict: Verdict) -> str:
    """Return whether the version was promoted, and the verdict where it does not follow from that."""
    done = outcome.partition(":")[0].lower()
    return done if done == "promoted" else f"{done}, verdict {verdict.verdict}"


def _shortened(error: str | None) -> str:
    text = hide_secrets(_one_line(error or ""))
    return f"{text[:MAX_ERROR]} ..." if len(text) > MAX_ERROR else text


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _finite_or_none(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value
