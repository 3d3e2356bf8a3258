"""Series hold what tsfresh computes of each window, under names that are known without tsfresh."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from include.core.errors import FeatureQueryFailed
from include.features.budget import Budget
from include.features.series import CALCULATORS, column_names, describe
from include.features.windows import Windows
from tests.unit.features.test_automated import NOON, in_window, make_pipeline, make_rows, make_sales, many, refused, run

tsfresh = pytest.importorskip("tsfresh")

KINDS = list(CALCULATORS)


def shape(calculators: str = "minimal", **changes: Any) -> dict[str, Any]:
    """Return a set of series of each store's revenue."""
    made = {"source": "sales", "by": ["store"], "values": ["revenue"], "window_days": 14, "calculators": calculators}
    return made | changes


def by_hand(values: pd.Series, calculators: str) -> dict[str, float]:
    """Return tsfresh's features of one series, by tsfresh's names."""
    frame = pd.DataFrame({"id": 0, "value": values.to_numpy()})
    found = tsfresh.extract_features(
        frame,
        column_id="id",
        column_value="value",
        default_fc_parameters=CALCULATORS[calculators],
        n_jobs=0,
        disable_progressbar=True,
    )
    return {str(name).removeprefix("value__"): float(value) for name, value in found.iloc[0].items()}


def test_minimal_equals_tsfreshs_minimal() -> None:
    """The test notices when a new version of tsfresh changes its list."""
    assert CALCULATORS["minimal"] == dict(tsfresh.feature_extraction.MinimalFCParameters())


def test_efficient_has_only_calculators_that_tsfresh_calls_efficient() -> None:
    """None of them is marked as costly by tsfresh."""
    assert set(CALCULATORS["efficient"]) <= set(tsfresh.feature_extraction.EfficientFCParameters())


@pytest.mark.parametrize("calculators", KINDS)
def test_the_names_are_those_of_tsfresh_and_fit_a_column(calculators: str) -> None:
    """The names of tsfresh's features are known without tsfresh, and no two give the same column."""
    names = column_names(calculators)

    assert list(names) == list(by_hand(pd.Series(np.arange(30.0)), calculators))
    assert len(set(names.values())) == len(names)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in names.values())


@pytest.mark.parametrize("calculators", KINDS)
def test_series_equal_tsfresh_on_each_window_by_hand(calculators: str) -> None:
    """Each window's rows, selected one by one and given to tsfresh alone, have the same features."""
    sales, rows = many(count=150)
    rows = rows.slice(0, 25)

    found = run(make_pipeline(series={"shape": shape(calculators)}), sales, rows).to_pandas()

    frame, names = sales.to_pandas(), column_names(calculators)
    described = 0
    for _, row in found.iterrows():
        values = in_window(frame, row["store"], row["prediction_time"], 14).revenue.dropna()
        wanted = by_hand(values, calculators) if len(values) else dict.fromkeys(names, np.nan)
        described += len(values) > 1
        for theirs, ours in names.items():
            known = wanted[theirs] if np.isfinite(wanted[theirs]) else np.nan
            assert row[f"shape_revenue_{ours}"] == pytest.approx(known, nan_ok=True), ours
    assert described > 5


def test_a_window_without_rows_has_no_series() -> None:
    """An empty window has no features, not even a length of 0."""
    sales = make_sales([("a", NOON - timedelta(days=back), float(back)) for back in range(3)])

    rows = run(make_pipeline(series={"shape": shape()}), sales, make_rows([("new", NOON), (None, NOON), ("a", NOON)]))

    assert rows["shape_revenue_length"].to_pylist() == [None, None, 3.0]


def test_many_windows_are_the_same_as_each_by_itself() -> None:
    """The order and the chunks in which windows are computed make no difference."""
    draw = np.random.default_rng(7)
    values = draw.normal(size=2500)
    first = np.arange(2400)
    windows = Windows(first, first + draw.integers(0, 6, 2400), first)
    share = Budget(600).start("shop", 2400, "wait")

    found = describe("minimal", windows, values, share)

    length, mean = (list(column_names("minimal")).index(name) for name in ("length", "mean"))
    for each in (0, 1, 57, 1203, 2399):
        inside = values[windows.first[each] : windows.end[each]]
        assert found[each, length] == pytest.approx(len(inside) or np.nan, nan_ok=True)
        assert found[each, mean] == pytest.approx(inside.mean() if len(inside) else np.nan, nan_ok=True)


def test_series_that_need_too_many_seconds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first windows show how long all will take, and the sentence says what to do."""
    sales, rows = many()
    ticks = iter(range(10**6))
    monkeypatch.setattr("include.features.budget.monotonic", lambda: float(next(ticks)))
    pipeline = make_pipeline(series={"shape": shape(values=["revenue", "visitors"])}, seconds=2)

    with pytest.raises(
        FeatureQueryFailed, match=r"^shop: the series 'shape' needs about \d+ s for \d+ windows"
    ) as error:
        run(pipeline, sales, rows)

    assert "features.automated.seconds is 2" in str(error.value)
    assert "use calculators: minimal, fewer values or coarser prediction times, or raise it" in str(error.value)


def test_a_series_of_text_is_refused_by_the_schema() -> None:
    """A store's name is not a number."""
    with pytest.raises(ValueError, match="numbers are needed"):
        make_pipeline(series={"shape": shape(values=["store"])})


def test_a_series_needs_its_by_columns_in_the_rows() -> None:
    """The same rule as for aggregates."""
    assert "'shape' needs shelf in each row" in refused(make_pipeline(series={"shape": shape(by=["shelf"])}))
