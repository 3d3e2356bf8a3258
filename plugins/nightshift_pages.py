"""The Airflow plugin that serves Nightshift's pages and puts them into the navigation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow.plugins_manager import AirflowPlugin

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

#: Where the API server shows the page of all models.
MODELS = "/nightshift/models"


async def models_page(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request with the web application, imported at the first request.

    Every Airflow process imports the plugins, but only the API server needs a web framework.
    """
    from plugins.web.models_page import app

    await app(scope, receive, send)


class NightshiftPagesPlugin(AirflowPlugin):
    """The pages, and their places in Airflow's UI."""

    name = "nightshift_pages"
    fastapi_apps: ClassVar[list[dict[str, Any]]] = [
        {"app": models_page, "url_prefix": MODELS, "name": "Nightshift's models"},
    ]
    # relative to the address of Airflow's UI, so that they work behind a path prefix
    external_views: ClassVar[list[dict[str, Any]]] = [
        {
            "name": "Models",
            "href": f"{MODELS.lstrip('/')}/",
            "destination": "nav",
            "url_route": "models",
            "nav_top_level": True,
        },
    ]
