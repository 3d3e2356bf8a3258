"""Automated features go the whole way: built, proved, selected, learned from, made again."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING

from include.config.loader import load_pipeline
from include.core import settings
from include.core.connections import EnvironmentConnections
from include.features.feature_table import FeatureTable, read_features
from include.lake import run_files
from include.workflows.retrain.replay import replay
from include.workflows.retrain.run import run, silent
from tests import factories

if TYPE_CHECKING:
    from pathlib import Path

AUTOMATED = """\
  automated:
    aggregates:
      takings: {source: sales, by: [store], values: [revenue], windows_days: [7, 28], functions: [mean, std, last]}
      crowd: {source: sales, by: [store], values: [visitors], windows_days: [3], functions: [max, count]}
    series:
      rhythm: {source: sales, by: [store], values: [revenue], window_days: 14, calculators: minimal}
"""


def test_declared_sets_become_features_of_a_champion(shop: Path) -> None:
    """What helps is learned from, what does not is dropped with its reason, and the version can be made again."""
    declared = factories.SHOP_YAML.replace("  label: revenue\n", f"  label: revenue\n{AUTOMATED}")
    factories.write_shop(settings.pipelines_folder(), pipeline=declared)
    pipeline = load_pipeline("shop")

    result = run(pipeline, "automated", date(2024, 3, 20), EnvironmentConnections())

    assert result.verdict == "promote"
    folder = run_files.run_folder("shop", "automated")
    table = FeatureTable(**run_files.read_json(folder / "features.json", "the table"))
    frame = read_features(table)
    row = frame[(frame["store"] == "store-1") & (frame["prediction_time"] == "2024-03-15")].iloc[0]
    sold = factories.sales().query("store == 'store-1' and '2024-03-08' <= day < '2024-03-15'")
    assert row["takings_revenue_mean_7d"] == sold["revenue"].mean()
    assert row["takings_revenue_last_7d"] == row["revenue_last_day"]
    assert row["crowd_count_3d"] == 3
    assert any(name.startswith("rhythm_revenue_") for name in frame.columns)
    selection = json.loads((folder / "selection.json").read_text())
    learned = json.loads((folder / "challenger.json").read_text())["features"]
    assert set(selection["kept"]) <= set(learned)
    dropped = [each["feature"] for each in selection["dropped"]]
    assert "crowd_count_3d" in dropped  # it is 3 in nearly every row
    assert not set(dropped) & set(learned)
    assert all(each["reason"] for each in selection["dropped"])
    assert replay("shop", 1, silent).identical
