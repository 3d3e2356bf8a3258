"""GATE014: the challenger is small and quick enough."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from include.evaluation.operation import Operation
from include.gate.check import NotApplicable
from include.gate.checks.operation import SmallAndQuick
from tests import factories

if TYPE_CHECKING:
    from include.config.gate import Gate

AT_THE_LIMITS = Operation(model_bytes=500_000_000, row_ms=200.0, rows_per_second=2000.0, rows=20_000)
ADVICE = "; remove the heavy families from training.candidates, or change gate.limits"
#: The failure of each page's example: changes to good evidence, and to the gate's settings.
EXAMPLES: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "GATE014": ({"operation": Operation(612_300_000, 251.3, 9000.0, rows=5000)}, {}),
}


def _evidence(operation: Operation | None) -> Any:
    return SimpleNamespace(**vars(factories.evidence()) | {"operation": operation})


def test_it_stays_quiet_at_the_limits(gate: Gate) -> None:
    """A value exactly at its limit is allowed."""
    assert SmallAndQuick().explain(_evidence(AT_THE_LIMITS), gate) is None


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"model_bytes": 612_300_000}, "the model file has 612.3 MB, gate.limits.model_mb allows 500"),
        ({"row_ms": 251.26}, "one row takes 251.3 ms, gate.limits.row_ms allows 200"),
        ({"row_ms": math.nan}, "one row takes nan ms, gate.limits.row_ms allows 200"),
        (
            {"rows_per_second": 1234.0},
            "a batch of 20,000 rows is predicted at 1,234 rows a second, gate.limits.rows_per_second requires 2,000",
        ),
        (
            {"rows_per_second": math.nan},
            "a batch of 20,000 rows is predicted at nan rows a second, gate.limits.rows_per_second requires 2,000",
        ),
    ],
    ids=["large", "slow for one", "no time of one", "slow for many", "no time of many"],
)
def test_it_fires_beyond_a_limit(changes: dict[str, Any], told: str, gate: Gate) -> None:
    """A size or speed beyond its limit is named with the limit; an unknown time does not pass."""
    assert SmallAndQuick().explain(_evidence(replace(AT_THE_LIMITS, **changes)), gate) == told + ADVICE


def test_every_exceeded_limit_is_named(gate: Gate) -> None:
    """For a large and slow model both faults are named."""
    told = SmallAndQuick().explain(_evidence(Operation(10**9, 300.0, 100.0, 2000)), gate)

    assert told is not None
    assert [name in told for name in ("model_mb", "row_ms", "rows_per_second")] == [True] * 3


@pytest.mark.parametrize("operation", [None, Operation(5, math.nan, math.nan, 0)], ids=["an older run", "no rows"])
def test_it_does_not_apply_where_nothing_was_measured(operation: Operation | None, gate: Gate) -> None:
    """Evidence without the measurement is neither good nor bad."""
    with pytest.raises(NotApplicable):
        SmallAndQuick().explain(_evidence(operation), gate)


def test_the_record_has_every_number(gate: Gate) -> None:
    """The record has every measured number."""
    assert SmallAndQuick().numbers(_evidence(AT_THE_LIMITS), gate) == {
        "model_bytes": 500_000_000,
        "row_ms": 200.0,
        "rows_per_second": 2000.0,
        "rows": 20_000,
    }
