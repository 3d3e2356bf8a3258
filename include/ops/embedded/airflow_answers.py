"""What Airflow's REST API answers: the fields that are used, with the names that Airflow gives them."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003  pydantic reads the fields' types

from pydantic import BaseModel, ConfigDict


class Answer(BaseModel):
    """A part of an answer; fields that are not named are left out."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Dag(Answer):
    """A DAG."""

    dag_id: str
    is_paused: bool
    timetable_summary: str | None

    @property
    def is_scheduled(self) -> bool:
        """Whether runs of the DAG start by themselves: by time, or after an asset was updated."""
        return self.timetable_summary is not None


class DagRun(Answer):
    """A run of a DAG; its state is queued, running, success or failed."""

    dag_run_id: str
    run_type: str
    state: str
    start_date: datetime | None
    end_date: datetime | None
    data_interval_start: datetime | None
    note: str | None = None


class TaskInstance(Answer):
    """A task of a run, or one of its mapped instances; `map_index` of a task that is not mapped is -1."""

    task_id: str
    map_index: int
    rendered_map_index: str | None
    state: str | None
    try_number: int
    start_date: datetime | None
    end_date: datetime | None
    duration: float | None
    hostname: str
    pool: str

    @property
    def name(self) -> str:
        """The task's id, and what tells it from its other mapped instances."""
        mapped = self.rendered_map_index or (str(self.map_index) if self.map_index >= 0 else "")
        return f"{self.task_id} {mapped}".strip()


class LoggedError(Answer):
    """An error in a log, or a cause of one."""

    exc_type: str
    exc_value: str


class LogRecord(Answer):
    """A line of a log. Airflow lists an error before its causes."""

    event: str | None = None
    error_detail: list[LoggedError] | None = None
