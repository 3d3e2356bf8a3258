"""Whether the comparison is sound: finite predictions, enough held-out rows, and no model trained on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.evaluation.metrics import why_undefined
from include.gate.check import Check, NotApplicable, is_number

if TYPE_CHECKING:
    from include.config.gate import Gate
    from include.evaluation.evidence import Evidence


class FinitePredictions(Check):
    """Every prediction of the challenger is a number, and so is its metric."""

    code, title = "GATE001", "every prediction is a number"
    essential = True

    def explain(self, evidence: Evidence, gate: Gate) -> str | None:
        """Fire on NaN or infinity."""
        value = evidence.challenger.metrics.get(evidence.metric)
        if not evidence.challenger.finite:
            return "the challenger predicts NaN or infinity for some held-out rows"
        if not is_number(value):
            why = why_undefined(evidence.metric)
            return f"the challenger's {evidence.metric} is not defined on this holdout" + (f": {why}" if why else "")
        return None


class EnoughHoldout(Check):
    """The holdout is large enough to compare models."""

    code, title, severity = "GATE002", "enough held-out rows", "inconclusive"
    essential = True

    def explain(self, evidence: Evidence, gate: Gate) -> str | None:
        """Fire if there are fewer labelled rows than gate.min_holdout_rows, or most days have no rows."""
        holdout = evidence.holdout
        if holdout.rows < gate.min_holdout_rows:
            return f"{holdout.rows:,} held-out rows, gate.min_holdout_rows requires {gate.min_holdout_rows:,}"
        if holdout.days < 2:
            return "the holdout is a single day, and noise cannot be estimated from one day"
        span = (holdout.end - holdout.start).days + 1
        if holdout.days < span / 2:
            return f"the holdout has rows on {holdout.days} of its {span} days; ingest the missing days"
        return None


class FairComparison(Check):
    """The champion was not trained on the rows that both are judged by."""

    code, title, severity = "GATE006", "the champion has not seen the holdout", "inconclusive"
    essential = True

    def explain(self, evidence: Evidence, gate: Gate) -> str | None:
        """Fire if the champion was trained on days of the holdout."""
        champion = evidence.champion
        if champion is None:
            raise NotApplicable("no champion yet")
        assert champion.train_end is not None, "a champion has a last day of training"
        if champion.train_end >= evidence.holdout.start:
            return (
                f"the champion, {champion.name}, was trained on days up to {champion.train_end}, and the holdout "
                f"begins on {evidence.holdout.start}; run as of a later day"
            )
        return None


class NotOlder(Check):
    """A model of newer data is not replaced by a model of older data."""

    code, title = "GATE007", "not older than the champion"
    essential = True

    def explain(self, evidence: Evidence, gate: Gate) -> str | None:
        """Fire if the champion's as-of day is after the challenger's."""
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
    """The challenger was not trained on the rows that it is judged by."""

    code, title = "GATE008", "the challenger has not seen the holdout"
    essential = True

    def explain(self, evidence: Evidence, gate: Gate) -> str | None:
        """Fire if the challenger was trained on days of the holdout."""
        end, start = evidence.challenger.train_end, evidence.holdout.start
        return f"trained on days up to {end}, and the holdout begins on {start}" if end >= start else None
