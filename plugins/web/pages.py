"""What all pages of the plugin share: their policy, and errors as pages."""

import secrets
from collections.abc import Callable
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException
from starlette.responses import Response

from include.core.errors import NightshiftError
from include.reports.models_page import message_page

#: Folders of an address such as `/nightshift/models/`.
MOUNT_DEPTH = 2

#: Title and sentence of the errors that a reader meets.
ERRORS = {
    401: ("Log in first", "This page needs a login. Log in to Airflow, then open it again."),
    403: ("No access", "Your role in Airflow does not let you read this. Ask the person who manages the roles."),
    404: ("There is no such page", "The address is wrong, or what it showed was removed."),
}


def page_response(render: Callable[[str], str], status: int = 200) -> HTMLResponse:
    """Return a page; the browser runs its own script only, and loads nothing from another host.

    Airflow shows the page in a frame of its own window, which `X-Frame-Options: DENY` would leave blank.

    Parameters
    ----------
    render
        Returns the page, given the nonce of its style and script.
    """
    nonce = secrets.token_urlsafe(16)
    policy = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; img-src data:; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'self'"
    )
    # a folder's name may hold bytes that are no text
    content = render(nonce).encode(errors="backslashreplace")
    headers = {
        "Content-Security-Policy": policy,
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
    return HTMLResponse(content, status, headers)


def path_to_airflow(request: Request) -> str:
    """Return Airflow's address relative to the page of a request, whatever path a proxy has put before both."""
    mounted, whole = request.scope.get("root_path", ""), request.scope["path"]
    below = whole.removeprefix(mounted)
    depth = MOUNT_DEPTH + below.count("/") - 1
    return "../" * depth


def new_app(title: str) -> FastAPI:
    """Return an application whose errors are pages."""
    app = FastAPI(title=title, docs_url=None, redoc_url=None, openapi_url=None)
    app.add_exception_handler(HTTPException, _error_page)
    app.add_exception_handler(NightshiftError, _unavailable_page)
    return app


async def _error_page(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException), "the handler is registered for these"
    phrase = HTTPStatus(error.status_code).phrase
    title, sentence = ERRORS.get(error.status_code, (phrase, str(error.detail)))
    return page_response(
        lambda nonce: message_page(title, sentence, root=path_to_airflow(request), nonce=nonce), error.status_code
    )


async def _unavailable_page(request: Request, error: Exception) -> Response:
    """Show the sentence of an error that concerns the whole page, such as a wrong setting."""
    return page_response(
        lambda nonce: message_page("This page cannot be shown", str(error), root=path_to_airflow(request), nonce=nonce),
        503,
    )
