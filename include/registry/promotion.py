"""A person's decisions: promote a version, roll back to an earlier one, hold and release automatic promotion.

Each takes the lease of the champion, so none of them interrupts the promotion of a run.
"""

from __future__ import annotations

import json
import logging
import textwrap
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from include.core.errors import ModelRefused, PublishConflict
from include.core.json_document import JsonDocument
from include.registry.alias import PREVIOUS, AliasTargets, alias_targets, drop_older_challenger, move_champion
from include.registry.champion import find_version, get_version
from include.registry.client import mlflow_client
from include.registry.lease import champion_lease
from include.registry.load_model import load_champion
from include.registry.records.chain import head
from include.registry.verification import champion_note, refuse_unless_recorded

if TYPE_CHECKING:
    from collections.abc import Collection

    from mlflow import MlflowClient

    from include.registry.lease import Lease
    from include.registry.records.record import Record

log = logging.getLogger(__name__)

#: Tag of a registered model with a hold as JSON.
HOLD = "nightshift.hold"
#: The file in a version's run that its verdict rests on.
EVIDENCE = "evidence.json"


@dataclass(frozen=True)
class Hold(JsonDocument):
    """The reason why no run may promote at the moment.

    Attributes
    ----------
    at
        ISO time in UTC.
    rolled_back_from, rolled_back_to
        The versions of the roll-back that set the hold, if one did.
    """

    by: str
    reason: str
    at: str
    rolled_back_from: int | None = None
    rolled_back_to: int | None = None

    def note(self, name: str) -> str:
        """Return the hold as a clause, with the command that releases it."""
        return f"held by {self.by} since {self.at}: {self.reason}; release it with ./nightshift release {name}"


@dataclass(frozen=True)
class ChampionChange:
    """The effect of a person's decision.

    Attributes
    ----------
    before, after
        The champion's version before and after; None where there is none.
    hold
        The hold in force afterwards.
    """

    pipeline: str
    before: int | None
    after: int | None
    hold: Hold | None


def promote(name: str, version: int, *, reason: str, by: str, trusted: Collection[str] = ()) -> ChampionChange:
    """Make a registered version the champion, whatever its verdict; a hold stays in force.

    The version's files are verified and its model is loaded before the alias moves.

    Parameters
    ----------
    trusted
        Types beyond Nightshift's own that the model may consist of.

    Raises
    ------
    ModelRefused
        If there is no such version, or its files are not those that were registered.
    PublishConflict
        If another version has become the champion meanwhile.
    """
    with mlflow_client(f"promoting version {version} of {name}") as client:
        expected = alias_targets(client, name).champion
        _check_loadable(name, version, trusted)
        with champion_lease(name, f"{by}, promoting version {version}") as lease:
            now = _expect_champion(client, name, expected)
            if now.champion == version:
                drop_older_challenger(client, lease, name, now)
            else:
                move_champion(client, lease, name, version)
            log.info("%s: %s promoted version %s: %s", name, by, version, reason)
            return ChampionChange(name, now.champion, version, read_hold(client, name))


def check_promotable(name: str, version: int, *, trusted: Collection[str] = ()) -> None:
    """Refuse a version that cannot become the champion, before anybody is asked to approve it.

    Raises
    ------
    ModelRefused
        If there is no such version, it is the champion already, its evidence is not in MLflow, or its files are not
        those that were registered.
    """
    with mlflow_client(f"checking version {version} of {name}") as client:
        found = get_version(client, name, version)
        if alias_targets(client, name).champion == version and champion_note(name, version, _last_record(name)) is None:
            raise ModelRefused(f"{name}: version {version} is the champion already; nothing was changed")
        evidence = found.run_id and any(each.path == EVIDENCE for each in client.list_artifacts(found.run_id))
    if not evidence:
        raise ModelRefused(
            f"{name}: the evidence of version {version} is not in MLflow, so nobody can judge it; restore the "
            f"artifacts of its run, or promote another version"
        )
    _check_loadable(name, version, trusted)


def rollback(
    name: str, to: int | None = None, *, reason: str, by: str, trusted: Collection[str] = ()
) -> ChampionChange:
    """Make an earlier version the champion again and hold automatic promotion, so that no run undoes it.

    Repeating a roll-back that was killed completes it, and does not go back twice.

    Parameters
    ----------
    to
        None means the version that was the champion before the current one.

    Raises
    ------
    ModelRefused
        If there is no champion, no earlier champion, or its files are not those that were registered.
    PublishConflict
        If another version has become the champion meanwhile.
    """
    with mlflow_client(f"rolling {name} back") as client:
        now, held = alias_targets(client, name), read_hold(client, name)
        if now.champion is None:
            raise ModelRefused(f"{name} has no champion, so there is nothing to roll back")
        if to is None and held and held.rolled_back_to == now.champion:
            log.info("%s: version %s has already been rolled back", name, held.rolled_back_from)
            return ChampionChange(name, held.rolled_back_from, now.champion, held)
        target = to or _previous_champion(client, name, now.champion)
        _check_loadable(name, target, trusted)
        with champion_lease(name, f"{by}, rolling back to version {target}") as lease:
            _expect_champion(client, name, now.champion)
            # the hold comes first, so no run can promote if this process is killed before the move
            held = Hold(by, _short(reason), _now(), now.champion, target)
            _write_hold(client, lease, name, held)
            if now.champion != target:
                move_champion(client, lease, name, target, back=True)
    log.info("%s: %s rolled back version %s to version %s: %s", name, by, now.champion, target, reason)
    return ChampionChange(name, now.champion, target, held)


def hold(name: str, *, reason: str, by: str) -> ChampionChange:
    """Hold automatic promotion until it is released; runs still register challengers.

    Raises
    ------
    ModelRefused
        If no version is registered.
    """
    with mlflow_client(f"holding the promotions of {name}") as client, champion_lease(name, f"{by}, holding") as lease:
        _refuse_unregistered(client, name)
        held = Hold(by, _short(reason), _now())
        _write_hold(client, lease, name, held)
        champion = alias_targets(client, name).champion
    return ChampionChange(name, champion, champion, held)


def release(name: str, *, by: str) -> tuple[ChampionChange, Hold | None]:
    """Let runs promote again; return the change and the hold that was in force, or None."""
    with (
        mlflow_client(f"releasing the promotions of {name}") as client,
        champion_lease(name, f"{by}, releasing") as lease,
    ):
        was = read_hold(client, name)
        if was:
            lease.check()
            client.delete_registered_model_tag(name, HOLD)
            log.info("%s: %s released the hold of %s: %s", name, by, was.by, was.reason)
        champion = alias_targets(client, name).champion
    return ChampionChange(name, champion, champion, None), was


def held(name: str) -> Hold | None:
    """Return the hold on automatic promotion, or None where there is none."""
    with mlflow_client(f"asking whether the promotions of {name} are held") as client:
        return read_hold(client, name)


def read_hold(client: MlflowClient, name: str) -> Hold | None:
    """Return the hold on automatic promotion like `held`, for a caller with a client."""
    from mlflow.exceptions import MlflowException

    try:
        text = client.get_registered_model(name).tags.get(HOLD)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None
    return parse_hold(text)


def parse_hold(text: str | None) -> Hold | None:
    """Return the hold in the tag of a registered model, or None where there is none."""
    if not text:
        return None
    try:
        return Hold.from_json(json.loads(text))
    except (ValueError, TypeError):  # somebody wrote the tag by hand, and clearly meant a hold
        return Hold("somebody", _short(text), "an unknown time")


def _write_hold(client: MlflowClient, lease: Lease, name: str, held: Hold) -> None:
    lease.check()
    client.set_registered_model_tag(name, HOLD, json.dumps(held.to_json()))


def _refuse_unregistered(client: MlflowClient, name: str) -> None:
    if name not in {each.name for each in client.search_registered_models(f"name = '{name}'")}:
        raise ModelRefused(f"{name} has no registered version in MLflow to hold; run the DAG {name}.retrain once")


def _last_record(name: str) -> list[Record]:
    last = head(name)
    return [last] if last else []


def _check_loadable(name: str, version: int, trusted: Collection[str]) -> None:
    """Load a version before it becomes the champion, so that one that cannot be loaded is refused."""
    found = find_version(name, version)
    refuse_unless_recorded(name, found)
    load_champion(found, trusted)


def _expect_champion(client: MlflowClient, name: str, expected: int | None) -> AliasTargets:
    """Return the aliases' versions if the champion is still the expected one; raise otherwise."""
    now = alias_targets(client, name)
    if now.champion != expected:
        raise PublishConflict(
            f"{name}: {_version(now.champion)} has become the champion meanwhile, in place of {_version(expected)}; "
            "nothing was changed; look at the new champion and decide again"
        )
    return now


def _previous_champion(client: MlflowClient, name: str, champion: int) -> int:
    number = get_version(client, name, champion).tags.get(PREVIOUS)
    if not number:
        raise ModelRefused(
            f"{name}: no version is known to have been the champion before version {champion}; name the version to "
            "roll back to with --version"
        )
    return int(number)


def _version(number: int | None) -> str:
    return f"version {number}" if number else "no version"


def _short(reason: str) -> str:
    """Return a reason, shortened to the length of a tag."""
    return textwrap.shorten(reason, 1000, placeholder=" …")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
