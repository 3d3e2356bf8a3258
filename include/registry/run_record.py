"""What a run gives MLflow when its model is registered, and where the model went."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from include.training.candidates import Params


@dataclass(frozen=True)
class RunRecord:
    """What MLflow keeps of a run.

    Attributes
    ----------
    name
        The pipeline, whose name the experiment and the registered model have.
    run_key
        Identifies the run; a second registration under the same key finds the version of the first.
    sha256
        Digest of the challenger's file; a run that has registered another model may not register this one.
    version_tags, run_tags
        Tags of the run and of the version, and tags of the run only; without the prefix `nightshift.`.
    documents
        Text artifacts of the run, by file name.
    files
        Further artifacts as bytes, by file name.
    model_files
        Files as bytes that are stored with the model and listed in its manifest, by name.
    documents_after
        Returns documents that need the result of the registration, such as the card, which names the version.
    """

    name: str
    run_key: str
    sha256: str
    params: Params
    metrics: dict[str, float]
    version_tags: dict[str, str]
    run_tags: dict[str, str]
    documents: dict[str, str]
    description: str
    files: dict[str, bytes] = field(default_factory=dict)
    model_files: dict[str, bytes] = field(default_factory=dict)
    documents_after: Callable[[Registration], dict[str, str]] = lambda _: {}

    @property
    def key(self) -> str:
        """Digest of the run and of its model's inputs: snapshot, code, parameters and seed."""
        made_from = {tag: self.version_tags.get(tag) for tag in ("snapshot", "code_version", "members", "seed")}
        content = [self.name, self.run_key, made_from, {name: str(value) for name, value in self.params.items()}]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Registration:
    """The version that a run registered, and its alias.

    Attributes
    ----------
    champion
        The version that is the champion after the registration; None where there is none.
    sha256, manifest
        Digests of the registered model file and of its manifest, from the version's tags.
    """

    version: int
    alias: str | None
    mlflow_run_id: str
    champion: int | None
    note: str = ""
    sha256: str | None = None
    manifest: str | None = None


def json_files(documents: Mapping[str, Any]) -> dict[str, str]:
    """Return documents of JSON types as the texts of a `RunRecord`, by file name."""
    return {f"{name}.json": json.dumps(content, indent=1, sort_keys=True) for name, content in documents.items()}
