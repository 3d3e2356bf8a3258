"""What must be true after a retraining, whatever happened to the stack meanwhile."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from tests.stack.stack import PIPELINE

if TYPE_CHECKING:
    from tests.stack.stack import Stack


def records(stack: Stack) -> list[dict[str, Any]]:
    """Return the pipeline's records."""
    return json.loads(stack.nightshift("history", PIPELINE, "--json"))


def assert_promises(stack: Stack, run_id: str) -> None:
    """Assert that a run published once, registered one version, and that all is as its records say."""
    dag = f"{PIPELINE}.retrain"
    assert stack.airflow.state(dag, run_id) == "success"
    kept = records(stack)
    (record,) = [each for each in kept if each["content"].get("run") == run_id]
    numbers = Counter(each["content"]["challenger_version"] for each in kept if each["kind"] == "retrain")
    assert max(numbers.values()) == 1, f"two records name one version: {numbers}"
    versions = stack.mlflow("api/2.0/mlflow/model-versions/search", filter=f"name='{PIPELINE}'").json()
    assert sorted(int(each["version"]) for each in versions["model_versions"]) == sorted(numbers)
    alias = stack.mlflow("api/2.0/mlflow/registered-models/alias", name=PIPELINE, alias="champion").json()
    assert int(alias["model_version"]["version"]) == kept[-1]["content"]["champion_after"]
    assert record["content"]["challenger_version"] in numbers
    # the files of every version are as they were registered, and the champion is loaded and predicts
    assert stack.nightshift("verify", PIPELINE).startswith("ok: ")
    table = f"from include import lake; uri = lake.features_uri('{PIPELINE}'); "
    row = "print(lake.read_features(uri, lake.latest_version(uri))['flight_id'][-1])"
    key = stack.run_in("worker-1", "python", "-c", table + row).strip()
    told = stack.nightshift("explain-row", PIPELINE, "--key", key)
    assert told.startswith(f"{PIPELINE} version {kept[-1]['content']['champion_after']} ")
