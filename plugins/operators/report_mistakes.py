"""Stand in for the tasks of a pipeline whose configuration cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

if TYPE_CHECKING:
    from airflow.sdk import Context


class ReportMistakesOperator(BaseOperator):
    """Fail with the mistakes of a pipeline.yaml.

    Parameters
    ----------
    mistakes
        A sentence a line.
    """

    def __init__(self, *, mistakes: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mistakes = mistakes

    def execute(self, context: Context) -> NoReturn:
        """Fail."""
        raise AirflowFailException(f"pipeline.yaml has mistakes, so nothing was run:\n{self.mistakes}")
