"""Whether the challenger is plausible: like the champion, not too good, trained on recent days, not a lucky seed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from include.evaluation.intervals import student_interval
from include.gate.check import Check, NotApplicable, NotMeasured, is_number

if TYPE_CHECKING:
    from include.config.gate import Gate
    from include.evaluation.evidence import Evidence
    from include.evaluation.refits import Refits
    from include.gate.check import Numbers

#: A perfect model has this value of every metric where higher is better, and 0 of every other.
PERFECT = 1.0
#: With fewer refits the interval of Student's t is too wide to say anything.
LEAST_REFITS = 2
#: Days that the newest row may be older than gap and holdout require, unless gate.max_age_days is set.
SPARE_DAYS = 14


class LikeTheChampion(Check):
    """The challenger's predictions are distributed like the champion's."""

    code, title, severity = "GATE012", "predictions are distributed like the champion's", "inconclusive"

    def explain(self, evidence: Evidence, gate: Gate) -> str | None:
        """Fire if the population stability index is above gate.max_prediction_shift."""
        drift = evidence.shift
        if drift is None:
            why = "no champion yet" if evidence.champion is None else "the champion cannot be scored"
            raise NotApplicable(why)
        if is_number(drift.index) and drift.index <= gate.max_prediction_shift:
            return None
        return (
            f"the predictions drift from the champion's: a stability index of {drift.index:.2f}, "
            f"gate.max_prediction_shift allows {gate.max_prediction_shift:g} (mean {drift.challenger_mean:.4g}, the "
            f"champion's {drift.champion_mean:.4g}; rank correlation {drift.correlation:.2f}); ask the users of the "
            "predictions whether this is acceptable, then promote by hand or raise the limit"
        )

    def numbers(self, evidence: Evidence, gate: Gate) -> Numbers:
        """Return the index and both means."""
        drift = evidence.shift
        if drift is None:
            return {}
        return {
            "index": drift.index,
            "limit": gate.max_prediction_shift,
            "challenger_mean": drift.challenger_mean,
            "champion_mean": drift.champion_mean,
            "rank_correlation": drift.correlation,
        }


class NotTooGood(Check):
    """No single feature explains the label, and the metric has not jumped."""

    code, title, severity = "GATE017", "not too good to be true", "inconclusive"

    def explain(self, evidence: Evidence, gate: Gate) -> str | None:
        """Fire if one feature alone explains the label, or if the metric jumped by more than is plausible overnight."""
        plausibility = evidence.plausibility
        if plausibility is None:
            raise NotApplicable("plausibility was not measured")
        if plausibility.feature is not None and not is_number(plausibility.explained):
            return (
                "the share of the label that a single feature explains is not defined on this holdout; its labels may "
                "all be the same; run as of another day"
            )
        if plausibility.explained >= gate.max_single_feature:
            return (
                f"the feature {plausibility.feature} alone explains {plausibility.explained:.1%} of the label, "
                f"gate.max_single_feature allows less than {gate.max_single_feature:.0%}: it may be the label in other "
                "words; check how it is computed, and raise the limit if it is known in time"
            )
        gone = _error_gone(evidence)
        if gone is not None and gone > gate.max_jump:
            return (
                f"{evidence.metric} {evidence.challenger.metrics[evidence.metric]:.4f} removes {gone:.0%} of the error "
                f"of {_champion(evidence)}, and gate.max_jump allows {gate.max_jump:.0%} overnight: look for a leak, "
                "and raise the limit if the gain is real"
            )
        return None

    def numbers(self, evidence: Evidence, gate: Gate) -> Numbers:
        """Return the strongest feature, and the share of the champion's error that the challenger removes."""
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
    """The challenger was trained on recent days."""

    code, title, severity = "GATE018", "trained on recent days", "inconclusive"

    def explain(self, evidence: Evidence, gate: Gate) -> str | None:
        """Fire if the newest training row is too old."""
        age, limit = _age(evidence), _age_limit(evidence, gate)
        if age <= limit:
            return None
        allowed = f"gate.max_age_days allows {limit}"
        if gate.max_age_days is None:
            allowed = f"gap and holdout require {limit - SPARE_DAYS} days, and {SPARE_DAYS} more are allowed"
        return (
            f"the newest training row is {age} days older than {evidence.challenger.as_of}; {allowed}: ingest the "
            "missing days, or find out why their labels are missing"
        )

    def numbers(self, evidence: Evidence, gate: Gate) -> Numbers:
        """Return the age in days, and the limit."""
        return {"age_days": _age(evidence), "limit": _age_limit(evidence, gate)}


class SteadyOverSeeds(Check):
    """The gain holds with other seeds."""

    code, title = "GATE019", "as good with other seeds"

    def explain(self, evidence: Evidence, gate: Gate) -> str | None:
        """Fire if the interval of the mean gain over fits with several seeds includes 0."""
        if gate.refits < LEAST_REFITS:
            raise NotApplicable(f"needs {LEAST_REFITS} refits with other seeds; gate.refits is lower")
        if evidence.refits is None:
            raise NotApplicable("refits with other seeds were not measured")
        if len(evidence.refits.values) < LEAST_REFITS:
            raise NotMeasured(_why_too_few(evidence.refits))
        found = _mean_gain(evidence, gate)
        if found is None:
            raise NotApplicable("the baseline has no metric to compare with")
        if is_number(found.low) and found.low > 0:
            return None
        gain, mean = f"over {_opponent(evidence)}", found.mean
        if not is_number(mean):
            return f"the gain {gain} is not defined for every seed: one fit has no {evidence.metric} on this holdout"
        average = f"{mean:+.4f} {evidence.metric} on average over {found.fits} fits"
        interval = f"may be {found.low:+.4f} ({gate.confidence:.0%} interval)"
        own_gain = _gains(evidence)[0]
        if own_gain <= 0 and mean <= 0:
            return f"there is no gain {gain} with this or other seeds: {average}"
        if own_gain <= mean:
            return f"the gain {gain} varies with the seed: it is {average}, and {interval}; tune on more rows"
        return (
            f"with other seeds the gain {gain} is {average}, and {interval}: it depends on a lucky seed; tune for "
            "longer or on more rows"
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
    """Return the share of the champion's distance to a perfect value that the challenger removes."""
    champion = evidence.champion
    if champion is None or champion.metrics is None:
        return None
    perfect = PERFECT if evidence.higher_is_better else 0.0
    ours = abs(perfect - evidence.challenger.metrics[evidence.metric])
    theirs = abs(perfect - champion.metrics[evidence.metric])
    gone = 1 - ours / theirs if theirs else 0.0
    return gone if is_number(gone) else None


def _why_too_few(refits: Refits) -> str:
    """Return why there are fewer refits than the check needs, and what to change."""
    made = f"{len(refits.values)} of the {LEAST_REFITS} refits with other seeds that are needed were made"
    if refits.needed_seconds is not None:
        had = "" if refits.seconds is None else f" in {refits.seconds:g} seconds"
        return (
            f"whether the gain depends on the seed was not measured: {made}{had}; set training.tuning.seconds to at "
            f"least {refits.needed_seconds}, of which a quarter is for the refits, or gate.refits to 0"
        )
    if refits.failed:
        return (
            f"whether the gain depends on the seed was not measured: {made}, and {refits.failed} failed; see the log "
            "of train_challenger"
        )
    return (
        f"whether the gain depends on the seed was not measured: {made}, because train_challenger was interrupted "
        "after the fit; start a new run"
    )


def _gains(evidence: Evidence) -> list[float]:
    """Return by how much each fit is better than the opponent, the challenger first; empty without refits."""
    opponent = evidence.champion if evidence.champion and evidence.champion.metrics else evidence.baseline
    if not evidence.refits or not evidence.refits.values or opponent.metrics is None:
        return []
    sign, theirs = 1 if evidence.higher_is_better else -1, opponent.metrics[evidence.metric]
    values = [evidence.challenger.metrics[evidence.metric], *evidence.refits.values]
    return [sign * (value - theirs) for value in values]


def _champion(evidence: Evidence) -> str:
    assert evidence.champion is not None, "only called with a champion"
    return f"the champion ({evidence.champion.name})"


def _opponent(evidence: Evidence) -> str:
    if evidence.champion and evidence.champion.metrics:
        return _champion(evidence)
    return f"the baseline ({evidence.baseline.name})"


def _age(evidence: Evidence) -> int:
    return (evidence.challenger.as_of - evidence.challenger.train_end).days


def _age_limit(evidence: Evidence, gate: Gate) -> int:
    if gate.max_age_days is not None:
        return gate.max_age_days
    needed = evidence.challenger.needed_days
    if needed is None:
        raise NotApplicable("gate.max_age_days is not set")
    return needed + SPARE_DAYS
