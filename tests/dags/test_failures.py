"""A task that fails: its log has the cause, then the sentence once, and no password."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.dags.conftest import DagOutcome

PASSWORD = "hunter2-of-the-shop"


@pytest.mark.parametrize(
    "address",
    [f"carrier-pigeon://nightshift:{PASSWORD}@roof", f"http://nightshift:{PASSWORD}/home@127.0.0.1:1"],
)
def test_the_log_has_the_drivers_error_above_the_sentence_and_no_password(
    run_dags: Callable[..., list[DagOutcome]], shop: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    """MLflow repeats an unknown address, and the HTTP library repeats the part that it cannot parse."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")

    [outcome] = run_dags(("shop.rollback", {"decision": "hold", "reason": "the predictions are wrong"}))

    assert outcome.state == "failed"
    above, *sentence = outcome.log.split("TrackingUnavailable: MLflow at ")
    assert len(sentence) == 1
    assert "in mlflow_client" in above
    assert "\nmlflow." in above
    assert PASSWORD not in outcome.log
