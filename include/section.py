"""A section of pipeline.yaml: what all of them have in common."""

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]


def _three_parts(value: Any) -> Any:
    """Refuse a duration of two parts, which some read as minutes and others as hours."""
    if isinstance(value, str) and re.fullmatch(r"\s*[-+]?\d+:\d+\s*", value):
        raise ValueError(f"'{value}' may be minutes or hours; write hours, minutes and seconds, such as 00:30:00")
    return value


#: A span of time: seconds, hours:minutes:seconds, or an ISO 8601 duration.
Duration = Annotated[timedelta, BeforeValidator(_three_parts)]


class Section(BaseModel):
    """A part of pipeline.yaml: unknown fields are mistakes, and nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False)
