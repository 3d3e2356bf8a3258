"""Each check fires on its own fault, stays quiet without it, and says when it has nothing to judge."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import pytest

from include.evaluation.evidence import Evidence, HoldoutSummary, Opponent
from include.evaluation.refits import Refits
from include.gate.check import Check, NotApplicable
from include.gate.checks import CHECKS
from tests import factories

if TYPE_CHECKING:
    from include.config.gate import Gate

NAN = math.nan
STEADY = Refits([1007, 2007], [0.701, 0.699])
BY_CODE = {check.code: check for check in CHECKS}
CODES = [f"GATE{number:03}" for number in range(1, len(CHECKS) + 1)]
#: The checks that compare with a champion, which have nothing to judge before the first one.
ABOUT_THE_CHAMPION = ["GATE005", "GATE006", "GATE007", "GATE009", "GATE012", "GATE015"]
#: They find faults of the evidence, or doubts that a person must resolve, not faults of the challenger.
INCONCLUSIVE = ["GATE002", "GATE006", "GATE012", "GATE015", "GATE017", "GATE018", "GATE020", "GATE021"]


def _lower(value: float, **changes: object) -> Evidence:
    """Return evidence of a metric that is better when lower."""
    return factories.evidence(
        metric="mae",
        higher_is_better=False,
        challenger=replace(factories.challenger(), metrics={"mae": value}),
        **changes,
    )


def _holdout(rows: int = 5000, days: int = 28) -> HoldoutSummary:
    return HoldoutSummary(date(2024, 2, 1), date(2024, 2, 28), rows=rows, days=days, label_mean=0.3)


def _baseline(value: float, low: float, high: float) -> Opponent:
    return Opponent("prior", {"roc_auc": 0.7 - value}, factories.difference(value, low, high))


def test_there_is_one_check_for_each_code() -> None:
    """Codes have no gap and are never given twice, and each check has a title of its own."""
    assert [check.code for check in CHECKS] == CODES
    assert len(CHECKS) >= 20
    assert len({check.title for check in CHECKS}) == len(CHECKS)


@pytest.mark.parametrize("check", CHECKS, ids=CODES)
def test_it_stays_quiet_on_good_evidence(check: Check, gate: Gate) -> None:
    """A challenger without a fault breaks no rule."""
    assert check.explain(factories.evidence(refits=STEADY), gate) is None


@pytest.mark.parametrize("code", CODES)
def test_without_a_champion_only_its_checks_do_not_apply(code: str, gate: Gate) -> None:
    """Checks about the champion say that there is none, and all others judge the first version."""
    evidence = factories.evidence(champion=None, refits=STEADY)

    if code in ABOUT_THE_CHAMPION:
        with pytest.raises(NotApplicable, match="no champion"):
            BY_CODE[code].explain(evidence, gate)
    else:
        assert BY_CODE[code].explain(evidence, gate) is None


@pytest.mark.parametrize(
    ("code", "severity"),
    [(code, "inconclusive" if code in INCONCLUSIVE else "keep") for code in CODES],
)
def test_a_doubt_is_inconclusive(code: str, severity: str) -> None:
    """A fault of the challenger fails; a fault of the holdout, or a doubt, is inconclusive."""
    assert BY_CODE[code].severity == severity


class TestGATE001:
    """Every prediction is a number."""

    @pytest.mark.parametrize(
        ("challenger", "told"),
        [
            (factories.challenger(finite=False), "predicts NaN or infinity for some held-out rows"),
            (factories.challenger(NAN), "roc_auc is not defined on this holdout"),
            (factories.challenger(math.inf), "roc_auc is not defined on this holdout"),
            (replace(factories.challenger(), metrics={}), "roc_auc is not defined on this holdout"),
        ],
        ids=["a prediction is NaN", "the metric is NaN", "the metric is infinite", "the metric is not there"],
    )
    def test_it_fires(self, challenger: object, told: str, gate: Gate) -> None:
        """A prediction or a metric that is not a number is told."""
        explanation = BY_CODE["GATE001"].explain(factories.evidence(challenger=challenger), gate)

        assert explanation is not None
        assert told in explanation

    @pytest.mark.parametrize(
        ("metric", "why"),
        [
            ("mape", "on this holdout: a share of a label that is 0 is not defined, and wape has no such limit"),
            ("roc_auc_ovr", "on this holdout: it is defined only where every class is among the labels"),
        ],
    )
    def test_it_says_why_a_metric_has_no_value(self, metric: str, why: str, gate: Gate) -> None:
        """Where the labels are what a metric cannot do with, the explanation says so."""
        challenger = replace(factories.challenger(), metrics={metric: NAN})

        explanation = BY_CODE["GATE001"].explain(factories.evidence(metric=metric, challenger=challenger), gate)

        assert explanation == f"the challenger's {metric} is not defined {why}"

    @pytest.mark.parametrize("value", [-3.5, 0.0])
    def test_it_stays_quiet_on_a_poor_number(self, value: float, gate: Gate) -> None:
        """A bad metric is still a number, zero included; other checks judge it."""
        evidence = factories.evidence(challenger=factories.challenger(value))

        assert BY_CODE["GATE001"].explain(evidence, gate) is None


class TestGATE002:
    """Enough held-out rows."""

    @pytest.mark.parametrize(
        ("holdout", "told"),
        [
            (_holdout(rows=499), "499 held-out rows, gate.min_holdout_rows requires 500"),
            (_holdout(rows=0, days=0), "0 held-out rows"),
            (_holdout(days=1), "a single day, and noise cannot be estimated from one day"),
        ],
        ids=["too few rows", "no rows", "one day"],
    )
    def test_it_fires(self, holdout: HoldoutSummary, told: str, gate: Gate) -> None:
        """Too few rows, or a single day, are not enough to compare models."""
        explanation = BY_CODE["GATE002"].explain(factories.evidence(holdout=holdout), gate)

        assert explanation is not None
        assert told in explanation

    def test_it_stays_quiet_at_the_limit(self, gate: Gate) -> None:
        """Exactly the required number of rows, on half of the days, is enough."""
        assert BY_CODE["GATE002"].explain(factories.evidence(holdout=_holdout(500, 14)), gate) is None

    def test_a_holdout_that_lacks_most_of_its_days_cannot_tell(self, gate: Gate) -> None:
        """Enough rows of a few days do not represent the whole holdout."""
        explanation = BY_CODE["GATE002"].explain(factories.evidence(holdout=_holdout(500, 13)), gate)

        assert explanation == "the holdout has rows on 13 of its 28 days; ingest the missing days"


class TestGATE003:
    """Reaches the minimum."""

    @pytest.mark.parametrize(
        ("evidence", "told"),
        [
            (
                factories.evidence(challenger=factories.challenger(0.5999)),
                "roc_auc 0.5999 is below gate.minimum, 0.6",
            ),
            (_lower(0.6001), "mae 0.6001 is above gate.minimum, 0.6"),
            (factories.evidence(challenger=factories.challenger(NAN)), "gate.minimum"),
            (_lower(NAN), "gate.minimum"),
        ],
        ids=["below a score", "above an error", "a score that is NaN", "an error that is NaN"],
    )
    def test_it_fires(self, evidence: Evidence, told: str, gate: Gate) -> None:
        """A metric on the wrong side of the minimum is named with both numbers."""
        explanation = BY_CODE["GATE003"].explain(evidence, gate)

        assert explanation is not None
        assert told in explanation

    @pytest.mark.parametrize(
        "evidence", [factories.evidence(challenger=factories.challenger(0.6)), _lower(0.6), _lower(0.0)]
    )
    def test_it_stays_quiet_at_the_limit(self, evidence: Evidence, gate: Gate) -> None:
        """The minimum itself may be promoted, for a score and for an error."""
        assert BY_CODE["GATE003"].explain(evidence, gate) is None


@pytest.mark.parametrize(
    ("value", "low", "high", "told"),
    [
        (0.01, -0.005, 0.025, "better than {named} by 0.0100 roc_auc; the 95% interval -0.0050 to +0.0250"),
        (0.01, 0.0, 0.02, "better than {named} by 0.0100 roc_auc"),
        (0.0, 0.0, 0.0, "exactly as good as {named}"),
        (-0.03, -0.05, -0.01, "worse than {named} by 0.0300 roc_auc; the 95% interval -0.0500 to -0.0100"),
        (NAN, NAN, NAN, "the difference to {named} in roc_auc is not defined on this holdout"),
        (0.05, NAN, NAN, "the difference to {named} in roc_auc is not defined on this holdout"),
    ],
    ids=["within noise", "down to 0 exactly", "a tie", "worse", "undefined", "an undefined interval"],
)
class TestNotBetterThanNoise:
    """Beats baseline (GATE004) and champion (GATE005) by more than noise."""

    def test_gate004_fires(self, value: float, low: float, high: float, told: str, gate: Gate) -> None:
        """A gain over the baseline within noise is shown with its interval."""
        explanation = BY_CODE["GATE004"].explain(factories.evidence(baseline=_baseline(value, low, high)), gate)

        assert explanation is not None
        assert explanation.startswith(told.format(named="the baseline (prior)"))

    def test_gate005_fires(self, value: float, low: float, high: float, told: str, gate: Gate) -> None:
        """A gain over the champion within noise is shown with its interval."""
        evidence = factories.evidence(champion=factories.champion(0.7 - value, low, high))
        evidence = replace(
            evidence, champion=replace(evidence.champion, difference=factories.difference(value, low, high))
        )

        explanation = BY_CODE["GATE005"].explain(evidence, gate)

        assert explanation is not None
        assert explanation.startswith(told.format(named="the champion (version 3)"))


@pytest.mark.parametrize("code", ["GATE004", "GATE005"])
def test_the_least_gain_above_noise_is_enough(code: str, gate: Gate) -> None:
    """An interval entirely above 0, however narrowly, is a gain."""
    evidence = factories.evidence(
        baseline=_baseline(0.01, 1e-9, 0.02), champion=factories.champion(0.69, low=1e-9, high=0.02)
    )

    assert BY_CODE[code].explain(evidence, gate) is None


class TestGATE005:
    """Beats the champion by more than noise."""

    def test_it_fires_on_a_champion_that_cannot_be_scored(self, gate: Gate) -> None:
        """A champion that cannot predict is not beaten; the sentence says why and how to go on."""
        champion = factories.champion(metrics=None, difference=None, error="ModelRefused: changed")

        explanation = BY_CODE["GATE005"].explain(factories.evidence(champion=champion), gate)

        assert explanation is not None
        assert "version 3, cannot be scored (ModelRefused: changed); promote a version that can" in explanation


class TestGATE006:
    """The champion has not seen the holdout."""

    @pytest.mark.parametrize("train_end", ["2024-02-01", "2024-02-28", "2024-05-01"])
    def test_it_fires(self, train_end: str, gate: Gate) -> None:
        """A champion trained on a day of the holdout has an unfair advantage."""
        evidence = factories.evidence(champion=factories.champion(train_end=train_end))

        explanation = BY_CODE["GATE006"].explain(evidence, gate)

        assert explanation is not None
        assert f"version 3, was trained on days up to {train_end}, and the holdout begins on 2024-02-01" in explanation

    def test_it_stays_quiet_up_to_the_day_before(self, gate: Gate) -> None:
        """The day before the holdout is not part of it."""
        evidence = factories.evidence(champion=factories.champion(train_end="2024-01-31"))

        assert BY_CODE["GATE006"].explain(evidence, gate) is None


class TestGATE007:
    """Not older than the champion."""

    def test_it_fires(self, gate: Gate) -> None:
        """A backfill of an old day does not replace a model of newer data."""
        evidence = factories.evidence(champion=factories.champion(as_of="2024-03-01"))

        explanation = BY_CODE["GATE007"].explain(evidence, gate)

        assert explanation is not None
        assert "this run is as of 2024-02-29 and the champion, version 3, as of 2024-03-01" in explanation

    def test_it_stays_quiet_on_the_same_day(self, gate: Gate) -> None:
        """Another run as of the champion's own day may replace it."""
        evidence = factories.evidence(champion=factories.champion(as_of="2024-02-29"))

        assert BY_CODE["GATE007"].explain(evidence, gate) is None


class TestGATE008:
    """The challenger has not seen the holdout."""

    @pytest.mark.parametrize("train_end", ["2024-02-01", "2024-02-28"])
    def test_it_fires(self, train_end: str, gate: Gate) -> None:
        """A challenger trained on a day of the holdout is not judged by it."""
        evidence = factories.evidence(challenger=factories.challenger(train_end=train_end))

        explanation = BY_CODE["GATE008"].explain(evidence, gate)

        assert explanation == f"trained on days up to {train_end}, and the holdout begins on 2024-02-01"

    def test_it_stays_quiet_up_to_the_day_before(self, gate: Gate) -> None:
        """The day before the holdout is not part of it."""
        evidence = factories.evidence(challenger=factories.challenger(train_end="2024-01-31"))

        assert BY_CODE["GATE008"].explain(evidence, gate) is None
