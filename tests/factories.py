"""Small, seeded inputs that the tests share: a shop's pipeline, its database, and evidence for the gate."""

from __future__ import annotations

import gzip
import shutil
import sqlite3
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from include.evaluation.calibration import CalibrationResult
from include.evaluation.evidence import Challenger, Evidence, HoldoutSummary, Opponent
from include.evaluation.fairness import GroupGap
from include.evaluation.label_coverage import Coverage, LabelCoverage
from include.evaluation.operation import Operation
from include.evaluation.paired_bootstrap import PairedDifference
from include.evaluation.plausibility import Plausibility
from include.evaluation.prediction_drift import PredictionDrift
from include.evaluation.reload import Reload
from include.evaluation.robustness import PerturbationResult
from include.evaluation.search import CandidateTried, SearchProgress
from include.evaluation.signature import Signature
from include.evaluation.slices import SliceResult
from include.registry.records.record import Record
from include.training import reload
from tests.forked import reload_forked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from include.registry.records.record import Kind

#: What other releases left; its README says how each was made.
OTHER_RELEASES = Path(__file__).parent / "fixtures" / "other_releases"

SHOP_YAML = """\
description: What will each store take tomorrow?
owner: shop-team
history_days: 120
sources:
  sales:
    kind: sql
    connection: shop
    query: sql/sales.sql
    key: [store, day]
    day: day
    available_at: closed_at
    rows_per_day: {min: 1, max: 100}
    columns:
      store: string
      day: timestamp
      revenue: float
      visitors: integer
      closed_at: timestamp
features:
  key: [store_day]
  label: revenue
training:
  task: regression
  metric: mae
  window_days: 100
  holdout_days: 14
  gap_days: 1
  candidates: [lightgbm, linear]
  tuning: {seconds: 60, trials: 2, folds: 2, sample_rows: 1000}
  seed: 7
gate:
  minimum: 50
  baseline: prior
  bootstrap_rounds: 200
  min_holdout_rows: 20
"""

SHOP_SQL = """\
SELECT store, day, revenue, visitors, closed_at
FROM sales
WHERE day >= :start AND day < :end
"""

SHOP_FEATURES = """\
WITH history AS (
    SELECT
        store,
        available_at,
        revenue,
        avg(revenue) OVER (PARTITION BY store ORDER BY available_at ROWS 6 PRECEDING) AS revenue_mean_7d
    FROM sales
),
spine AS (
    SELECT DISTINCT store, day + INTERVAL 1 DAY AS day FROM sales
)
SELECT
    spine.store || '-' || strftime(spine.day, '%Y-%m-%d') AS store_day,
    spine.day AS prediction_time,
    sales.revenue,
    spine.store,
    dayofweek(spine.day) AS weekday,
    history.revenue AS revenue_last_day,
    history.revenue_mean_7d
FROM spine
LEFT JOIN sales ON sales.store = spine.store AND sales.day = spine.day
ASOF LEFT JOIN history ON history.store = spine.store AND history.available_at <= spine.day
"""

SHOP_EXPECTATIONS = """\
expectations:
  - expect_column_values_to_be_between: {column: revenue, min_value: 0, max_value: 100000}
  - expect_column_values_to_not_be_null: {column: visitors, severity: warning}
"""

FIRST_DAY = date(2024, 1, 1)


def write_shop(pipelines: Path, name: str = "shop", **replace: str) -> Path:
    """Write a small regression pipeline's folder and return it.

    Parameters
    ----------
    replace
        Contents of files by their name without its ending: `pipeline`, `features`, `sales_sql`,
        `sales_expectations`.
    """
    folder = pipelines / name
    files = {
        "pipeline.yaml": replace.get("pipeline", SHOP_YAML),
        "features.sql": replace.get("features", SHOP_FEATURES),
        "sql/sales.sql": replace.get("sales_sql", SHOP_SQL),
        "expectations/sales.yaml": replace.get("sales_expectations", SHOP_EXPECTATIONS),
    }
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return folder


def sales(days: int = 90, stores: int = 5, seed: int = 7) -> pd.DataFrame:
    """Return sales of some stores with a level, a weekly rhythm and noise; times are text in UTC."""
    draw = np.random.default_rng(seed)
    rows = []
    for store in range(stores):
        level = 100 + 40 * store
        for number in range(days):
            day = FIRST_DAY + timedelta(days=number)
            revenue = level + 25 * (day.weekday() >= 5) + draw.normal(0, 5)
            closed = datetime(day.year, day.month, day.day, 22)
            opened, visitors = datetime(day.year, day.month, day.day), int(draw.integers(20, 200))
            rows.append((f"store-{store}", str(opened), round(revenue, 2), visitors, str(closed)))
    return pd.DataFrame(rows, columns=["store", "day", "revenue", "visitors", "closed_at"])


def write_sales(path: Path, frame: pd.DataFrame) -> None:
    """Write the shop's database anew, with the table `sales`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as database:
        frame.to_sql("sales", database, index=False, if_exists="replace")


def write_database(path: Path, dump: str, revision: str | None = None) -> Path:
    """Write a database of another release from its dump, said to be of another revision if one is named."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as there, there:
        there.executescript(gzip.decompress((OTHER_RELEASES / dump).read_bytes()).decode())
        if revision:
            there.execute("UPDATE alembic_version SET version_num = ?", (revision,))
    return path


@contextmanager
def shop_in(folder: Path) -> Iterator[Path]:
    """Make the shop, with its sales, in a folder, let the block be at home there, and give that home."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)  # MLflow leaves its last one there
        patch.setenv("NIGHTSHIFT_HOME", str(folder / "var"))
        patch.setenv("NIGHTSHIFT_THREADS", "1")
        patch.setattr(reload, "_run", reload_forked)  # a fixture of a session or module precedes that of each test
        patch.setenv("NIGHTSHIFT_PIPELINES", str(folder / "pipelines"))
        write_shop(folder / "pipelines")
        write_sales(folder / "shop.db", sales())
        patch.setenv("AIRFLOW_CONN_SHOP", f"sqlite:///{folder / 'shop.db'}")
        yield folder / "var"


def continue_from(left: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Copy a home that others have left: the lake and MLflow's database are the copy's own, its files as they were."""
    shutil.copytree(left, home)
    # the database names its artifacts by absolute paths, which a copy does not move
    monkeypatch.setenv("NIGHTSHIFT_ARTIFACT_ROOT", (left / "mlflow" / "artifacts").as_uri())


def record(version: int | None, kind: Kind = "retrain") -> Record:
    """Return a record of a run that registered a version."""
    return Record(
        by="shop.retrain",
        content={"challenger_version": version},
        key="night",
        kind=kind,
        number=4,
        previous=None,
        recorded_at=datetime(2024, 3, 20, tzinfo=UTC).isoformat(),
        sha256="",
        digest="",
    )


def difference(value: float, low: float, high: float) -> PairedDifference:
    """Return a difference with the interval that it leaves."""
    return PairedDifference(value, low, high, confidence=0.95, rounds=1000, blocks=28)


def evidence(**changes: object) -> Evidence:
    """Return evidence that every check of the gate passes, with some fields changed."""
    fields: dict[str, object] = {
        "pipeline": "shop",
        "metric": "roc_auc",
        "higher_is_better": True,
        "holdout": HoldoutSummary(date(2024, 2, 1), date(2024, 2, 28), rows=5000, days=28, label_mean=0.3),
        "challenger": challenger(),
        "baseline": Opponent("prior", {"roc_auc": 0.5}, difference(0.2, 0.15, 0.25)),
        "champion": champion(),
        "slices": [SliceResult("store", "north", 2500, 0.71, 0.65, difference(0.06, 0.01, 0.11))],
        "fairness": [GroupGap("store", "share predicted positive", {}, gap=0.02, low=-0.01, high=0.05)],
        "calibration": CalibrationResult(0.02, 0.01, 0.03, 0.025, 1.0, 0.0, 0.3, 0.3),
        "shift": PredictionDrift(0.03, 0.9, 0.31, 0.3, rows=5000),
        "plausibility": Plausibility("visitors", 0.2, 0.3),
        "robustness": [PerturbationResult("missing values", None, 0.68, 0.1)],
        "operation": Operation(2_000_000, 5.0, 200_000.0, rows=5000),
        "signature": Signature({"visitors": "number"}, added=[], missing=[], changed=[]),
        "reload": Reload(True, 0.0, rows=1000, seconds=2.0),
        "search": SearchProgress([CandidateTried("lightgbm", 12, 50.0), CandidateTried("linear", 3, 10.0)], 60.0),
        "labels": LabelCoverage(Coverage("", 5000, 5000, 1.0)),
    }
    if changes.get("champion", fields["champion"]) is None:
        fields |= {"shift": None, "signature": Signature({"visitors": "number"})}
    return Evidence(**fields | changes)  # type: ignore[arg-type]


def challenger(value: float = 0.7, **changes: object) -> Challenger:
    """Return a challenger with a metric, that learned until before the holdout."""
    fields: dict[str, object] = {
        "family": "lightgbm",
        "as_of": "2024-02-29",
        "train_start": "2023-03-01",
        "train_end": "2024-01-30",
        "metrics": {"roc_auc": value},
        "finite": True,
        "needed_days": 29,
    }
    return Challenger(**_with_dates(fields | changes))  # type: ignore[arg-type]


def champion(value: float = 0.65, low: float = 0.02, high: float = 0.08, **changes: object) -> Opponent:
    """Return a champion that the challenger beats, by default, by more than noise."""
    fields: dict[str, object] = {
        "name": "version 3",
        "metrics": {"roc_auc": value},
        "difference": difference(0.7 - value, low, high),
        "as_of": "2024-01-31",
        "train_end": "2024-01-01",
    }
    return Opponent(**_with_dates(fields | changes))  # type: ignore[arg-type]


def _with_dates(fields: dict[str, object]) -> dict[str, object]:
    """Return fields with ISO days, which read well in a test, as dates."""
    days = ("as_of", "train_start", "train_end")
    return fields | {name: date.fromisoformat(str(fields[name])) for name in days if fields.get(name) is not None}
