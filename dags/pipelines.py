"""What the DAG files share: the loop over the pipelines, the tasks' defaults, and the asset of the raw tables."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, Asset, get_parsing_context

from include.catalog import load_pipeline, pipeline_names
from include.errors import ConfigError
from plugins.notifications import failure_callbacks
from plugins.operators.report_mistakes import ReportMistakesOperator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from include.config import Pipeline


def for_each_pipeline(kind: str, make: Callable[[str, Pipeline], DAG]) -> Iterator[DAG]:
    """Yield the DAG `<pipeline>.<kind>` of every pipeline.

    A pipeline whose pipeline.yaml has mistakes gets a DAG without a schedule whose one task names them,
    so that one team's mistake stops nobody else's night and is not silent either.
    """
    wanted = get_parsing_context().dag_id  # set in a task's process, which needs its own DAG only
    for name in pipeline_names():
        if wanted not in (None, f"{name}.{kind}"):
            continue
        try:
            yield make(name, load_pipeline(name))
        except ConfigError as error:
            yield _mistaken_dag(f"{name}.{kind}", str(error))


def raw_tables(name: str) -> Asset:
    """Return the asset that stands for a pipeline's raw tables."""
    return Asset(name=f"{name}.raw_tables", uri=f"nightshift://{name}/raw")


def task_defaults(pipeline: Pipeline, **more: Any) -> dict[str, Any]:
    """Return the default arguments of a pipeline's tasks: whose they are, and who is told of a failure."""
    return {"owner": pipeline.owner, "on_failure_callback": failure_callbacks(pipeline)} | more


def _mistaken_dag(dag_id: str, mistakes: str) -> DAG:
    with DAG(
        dag_id=dag_id,
        description="pipeline.yaml has mistakes: see the documentation of this DAG",
        doc_md=f"### pipeline.yaml has mistakes\n\n```text\n{mistakes}\n```",
        schedule=None,
        start_date=datetime(2013, 1, 1, tzinfo=UTC),
        tags=["mistakes"],
    ) as dag:
        ReportMistakesOperator(task_id="report_mistakes", mistakes=mistakes)
    return dag
