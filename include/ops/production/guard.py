"""What the production stack refuses to start with."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from include.ops.production.secrets import weak_ones

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: The address on which the ports of the UIs are published.
ADDRESS = "NIGHTSHIFT_PUBLISH_ADDRESS"
#: Says that a proxy in front speaks TLS.
TLS = "NIGHTSHIFT_TLS"


def refusals(environment: Mapping[str, str], needed: Iterable[str] = ()) -> list[str]:
    """Return why the stack must not start, a sentence each; none where it may.

    Parameters
    ----------
    environment
        The variables of .env, or those of one service.
    needed
        Secrets that must be among them.
    """
    told = []
    missing = [name for name in needed if name not in environment]
    if missing:
        told.append(
            f"{', '.join(missing)} is not set; run `make stack`, which draws what .env lacks, or write it there"
        )
    told += [f"{weak}; remove its line from .env, and `make stack` draws one" for weak in weak_ones(environment)]
    address = environment.get(ADDRESS) or "127.0.0.1"
    if not _is_local(address) and environment.get(TLS) != "in-front":
        told.append(
            f"{ADDRESS} is {address}, so that passwords would cross the network in plain text; publish on 127.0.0.1 "
            f"behind a proxy that speaks TLS, or, where such a proxy is on another machine, set {TLS}=in-front"
        )
    return told


def _is_local(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return address == "localhost"
