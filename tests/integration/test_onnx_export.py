"""A run whose pipeline asks for ONNX keeps the file with its version's run in MLflow."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from include.config.loader import load_pipeline
from include.core.connections import EnvironmentConnections
from include.registry.client import mlflow_client
from include.training.columns import FeatureColumns
from include.training.onnx_export import run_onnx
from include.workflows.retrain.run import run
from tests import factories
from tests.integration.killed_run import AS_OF


def test_the_file_predicts_and_is_an_artifact(shop: Path, home: Path) -> None:
    """It is found beside the documents of the run, and takes the features by their names."""
    pytest.importorskip("skl2onnx")
    factories.write_shop(shop.parent, pipeline=factories.SHOP_YAML + "export: [onnx]\n")

    result = run(load_pipeline("shop"), "night-1", AS_OF, EnvironmentConnections())

    with mlflow_client("testing") as client:
        version = client.get_model_version("shop", str(result.version))
        content = client.download_artifacts(version.run_id, "model.onnx", str(home))
    model = Path(content).read_bytes()
    rows = pd.DataFrame({"store": ["store-1"], "revenue_last_day": [140.0], "revenue_mean_7d": [141.0], "weekday": [3]})
    columns = FeatureColumns([name for name in rows if name != "store"], ["store"])
    assert 50 < float(run_onnx(model, columns, rows)[0]) < 400
