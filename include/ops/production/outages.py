"""Shortens what Airflow's parts log while PostgreSQL is unavailable: one line instead of a hundred for each attempt.

Airflow's parts and Celery log a whole traceback for each failed connection, and the API server writes the frames into a
message. The tracebacks of all other errors stay.
"""

from __future__ import annotations

import logging
import re
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

#: libpq's messages for a server that is missing, lost, starting or stopping.
_AWAY = re.compile(
    r"OperationalError\W+((?:connection to server|could not translate host name|server closed the connection"
    r"|terminating connection|SSL connection has been closed|could not receive data from server)[^\n]*)"
)
#: A SQLAlchemy function in the traceback of a connection that could not be made, but not of a lost one.
_NO_CONNECTION = "_handle_dbapi_exception_noconnection"


def outage(text: str) -> str | None:
    """Return the part of an error's text about an unavailable PostgreSQL; None for other errors."""
    found = _AWAY.search(text)
    return found[1].strip() if found else None


def shorten(record: logging.LogRecord) -> None:
    """Shorten a log record about an outage to one line, whether the traceback is its exception or in its message."""
    error = record.exc_info[1] if record.exc_info else None
    if error:
        away = outage(f"{type(error).__name__}: {error}")
    elif isinstance(record.msg, str) and "\n" in record.msg and _NO_CONNECTION in record.msg:
        away = "no connection could be made"
    else:
        return
    if away:
        with suppress(TypeError, ValueError, KeyError):  # wrong arguments, which logging itself reports
            record.msg, record.args = (
                f"{record.getMessage().splitlines()[0].rstrip()}: the database is unavailable: {away}",
                (),
            )
            record.exc_info = record.exc_text = None


def install() -> None:
    """Shorten the log records of this process about outages, and the message when an outage ends it."""
    make, end = logging.getLogRecordFactory(), sys.excepthook

    def make_short(*arguments: object, **more: object) -> logging.LogRecord:
        record = make(*arguments, **more)
        shorten(record)
        return record

    def end_short(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        away = outage(f"{kind.__name__}: {error}")
        if away is None:
            end(kind, error, traceback)
        else:
            print(
                f"nightshift: this process ends and will be restarted: the database is unavailable: {away}",
                file=sys.stderr,
            )

    logging.setLogRecordFactory(make_short)
    sys.excepthook = end_short
