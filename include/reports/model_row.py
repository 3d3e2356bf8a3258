"""One model as a row of the Models page, and what about it needs a person's attention."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The kinds of problems, the most urgent first.
ProblemKind = Literal["unreadable", "failed", "held", "approval", "alert", "late", "paused"]
#: What a retraining run did to the champion.
Outcome = Literal["promoted", "kept", "inconclusive", "not promoted", "dry run"]

#: A day's data are published the morning after, so data of the day before yesterday are not late yet.
ALLOWED_AGE = timedelta(days=2)
#: A first champion predicts after the next ingestion, so it may have predicted nothing in its first night.
FIRST_NIGHT = timedelta(days=2)

#: Characters of an error or a reason that are shown before a click.
SHOWN = 160


@dataclass(frozen=True)
class Metric:
    """The champion's metric on its holdout; an end of its interval that was not recorded is None."""

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class LastVerdict:
    """The outcome of the last retraining run that reached a verdict.

    Attributes
    ----------
    outcome
        What happened to the champion: `promoted`, or why not: `kept`, `inconclusive`, `not promoted` for a version that
        earned it and was held or rejected, `dry run`.
    """

    outcome: Outcome
    as_of: str
    at: datetime
    version: int | None
    reason: str


@dataclass(frozen=True)
class HeldSince:
    """A hold on automatic promotion; `at` is ISO text."""

    by: str
    at: str
    reason: str


@dataclass(frozen=True)
class Alert:
    """One alert of the last monitoring run."""

    kind: str
    name: str
    sentence: str


@dataclass(frozen=True)
class OpenApproval:
    """A question that waits for a person's answer; `path` is relative to Airflow's address."""

    subject: str
    path: str


@dataclass(frozen=True)
class FailedRun:
    """The last run of a DAG, which failed; `path` is relative to Airflow's address."""

    kind: str
    at: datetime | None
    path: str


@dataclass(frozen=True)
class Action:
    """A link to a form, relative to Airflow's address."""

    name: str
    path: str


@dataclass(frozen=True)
class Schedule:
    """What Airflow knows about a pipeline's DAGs.

    Attributes
    ----------
    next_run
        When the next retraining is due, or the ingestion that starts it; None where nothing is scheduled.
    next_what
        What then happens, or why nothing does: `after the ingestion`, `by hand only`, `paused`.
    paused
        Kinds of the scheduled DAGs that are paused.
    """

    next_run: datetime | None = None
    next_what: str = ""
    paused: tuple[str, ...] = ()
    failed: tuple[FailedRun, ...] = ()
    approvals: tuple[OpenApproval, ...] = ()
    actions: tuple[Action, ...] = ()


@dataclass(frozen=True)
class ModelState:
    """What the lake, the records and MLflow say about a pipeline's model.

    Attributes
    ----------
    errors
        Why the pipeline, or a part of what is known about it, cannot be read; each in one sentence.
    champion_page
        Address of the champion in MLflow; None without a tracking server.
    since
        When the champion became it; None where no record that was read says so.
    since_before
        Whether it became it before the time `since`, the oldest that was read.
    data_through, predictions_through
        The last day of which every daily source has data, and the last day with predictions; None for none.
    scheduled
        The cron expression or word of each kind of DAG that has a schedule, such as `score`.
    alerts_as_of
        ISO day of the last monitoring run.
    """

    pipeline: str
    description: str = ""
    owner: str = ""
    errors: tuple[str, ...] = ()
    champion: int | None = None
    champion_page: str | None = None
    since: datetime | None = None
    since_before: bool = False
    metric: Metric | None = None
    verdict: LastVerdict | None = None
    hold: HeldSince | None = None
    alerts: tuple[Alert, ...] = ()
    alerts_as_of: str | None = None
    data_through: date | None = None
    predictions_through: date | None = None
    scheduled: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Problem:
    """Something about a model that needs a person's attention; `path` is relative to Airflow's address."""

    kind: ProblemKind
    text: str
    path: str | None = None
    details: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModelRow:
    """A pipeline's model, and its problems, the most urgent first."""

    state: ModelState
    schedule: Schedule = field(default_factory=Schedule)
    problems: tuple[Problem, ...] = ()


def model_row(state: ModelState, schedule: Schedule, today: date) -> ModelRow:
    """Return the row of a model, with what needs attention on a day (UTC)."""
    problems = [
        *(_unreadable(error) for error in state.errors),
        *(Problem("failed", _failed(run), run.path) for run in schedule.failed),
        *([Problem("held", f"held by {state.hold.by}: {state.hold.reason}")] if state.hold else []),
        *(Problem("approval", approval.subject, approval.path) for approval in schedule.approvals),
        *_alerts(state),
        *_late(state, today),
        *([Problem("paused", f"paused: {', '.join(schedule.paused)}")] if schedule.paused else []),
    ]
    return ModelRow(state, schedule, tuple(problems))


def _unreadable(error: str) -> Problem:
    short = textwrap.shorten(error, SHOWN, placeholder=" …")
    return Problem("unreadable", short, details=tuple(error.splitlines()) if short != error else ())


def _failed(run: FailedRun) -> str:
    return f"the last {run.kind} run failed" + (f", {run.at:%Y-%m-%d %H:%M}" if run.at else "")


def _alerts(state: ModelState) -> list[Problem]:
    if not state.alerts:
        return []
    count = len(state.alerts)
    named = ", ".join(f"{alert.kind} {alert.name}" for alert in state.alerts[:2])
    more = f" and {count - 2} more" if count > 2 else ""
    text = f"{count} alert{'s' * (count != 1)} as of {state.alerts_as_of}: {named}{more}"
    details = tuple(f"{alert.kind} {alert.name}: {alert.sentence}" for alert in state.alerts)
    return [Problem("alert", text, details=details)]


def _late(state: ModelState, today: date) -> list[Problem]:
    """Return whether data or predictions are older than their schedule lets them be."""
    late = []
    data, predictions = state.data_through, state.predictions_through
    if "ingest" in state.scheduled and data and today - data > ALLOWED_AGE:
        late.append(Problem("late", f"data end at {data}, {describe_age(data, today)}"))
    if "score" in state.scheduled and state.champion is not None and data:
        if predictions is None:
            if state.since is None or today - state.since.date() >= FIRST_NIGHT:
                late.append(Problem("late", "the champion has predicted nothing yet"))
        elif predictions < data:
            late.append(Problem("late", f"predictions end at {predictions}, but data reach {data}"))
    return late


def describe_age(day: date, today: date) -> str:
    """Return how long ago a day was, in words."""
    days = (today - day).days
    return {0: "today", 1: "yesterday"}.get(days, f"{days:,} days ago")
