"""The schema of pipeline.yaml."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from include.config.monitoring import Monitoring
from include.config.notify import Notify
from include.config.resources import Resources
from include.config.section import MAX_DAYS, Days, Name, Section
from include.config.sources import Source
from include.config.task_ids import PIPELINE_TASKS
from include.config.training import Training
from include.core.errors import ConfigError
from include.core.names import folded, wrong_column_names
from include.core.suggestions import unknown_name

if TYPE_CHECKING:
    from include.core.json_value import JsonValue


class Aggregates(Section):
    """Aggregates of a source's numbers over trailing windows of the rows known at that time."""

    source: str
    by: list[str] = Field(min_length=1, description="Columns of both the source and the features.")
    values: list[str] = Field(min_length=1, description="Columns of the source to aggregate.")
    windows_days: list[Days] = Field(default=[7, 28], min_length=1)
    functions: list[Literal["mean", "sum", "min", "max", "std", "count", "last", "trend"]] = Field(
        default=["mean", "std", "count"], min_length=1
    )

    @property
    def longest_days(self) -> int:
        """The days of the longest window."""
        return max(self.windows_days)


class Series(Section):
    """Features that tsfresh computes from time series of a source's numbers, as known at that time."""

    source: str
    by: list[str] = Field(min_length=1, description="Columns of both the source and the features.")
    values: list[str] = Field(min_length=1, description="Columns of the source to use as series.")
    window_days: Days = 28
    calculators: Literal["minimal", "efficient"] = "minimal"

    @property
    def longest_days(self) -> int:
        """The days of the window."""
        return self.window_days


class Automated(Section):
    """Features computed from the sources without SQL; selection drops those that do not help."""

    aggregates: dict[Name, Aggregates] = Field(default={})
    series: dict[Name, Series] = Field(default={})
    seconds: int = Field(default=120, ge=1, description="Time limit for computing them, in seconds.")
    select: bool = Field(default=True, description="Drop features that do not help, before tuning.")

    @property
    def sets(self) -> dict[str, Aggregates | Series]:
        """Aggregates and series by name, with which the names of their features begin."""
        return {**self.aggregates, **self.series}

    @model_validator(mode="after")
    def _check_names(self) -> Automated:
        both = sorted(self.aggregates.keys() & self.series.keys())
        if both:
            raise ValueError(f"aggregates and series both have {', '.join(both)}")
        return self


class Features(Section):
    """The query of the feature table and the meaning of its columns."""

    query: str = "features.sql"
    key: list[str] = Field(min_length=1, description="Columns that together identify a row to predict.")
    label: str = Field(description="The column to predict; null while the label is unknown.")
    exclude: list[str] = Field(default=[], description="Columns that stay in the table but are not used for training.")
    lookback_days: int | None = Field(
        default=None,
        ge=1,
        description="No feature reads rows older than this many days, so that a run builds only its new rows.",
    )
    automated: Automated | None = None

    @property
    def selects(self) -> bool:
        """Whether feature selection drops automated features that do not help."""
        return self.automated is not None and self.automated.select

    @model_validator(mode="after")
    def _check_label(self) -> Features:
        if self.label in self.key:
            raise ValueError(
                f"label is '{self.label}', which is also in key; the label must be a column that is not known yet"
            )
        if folded(self.label) == "prediction_time":
            raise ValueError("label is 'prediction_time', which is when a row is predicted; name the column to predict")
        return self

    @model_validator(mode="after")
    def _check_key(self) -> Features:
        wrong = [f"key names '{name}' twice; remove one" for name in sorted(set(self.key)) if self.key.count(name) > 1]
        wrong += wrong_column_names(self.key)
        if wrong:
            raise ValueError("; ".join(wrong))
        return self


Severity = Literal["keep", "inconclusive", "warn"]


def _off(value: Any) -> Any:
    return "off" if value is False else value


class Limits(Section):
    """Limits of a model's size and prediction time, measured on the training machine."""

    model_mb: float = Field(default=500, gt=0, description="Size of the model file in megabytes (10^6 bytes).")
    row_ms: float = Field(default=200, gt=0, description="Milliseconds to predict one row, as in an online request.")
    rows_per_second: float = Field(default=2000, gt=0, description="Rows per second when predicting the whole holdout.")


class Gate(Section):
    """The conditions under which a challenger is promoted."""

    minimum: float = Field(
        allow_inf_nan=False, description="Worst value of the metric with which a model may be promoted."
    )
    baseline: str = Field(default="prior", description="prior (no features), or a feature to use as the prediction.")
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    bootstrap_rounds: int = Field(default=1000, ge=100)
    min_holdout_rows: int = Field(default=500, ge=1)
    max_missing_labels: float = Field(
        default=0.1,
        gt=0,
        le=1,
        description="Maximum share of labels missing in the holdout, relative to the share usually known.",
    )
    slices: list[str] = Field(
        default=[],
        description="Columns of the feature table; the challenger must not be worse on any of their values (numbers: "
        "quartiles).",
    )
    min_slice_rows: int = Field(default=200, ge=10, description="Minimum number of holdout rows in a slice.")
    sensitive: list[str] = Field(
        default=[], description="Columns of the feature table whose groups must be treated alike."
    )
    max_fairness_gap: float = Field(default=0.1, gt=0, description="Maximum difference between groups, beyond noise.")
    max_calibration_error: float = Field(
        default=0.1, gt=0, description="Maximum calibration error of a binary task's probabilities."
    )
    max_prediction_shift: float = Field(
        default=0.25,
        gt=0,
        description="Population stability index (PSI) of the predictions compared with the champion's.",
    )
    max_robustness_loss: float = Field(
        default=0.5, gt=0, description="Share of the gain over the baseline that the model may lose on perturbed rows."
    )
    max_single_feature: float = Field(
        default=0.98, gt=0, le=1, description="Share of the label that a single feature may explain."
    )
    max_jump: float = Field(
        default=0.5, gt=0, le=1, description="Share of the champion's error that may disappear in one run."
    )
    max_age_days: int | None = Field(
        default=None,
        ge=1,
        le=MAX_DAYS,
        description="Maximum days from the newest training row to the as-of day; null: two weeks more than needed.",
    )
    refits: int = Field(
        default=2, ge=0, le=20, description="Refits with other seeds, which must be equally good; 0 for none."
    )
    limits: Limits = Limits()
    severities: dict[str, Annotated[Literal["keep", "inconclusive", "warn", "off"], BeforeValidator(_off)]] = Field(
        default={}, description="Consequence of a failed check, by its code; others keep their default."
    )
    own_checks: list[str] = Field(default=[], description="Import paths of the team's own checks.")


class Approval(Section):
    """A person must approve a version before it becomes the champion."""

    hours: float = Field(default=12, gt=0, le=8760, description="How many hours to wait for an answer.")
    unanswered: Literal["keep", "promote"] = Field(
        default="keep", description="What happens without an answer in time."
    )
    approvers: list[str] = Field(
        default=[], description="Airflow users who may answer; empty: everyone with the permission."
    )


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


class Pipeline(Section):
    """A pipeline.yaml: everything about one model."""

    description: str = Field(min_length=1, description="The question that the model answers.")
    owner: str = Field(min_length=1, max_length=500, description="Person or team to contact when a run fails.")
    schedule: Schedule = Schedule()
    history_days: int = Field(
        default=400,
        ge=2,
        le=MAX_DAYS,
        description="Days of history that the first ingestion reads, and the most that any run reads.",
    )
    keep_days: int = Field(
        default=180,
        ge=7,
        le=MAX_DAYS,
        description="Days for which the table versions that a run read are kept, so that the run can be repeated.",
    )
    sources: dict[Name, Source] = Field(min_length=1, max_length=500)
    features: Features
    training: Training
    gate: Gate
    monitoring: Monitoring = Monitoring()
    approval: Literal["required"] | Approval | None = Field(
        default=None, description="required, or a section; null promotes without approval."
    )

    export: list[Literal["onnx"]] = Field(
        default=[], description="Further formats in which each version is stored; onnx needs `make extras`."
    )
    notify: list[Notify] = Field(
        default=[], max_length=100, description="Recipients of verdicts, failures and pending approvals."
    )
    resources: Resources | None = Field(
        default=None, description="Resources that the tasks request on Kubernetes; null requests nothing."
    )

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
        """Return the text of a file of the pipeline's folder.

        Raises
        ------
        ConfigError
            If the file cannot be read, or is not UTF-8.
        """
        try:
            text = (self._folder / relative).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            reason = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else error.strerror or str(error)
            raise ConfigError(f"{self.name}/{relative}: the file cannot be read ({reason}); correct it") from error
        if "\0" in text:
            raise ConfigError(f"{self.name}/{relative}: the file has a zero byte; save it as UTF-8")
        return text

    @property
    def kept_out(self) -> set[str]:
        """Columns of the feature table that are not used for training."""
        features, group = self.features, self.training.group
        names = {*features.key, "prediction_time", features.label, *features.exclude}
        return names | {group} if group else names

    @property
    def needs_approval(self) -> Approval | None:
        """How a promotion is approved; None if it needs no approval."""
        return Approval() if self.approval == "required" else self.approval

    @property
    def daily_sources(self) -> list[str]:
        """The names of the sources that are published day by day, which define a run's days."""
        return [name for name, source in self.sources.items() if source.arrives != "snapshot"]

    def late_columns(self, source: str) -> set[str]:
        """Return the columns of a source that become known later than its rows, with their label."""
        known = self.sources[source].label_known_after
        return set(known.columns or [self.features.label]) if known else set()

    @field_validator("approval", mode="before")
    @classmethod
    def _check_approval(cls, value: Any) -> Any:
        if value is not None and value != "required" and not isinstance(value, dict | Approval):
            raise ValueError(
                f"expected required, fields such as `hours:` below it, or null for no approval; found {value!r}"
            )
        return value

    @model_validator(mode="after")
    def _check_label_delay(self) -> Pipeline:
        gap = self.training.gap_days
        for name, source in self.sources.items():
            known = source.label_known_after
            if known is None:
                continue
            where = f"sources.{name}.label_known_after"
            missing = self.late_columns(name) - source.columns.keys()
            if missing:
                raise ValueError(
                    f"{where}: the source has no column '{self.features.label}', the one of features.label; name the "
                    f"columns that hold the label, such as columns: [{next(iter(source.columns))}]"
                )
            if f"{name}_labelled" in self.sources:
                raise ValueError(
                    f"sources: '{name}_labelled' is the table of {name} with its labels; rename the source"
                )
            if known.delay > timedelta(days=gap):
                days = -(-known.delay // timedelta(days=1))
                raise ValueError(
                    f"{where}: a label is known {days} day{'s' * (days > 1)} after its row, and training.gap_days is "
                    f"{gap}; write gap_days: {days} in training, so that no row is used before its label is known"
                )
        return self

    @model_validator(mode="after")
    def _check_days(self) -> Pipeline:
        if not self.daily_sources:
            raise ValueError("sources: at least one must arrive daily, because it defines the days of a run")
        if self.history_days < self.training.window_days:
            raise ValueError(
                f"history_days ({self.history_days}) is less than training.window_days ({self.training.window_days}), "
                "so the window could not be filled"
            )
        if self.training.task == "multiclass" and self.gate.baseline != "prior":
            raise ValueError(
                f"gate.baseline is '{self.gate.baseline}', and a feature cannot be the prediction of several classes; "
                "write prior"
            )
        lookback = self.features.lookback_days
        if lookback is not None and lookback > self.history_days:
            raise ValueError(f"features.lookback_days ({lookback}) is more than history_days ({self.history_days})")
        if "features" in self.sources:
            raise ValueError(
                "sources: none may be called features, since expectations/features.yaml is that of the feature table"
            )
        for name in PIPELINE_TASKS:
            if name in self.sources:
                raise ValueError(
                    f"sources: none may be called {name}, since a task of the DAGs has this name; rename the source"
                )
        return self

    @model_validator(mode="after")
    def _check_resources(self) -> Pipeline:
        if self.resources:
            self.resources.check_tasks(list(self.sources))
        return self

    @model_validator(mode="after")
    def _check_automated(self) -> Pipeline:
        for name, made in (self.features.automated.sets if self.features.automated else {}).items():
            where = f"features.automated: {name}"
            if made.source not in self.sources:
                raise ValueError(f"{where}: {unknown_name('source', made.source, list(self.sources))}")
            if self.features.label in made.by:
                raise ValueError(f"{where}: by names the label, '{self.features.label}', which is not known yet")
            if self.features.lookback_days and made.longest_days > self.features.lookback_days:
                raise ValueError(
                    f"{where}: a window of {made.longest_days} days is longer than features.lookback_days "
                    f"({self.features.lookback_days})"
                )
            columns = self.sources[made.source].columns
            for column in [*made.by, *made.values]:
                if column not in columns:
                    raise ValueError(f"{where}: {unknown_name('column', column, list(columns))}")
            for column in made.values:
                if columns[column] not in ("integer", "float", "boolean"):
                    raise ValueError(f"{where}: column '{column}' is a {columns[column]}, and numbers are needed")
        return self


def json_schema() -> dict[str, JsonValue]:
    """Return the JSON Schema of pipeline.yaml, for editors."""
    schema = Pipeline.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "pipeline.yaml"} | schema
