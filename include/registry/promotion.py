"""Promotions by a person: make a version champion, go back to the one before, hold automatic promotion.

Each takes the lease of the champion, so none of them happens in the middle of a run's promotion.
"""

from __future__ import annotations

import json
import logging
import textwrap
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from include.core.errors import ModelRefused, PublishConflict
from include.registry.alias import PREVIOUS, AliasTargets, alias_targets, drop_older_challenger, move_champion
from include.registry.champion import find_version, load_champion, version_numbered
from include.registry.client import mlflow_client
from include.registry.lease import champion_lease
from include.registry.verification import refuse_unless_recorded

if TYPE_CHECKING:
    from collections.abc import Collection

    from mlflow import MlflowClient

    from include.registry.lease import Lease

log = logging.getLogger(__name__)

#: A registered model's tag, JSON: who holds automatic promotion, why, and since when.
HOLD = "nightshift.hold"


@dataclass(frozen=True)
class Hold:
    """Why no run may promote for now.

    Attributes
    ----------
    at
        ISO time in UTC.
    rolled_back_from, rolled_back_to
        The versions of the roll-back that set it, if one did.
    """

    by: str
    reason: str
    at: str
    rolled_back_from: int | None = None
    rolled_back_to: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON types."""
        return asdict(self)

    def note(self, name: str) -> str:
        """Return it as a sentence, with the way out."""
        return f"held by {self.by} since {self.at}: {self.reason}; release it with ./nightshift release {name}"


@dataclass(frozen=True)
class ChampionChange:
    """What a person's decision changed, or found as it was to be.

    Attributes
    ----------
    before, after
        The champion's version; None where there is none.
    hold
        What is in force afterwards.
    """

    pipeline: str
    before: int | None
    after: int | None
    hold: Hold | None


def promote(name: str, version: int, *, reason: str, by: str, trusted: Collection[str] = ()) -> ChampionChange:
    """Make a registered version the champion, whatever the gate said of it; a hold stays in force.

    Its files are verified and it is loaded before the alias moves.

    Parameters
    ----------
    trusted
        Types beyond Nightshift's own that the model may consist of.

    Raises
    ------
    ModelRefused
        If there is no such version, or its model is not what was registered.
    PublishConflict
        If another has become champion since this began.
    """
    with mlflow_client(f"promoting version {version} of {name}") as client:
        expected = alias_targets(client, name).champion
        _load_recorded(name, version, trusted)
        with champion_lease(name, f"{by}, promoting version {version}") as lease:
            now = _compared(client, name, expected)
            if now.champion == version:
                drop_older_challenger(client, lease, name, now)
            else:
                move_champion(client, lease, name, version)
            log.info("%s: version %s was promoted by %s: %s", name, version, by, reason)
            return ChampionChange(name, now.champion, version, read_hold(client, name))


def rollback(
    name: str, to: int | None = None, *, reason: str, by: str, trusted: Collection[str] = ()
) -> ChampionChange:
    """Make an earlier version the champion again and hold automatic promotion, so that no run undoes it.

    A roll-back that was killed and is asked for again is finished, and does not go back twice.

    Parameters
    ----------
    to
        None means the version that was champion before the one that is.

    Raises
    ------
    ModelRefused
        If there is no champion or no version before it, or its model is not what was registered.
    PublishConflict
        If another has become champion since this began.
    """
    with mlflow_client(f"rolling {name} back") as client:
        now, held = alias_targets(client, name), read_hold(client, name)
        if now.champion is None:
            raise ModelRefused(f"{name} has no champion, so there is nothing to roll back")
        if to is None and held and held.rolled_back_to == now.champion:
            log.info("%s: version %s was rolled back already", name, held.rolled_back_from)
            return ChampionChange(name, held.rolled_back_from, now.champion, held)
        target = to or _before(client, name, now.champion)
        _load_recorded(name, target, trusted)
        with champion_lease(name, f"{by}, rolling back to version {target}") as lease:
            _compared(client, name, now.champion)
            # first the hold: were this killed in between, no run would promote meanwhile
            held = Hold(by, _short(reason), _now(), now.champion, target)
            _write_hold(client, lease, name, held)
            if now.champion != target:
                move_champion(client, lease, name, target, back=True)
    log.info("%s: version %s was rolled back to version %s by %s: %s", name, now.champion, target, by, reason)
    return ChampionChange(name, now.champion, target, held)


def hold(name: str, *, reason: str, by: str) -> ChampionChange:
    """Stop automatic promotion until it is released; runs go on and register challengers.

    Raises
    ------
    ModelRefused
        If no version is registered.
    """
    with mlflow_client(f"holding the promotions of {name}") as client, champion_lease(name, f"{by}, holding") as lease:
        _registered(client, name)
        held = Hold(by, _short(reason), _now())
        _write_hold(client, lease, name, held)
        champion = alias_targets(client, name).champion
    return ChampionChange(name, champion, champion, held)


def release(name: str, *, by: str) -> tuple[ChampionChange, Hold | None]:
    """Let runs promote again, and return with it the hold that was in force, if one was."""
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
    """Return what stops automatic promotion, if anything does."""
    with mlflow_client(f"asking whether the promotions of {name} are held") as client:
        return read_hold(client, name)


def read_hold(client: MlflowClient, name: str) -> Hold | None:
    """Return what stops automatic promotion, for a caller that has a client."""
    from mlflow.exceptions import MlflowException

    try:
        text = client.get_registered_model(name).tags.get(HOLD)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None
    if not text:
        return None
    try:
        return Hold(**json.loads(text))
    except (ValueError, TypeError):  # somebody wrote it by hand: what it means is clear enough
        return Hold("somebody", _short(text), "a time that is not known")


def _write_hold(client: MlflowClient, lease: Lease, name: str, held: Hold) -> None:
    lease.check()
    client.set_registered_model_tag(name, HOLD, json.dumps(held.to_json()))


def _registered(client: MlflowClient, name: str) -> None:
    if name not in {each.name for each in client.search_registered_models(f"name = '{name}'")}:
        raise ModelRefused(f"{name} has no registered version in MLflow, so there is nothing to hold; run it once")


def _load_recorded(name: str, version: int, trusted: Collection[str]) -> None:
    """Load a version that is to become champion, so that one which cannot serve is refused before the alias moves."""
    found = find_version(name, version)
    refuse_unless_recorded(name, found)
    load_champion(found, trusted)


def _compared(client: MlflowClient, name: str, expected: int | None) -> AliasTargets:
    """Return where the aliases are, if the champion is still the expected one."""
    now = alias_targets(client, name)
    if now.champion != expected:
        raise PublishConflict(
            f"{name}: {_version(now.champion)} has become champion while this was prepared, and "
            f"{_version(expected)} was before; nothing was changed; look again and decide anew"
        )
    return now


def _before(client: MlflowClient, name: str, champion: int) -> int:
    number = version_numbered(client, name, champion).tags.get(PREVIOUS)
    if not number:
        raise ModelRefused(
            f"{name}: no version is known to have been champion before version {champion}; name the one to go back to "
            "with --version"
        )
    return int(number)


def _version(number: int | None) -> str:
    return f"version {number}" if number else "no version"


def _short(reason: str) -> str:
    """Return a reason as long as a tag may be."""
    return textwrap.shorten(reason, 1000, placeholder=" …")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
