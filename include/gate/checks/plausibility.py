"""Whether the challenger is what it seems: like the champion, not too good, of fresh data, and no lucky seed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date
from typing import TYPE_CHECKING

from include.evaluation.intervals import student_interval
from include.gate.check import Check, NotApplicable, is_number

if TYPE_CHECKING:
    from include.config.pipeline import Gate
    from include.evaluation.evidence import Evidence
    from include.gate.check import Numbers

#: The value of a perfect model, of the metrics of which more is better; of all others it is 0.
PERFECT = 1.0
#: Of fewer fits with other seeds the interval of Student's t is too wide to tell anything.
LEAST_REFITS = 2
#: Days that the newest row may be older than gap and holdout need, where gate.max_age_days is not set.
SPARE_DAYS = 14


class LikeTheChampion(Check):
    """The challenger predicts about what the champion predicts."""

    code, title, severity = "GATE012", "predictions are distributed as the champion's", "inconclusive"

    def explain(self, evidence: Evidence, gate: Gate) -> str | None:
        """Fire where the population stability index is above gate.max_prediction_shift."""
        shift = evidence.shift
        if shift is None:
            why = "no champion yet" if evidence.champion is None else "the champion cannot be scored"
            raise NotApplicable(why)
        if is_number(shift.index) and shift.index <= gate.max_prediction_shift:
            return None
        return (
            f"the predictions are distributed unlike the champion's: a stability index of {shift.index:.2f}, "
            f"gate.max_prediction_shift allows {gate.max_prediction_shift:g} (mean {shift.challenger_mean:.4g}, the "
            f"champion's {shift.champion_mean:.4g}; rank correlation {shift.correlation:.2f}); see that whoever uses "
            "the predictions can do with that, then promote by hand or allow more"
        )

    def numbers(self, evidence: Evidence, gate: Gate) -> Numbers:
        """Return the index and both means."""
        shift = evidence.shift
        if shift is None:
            return {}
        return {
            "index": shift.index,
            "limit": gate.max_prediction_shift,
            "challenger_mean": shift.challenger_mean,
            "champion_mean": shift.champion_mean,
            "rank_correlation": shift.correlation,
        }


class NotTooGood(Check):
    """No single feature tells the label, and the quality has not jumped."""

    code, title, severity = "GATE017", "not too good to be true", "inconclusive"

    def explain(self, evidence: Evidence, gate: Gate) -> str | None:
        """Fire on a feature that alone explains the label, or on a jump beyond what is plausible overnight."""
        plausibility = evidence.plausibility
        if plausibility is None:
            raise NotApplicable("it was not measured")
        if plausibility.feature is not None and not is_number(plausibility.explained):
            return (
                "how much of the label a single feature explains is not defined on this holdout, whose labels may "
                "be all the same; run as of another day"
            )
        if plausibility.explained >= gate.max_single_feature:
            return (
                f"the feature {plausibility.feature} alone explains {plausibility.explained:.1%} of the label, "
                f"gate.max_single_feature allows less than {gate.max_single_feature:.0%}: it may be the label in other "
                "words; look how it is made, and allow more if it is known in time"
            )
        gone = _error_gone(evidence)
        if gone is not None and gone > gate.max_jump:
            return (
                f"{evidence.metric} {evidence.challenger.metrics[evidence.metric]:.4f} leaves {1 - gone:.0%} of what "
                f"{_champion(evidence)} had to a perfect value, and gate.max_jump holds more than {gate.max_jump:.0%} "
                "less for implausible overnight: look for a leak, and allow more if it is earned"
            )
        return None

    def numbers(self, evidence: Evidence, gate: Gate) -> Numbers:
        """Return the strongest feature, and the share of the champion's error that is gone."""
        jump: Numbers = {"error_gone": _error_gone(evidence), "max_jump": gate.max_jump}
        if evidence.plausibility is None:
            return jump
        return {
            **jump,
            "feature": evidence.plausibility.feature,
            "explained": evidence.plausibility.explained,
            "max_single_feature": gate.max_single_feature,
        }


class FreshTrainingData(Check):
    """The challenger has learned from recent days."""

    code, title, severity = "GATE018", "learned from recent days", "inconclusive"

    def explain(self, evidence: Evidence, gate: Gate) -> str | None:
        """Fire where the newest row that was learned from is too old."""
        age, limit = _age(evidence), _age_limit(evidence, gate)
        if age <= limit:
            return None
        allowed = f"gate.max_age_days allows {limit}"
        if gate.max_age_days is None:
            allowed = f"gap and holdout make {limit - SPARE_DAYS} of them, and {SPARE_DAYS} more are allowed"
        return (
            f"the newest row learned from is {age} days older than {evidence.challenger.as_of}; {allowed}: ingest the "
            "days that are missing, or see why their labels do not come"
        )

    def numbers(self, evidence: Evidence, gate: Gate) -> Numbers:
        """Return the age in days, and what is allowed."""
        return {"age_days": _age(evidence), "limit": _age_limit(evidence, gate)}


class SteadyOverSeeds(Check):
    """What was found holds with other seeds."""

    code, title = "GATE019", "as good with other seeds"

    def explain(self, evidence: Evidence, gate: Gate) -> str | None:
        """Fire where the mean gain over fits with several seeds may be none."""
        found = _mean_gain(evidence, gate)
        if found is None or found.fits <= LEAST_REFITS:
            made = "gate.refits is too few" if gate.refits < LEAST_REFITS else "too few were made in their time"
            raise NotApplicable(f"{LEAST_REFITS} fits with other seeds are needed, and {made}")
        if is_number(found.low) and found.low > 0:
            return None
        gain, mean = f"over {_opponent(evidence)}", found.mean
        if not is_number(mean):
            return f"the gain {gain} is not defined with every seed: a fit has no {evidence.metric} on this holdout"
        average = f"{mean:+.4f} {evidence.metric} on average over {found.fits} fits"
        interval = f"may be {found.low:+.4f} ({gate.confidence:.0%} interval)"
        of_this_seed = _gains(evidence)[0]
        if of_this_seed <= 0 and mean <= 0:
            return f"there is no gain {gain} with this seed or with others: {average}"
        if of_this_seed <= mean:
            return f"the gain {gain} varies with the seed: it is {average}, and {interval}; tune on more rows"
        return (
            f"with other seeds the gain {gain} is {average}, and {interval}: it rests on a lucky seed; tune for longer "
            "or on more rows"
        )

    def numbers(self, evidence: Evidence, gate: Gate) -> Numbers:
        """Return the mean gain over the opponent and the lower end of its interval (Student's t)."""
        found = _mean_gain(evidence, gate)
        return {} if found is None else asdict(found)


@dataclass(frozen=True)
class _MeanGain:
    """The mean gain over fits with several seeds, and the lower end of its interval."""

    fits: int
    mean: float
    low: float


def _mean_gain(evidence: Evidence, gate: Gate) -> _MeanGain | None:
    import numpy as np

    gains = _gains(evidence)
    if not gains:
        return None
    low, _ = student_interval(gains, gate.confidence)
    return _MeanGain(len(gains), float(np.mean(gains)), low)


def _error_gone(evidence: Evidence) -> float | None:
    """Return which share of the champion's distance to a perfect value the challenger has not."""
    champion = evidence.champion
    if champion is None or champion.metrics is None:
        return None
    perfect = PERFECT if evidence.higher_is_better else 0.0
    ours = abs(perfect - evidence.challenger.metrics[evidence.metric])
    theirs = abs(perfect - champion.metrics[evidence.metric])
    gone = 1 - ours / theirs if theirs else 0.0
    return gone if is_number(gone) else None


def _gains(evidence: Evidence) -> list[float]:
    """Return by how much each fit is better than the opponent, the challenger first; none without refits."""
    opponent = evidence.champion if evidence.champion and evidence.champion.metrics else evidence.baseline
    if not evidence.refits or opponent.metrics is None:
        return []
    sign, theirs = 1 if evidence.higher_is_better else -1, opponent.metrics[evidence.metric]
    values = [evidence.challenger.metrics[evidence.metric], *evidence.refits.values]
    return [sign * (value - theirs) for value in values]


def _champion(evidence: Evidence) -> str:
    assert evidence.champion is not None, "a jump is a jump from somewhere"
    return f"the champion ({evidence.champion.name})"


def _opponent(evidence: Evidence) -> str:
    if evidence.champion and evidence.champion.metrics:
        return _champion(evidence)
    return f"the baseline ({evidence.baseline.name})"


def _age(evidence: Evidence) -> int:
    learned, as_of = (date.fromisoformat(each) for each in (evidence.challenger.train_end, evidence.challenger.as_of))
    return (as_of - learned).days


def _age_limit(evidence: Evidence, gate: Gate) -> int:
    if gate.max_age_days is not None:
        return gate.max_age_days
    needed = evidence.challenger.needed_days
    if needed is None:
        raise NotApplicable("gate.max_age_days is not set")
    return needed + SPARE_DAYS
