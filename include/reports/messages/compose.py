"""The messages: from what is known of an event to its subject, sentences and table."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from include.core import settings
from include.gate.report import align_columns, format_value
from include.reports.messages.message import Link, Message

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from include.evaluation.evidence import Evidence
    from include.gate.verdict import Verdict

#: An error may hold a table or a query; more than this is read in the log.
MAX_ERROR = 1000
#: Each alert is in the table; more than so many sentences are nobody's to read.
MAX_ALERTS = 10
#: `password=x`, `"api_key": "x"` and their like, as drivers and clients write them into their errors.
_SECRET = re.compile(
    r"(?i)([\w.-]*(?:passw(?:or)?d|passphrase|pwd|secret|token|(?:api|access|secret|private)[-_]?key|authorization"
    r"|signature)[\"']?\s*[=:]\s*)(?:(?:bearer|basic)\s+)?(?:\"[^\"]*\"|'[^']*'|[^\s,;&\"']+)"
)


def verdict_message(
    pipeline: str, summary: Mapping[str, Any], evidence: Evidence, verdict: Verdict, links: Sequence[Link] = ()
) -> Message:
    """Say what a retraining came to.

    Parameters
    ----------
    summary
        What `steps.summarize` returned.
    """
    version, alias = summary["version"], summary["alias"]
    named = f"version {version}" + (f", alias {alias}" if alias else "") if version else "nothing registered"
    paragraphs = [_sentence(verdict.reason)]
    if summary["reason"] != verdict.reason:  # what the registration had to say has the last word
        paragraphs.append(_sentence(summary["reason"]))
    if version:
        paragraphs.append(f"Registered: {pipeline} {named}.")
    return Message(
        event="verdict",
        pipeline=pipeline,
        subject=_line(f"{pipeline} as of {summary['as_of']}: {summary['verdict']} ({named})"),
        paragraphs=tuple(paragraphs),
        table=metric_table(evidence),
        links=tuple(links),
        facts={
            "as_of": summary["as_of"],
            "verdict": summary["verdict"],
            "reason": summary["reason"],
            "version": version,
            "alias": alias,
            "metric": evidence.metric,
            "challenger": _json(evidence.challenger.metrics.get(evidence.metric)),
            "champion": _json(evidence.champion.metrics.get(evidence.metric)) if evidence.champion else None,
            "baseline": _json(evidence.baseline.metrics.get(evidence.metric)),
        },
    )


def drift_message(pipeline: str, summary: Mapping[str, Any], links: Sequence[Link] = ()) -> Message:
    """Say what the monitor has found that is not as it was when the champion was trained.

    Parameters
    ----------
    summary
        What `measure_drift` returned, with one alert at least.
    """
    alerts = summary["alerts"]
    first = alerts[0]
    more = f" and {len(alerts) - 1} more" if len(alerts) > 1 else ""
    told = [_sentence(f"{each['kind']} {each['name']}: {each['sentence']}") for each in alerts[:MAX_ALERTS]]
    if len(alerts) > MAX_ALERTS:
        told.append(f"{len(alerts) - MAX_ALERTS} more are in the table.")
    rows = [["", "value", "limit", "rows"]]
    rows += [
        [f"{each['kind']} {each['name']}", *map(format_value, (each["value"], each["limit"])), f"{each['rows']:,}"]
        for each in alerts
    ]
    return Message(
        event="drift",
        pipeline=pipeline,
        subject=_line(f"{pipeline} as of {summary['as_of']}: {first['kind']} {first['name']}{more}"),
        paragraphs=tuple(told),
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
    """Say that a task has failed and is not tried again.

    Parameters
    ----------
    tried
        The number of the last try, counted from 1.
    error
        Its text; None where the task left none.
    """
    told = _shortened(error)
    ended = told or "It left no error: its process was killed, its machine went away, or it never started."
    return Message(
        event="failure",
        pipeline=pipeline,
        subject=_line(f"{pipeline}: {task} failed in {dag}"),
        paragraphs=(ended, f"Run {run}, try {tried}; it is not tried again."),
        links=tuple(links),
        facts={"dag": dag, "task": task, "run": run, "try": tried, "error": told or None},
    )


def outage_message(
    pipeline: str, dag: str, task: str, run: str, error: str | None, links: Sequence[Link] = ()
) -> Message:
    """Say that a service is away, and that a task is tried again until it is back or the task has failed.

    Parameters
    ----------
    error
        Its text, which names the service.
    """
    cause = _shortened(error)
    return Message(
        event="outage",
        pipeline=pipeline,
        subject=_line(f"{pipeline}: {task} waits for a service in {dag}"),
        paragraphs=(
            cause,
            f"Run {run}. The task is tried again by itself for at least half an hour; nobody has to act unless "
            "it fails, which is a message of its own.",
        ),
        links=tuple(links),
        facts={"dag": dag, "task": task, "run": run, "error": cause or None},
    )


def overdue_message(pipeline: str, dag: str, run: str, reason: str, links: Sequence[Link] = ()) -> Message:
    """Say that a whole run was ended by the scheduler, of which no task can tell.

    Parameters
    ----------
    reason
        Airflow's word for why: `timed_out` or `all_tasks_deadlocked`.
    """
    why = {
        "timed_out": "It took longer than its DAG's dagrun_timeout, so Airflow stopped it.",
        "all_tasks_deadlocked": "None of its tasks can ever start, so Airflow ended it.",
    }.get(reason, f"Airflow ended it: {reason}.")
    return Message(
        event="failure",
        pipeline=pipeline,
        subject=_line(f"{pipeline}: a run of {dag} failed"),
        paragraphs=(why, f"Run {run}."),
        links=tuple(links),
        facts={"dag": dag, "task": None, "run": run, "try": None, "error": reason},
    )


def approval_message(
    pipeline: str, question: str, body: str, unanswered: str, until: str | None, links: Sequence[Link] = ()
) -> Message:
    """Say that somebody's answer is waited for.

    Parameters
    ----------
    body
        What is shown to who decides: the verdict as a table, and what would be replaced; Markdown's fences are dropped.
    unanswered
        The answer that is taken where none comes.
    until
        When that is; None waits for ever.
    """
    waits = f"Without an answer until {until} it is taken as {unanswered}." if until else "It waits until it is told."
    return Message(
        event="approval",
        pipeline=pipeline,
        subject=_line(f"{pipeline}: an approval is waited for"),
        paragraphs=(question, waits),
        table="\n".join(line for line in body.splitlines() if not line.startswith("```")).strip(),
        links=tuple(links),
        facts={"question": question, "until": until, "unanswered": unanswered},
    )


def metric_table(evidence: Evidence) -> str:
    """Return each metric of all who were compared, that of the gate first."""
    champion = evidence.champion
    rows = [["", "challenger", "champion" if champion else "no champion", "baseline"]]
    for name, value in sorted(evidence.challenger.metrics.items(), key=lambda item: item[0] != evidence.metric):
        others = (champion.metrics.get(name) if champion else None, evidence.baseline.metrics.get(name))
        rows.append([f"{name} *" if name == evidence.metric else name, *map(format_value, (value, *others))])
    note = "higher" if evidence.higher_is_better else "lower"
    holdout = f"{evidence.holdout.rows:,} rows, {evidence.holdout.start} to {evidence.holdout.end}"
    return "\n".join([*align_columns(rows), f"* the gate's metric, {note} is better; {holdout}"])


def without_secrets(text: str) -> str:
    """Return a text in one line, without the passwords, keys and tokens that can be told by their form."""
    return _SECRET.sub(r"\1***", settings.without_password(_line(text)))


def _shortened(error: str | None) -> str:
    text = without_secrets(error or "")
    return f"{text[:MAX_ERROR]} ..." if len(text) > MAX_ERROR else text


def _line(text: str) -> str:
    return " ".join(text.split())


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _json(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value
