"""The plan that the first task of a run pins, so that every task, also a repeated one, reads the same inputs."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import date  # noqa: TC003  pydantic reads the fields
from typing import TYPE_CHECKING, ClassVar, Self

from include.core.json_document import JsonDocument
from include.lake import run_files
from include.registry.champion import Champion  # noqa: TC001

if TYPE_CHECKING:
    from upath import UPath

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PinnedPlan(JsonDocument):
    """The inputs that a run of any kind pins, kept in a file in its folder.

    Attributes
    ----------
    as_of
        The run uses what was known at the end of this day, in UTC.
    snapshot
        Version of each source's raw table.
    """

    #: Prefix of the run's folder. Runs of two DAGs may have the same id; no id contains a slash.
    FOLDER: ClassVar[str] = ""

    pipeline: str
    run_key: str
    as_of: date
    snapshot: dict[str, int]
    champion: Champion | None

    @classmethod
    def load(cls, pipeline: str, run_key: str) -> Self:
        """Return the plan that a run made earlier.

        Raises
        ------
        RunMissing
            If the run has no plan.
        OtherRelease
            If a release of Nightshift whose plans have other fields made the plan.
        """
        path = cls._file(pipeline, run_key)
        fields = run_files.read_json(path, "the run's plan")
        with run_files.refuse_other_release("the run's plan", path):
            return cls.from_json(fields)

    @classmethod
    def load_existing(cls, pipeline: str, run_key: str) -> Self | None:
        """Return the plan that a run made earlier, or None where it has none yet."""
        if not cls._file(pipeline, run_key).exists():
            return None
        log.info("%s: this run follows the plan that it made earlier", pipeline)
        return cls.load(pipeline, run_key)

    def save(self) -> None:
        """Write the plan into the run's folder, whole or not at all."""
        run_files.write_json(self._file(self.pipeline, self.run_key), self.to_json())

    @classmethod
    def _file(cls, pipeline: str, run_key: str) -> UPath:
        return run_files.run_folder(pipeline, cls.FOLDER + run_key) / "plan.json"
