"""What the steps of a run hand to each other as JSON files, where no other room has the type."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from include.training.challenger import ChallengerSpec

if TYPE_CHECKING:
    from include.workflows.retrain.plan import RunPlan


@dataclass(frozen=True)
class FittedChallenger:
    """The model that a run fitted; `challenger.json` holds it.

    Attributes
    ----------
    sha256
        Digest of the model file.
    rows
        Rows that the model was fitted on, with a `prediction_time` from `train_start` to `train_end`.
    made_from
        Digest of everything that the model follows from, see `files.made_from`.
    """

    chosen: ChallengerSpec
    sha256: str
    rows: int
    train_start: date
    train_end: date
    made_from: str

    @property
    def threshold(self) -> float | None:
        """The probability from which a row counts as positive; None unless the task is binary."""
        return self.chosen.threshold.value if self.chosen.threshold else None

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON types, those of `chosen` among the others."""
        return self.chosen.to_json() | {
            "sha256": self.sha256,
            "rows": self.rows,
            "train_start": self.train_start.isoformat(),
            "train_end": self.train_end.isoformat(),
            "made_from": self.made_from,
        }

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> FittedChallenger:
        """Make a challenger from the result of `to_json`."""
        return cls(
            chosen=ChallengerSpec.from_json(fields),
            sha256=fields["sha256"],
            rows=fields["rows"],
            train_start=date.fromisoformat(fields["train_start"]),
            train_end=date.fromisoformat(fields["train_end"]),
            made_from=fields["made_from"],
        )


@dataclass(frozen=True)
class Answer:
    """A person's answer to the question whether a version may become the champion; `approval.json` holds it.

    Attributes
    ----------
    by
        None where nobody answered in time.
    """

    approved: bool
    by: str | None
    reason: str
    at: datetime

    @property
    def approver(self) -> str | None:
        """Who approved; None where the answer is a rejection."""
        return self.by if self.approved else None

    @property
    def sentence(self) -> str:
        """The answer in words."""
        said = "approved" if self.approved else "rejected"
        if self.by is None:
            return f"{said} at {self.at.isoformat()}, since nobody answered in time"
        return f"{said} by {self.by} at {self.at.isoformat()}" + (f": {self.reason}" if self.reason else "")

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON types."""
        return asdict(self) | {"at": self.at.isoformat()}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Answer:
        """Make an answer from the result of `to_json`."""
        return cls(**fields | {"at": datetime.fromisoformat(fields["at"])})


@dataclass(frozen=True)
class RegistrationResult:
    """What became of a run's model in MLflow; `registration.json` holds it.

    Attributes
    ----------
    version, alias, mlflow_run_id
        None in a dry run; the alias is also None where a newer version has it.
    note
        Why the version was not promoted, if there is more to say than the verdict does.
    champion
        The version that is the champion after this run.
    card
        Address of the model card.
    sha256, manifest
        Digests of the registered model file and of its manifest.
    """

    version: int | None = None
    alias: str | None = None
    mlflow_run_id: str | None = None
    note: str = ""
    champion: int | None = None
    card: str | None = None
    sha256: str | None = None
    manifest: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON types."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: dict[str, Any], plan: RunPlan) -> RegistrationResult:
        """Make a result from that of `to_json`; an older release wrote no champion, so the plan's stays."""
        return cls(**{"champion": plan.champion.version if plan.champion else None} | fields)
