"""All champions and holds come from one request."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from include.core.errors import TrackingUnavailable
from include.registry import registered
from include.registry.client import mlflow_client
from include.registry.promotion import hold
from include.registry.registered import RegisteredModel, registered_models

if TYPE_CHECKING:
    from pathlib import Path


def test_every_model_has_its_champion_and_its_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More models than one page of MLflow are all found."""
    monkeypatch.setattr(registered, "PAGE", 2)
    with mlflow_client("registering") as client:
        for name in ("bakery", "cafe", "shop"):
            client.create_registered_model(name)
            client.create_model_version(name, str(tmp_path))
        client.set_registered_model_alias("shop", "champion", "1")
    held = hold("cafe", reason="wait", by="ana").hold

    assert registered_models() == {
        "bakery": RegisteredModel(),
        "cafe": RegisteredModel(hold=held),
        "shop": RegisteredModel(champion=1),
    }


def test_a_server_that_does_not_answer_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody waits for the page, so that nothing is asked twice."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")

    with pytest.raises(TrackingUnavailable, match="nothing listens there"):
        registered_models()
