"""What the first task of a run pins, so that all its tasks, and each of them again, read and compare with the same."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Self

from include.lake import run_files
from include.registry.champion import Champion

if TYPE_CHECKING:
    from upath import UPath

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PinnedPlan:
    """What a run of any kind pins, in a file in its folder.

    Attributes
    ----------
    as_of
        The run knows what was known when this day ended, in UTC.
    snapshot
        Version of each source's raw table.
    """

    #: What the name of a run's folder begins with: runs of two DAGs may have one id, and no id has a slash in it.
    FOLDER: ClassVar[str] = ""
    #: Fields of a kind of plan that hold a moment in UTC.
    MOMENTS: ClassVar[tuple[str, ...]] = ()

    pipeline: str
    run_key: str
    as_of: date
    snapshot: dict[str, int]
    champion: Champion | None

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON types, days and moments in ISO format."""
        return {name: each.isoformat() if isinstance(each, date) else each for name, each in asdict(self).items()}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Self:
        """Make a plan of what `to_json` gave."""
        champion = fields["champion"]
        read = {
            "as_of": date.fromisoformat(fields["as_of"]),
            "champion": Champion(**champion) if champion else None,
        } | {name: datetime.fromisoformat(fields[name]) for name in cls.MOMENTS}
        return cls(**fields | read)

    @classmethod
    def load(cls, pipeline: str, run_key: str) -> Self:
        """Return the plan that a run made before.

        Raises
        ------
        RunMissing
            If it made none.
        OtherRelease
            If another release of Nightshift made it, whose plans have other fields.
        """
        path = cls._file(pipeline, run_key)
        fields = run_files.read_json(path, "the run's plan")
        with run_files.of_this_release("the run's plan", path):
            return cls.from_json(fields)

    @classmethod
    def kept(cls, pipeline: str, run_key: str) -> Self | None:
        """Return the plan that a run made before, or None where it has made none yet."""
        if not cls._file(pipeline, run_key).exists():
            return None
        log.info("%s: this run has a plan already, which is followed again", pipeline)
        return cls.load(pipeline, run_key)

    def keep(self) -> None:
        """Write the plan into the run's folder, whole or not at all."""
        run_files.write_json(self._file(self.pipeline, self.run_key), self.to_json())

    @classmethod
    def _file(cls, pipeline: str, run_key: str) -> UPath:
        return run_files.run_folder(pipeline, cls.FOLDER + run_key) / "plan.json"
