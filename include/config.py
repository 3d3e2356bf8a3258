"""The schema of pipeline.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import Field, field_validator, model_validator

from include.section import Name, Section
from include.source_config import Source
from include.wording import unknown

Task = Literal["binary", "regression"]
Family = Literal["lightgbm", "hist_gradient_boosting", "linear"]

#: Metrics by task; True where a higher value is better.
METRICS: dict[str, dict[str, bool]] = {
    "binary": {"roc_auc": True, "average_precision": True, "log_loss": False, "brier": False},
    "regression": {"mae": False, "rmse": False, "r2": True},
}


class Features(Section):
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


class Tuning(Section):
    """How much searching a run may do; the seconds are shared equally between the candidates."""

    seconds: int = Field(default=60, ge=1)
    trials: int | None = Field(default=None, ge=1, description="Stop a candidate after so many trials.")
    folds: int = Field(default=3, ge=2, le=10)
    sample_rows: int = Field(default=50_000, ge=100, description="Rows of a fold that a trial fits on.")
    parallel: int = Field(default=1, ge=1, description="Candidates that are tuned at the same time.")


class Training(Section):
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


class Gate(Section):
    """What a challenger must show before it is promoted."""

    minimum: float = Field(allow_inf_nan=False, description="Worst value of the metric that may ever be promoted.")
    baseline: str = Field(
        default="prior", description="prior (no features at all), or a feature used as the prediction."
    )
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    bootstrap_rounds: int = Field(default=1000, ge=100)
    min_holdout_rows: int = Field(default=500, ge=1)


class Schedule(Section):
    """When the DAGs run, in UTC."""

    ingest: str | None = "15 0 * * *"
    retrain: str | None = Field(
        default="after_ingest", description="after_ingest, a cron expression, or null for by hand only."
    )
    maintain: str | None = Field(default="30 11 * * 0", description="When the lake's tables are compacted.")

    @field_validator("ingest", "retrain", "maintain")
    @classmethod
    def _cron(cls, value: str | None) -> str | None:
        from croniter import croniter

        if value not in (None, "after_ingest") and not (len(value.split()) == 5 and croniter.is_valid(value)):
            raise ValueError(f"'{value}' is not a cron expression of five parts, such as '15 0 * * *'")
        return value

    @model_validator(mode="after")
    def _some_need_a_clock(self) -> Schedule:
        for field in ("ingest", "maintain"):
            if getattr(self, field) == "after_ingest":
                raise ValueError(f"{field} cannot run after_ingest; give it a cron expression")
        return self


class Pipeline(Section):
    """All that pipeline.yaml says about one model."""

    description: str = Field(min_length=1, description="The question that the model answers.")
    owner: str = Field(min_length=1, description="Who is asked when a run fails.")
    schedule: Schedule = Schedule()
    history_days: int = Field(
        default=400, ge=2, description="Days of history that are ingested first, and read at most."
    )
    keep_days: int = Field(
        default=180, ge=7, description="Days for which a run can be repeated on the tables that it read."
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
        """The names of the sources by which a run knows its days: those that are published day by day."""
        return [name for name, source in self.sources.items() if source.arrives != "snapshot"]

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
