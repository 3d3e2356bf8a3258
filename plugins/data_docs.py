"""Airflow's plugin for Data Docs: the pages of validations in its web server, and the link from a task to its page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow.plugins_manager import AirflowPlugin

from plugins.operators.validation_page import PREFIX, ValidationPageLink

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send


async def pages(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request by the web application, which is imported for the first one.

    Every process of Airflow imports its plugins, and only the API server needs a web framework.
    """
    from plugins.web.validation_pages import app

    await app(scope, receive, send)


class DataDocsPlugin(AirflowPlugin):
    """The pages, and the link to them."""

    name = "nightshift_data_docs"
    fastapi_apps: ClassVar[list[dict[str, Any]]] = [
        {"app": pages, "url_prefix": PREFIX, "name": "Nightshift's validations"}
    ]
    operator_extra_links: ClassVar[list[Any]] = [ValidationPageLink()]
