"""An implausible challenger fires the check for its fault."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from include.config.gate import Gate
from include.evaluation.plausibility import Plausibility
from include.evaluation.prediction_drift import PredictionDrift
from include.evaluation.refits import Refits
from include.gate.check import NotApplicable, NotMeasured
from include.gate.checks.plausibility import FreshTrainingData, LikeTheChampion, NotTooGood, SteadyOverSeeds
from include.gate.verdict import decide
from tests import factories

if TYPE_CHECKING:
    from include.evaluation.evidence import Evidence

NAN = math.nan
SHIFT = PredictionDrift(0.25, 0.9, 0.31, 0.3, 5000)
PLAUSIBLE = Plausibility("visitors", 0.4, 0.6)
#: The failure of each page's example: changes to good evidence, and to the gate's settings.
EXAMPLES: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "GATE012": ({"shift": PredictionDrift(0.3141, 0.824, 0.4123, 0.3017, 5000)}, {}),
    "GATE017": ({"plausibility": Plausibility("refunded_at", 0.9964, 0.9991)}, {}),
    "GATE018": ({"challenger": factories.challenger(train_end="2023-12-27", needed_days=30)}, {}),
    "GATE019": ({"refits": Refits([1007, 2007], [0.6612, 0.6497])}, {}),
}


@pytest.fixture
def gate() -> Gate:
    """Return a gate with the limits that a pipeline has by default."""
    return Gate(minimum=0.6)


def _evidence(**changes: object) -> Evidence:
    """Return good evidence with everything that these checks judge by."""
    measured = {"shift": SHIFT, "plausibility": PLAUSIBLE, "refits": Refits([1007, 2007], [0.7, 0.71])}
    return factories.evidence(**measured | changes)


def _mae(challenger: float, champion: float) -> dict[str, object]:
    """Return the changes that make evidence of a metric that is better when lower."""
    return {
        "metric": "mae",
        "higher_is_better": False,
        "challenger": replace(factories.challenger(), metrics={"mae": challenger}),
        "champion": replace(factories.champion(), metrics={"mae": champion}),
    }


class TestGATE012:
    """Predictions are distributed like the champion's."""

    check = LikeTheChampion()

    def test_it_fires(self, gate: Gate) -> None:
        """The sentence has the drift, both means, and what to do."""
        drifted = PredictionDrift(0.3141, 0.82, 0.4123, 0.3, 5000)

        assert self.check.explain(_evidence(shift=drifted), gate) == (
            "the predictions drift from the champion's: a stability index of 0.31, gate.max_prediction_shift allows "
            "0.25 (mean 0.4123, the champion's 0.3; rank correlation 0.82); ask the users of the predictions whether "
            "this is acceptable, then promote by hand or raise the limit"
        )

    def test_it_stays_quiet_at_the_limit(self, gate: Gate) -> None:
        """The limit itself is allowed, and a pipeline may allow more or less."""
        assert self.check.explain(_evidence(), gate) is None
        assert self.check.explain(_evidence(), gate.model_copy(update={"max_prediction_shift": 0.2})) is not None

    def test_an_unknown_drift_fires(self, gate: Gate) -> None:
        """A NaN never passes."""
        assert self.check.explain(_evidence(shift=PredictionDrift(NAN, NAN, NAN, NAN, 5000)), gate) is not None

    @pytest.mark.parametrize(
        ("champion", "why"), [(None, "no champion yet"), (factories.champion(), "the champion cannot be scored")]
    )
    def test_without_drift_it_does_not_apply(self, champion: object, why: str, gate: Gate) -> None:
        """Before the first champion, and in old evidence, there is nothing to judge."""
        evidence = _evidence(champion=champion, shift=None)

        with pytest.raises(NotApplicable, match=why):
            self.check.explain(evidence, gate)
        assert self.check.numbers(evidence, gate) == {}

    def test_its_numbers_are_kept(self, gate: Gate) -> None:
        """The record has the index and its limit."""
        assert self.check.numbers(_evidence(), gate) == {
            "index": 0.25,
            "limit": 0.25,
            "challenger_mean": 0.31,
            "champion_mean": 0.3,
            "rank_correlation": 0.9,
        }


class TestGATE017:
    """Not too good to be true."""

    check = NotTooGood()

    def test_a_feature_that_is_the_label_fires(self, gate: Gate) -> None:
        """The feature is named with the share that it explains."""
        leak = Plausibility("refunded_at", 0.9964, 1.0)

        assert self.check.explain(_evidence(plausibility=leak), gate) == (
            "the feature refunded_at alone explains 99.6% of the label, gate.max_single_feature allows less than 98%: "
            "it may be the label in other words; check how it is computed, and raise the limit if it is known in time"
        )

    def test_the_limit_itself_fires(self, gate: Gate) -> None:
        """A feature must explain less than the limit."""
        assert self.check.explain(_evidence(plausibility=replace(PLAUSIBLE, explained=0.98)), gate) is not None
        assert self.check.explain(_evidence(plausibility=replace(PLAUSIBLE, explained=0.9799)), gate) is None

    def test_a_jump_fires(self, gate: Gate) -> None:
        """A metric much closer to a perfect value than the champion's fires."""
        evidence = _evidence(challenger=factories.challenger(0.9), champion=factories.champion(0.65))

        assert self.check.explain(evidence, gate) == (
            "roc_auc 0.9000 removes 71% of the error of the champion (version 3), and gate.max_jump allows 50% "
            "overnight: look for a leak, and raise the limit if the gain is real"
        )

    @pytest.mark.parametrize(
        ("changes", "fires"),
        [
            ({"challenger": factories.challenger(0.75), "champion": factories.champion(0.5)}, False),
            ({"challenger": factories.challenger(0.76), "champion": factories.champion(0.5)}, True),
            (_mae(10, 20), False),
            (_mae(9.9, 20), True),
            (_mae(25, 20), False),
            (_mae(0, 0), False),
        ],
        ids=["a half", "more", "half an error", "less than half", "worse", "both perfect"],
    )
    def test_a_jump_is_a_share_of_the_error(self, changes: dict[str, object], fires: bool, gate: Gate) -> None:
        """Half of the champion's error may disappear, whether higher or lower is better."""
        assert (self.check.explain(_evidence(**changes), gate) is not None) == fires

    def test_the_first_model_cannot_jump(self, gate: Gate) -> None:
        """Without a champion that can be scored, only the features are judged."""
        first = _evidence(champion=None, challenger=factories.challenger(0.99))
        broken = factories.champion(metrics=None, difference=None, error="ModelRefused: x")

        assert self.check.explain(first, gate) is None
        assert self.check.explain(_evidence(champion=broken), gate) is None
        assert self.check.numbers(first, gate)["error_gone"] is None

    def test_without_a_measurement_it_does_not_apply(self, gate: Gate) -> None:
        """Old evidence has nothing to judge."""
        with pytest.raises(NotApplicable, match="not measured"):
            self.check.explain(_evidence(plausibility=None), gate)

    def test_its_numbers_are_kept(self, gate: Gate) -> None:
        """The record has the numbers of both rules and their limits."""
        assert self.check.numbers(_evidence(), gate) == {
            "error_gone": pytest.approx(1 / 7),
            "max_jump": 0.5,
            "feature": "visitors",
            "explained": 0.4,
            "max_single_feature": 0.98,
        }


class TestGATE018:
    """Trained on recent days."""

    check = FreshTrainingData()

    def _learned_until(self, day: str, needed: int | None = 30) -> Evidence:
        return _evidence(challenger=factories.challenger(train_end=day, needed_days=needed))

    def test_it_fires(self, gate: Gate) -> None:
        """Two weeks more than gap and holdout require are allowed, and not a day more."""
        assert self.check.explain(self._learned_until("2024-01-16"), gate) is None
        assert self.check.explain(self._learned_until("2024-01-15"), gate) == (
            "the newest training row is 45 days older than 2024-02-29; gap and holdout require 30 days, and 14 more "
            "are allowed: ingest the missing days, or find out why their labels are missing"
        )

    def test_the_pipelines_own_limit_wins(self, gate: Gate) -> None:
        """gate.max_age_days replaces the default limit."""
        own = gate.model_copy(update={"max_age_days": 40})

        assert self.check.explain(self._learned_until("2024-01-20"), own) is None
        assert self.check.explain(self._learned_until("2024-01-19", needed=None), own) == (
            "the newest training row is 41 days older than 2024-02-29; gate.max_age_days allows 40: ingest the missing "
            "days, or find out why their labels are missing"
        )

    def test_evidence_without_needed_days_is_not_judged(self, gate: Gate) -> None:
        """Old evidence has no limit of its own."""
        with pytest.raises(NotApplicable, match="max_age_days is not set"):
            self.check.explain(self._learned_until("2024-01-15", needed=None), gate)

    def test_its_numbers_are_kept(self, gate: Gate) -> None:
        """The record has the age and the limit."""
        assert self.check.numbers(self._learned_until("2024-01-30"), gate) == {"age_days": 30, "limit": 44}


class TestGATE019:
    """As good with other seeds."""

    check = SteadyOverSeeds()

    def test_it_fires(self, gate: Gate) -> None:
        """The sentence has the mean gain over all fits, and the lower end of its interval."""
        evidence = _evidence(refits=Refits([1007, 2007], [0.66, 0.655]))

        assert self.check.explain(evidence, gate) == (
            "with other seeds the gain over the champion (version 3) is +0.0217 roc_auc on average over 3 fits, and "
            "may be -0.0396 (95% interval): it depends on a lucky seed; tune for longer or on more rows"
        )

    def test_the_interval_is_that_of_student(self, gate: Gate) -> None:
        """Gains of 0.05, 0.06 and 0.07 have the mean 0.06 and, by t of 2 degrees, 4.303 standard errors below it."""
        found = self.check.numbers(_evidence(refits=Refits([1007, 2007], [0.71, 0.72])), gate)

        assert found == {
            "fits": 3,
            "mean": pytest.approx(0.06),
            "low": pytest.approx(0.06 - 4.302653 * 0.01 / math.sqrt(3)),
        }

    def test_a_steady_gain_is_quiet(self, gate: Gate) -> None:
        """Fits with about the same gain pass, and so do fits that are all equal."""
        assert self.check.explain(_evidence(), gate) is None
        assert self.check.explain(_evidence(refits=Refits([1007, 2007], [0.7, 0.7])), gate) is None

    def test_a_challenger_that_is_plainly_worse_is_not_called_lucky(self, gate: Gate) -> None:
        """A model that was worse with every seed was once said to depend on a lucky one."""
        evidence = _evidence(challenger=factories.challenger(0.6), refits=Refits([1007, 2007], [0.61, 0.62]))

        assert self.check.explain(evidence, gate) == (
            "there is no gain over the champion (version 3) with this or other seeds: -0.0400 roc_auc on average over "
            "3 fits"
        )

    def test_one_that_other_seeds_beat_is_not_called_lucky(self, gate: Gate) -> None:
        """Where other seeds do better, the gain varies, but not in favour of the challenger."""
        evidence = _evidence(challenger=factories.challenger(0.66), refits=Refits([1007, 2007], [0.75, 0.67]))

        told = self.check.explain(evidence, gate)

        assert told is not None
        assert told.startswith("the gain over the champion (version 3) varies with the seed: it is +0.0433 roc_auc")
        assert "lucky" not in told

    def test_no_gain_at_all_fires(self, gate: Gate) -> None:
        """Fits that are all exactly as good as the champion have no gain."""
        evidence = _evidence(challenger=factories.challenger(0.65), refits=Refits([1007, 2007], [0.65, 0.65]))

        assert self.check.explain(evidence, gate) is not None

    def test_a_lower_error_is_a_gain(self, gate: Gate) -> None:
        """Where lower is better the gain is how much lower the error is."""
        found = self.check.numbers(_evidence(**_mae(4.0, 5.0), refits=Refits([1007, 2007], [4.1, 4.2])), gate)

        assert found["mean"] == pytest.approx(0.9)
        assert found["low"] > 0

    @pytest.mark.parametrize(
        "champion", [None, factories.champion(metrics=None, difference=None, error="ModelRefused: x")]
    )
    def test_without_a_champions_value_it_is_the_baseline(self, champion: object, gate: Gate) -> None:
        """The first model, and one whose champion cannot be scored, must steadily be better than the baseline."""
        steady = _evidence(champion=champion)
        lucky = _evidence(champion=champion, refits=Refits([1007, 2007], [0.51, 0.5]))

        assert self.check.explain(steady, gate) is None
        told = self.check.explain(lucky, gate)
        assert told is not None
        assert told.startswith("with other seeds the gain over the baseline (prior) is +0.0700 roc_auc")

    def test_a_refit_without_a_value_fires(self, gate: Gate) -> None:
        """A NaN never passes."""
        told = self.check.explain(_evidence(refits=Refits([1007, 2007], [0.7, NAN])), gate)

        assert told is not None
        assert "is not defined for every seed: one fit has no roc_auc on this holdout" in told

    @pytest.mark.parametrize(
        ("refits", "told"),
        [
            (
                Refits([1007], [0.7], seconds=7.5, needed_seconds=96),
                "1 of the 2 refits with other seeds that are needed were made in 7.5 seconds; set "
                "training.tuning.seconds to at least 96, of which a quarter is for the refits, or gate.refits to 0",
            ),
            (
                Refits([], [], seconds=15, failed=2),
                "0 of the 2 refits with other seeds that are needed were made, and 2 failed; see the log of "
                "train_challenger",
            ),
            (
                Refits([], []),
                "0 of the 2 refits with other seeds that are needed were made, because train_challenger was "
                "interrupted after the fit; start a new run",
            ),
        ],
        ids=["no time", "they failed", "interrupted"],
    )
    def test_too_few_refits_are_a_warning(self, refits: Refits, told: str, gate: Gate) -> None:
        """The check was "not applicable" every night, because its refits never fitted into the time."""
        evidence = _evidence(refits=refits)
        told = f"whether the gain depends on the seed was not measured: {told}"

        with pytest.raises(NotMeasured) as raised:
            self.check.explain(evidence, gate)
        verdict = decide(evidence, gate, [self.check])

        assert str(raised.value) == told
        assert [result.outcome for result in verdict.results] == ["warn"]
        assert verdict.reason.endswith(f"; warnings: GATE019 {told}")

    @pytest.mark.parametrize(("refits", "why"), [(0, "gate.refits is lower"), (2, "were not measured")])
    def test_without_refits_it_does_not_apply(self, refits: int, why: str, gate: Gate) -> None:
        """The reason says whether the settings or an earlier release left them out."""
        evidence, asked = _evidence(refits=None), gate.model_copy(update={"refits": refits})

        with pytest.raises(NotApplicable, match=f"{why}$"):
            self.check.explain(evidence, asked)
        assert self.check.numbers(evidence, asked) == {}
