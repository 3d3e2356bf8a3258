"""The schema of the sources in pipeline.yaml: where they are, when they arrive, and what they may change."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, field_validator, model_validator

from include.config.section import MAX_DAYS, Duration, Name, Section
from include.core.names import nearest, wrong_column_names
from include.core.suggestions import did_you_mean, unknown_name

ColumnType = Literal["string", "integer", "float", "boolean", "timestamp"]
Infinity = Literal["refuse", "null"]

#: What other systems call the declared types, without lengths and in lower case.
_OTHER_NAMES: dict[ColumnType, str] = {
    "string": "str text varchar nvarchar char nchar character bpchar clob uuid enum category categorical object json "
    "utf8 large_string",
    "integer": "int bigint smallint tinyint mediumint long short byte serial bigserial int2 int4 int8 int16 int32 "
    "int64 uint8 uint16 uint32 uint64",
    "float": "double real numeric decimal number money float4 float8 float16 float32 float64",
    "boolean": "bool bit logical",
    "timestamp": "datetime date timestamptz timestamp_ntz timestamp_tz datetime2 datetime64 date32 date64 instant",
}


def declared_type(name: str) -> ColumnType | None:
    """Return the declared type that another system's name stands for, such as float for DOUBLE PRECISION."""
    word = next(iter(re.findall(r"\w+", name.lower())), "")
    return next((kind for kind, others in _OTHER_NAMES.items() if word in (kind, *others.split())), None)


#: Columns that Nightshift adds to every raw table, so no source may bring its own.
LAKE_COLUMNS = ("ds", "available_at", "batch", "delivered")
#: Columns that are added while rows are read and validated: the first is DuckDB's.
READER_COLUMNS = ("file_row_number", "nightshift_position")


#: What stands for the day in a path or a parameter, and for its parts.
DAY_FIELDS = ("ds", "year", "month", "day")


def with_day(text: str, ds: str) -> str:
    """Return a text with the fields of a day filled in, such as `{ds}` or `{year}/{month}/{day}`."""
    for field, value in zip(DAY_FIELDS, (ds, *ds.split("-")), strict=True):
        text = text.replace(f"{{{field}}}", value)
    return text


def names_a_day(text: str) -> bool:
    """Return whether a text has the fields that tell one day from all others."""
    named = {field for field in DAY_FIELDS if f"{{{field}}}" in text}
    return "ds" in named or named >= {"year", "month", "day"}


class AvailableAt(Section):
    """When a row became known: a timestamp column of the source, plus a fixed delay."""

    column: str
    delay: Duration = timedelta(0)

    @field_validator("delay")
    @classmethod
    def _not_before(cls, delay: timedelta) -> timedelta:
        if delay < timedelta(0):
            raise ValueError("a delay cannot be negative: a row is not known before it happened")
        return delay


class LabelKnownAfter(Section):
    """How long after a row its label becomes known; until then the row is there without it."""

    days: int = Field(default=0, ge=0, le=MAX_DAYS)
    hours: int = Field(default=0, ge=0, le=MAX_DAYS * 24)
    minutes: int = Field(default=0, ge=0, le=MAX_DAYS * 24 * 60)
    columns: list[str] | None = Field(
        default=None, min_length=1, description="The columns that become known then; default: that of features.label."
    )

    @property
    def delay(self) -> timedelta:
        """The time between `available_at` and when the label is known."""
        return timedelta(days=self.days, hours=self.hours, minutes=self.minutes)

    @model_validator(mode="after")
    def _some_time(self) -> LabelKnownAfter:
        if not self.delay:
            raise ValueError("label_known_after needs days, hours or minutes, such as {days: 30}")
        return self


def _column_alone(value: Any) -> Any:
    """Take a column's name for the column without a delay."""
    return {"column": value} if isinstance(value, str) else value


def _one_alone(value: Any) -> Any:
    """Take a text for a list of it alone."""
    return [value] if isinstance(value, str) else value


def _yaml_word(value: Any) -> Any:
    """Take null and false for the words null and off."""
    return "null" if value is None else "off" if value is False else value


def _infinity(value: Any) -> Any:
    """Return what becomes of infinite numbers, for all columns or by column."""
    by_column = value if isinstance(value, dict) else {"infinity": value}
    words = {name: _yaml_word(each) for name, each in by_column.items()}
    for name, word in words.items():
        if word not in get_args(Infinity):
            raise ValueError(
                f"{name} is {word!r}, and refuse or null is expected, or a mapping of columns, such as {{price: null}}"
            )
    return words if isinstance(value, dict) else words["infinity"]


_WORD = BeforeValidator(_yaml_word, json_schema_input_type=Literal["if_present", "required", "off", False])


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
    """What a source may change without an edit here; what is not allowed is an error."""

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
        Infinity | dict[str, Infinity],
        BeforeValidator(
            _infinity,
            json_schema_input_type=Literal["refuse", "null", None] | dict[str, Literal["refuse", "null", None]],
        ),
    ] = Field(
        default="refuse",
        description="An infinite number, such as inf or 1e400: refuse it, or make it null, in all columns or by column "
        "({price: null} refuses it in all others). NaN is null.",
    )
    shrinks: Literal["warn", "refuse"] = Field(
        default="warn",
        description="A day that is delivered again with fewer rows than are published of it: warn, or refuse it.",
    )
    retired: list[Name] = Field(
        default=[], description="Columns that were declared once; the lake keeps them, null from now on."
    )

    def infinity_of(self, column: str) -> Infinity:
        """Return what becomes of an infinite number in a column."""
        return self.infinity.get(column, "refuse") if isinstance(self.infinity, dict) else self.infinity


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
        default=31,
        ge=1,
        le=MAX_DAYS,
        description="How many days late a row may be, where a source arrives as `append`.",
    )
    connection: str = Field(description="Id of the Airflow Connection that leads to the source.")
    deadline: Duration = Field(default=timedelta(hours=1), description="How long reading a run's days may take.")
    key: list[str] = Field(min_length=1, description="Columns that together name one row.")
    columns: dict[str, ColumnType] = Field(min_length=1, description="Every column, with its type.")
    available_at: Annotated[AvailableAt, BeforeValidator(_column_alone, json_schema_input_type=str | AvailableAt)] = (
        Field(description="When a row became known; nothing uses it before.")
    )
    day: str | None = Field(
        default=None, description="Timestamp column whose UTC day is the partition; default: available_at."
    )
    label_known_after: LabelKnownAfter | None = Field(
        default=None,
        description="Where rows carry their label: how long after available_at it becomes known. features.sql then "
        "reads the source without it, and <source>_labelled with it, from when it is known.",
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
            raise ValueError("a snapshot has no `day` column: each delivery is a partition of its own")
        if self.arrives == "append" and self.day in (None, self.available_at.column):
            raise ValueError("a source that arrives as append needs `day`, the column of a row's own day")
        for name in (self.label_known_after.columns or []) if self.label_known_after else []:
            if name not in self.columns:
                raise ValueError(f"label_known_after: {unknown_name('column', name, list(self.columns))}")
            if name in [each for _, each in named]:
                raise ValueError(
                    f"label_known_after names '{name}', which tells rows apart or dates them, so it is known with them"
                )
        if self.label_known_after and self.arrives == "snapshot":
            raise ValueError("label_known_after is for rows that arrive by day; a snapshot's label is that of its day")
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
    checksum: Annotated[Literal["if_present", "required", "off"], _WORD] = Field(
        default="if_present",
        description="Whether a file must be what <file>.sha256, .sha512, .sha1 or .md5 beside it says, as sha256sum "
        "writes it.",
    )
    row_count: Annotated[Literal["if_present", "required", "off"], _WORD] = Field(
        default="if_present",
        description="Whether a file must have the number of rows that <file>.rows or <file>.count beside it says.",
    )
    complete_when: str | None = Field(
        default=None,
        description="Path of the file that is there once a day is delivered, such as visits/{ds}/_SUCCESS; no file of "
        "the day is read before.",
    )

    @property
    def sparse(self) -> bool:
        """Whether the files hold JSON records."""
        name = re.sub(r"\.(gz|bz2|zst|zip)$", "", self.path)
        return self.format == "jsonl" or (self.format is None and name.endswith((".jsonl", ".ndjson", ".json")))

    @model_validator(mode="after")
    def _names_its_day(self) -> FilesSource:
        if self.arrives != "snapshot" and not names_a_day(self.path):
            raise ValueError(
                f"path '{self.path}' does not name the day; write {{ds}} (2013-01-31) in it, or {{year}}, {{month}} "
                "and {day}, such as {year}/{month}/{day}; only the path of a snapshot names no day"
            )
        if self.arrives == "snapshot" and any(f"{{{field}}}" in self.path for field in DAY_FIELDS):
            raise ValueError("path may not contain the day where the source arrives as a snapshot")
        if self.complete_when and self.arrives != "snapshot" and not names_a_day(self.complete_when):
            raise ValueError(
                f"complete_when '{self.complete_when}' does not name the day, so the file of one day would do for all; "
                "write {ds} (2013-01-31) in it, or {year}, {month} and {day}"
            )
        return self


class Paging(Section):
    """How an API splits a long answer."""

    style: Literal["page", "offset", "cursor", "link", "one_answer"] = Field(
        description="page: a page's number. offset: rows to skip. cursor: a mark from the answer before. "
        "link: the Link header's rel=next. one_answer: not at all, although the answer looks as if there were more."
    )
    parameter: str | None = Field(default=None, description="Query parameter of the number, offset or cursor.")
    first: int = Field(default=1, ge=0, description="Number of the first page.")
    size: int | None = Field(default=None, ge=1, description="Records of a full page.")
    size_parameter: str | None = Field(default=None, description="Query parameter that asks for `size`.")
    next: str | None = Field(
        default=None, description="Where the answer has the next cursor, such as meta.next; the last answer has none."
    )
    last: Literal["empty_page", "null_page", "short_page"] = Field(
        default="empty_page",
        description="What says that no more records follow. empty_page: a page without records. null_page: that, or "
        "null in place of the list. short_page: a page with fewer records than `size`.",
    )
    total: str | None = Field(
        default=None,
        description="Where the answer has the number of all records, such as meta.total or header:X-Total-Count: the "
        "pages end when they have come, and an end before that is an error.",
    )
    more: str | None = Field(
        default=None,
        description="Where the answer says by true or false whether there is another page, such as meta.has_more.",
    )

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Paging:
        if self.size_parameter and not self.size:
            raise ValueError("size_parameter needs `size`: how many records to ask for")
        if self.style == "cursor" and not self.next:
            raise ValueError("a cursor needs `next`: where the answer has the next cursor, such as meta.next")
        if self.last == "short_page" and (not self.size or self.style not in ("page", "offset")):
            raise ValueError("last: short_page needs `size`, how many records a full page has, and pages or offsets")
        return self


class HttpSource(_Source):
    """Records of a JSON API, behind an Airflow `http` connection."""

    kind: Literal["http"]
    path: str = Field(description="Path below the connection's address; may contain what `params` may.")
    params: dict[str, str] = Field(
        default={},
        description="Query parameters. With {ds}, the day (2013-01-31), or {year}, {month} and {day}, each day is "
        "asked for by itself; {start} and {end} stand for the bounds of what is asked for (2013-01-31T00:00:00Z). A "
        "secret belongs in the connection.",
    )
    records: str = Field(default="", description="Where the answer has its records, such as data.items.")
    error: Annotated[list[str] | None, BeforeValidator(_one_alone, json_schema_input_type=str | list[str] | None)] = (
        Field(
            default=None,
            description="Where an answer with status 200 says that the request failed: a path such as meta.fault, or a "
            "list of them. Default: `error`, `errors`, `success: false` and what else is in common use.",
        )
    )
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
        if self.arrives != "snapshot" and not names_a_day(text) and "{start}" not in text:
            raise ValueError(
                "path and params do not name the day; write {ds} (2013-01-31) in one of them, or {year}, {month} and "
                "{day}, or the bounds {start} and {end}; only a snapshot is asked for without a day"
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
    lost_messages: Literal["refuse", "accept"] = Field(
        default="refuse",
        description="A day whose first messages the topic no longer holds, since its retention removed them before "
        "they were read or it was made anew: refuse it, or accept what is left, with a warning.",
    )

    @property
    def sparse(self) -> bool:
        """Always: a record may leave out what is null."""
        return True


Source = Annotated[SqlSource | FilesSource | HttpSource | KafkaSource, Field(discriminator="kind")]

#: The kinds of source, by their name in pipeline.yaml.
SOURCE_KINDS = {"sql": SqlSource, "files": FilesSource, "http": HttpSource, "kafka": KafkaSource}
