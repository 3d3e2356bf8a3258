"""Move the alias `champion`, under a lease, if it names the version that the caller expects."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.core import settings
from include.core.errors import PublishConflict, TrackingUnavailable
from include.core.redaction import redacted
from include.registry.champion import CHALLENGER, CHAMPION, aliases
from include.registry.client import without_retries

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from include.registry.lease import Lease

log = logging.getLogger(__name__)

#: A version's tag: the version that was the champion before this one. A tag is better than an alias `previous`: it is
#: written before the move, it cannot name the champion itself after a killed move, and each of several roll-backs in a
#: row goes one version further back.
PREVIOUS = "nightshift.previous_champion"


@dataclass(frozen=True)
class AliasTargets:
    """The versions that a pipeline's aliases name; None where an alias is not set."""

    champion: int | None
    challenger: int | None


def alias_targets(client: MlflowClient, name: str) -> AliasTargets:
    """Return the versions that a pipeline's aliases name."""
    now = {alias: int(number) for alias, number in aliases(client, name).items()}
    return AliasTargets(now.get(CHAMPION), now.get(CHALLENGER))


def move_champion(client: MlflowClient, lease: Lease, name: str, version: int, *, back: bool = False) -> None:
    """Make a version the champion.

    The caller holds the lease, and has checked under the same lease that the champion is the expected version.

    Parameters
    ----------
    back
        The version was the champion before, so its tag with its own predecessor stays.

    Raises
    ------
    PublishConflict
        If the lease ran out before the move, or somebody moved the alias without one.
    TrackingUnavailable
        If MLflow does not answer whether the alias has moved.
    """
    from mlflow.exceptions import MlflowException

    before = alias_targets(client, name)
    if not back:
        client.set_model_version_tag(name, str(version), PREVIOUS, str(before.champion or ""))
    failed: MlflowException | None = None
    with without_retries():
        lease.check()
        try:
            client.set_registered_model_alias(name, CHAMPION, str(version))
        except MlflowException as error:
            failed = error  # MLflow may have moved the alias all the same
    try:
        after = alias_targets(client, name)
    except MlflowException as error:
        raise TrackingUnavailable(
            f"{name}: MLflow at {settings.shown_tracking_uri()} failed while version {version} became the champion, "
            "and does not answer whether it has; run this task again"
        ) from redacted(error)
    if failed and after.champion == before.champion:
        raise failed
    if after.champion != version:
        raise PublishConflict(
            f"{name}: version {version} got the alias champion, which now names "
            f"{f'version {after.champion}' if after.champion else 'no version'}: somebody moved the alias by hand at "
            "the same time; run this task again"
        )
    drop_older_challenger(client, lease, name, after)
    was = f"in place of version {before.champion}" if before.champion else "the first one"
    log.info("%s: version %s is now the champion, %s", name, version, was)


def drop_older_challenger(client: MlflowClient, lease: Lease, name: str, now: AliasTargets) -> None:
    """Remove the alias `challenger` from the champion, or from a version older than the champion."""
    if now.champion is not None and now.challenger is not None and now.challenger <= now.champion:
        with without_retries():
            lease.check()
            client.delete_registered_model_alias(name, CHALLENGER)
