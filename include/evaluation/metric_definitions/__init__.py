"""Every metric, registered once: by its task and its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.evaluation.metric_definitions.binary import BINARY
from include.evaluation.metric_definitions.multiclass import MULTICLASS
from include.evaluation.metric_definitions.regression import REGRESSION

if TYPE_CHECKING:
    from include.config.training import Task
    from include.evaluation.metric_definitions.definition import MetricDefinition

#: `include.config.training.METRICS` lists the same names, since pipeline.yaml is checked without heavy libraries.
DEFINITIONS: dict[Task, dict[str, MetricDefinition]] = {
    "binary": {each.name: each for each in BINARY},
    "multiclass": {each.name: each for each in MULTICLASS},
    "regression": {each.name: each for each in REGRESSION},
    "forecasting": {each.name: each for each in REGRESSION},
}
