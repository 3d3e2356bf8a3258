"""A second model needs a second folder, and nothing else."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from include.config.loader import load_pipeline
from include.core.connections import EnvironmentConnections
from include.workflows.retrain.run import run

if TYPE_CHECKING:
    from pathlib import Path


def test_a_second_folder_is_a_second_model(shop: Path) -> None:
    """A regression on another table goes from its database to a promoted version."""
    result = run(load_pipeline("shop"), "first", date(2024, 3, 20), EnvironmentConnections())

    assert result["verdict"] == "promote"
    assert (result["version"], result["alias"]) == (1, "champion")
