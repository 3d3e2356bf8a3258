"""The project's own retraining DAG, whose tasks also note how long the work inside of them took."""

import json
import time
from typing import Any

from airflow.sdk import DAG

from dags import retrain
from include.core import settings
from plugins.operators.step import PipelineStepOperator

_execute = PipelineStepOperator.execute


def _noting_seconds(self: PipelineStepOperator, *args: Any, **kwargs: Any) -> Any:
    start = time.perf_counter()
    result = _execute(self, *args, **kwargs)
    seconds = time.perf_counter() - start
    with (settings.home() / "step_seconds.jsonl").open("a") as notes:
        notes.write(json.dumps([self.task_id, seconds]) + "\n")
    return result


PipelineStepOperator.execute = _noting_seconds

for dag in [each for each in vars(retrain).values() if isinstance(each, DAG)]:
    globals()[dag.dag_id] = dag
