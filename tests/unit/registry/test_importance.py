"""The importance of the champion's features is read from its run, as far as the run recorded it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from include.core.errors import TrackingUnavailable
from include.evaluation.importance import ChampionImportance
from include.registry.champion import CHAMPION
from include.registry.importance import champion_importance

if TYPE_CHECKING:
    from pathlib import Path

    from mlflow import MlflowClient

MEASURED = [{"feature": "visitors", "mean": 2.5, "std": 0.25}, {"feature": "store", "mean": -0.5, "std": 0.0}]
FIGURES = {"visitors": (2.5, 0.25), "store": (-0.5, 0.0)}


def champion(client: MlflowClient, name: str, tmp_path: Path, **documents: Any) -> None:
    """Register a version with documents of its run, as champion."""
    experiment = client.create_experiment(name, artifact_location=(tmp_path / "artifacts").as_uri())
    run = client.create_run(experiment)
    for document, content in documents.items():
        text = content if isinstance(content, str) else json.dumps(content)
        client.log_text(run.info.run_id, text, f"{document}.json")
    client.create_registered_model(name)
    source = f"{run.info.artifact_uri}/model"
    version = client.create_model_version(name, source=source, run_id=run.info.run_id)
    client.set_registered_model_alias(name, CHAMPION, version.version)


def test_without_a_champion_there_is_no_importance(mlflow_home: Path, name: str) -> None:
    """Before the first promotion the result is None."""
    assert champion_importance(name) is None


def test_all_that_the_run_recorded_is_read(client: MlflowClient, name: str, tmp_path: Path) -> None:
    """The importance of each feature, the features that the champion takes, and the metric of its gate."""
    champion(
        client, name, tmp_path, importance=MEASURED, challenger={"features": ["visitors"]}, evidence={"metric": "mae"}
    )

    assert champion_importance(name) == ChampionImportance(1, "mae", ["visitors"], FIGURES)


@pytest.mark.parametrize(
    ("documents", "expected"),
    [
        ({}, ChampionImportance(1)),
        ({"importance": []}, ChampionImportance(1)),
        ({"importance": "no json"}, ChampionImportance(1)),
        ({"importance": [{"feature": "visitors"}]}, ChampionImportance(1)),
        ({"importance": {"visitors": 1}}, ChampionImportance(1)),
        ({"importance": MEASURED}, ChampionImportance(1, features=FIGURES)),
        (
            {"importance": [*MEASURED, {"feature": "x", "mean": float("nan"), "std": 0.0}], "challenger": {}},
            ChampionImportance(1, features=FIGURES),
        ),
    ],
)
def test_a_run_that_recorded_less_is_no_error(
    client: MlflowClient, name: str, tmp_path: Path, documents: dict[str, Any], expected: ChampionImportance
) -> None:
    """The champion may be from an older Nightshift, or its holdout may have been too small to measure."""
    champion(client, name, tmp_path, **documents)

    assert champion_importance(name) == expected


def test_a_server_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch, closed_port: int) -> None:
    """An outage is not mistaken for a run without importance."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{closed_port}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")

    with pytest.raises(TrackingUnavailable, match="reading the importance of the features of shop"):
        champion_importance("shop")
