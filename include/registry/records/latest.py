"""The newest decisions of a pipeline: who is the champion and since when, its metric, and the last verdict.

A record is never changed, so what was read of a chain stays true until the file of the next record exists.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from include.core import settings
from include.core.errors import LakeError
from include.lake.run_files import records_folder
from include.registry.records.chain import read_record
from include.registry.records.files import record_numbers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from upath import UPath

    from include.registry.records.record import Record

#: Records that are read at most, the newest first: more than a year of nights.
MOST_RECORDS = 400


@dataclass(frozen=True)
class RecordedMetric:
    """The gate's metric of a version on its holdout; an end of the interval that was not recorded is None."""

    name: str
    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class RecordedVerdict:
    """The outcome of one retraining run.

    Attributes
    ----------
    as_of
        ISO day.
    verdict
        `promote`, `keep` or `inconclusive`.
    reason
        Why, in one sentence; where a hold or an answer decided otherwise than the gate, that.
    version
        The challenger's; None in a dry run.
    promoted
        Whether the run made its challenger the champion.
    """

    as_of: str
    recorded_at: datetime
    verdict: str
    reason: str
    version: int | None
    promoted: bool
    dry_run: bool


@dataclass(frozen=True)
class LatestDecisions:
    """What the records say about a pipeline now.

    Attributes
    ----------
    champion
        The version that is the champion after the newest record; None for none.
    since
        When the champion became it; None without a champion, or if it became it before the oldest record read.
    oldest
        The time of the oldest record read, which `since` is older than if it is None.
    metric
        The champion's; None if the record of its run is older than those read.
    verdict
        Of the newest retraining run; None where there was none.
    """

    champion: int | None = None
    since: datetime | None = None
    oldest: datetime | None = None
    metric: RecordedMetric | None = None
    verdict: RecordedVerdict | None = None


def latest_decisions(pipeline: str) -> LatestDecisions:
    """Return what a pipeline's records say now, from as few of the newest as answer it.

    Raises
    ------
    LakeError
        If the lake or one of these records cannot be read.
    """
    chain = _known.get((settings.lake_uri(), pipeline))
    if chain is None or chain.has_changed():
        chain = _known[settings.lake_uri(), pipeline] = _read_chain(pipeline)
    return chain.said


@dataclass(frozen=True)
class _Chain:
    """What a chain said when `number` was its newest record."""

    folder: UPath
    number: int
    said: LatestDecisions

    def has_changed(self) -> bool:
        """Return whether the next record exists, or the newest one has gone."""
        try:
            self.folder.fs.invalidate_cache()  # another process may have written since the last listing
            newest, following = (self.folder.fs.exists(self._path(number)) for number in (self.number, self.number + 1))
        except OSError as error:
            raise LakeError(
                f"{self.folder} could not be read ({error.strerror or error}); check LAKE_URI and its permissions, "
                "then try again"
            ) from error
        return following or not newest

    def _path(self, number: int) -> str:
        return f"{self.folder.path}/{number:08d}.json"


_known: dict[tuple[str, str], _Chain] = {}


def _read_chain(pipeline: str) -> _Chain:
    numbers = record_numbers(pipeline)
    newest = (read_record(pipeline, number) for number in reversed(numbers[-MOST_RECORDS:]))
    return _Chain(records_folder(pipeline), max(numbers, default=0), summarize(newest))


def summarize(records: Iterable[Record]) -> LatestDecisions:
    """Return what the records say, read from the newest back until the answer is complete."""
    found = _Found()
    for record in records:
        found.take(record)
        if found.is_complete:
            break
    return found.result()


class _Found:
    """Collects the answer from records, the newest first."""

    def __init__(self) -> None:
        self.knows_champion = False
        self.champion: int | None = None
        self.since: datetime | None = None
        self.oldest: datetime | None = None
        self.metric: RecordedMetric | None = None
        self.verdict: RecordedVerdict | None = None

    @property
    def is_complete(self) -> bool:
        if not self.knows_champion or self.verdict is None:
            return False
        return self.champion is None or (self.since is not None and self.metric is not None)

    def take(self, record: Record) -> None:
        content, at = record.content, datetime.fromisoformat(record.recorded_at)
        self.oldest = at
        if record.kind == "retrain" and self.verdict is None:
            self.verdict = _verdict(content, at)
        # a dry run records the champion that it was planned with, which another may have replaced meanwhile
        if "champion_after" in content and not content.get("dry_run"):
            before, after = content.get("champion_before"), content["champion_after"]
            if not self.knows_champion:
                self.knows_champion, self.champion = True, after
            if self.since is None and after == self.champion != before:
                self.since = at
        trained = content.get("challenger_version") if record.kind == "retrain" else None
        if self.metric is None and trained is not None and trained == self.champion:
            self.metric = _metric(content.get("metric"))

    def result(self) -> LatestDecisions:
        return LatestDecisions(self.champion, self.since, self.oldest, self.metric, self.verdict)


def _verdict(content: dict[str, Any], at: datetime) -> RecordedVerdict:
    version, after = content.get("challenger_version"), content.get("champion_after")
    return RecordedVerdict(
        as_of=str(content.get("as_of", "")),
        recorded_at=at,
        verdict=str(content.get("verdict", "")),
        reason=str(content.get("reason") or ""),
        version=version,
        promoted=version is not None and version == after,
        dry_run=bool(content.get("dry_run")),
    )


def _metric(recorded: Any) -> RecordedMetric:
    fields = recorded if isinstance(recorded, dict) else {}
    value, low, high = (fields.get(name) for name in ("value", "low", "high"))
    return RecordedMetric(str(fields.get("name", "")), value, low, high)
