"""What the DAG files share: the loop over the pipelines, the tasks' defaults and order, the assets of their tables."""

from __future__ import annotations

import hashlib
import logging
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, Asset, Param, get_parsing_context

from include.config.loader import load_pipeline, pipeline_names
from include.core import settings
from include.core.errors import ConfigError
from include.core.names import MAX_PIPELINE_NAME
from plugins.notifications import failure_callbacks, outage_callbacks
from plugins.operators.report_mistakes import ReportMistakesOperator
from plugins.pod_resources import ask_for_resources
from plugins.retries import TRAINING_WAITS, retried

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from include.config.pipeline import Pipeline

log = logging.getLogger(__name__)

#: Characters of the mistakes that a DAG shows; validate-config tells all of them.
SHOWN_CHARACTERS = 100_000

#: Which of the tasks that wait, of all pipelines, starts first where not all can: the one with the higher number.
ANSWER = 100  # a person has asked, or takes a champion back that does harm
INGEST = 80  # a day that comes late is late for all that reads it
SCORE = 70  # predictions are waited for in the morning, and need nothing but the day that has come in
FINISH = 60  # a run that has trained ends, and one that has not begins, before another trains
MONITOR = 40  # it tells of days that are over, and what it has to tell is for the morning
TRAIN = 20  # long, and nobody waits for one of its minutes
MAINTAIN = 10  # any hour of the week will do


def for_each_pipeline(kind: str, make: Callable[[str, Pipeline], DAG]) -> Iterator[DAG]:
    """Yield the DAG `<pipeline>.<kind>` of every pipeline.

    A pipeline of which no DAG can be made, for whatever reason, gets one without a schedule whose one task names
    the reason, so that one team's mistake stops nobody else's night and is not silent either.
    """
    wanted = get_parsing_context().dag_id  # set in a task's process, which needs its own DAG only
    for name in pipeline_names():
        dag_id = f"{_usable_in_ids(name)}.{kind}"
        if wanted not in (None, dag_id):
            continue
        try:
            pipeline = load_pipeline(name)
            dag = make(name, pipeline)
            ask_for_resources(dag, pipeline)
            dag.validate()
        except ConfigError as error:
            dag = _mistaken_dag(dag_id, str(error))
        except Exception as error:  # whatever it is, the other pipelines have nothing to do with it
            log.exception("%s: no DAG can be made", dag_id)
            dag = _mistaken_dag(
                dag_id, f"{name}: no DAG can be made ({type(error).__name__}: {error}); correct its folder"
            )
        yield dag


def raw_tables(name: str) -> Asset:
    """Return the asset that stands for a pipeline's raw tables."""
    return Asset(name=f"{name}.raw_tables", uri=f"nightshift://{name}/raw")


def predictions(name: str) -> Asset:
    """Return the asset that stands for a pipeline's predictions."""
    return Asset(name=f"{name}.predictions", uri=f"nightshift://{name}/predictions")


def retrain_wanted(name: str) -> Asset:
    """Return the asset that stands for the wish for a newer model, which the monitor announces."""
    return Asset(name=f"{name}.retrain_wanted", uri=f"nightshift://{name}/retrain_wanted")


def as_of_param(empty: str = "the last day ingested") -> Param:
    """Return the field of a form that names the day of a run; `empty` says which it is where none is named."""
    return Param(
        None,
        type=["null", "string"],
        format="date",
        title="As of",
        description=f"The run knows what was known at the end of this UTC day. Empty: {empty}.",
    )


def task_defaults(pipeline: Pipeline, priority: int, **more: Any) -> dict[str, Any]:
    """Return the default arguments of a pipeline's tasks.

    They say whose the tasks are, which goes first, when they are tried again, and who is notified of what.
    """
    return {
        "owner": pipeline.owner,
        **retried(),
        "on_failure_callback": failure_callbacks(pipeline),
        "on_retry_callback": outage_callbacks(pipeline),
        "priority_weight": priority,
        "weight_rule": "absolute",  # Airflow's own rule adds up what follows, so that a long chain would go first
    } | more


def training_task() -> dict[str, Any]:
    """Return the arguments of a task that trains.

    They are its turn, its retries, and the pool whose slots say how many train at once.
    """
    pool = settings.training_pool()
    return {"priority_weight": TRAIN, **retried(TRAINING_WAITS)} | ({"pool": pool, "pool_slots": 1} if pool else {})


def _mistaken_dag(dag_id: str, mistakes: str) -> DAG:
    shown = mistakes[:SHOWN_CHARACTERS] + ("\n..." if len(mistakes) > SHOWN_CHARACTERS else "")
    # a folder's name may have bytes that no database takes
    shown = shown.encode(errors="backslashreplace").decode().replace("\0", "\\0")
    with DAG(
        dag_id=dag_id,
        description="pipeline.yaml has mistakes: see the documentation of this DAG",
        doc_md=f"### pipeline.yaml has mistakes\n\n```text\n{shown}\n```",
        schedule=None,
        start_date=datetime(2013, 1, 1, tzinfo=UTC),
        tags=["mistakes"],
    ) as dag:
        ReportMistakesOperator(task_id="report_mistakes", mistakes=shown)
    return dag


def _usable_in_ids(name: str) -> str:
    """Return a folder's name as Airflow's ids can have it: where it is changed, with a digest that sets it apart."""
    usable = re.sub(r"[^A-Za-z0-9_-]", "_", name)[:MAX_PIPELINE_NAME]
    if usable == name:
        return name
    return f"{usable}-{hashlib.sha256(name.encode(errors='surrogateescape')).hexdigest()[:8]}"
