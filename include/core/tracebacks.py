"""Tracebacks that a person reads: the project's own lines, and the line that raised the error."""

from __future__ import annotations

import sysconfig
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Folders of Python's and of installed libraries.
LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})


def shorten_tracebacks(error: BaseException) -> None:
    """Drop the frames of libraries from the tracebacks of an error and its causes, but for the frame that raised it."""
    shown: BaseException | None = error
    while shown is not None:
        frames = list(_frames(shown.__traceback__))
        kept = [frame for frame in frames[:-1] if not _in_library(frame)] + frames[-1:]
        shown.__traceback__ = _chained(kept)
        shown = shown.__cause__


def _frames(traceback: TracebackType | None) -> Iterator[TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


def _in_library(frame: TracebackType) -> bool:
    return frame.tb_frame.f_code.co_filename.startswith((*LIBRARIES, "<frozen "))


def _chained(frames: list[TracebackType]) -> TracebackType | None:
    chained = None
    for frame in reversed(frames):
        chained = TracebackType(chained, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return chained
