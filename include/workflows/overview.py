"""What is known about every pipeline's model, from its records, MLflow and the lake, for a page of all models.

Nothing is stored for the page. What was read stays in the process until its table or chain has grown, so that hundreds
of pipelines are looked at in a fraction of a second.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, TypeVar

from include import lake
from include.config.loader import load_pipeline, pipeline_names
from include.core import settings
from include.core.errors import NightshiftError
from include.ingestion.published_days import published_through
from include.registry.pages import version_page
from include.registry.records.latest import LatestDecisions, latest_decisions
from include.registry.registered import RegisteredModel, registered_models
from include.reports.model_row import Alert, HeldSince, LastVerdict, Metric, ModelState

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    import pyarrow as pa

    from include.config.pipeline import Pipeline
    from include.registry.records.latest import RecordedVerdict
    from include.reports.model_row import Outcome

T = TypeVar("T")

log = logging.getLogger(__name__)

#: Pipelines that are read from a store at once.
READERS = 16

#: The kinds of DAGs that may have a schedule.
SCHEDULED = ("ingest", "retrain", "score", "monitor", "maintain")


@dataclass(frozen=True)
class Overview:
    """The state of every model, and the sentence of an error that concerns all of them."""

    models: list[ModelState]
    error: str | None = None


def read_overview(names: Collection[str] | None = None) -> Overview:
    """Return the state of every pipeline's model; what cannot be read is a sentence in its row.

    Parameters
    ----------
    names
        The pipelines to read; None means all.
    """
    registered: dict[str, RegisteredModel] | None = None
    error = None
    try:
        registered = registered_models()
    except (NightshiftError, OSError) as unavailable:  # without a server, its file may be out of reach
        error = f"{unavailable}; champions are those of the records, and holds are not known"
    wanted = pipeline_names() if names is None else sorted(names)
    if settings.lake_uri().startswith(("/", "file:")):
        return Overview([_read_model(name, registered) for name in wanted], error)
    with ThreadPoolExecutor(READERS) as readers:  # reading from a store is mostly waiting
        return Overview(list(readers.map(lambda name: _read_model(name, registered), wanted)), error)


def _read_model(name: str, registered: dict[str, RegisteredModel] | None) -> ModelState:
    """Return the state of one model; each part of it that cannot be read is one error of its row."""
    reading = _Reading(name)
    pipeline = reading.part("pipeline.yaml", lambda: _configured(name))
    decisions = reading.part("records", lambda: latest_decisions(name)) or LatestDecisions()
    monitored = reading.part("monitoring", lambda: _ALERTS.of(lake.monitoring_uri(name)))
    predicted = reading.part("predictions", lambda: _LAST_DAY.of(lake.predictions_uri(name)))
    data_through = reading.part("raw tables", lambda: published_through(pipeline)) if pipeline else None
    in_mlflow = None if registered is None else registered.get(name, RegisteredModel())
    champion = decisions.champion if in_mlflow is None else in_mlflow.champion
    is_recorded = champion == decisions.champion
    if not is_recorded and "records" not in reading.failed:
        reading.errors.append(_unrecorded(name, champion, decisions.champion))
    hold = in_mlflow.hold if in_mlflow else None
    return ModelState(
        pipeline=name,
        description=pipeline.description if pipeline else "",
        owner=pipeline.owner if pipeline else "",
        errors=tuple(reading.errors),
        champion=champion,
        champion_page=version_page(name, champion) if champion else None,
        since=(decisions.since or decisions.oldest) if is_recorded and champion else None,
        since_before=decisions.since is None,
        metric=_metric(decisions) if is_recorded else None,
        verdict=_verdict(decisions.verdict) if decisions.verdict else None,
        hold=HeldSince(hold.by, hold.at, hold.reason) if hold else None,
        alerts=monitored.alerts if monitored else (),
        alerts_as_of=monitored.as_of if monitored else None,
        data_through=data_through,
        predictions_through=date.fromisoformat(predicted) if predicted else None,
        scheduled=_scheduled(pipeline) if pipeline else {},
    )


class _Reading:
    """Reads the parts of one pipeline, and keeps the sentence of each that cannot be read."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.errors: list[str] = []
        self.failed: set[str] = set()

    def part(self, what: str, read: Callable[[], T]) -> T | None:
        """Return what a function reads, or None where it cannot be read."""
        try:
            return read()
        except NightshiftError as error:
            self.errors.append(str(error))
        except Exception as error:  # the rows of the other pipelines must be shown whatever is wrong with this one
            log.exception("%s: the %s cannot be read", self.name, what)
            self.errors.append(f"{self.name}: its {what} cannot be read ({type(error).__name__}: {error})")
        self.failed.add(what)
        return None


def _configured(name: str) -> Pipeline:
    """Return a pipeline, read again only when the file of its pipeline.yaml has changed."""
    path = settings.pipelines_folder() / name / "pipeline.yaml"
    try:
        found = path.stat()
    except OSError:
        return load_pipeline(name)  # which says what is wrong
    stamp = (str(path), found.st_mtime_ns, found.st_size)
    known = _pipelines.get(name)
    if known is None or known[0] != stamp:
        known = _pipelines[name] = (stamp, load_pipeline(name))
    return known[1]


_pipelines: dict[str, tuple[tuple[str, int, int], Pipeline]] = {}


@dataclass(frozen=True)
class _Monitored:
    """The alerts of the newest monitoring results, and their ISO day."""

    as_of: str
    alerts: tuple[Alert, ...]


def _monitored(rows: pa.Table | None) -> _Monitored | None:
    if rows is None or not rows.num_rows:
        return None
    found = rows.select(["ds", "state", "kind", "name", "sentence"]).to_pylist()
    alerts = [Alert(each["kind"], each["name"], each["sentence"]) for each in found if each["state"] == "alert"]
    return _Monitored(found[0]["ds"], tuple(alerts))


#: What this process knows of the newest versions of the tables of monitoring results and of predictions.
_ALERTS = lake.NewestFacts(lambda table: _monitored(lake.read_newest_day(table)))
_LAST_DAY = lake.NewestFacts(lake.newest_day)


def _unrecorded(name: str, champion: int | None, recorded: int | None) -> str:
    named, was = (f"version {each}" if each else "no version" for each in (champion, recorded))
    return (
        f"{name}: the alias champion names {named} in MLflow, but the last record says {was}; somebody moved the alias "
        f"without a record; decide with the DAG {name}.promote or {name}.rollback"
    )


def _metric(decisions: LatestDecisions) -> Metric | None:
    found = decisions.metric
    return Metric(found.name, found.value, found.low, found.high) if found else None


def _verdict(found: RecordedVerdict) -> LastVerdict:
    outcome: Outcome
    if found.dry_run:
        outcome = "dry run"
    elif found.promoted:
        outcome = "promoted"
    elif found.verdict == "promote":
        outcome = "not promoted"
    else:
        outcome = "inconclusive" if found.verdict == "inconclusive" else "kept"
    return LastVerdict(outcome, found.as_of, found.recorded_at, found.version, found.reason)


def _scheduled(pipeline: Pipeline) -> dict[str, str]:
    given = {kind: getattr(pipeline.schedule, kind) for kind in SCHEDULED}
    return {kind: value for kind, value in given.items() if value is not None}
