"""GATE009: a challenger that is better on the whole at the cost of some rows fires."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from include.config.gate import Gate
from include.evaluation.slices import SliceResult
from include.gate.check import NotApplicable
from include.gate.checks.slices import NoWorseSlice
from tests import factories

CHECK = NoWorseSlice()
GATE = Gate(minimum=0.6, slices=["carrier"])
NAN = math.nan
BETTER, WORSE = factories.difference(0.02, -0.01, 0.05), factories.difference(-0.0699, -0.1184, -0.0257)
#: The failure of each page's example: changes to good evidence, and to the gate's settings.
EXAMPLES: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "GATE009": (
        {
            "slices": [
                SliceResult("carrier", "WN", 1217, 0.6747, 0.7446, replace(WORSE, confidence=0.9964)),
                *[SliceResult("carrier", f"C{number}", 400, 0.72, 0.7, BETTER) for number in range(13)],
            ]
        },
        {"slices": ["carrier"]},
    ),
}


def _slice(value: str, gain: float, column: str = "carrier", half: float = 0.01) -> SliceResult:
    difference = replace(factories.difference(gain, gain - half, gain + half), confidence=0.9875)
    return SliceResult(column, value, 1234, 0.7 + gain, 0.7, difference)


def _evidence(slices: list[SliceResult] | None, **changes: object) -> Any:
    return SimpleNamespace(**vars(factories.evidence(**changes)) | {"slices": slices})


def test_it_fires_on_a_slice_that_is_worse() -> None:
    """The slice is named with its rows, both values, the interval, and what to do."""
    assert CHECK.explain(_evidence([_slice("UA", -0.05), _slice("AA", 0.05)]), GATE) == (
        "worse than the champion (version 3) by more than noise on 1 of 2 slices: carrier UA (1,234 rows: roc_auc "
        "0.6500 after 0.7000, 98.75% interval -0.0600 to -0.0400); find out why these rows got worse, or remove "
        "the column from gate.slices if that is acceptable"
    )


def test_it_names_the_three_worst_slices() -> None:
    """Of more than three the worst are named, the worst first, and the others counted."""
    slices = [_slice(name, gain) for name, gain in zip("abcde", [-0.02, -0.05, -0.03, -0.04, 0.1], strict=True)]

    told = CHECK.explain(_evidence(slices), GATE)

    assert told is not None
    assert "on 4 of 5 slices: carrier b" in told
    assert told.index("carrier b") < told.index("carrier d") < told.index("carrier c")
    assert "carrier a" not in told
    assert " and 1 more;" in told


@pytest.mark.parametrize("gain", [-0.009, 0.0, 0.2])
def test_it_stays_quiet_where_noise_explains_it(gain: float) -> None:
    """A slice that is worse by less than noise, as good or better is no fault."""
    assert CHECK.explain(_evidence([_slice("UA", gain), _slice("AA", 0.05)]), GATE) is None


def test_an_interval_that_ends_at_nothing_is_not_below_it() -> None:
    """The whole interval must be below 0."""
    at_0 = replace(_slice("UA", -0.01), difference=factories.difference(-0.01, -0.02, 0.0))

    assert CHECK.explain(_evidence([at_0]), GATE) is None


def test_a_slice_without_a_value_leaves_the_others_to_judge_by() -> None:
    """Where the metric is not defined on one value of a column, the column's other values are judged."""
    undefined = SliceResult("carrier", "HA", 300, NAN, NAN, factories.difference(NAN, NAN, NAN))

    assert CHECK.explain(_evidence([undefined, _slice("UA", 0.05)]), GATE) is None
    assert CHECK.numbers(_evidence([undefined, _slice("UA", 0.05)]), GATE)["judged"] == 1


@pytest.mark.parametrize(
    "slices",
    [
        [],
        [_slice("1 to 9", 0.05, column="distance")],
        [SliceResult("carrier", "HA", 300, 0.7, 0.7, factories.difference(NAN, NAN, NAN))],
        [SliceResult("carrier", "HA", 300, 0.6, 0.7, factories.difference(-0.1, NAN, NAN))],
        [SliceResult("carrier", "HA", 300, 0.6, 0.7, None)],
    ],
    ids=["no slices", "another column's only", "undefined", "without an interval", "not compared"],
)
def test_a_column_that_cannot_be_judged_does_not_pass(slices: list[SliceResult]) -> None:
    """What nobody could look at is not known to be as good."""
    told = CHECK.explain(_evidence(slices), GATE)

    assert told is not None
    assert told.startswith("no slice of carrier can be judged: none has both gate.min_slice_rows (200) rows")


def test_its_numbers_are_of_the_worst_slices() -> None:
    """The record has how many slices were judged, and the three worst of them."""
    slices = [_slice(name, gain) for name, gain in zip("abcd", [0.3, -0.05, 0.1, 0.2], strict=True)]

    found = CHECK.numbers(_evidence(slices), GATE)

    assert (found["slices"], found["judged"], found["worse"]) == (4, 4, 1)
    assert [each["value"] for each in found["worst"]] == ["b", "c", "d"]
    assert found["worst"][0]["high"] == pytest.approx(-0.04)


@pytest.mark.parametrize(
    ("evidence", "gate", "why"),
    [
        (_evidence([]), Gate(minimum=0.6), "gate.slices names no column"),
        (_evidence([], champion=None), GATE, "no champion yet"),
        (_evidence([], champion=factories.champion(error="KeyError: 'hour'")), GATE, "cannot be scored"),
        (_evidence(None), GATE, "slices were not measured"),
    ],
    ids=["no columns", "no champion", "champion not scored", "old evidence"],
)
def test_it_says_when_it_has_nothing_to_judge(evidence: Any, gate: Gate, why: str) -> None:
    """Without columns or a champion to compare with there is no question."""
    with pytest.raises(NotApplicable, match=why):
        CHECK.explain(evidence, gate)
