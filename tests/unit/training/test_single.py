"""Of families that are about as good, the simplest becomes the challenger."""

from __future__ import annotations

import numpy as np
import pytest

from include.evaluation.metrics import Measure
from include.training.single import choose_single

ROWS, DAYS = 600, 30
HOW = {"rounds": 300, "confidence": 0.95, "seed": 7}
MEASURE = Measure("regression", "rmse")


def _table(seed: int = 7) -> tuple[np.ndarray, np.ndarray, np.random.Generator]:
    draw = np.random.default_rng(seed)
    return draw.normal(size=ROWS), np.repeat(np.arange(DAYS), ROWS // DAYS), draw


def test_a_simpler_family_within_a_standard_error_is_taken() -> None:
    """Two that differ by luck are the same, and the sentence says by how much."""
    y, days, draw = _table()
    noise = draw.normal(size=(2, ROWS))
    simple, best = y + noise[0], y + 0.999 * noise[1]

    family, reason = choose_single({"linear": simple, "lightgbm": best}, "lightgbm", y, days, MEASURE, **HOW)

    assert family == "linear"
    assert reason is not None
    assert "linear rather than lightgbm" in reason


def test_a_family_that_is_better_by_more_is_taken() -> None:
    """What is gained for certain is worth the complexity."""
    y, days, draw = _table()
    noise = draw.normal(size=ROWS)

    found = choose_single({"linear": y + noise, "lightgbm": y + 0.5 * noise}, "lightgbm", y, days, MEASURE, **HOW)

    assert found == ("lightgbm", None)


def test_a_family_that_is_less_simple_than_the_best_is_not_asked() -> None:
    """The order is from the simple families to the others."""
    y, days, draw = _table()
    noise = draw.normal(size=ROWS)

    assert choose_single({"linear": y + noise, "lightgbm": y + noise}, "linear", y, days, MEASURE, **HOW)[0] == "linear"


@pytest.mark.parametrize("broken", ["one day", "undefined"])
def test_where_noise_cannot_be_judged_the_best_stays(broken: str) -> None:
    """Without an interval there is no standard error to be within."""
    y, days, draw = _table()
    simple, best = y + draw.normal(size=ROWS), y + 0.99 * draw.normal(size=ROWS)
    if broken == "one day":
        days = np.zeros_like(days)
    else:
        simple = np.full(ROWS, np.nan)

    assert choose_single({"linear": simple, "lightgbm": best}, "lightgbm", y, days, MEASURE, **HOW)[0] == "lightgbm"
