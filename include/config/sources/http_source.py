"""The schema of a source of kind `http`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from include.config.section import Section
from include.config.sources.base import BaseSource
from include.config.sources.day_fields import names_a_day


def _one_alone(value: Any) -> Any:
    """Turn a text into a list with one text."""
    return [value] if isinstance(value, str) else value


class Paging(Section):
    """How an API splits a long response."""

    style: Literal["page", "offset", "cursor", "link", "one_answer"] = Field(
        description="page: a page's number. offset: rows to skip. cursor: a cursor from the previous response. "
        "link: the Link header's rel=next. one_answer: not split, although the response looks as if more followed."
    )
    parameter: str | None = Field(default=None, description="Query parameter of the number, offset or cursor.")
    first: int = Field(default=1, ge=0, description="Number of the first page.")
    size: int | None = Field(default=None, ge=1, description="Records of a full page.")
    size_parameter: str | None = Field(default=None, description="Query parameter that asks for `size`.")
    next: str | None = Field(
        default=None,
        description="Path of the next cursor in the response, such as meta.next; the last response has none.",
    )
    last: Literal["empty_page", "null_page", "short_page"] = Field(
        default="empty_page",
        description="How the pages end. empty_page: with a page without records. null_page: with that, or null in "
        "place of the list. short_page: with a page of fewer records than `size`.",
    )
    total: str | None = Field(
        default=None,
        description="Path of the number of all records in the response, such as meta.total or header:X-Total-Count; "
        "the pages end once that many were read, and an earlier end is an error.",
    )
    more: str | None = Field(
        default=None,
        description="Path of the boolean in the response that announces another page, such as meta.has_more.",
    )

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Paging:
        if self.size_parameter and not self.size:
            raise ValueError("size_parameter needs `size`: the number of records to request")
        if self.style == "cursor" and not self.next:
            raise ValueError("a cursor needs `next`: the path of the next cursor in the response, such as meta.next")
        if self.last == "short_page" and (not self.size or self.style not in ("page", "offset")):
            raise ValueError("last: short_page needs `size`, how many records a full page has, and pages or offsets")
        return self


class HttpSource(BaseSource):
    """Records of a JSON API, behind an Airflow `http` connection."""

    reader = "include.ingestion.http.HttpReader"
    kind: Literal["http"]
    path: str = Field(description="Path below the connection's address; may contain what `params` may.")
    params: dict[str, str] = Field(
        default={},
        description="Query parameters. With {ds}, the day (2013-01-31), or {year}, {month} and {day}, each day has a "
        "request of its own; {start} and {end} stand for the bounds of a request (2013-01-31T00:00:00Z). Secrets "
        "belong in the connection.",
    )
    records: str = Field(default="", description="Path of the records in the response, such as data.items.")
    error: Annotated[list[str] | None, BeforeValidator(_one_alone, json_schema_input_type=str | list[str] | None)] = (
        Field(
            default=None,
            description="Path of the field by which a response with status 200 reports a failure, such as meta.fault, "
            "or a list of paths. Default: `error`, `errors`, `success: false` and other common fields.",
        )
    )
    paging: Paging | None = None
    requests_per_second: float = Field(default=10, gt=0, description="The rate that the API allows.")
    timeout_seconds: float = Field(default=30, gt=0, description="How long to wait for the API to respond.")
    attempts: int = Field(default=5, ge=1, description="Attempts for a page after 429, 5xx or no response.")

    @property
    def sparse(self) -> bool:
        """Always: a record may leave out a field that is null."""
        return True

    @model_validator(mode="after")
    def _names_its_day(self) -> HttpSource:
        text = " ".join([self.path, *self.params.values()])
        if self.arrives != "snapshot" and not names_a_day(text) and "{start}" not in text:
            raise ValueError(
                "path and params do not name the day; write {ds} (2013-01-31) in one of them, or {year}, {month} and "
                "{day}, or the bounds {start} and {end}; only a snapshot may be requested without a day"
            )
        return self
