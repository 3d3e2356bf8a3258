"""The web application that shows the pages of validations."""

import re

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse

from include.core.html_page import POLICY
from include.lake.run_files import validations_folder

# no `from __future__ import annotations`: FastAPI reads the annotations when the functions are defined

app = FastAPI(title="Nightshift's validations", docs_url=None, redoc_url=None, openapi_url=None)

_NAME = re.compile(r"[A-Za-z0-9_=+-][A-Za-z0-9_.=+-]*")


def may_read_logs(pipeline: str, request: Request, user: GetUserDep) -> None:
    """Refuse users who may not read the logs of the pipeline's ingest, because they show the same rows."""
    requires_access_dag("GET", DagAccessEntity.TASK_LOGS, f"{pipeline}.ingest")(request, user)


@app.get("/{pipeline}/{source}/{page}", dependencies=[Depends(may_read_logs)])
def show_page(pipeline: str, source: str, page: str) -> HTMLResponse:
    """Return a validation's page; the browser may show it but run no script in it."""
    if not all(_NAME.fullmatch(part) for part in (pipeline, source, page)):
        raise HTTPException(404, "this page does not exist")
    try:
        content = (validations_folder(pipeline, source) / f"{page}.html").read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise HTTPException(404, f"no validation of {pipeline}'s source '{source}' was kept for this run") from error
    return HTMLResponse(content, headers={"Content-Security-Policy": f"{POLICY}; sandbox", "X-Frame-Options": "DENY"})
