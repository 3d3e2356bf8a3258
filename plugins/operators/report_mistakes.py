"""Report the mistakes of a pipeline whose DAG cannot be built."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

from plugins.operators.failure_log import without_frames

if TYPE_CHECKING:
    from airflow.sdk import Context


class ReportMistakesOperator(BaseOperator):
    """Fail with the mistakes in a pipeline.yaml.

    Parameters
    ----------
    mistakes
        One sentence a line.
    """

    def __init__(self, *, mistakes: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mistakes = mistakes

    def execute(self, context: Context) -> NoReturn:
        """Raise the mistakes."""
        raise without_frames(AirflowFailException(f"pipeline.yaml has mistakes, so nothing was run:\n{self.mistakes}"))
