"""The web application that shows the page of all models."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import Request
from fastapi.responses import HTMLResponse

from include.config.loader import pipeline_names
from include.core.names import dag_id
from include.reports.model_row import Action, ModelState, Schedule, model_row
from include.reports.models_page import View, models_page
from include.workflows.overview import SCHEDULED, read_overview
from plugins.web.access import Permissions
from plugins.web.dag_states import DagState, read_dag_states
from plugins.web.pages import new_app, page_response, path_to_airflow

# no `from __future__ import annotations`: FastAPI reads the annotations when the functions are defined

app = new_app("Nightshift's models")

KINDS = (*SCHEDULED, "promote", "rollback")
#: What a reader may do about a model, by the kind of DAG whose form does it.
ACTIONS = {"retrain": "Retrain", "rollback": "Roll back or hold", "promote": "Promote"}
NOTHING_READABLE = "You may read the DAGs of no pipeline. Ask the person who manages the roles in Airflow."


@app.get("/")
def show_page(request: Request, user: GetUserDep, session: SessionDep) -> HTMLResponse:
    """Return the page with the rows of those pipelines whose retraining the user may read."""
    names = pipeline_names()
    ids = {dag_id(name, kind) for name in names for kind in KINDS}
    permissions = Permissions(user, ids, session)
    readable = {each for each in ids if permissions.reads(each)}
    shown = [name for name in names if dag_id(name, "retrain") in readable]
    dags = read_dag_states(session, readable)
    overview = read_overview(shown)
    now = datetime.now(UTC)
    rows = [
        model_row(readable_part(state, readable), _schedule(state, dags, permissions), now.date())
        for state in overview.models
    ]
    return page_response(
        lambda nonce: models_page(
            rows,
            View.of_query(request.query_params),
            now=now,
            root=path_to_airflow(request),
            nonce=nonce,
            error=overview.error,
            empty=NOTHING_READABLE if names else None,
        )
    )


def readable_part(state: ModelState, readable: set[str]) -> ModelState:
    """Return what the DAGs that may be read have found out about a model."""
    if dag_id(state.pipeline, "ingest") not in readable:
        state = replace(state, data_through=None)
    if dag_id(state.pipeline, "score") not in readable:
        state = replace(state, predictions_through=None)
    if dag_id(state.pipeline, "monitor") not in readable:
        state = replace(state, alerts=(), alerts_as_of=None)
    return state


def _schedule(state: ModelState, dags: Mapping[str, DagState], permissions: Permissions) -> Schedule:
    """Return what Airflow knows about those DAGs of a pipeline that may be read."""
    name = state.pipeline
    known = {kind: dags[own] for kind in KINDS if (own := dag_id(name, kind)) in dags}
    next_run, next_what = _next_run(state.scheduled.get("retrain"), known) if state.scheduled else (None, "")
    return Schedule(
        next_run=next_run,
        next_what=next_what,
        paused=tuple(kind for kind in state.scheduled if kind in known and known[kind].paused),
        failed=tuple(dag.failed for dag in known.values() if dag.failed),
        approvals=tuple(approval for dag in known.values() for approval in dag.approvals),
        actions=tuple(
            Action(text, f"dags/{dag_id(name, kind)}")
            for kind, text in ACTIONS.items()
            if kind in known and permissions.triggers(dag_id(name, kind))
        ),
    )


def _next_run(retrains: str | None, known: Mapping[str, DagState]) -> tuple[datetime | None, str]:
    """Return when the next retraining is due, and what starts it."""
    if retrains is None:
        return None, "by hand only"
    if "retrain" not in known or known["retrain"].paused:
        return None, "paused" if "retrain" in known else "not known to Airflow yet"
    if retrains == "when_needed":
        return None, "after an alert of the monitor"
    if retrains != "after_ingest":
        return known["retrain"].next_run, ""
    ingest = known.get("ingest")
    if ingest is None or ingest.paused:
        return None, "after the ingestion, which is paused" if ingest else "after the ingestion"
    return ingest.next_run, "after the ingestion" if ingest.next_run else "after an ingestion by hand"
