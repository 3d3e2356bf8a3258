"""Register the model of a run as a version in MLflow, with everything that explains it."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from include.core.errors import ModelRefused, NightshiftError
from include.registry.alias import alias_targets, drop_older_challenger, move_champion
from include.registry.champion import CHALLENGER, CHAMPION
from include.registry.client import mlflow_client, without_retries
from include.registry.lease import champion_lease
from include.registry.log_model import log_model
from include.registry.mlflow_run import close_failed, log_documents, log_texts, open_run
from include.registry.promotion import read_hold
from include.registry.records.chain import examine
from include.registry.records.models import highest_version
from include.registry.run_record import Registration

if TYPE_CHECKING:
    from collections.abc import Collection

    import pandas as pd
    from mlflow import MlflowClient
    from sklearn.pipeline import Pipeline as Model

    from include.registry.lease import Lease
    from include.registry.log_model import Logged
    from include.registry.run_record import RunRecord

log = logging.getLogger(__name__)

#: Tag of a version that only uses up a number, see `_skip_recorded_numbers`.
RESERVED = "nightshift.reserved"


def register_model(
    record: RunRecord,
    model: Model,
    example: pd.DataFrame,
    *,
    classifies: bool,
    trusted: Collection[str] = (),
    promote: bool,
    expected_champion: int | None,
) -> Registration:
    """Log a model with everything that explains it, register it, and move its alias.

    The order is: the run and its files, the verification of the stored files, their manifest in the lake, the version,
    the alias. So the champion is always a complete model. Version and alias are written under the lease of the
    champion. A second call for the same run completes what the first one left. An error closes the run in MLflow as
    FAILED, the end of the task as KILLED, and the next attempt reopens it.

    Parameters
    ----------
    example
        A few rows of the raw feature frame: the input example, and the source of the signature.
    classifies
        Whether the model predicts probabilities.
    trusted
        Types beyond Nightshift's own that the model may consist of.
    promote
        True gives the version the alias `champion`, False the alias `challenger`.
    expected_champion
        The version that the gate compared to. If another version has become the champion since, or if somebody holds
        automatic promotion, nothing is promoted, and the note gives the reason.

    Raises
    ------
    TrackingUnavailable
        The champion is then unchanged.
    PublishConflict
        If another run holds the lease of the champion for too long.
    ModelRefused
        If this run has already registered another model.
    """
    from mlflow.exceptions import MlflowException

    with mlflow_client(f"registering the model of run {record.run_key}") as client:
        with champion_lease(record.name, record.run_key):  # only one of two simultaneous attempts opens the run
            version = _version_of(client, record)
            run_id = open_run(client, record)
        try:
            log_documents(client, run_id, record)
            logged = None
            if version is None:
                try:
                    logged = log_model(
                        record.name,
                        run_id,
                        model,
                        example,
                        classifies=classifies,
                        trusted=trusted,
                        what=f"run {record.run_key}",
                        files=record.model_files,
                    )
                except (NightshiftError, MlflowException):
                    # a quicker attempt of this run may have deleted the model that this one logged
                    version = _version_of(client, record)
                    if version is None:
                        raise
            with champion_lease(record.name, record.run_key) as lease:
                if logged:
                    version = _version_of(client, record) or _create_version(client, lease, run_id, record, logged)
                assert version is not None
                _delete_unregistered(client, lease, run_id, record)
                registration = _move_alias(client, lease, record, version, run_id, promote, expected_champion)
            tags = client.get_model_version(record.name, str(version)).tags
            registration = replace(
                registration, sha256=tags.get("nightshift.sha256"), manifest=tags.get("nightshift.manifest")
            )
            log_texts(client, run_id, record.documents_after(registration))
            client.set_tag(run_id, "nightshift.state", "completed")
            client.set_terminated(run_id, "FINISHED")
        except BaseException as error:
            close_failed(client, run_id, "FAILED" if isinstance(error, Exception) else "KILLED")
            raise
    return registration


def _version_of(client: MlflowClient, record: RunRecord) -> int | None:
    """Return the version that this run has registered, or None where it has registered none."""
    found = client.search_model_versions(f"name = '{record.name}' and tags.`nightshift.run_key` = '{record.run_key}'")
    if not found:
        return None
    first = min(found, key=lambda version: int(version.version))
    # versions of an older release have no key
    same = first.tags.get("nightshift.key", record.key) == record.key
    if not same or first.tags.get("nightshift.challenger_sha256") != record.sha256:
        raise ModelRefused(
            f"{record.name}: run {record.run_key} has already registered version {first.version}, and its inputs have "
            "changed since; a registered version is never changed, so start a new run"
        )
    log.info("%s: this run has already registered version %s", record.name, first.version)
    return int(first.version)


def _create_version(client: MlflowClient, lease: Lease, run_id: str, record: RunRecord, logged: Logged) -> int:
    with without_retries():
        if record.name not in {each.name for each in client.search_registered_models(f"name = '{record.name}'")}:
            client.create_registered_model(record.name)
        _skip_recorded_numbers(client, lease, record.name, logged)
        lease.check()
        version = client.create_model_version(
            record.name,
            source=logged.uri,
            run_id=run_id,
            model_id=logged.model_id,
            description=record.description,
            tags={f"nightshift.{key}": value for key, value in record.version_tags.items()}
            | {
                "nightshift.run_key": record.run_key,
                "nightshift.key": record.key,
                "nightshift.challenger_sha256": record.sha256,
                "nightshift.sha256": logged.sha256,
                "nightshift.manifest": logged.manifest,
            },
        )
    log.info("%s: registered as version %s, MLflow run %s", record.name, version.version, run_id)
    return int(version.version)


def _skip_recorded_numbers(client: MlflowClient, lease: Lease, name: str, logged: Logged) -> None:
    """Use up version numbers that the records name and MLflow has lost, so that no other model gets them.

    MLflow counts from the highest number in its database. After a restore to an earlier state, this number is lower
    than the highest one in the records of the lake. Creating and deleting a version uses up its number.
    """
    versions = client.search_model_versions(f"name = '{name}'")
    for left in versions:
        if RESERVED in left.tags:  # left by a killed attempt
            lease.check()
            client.delete_model_version(name, left.version)
    newest = max((int(each.version) for each in versions), default=0)
    recorded = highest_version(examine(name)[0])
    if newest >= recorded:
        return
    log.warning(
        "%s: skips the version numbers up to %s, so that no number names two models: the records name version %s, and "
        "MLflow's newest version is %s; versions were deleted, or MLflow's database was restored to an earlier state "
        "or replaced; ./nightshift verify %s lists the missing versions",
        name,
        recorded,
        recorded,
        newest or "none",
        name,
    )
    while newest < recorded:
        lease.check()
        reserved = client.create_model_version(name, source=logged.uri, tags={RESERVED: "true"})
        newest = int(reserved.version)
        client.delete_model_version(name, reserved.version)


def _delete_unregistered(client: MlflowClient, lease: Lease, run_id: str, record: RunRecord) -> None:
    """Delete the models that killed and slower attempts of this run have logged.

    The run must have its version first: an attempt that is still working finds that version under the lease.
    """
    experiment_id = client.get_run(run_id).info.experiment_id
    logged = client.search_logged_models([experiment_id], f"source_run_id = '{run_id}'")
    named = {version.source for version in client.search_model_versions(f"name = '{record.name}'")}
    for stale in logged:
        if stale.model_uri not in named:
            lease.check()
            client.delete_logged_model(stale.model_id)


def _overtaken(champion: int | None, expected: int | None) -> str:
    """Return which version is the champion in place of the one that a run compared to."""
    if champion is None:
        return f"version {expected}, which this run compared to, is no longer the champion, and no version is"
    compared = f"compared to version {expected}" if expected else "found no champion"
    return f"version {champion} has become the champion since this run {compared}"


def _move_alias(
    client: MlflowClient,
    lease: Lease,
    record: RunRecord,
    version: int,
    run_id: str,
    promote: bool,
    expected_champion: int | None,
) -> Registration:
    now = alias_targets(client, record.name)
    if now.champion == version:
        if promote:
            drop_older_challenger(client, lease, record.name, now)  # a killed attempt may have left it
        return Registration(version, CHAMPION, run_id, version)
    note = ""
    if promote:
        hold = read_hold(client, record.name)
        if now.champion != expected_champion:
            note = f"not promoted: {_overtaken(now.champion, expected_champion)}; start a new run"
        elif hold:
            note = f"not promoted: {hold.note(record.name)}"
    if promote and not note:
        move_champion(client, lease, record.name, version)
        return Registration(version, CHAMPION, run_id, version)
    if note:
        log.warning("%s: %s", record.name, note)
    if now.challenger is None or now.challenger < version:
        lease.check()
        client.set_registered_model_alias(record.name, CHALLENGER, str(version))
        return Registration(version, CHALLENGER, run_id, now.champion, note)
    alias = CHALLENGER if now.challenger == version else None
    return Registration(version, alias, run_id, now.champion, note)
