"""What the steps of a run hand to each other as JSON files, where no other room has the type."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date  # noqa: TC003  pydantic reads the fields
from typing import TYPE_CHECKING, Any, Literal, Self

from include.core.json_document import JsonDocument

if TYPE_CHECKING:
    from collections.abc import Mapping

    from include.workflows.retrain.plan import RunPlan


@dataclass(frozen=True)
class RegistrationResult(JsonDocument):
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

    @classmethod
    def read(cls, document: Mapping[str, Any], plan: RunPlan) -> Self:
        """Make a result from that of `to_json`; an older release wrote no champion, so the plan's stays."""
        champion = plan.champion.version if plan.champion else None
        return cls.from_json({"champion": champion} | dict(document))


@dataclass(frozen=True)
class RunSummary(JsonDocument):
    """The outcome of a run, as its last step returns it.

    Attributes
    ----------
    verdict
        The gate's; `keep` also where another run has promoted between the verdict and the registration.
    outcome
        What happened to the champion, and why.
    version, alias
        None where nothing was registered; the alias is also None where a newer version has it.
    table
        The summary as text.
    """

    verdict: Literal["promote", "keep", "inconclusive"]
    outcome: str
    reason: str
    version: int | None
    alias: str | None
    as_of: date
    table: str
