"""What the DAG files share: the loop over the pipelines, the defaults and priorities of tasks, the assets of tables."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow.sdk import DAG, Asset, Param, get_parsing_context

from include.config.loader import load_pipeline, pipeline_names
from include.core import settings
from include.core.errors import ConfigError
from include.core.names import dag_id
from plugins.notifications import failure_callbacks, outage_callbacks
from plugins.operators.report_mistakes import ReportMistakesOperator
from plugins.pod_resources import ask_for_resources
from plugins.retries import TRAINING_WAITS, retried

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from include.config.pipeline import Pipeline

log = logging.getLogger(__name__)

#: Maximum length of the mistakes that a DAG shows; validate-config shows all of them.
SHOWN_CHARACTERS = 100_000

#: Priorities of waiting tasks across all pipelines: the higher number starts first.
ANSWER = 100  # a person waits, or rolls a harmful champion back
INGEST = 80  # every later step waits for the day's data
SCORE = 70  # users expect predictions in the morning, and they only need the ingested day
FINISH = 60  # short tasks at the start and the end of a retraining go before another run's training
MONITOR = 40  # it reports on past days, and its report is read in the morning
TRAIN = 20  # training is long, and nobody waits for it at night
MAINTAIN = 10  # any hour of the week is soon enough


def for_each_pipeline(kind: str, make: Callable[[str, Pipeline], DAG]) -> Iterator[DAG]:
    """Yield the DAG `<pipeline>.<kind>` of every pipeline.

    A pipeline whose DAG cannot be built gets a DAG without a schedule, whose only task fails with the reason. So the
    mistake of one team is visible and does not stop the pipelines of others.
    """
    wanted = get_parsing_context().dag_id  # set in a task's process, which needs its own DAG only
    for name in pipeline_names():
        own_id = dag_id(name, kind)
        if wanted not in (None, own_id):
            continue
        try:
            pipeline = load_pipeline(name)
            dag = make(name, pipeline)
            ask_for_resources(dag, pipeline)
            dag.validate()
        except ConfigError as error:
            dag = _mistaken_dag(own_id, str(error))
        except Exception as error:  # any error: the other pipelines must keep their DAGs
            log.exception("%s: the DAG cannot be built", own_id)
            dag = _mistaken_dag(
                own_id,
                f"{name}: the DAG cannot be built ({type(error).__name__}: {error}); correct the pipeline's folder",
            )
        yield dag


def raw_tables(name: str) -> Asset:
    """Return the asset of a pipeline's raw tables."""
    return Asset(name=f"{name}.raw_tables", uri=f"nightshift://{name}/raw")


def predictions(name: str) -> Asset:
    """Return the asset of a pipeline's predictions."""
    return Asset(name=f"{name}.predictions", uri=f"nightshift://{name}/predictions")


def retrain_wanted(name: str) -> Asset:
    """Return the asset that the monitor updates when a retraining is needed."""
    return Asset(name=f"{name}.retrain_wanted", uri=f"nightshift://{name}/retrain_wanted")


#: The day of a run whose form names none; see `include.features.snapshot.pin_day`.
LAST_INGESTED_DAY = "the newest UTC day up to which the lake has every daily source, normally yesterday"


def as_of_param(empty: str = LAST_INGESTED_DAY) -> Param:
    """Return the form field for the day of a run; `empty` describes the default."""
    return Param(
        None,
        type=["null", "string"],
        format="date",
        title="As of",
        description=f"The run uses only data that was known at the end of this UTC day. Empty: {empty}.",
    )


def whole_number_param(*, optional: bool = False, **more: object) -> Param:
    """Return a form field for a whole number from 1.

    The schema says so as `exclusiveMinimum`: the browser's form turns a number below `minimum` into the minimum without
    a word, and sends the run. The API server refuses a number that breaks either.
    """
    if optional:
        return Param(None, type=["null", "integer"], exclusiveMinimum=0, **more)
    return Param(**more, type="integer", exclusiveMinimum=0)


def task_defaults(pipeline: Pipeline, priority: int, **more: object) -> dict[str, object]:
    """Return the default arguments of a pipeline's tasks: owner, priority, retries and notifications."""
    return {
        "owner": pipeline.owner,
        **retried(),
        "on_failure_callback": failure_callbacks(pipeline),
        "on_retry_callback": outage_callbacks(pipeline),
        "priority_weight": priority,
        "weight_rule": "absolute",  # Airflow's default adds downstream weights, so long chains would go first
    } | more


def training_task() -> dict[str, object]:
    """Return the arguments of a training task: priority, retries, and the pool that limits how many train at once."""
    pool = settings.training_pool()
    arguments = {"priority_weight": TRAIN, **retried(TRAINING_WAITS)}
    return arguments | {"pool": pool, "pool_slots": 1} if pool else arguments


def _mistaken_dag(own_id: str, mistakes: str) -> DAG:
    shown = mistakes[:SHOWN_CHARACTERS] + ("\n..." if len(mistakes) > SHOWN_CHARACTERS else "")
    # a folder's name may contain bytes that a database refuses
    shown = shown.encode(errors="backslashreplace").decode().replace("\0", "\\0")
    with DAG(
        dag_id=own_id,
        description="pipeline.yaml has mistakes; see the documentation of this DAG",
        doc_md=f"### pipeline.yaml has mistakes\n\n```text\n{shown}\n```",
        schedule=None,
        start_date=datetime(2013, 1, 1, tzinfo=UTC),
        tags=["mistakes"],
    ) as dag:
        ReportMistakesOperator(task_id="report_mistakes", mistakes=shown)
    return dag
