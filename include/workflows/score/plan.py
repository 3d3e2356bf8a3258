"""Plan: which rows a scoring run predicts, from which tables, and by which version; pinned before anything is done."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, ClassVar

from include.core.errors import ScoringImpossible
from include.core.names import PROBABILITY
from include.features.snapshot import check_published, pin_day
from include.ingestion.publish import missing_range
from include.registry.verification import find_recorded_champion
from include.workflows.pinned_plan import PinnedPlan

if TYPE_CHECKING:
    from include.config.pipeline import Pipeline
    from include.registry.champion import Champion

log = logging.getLogger(__name__)

#: Columns of the predictions that no key may be called.
OWN_COLUMNS = ("ds", "prediction", "decision", "predicted_class", "model_version")


@dataclass(frozen=True)
class ScoringPlan(PinnedPlan):
    """Everything that decides what a scoring run publishes; a run that is repeated has the same plan.

    Attributes
    ----------
    as_of
        It predicts the rows that are asked as of this day, as `include.core.as_of` says.
    planned_at
        In UTC, to the microsecond: the predictions of the later of two plans for a day stand.
    """

    FOLDER: ClassVar[str] = "score/"
    MOMENTS: ClassVar[tuple[str, ...]] = ("planned_at",)

    champion: Champion
    planned_at: datetime

    @property
    def moment(self) -> int:
        """When the plan was made, in microseconds since 1970."""
        return (self.planned_at - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)


def plan_scoring(pipeline: Pipeline, run_key: str, as_of: date | None = None) -> ScoringPlan:
    """Pin what a run predicts and by which version, or return the plan that this run made before.

    Parameters
    ----------
    as_of
        None means the last day that every daily source has.

    Raises
    ------
    NotIngested
        If the lake does not hold every source up to `as_of`.
    ScoringImpossible
        If there is no champion, or a key column has a name that the predictions need.
    ModelRefused, TrackingUnavailable
        If MLflow cannot say who the champion is.
    """
    kept = ScoringPlan.kept(pipeline.name, run_key)
    if kept:
        return kept
    check_key(pipeline)
    day, snapshot = pin_day(pipeline, as_of, asked="predictions are asked", instead="ask for them")
    check_published(pipeline, day)
    champion = find_recorded_champion(pipeline.name)
    if champion is None:
        raise ScoringImpossible(
            f"{pipeline.name} has no champion yet, so nothing can be predicted; run the DAG {pipeline.name}.retrain "
            "until it promotes a version, then start this run again"
        )
    _warn(pipeline, day, champion)
    plan = ScoringPlan(pipeline.name, run_key, day, snapshot, champion, datetime.now(UTC))
    plan.keep()
    log.info("%s: as of %s, version %s, tables %s", pipeline.name, day, champion.version, snapshot)
    return plan


def check_key(pipeline: Pipeline) -> None:
    """Refuse a key column that is called as one of the predictions' own.

    Raises
    ------
    ScoringImpossible
        If there is one.
    """
    for name in pipeline.features.key:
        if name.lower() in OWN_COLUMNS or name.lower().startswith(PROBABILITY):
            raise ScoringImpossible(
                f"{pipeline.name}: features.key names '{name}', and the table of predictions has a column of its own "
                f"that is called so; give the column another name in {pipeline.features.query} and in pipeline.yaml"
            )


def _warn(pipeline: Pipeline, day: date, champion: Champion) -> None:
    """Say what makes predictions worse, or better than they are."""
    holes = missing_range(pipeline, day)
    if holes:
        log.warning(
            "%s: the lake lacks days of %s to %s, so trailing features are of fewer days than those that were learned "
            "from; run the DAG %s.ingest for them to mend it",
            *(pipeline.name, *holes, pipeline.name),
        )
    if champion.train_end >= day.isoformat():
        log.warning(
            "%s: version %s has learned from days up to %s, so what it predicts as of %s looks better than it is",
            *(pipeline.name, champion.version, champion.train_end, day),
        )
