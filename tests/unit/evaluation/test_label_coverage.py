"""Missing labels are counted relative to the days before, for all rows and each slice."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from include.evaluation.label_coverage import Coverage, measure_label_coverage

ROWS = 4000
STORE = np.where(np.arange(ROWS) % 10 == 0, "west", "east")
HELD = np.arange(ROWS) >= ROWS // 2


def test_the_usual_share_is_that_of_the_days_before() -> None:
    """Four of five rows have a label, before and in the holdout."""
    labelled = np.arange(ROWS) % 5 > 0

    found = measure_label_coverage(pd.DataFrame(index=range(ROWS)), labelled, HELD, ~HELD, [], 200)

    assert found.all == Coverage("", 2000, 1600, 0.8, pytest.approx(0.51, abs=0.02))
    assert found.all.missing == 0
    assert found.slices == []


def test_a_slice_whose_labels_are_missing_comes_first() -> None:
    """Of all rows only a tenth is missing, and of one store each."""
    labelled = ~(HELD & (STORE == "west"))

    found = measure_label_coverage(pd.DataFrame({"store": STORE}), labelled, HELD, ~HELD, ["store"], 200)

    assert found.all.missing == pytest.approx(0.1)
    assert [(each.name, each.missing) for each in found.slices] == [("store = west", 1.0), ("store = east", 0.0)]


def test_small_slices_and_a_history_without_rows_are_no_error() -> None:
    """Of few rows nothing is usual."""
    frame, labelled = pd.DataFrame({"store": STORE}), np.full(ROWS, True)

    assert measure_label_coverage(frame, labelled, HELD, ~HELD, ["store"], 300).slices[0].name == "store = east"
    assert measure_label_coverage(frame, labelled, HELD, np.full(ROWS, False), ["store"], 200).all.missing == 0
