"""The checks of the gate: small rules with stable codes, each from evidence to an explanation.

A check returns None where all is well, an explanation where it fires, and raises `NotApplicable` where
there is nothing for it to judge. What a fired check leads to is its `outcome`: `fail` keeps the
champion, `inconclusive` says that this evidence cannot tell.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, ClassVar, Literal

from include.evaluation.metrics import WHEN_UNDEFINED

if TYPE_CHECKING:
    from include.config import Gate
    from include.evaluation.evidence import Evidence, Opponent


class NotApplicable(Exception):
    """A check has nothing to judge in this evidence; the message says why."""


class Check:
    """One rule of the gate."""

    code: ClassVar[str]
    title: ClassVar[str]
    outcome: ClassVar[Literal["fail", "inconclusive"]] = "fail"

    def explain(self, evidence: Evidence, gate: Gate) -> str | None:
        """Return why the rule is broken, or None where it holds."""
        raise NotImplementedError


class FinitePredictions(Check):
    """Every prediction of the challenger is a number, and so is its metric."""

    code, title = "GATE001", "every prediction is a number"

    def explain(self, evidence: Evidence, gate: Gate) -> str | None:
        """Fire on a NaN or an infinity."""
        value = evidence.challenger.metrics.get(evidence.metric)
        if not evidence.challenger.finite:
            return "the challenger predicts NaN or infinity for some held-out rows"
        if not _is_number(value):
            why = WHEN_UNDEFINED.get(evidence.metric)
            return f"the challenger's {evidence.metric} is not defined on this holdout" + (f": {why}" if why else "")
        return None


class EnoughHoldout(Check):
    """The holdout is large enough to tell models apart."""

    code, title, outcome = "GATE002", "enough held-out rows", "inconclusive"

    def explain(self, evidence: Evidence, gate: Gate) -> str | None:
        """Fire where there are fewer labelled rows than gate.min_holdout_rows, or rows of few of the days."""
        holdout = evidence.holdout
        if holdout.rows < gate.min_holdout_rows:
            return f"{holdout.rows:,} held-out rows, gate.min_holdout_rows asks for {gate.min_holdout_rows:,}"
        if holdout.days < 2:
            return "the holdout is a single day, from which noise cannot be judged"
        span = (date.fromisoformat(holdout.end) - date.fromisoformat(holdout.start)).days + 1
        if holdout.days < span / 2:
            return f"the holdout has rows of {holdout.days} of its {span} days; ingest the days that are missing"
        return None


class AbsoluteMinimum(Check):
    """The challenger is good enough to be of use at all."""

    code, title = "GATE003", "reaches the minimum"

    def explain(self, evidence: Evidence, gate: Gate) -> str | None:
        """Fire where the metric is worse than gate.minimum."""
        value = evidence.challenger.metrics[evidence.metric]
        good = value >= gate.minimum if evidence.higher_is_better else value <= gate.minimum
        if not good:
            side = "below" if evidence.higher_is_better else "above"
            return f"{evidence.metric} {value:.4f} is {side} gate.minimum, {gate.minimum:g}"
        return None


class BeatsBaseline(Check):
    """The challenger is better than a guess that needs no fitting, by more than noise."""

    code, title = "GATE004", "beats the baseline by more than noise"

    def explain(self, evidence: Evidence, gate: Gate) -> str | None:
        """Fire where the difference's interval reaches down to 0."""
        return _not_better(evidence, evidence.baseline, f"the baseline ({evidence.baseline.name})")


class BeatsChampion(Check):
    """The challenger is better than the champion by more than noise; a tie keeps the champion."""

    code, title = "GATE005", "beats the champion by more than noise"

    def explain(self, evidence: Evidence, gate: Gate) -> str | None:
        """Fire where the difference's interval reaches down to 0, or the champion cannot be scored."""
        champion = evidence.champion
        if champion is None:
            raise NotApplicable("no champion yet")
        if champion.error:
            return (
                f"the champion, {champion.name}, cannot be scored ({champion.error}); move the alias champion in "
                "MLflow to a version that can, or remove the alias to start anew"
            )
        return _not_better(evidence, champion, f"the champion ({champion.name})")


class FairComparison(Check):
    """The champion has not learned from the rows that both are judged by."""

    code, title, outcome = "GATE006", "the champion has not seen the holdout", "inconclusive"

    def explain(self, evidence: Evidence, gate: Gate) -> str | None:
        """Fire where the champion learned from days of the holdout."""
        champion = evidence.champion
        if champion is None:
            raise NotApplicable("no champion yet")
        assert champion.train_end is not None, "a champion has a last day of training"
        if champion.train_end >= evidence.holdout.start:
            return (
                f"the champion, {champion.name}, learned from days up to {champion.train_end}, and the holdout "
                f"begins on {evidence.holdout.start}; run as of a later day"
            )
        return None


class NotOlder(Check):
    """A model of newer data is not replaced by one of older data."""

    code, title = "GATE007", "not older than the champion"

    def explain(self, evidence: Evidence, gate: Gate) -> str | None:
        """Fire where the champion's as-of day is after the challenger's."""
        champion = evidence.champion
        if champion is None:
            raise NotApplicable("no champion yet")
        assert champion.as_of is not None, "a champion has an as-of day"
        if champion.as_of > evidence.challenger.as_of:
            return (
                f"this run is as of {evidence.challenger.as_of} and the champion, {champion.name}, as of "
                f"{champion.as_of}; run as of a later day"
            )
        return None


class TrainedBeforeHoldout(Check):
    """The challenger has not learned from the rows that it is judged by."""

    code, title = "GATE008", "the challenger has not seen the holdout"

    def explain(self, evidence: Evidence, gate: Gate) -> str | None:
        """Fire where the challenger learned from days of the holdout."""
        end, start = evidence.challenger.train_end, evidence.holdout.start
        return f"learned from days up to {end}, and the holdout begins on {start}" if end >= start else None


CHECKS: list[Check] = [
    FinitePredictions(),
    EnoughHoldout(),
    AbsoluteMinimum(),
    BeatsBaseline(),
    BeatsChampion(),
    FairComparison(),
    NotOlder(),
    TrainedBeforeHoldout(),
]


def _not_better(evidence: Evidence, opponent: Opponent, named: str) -> str | None:
    """Explain why the challenger is not better than an opponent by more than noise, or return None."""
    difference = opponent.difference
    if difference is None or not (_is_number(difference.value) and _is_number(difference.low)):
        return f"the difference to {named} in {evidence.metric} is not defined on this holdout"
    if difference.low > 0:
        return None
    found = (
        f"better than {named} by {difference.value:.4f} {evidence.metric}"
        if difference.value > 0
        else f"worse than {named} by {-difference.value:.4f} {evidence.metric}"
        if difference.value < 0
        else f"exactly as good as {named}"
    )
    return (
        f"{found}; the {difference.confidence:.0%} interval {difference.low:+.4f} to {difference.high:+.4f} "
        "is not all above 0"
    )


def _is_number(value: float | None) -> bool:
    return value is not None and abs(value) < float("inf")  # a NaN compares as false
