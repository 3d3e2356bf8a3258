"""The settings with which the production stack refuses to start."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from include.ops.production.secrets import weak_secrets

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: Address on which the UIs are published.
ADDRESS = "NIGHTSHIFT_PUBLISH_ADDRESS"
#: Set to `in-front` if a proxy in front of the stack terminates TLS.
TLS = "NIGHTSHIFT_TLS"


def refusals(environment: Mapping[str, str], needed: Iterable[str] = ()) -> list[str]:
    """Return one sentence for each reason why the stack must not start.

    Parameters
    ----------
    environment
        Variables of .env, or of one service.
    needed
        Secrets that must be set.
    """
    reasons = []
    missing = [name for name in needed if name not in environment]
    if missing:
        reasons.append(
            f"{', '.join(missing)} is not set; run `make stack`, which adds missing secrets to .env, or set it there"
        )
    reasons += [
        f"{weak}; remove its line from .env, and `make stack` generates a new one" for weak in weak_secrets(environment)
    ]
    address = environment.get(ADDRESS) or "127.0.0.1"
    if not _is_local(address) and environment.get(TLS) != "in-front":
        reasons.append(
            f"{ADDRESS} is {address}, so passwords would cross the network in plain text; publish on 127.0.0.1 behind "
            f"a proxy that terminates TLS, or set {TLS}=in-front if the proxy is on another machine"
        )
    return reasons


def _is_local(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return address == "localhost"
