"""Reads the records of a range of days from a JSON API, page by page."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from include.config.sources import DAY_FIELDS, with_day
from include.ingestion.api import Api
from include.ingestion.paging import pages
from include.ingestion.source_reader import Chunk, SourceReader, SourceRows
from include.ingestion.values import records_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from include.config.sources import HttpSource
    from include.core.connections import ApiEndpoint, Connections
    from include.ingestion.api import Params
    from include.ingestion.source_reader import ReadRequest


class HttpReader(SourceReader["HttpSource"]):
    """Reads the records of a JSON API."""

    def read(self, request: ReadRequest, connections: Connections) -> SourceRows:
        """Ask the API for the records of the requested days."""
        endpoint = connections.api(self.source.connection)
        return read_http(self.source, *request.bounds, endpoint, request.where)


def read_http(source: HttpSource, start: datetime, end: datetime, endpoint: ApiEndpoint, where: str) -> SourceRows:
    """Ask an API for the records from `start` (inclusive) to `end` (exclusive), both midnights in UTC.

    Where the source's path or params name the day, each day is asked for by itself, else the range at once.
    Nested values become JSON text, and times stay the text that they are.

    Parameters
    ----------
    endpoint
        Where the API is, and the session with its token; closed when the chunks are exhausted.
    where
        What is read, for the error's sentence.

    Raises
    ------
    SourceUnreadable
        While the chunks are read, if the API refuses a request, does not answer, or answers something else
        than a page of records; `retryable` if it was overloaded, failing or silent to the last attempt.
    SchemaMismatch
        While the chunks are read, if a text is not Unicode.
    """
    sequences = _sequences(source, start, end)
    path, params = sequences[0]
    read_from: dict[str, Any] = {"requests": 0, "records": 0, "path": path, "params": _without_secrets(params)}

    def chunks() -> Iterator[Chunk]:
        with endpoint.session:
            api = Api(source, endpoint, where)
            for path, params in sequences:
                for here, records in pages(api, path, params):
                    read_from["requests"] = api.requests
                    read_from["records"] += len(records)
                    if records:
                        yield Chunk(records_table(records, here), here)
                read_from["requests"] = api.requests

    return SourceRows(chunks(), read_from)


def _sequences(source: HttpSource, start: datetime, end: datetime) -> list[tuple[str, Params]]:
    """Return the path and params of each first request: one a day, or one for all."""
    if not any(f"{{{field}}}" in text for text in [source.path, *source.params.values()] for field in DAY_FIELDS):
        bounds = [(start, end)]
    else:
        day = timedelta(days=1)
        bounds = [(start + day * number, start + day * (number + 1)) for number in range((end - start) // day)]
    sequences = []
    for first, last in bounds:
        values = {"{start}": _moment(first), "{end}": _moment(last)}
        path, params = source.path, source.params
        texts = [with_day(_filled(text, values), f"{first:%Y-%m-%d}") for text in [path, *params.values()]]
        sequences.append((texts[0], dict(zip(params, texts[1:], strict=True))))
    return sequences


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _filled(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(name, value)
    return text


def _without_secrets(params: Params) -> Params:
    """Mask what should not be among the params at all."""
    secret = re.compile("key|token|secret|passw|auth|signature|credential", re.IGNORECASE)
    return {name: "***" if secret.search(name) else value for name, value in params.items()}
