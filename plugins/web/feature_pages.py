"""The web application that shows the pages of features."""

import re

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse

from include.core.errors import NightshiftError
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
    """Return the page of a pipeline's features for today's champion; the browser runs no script in it."""
    if not _NAME.fullmatch(pipeline):
        raise HTTPException(404, "this page does not exist")
    try:
        content = _page(pipeline)
    except FileNotFoundError as error:
        raise HTTPException(
            404, f"there is no page of {pipeline}'s features yet; the last task of {pipeline}.retrain makes it"
        ) from error
    return HTMLResponse(content, headers={"Content-Security-Policy": f"{POLICY}; sandbox", "X-Frame-Options": "DENY"})


def _page(pipeline: str) -> str:
    """Return the page with who is champion now, who may have changed since the page was made.

    A page of an earlier release, which has no content to render, is returned as it was made.
    """
    from include.registry.importance import champion_importance
    from include.reports.feature_page import read_feature_page, render_feature_page

    page = read_feature_page(pipeline)
    if page is None:
        return feature_page(pipeline).read_text(encoding="utf-8")
    try:
        return render_feature_page(page, champion_importance(pipeline))
    except NightshiftError as error:
        return render_feature_page(page, None, unknown=str(error))
