"""The schema of pipeline.yaml."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator, model_validator

from include.config.features import Features
from include.config.gate import Approval, Gate
from include.config.monitoring import Monitoring
from include.config.notify import Notify
from include.config.resources import Resources
from include.config.schedule import Schedule
from include.config.section import MAX_DAYS, Name, Section
from include.config.sources import Source
from include.config.task_ids import PIPELINE_TASKS
from include.config.training import Training
from include.core.errors import ConfigError
from include.core.suggestions import unknown_name

if TYPE_CHECKING:
    from include.core.json_value import JsonValue


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
