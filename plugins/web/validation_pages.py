"""The web application that shows the pages of validations."""

import re

from airflow.api_fastapi.auth.managers.models.resource_details import AccessView
from airflow.api_fastapi.core_api.security import requires_access_view
from fastapi import Depends, FastAPI, HTTPException
from fastapi.responses import HTMLResponse

from include.workspace import validations_folder

# FastAPI reads the annotations of these functions when they are defined: no `from __future__ import annotations`

app = FastAPI(title="Nightshift's validations", docs_url=None, redoc_url=None, openapi_url=None)

_NAME = re.compile(r"[A-Za-z0-9_=+-][A-Za-z0-9_.=+-]*")


@app.get("/{pipeline}/{source}/{page}", dependencies=[Depends(requires_access_view(AccessView.WEBSITE))])
def show_page(pipeline: str, source: str, page: str) -> HTMLResponse:
    """Return a validation's page to whoever may see the website; a browser may show it and run nothing."""
    from include.validation.data_docs import POLICY

    if not all(_NAME.fullmatch(part) for part in (pipeline, source, page)):
        raise HTTPException(404, "there is no such page")
    try:
        content = (validations_folder(pipeline, source) / f"{page}.html").read_text(encoding="utf-8")
    except FileNotFoundError:
        raise HTTPException(404, f"no validation of {pipeline}'s source '{source}' was kept for this run") from None
    return HTMLResponse(content, headers={"Content-Security-Policy": f"{POLICY}; sandbox", "X-Frame-Options": "DENY"})
