"""Pin which rows a scoring run predicts, from which table versions, and with which model version."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, ClassVar

from include.core.errors import ScoringImpossible
from include.core.names import PROBABILITY
from include.features.snapshot import check_published, pin_day
from include.ingestion.published_days import missing_range
from include.registry.champion import Champion  # noqa: TC001  pydantic reads the fields
from include.registry.verification import find_recorded_champion
from include.workflows.pinned_plan import PinnedPlan

if TYPE_CHECKING:
    from include.config.pipeline import Pipeline

log = logging.getLogger(__name__)

#: Column names of the predictions, which no key column may have.
OWN_COLUMNS = ("ds", "prediction", "decision", "predicted_class", "model_version")


@dataclass(frozen=True)
class ScoringPlan(PinnedPlan):
    """Everything that determines what a scoring run publishes; a repeated run has the same plan.

    Attributes
    ----------
    as_of
        The run predicts the rows of this day, as `include.core.as_of` defines them.
    planned_at
        In UTC, to the microsecond: the predictions of the later of two plans for a day stand.
    """

    FOLDER: ClassVar[str] = "score/"

    champion: Champion
    planned_at: datetime

    @property
    def moment(self) -> int:
        """`planned_at` in microseconds since 1970."""
        return (self.planned_at - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)


def plan_scoring(pipeline: Pipeline, run_key: str, as_of: date | None = None) -> ScoringPlan:
    """Pin the inputs of a scoring run, or return the plan that this run made earlier.

    Parameters
    ----------
    as_of
        None means the last day that every daily source has.

    Raises
    ------
    NotIngested
        If the lake does not hold every source up to `as_of`.
    ScoringImpossible
        If there is no champion, or a key column has a name that the table of predictions uses.
    ModelRefused, TrackingUnavailable
        If MLflow does not answer which version is the champion.
    """
    existing = ScoringPlan.load_existing(pipeline.name, run_key)
    if existing:
        return existing
    check_key(pipeline)
    day, snapshot = pin_day(pipeline, as_of, needed_by="scoring", instead="score")
    check_published(pipeline, day)
    champion = find_recorded_champion(pipeline.name)
    if champion is None:
        raise ScoringImpossible(
            f"{pipeline.name} has no champion yet that could predict; run the DAG {pipeline.name}.retrain until it "
            "promotes a version, then start this run again"
        )
    _warn_of_biased_predictions(pipeline, day, champion)
    plan = ScoringPlan(pipeline.name, run_key, day, snapshot, champion, datetime.now(UTC))
    plan.save()
    log.info(
        "%s: planned as of %s, model version %s, table versions %s", pipeline.name, day, champion.version, snapshot
    )
    return plan


def check_key(pipeline: Pipeline) -> None:
    """Refuse a key column with a name that the table of predictions uses.

    Raises
    ------
    ScoringImpossible
        If there is such a column.
    """
    for name in pipeline.features.key:
        if name.lower() in OWN_COLUMNS or name.lower().startswith(PROBABILITY):
            raise ScoringImpossible(
                f"{pipeline.name}: features.key names '{name}', and the table of predictions has a column of that "
                f"name; give the key column another name in {pipeline.features.query} and in pipeline.yaml"
            )


def _warn_of_biased_predictions(pipeline: Pipeline, day: date, champion: Champion) -> None:
    """Log what makes predictions worse than usual, or look better than they are."""
    holes = missing_range(pipeline, day)
    if holes:
        log.warning(
            "%s: the lake lacks days from %s to %s, so trailing features cover fewer days than in training; run the "
            "DAG %s.ingest for these days",
            pipeline.name,
            *holes,
            pipeline.name,
        )
    if champion.train_end >= day:
        log.warning(
            "%s: predictions as of %s look better than they are, because version %s learned from days up to %s",
            pipeline.name,
            day,
            champion.version,
            champion.train_end,
        )
