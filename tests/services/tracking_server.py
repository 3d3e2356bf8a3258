"""MLflow's own server in this process, which can be told to misbehave."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class TrackingServer:
    """An MLflow server.

    Attributes
    ----------
    fails_after
        End of a path, by how many requests to it are carried out and answered by 500 all the same; one that begins
        with a method and a space is of that method only.
    silent
        Whether requests are taken and never answered.
    asked
        Method and path of each request.
    """

    address: str = ""
    fails_after: dict[str, int] = field(default_factory=dict)
    silent: bool = False
    asked: list[str] = field(default_factory=list)
    woken: threading.Event = field(default_factory=threading.Event)

    def wait_until_asked(self, times: int) -> None:
        """Wait until so many requests have come, which a silent server notices after its caller has given up."""
        deadline = time.monotonic() + 60
        while len(self.asked) < times and time.monotonic() < deadline:
            time.sleep(0.01)

    def fails(self, request: str) -> bool:
        """Return whether a request is to be answered by 500, and count it."""
        for end in self.fails_after:
            method, _, path = end.rpartition(" ")
            if self.fails_after[end] and request.startswith(method) and request.endswith(path):
                self.fails_after[end] -= 1
                return True
        return False


@contextmanager
def running_server(backend: str) -> Iterator[TrackingServer]:
    """Serve an MLflow store, given by its address."""
    import os

    from mlflow.server import app
    from mlflow.server.constants import BACKEND_STORE_URI_ENV_VAR
    from werkzeug.serving import make_server

    server = TrackingServer()

    def served(environ: dict[str, Any], start_response: Any) -> Any:
        request = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
        server.asked.append(request)
        if server.silent:
            server.woken.wait()
        if server.fails(request):
            list(app(environ, lambda *_: None))  # it is carried out, and nobody hears of it
            start_response("500 Internal Server Error", [("Content-Type", "text/plain")])
            return [b"the connection to the database was lost"]
        return app(environ, start_response)

    before = os.environ.get(BACKEND_STORE_URI_ENV_VAR)
    os.environ[BACKEND_STORE_URI_ENV_VAR] = backend
    http = make_server("127.0.0.1", 0, served, threaded=True)
    http.daemon_threads = True
    server.address = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.woken.set()
        http.shutdown()
        thread.join()
        http.server_close()
        os.environ.pop(BACKEND_STORE_URI_ENV_VAR)
        if before is not None:
            os.environ[BACKEND_STORE_URI_ENV_VAR] = before
