"""The schema of `resources` in pipeline.yaml: what each task requests on Kubernetes."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from include.config.section import Section
from include.config.task_ids import known_task_ids
from include.core.suggestions import unknown_name


def _cores(value: Any) -> Any:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not 0.001 <= value < math.inf:
        raise ValueError(f"a number of cores is expected, such as 0.5 or 4, found {value!r}")
    return value


def _amount(value: Any) -> Any:
    if not (isinstance(value, str) and re.fullmatch(r"[1-9][0-9]*(Mi|Gi)", value)):
        raise ValueError(f"a whole number of Mi or Gi is expected, such as 512Mi or 8Gi, found {value!r}")
    return value


def _devices(value: Any) -> Any:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"a whole number of GPUs is expected, such as 1, found {value!r}")
    return value


# each bound is stated twice: in the function for its sentence, in the field for editors that read the JSON Schema
Cores = Annotated[float, Field(ge=0.001), BeforeValidator(_cores)]
Amount = Annotated[str, Field(pattern=r"^[1-9][0-9]*(Mi|Gi)$"), BeforeValidator(_amount)]
Devices = Annotated[int, Field(ge=0), BeforeValidator(_devices)]


class Ask(Section):
    """What a task requests, which is also its limit."""

    cpu: Cores = Field(description="Cores, such as 0.5 or 4.")
    memory: Amount = Field(description="Memory, such as 512Mi or 8Gi.")
    gpu: Devices = Field(default=0, description="Number of whole GPUs.")


class TaskAsk(Section):
    """What one task requests; omitted fields are those of `default`."""

    cpu: Cores | None = Field(default=None, description="Cores, such as 0.5 or 4.")
    memory: Amount | None = Field(default=None, description="Memory, such as 512Mi or 8Gi.")
    gpu: Devices | None = Field(default=None, description="Number of whole GPUs.")


class Resources(Section):
    """What the tasks of a pipeline request on Kubernetes."""

    default: Ask | None = Field(default=None, description="Request of each task that `tasks` does not name.")
    tasks: dict[str, TaskAsk] = Field(default={}, description="Requests of single tasks, by task id.")

    def of(self, task_id: str) -> Ask | None:
        """Return a task's request, or None if pipeline.yaml has none."""
        if task_id not in self.tasks:
            return self.default
        given = self.tasks[task_id].model_dump(exclude_none=True)
        return Ask(**(self.default.model_dump() if self.default else {}) | given)

    def check_tasks(self, sources: list[str]) -> None:
        """Raise if `tasks` names a task that no DAG of a pipeline with these sources has.

        Raises
        ------
        ValueError
            With the nearest known id, and all of them.
        """
        known = known_task_ids(sources)
        for task in self.tasks:
            if task not in known:
                raise ValueError(f"resources.tasks: {unknown_name('task', task, known)}")

    @model_validator(mode="after")
    def _check_complete(self) -> Resources:
        # a pod's resources are replaced as a whole, so a request for one of them would remove the other's limit
        for name, task in self.tasks.items():
            for field in ("cpu", "memory"):
                if self.default is None and getattr(task, field) is None:
                    raise ValueError(f"tasks.{name} has no {field}; give it there, or for all tasks in `default`")
        return self
