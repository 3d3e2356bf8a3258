"""What Airflow's parts log while PostgreSQL is away: a line each time, where there were a hundred of traceback.

Airflow's parts and Celery log the whole traceback at each attempt, and the API server writes its frames into a
message. What failed is the same each time: the connection. A traceback of anything else stays.
"""

from __future__ import annotations

import logging
import re
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

#: How libpq says that the server is not there, has gone, or is on its way up or down.
_AWAY = re.compile(
    r"OperationalError\W+((?:connection to server|could not translate host name|server closed the connection"
    r"|terminating connection|SSL connection has been closed|could not receive data from server)[^\n]*)"
)
#: SQLAlchemy comes by here where no connection could be made, and where one was lost it does not.
_NO_CONNECTION = "_handle_dbapi_exception_noconnection"


def outage(text: str) -> str | None:
    """Return what an error's text says of a lost connection to PostgreSQL, or None if it is about anything else."""
    found = _AWAY.search(text)
    return found[1].strip() if found else None


def shorten(record: logging.LogRecord) -> None:
    """Make one line of a record that tells of an outage with a traceback, as its exception or within its message."""
    error = record.exc_info[1] if record.exc_info else None
    if error:
        away = outage(f"{type(error).__name__}: {error}")
    elif isinstance(record.msg, str) and "\n" in record.msg and _NO_CONNECTION in record.msg:
        away = "no connection could be made"
    else:
        return
    if away:
        with suppress(TypeError, ValueError, KeyError):  # arguments that do not fit, which logging itself will tell of
            record.msg, record.args = (
                f"{record.getMessage().splitlines()[0].rstrip()}: the database is away: {away}",
                (),
            )
            record.exc_info = record.exc_text = None


def install() -> None:
    """Shorten what this process logs of outages, and what it says when it ends by one."""
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
            print(f"nightshift: this process ends, to be started again: the database is away: {away}", file=sys.stderr)

    logging.setLogRecordFactory(make_short)
    sys.excepthook = end_short
