"""The schema of the sources in pipeline.yaml: where they are, when they arrive, and what they may change."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from include.section import Name, Section

ColumnType = Literal["string", "integer", "float", "boolean", "timestamp"]
Infinity = Literal["refuse", "null"]

#: Columns that Nightshift adds to every raw table, so no source may bring its own.
LAKE_COLUMNS = ("ds", "available_at", "batch", "delivered")


class AvailableAt(Section):
    """When a row became known: a timestamp column of the source, plus a fixed delay."""

    column: str
    delay: timedelta = timedelta(0)

    @field_validator("delay")
    @classmethod
    def _not_before(cls, delay: timedelta) -> timedelta:
        if delay < timedelta(0):
            raise ValueError("a delay cannot be negative: a row is not known before it happened")
        return delay


def _column_alone(value: Any) -> Any:
    """Take a column's name for the column without a delay."""
    return {"column": value} if isinstance(value, str) else value


def _yaml_word(value: Any) -> Any:
    """Take what YAML makes of the bare words null and off for these words."""
    return "null" if value is None else "off" if value is False else value


class RowsPerDay(Section):
    """How many rows one day of the source may have."""

    min: int = Field(default=1, ge=0)
    max: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _some_number_fits(self) -> RowsPerDay:
        if self.max is not None and self.min > self.max:
            raise ValueError(f"min ({self.min}) is more than max ({self.max}), so no day could pass")
        return self


class Contract(Section):
    """What a source may change of its columns without an edit here; what is not allowed is an error."""

    added: Literal["refuse", "ignore"] = Field(
        default="refuse", description="A column that `columns` does not declare: refuse it, or leave it out."
    )
    dropped: Annotated[
        Literal["refuse", "null"], BeforeValidator(_yaml_word, json_schema_input_type=Literal["refuse", "null", None])
    ] = Field(default="refuse", description="A declared column that is not delivered: refuse, or fill it with null.")
    renamed: dict[str, str] = Field(default={}, description="The source's name of a column: the declared one.")
    retyped: Literal["refuse_key", "cast", "refuse"] = Field(
        default="refuse_key",
        description="A column of another type than in the last batch. cast: cast it where every value fits. refuse: "
        "refuse it. refuse_key: cast it, but refuse a key column that is declared as string, whose text may change.",
    )
    infinity: Annotated[
        Infinity, BeforeValidator(_yaml_word, json_schema_input_type=Literal["refuse", "null", None])
    ] = Field(
        default="refuse",
        description="An infinite number, such as inf or 1e400: refuse it, or make it null. NaN is null.",
    )
    retired: list[Name] = Field(
        default=[], description="Columns that were declared once; the lake keeps them, null from now on."
    )


class HistoryCheck(Section):
    """One comparison of a day with the days before it."""

    severity: Annotated[
        Literal["warning", "critical", "off"],
        BeforeValidator(_yaml_word, json_schema_input_type=Literal["warning", "critical", "off", False]),
    ] = "warning"
    limit: float = Field(gt=0, allow_inf_nan=False)


class Volume(HistoryCheck):
    """Rows beside the mean of the last four same weekdays, or beside the last snapshot."""

    limit: float = Field(default=0.4, gt=0, description="Share by which the rows may differ from that mean.")


class Freshness(HistoryCheck):
    """The newest `available_at`, beside the end of the day; a snapshot is not judged."""

    limit: float = Field(default=6, gt=0, description="Hours by which it may be earlier in its day than it used to be.")


class Nulls(HistoryCheck):
    """The share of nulls of each column."""

    limit: float = Field(default=0.1, gt=0, le=1, description="How much the share may be above the highest so far.")


class Distinct(HistoryCheck):
    """The number of distinct values of each column, and values that were never seen."""

    limit: float = Field(default=0.5, gt=0, description="Share by which it may be outside of what it used to be.")


class Distribution(HistoryCheck):
    """The population stability index of each column."""

    limit: float = Field(
        default=0.25,
        gt=0,
        description="PSI that may come on top of what is usual; 0.1 is a slight shift, 0.25 a great one.",
    )


class History(Section):
    """Comparisons of a day with the published days before it."""

    days: int = Field(default=28, ge=14, le=366, description="How many days back the comparisons look.")
    volume: Volume = Volume()
    freshness: Freshness = Freshness()
    nulls: Nulls = Nulls()
    distinct: Distinct = Distinct()
    distribution: Distribution = Distribution()

    @property
    def active(self) -> list[HistoryCheck]:
        """The comparisons that are made."""
        every = (self.volume, self.freshness, self.nulls, self.distinct, self.distribution)
        return [check for check in every if check.severity != "off"]


class _Source(Section):
    arrives: Literal["daily", "snapshot", "append"] = Field(
        default="daily",
        description="daily: each day brings its own rows. snapshot: each delivery is the whole table. append: each "
        "day's delivery brings rows of that day and late ones of the days before it.",
    )
    late_days: int = Field(
        default=31, ge=1, description="How many days late a row may be, where a source arrives as `append`."
    )
    connection: str = Field(description="Id of the Airflow Connection that leads to the source.")
    deadline: timedelta = Field(default=timedelta(hours=1), description="How long reading a run's days may take.")
    key: list[str] = Field(min_length=1, description="Columns that together name one row.")
    columns: dict[str, ColumnType] = Field(min_length=1, description="Every column, with its type.")
    available_at: Annotated[AvailableAt, BeforeValidator(_column_alone, json_schema_input_type=str | AvailableAt)] = (
        Field(description="When a row became known; nothing uses it before.")
    )
    day: str | None = Field(
        default=None, description="Timestamp column whose UTC day is the partition; default: available_at."
    )
    rows_per_day: RowsPerDay = RowsPerDay()
    contract: Contract = Contract()
    history: History = History()

    @property
    def slice_column(self) -> str:
        """The column of the raw table by which a day's delivery is replaced."""
        return "delivered" if self.arrives == "append" else "ds"

    @property
    def sparse(self) -> bool:
        """Whether the source delivers records, which may leave out what is null."""
        return False

    @field_validator("deadline")
    @classmethod
    def _some_time(cls, deadline: timedelta) -> timedelta:
        if deadline <= timedelta(0):
            raise ValueError("a deadline must be longer than nothing, such as 00:30:00 for half an hour")
        return deadline

    @model_validator(mode="after")
    def _columns_exist(self) -> _Source:
        named = [("key", name) for name in self.key]
        named.append(("available_at", self.available_at.column))
        if self.day:
            named.append(("day", self.day))
        for field, name in [*named, *(("contract.renamed", name) for name in self.contract.renamed.values())]:
            if name not in self.columns:
                raise ValueError(f"{field} names the column '{name}', which `columns` does not declare")
        for field, name in named[len(self.key) :]:
            if self.columns[name] != "timestamp":
                raise ValueError(f"{field} needs a timestamp, and '{name}' is a {self.columns[name]}")
        for name in LAKE_COLUMNS:
            if name in self.columns and self.available_at.column != name:
                raise ValueError(f"the column name '{name}' is kept for Nightshift's own; rename it")
        if self.arrives == "snapshot" and self.day:
            raise ValueError("a snapshot has no `day` column: each delivery is a partition of its own")
        if self.arrives == "append" and self.day in (None, self.available_at.column):
            raise ValueError("a source that arrives as append needs `day`, the column of a row's own day")
        for name in self.contract.retired:
            if name in self.columns:
                raise ValueError(f"contract.retired names the column '{name}', which `columns` still declares")
        return self


class SqlSource(_Source):
    """A query on an Airflow SQL connection, bounded by `:start` (inclusive) and `:end` (exclusive)."""

    kind: Literal["sql"]
    query: str = Field(description="Path of the SQL file, in the pipeline's folder.")


class FilesSource(_Source):
    """CSV, JSON lines or Parquet files below the folder of an Airflow connection, local or an object store."""

    kind: Literal["files"]
    path: str = Field(
        description="Path below the connection's folder, with * and ** as wildcards; {ds} stands for the day "
        "(2013-01-31), {year}, {month} and {day} for its parts."
    )
    format: Literal["csv", "jsonl", "parquet"] | None = Field(
        default=None, description="Default: what the file's name ends with, without .gz, .bz2, .zst or .zip."
    )

    @property
    def sparse(self) -> bool:
        """Whether the files hold JSON records."""
        name = re.sub(r"\.(gz|bz2|zst|zip)$", "", self.path)
        return self.format == "jsonl" or (self.format is None and name.endswith((".jsonl", ".ndjson", ".json")))

    @model_validator(mode="after")
    def _names_its_day(self) -> FilesSource:
        fields = {"ds", "year", "month", "day"}
        named = {field for field in fields if f"{{{field}}}" in self.path}
        if self.arrives != "snapshot" and not (named == {"ds"} or named >= {"year", "month", "day"}):
            raise ValueError("path must contain {ds}, the day, where the source does not arrive as a snapshot")
        if self.arrives == "snapshot" and named:
            raise ValueError("path may not contain the day where the source arrives as a snapshot")
        return self


class Paging(Section):
    """How an API splits a long answer."""

    style: Literal["page", "offset", "cursor", "link"] = Field(
        description="page: a page's number. offset: rows to skip. cursor: a mark from the answer before. "
        "link: the Link header's rel=next."
    )
    parameter: str | None = Field(default=None, description="Query parameter of the number, offset or cursor.")
    first: int = Field(default=1, ge=0, description="Number of the first page.")
    size: int | None = Field(
        default=None,
        ge=1,
        description="Records of a full page: a page or offset with fewer is the last. Default: one without any is.",
    )
    size_parameter: str | None = Field(default=None, description="Query parameter that asks for `size`.")
    next: str | None = Field(
        default=None, description="Where the answer has the next cursor, such as meta.next; the last answer has none."
    )

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Paging:
        if self.size_parameter and not self.size:
            raise ValueError("size_parameter needs `size`: how many records to ask for")
        if self.style == "cursor" and not self.next:
            raise ValueError("a cursor needs `next`: where the answer has the next cursor, such as meta.next")
        return self


class HttpSource(_Source):
    """Records of a JSON API, behind an Airflow `http` connection."""

    kind: Literal["http"]
    path: str = Field(description="Path below the connection's address; may contain what `params` may.")
    params: dict[str, str] = Field(
        default={},
        description="Query parameters. With {ds}, the day (2013-01-31), each day is asked for by itself; {start} and "
        "{end} stand for the bounds of what is asked for (2013-01-31T00:00:00Z). A secret belongs in the connection.",
    )
    records: str = Field(default="", description="Where the answer has its records, such as data.items.")
    paging: Paging | None = None
    requests_per_second: float = Field(default=10, gt=0, description="The pace that the API allows.")
    timeout_seconds: float = Field(default=30, gt=0, description="How long the API may be silent.")
    attempts: int = Field(default=5, ge=1, description="How often one page is asked for on 429, 5xx or no answer.")

    @property
    def sparse(self) -> bool:
        """Always: a record may leave out what is null."""
        return True

    @model_validator(mode="after")
    def _names_its_day(self) -> HttpSource:
        text = " ".join([self.path, *self.params.values()])
        if self.arrives != "snapshot" and "{ds}" not in text and "{start}" not in text:
            raise ValueError(
                "path or params must contain {ds} or {start}, what is asked for, where the source does not arrive as "
                "a snapshot"
            )
        return self


class KafkaSource(_Source):
    """JSON messages of a Kafka topic, behind an Airflow `kafka` connection; a day by the messages' timestamps."""

    kind: Literal["kafka"]
    topic: str = Field(min_length=1)
    bad_messages: Literal["refuse", "skip"] = Field(
        default="refuse",
        description="A message whose value is not one JSON object: refuse its day, or leave it out and keep "
        "its offset in the manifest.",
    )

    @property
    def sparse(self) -> bool:
        """Always: a record may leave out what is null."""
        return True


Source = Annotated[SqlSource | FilesSource | HttpSource | KafkaSource, Field(discriminator="kind")]

#: The kinds of source, by their name in pipeline.yaml.
SOURCE_KINDS = {"sql": SqlSource, "files": FilesSource, "http": HttpSource, "kafka": KafkaSource}
