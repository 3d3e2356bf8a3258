"""The report has everything, within the width of a log."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import pytest

from include.evaluation.evidence import Evidence, HoldoutSummary, Opponent
from include.evaluation.label_coverage import Coverage, LabelCoverage
from include.gate.checks import CHECKS
from include.gate.report import WIDTH, describe_holdout, verdict_table
from include.gate.verdict import decide
from tests import factories

if TYPE_CHECKING:
    from include.config.gate import Gate

METRICS = {"average_precision": 0.5, "log_loss": 0.51, "roc_auc": 0.7, "brier": math.nan}
LONG_REASON = "EvaluationFailed: the model was fitted on " + ", ".join(f"column_{number}" for number in range(40))


def _lines(evidence: Evidence, gate: Gate) -> list[str]:
    return verdict_table(evidence, decide(evidence, gate)).splitlines()


def _row(lines: list[str], start: str) -> list[str]:
    """Return the words of the only line with this beginning."""
    (found,) = [line for line in lines if line.startswith(start)]
    return found.removeprefix(start).split()


@pytest.mark.parametrize("champion", [factories.champion(), None], ids=["champion", "no champion"])
def test_every_check_is_in_the_table(champion: Opponent | None, gate: Gate) -> None:
    """Each check has one line with its code, outcome and title, in the order of the codes."""
    evidence = factories.evidence(champion=champion)
    verdict = decide(evidence, gate)

    lines = [line for line in _lines(evidence, gate) if line.startswith("GATE")]

    assert [line.split()[0] for line in lines] == [check.code for check in CHECKS]
    for line, result in zip(lines, verdict.results, strict=True):
        assert result.outcome in line
        assert line.endswith(result.title)


def test_the_explanation_stands_below_its_check(gate: Gate) -> None:
    """The explanation of a check that fired is on the lines after it; a check that passed has none."""
    lines = _lines(factories.evidence(challenger=factories.challenger(0.55)), gate)

    at = next(number for number, line in enumerate(lines) if line.startswith("GATE003"))

    assert lines[at].split()[1] == "fail"
    assert lines[at + 1].strip() == "roc_auc 0.5500 is below gate.minimum, 0.6"
    assert lines[at + 2].startswith("GATE004  pass")


def test_the_verdict_comes_first(gate: Gate) -> None:
    """The first line is the verdict's sentence, whole once its lines are joined."""
    evidence = factories.evidence(champion=factories.champion(metrics=None, difference=None, error=LONG_REASON))

    lines = _lines(evidence, gate)

    said = " ".join(line.strip() for line in lines[: lines.index("")])
    assert said == f"VERDICT  {decide(evidence, gate).reason}"


def test_the_gates_metric_comes_first_and_is_marked(gate: Gate) -> None:
    """The metric that decides comes first, with a star that is explained."""
    evidence = factories.evidence(challenger=replace(factories.challenger(), metrics=METRICS))

    lines = _lines(evidence, gate)

    names = [line.split()[0] for line in lines if line.split() and line.split()[0] in METRICS]
    assert names == ["roc_auc", "average_precision", "log_loss", "brier"]
    assert _row(lines, "roc_auc *") == ["0.7000", "0.6500", "0.5000"]
    assert "* the gate's metric, higher is better; baseline: prior" in lines


def test_an_unknown_value_is_a_dash(gate: Gate) -> None:
    """A NaN, and a metric that another model lacks, are shown as a dash."""
    evidence = factories.evidence(challenger=replace(factories.challenger(), metrics=METRICS))

    lines = _lines(evidence, gate)

    assert _row(lines, "brier") == ["-", "-", "-"]
    assert _row(lines, "log_loss") == ["0.5100", "-", "-"]


def test_without_a_champion_its_column_says_so(gate: Gate) -> None:
    """Before the first promotion the champion's column is empty, and no difference to it is shown."""
    lines = _lines(factories.evidence(champion=None), gate)

    assert any("no champion" in line and "challenger" in line for line in lines)
    assert _row(lines, "roc_auc *") == ["0.7000", "-", "0.5000"]
    assert not any(line.startswith("better than champion by") for line in lines)
    compared = _lines(factories.evidence(), gate)
    assert any(line.startswith("better than champion by") for line in compared)
    assert _row(lines, "better than baseline by") == ["0.2000", "0.1500", "to", "0.2500"]


def test_an_error_says_that_lower_is_better(gate: Gate) -> None:
    """The note has the direction of the metric."""
    evidence = factories.evidence(
        metric="mae", higher_is_better=False, challenger=replace(factories.challenger(), metrics={"mae": 0.4})
    )

    assert "* the gate's metric, lower is better; baseline: prior" in _lines(evidence, gate)


def test_holdout_and_training_days_are_shown(gate: Gate) -> None:
    """The report has the days of the holdout and of the training rows."""
    lines = _lines(factories.evidence(), gate)

    assert "Holdout  2024-02-01 to 2024-02-28, 5,000 rows, label mean 0.300" in lines
    assert "Trained  lightgbm, 2023-03-01 to 2024-01-30" in lines


def test_the_shares_of_classes_are_shown(gate: Gate) -> None:
    """For several classes the frequent ones are listed, the most frequent first, without a mean."""
    shares = {"a": 0.05, "b": 0.5, "c": 0.2, "d": 0.1, "e": 0.06, "f": 0.04, "g": 0.03, "h": 0.02}
    few = HoldoutSummary(date(2024, 2, 1), date(2024, 2, 28), 5000, 28, math.nan, {"late": 0.25, "early": 0.75})
    many = replace(few, label_shares=shares)

    of_few, of_many = (
        " ".join("\n".join(_lines(factories.evidence(holdout=each), gate)).split()) for each in (few, many)
    )

    assert "Holdout 2024-02-01 to 2024-02-28, 5,000 rows: early 75.0%, late 25.0% Trained" in of_few
    assert "5,000 rows: b 50.0%, c 20.0%, d 10.0%, e 6.0%, a 5.0%, f 4.0% and 2 more" in of_many


def test_an_unknown_mean_is_not_shown(gate: Gate) -> None:
    """Without rows there is no mean of the labels."""
    holdout = HoldoutSummary(date(2024, 2, 1), date(2024, 2, 28), 0, 0, math.nan)

    assert "Holdout  2024-02-01 to 2024-02-28, 0 rows" in _lines(factories.evidence(holdout=holdout), gate)


@pytest.mark.parametrize(
    ("evidence", "told"),
    [
        (factories.evidence(), []),
        (factories.evidence(quantile=0.9), ["  pinball is at the quantile 0.9"]),
        (
            factories.evidence(champion=None, challenger=factories.challenger(threshold=0.31)),
            ["  f1 uses threshold 0.31"],
        ),
        (
            factories.evidence(
                challenger=factories.challenger(threshold=0.3123456),
                champion=factories.champion(threshold=0.5),
                baseline=Opponent("prior", {}, factories.difference(1, 1, 1), threshold=0.25),
            ),
            ["  f1 uses threshold 0.3123 (champion 0.5, baseline 0.25)"],
        ),
    ],
    ids=["nothing", "a quantile", "a threshold", "three thresholds"],
)
def test_quantile_and_thresholds_are_shown(evidence: Evidence, told: list[str], gate: Gate) -> None:
    """The quantile of pinball and the thresholds of F1 are below the metrics, if there are any."""
    lines = _lines(evidence, gate)

    below = lines.index("* the gate's metric, higher is better; baseline: prior") + 1
    assert lines[below : lines.index("", below)] == told


@pytest.mark.parametrize(
    "evidence",
    [
        pytest.param(factories.evidence(), id="promote"),
        pytest.param(factories.evidence(challenger=factories.challenger(0.1, finite=False)), id="many faults"),
        pytest.param(
            factories.evidence(champion=factories.champion(metrics=None, difference=None, error=LONG_REASON)),
            id="a long reason",
        ),
        pytest.param(
            factories.evidence(
                metric="rmse",
                higher_is_better=False,
                challenger=replace(factories.challenger(), metrics={"rmse": 1234567.891}),
                champion=Opponent(
                    "version 12345",
                    {"rmse": 2345678.912},
                    factories.difference(1111111.021, 1000000.5, 1222222.5),
                    as_of="2024-01-31",
                    train_end="2024-01-01",
                ),
                baseline=Opponent("prior", {"rmse": 9e6}, factories.difference(7765432.1, 7e6, 8e6)),
            ),
            id="large numbers",
        ),
        pytest.param(
            factories.evidence(
                baseline=Opponent("average_delay_in_minutes_of_the_last_28_days", {}, factories.difference(1, 1, 1))
            ),
            id="a baseline with a long name",
        ),
        pytest.param(
            factories.evidence(baseline=Opponent("delay_" * 10, {}, factories.difference(1, 1, 1))),
            id="a baseline with a name of sixty letters",
        ),
        pytest.param(
            factories.evidence(
                holdout=HoldoutSummary(
                    *("2024-02-01", "2024-02-28", 5000, 28, math.nan),
                    {f"delayed by more than {hours} hours and not cancelled": 0.125 for hours in range(8)},
                ),
                challenger=factories.challenger(threshold=1e-7),
                champion=factories.champion(threshold=0.123456),
                baseline=Opponent("average_delay_in_minutes_of_the_last_28_days", {}, factories.difference(1, 1, 1)),
            ),
            id="long names of classes, and thresholds",
        ),
    ],
)
def test_no_line_is_wider_than_a_log(evidence: Evidence, gate: Gate) -> None:
    """No line is wider than the limit, whatever the evidence."""
    assert max(map(len, _lines(evidence, gate))) <= WIDTH <= 100


def test_rows_without_a_label_are_counted_beside_the_holdout(gate: Gate) -> None:
    """A champion was once promoted on 332 of 706 rows without any notice."""
    days = [f"2024-02-{day}" for day in range(25, 29)]
    labels = LabelCoverage(Coverage("", 5030, 5000, 1.0), [], days, 720)

    told = describe_holdout(factories.evidence(labels=labels))

    assert told == (
        "2024-02-01 to 2024-02-28, 5,000 rows (another 30 have no label), leaving out 4 days (720 rows) whose labels "
        "are missing: 2024-02-25, 2024-02-26, 2024-02-27 and 1 more, label mean 0.300"
    )
