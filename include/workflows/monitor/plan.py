"""Pin which days, table versions and champion one run of the monitor looks at."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, ClassVar

from include import lake
from include.core.errors import ScoringImpossible
from include.features.snapshot import pin_day
from include.registry.champion import Champion  # noqa: TC001  pydantic reads the fields
from include.registry.verification import find_recorded_champion
from include.workflows.pinned_plan import PinnedPlan

if TYPE_CHECKING:
    from include.config.pipeline import Pipeline

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MonitoringPlan(PinnedPlan):
    """Everything that determines the results of a monitoring run; a repeated run has the same plan.

    Attributes
    ----------
    champion
        The version whose predictions, features and reference are checked.
    predictions
        Version of the table of predictions; None where there is no table yet.
    moment
        Time of the plan, in microseconds since 1970.
    """

    FOLDER: ClassVar[str] = "monitor/"

    champion: Champion
    predictions: int | None
    moment: int


@dataclass(frozen=True)
class Window:
    """The days that a monitoring run looks at.

    A row belongs to the day of the run that predicts it, as `include.core.as_of` defines it. A label is known
    `training.gap_days` later, so the labels are those of earlier rows, chosen by their calendar days.

    Attributes
    ----------
    first, last
        First and last day of the rows, both included.
    first_known, last_known
        First and last day of `prediction_time` of the rows with labels, both included.
    """

    first: date
    last: date
    first_known: date
    last_known: date

    @classmethod
    def of(cls, as_of: date, window_days: int, gap_days: int) -> Window:
        """Return the window that ends with a day."""
        back, last_known = timedelta(days=window_days - 1), as_of - timedelta(days=gap_days)
        return cls(as_of - back, as_of, last_known - back, last_known)

    @property
    def since(self) -> date:
        """The first day of which rows are needed."""
        return min(self.first, self.first_known)

    @property
    def first_predicted(self) -> date:
        """The day of the oldest run that predicted any row: a row of midnight belongs to the run of the day before."""
        return self.since - timedelta(days=1)


def plan_monitoring(
    pipeline: Pipeline, run_key: str, as_of: date | None = None, announced: date | None = None
) -> MonitoringPlan:
    """Pin the inputs of a monitoring run, or return the plan that this run made earlier.

    Parameters
    ----------
    as_of
        None means the last day with predictions. It means the last day that every daily source has where nothing was
        predicted yet, and where the monitor has a schedule of its own, so that missing predictions are noticed.
    announced
        A day whose predictions were published, perhaps without a row.

    Raises
    ------
    NotIngested
        If the lake does not hold every source up to `as_of`.
    ScoringImpossible
        If there is no champion.
    ModelRefused, TrackingUnavailable
        If MLflow does not answer which version is the champion.
    """
    existing = MonitoringPlan.load_existing(pipeline.name, run_key)
    if existing:
        return existing
    uri = lake.predictions_uri(pipeline.name)
    predictions = lake.latest_version(uri)
    if as_of is None and pipeline.schedule.monitor == "after_score":
        days = lake.days_with_rows(uri, predictions) if predictions is not None else []
        found = [*map(date.fromisoformat, days[-1:]), *([announced] if announced else [])]
        as_of = max(found, default=None)
    as_of, snapshot = pin_day(pipeline, as_of, needed_by="the monitor", instead="run it")
    champion = find_recorded_champion(pipeline.name)
    if champion is None:
        raise ScoringImpossible(
            f"{pipeline.name} has no champion yet to monitor; run the DAG {pipeline.name}.retrain until it promotes a "
            "version, then start this run again"
        )
    plan = MonitoringPlan(
        pipeline=pipeline.name,
        run_key=run_key,
        as_of=as_of,
        snapshot=snapshot,
        champion=champion,
        predictions=predictions,
        moment=int(datetime.now(UTC).timestamp() * 1_000_000),
    )
    plan.save()
    log.info(
        "%s: planned as of %s, champion version %s, %s, table versions %s",
        pipeline.name,
        as_of,
        champion.version,
        "no predictions yet" if predictions is None else f"predictions version {predictions}",
        snapshot,
    )
    return plan
