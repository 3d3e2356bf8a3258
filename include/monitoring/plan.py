"""Plan: what one run of the monitor looks at; pinned before anything is measured."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from include import lake, workspace
from include.errors import ScoringImpossible
from include.features.snapshot import pin_day
from include.tracking.champion import Champion, find_champion

if TYPE_CHECKING:
    from upath import UPath

    from include.config import Pipeline

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MonitoringPlan:
    """Everything that decides what a run of the monitor finds; a run that is repeated has the same plan.

    Attributes
    ----------
    as_of
        ISO day; the run knows what was known at its end, in UTC.
    snapshot
        Version of each source's raw table.
    champion
        The version that all is held against.
    predictions
        Version of the table of predictions; None where there is none yet.
    moment
        When it was planned, in microseconds since 1970.
    """

    pipeline: str
    run_key: str
    as_of: str
    snapshot: dict[str, int]
    champion: Champion
    predictions: int | None
    moment: int

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON types."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> MonitoringPlan:
        """Make a plan of what `to_json` gave."""
        return cls(**fields | {"champion": Champion(**fields["champion"])})


@dataclass(frozen=True)
class Window:
    """The days that a run of the monitor looks at.

    A row belongs to the day of the run that predicts it, that which has its `prediction_time` after its begin and no
    later than its end. Its label is known `training.gap_days` later, so labels are looked at of earlier rows.

    Attributes
    ----------
    first, last
        The days whose rows are looked at, both included.
    first_known, last_known
        The days of `prediction_time` of the rows whose labels are looked at, both included.
    """

    first: date
    last: date
    first_known: date
    last_known: date

    @classmethod
    def of(cls, as_of: date, window_days: int, gap_days: int) -> Window:
        """Return the window of a day."""
        back, last_known = timedelta(days=window_days - 1), as_of - timedelta(days=gap_days)
        return cls(as_of - back, as_of, last_known - back, last_known)

    @property
    def since(self) -> date:
        """The day from whose begin on rows are needed."""
        return min(self.first, self.first_known)

    @property
    def first_predicted(self) -> date:
        """The day of the oldest run that predicted any of them: what is asked at midnight is of the day before."""
        return self.since - timedelta(days=1)


def plan_monitoring(
    pipeline: Pipeline, run_key: str, as_of: date | None = None, announced: date | None = None
) -> MonitoringPlan:
    """Pin what a run looks at, or return the plan that this run made before.

    Parameters
    ----------
    as_of
        None means the last day that was predicted; where the monitor has a clock of its own, which also notices that
        nothing is predicted any more, or nothing was predicted yet, the last day that every daily source has.
    announced
        A day that was published, maybe without a row.

    Raises
    ------
    NotIngested
        If the lake does not hold every source up to `as_of`.
    ScoringImpossible
        If there is no champion.
    ModelRefused, TrackingUnavailable
        If MLflow cannot say who the champion is.
    """
    path = _plan_file(pipeline.name, run_key)
    if path.exists():
        log.info("%s: this run has a plan already, which is followed again", pipeline.name)
        return load_plan(pipeline.name, run_key)
    uri = lake.predictions_uri(pipeline.name)
    predictions = lake.latest_version(uri)
    if as_of is None and pipeline.schedule.monitor == "after_score":
        days = lake.days_with_rows(uri, predictions) if predictions is not None else []
        found = [*map(date.fromisoformat, days[-1:]), *([announced] if announced else [])]
        as_of = max(found, default=None)
    as_of, snapshot = pin_day(pipeline, as_of, asked="the monitor is asked", instead="ask it")
    champion = find_champion(pipeline.name)
    if champion is None:
        raise ScoringImpossible(
            f"{pipeline.name} has no champion yet, so there is nothing that it has learned from; run the DAG "
            f"{pipeline.name}.retrain until it promotes a version, then start this run again"
        )
    plan = MonitoringPlan(
        pipeline=pipeline.name,
        run_key=run_key,
        as_of=as_of.isoformat(),
        snapshot=snapshot,
        champion=champion,
        predictions=predictions,
        moment=int(datetime.now(UTC).timestamp() * 1_000_000),
    )
    workspace.write_json(path, plan.to_json())
    log.info(
        "%s: as of %s, champion version %s, predictions version %s, tables %s",
        *(pipeline.name, as_of, champion.version, predictions, snapshot),
    )
    return plan


def load_plan(name: str, run_key: str) -> MonitoringPlan:
    """Return the plan that a run made before.

    Raises
    ------
    RunMissing
        If it made none.
    OtherRelease
        If another release of Nightshift made it, whose plans have other fields.
    """
    path = _plan_file(name, run_key)
    fields = workspace.read_json(path, "the run's plan")
    with workspace.of_this_release("the run's plan", path):
        return MonitoringPlan.from_json(fields)


def _plan_file(name: str, run_key: str) -> UPath:
    # runs of two DAGs may have one id, and no id has a slash in it
    return workspace.run_folder(name, f"monitor/{run_key}") / "plan.json"
