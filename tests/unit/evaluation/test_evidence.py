"""Evidence is measured on the same rows for all, and survives being written to a file."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from include.config.pipeline import Pipeline
from include.config.training import METRICS
from include.evaluation.collect import ChallengerFacts, ChampionFacts, collect_evidence
from include.evaluation.evidence import Evidence, HoldoutSummary, Opponent
from include.evaluation.metrics import Metric, all_metrics
from include.gate.verdict import decide
from tests import factories

NAN = math.nan
CHALLENGER = ChallengerFacts("linear", date(2024, 2, 11), date(2023, 11, 1), date(2024, 1, 30))
CHAMPION = ChampionFacts(3, date(2024, 1, 31), date(2024, 1, 1))
#: The metrics that a pipeline can be tuned for: all but the one that is only reported.
TUNED_FOR = [(task, metric) for task in METRICS for metric in METRICS[task] if metric != "calibration_error"]


def _pipeline(task: str = "regression", metric: str = "mae", **training: object) -> Pipeline:
    fields = yaml.safe_load(factories.SHOP_YAML)
    fields["training"] |= {"task": task, "metric": metric} | training
    if task == "forecasting":
        fields["training"] |= {"horizon_days": 1}
    pipeline = Pipeline.model_validate(fields)
    pipeline._folder = Path("shop")
    return pipeline


def _rows(task: str) -> dict[str, np.ndarray]:
    """Return labels and predictions of 200 rows in which challenger, champion and baseline differ."""
    draw = np.random.default_rng(7)
    y_true = draw.normal(10, 3, 200)
    if task == "multiclass":
        y_true = draw.choice(3, 200, p=[0.5, 0.3, 0.2]).astype("float64")
        truth, guess = np.eye(3)[y_true.astype("int64")], np.tile([0.5, 0.3, 0.2], (200, 1))
        noise = draw.dirichlet([1, 1, 1], 200)
        return {
            "y_true": y_true,
            "challenger": 0.6 * truth + 0.4 * noise,
            "champion": 0.2 * truth + 0.8 * noise,
            "baseline": guess,
        }
    if task == "binary":
        y_true = (y_true > 10).astype("float64")
    return {
        "y_true": y_true,
        "challenger": 0.9 * y_true + 0.05,
        "champion": 0.5 * y_true + 0.2,
        "baseline": np.full(200, y_true.mean()),
    }


def _collected(pipeline: Pipeline, **changes: Any) -> Evidence:
    """Collect evidence of 200 rows in 10 days."""
    fields: dict[str, Any] = {
        "days": np.repeat([f"2024-02-{day:02}" for day in range(1, 11)], 20),
        "champion_error": None,
        "challenger_facts": CHALLENGER,
        "champion_facts": CHAMPION,
        "holdout_days": (date(2024, 2, 1), date(2024, 2, 10)),
    }
    return collect_evidence(pipeline, **_rows(pipeline.training.task) | fields | changes)


def _through_a_file(evidence: Evidence) -> Evidence:
    return Evidence.from_json(json.loads(json.dumps(evidence.to_json(), allow_nan=False)))


@pytest.mark.parametrize(
    "evidence",
    [
        pytest.param(factories.evidence(), id="with a champion"),
        pytest.param(factories.evidence(champion=None), id="no champion"),
        pytest.param(
            factories.evidence(
                champion=Opponent("version 3", None, None, date(2024, 1, 31), date(2024, 1, 1), "no column x")
            ),
            id="a champion that cannot be scored",
        ),
        pytest.param(
            factories.evidence(
                challenger=factories.challenger(threshold=0.31), champion=factories.champion(threshold=0.4)
            ),
            id="thresholds",
        ),
        pytest.param(
            factories.evidence(
                holdout=HoldoutSummary(
                    date(2024, 2, 1), date(2024, 2, 28), 5000, 28, NAN, {"a": 0.75, "b": 0.25, "c": 0.0}
                ),
                quantile=0.9,
            ),
            id="classes and a quantile",
        ),
    ],
)
def test_evidence_survives_json(evidence: Evidence) -> None:
    """Every field comes back from JSON as it was; compared as text, since NaN is not equal to itself."""
    assert repr(_through_a_file(evidence)) == repr(evidence)


def test_nan_is_written_as_null_and_read_as_nan() -> None:
    """NaN is not JSON, so it is null in the file, and a NaN again in every place that it can be in."""
    undefined = factories.difference(NAN, NAN, NAN)
    evidence = factories.evidence(
        holdout=HoldoutSummary(date(2024, 2, 1), date(2024, 2, 28), rows=0, days=0, label_mean=NAN),
        challenger=factories.challenger(NAN, finite=False),
        baseline=Opponent("prior", {"roc_auc": 0.5, "log_loss": NAN}, undefined),
        champion=replace(factories.champion(), metrics={"roc_auc": NAN}, difference=undefined),
    )

    read = _through_a_file(evidence)

    assert "NaN" not in json.dumps(evidence.to_json())
    assert read.champion is not None
    numbers = [
        read.holdout.label_mean,
        read.challenger.metrics["roc_auc"],
        read.baseline.metrics["log_loss"],
        read.champion.metrics["roc_auc"],
        read.baseline.difference.low,
        read.champion.difference.value,
    ]
    assert all(isinstance(number, float) and math.isnan(number) for number in numbers)
    assert read.baseline.metrics["roc_auc"] == 0.5
    assert read.baseline.difference.blocks == 28


def test_the_verdict_is_the_same_after_a_file() -> None:
    """The gate decides the same about evidence that a later task has read."""
    gate = _pipeline().gate.model_copy(update={"minimum": 0.6})
    for evidence in (factories.evidence(), factories.evidence(challenger=factories.challenger(NAN))):
        assert decide(_through_a_file(evidence), gate) == decide(evidence, gate)


@pytest.mark.parametrize(("task", "metric"), TUNED_FOR)
def test_all_are_measured_on_the_same_rows(task: str, metric: str) -> None:
    """Challenger, baseline and champion have every metric of the task, and differences in the gate's."""
    evidence = _collected(_pipeline(task, metric))

    assert evidence.champion is not None
    names = list(METRICS[task])
    assert [list(each.metrics) for each in (evidence.challenger, evidence.baseline, evidence.champion)] == [names] * 3
    assert evidence.metric == metric
    assert evidence.higher_is_better is Metric(task, metric).higher_is_better
    assert repr(_through_a_file(evidence)) == repr(evidence)  # NaN is not equal to itself
    for opponent in (evidence.baseline, evidence.champion):
        gained = evidence.challenger.metrics[metric] - opponent.metrics[metric]
        assert opponent.difference.value == pytest.approx(gained if evidence.higher_is_better else -gained)
        assert (opponent.difference.rounds, opponent.difference.blocks) == (200, 10)
    assert (evidence.holdout.rows, evidence.holdout.days) == (200, 10)
    assert (evidence.champion.name, evidence.champion.as_of) == ("version 3", date(2024, 1, 31))


@pytest.mark.parametrize(("task", "metric"), TUNED_FOR)
def test_the_gate_decides_for_every_task_and_metric(task: str, metric: str) -> None:
    """A good model is promoted over the baseline, and the baseline itself is not."""
    pipeline = _pipeline(task, metric)
    minimum = -1e6 if Metric(task, metric).higher_is_better else 1e6
    gate, rows = pipeline.gate.model_copy(update={"minimum": minimum}), _rows(task)
    nothing = {"champion": None, "champion_facts": None}
    if metric == "calibration_error":
        # a single probability for all is calibrated, so it takes another baseline to be better than it
        rows["baseline"] = 0.5 * rows["baseline"]

    good = decide(_collected(pipeline, **rows | nothing), gate)
    guess = decide(_collected(pipeline, **rows | nothing | {"challenger": rows["baseline"]}), gate)

    assert good.verdict == "promote", good.reason
    assert guess.verdict == "keep"
    assert guess.reason.startswith("keep (there is no champion yet): GATE004 ")


def test_the_metrics_are_of_the_predictions() -> None:
    """What the evidence says of the challenger is what its predictions come to."""
    evidence = _collected(_pipeline("regression", "rmse", quantile=0.9), challenger=np.full(200, 10.0))
    y_true = np.random.default_rng(7).normal(10, 3, 200)

    measure = Metric("regression", "rmse", quantile=0.9)
    assert evidence.challenger.metrics == all_metrics(measure, y_true, np.full(200, 10.0))
    assert evidence.quantile == 0.9
    assert evidence.holdout.label_mean == pytest.approx(y_true.mean())


def test_no_champion_is_no_opponent() -> None:
    """Before the first promotion there is only the baseline to compare with."""
    assert _collected(_pipeline(), champion=None, champion_facts=None).champion is None


def test_a_champion_that_cannot_be_scored_keeps_its_name_and_its_reason() -> None:
    """The evidence says which version could not predict, and why, and has no numbers for it."""
    champion = _collected(_pipeline(), champion=None, champion_error="EvaluationFailed: no column x").champion

    assert champion is not None
    assert (champion.name, champion.error) == ("version 3", "EvaluationFailed: no column x")
    assert champion.metrics is champion.difference is None


@pytest.mark.parametrize("unusable", [NAN, math.inf])
def test_one_non_finite_prediction_is_noticed(unusable: float) -> None:
    """One NaN or infinity is recorded, and leaves the challenger without a metric and a difference."""
    predicted = np.full(200, 10.0)
    predicted[17] = unusable

    evidence = _collected(_pipeline(), challenger=predicted)

    assert not evidence.challenger.finite
    assert math.isnan(evidence.challenger.metrics["mae"])
    assert math.isnan(evidence.baseline.difference.value)
    assert not math.isnan(evidence.baseline.metrics["mae"])


def test_the_same_rows_give_the_same_evidence() -> None:
    """Evidence that is collected twice is the same to the last bit."""
    assert _collected(_pipeline()) == _collected(_pipeline())


class TestClasses:
    """Evidence of a task with several classes."""

    def test_has_the_share_of_each_class(self) -> None:
        """The holdout has shares by the names of the classes, those without a row too, and no mean."""
        holdout = _collected(_pipeline("multiclass", "log_loss"), classes=["a", "b", "c"]).holdout
        y_true = _rows("multiclass")["y_true"]

        assert holdout.label_shares == {"a": (y_true == 0).mean(), "b": (y_true == 1).mean(), "c": (y_true == 2).mean()}
        assert math.isnan(holdout.label_mean)

    def test_has_no_threshold_and_no_quantile(self) -> None:
        """Neither means anything for several classes."""
        evidence = _collected(_pipeline("multiclass", "log_loss"))

        assert evidence.champion is not None
        assert evidence.challenger.threshold is evidence.champion.threshold is evidence.quantile is None

    @pytest.mark.parametrize("unusable", [NAN, math.inf])
    def test_notices_one_non_finite_probability(self, unusable: float) -> None:
        """One NaN or infinity in one column leaves the challenger without a metric."""
        predicted = _rows("multiclass")["challenger"]
        predicted[17, 2] = unusable

        evidence = _collected(_pipeline("multiclass", "log_loss"), challenger=predicted)

        assert not evidence.challenger.finite
        assert math.isnan(evidence.challenger.metrics["accuracy"])


class TestThresholds:
    """Each model is measured from the probability on that was chosen for it."""

    pipeline = _pipeline("binary", "f1")
    rows = _rows("binary")

    def _f1(self, who: str, threshold: float) -> float:
        return Metric("binary", "f1", threshold=threshold).value(self.rows["y_true"], self.rows[who])

    def test_are_each_models_own(self) -> None:
        """The champion's F1 is at the champion's threshold, the challenger's at its own, and so is their difference."""
        evidence = _collected(
            self.pipeline,
            challenger_facts=replace(CHALLENGER, threshold=0.03),
            champion_facts=replace(CHAMPION, threshold=0.6),
        )

        assert evidence.champion is not None
        assert (evidence.challenger.threshold, evidence.champion.threshold) == (0.03, 0.6)
        assert evidence.challenger.metrics["f1"] == self._f1("challenger", 0.03)
        assert evidence.champion.metrics["f1"] == self._f1("champion", 0.6)
        assert evidence.champion.difference.value == self._f1("challenger", 0.03) - self._f1("champion", 0.6)

    def test_of_a_champion_without_one_is_the_challengers(self) -> None:
        """A champion that was registered without a threshold is measured like the challenger."""
        evidence = _collected(self.pipeline, challenger_facts=replace(CHALLENGER, threshold=0.21))

        assert evidence.champion is not None
        assert evidence.champion.threshold == 0.21
        assert evidence.champion.metrics["f1"] == self._f1("champion", 0.21)

    def test_are_a_half_where_nothing_is_known(self) -> None:
        """Without any threshold a row is positive from a half on."""
        evidence = _collected(self.pipeline, challenger_facts=replace(CHALLENGER, threshold=None))

        assert evidence.challenger.threshold == 0.5
        assert evidence.challenger.metrics["f1"] == self._f1("challenger", 0.5)

    def test_a_baseline_has_the_one_that_suits_it_best(self) -> None:
        """One probability for all counts every row as positive, whatever the challenger's threshold."""
        evidence = _collected(self.pipeline, challenger_facts=replace(CHALLENGER, threshold=0.9))
        share = self.rows["y_true"].mean()

        assert evidence.baseline.metrics["f1"] == pytest.approx(2 * share / (1 + share))
