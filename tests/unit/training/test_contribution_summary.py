"""The summary of contributions that the model card shows."""

from __future__ import annotations

import numpy as np
import pandas as pd

from include.training.contribution_summary import summarize_contributions
from include.training.contributions import Contributions


def test_a_summary_sorts_features_by_mean_contribution_and_gives_their_direction() -> None:
    """A number whose contribution rises with its value has direction 1; text has none."""
    rows = pd.DataFrame({"size": [1.0, 2.0, np.nan, 4.0], "store": ["a", "b", "c", "a"]})
    values = {"store": np.array([0.1, 0, 0, 0.1]), "size": np.array([-3.0, 1.0, 0.0, 2.0])}

    summary = summarize_contributions(Contributions(np.full(4, 10.0), values, np.zeros(4), "value", "TreeSHAP"), rows)

    first, second = summary.features
    assert (first.feature, first.mean, first.direction) == ("size", 1.5, 1.0)
    assert first.points == [(-3.0, 0.0), (1.0, 0.5), (0.0, None), (2.0, 1.0)]
    assert (second.feature, second.direction) == ("store", None)
    assert (summary.base, summary.rows, summary.unit) == (10.0, 4, "value")
    assert summary.to_json()["features"][1] == {
        "feature": "store",
        "mean": 0.05,
        "direction": None,
        "points": [[0.1, None], [0.0, None], [0.0, None], [0.1, None]],
    }
