"""A whole run of the maintenance, as Airflow runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.dags.conftest import DagOutcome


def test_every_table_of_a_pipeline_and_its_files_are_maintained(
    run_dags: Callable[..., list[DagOutcome]], shop: Path
) -> None:
    """Each table has a task, missing tables are skipped, and each folder's log line has its numbers."""
    _, outcome = run_dags(("shop.ingest", {"start": "2024-01-01", "end": "2024-01-03"}), ("shop.maintain", {}))

    assert outcome.tasks == dict.fromkeys(
        [
            "sales.maintain_raw",
            "sales.maintain_quarantine",
            "maintain_features",
            "maintain_predictions",
            "maintain_monitoring",
            "maintain_files",
        ],
        "success",
    )
    assert "raw/sales: 3 files before, 3 after; removed 0 of old versions, which freed 0 bytes" in outcome.log
    assert "quarantine/sales: nothing to maintain" in outcome.log
    assert "shop/predictions: nothing to maintain" in outcome.log
    assert "shop/monitoring: nothing to maintain" in outcome.log
    assert "shop/staged/sales: 4 files before, 4 after, 0 bytes freed" in outcome.log
