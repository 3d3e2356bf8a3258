"""Moves the alias `champion`, under a lease and compared with what was expected to be there."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.core import settings
from include.core.errors import PublishConflict, TrackingUnavailable
from include.registry.champion import CHALLENGER, CHAMPION, aliases
from include.registry.client import asked_once

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from include.registry.lease import Lease

log = logging.getLogger(__name__)

#: A version's tag: which version was champion before this one became it. It is the version's and not an alias
#: `previous`, so it is written with the move's intent before the move, cannot point at the champion itself after a
#: killed move, and several roll-backs in a row go further back each time.
PREVIOUS = "nightshift.previous_champion"


@dataclass(frozen=True)
class AliasTargets:
    """Which versions the aliases of a pipeline name; None where there is none."""

    champion: int | None
    challenger: int | None


def alias_targets(client: MlflowClient, name: str) -> AliasTargets:
    """Return which versions the aliases of a pipeline name."""
    now = {alias: int(number) for alias, number in aliases(client, name).items()}
    return AliasTargets(now.get(CHAMPION), now.get(CHALLENGER))


def move_champion(client: MlflowClient, lease: Lease, name: str, version: int, *, back: bool = False) -> None:
    """Make a version the champion, which another is now, or none is.

    The caller holds the lease and has compared the champion with what it expected, under the same lease.

    Parameters
    ----------
    back
        The version was champion before: what it says of its own predecessor stays.

    Raises
    ------
    PublishConflict
        If the lease ran out before the move, or somebody moved the alias without one.
    TrackingUnavailable
        If MLflow does not say whether the alias has moved.
    """
    from mlflow.exceptions import MlflowException

    before = alias_targets(client, name)
    if not back:
        client.set_model_version_tag(name, str(version), PREVIOUS, str(before.champion or ""))
    failed: MlflowException | None = None
    with asked_once():
        lease.check()
        try:
            client.set_registered_model_alias(name, CHAMPION, str(version))
        except MlflowException as error:
            failed = error  # it may have been carried out all the same
    try:
        after = alias_targets(client, name)
    except MlflowException:
        raise TrackingUnavailable(
            f"{name}: MLflow at {settings.shown_tracking_uri()} failed while version {version} was made the champion, "
            "and does not say whether it is; run this task again"
        ) from None
    if failed and after.champion == before.champion:
        raise failed
    if after.champion != version:
        raise PublishConflict(
            f"{name}: the alias champion was given to version {version}, and names "
            f"{f'version {after.champion}' if after.champion else 'none'} now: somebody has moved it by hand at the "
            "same time; run this task again"
        )
    drop_older_challenger(client, lease, name, after)
    was = f"version {before.champion} was" if before.champion else "there was none"
    log.info("%s: version %s is the champion; before it %s", name, version, was)


def drop_older_challenger(client: MlflowClient, lease: Lease, name: str, now: AliasTargets) -> None:
    """Take the alias `challenger` from the champion, and from what is older than it."""
    if now.champion is not None and now.challenger is not None and now.challenger <= now.champion:
        with asked_once():
            lease.check()
            client.delete_registered_model_alias(name, CHALLENGER)
