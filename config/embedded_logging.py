"""Airflow's logging in the embedded stack: the API server reads the log of a running task from its file.

Airflow's default asks a log server of the worker for the lines of a task that still runs. That server listens on every
address of the machine and no setting changes that, so the stack runs none, and each log began with a connection error.
Here all parts share one folder, and Airflow has already read the task's file by then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.config_templates.airflow_local_settings import (  # noqa: F401  Airflow looks for the last two here
    DEFAULT_LOGGING_CONFIG,
    DEFAULT_REMOTE_CONN_ID,
    REMOTE_TASK_LOG,
)
from airflow.utils.log.file_task_handler import FileTaskHandler

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow.models.taskinstance import TaskInstance
    from airflow.models.taskinstancehistory import TaskInstanceHistory


class SharedFolderHandler(FileTaskHandler):
    """Reads task logs without a log server."""

    def _read_from_logs_server(
        self, ti: TaskInstance | TaskInstanceHistory, worker_log_rel_path: str
    ) -> tuple[list[str], list[Iterator[str]]]:
        return [], []


_HANDLERS = DEFAULT_LOGGING_CONFIG["handlers"]
_READER = _HANDLERS["task"] | {"class": f"{__name__}.{SharedFolderHandler.__name__}"}

#: What `logging_config_class` names in config/embedded.env.
LOGGING_CONFIG = DEFAULT_LOGGING_CONFIG | {"handlers": _HANDLERS | {"task": _READER}}
