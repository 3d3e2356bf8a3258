"""The Airflow plugin that serves the pages of validations and features, and adds links to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow.plugins_manager import AirflowPlugin

from include.core.airflow_pages import FEATURES, VALIDATIONS
from plugins.operators.page_links import FeaturePageLink, ValidationPageLink, VersionPageLink

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send


async def validation_pages(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request with the web application, imported at the first request.

    Every Airflow process imports the plugins, but only the API server needs a web framework.
    """
    from plugins.web.validation_pages import app

    await app(scope, receive, send)


async def feature_pages(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request with the web application, imported at the first request."""
    from plugins.web.feature_pages import app

    await app(scope, receive, send)


class DataDocsPlugin(AirflowPlugin):
    """The pages, and the links to them."""

    name = "nightshift_data_docs"
    fastapi_apps: ClassVar[list[dict[str, Any]]] = [
        {"app": validation_pages, "url_prefix": VALIDATIONS, "name": "Nightshift's validations"},
        {"app": feature_pages, "url_prefix": FEATURES, "name": "Nightshift's features"},
    ]
    operator_extra_links: ClassVar[list[Any]] = [ValidationPageLink(), FeaturePageLink(), VersionPageLink()]
