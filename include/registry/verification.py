"""Verify that the models of recorded versions are those that were registered."""

from __future__ import annotations

import hashlib
import logging
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from include.core.errors import LakeError, ModelRefused
from include.registry.champion import find_champion, find_version
from include.registry.load_model import fetch_model
from include.registry.records.chain import examine, head
from include.registry.records.models import recorded_models

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from include.registry.champion import Champion
    from include.registry.records.models import ModelIdentity, RecordedModel
    from include.registry.records.record import Record


log = logging.getLogger(__name__)


def verify_models(pipeline: str, records: list[Record]) -> list[str]:
    """Return the faults of the model files of recorded versions, in sentences.

    Each version is compared to its record, because a registry that was restored to an earlier state may have given
    the number to another model. The version's files are downloaded and compared to the manifest in the lake, and the
    model file to its registered digest.

    Raises
    ------
    TrackingUnavailable
        If MLflow does not answer.
    """

    def verify(recorded: RecordedModel) -> None:
        found, what = find_version(pipeline, recorded.version), f"version {recorded.version}"
        refuse_other_model(pipeline, recorded, found.identity)
        with TemporaryDirectory(prefix="verify-") as folder:
            path = fetch_model(found.pipeline, found.source, found.manifest, folder, what)
            refuse_other_file(path, found.sha256, what)

    return find_problems(records, verify)


def find_problems(records: Iterable[Record], verify: Callable[[RecordedModel], None]) -> list[str]:
    """Return the faults of recorded versions, in sentences.

    Parameters
    ----------
    verify
        Raises ModelRefused where a version is not the one that was registered.
    """
    problems = []
    for recorded in recorded_models(records):
        try:
            verify(recorded)
        except ModelRefused as error:
            problems.append(f"record {recorded.record}: {error}")
    return problems


def find_recorded_champion(pipeline: str) -> Champion | None:
    """Return the champion like `find_champion`, and warn where the last record names another one."""
    champion = find_champion(pipeline)
    try:
        last = head(pipeline)
    except LakeError as error:  # MLflow decides; `verify` names the fault of the record
        log.warning("%s", error)
        return champion
    note = champion_note(pipeline, champion.version if champion else None, [last] if last else [])
    if note:
        log.warning("%s", note)
    return champion


def champion_note(pipeline: str, champion: int | None, records: Sequence[Record]) -> str | None:
    """Return a sentence where MLflow's champion differs from the one in the last record, or None.

    A difference need not be a fault: a run may have promoted a version and not have written its record yet.

    Parameters
    ----------
    champion
        The version that the alias in MLflow names; None where there is none.
    """
    last = next((record for record in reversed(records) if "champion_after" in record.content), None)
    if last is None or last.content["champion_after"] == champion:
        return None
    return (
        f"{pipeline}: record {last.number} says that {_version(last.content['champion_after'])} is the champion, and "
        f"MLflow says {_version(champion)}: a run has not written its record yet, somebody moved the alias by hand, or "
        f"MLflow's database was restored to an earlier state; ./nightshift verify {pipeline} compares every version"
    )


def refuse_other_model(pipeline: str, recorded: RecordedModel, registered: ModelIdentity) -> None:
    """Refuse a registered version that is another model than the one in the record of its number.

    Raises
    ------
    ModelRefused
        If the run or a digest differs.
    """
    conflicts = recorded.identity.conflicts(registered)
    if conflicts:
        raise ModelRefused(
            f"version {recorded.version} of {pipeline} in MLflow is another model than in record "
            f"{recorded.record}: {'; '.join(conflicts)}; MLflow's database was probably restored to an earlier "
            "state, or its tags were changed; restore MLflow and the lake from the same backup, or promote a version "
            f"that ./nightshift verify {pipeline} does not name"
        )


def refuse_unless_recorded(pipeline: str, champion: Champion) -> None:
    """Refuse a registered version that is another model than the one in the records of its number.

    Raises
    ------
    ModelRefused
        If the models differ; a version without a record is not refused.
    LakeError
        If the lake cannot be read.
    """
    for recorded in recorded_models(examine(pipeline)[0]):
        if recorded.version == champion.version:
            refuse_other_model(pipeline, recorded, champion.identity)


def refuse_other_file(path: Path, sha256: str | None, what: str) -> None:
    """Refuse a version whose model file is not the one that was registered.

    Raises
    ------
    ModelRefused
        If the file has another digest, or is missing.
    """
    digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
    if digest != sha256:
        raise ModelRefused(
            f"the model file of {what} {f'has the SHA-256 {digest[:12]}…' if digest else 'is missing'}, and the "
            f"registered SHA-256 is {(sha256 or 'none')[:12]}…; restore the file, or promote another version"
        )


def _version(number: int | None) -> str:
    return f"version {number}" if number else "no version"
