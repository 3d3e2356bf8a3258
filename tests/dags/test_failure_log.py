"""The log of a failed task shows the error that fails it without frames."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest
import structlog
from airflow.sdk.exceptions import AirflowFailException

from include.core.errors import ModelRefused
from plugins.operators.step import airflow_errors

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """Log as a task's process does, as JSON with the frames of errors, and return what is written."""
    output, before = io.StringIO(), structlog.get_config()
    frames = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    processors = [structlog.processors.ExceptionRenderer(frames), structlog.processors.JSONRenderer()]
    structlog.configure(processors, logger_factory=structlog.WriteLoggerFactory(output))
    yield output
    structlog.configure(**before)


def test_the_sentence_has_no_frames_below_it(written: io.StringIO) -> None:
    """Nine frames, which are the same for every failure, stood below the sentence and pushed it out of sight."""
    try:
        with airflow_errors():
            raise ModelRefused("shop has no champion")
    except AirflowFailException:
        structlog.get_logger().exception("Task failed with exception")

    [shown] = json.loads(written.getvalue())["exception"]
    assert (shown["exc_value"], shown["frames"]) == ("ModelRefused: shop has no champion", [])


def test_an_error_that_nobody_expected_keeps_its_frames(written: io.StringIO) -> None:
    """A mistake in the code is found by its place, also after another step's failure in this process."""
    with pytest.raises(AirflowFailException), airflow_errors():
        raise ModelRefused("shop has no champion")
    try:
        with airflow_errors():
            raise KeyError("day")
    except KeyError:
        structlog.get_logger().exception("Task failed with exception")

    [shown] = json.loads(written.getvalue())["exception"]
    assert [frame["name"] for frame in shown["frames"]] == [
        "test_an_error_that_nobody_expected_keeps_its_frames",
    ]
