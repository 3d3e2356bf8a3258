"""Ports: the requested port, another port, or a clear sentence."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from include.core.errors import EmbeddedStackError
from include.ops.embedded.ports import choose_port

if TYPE_CHECKING:
    from collections.abc import Iterator

VARIABLE = "NIGHTSHIFT_AIRFLOW_PORT"


@pytest.fixture
def taken() -> Iterator[int]:
    """Listen on a port of this machine."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


def test_a_taken_port_gives_way_to_the_next(taken: int) -> None:
    """If the usual port is taken, a later port is chosen."""
    assert taken < choose_port(VARIABLE, taken) < taken + 20


def test_a_port_is_not_chosen_twice(taken: int) -> None:
    """Two parts of the stack never get the same port, even before the first one listens."""
    first = choose_port(VARIABLE, taken)

    assert choose_port("NIGHTSHIFT_MLFLOW_PORT", taken, taken=(first,)) != first


def test_a_named_port_that_is_taken_is_an_error(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A requested port is not silently replaced."""
    monkeypatch.setenv(VARIABLE, str(taken))

    with pytest.raises(EmbeddedStackError, match=f"port {taken} of 127.0.0.1, which {VARIABLE} names, is taken"):
        choose_port(VARIABLE, 8080)


@pytest.mark.parametrize("value", ["eighty", "0", "70000"])
def test_a_named_port_must_be_valid(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence names the invalid value and the allowed range."""
    monkeypatch.setenv(VARIABLE, value)

    with pytest.raises(EmbeddedStackError, match="1 to 65535"):
        choose_port(VARIABLE, 8080)
