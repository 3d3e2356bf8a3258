"""The schema of pipeline.yaml's section `schedule`."""

from __future__ import annotations

import re
from typing import Any

from pydantic import Field, field_validator, model_validator

from include.config.section import Section

#: Schedules that are not cron expressions, and the DAGs that may have them.
WORDS = {
    "after_ingest": ("retrain", "score"),
    "when_needed": ("retrain",),
    "after_score": ("monitor",),
}


class Schedule(Section):
    """When the DAGs run, in UTC."""

    ingest: str | None = "15 0 * * *"
    retrain: str | None = Field(
        default="after_ingest",
        description="after_ingest, when_needed (after an alert of the monitor), a cron expression, or null for manual "
        "runs only.",
    )
    score: str | None = Field(
        default="after_ingest", description="after_ingest, a cron expression, or null for manual runs only."
    )
    monitor: str | None = Field(
        default="after_score", description="after_score, a cron expression, or null for manual runs only."
    )
    maintain: str | None = Field(default="30 11 * * 0", description="When the lake's tables are compacted.")

    @field_validator("ingest", "retrain", "score", "monitor", "maintain", mode="before")
    @classmethod
    def _check_text(cls, value: Any) -> Any:
        if value is not None and not isinstance(value, str):
            found = str(value).lower() if isinstance(value, bool) else repr(value)
            raise ValueError(
                f"expected a cron expression, such as '15 0 * * *', or null for manual runs only; found {found}"
            )
        return value

    @field_validator("ingest", "retrain", "score", "monitor", "maintain")
    @classmethod
    def _check_cron(cls, value: str | None) -> str | None:
        from croniter import CroniterBadDateError, croniter

        if value is None or value in WORDS:
            return value
        if not (len(value.split()) == 5 and croniter.is_valid(value)):
            raise ValueError(
                f"'{value}' is not a cron expression of five parts, such as '15 0 * * *'; null is for manual runs only"
            )
        if re.search(r"(?<![a-z])[hr](?![a-z])", value.lower()):
            raise ValueError(f"'{value}' would change each time it is read; write numbers in place of H and R")
        try:
            croniter(value).get_next()
        except CroniterBadDateError as error:
            raise ValueError(f"'{value}' names a day that no month has; correct it") from error
        return value

    @model_validator(mode="after")
    def _check_words(self) -> Schedule:
        for field, value in self:
            known = [word for word, fields in WORDS.items() if field in fields]
            if value in WORDS and value not in known:
                raise ValueError(f"{field} cannot run {value}; give it {' or '.join([*known, 'a cron expression'])}")
        if self.retrain == "when_needed" and self.monitor is None:
            raise ValueError("retrain is when_needed, which needs the monitor's alerts; give monitor a value")
        return self
