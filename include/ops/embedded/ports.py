"""Free ports on this machine."""

from __future__ import annotations

import os
import socket

from include.core.errors import EmbeddedStackError

#: Number of ports to try, from the default on.
TRIES = 20


def choose_port(variable: str, default: int, taken: tuple[int, ...] = ()) -> int:
    """Return the port in an environment variable, or the first free port from the default on.

    Raises
    ------
    EmbeddedStackError
        If the port in the variable is invalid or taken, or no port is free.
    """
    named = os.environ.get(variable)
    if named:
        if not named.isdigit() or not 0 < int(named) < 65536:
            raise EmbeddedStackError(f"{variable} is '{named}'; set it to a port, 1 to 65535, or leave it out")
        if not _is_free(int(named)):
            raise EmbeddedStackError(
                f"port {named} of 127.0.0.1, which {variable} names, is taken by another program; stop that "
                f"program, or set {variable} to another port"
            )
        return int(named)
    for port in range(default, default + TRIES):
        if port not in taken and _is_free(port):
            return port
    raise EmbeddedStackError(
        f"no port of 127.0.0.1 from {default} to {default + TRIES - 1} is free; set {variable} to a free port"
    )


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
