"""GATE010: groups are treated alike."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest

from include.config.gate import Gate
from include.evaluation.fairness import GroupGap, GroupValue
from include.gate.check import NotApplicable
from include.gate.checks.fairness import GroupsAlike
from tests import factories

CHECK = GroupsAlike()
GATE = Gate(minimum=0.6, sensitive=["sex"], max_fairness_gap=0.1)
NAN = math.nan
#: The failure of each page's example: changes to good evidence, and to the gate's settings.
EXAMPLES: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "GATE010": (
        {
            "fairness": [
                GroupGap(
                    *("age", "true positive rate"),
                    {"64 to 79": GroupValue(1550, 0.63), "18 to 33": GroupValue(1683, 0.834)},
                    *(0.205, 0.160, 0.249),
                )
            ]
        },
        {"sensitive": ["age"]},
    ),
}


def _gap(gap: float, low: float, measure: str = "true positive rate", column: str = "sex") -> GroupGap:
    groups = {"m": GroupValue(1100, 0.2 + gap), "f": GroupValue(900, 0.2), "missing": GroupValue(12, NAN)}
    return GroupGap(column, measure, groups, gap, low, 2 * gap - low)


def _evidence(fairness: list[GroupGap] | None) -> Any:
    return SimpleNamespace(**vars(factories.evidence()) | {"fairness": fairness})


def test_it_fires_on_a_gap_that_is_too_large() -> None:
    """Both groups are named with their values and rows, the gap with its interval, and what to do."""
    assert CHECK.explain(_evidence([_gap(0.3, 0.25), _gap(0.02, -0.01, "false positive rate")]), GATE) == (
        "groups are treated differently: by sex the true positive rate is 0.200 for f (900 rows) and 0.500 for m "
        "(1,100 rows), a gap of 0.300 (95% interval 0.250 to 0.350); gate.max_fairness_gap allows 0.1: find the "
        "feature that stands in for the group, or raise the limit if there is a good reason"
    )


def test_it_names_the_three_largest_gaps() -> None:
    """The three largest gaps are named, the largest first, and the others are counted."""
    gaps = [_gap(gap, gap - 0.01, name) for name, gap in zip("abcd", [0.2, 0.5, 0.3, 0.4], strict=True)]

    told = CHECK.explain(_evidence(gaps), GATE)

    assert told is not None
    assert told.index("the b is") < told.index("the d is") < told.index("the c is")
    assert "the a is" not in told
    assert " and 1 more;" in told


@pytest.mark.parametrize(("gap", "low"), [(0.05, 0.04), (0.3, 0.1), (0.3, -0.2)])
def test_it_stays_quiet_where_noise_explains_it(gap: float, low: float) -> None:
    """A gap whose interval reaches the limit is no fault."""
    assert CHECK.explain(_evidence([_gap(gap, low)]), GATE) is None


def test_a_measure_without_a_value_leaves_the_others_to_judge_by() -> None:
    """Too few positives for a rate leave the share predicted positive."""
    assert CHECK.explain(_evidence([_gap(NAN, NAN), _gap(0.05, 0.01, "share predicted positive")]), GATE) is None


@pytest.mark.parametrize(
    "fairness",
    [[], [_gap(NAN, NAN)], [_gap(0.3, NAN)], [_gap(0.01, 0.0, column="age")]],
    ids=["no gaps", "undefined", "without an interval", "another column's only"],
)
def test_a_column_that_cannot_be_judged_does_not_pass(fairness: list[GroupGap]) -> None:
    """Groups that could not be compared may be treated differently."""
    told = CHECK.explain(_evidence(fairness), GATE)

    assert told is not None
    assert told.startswith("the groups of sex cannot be compared: fewer than two have gate.min_slice_rows (200)")


def test_its_numbers_are_all_gaps() -> None:
    """The record has each gap with its interval, and the limit."""
    assert CHECK.numbers(_evidence([_gap(0.25, 0.2)]), GATE) == {
        "limit": 0.1,
        "gaps": [{"column": "sex", "measure": "true positive rate", "gap": 0.25, "low": 0.2, "high": 0.3}],
    }


@pytest.mark.parametrize(
    ("evidence", "gate", "why"),
    [
        (_evidence([]), Gate(minimum=0.6), "gate.sensitive names no column"),
        (_evidence(None), GATE, "fairness was not measured"),
    ],
    ids=["no columns", "old evidence"],
)
def test_it_says_when_it_has_nothing_to_judge(evidence: Any, gate: Gate, why: str) -> None:
    """Without sensitive columns there is nothing to judge."""
    with pytest.raises(NotApplicable, match=why):
        CHECK.explain(evidence, gate)
