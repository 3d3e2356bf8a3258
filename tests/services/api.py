"""A JSON API on this machine that splits its records in every way that a source can name, and fails when told to."""

from __future__ import annotations

import json
import threading
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = "the-token-of-the-api"


@dataclass
class Fault:
    """What the API does with one request instead of answering it.

    Attributes
    ----------
    hangs
        Keep the caller waiting until the API is closed.
    drops
        End the connection without a word.
    cut
        Promise more bytes than are sent.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    hangs: bool = False
    drops: bool = False
    cut: bool = False


@dataclass
class Asked:
    """A request that came."""

    path: str
    params: dict[str, str]
    headers: dict[str, str]


class Api:
    """Records behind `/page`, `/offset`, `/cursor`, `/link` and `/all`, `size` at a time.

    The params `ds`, or `from` and `to`, choose records by the day of their `at`.

    Attributes
    ----------
    credentials
        What the header Authorization must be; None lets anybody in.
    faults
        What happens to the next requests, one after another.
    asked
        The requests that came, in their order.
    next_link
        Where the Link header leads instead of to the next page.
    next_cursor
        The cursor that is given instead of the next.
    missing_past_the_end
        Answer 404 for a page without records.
    """

    def __init__(self, records: list[Any], size: int = 3) -> None:
        self.records, self.size = records, size
        self.credentials: str | None = f"Bearer {TOKEN}"
        self.faults: deque[Fault] = deque()
        self.asked: list[Asked] = []
        self.next_link: str | None = None
        self.next_cursor: object = None
        self.missing_past_the_end = False
        self.closed = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))

    @property
    def url(self) -> str:
        """Where the API listens."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def serving(self) -> Iterator[Api]:
        """Answer requests until the end of the block."""
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.closed.set()
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def answer(self, asked: Asked) -> Fault:
        """Return what a request gets."""
        if self.credentials and asked.headers.get("authorization") != self.credentials:
            return Fault(401, b'{"error": "who are you?"}')
        if self.faults:
            return self.faults.popleft()
        style, params = asked.path.strip("/").split("/")[-1], asked.params
        found = [record for record in self.records if _chosen(record, params)]
        if style == "all":
            return Fault(body=json.dumps(found).encode())
        size = int(params.get("limit", self.size))
        skipped = (int(params.get("page", 1)) - 1) * size if style == "page" else int(params.get(style, 0))
        page, following = found[skipped : skipped + size], skipped + size
        more = following < len(found)
        if not page and self.missing_past_the_end:
            return Fault(404, b'{"detail": "Invalid page."}')
        body: dict[str, Any] = {"data": {"items": page}, "meta": {}}
        headers = {}
        if style == "cursor":
            body["meta"]["next"] = self.next_cursor if self.next_cursor else (str(following) if more else None)
        if style == "link" and more:
            link = self.next_link or f"{self.url}{asked.path}?{urlencode({**params, 'link': following})}"
            headers["Link"] = f'<{self.url}/first>; rel="first", <{link}>; rel="next"'
        return Fault(body=json.dumps(body).encode(), headers=headers)


def _chosen(record: Any, params: dict[str, str]) -> bool:
    if "ds" in params:
        return record["at"].startswith(params["ds"])
    return params.get("from", "") <= record["at"] < params.get("to", "~") if "from" in params else True


def _handler_of(api: Api) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(parts.path, dict(parse_qsl(parts.query)), headers)
            api.asked.append(asked)
            answer = api.answer(asked)
            if answer.hangs:
                api.closed.wait(300)
            if answer.hangs or answer.drops:
                return
            self.send_response(answer.status)
            for name, value in {"Content-Type": "application/json", **answer.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body) + 10 * answer.cut))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    return Handler
