"""The schema that all kinds of source share: when rows arrive, their columns, and the changes that are allowed."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from include.config.section import MAX_DAYS, Duration, Section
from include.config.sources.allowed_changes import Contract
from include.config.sources.column_types import LAKE_COLUMNS, READER_COLUMNS, ColumnType
from include.config.sources.history_checks import History
from include.core.names import nearest, wrong_column_names
from include.core.suggestions import did_you_mean, unknown_name


class AvailableAt(Section):
    """When a row becomes known: a timestamp column of the source plus a fixed delay."""

    column: str
    delay: Duration = timedelta(0)

    @field_validator("delay")
    @classmethod
    def _not_before(cls, delay: timedelta) -> timedelta:
        if delay < timedelta(0):
            raise ValueError("a delay cannot be negative: a row is not known before it happened")
        return delay


class LabelKnownAfter(Section):
    """How long after a row its label becomes known; until then the row has no label."""

    days: int = Field(default=0, ge=0, le=MAX_DAYS)
    hours: int = Field(default=0, ge=0, le=MAX_DAYS * 24)
    minutes: int = Field(default=0, ge=0, le=MAX_DAYS * 24 * 60)
    columns: list[str] | None = Field(
        default=None,
        min_length=1,
        description="The columns that become known then; default: the column of features.label.",
    )

    @property
    def delay(self) -> timedelta:
        """The time from `available_at` until the label is known."""
        return timedelta(days=self.days, hours=self.hours, minutes=self.minutes)

    @model_validator(mode="after")
    def _some_time(self) -> LabelKnownAfter:
        if not self.delay:
            raise ValueError("label_known_after needs days, hours or minutes, such as {days: 30}")
        return self


def _column_alone(value: Any) -> Any:
    """Turn a column's name into the column without a delay."""
    return {"column": value} if isinstance(value, str) else value


class RowsPerDay(Section):
    """How many rows a day of the source may have."""

    min: int = Field(default=1, ge=0)
    max: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _some_number_fits(self) -> RowsPerDay:
        if self.max is not None and self.min > self.max:
            raise ValueError(f"min ({self.min}) is more than max ({self.max}), so no day could pass")
        return self


class BaseSource(Section):
    """The fields that every kind of source has.

    Attributes
    ----------
    reader
        Import path of the class that reads the kind, a subclass of `include.ingestion.source_reader.SourceReader`. It
        is a path because Airflow imports the sections whenever it parses the DAGs, and the readers' libraries are slow
        to import.
    kind
        The kind's name in pipeline.yaml. Each section declares it as a `Literal` of one name.
    """

    reader: ClassVar[str]

    arrives: Literal["daily", "snapshot", "append"] = Field(
        default="daily",
        description="daily: each day has its own rows. snapshot: each batch is the whole table. append: each day's "
        "batch has rows of that day and late rows of earlier days.",
    )
    late_days: int = Field(
        default=31,
        ge=1,
        le=MAX_DAYS,
        description="How many days late a row may be if the source arrives as `append`.",
    )
    connection: str = Field(description="Id of the Airflow Connection to the source.")
    deadline: Duration = Field(default=timedelta(hours=1), description="Maximum time for reading a run's days.")
    key: list[str] = Field(min_length=1, description="Columns that together identify a row.")
    columns: dict[str, ColumnType] = Field(min_length=1, description="Every column, with its type.")
    available_at: Annotated[AvailableAt, BeforeValidator(_column_alone, json_schema_input_type=str | AvailableAt)] = (
        Field(description="When a row becomes known; nothing uses it earlier.")
    )
    day: str | None = Field(
        default=None, description="Timestamp column whose UTC day is the partition; default: available_at."
    )
    label_known_after: LabelKnownAfter | None = Field(
        default=None,
        description="If rows carry their label: how long after available_at the label becomes known. features.sql then "
        "reads the source without the label, and <source>_labelled with it, once it is known.",
    )
    rows_per_day: RowsPerDay = RowsPerDay()
    contract: Contract = Contract()
    history: History = History()
    kind: str

    @property
    def slice_column(self) -> str:
        """The column of the raw table by which a day's batch replaces earlier rows."""
        return "delivered" if self.arrives == "append" else "ds"

    @property
    def sparse(self) -> bool:
        """Whether the source's rows are JSON records, which may leave out a field that is null."""
        return False

    @property
    def folder_files(self) -> dict[str, str]:
        """The files of the pipeline's folder that the source needs: the field that names each, and its path."""
        return {}

    @field_validator("deadline")
    @classmethod
    def _some_time(cls, deadline: timedelta) -> timedelta:
        if deadline <= timedelta(0):
            raise ValueError("a deadline must be positive, such as 00:30:00 for half an hour")
        return deadline

    @model_validator(mode="after")
    def _columns_exist(self) -> BaseSource:
        twice = [name for name in self.key if self.key.count(name) > 1]
        if twice:
            raise ValueError(f"key names the column '{twice[0]}' twice; remove one")
        named = [("key", name) for name in self.key]
        named.append(("available_at", self.available_at.column))
        if self.day:
            named.append(("day", self.day))
        by_contract = [("contract.renamed", name) for name in self.contract.renamed.values()]
        if isinstance(self.contract.infinity, dict):
            by_contract += [("contract.infinity", name) for name in self.contract.infinity]
        for field, name in [*named, *by_contract]:
            if name not in self.columns:
                near = nearest(name, self.columns)
                hint = f"; {did_you_mean(name, near)}" if near else ""
                raise ValueError(f"{field} names the column '{name}', which `columns` does not declare{hint}")
        for field, name in named[len(self.key) :]:
            if self.columns[name] != "timestamp":
                raise ValueError(f"{field} needs a timestamp, and '{name}' is a {self.columns[name]}")
        reserved = {*LAKE_COLUMNS, *READER_COLUMNS} - {self.available_at.column}
        wrong = wrong_column_names([*self.columns, *self.contract.retired], reserved)
        if wrong:
            raise ValueError("; ".join(wrong))
        if self.arrives == "snapshot" and self.day:
            raise ValueError("a snapshot has no `day` column: each batch is a partition of its own")
        if self.arrives == "append" and self.day in (None, self.available_at.column):
            raise ValueError("a source that arrives as append needs `day`, the column of a row's own day")
        for name in (self.label_known_after.columns or []) if self.label_known_after else []:
            if name not in self.columns:
                raise ValueError(f"label_known_after: {unknown_name('column', name, list(self.columns))}")
            if name in [each for _, each in named]:
                raise ValueError(
                    f"label_known_after names '{name}', which is in the key or dates the row, so it is known with the "
                    "row"
                )
        if self.label_known_after and self.arrives == "snapshot":
            raise ValueError("label_known_after is for a source that arrives by day, and this one is a snapshot")
        for name in self.contract.retired:
            if name in self.columns:
                raise ValueError(f"contract.retired names the column '{name}', which `columns` still declares")
        return self
