"""Reads records for a range of days from a JSON API, page by page."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from include.config.sources import DAY_FIELDS, with_day
from include.ingestion.api import Api
from include.ingestion.paging import pages
from include.ingestion.read_record import ReadRecord
from include.ingestion.source_reader import Chunk, SourceReader, SourceRows
from include.ingestion.values import records_table

if TYPE_CHECKING:
    from collections.abc import Generator

    from include.config.sources.http_source import HttpSource
    from include.core.connections import ApiEndpoint, Connections
    from include.ingestion.api import Params
    from include.ingestion.source_reader import ReadRequest


@dataclass(frozen=True)
class HttpRead(ReadRecord):
    """The numbers of requests and records, and the path and params of the first request; secrets are masked."""

    requests: int
    records: int
    path: str
    params: dict[str, str]


class HttpReader(SourceReader["HttpSource", HttpRead]):
    """Reads the records of a JSON API."""

    record = HttpRead

    def read(self, request: ReadRequest, connections: Connections) -> SourceRows[HttpRead]:
        """Request the records of the requested days."""
        endpoint = connections.api(self.source.connection)
        return read_http(self.source, *request.bounds, endpoint, request.where)


def read_http(
    source: HttpSource, start: datetime, end: datetime, endpoint: ApiEndpoint, where: str
) -> SourceRows[HttpRead]:
    """Request the records from `start` (inclusive) to `end` (exclusive), both midnights in UTC.

    If the source's path or params name the day, each day has a request of its own; otherwise one request has the
    whole range. Nested values become JSON text, and times stay text.

    Parameters
    ----------
    endpoint
        The API's address and the session with its token, which is closed once the chunks are exhausted.
    where
        The pipeline, source and days, for an error's sentence.

    Raises
    ------
    SourceUnreadable
        While the chunks are read, if the API refuses a request, does not respond, or returns something else
        than a page of records; `retryable` if it was overloaded, failing or silent until the last attempt.
    SchemaMismatch
        While the chunks are read, if a text is not valid Unicode.
    """
    first_requests = _first_requests(source, start, end)

    def chunks() -> Generator[Chunk, None, HttpRead]:
        count = 0
        with endpoint.session:
            api = Api(source, endpoint, where)
            for path, params in first_requests:
                for here, records in pages(api, path, params):
                    count += len(records)
                    if records:
                        yield Chunk(records_table(records, here), here)
        path, params = first_requests[0]
        return HttpRead(requests=api.requests, records=count, path=path, params=_without_secrets(params))

    return SourceRows(chunks())


def _first_requests(source: HttpSource, start: datetime, end: datetime) -> list[tuple[str, Params]]:
    """Return the path and params of the first request of each day, or of one request for the whole range."""
    if not any(f"{{{field}}}" in text for text in [source.path, *source.params.values()] for field in DAY_FIELDS):
        bounds = [(start, end)]
    else:
        day = timedelta(days=1)
        bounds = [(start + day * number, start + day * (number + 1)) for number in range((end - start) // day)]
    requests = []
    for first, last in bounds:
        values = {"{start}": _iso_utc(first), "{end}": _iso_utc(last)}
        path, params = source.path, source.params
        texts = [with_day(_fill_in(text, values), f"{first:%Y-%m-%d}") for text in [path, *params.values()]]
        requests.append((texts[0], dict(zip(params, texts[1:], strict=True))))
    return requests


def _iso_utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _fill_in(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(name, value)
    return text


def _without_secrets(params: Params) -> Params:
    """Mask params that look like secrets, which belong in the connection."""
    secret = re.compile("key|token|secret|passw|auth|signature|credential", re.IGNORECASE)
    return {name: "***" if secret.search(name) else value for name, value in params.items()}
