"""Announce that all sources of a pipeline are published, which starts what is scheduled on its raw tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

if TYPE_CHECKING:
    from airflow.sdk import Context


class AnnounceTablesOperator(BaseOperator):
    """Update the task's outlet; if the run's form says not to, skip the task, which updates no asset."""

    def execute(self, context: Context) -> None:
        """Return, unless the param `announce` is false."""
        if not context["params"].get("announce", True):
            raise AirflowSkipException("the form of this run has 'announce' off, so it starts nothing that follows")
