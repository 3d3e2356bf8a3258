"""One MLflow on SQLite for all tests of a session, in which each test has a name of its own."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import yaml

from include.config.pipeline import Pipeline
from include.config.training import Training
from include.registry.client import mlflow_client
from include.registry.register import register_model
from include.registry.run_record import Registration, RunRecord
from include.training.fit import fit_model
from include.training.model_file import save_model
from tests import factories

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path


@pytest.fixture(scope="session")
def tracking_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home folder whose MLflow is made once: its tables take seconds to create."""
    return tmp_path_factory.mktemp("tracking") / "var"


@pytest.fixture
def mlflow_home(home: Path, tracking_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a test the shared MLflow and return its home folder."""
    monkeypatch.setenv("NIGHTSHIFT_HOME", str(tracking_home))
    return tracking_home


@pytest.fixture
def client(mlflow_home: Path) -> Any:
    """Return a client of the shared MLflow, to look at what was left there."""
    with mlflow_client("looking at a test") as client:
        return client


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """Return a pipeline's name that no other test has."""
    return re.sub(r"[^a-z0-9]+", "_", request.node.nodeid.rpartition("::")[2].lower())


@pytest.fixture(scope="session")
def example() -> pd.DataFrame:
    """Return the features that the model of the tests learns from."""
    draw = np.random.default_rng(7)
    return pd.DataFrame({"visitors": draw.normal(size=200), "store": draw.choice(["north", "south"], 200)})


@pytest.fixture(scope="session")
def model(example: pd.DataFrame) -> Any:
    """Return a small model of the shop, fitted once."""
    fields = yaml.safe_load(factories.SHOP_YAML)
    fields["features"] = {"key": ["row"], "label": "revenue"}
    rows = example.assign(revenue=100 + 10 * example["visitors"])
    return fit_model(Pipeline.model_validate(fields), rows, "linear", {"strength": 1.0}, 1)


class Shop:
    """Registers the model of one pipeline, as often as a test asks."""

    def __init__(self, name: str, model: Any, example: pd.DataFrame, folder: Path) -> None:
        self.name, self.model, self.example = name, model, example
        self.training = Training.model_validate(yaml.safe_load(factories.SHOP_YAML)["training"])
        self.sha256 = save_model(model, folder / "model.skops")

    def record(self, run_key: str, **changes: Any) -> RunRecord:
        """Return what MLflow is told of a run."""
        record = RunRecord(
            name=self.name,
            run_key=run_key,
            sha256=self.sha256,
            params={"family": "linear", "strength": 1.0},
            metrics={"holdout.mae": 4.5, "baseline.mae": 9.25},
            version_tags={
                "as_of": "2024-02-29",
                "verdict": "promote",
                "family": "linear",
                "train_start": "2023-03-01",
                "train_end": "2024-01-30",
            },
            run_tags={"pipeline": self.name, "owner": "shop-team"},
            documents={"verdict.txt": "VERDICT  promote", "plan.json": "{}", "evidence.json": "{}"},
            description="What will each store take tomorrow?",
        )
        return replace(record, **changes)

    def register(
        self,
        run_key: str,
        *,
        promote: bool = True,
        expected_champion: int | None = None,
        trusted: Collection[str] = (),
        **changes: Any,
    ) -> Registration:
        """Register the model under a run's key."""
        how = {"classifies": False, "trusted": trusted, "promote": promote, "expected_champion": expected_champion}
        return register_model(self.record(run_key, **changes), self.model, self.example.head(), **how)


@pytest.fixture
def shop_model(mlflow_home: Path, name: str, model: Any, example: pd.DataFrame, tmp_path: Path) -> Shop:
    """Return the shop under a name of the test's own."""
    return Shop(name, model, example, tmp_path)


@pytest.fixture(autouse=True)
def copied_store() -> None:
    """Let MLflow make its database: these are the tests of how it is opened."""
