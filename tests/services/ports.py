"""Ports of this machine for servers that a test starts."""

from __future__ import annotations

import random
import socket

#: Below the ports that a system gives to outgoing connections, one of which could take the port before its server does.
FIRST, LAST = 12_000, 32_000


def free_port() -> int:
    """Return a port of 127.0.0.1 that is free, and that neither a connection nor another test is likely to take."""
    while True:
        port = random.SystemRandom().randrange(FIRST, LAST)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
