"""The models in a pipeline's records: the version that each run registered, and the digests of its model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from include.registry.records.record import Record

#: Fields of a record's content that name a version of the registry.
_VERSIONS = ("challenger_version", "champion_before", "champion_after")


@dataclass(frozen=True)
class ModelIdentity:
    """What distinguishes one registered model from another with the same version number.

    Attributes
    ----------
    run_key
        The run that trained it.
    challenger_sha256
        SHA-256 of the model file that the run trained.
    sha256, manifest
        SHA-256 of the model file and of the manifest, as in the tags of the version in MLflow.

    None stands for an unknown value, which an older release did not write.
    """

    run_key: str | None = None
    challenger_sha256: str | None = None
    sha256: str | None = None
    manifest: str | None = None

    def conflicts(self, registered: ModelIdentity) -> list[str]:
        """Return the fields in which a registered version differs from this model, as clauses with both values."""
        found = []
        for name, label in (
            ("run_key", "the run"),
            ("challenger_sha256", "the trained file's SHA-256"),
            ("sha256", "the registered file's SHA-256"),
            ("manifest", "the manifest's SHA-256"),
        ):
            recorded, in_mlflow = getattr(self, name), getattr(registered, name)
            if recorded is not None and in_mlflow is not None and recorded != in_mlflow:
                found.append(f"{label} is {_short(recorded)} in the record and {_short(in_mlflow)} in MLflow")
        return found


@dataclass(frozen=True)
class RecordedModel:
    """A version that a retraining run registered, as described by the record with the number `record`."""

    record: int
    version: int
    identity: ModelIdentity


def recorded_models(records: Iterable[Record]) -> list[RecordedModel]:
    """Return the versions that retraining runs registered, in the order of their records."""
    models = []
    for record in records:
        version = record.content.get("challenger_version") if record.kind == "retrain" else None
        if version is None:
            continue
        content, registered = record.content, record.content.get("registered_model") or {}
        identity = ModelIdentity(
            run_key=content.get("run"),
            challenger_sha256=(content.get("challenger") or {}).get("sha256"),
            sha256=registered.get("sha256"),
            manifest=registered.get("manifest"),
        )
        models.append(RecordedModel(record.number, version, identity))
    return models


def highest_version(records: Iterable[Record]) -> int:
    """Return the highest version number in the records; 0 where none names a version."""
    named = (record.content.get(field) for record in records for field in _VERSIONS)
    return max((version for version in named if isinstance(version, int)), default=0)


def _short(text: str) -> str:
    return f"{text[:12]}…" if len(text) == 64 and " " not in text else text
