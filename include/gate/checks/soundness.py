"""Whether models were compared at all: numbers, enough held-out rows, and nobody who knew them before."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from include.evaluation.metrics import why_undefined
from include.gate.check import Check, NotApplicable, is_number

if TYPE_CHECKING:
    from include.config.pipeline import Gate
    from include.evaluation.evidence import Evidence


class FinitePredictions(Check):
    """Every prediction of the challenger is a number, and so is its metric."""

    code, title = "GATE001", "every prediction is a number"
    essential = True

    def explain(self, evidence: Evidence, gate: Gate) -> str | None:
        """Fire on a NaN or an infinity."""
        value = evidence.challenger.metrics.get(evidence.metric)
        if not evidence.challenger.finite:
            return "the challenger predicts NaN or infinity for some held-out rows"
        if not is_number(value):
            why = why_undefined(evidence.metric)
            return f"the challenger's {evidence.metric} is not defined on this holdout" + (f": {why}" if why else "")
        return None


class EnoughHoldout(Check):
    """The holdout is large enough to tell models apart."""

    code, title, severity = "GATE002", "enough held-out rows", "inconclusive"
    essential = True

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


class FairComparison(Check):
    """The champion has not learned from the rows that both are judged by."""

    code, title, severity = "GATE006", "the champion has not seen the holdout", "inconclusive"
    essential = True

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
    essential = True

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
    essential = True

    def explain(self, evidence: Evidence, gate: Gate) -> str | None:
        """Fire where the challenger learned from days of the holdout."""
        end, start = evidence.challenger.train_end, evidence.holdout.start
        return f"learned from days up to {end}, and the holdout begins on {start}" if end >= start else None
