"""A DAG of the shape of the retraining's, none of whose tasks does anything."""

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import DAG, BaseOperator, Context, chain


class ReturnAtOnceOperator(BaseOperator):
    """Run on a worker, which Airflow's EmptyOperator does not, and do nothing."""

    def __init__(self, *, worker: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.worker = worker

    def execute(self, context: Context) -> None:
        """Return at once."""


with DAG(
    dag_id="empty",
    schedule=None,
    start_date=datetime(2013, 1, 1, tzinfo=UTC),
    default_args={"retries": 1, "retry_delay": timedelta(minutes=2), "do_xcom_push": False},
) as dag:
    chain(
        *(ReturnAtOnceOperator(task_id=f"before_{number}") for number in range(4)),
        ReturnAtOnceOperator.partial(task_id="mapped").expand(worker=[0]),
        *(ReturnAtOnceOperator(task_id=f"after_{number}") for number in range(4)),
        ReturnAtOnceOperator(task_id="last", do_xcom_push=True),
    )
