"""Proves that the models of recorded versions are those that were registered."""

from __future__ import annotations

import hashlib
import logging
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from include.core.errors import LakeError, ModelRefused
from include.registry.champion import fetch_model, find_champion, find_version
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
    """Return what is wrong with the model files of the versions that records name, in sentences.

    Each version is compared with its record: a registry that was restored to an earlier state may have given the
    number to another model. Its files are downloaded and compared with its manifest in the lake, and its model file
    with the digest that it was registered with.

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
    """Return what is wrong with the versions that records name, in sentences.

    Parameters
    ----------
    verify
        Raises ModelRefused where a version is not as it was registered.
    """
    problems = []
    for recorded in recorded_models(records):
        try:
            verify(recorded)
        except ModelRefused as error:
            problems.append(f"record {recorded.record}: {error}")
    return problems


def find_recorded_champion(pipeline: str) -> Champion | None:
    """Return the champion as `find_champion` does, and warn where it is not the one that the last record left."""
    champion = find_champion(pipeline)
    try:
        last = head(pipeline)
    except LakeError as error:  # `verify` says what is wrong with it; MLflow has the last word
        log.warning("%s", error)
        return champion
    note = champion_note(pipeline, champion.version if champion else None, [last] if last else [])
    if note:
        log.warning("%s", note)
    return champion


def champion_note(pipeline: str, champion: int | None, records: Sequence[Record]) -> str | None:
    """Return a sentence where MLflow's champion is not the one that the last of some records left, or None.

    It proves no fault: a run may have promoted a version and not have written its record yet.

    Parameters
    ----------
    champion
        The version that MLflow's alias names; None where there is none.
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
    """Refuse a version of the registry that is another model than the one that a record names by its number.

    Raises
    ------
    ModelRefused
        If the run or a digest differs.
    """
    conflicts = recorded.identity.conflicts(registered)
    if conflicts:
        raise ModelRefused(
            f"version {recorded.version} of {pipeline} in MLflow is another model than the one that record "
            f"{recorded.record} names: {'; '.join(conflicts)}; MLflow's database was probably restored to an earlier "
            "state, or its tags were changed; restore MLflow and the lake from the same backup, or promote a version "
            f"that ./nightshift verify {pipeline} does not name"
        )


def refuse_unless_recorded(pipeline: str, champion: Champion) -> None:
    """Refuse a registered version that is another model than the one that the records name by its number.

    Raises
    ------
    ModelRefused
        If it is; a version that no record names is not refused.
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
        If it has another digest, or is not there.
    """
    digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
    if digest != sha256:
        raise ModelRefused(
            f"the model file of {what} {f'has the SHA-256 {digest[:12]}…' if digest else 'is not there'}, and "
            f"was registered with {(sha256 or 'none')[:12]}…"
        )


def _version(number: int | None) -> str:
    return f"version {number}" if number else "no version"
