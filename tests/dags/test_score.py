"""Runs of the scoring, as Airflow runs them."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING
from unittest.mock import Mock

from include import lake
from include.lake import run_files
from include.registry.champion import Champion
from include.workflows.score.plan import ScoringPlan
from plugins.operators.score_rows import ScoreRowsOperator

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from tests.dags.conftest import DagOutcome


def test_the_first_task_says_that_a_champion_comes_first(run_dags: Callable[..., list[DagOutcome]], shop: Path) -> None:
    """Without a champion nothing is predicted, and the sentence names the DAG to run."""
    _, outcome = run_dags(("shop.ingest", {"start": "2024-01-01", "end": "2024-01-03"}), ("shop.score", {}))

    assert outcome.state == "failed"
    assert outcome.tasks == {"plan_scoring": "failed", "score_rows": "upstream_failed"}
    assert "ScoringImpossible: shop has no champion yet" in outcome.log
    assert "run the DAG shop.retrain" in outcome.log
    assert lake.latest_version(lake.predictions_uri("shop")) is None


def test_a_task_that_predicts_leads_to_its_version(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The link leads to the page of the planned version if MLflow has a server."""
    from plugins.data_docs import DataDocsPlugin

    champion = Champion(
        3, "night", "linear", "0" * 64, "models:/m-1", date(2024, 1, 4), date(2023, 10, 1), date(2023, 12, 30)
    )
    run = "manual__2024-01-12T00:15:00+00:00"
    plan = ScoringPlan("shop", run, "2024-01-11", {"sales": 4}, champion, "2024-01-12T00:15:00.000000+00:00")
    run_files.write_json(run_files.run_folder("shop", f"score/{run}") / "plan.json", plan.to_json())
    operator = ScoreRowsOperator(task_id="score_rows", pipeline="shop")
    [link] = operator.operator_extra_links

    assert link.get_link(operator, ti_key=Mock(run_id=run)) == ""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.example:5000")
    assert link.get_link(operator, ti_key=Mock(run_id=run)) == "http://mlflow.example:5000/#/models/shop/versions/3"
    assert link.get_link(operator, ti_key=Mock(run_id="another")) == ""
    assert link.name in {each.name for each in DataDocsPlugin.operator_extra_links}
