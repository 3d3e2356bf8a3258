"""Tracebacks that a person reads: the project's own lines stay, the frames of libraries go."""

from __future__ import annotations

import json
import traceback

import pytest

from include.core.tracebacks import shorten_tracebacks


def read(text: str) -> object:
    """Fail in a library, and then in the project's own code, which that library calls."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return json.loads(text, cls=Loud)


class Loud(json.JSONDecoder):
    """A class of the project that a library calls."""

    def raw_decode(self, s: str, idx: int = 0) -> tuple[object, int]:
        """Fail in the project's own code."""
        raise KeyError(s)


def names(error: BaseException) -> list[str]:
    """Return the functions of an error's traceback."""
    return [frame.name for frame in traceback.extract_tb(error.__traceback__)]


def test_the_frames_of_a_library_go_but_for_the_one_that_raised() -> None:
    """What is left is where our code called, and where the library failed."""
    with pytest.raises(json.JSONDecodeError) as caught:
        json.loads("no JSON")
    caller, *library, last = names(caught.value)
    assert library, "the library has frames in between"

    shorten_tracebacks(caught.value)

    assert names(caught.value) == [caller, last]


def test_the_frames_of_our_own_code_stay_also_below_a_library() -> None:
    """Expectations, candidates and checks of a team are called by libraries. The causes are shortened, too."""
    with pytest.raises(KeyError) as caught:
        read("no JSON")
    error = caught.value
    error.__cause__ = error.__context__

    shorten_tracebacks(error)

    assert names(error)[1:] == ["read", "raw_decode"]
    assert names(error.__cause__) == ["read", "raw_decode"]
