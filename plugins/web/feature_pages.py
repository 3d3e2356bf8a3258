"""The web application that shows the pages of features."""

import re

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse

from include.core.html_page import POLICY
from include.lake.run_files import feature_page

# no `from __future__ import annotations`: FastAPI reads the annotations when the functions are defined

app = FastAPI(title="Nightshift's features", docs_url=None, redoc_url=None, openapi_url=None)

_NAME = re.compile(r"[A-Za-z0-9_=+-][A-Za-z0-9_.=+-]*")


def may_read_logs(pipeline: str, request: Request, user: GetUserDep) -> None:
    """Refuse users who may not read the logs of the pipeline's retraining, because they show the same features."""
    requires_access_dag("GET", DagAccessEntity.TASK_LOGS, f"{pipeline}.retrain")(request, user)


@app.get("/{pipeline}", dependencies=[Depends(may_read_logs)])
def show_page(pipeline: str) -> HTMLResponse:
    """Return the page of a pipeline's features; the browser may show it but run no script in it."""
    if not _NAME.fullmatch(pipeline):
        raise HTTPException(404, "this page does not exist")
    try:
        content = feature_page(pipeline).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise HTTPException(
            404, f"there is no page of {pipeline}'s features yet; the last task of {pipeline}.retrain makes it"
        ) from error
    return HTMLResponse(content, headers={"Content-Security-Policy": f"{POLICY}; sandbox", "X-Frame-Options": "DENY"})
