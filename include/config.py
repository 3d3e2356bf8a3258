"""The schema of pipeline.yaml."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from include.wording import unknown

ColumnType = Literal["string", "integer", "float", "boolean", "timestamp"]
Task = Literal["binary", "regression"]
Family = Literal["lightgbm", "hist_gradient_boosting", "linear"]

#: Metrics by task; True where a higher value is better.
METRICS: dict[str, dict[str, bool]] = {
    "binary": {"roc_auc": True, "average_precision": True, "log_loss": False, "brier": False},
    "regression": {"mae": False, "rmse": False, "r2": True},
}

#: Columns that Nightshift adds to every raw table, so no source may bring its own.
LAKE_COLUMNS = ("ds", "available_at", "batch")

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]


class _Section(BaseModel):
    """A part of pipeline.yaml: unknown fields are mistakes, and nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class AvailableAt(_Section):
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


class RowsPerDay(_Section):
    """How many rows one day of the source may have."""

    min: int = Field(default=1, ge=0)
    max: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _some_number_fits(self) -> RowsPerDay:
        if self.max is not None and self.min > self.max:
            raise ValueError(f"min ({self.min}) is more than max ({self.max}), so no day could pass")
        return self


class _Source(_Section):
    arrives: Literal["daily", "snapshot"] = Field(
        default="daily",
        description="daily: each day brings its own rows. snapshot: each delivery is the whole table.",
    )
    connection: str = Field(description="Id of the Airflow Connection that leads to the source.")
    key: list[str] = Field(min_length=1, description="Columns that together name one row.")
    columns: dict[str, ColumnType] = Field(min_length=1, description="Every column, with its type.")
    available_at: Annotated[AvailableAt, BeforeValidator(_column_alone, json_schema_input_type=str | AvailableAt)] = (
        Field(description="When a row became known; nothing uses it before.")
    )
    day: str | None = Field(
        default=None, description="Timestamp column whose UTC day is the partition; default: available_at."
    )
    rows_per_day: RowsPerDay = RowsPerDay()

    @model_validator(mode="after")
    def _columns_exist(self) -> _Source:
        named = [("key", name) for name in self.key]
        named.append(("available_at", self.available_at.column))
        if self.day:
            named.append(("day", self.day))
        for field, name in named:
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
        return self


class SqlSource(_Source):
    """A query on an Airflow SQL connection, bounded by `:start` (inclusive) and `:end` (exclusive)."""

    kind: Literal["sql"]
    query: str = Field(description="Path of the SQL file, in the pipeline's folder.")


class FilesSource(_Source):
    """CSV files below the folder of an Airflow `fs` connection."""

    kind: Literal["files"]
    path: str = Field(description="Path below the connection's folder; `{ds}` stands for the day.")

    @model_validator(mode="after")
    def _one_file_a_day(self) -> FilesSource:
        if self.arrives == "daily" and "{ds}" not in self.path:
            raise ValueError("path must contain {ds}, the day, where the source arrives daily")
        if self.arrives == "snapshot" and "{ds}" in self.path:
            raise ValueError("path may not contain {ds} where the source arrives as a snapshot")
        return self


Source = Annotated[SqlSource | FilesSource, Field(discriminator="kind")]


class Features(_Section):
    """The query that makes the feature table, and what its columns mean."""

    query: str = "features.sql"
    key: list[str] = Field(min_length=1, description="Columns that together name one row to predict.")
    label: str = Field(description="The column to predict; null while it is unknown.")
    exclude: list[str] = Field(default=[], description="Columns kept in the table but not learned from.")

    @model_validator(mode="after")
    def _label_is_apart(self) -> Features:
        if self.label in self.key:
            raise ValueError(f"label is '{self.label}', which key names too; the label is what is not known yet")
        return self


class Tuning(_Section):
    """How much searching a run may do; the seconds are shared equally between the candidates."""

    seconds: int = Field(default=60, ge=1)
    trials: int | None = Field(default=None, ge=1, description="Stop a candidate after so many trials.")
    folds: int = Field(default=3, ge=2, le=10)
    sample_rows: int = Field(default=50_000, ge=100, description="Rows of a fold that a trial fits on.")
    parallel: int = Field(default=1, ge=1, description="Candidates that are tuned at the same time.")


class Training(_Section):
    """What is learned, from which rows, by which families of models."""

    task: Task
    metric: str = Field(description="The metric that is tuned for and that the gate compares.")
    window_days: int = Field(default=365, ge=2, description="Days of history that a model learns from.")
    holdout_days: int = Field(default=28, ge=1, description="Last labelled days, kept for the gate.")
    gap_days: int = Field(default=1, ge=0, description="Days until a label is known; left out between.")
    candidates: list[Family] = Field(default=list(get_args(Family)), min_length=1)
    tuning: Tuning = Tuning()
    seed: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _fits_together(self) -> Training:
        known = METRICS[self.task]
        if self.metric not in known:
            raise ValueError(f"metric: {unknown('metric', self.metric, list(known))}")
        if len(set(self.candidates)) != len(self.candidates):
            raise ValueError("candidates names a family twice")
        if self.holdout_days + self.gap_days >= self.window_days:
            raise ValueError(
                f"holdout_days ({self.holdout_days}) and gap_days ({self.gap_days}) leave nothing of "
                f"window_days ({self.window_days}) to learn from"
            )
        return self


class Gate(_Section):
    """What a challenger must show before it is promoted."""

    minimum: float = Field(allow_inf_nan=False, description="Worst value of the metric that may ever be promoted.")
    baseline: str = Field(
        default="prior", description="prior (no features at all), or a feature used as the prediction."
    )
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    bootstrap_rounds: int = Field(default=1000, ge=100)
    min_holdout_rows: int = Field(default=500, ge=1)


class Schedule(_Section):
    """When the DAGs run, in UTC."""

    ingest: str | None = "15 0 * * *"
    retrain: str | None = Field(
        default="after_ingest", description="after_ingest, a cron expression, or null for by hand only."
    )

    @field_validator("ingest", "retrain")
    @classmethod
    def _cron(cls, value: str | None) -> str | None:
        from croniter import croniter

        if value not in (None, "after_ingest") and not (len(value.split()) == 5 and croniter.is_valid(value)):
            raise ValueError(f"'{value}' is not a cron expression of five parts, such as '15 0 * * *'")
        return value

    @model_validator(mode="after")
    def _ingest_is_a_clock(self) -> Schedule:
        if self.ingest == "after_ingest":
            raise ValueError("ingest cannot run after_ingest; give it a cron expression")
        return self


class Pipeline(_Section):
    """All that pipeline.yaml says about one model."""

    description: str = Field(min_length=1, description="The question that the model answers.")
    owner: str = Field(min_length=1, description="Who is asked when a run fails.")
    schedule: Schedule = Schedule()
    history_days: int = Field(
        default=400, ge=2, description="Days of history that are ingested first, and read at most."
    )
    sources: dict[Name, Source] = Field(min_length=1)
    features: Features
    training: Training
    gate: Gate

    _folder: Path = Path()

    @property
    def folder(self) -> Path:
        """The pipeline's folder."""
        return self._folder

    @property
    def name(self) -> str:
        """The pipeline's name, which is its folder's name."""
        return self._folder.name

    def text(self, relative: str) -> str:
        """Return the text of a file of the pipeline's folder."""
        return (self._folder / relative).read_text(encoding="utf-8")

    @property
    def daily_sources(self) -> list[str]:
        """The names of the sources by which a run knows its days: those with rows each day, if there are any."""
        daily = [name for name, source in self.sources.items() if source.arrives == "daily"]
        return [name for name in daily if self.sources[name].rows_per_day.min > 0] or daily

    @model_validator(mode="after")
    def _has_days(self) -> Pipeline:
        if not self.daily_sources:
            raise ValueError("sources: at least one must arrive daily: the days of a run are its days")
        if self.history_days < self.training.window_days:
            raise ValueError(
                f"history_days ({self.history_days}) is less than training.window_days ({self.training.window_days}), "
                "and no more history than that is read"
            )
        if "features" in self.sources:
            raise ValueError("sources: none may be called features, since expectations/features.yaml is the table's")
        return self


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of pipeline.yaml, for editors."""
    schema = Pipeline.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "pipeline.yaml"} | schema
