"""A DAG of the shape of the retraining's, none of whose tasks does anything."""

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import DAG, BaseOperator, Context, chain


class ReturnAtOnceOperator(BaseOperator):
    """Run on a worker, which Airflow's EmptyOperator does not, and do nothing."""

    def __init__(self, *, candidate: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.candidate = candidate

    def execute(self, context: Context) -> None:
        """Return at once."""


with DAG(
    dag_id="empty",
    schedule=None,
    start_date=datetime(2013, 1, 1, tzinfo=UTC),
    default_args={"retries": 1, "retry_delay": timedelta(minutes=2)},
) as dag:
    chain(
        ReturnAtOnceOperator(task_id="first"),
        ReturnAtOnceOperator(task_id="second"),
        ReturnAtOnceOperator(task_id="third"),
        ReturnAtOnceOperator.partial(task_id="mapped", max_active_tis_per_dagrun=1).expand(candidate=["a", "b", "c"]),
        *(ReturnAtOnceOperator(task_id=f"after_{number}") for number in range(5)),
    )
