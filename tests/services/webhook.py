"""A webhook on this machine that keeps what is posted to it."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Whoever knows the path of a webhook may post to it.
PATH, TOKEN = "/hooks/the-path-is-a-secret", "the-token-of-the-webhook"


@dataclass
class Webhook:
    """A running server, and the documents that were posted, in their order.

    Attributes
    ----------
    status
        What each request is answered with.
    """

    port: int = 0
    status: int = 200
    posted: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The address that takes messages."""
        return f"http://127.0.0.1:{self.port}{PATH}"

    def connection(self) -> str:
        """Return the value of an AIRFLOW_CONN_ variable that leads here."""
        extra = {"Authorization": f"Bearer {TOKEN}"}
        return json.dumps({"conn_type": "http", "host": self.url, "extra": extra})


@contextmanager
def serve() -> Iterator[Webhook]:
    """Take in JSON documents until the block ends."""
    hook = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            hook.posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            hook.paths.append(self.path)
            hook.headers.append(dict(self.headers))
            self.send_response(hook.status)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hook.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield hook
        server.shutdown()
        thread.join()
