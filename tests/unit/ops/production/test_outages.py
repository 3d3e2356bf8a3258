"""An outage of PostgreSQL is one line in the logs of Airflow's parts; other errors keep their tracebacks."""

from __future__ import annotations

import logging
import subprocess
import sys
import traceback

import psycopg2
import pytest
from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError, ProgrammingError

from include.core import settings
from include.ops.production.outages import outage, shorten

AWAY = 'could not translate host name "postgres" to address: Name or service not known'
GONE = 'connection to server at "postgres" (172.18.0.3), port 5432 failed: FATAL:  the database system is shutting down'
CUT = "server closed the connection unexpectedly\n\tThis probably means the server terminated abnormally"


def database_error(text: str, kind: type[OperationalError | ProgrammingError] = OperationalError) -> Exception:
    """Return SQLAlchemy's error for an error of the driver."""
    return kind("SELECT 1", {}, psycopg2.OperationalError(text))


def record_of(message: str, error: Exception | None = None, *args: object) -> logging.LogRecord:
    """Return the log record of a message and an error."""
    exc_info = None
    if error:
        with pytest.raises(type(error)) as caught:
            raise error
        exc_info = (caught.type, caught.value, caught.tb)
    return logging.LogRecord("airflow", logging.ERROR, "file.py", 1, message, args, exc_info)


@pytest.mark.parametrize("text", [AWAY, GONE, CUT])
def test_the_traceback_of_an_outage_becomes_one_line(text: str) -> None:
    """A minute without PostgreSQL wrote thousands of lines, which hid the lines of other faults."""
    record = record_of("Failed operation %s.  Retrying %s more times.", database_error(text), "_store_result", 2)
    shorten(record)

    told = logging.Formatter().format(record)
    first = text.splitlines()[0]
    assert told == f"Failed operation _store_result.  Retrying 2 more times.: the database is unavailable: {first}"


def test_frames_in_a_message_become_one_line() -> None:
    """Airflow's API server writes the frames of an error into its message, without the error."""
    try:
        create_engine("postgresql+psycopg2://nobody@127.0.0.1:9/nothing").connect()
    except OperationalError as error:
        frames = "".join(traceback.format_tb(error.__traceback__))
    record = record_of(f"Error with id Z1mycOPN, statement: None\n{frames}")
    other = record_of('Error with id Z1mycOPN, statement: SELECT 1\n  File "base.py", line 154, in do_execute\n')
    for each in (record, other):
        shorten(each)

    told = "Error with id Z1mycOPN, statement: None: the database is unavailable: no connection could be made"
    assert record.getMessage() == told
    assert other.getMessage().endswith("in do_execute\n")


@pytest.mark.parametrize(
    "error",
    [
        database_error('relation "dag_run" does not exist', ProgrammingError),
        database_error("deadlock detected"),
        ValueError(AWAY),
        KeyError("connection to server"),
    ],
    ids=["table", "deadlock", "words", "key"],
)
def test_any_other_error_keeps_its_traceback(error: Exception) -> None:
    """Its traceback leads to the fault; words about a connection alone do not mean an outage."""
    record = record_of("It failed", error)
    before = logging.Formatter().format(record)
    shorten(record)

    assert "Traceback" in before
    assert logging.Formatter().format(record) == before


def test_a_message_of_one_line_stays() -> None:
    """There is nothing to shorten."""
    record = record_of(f"OperationalError: {AWAY}")
    shorten(record)

    assert record.getMessage() == f"OperationalError: {AWAY}"
    assert outage(record.getMessage()) == AWAY


def test_a_log_record_that_cannot_be_shortened_stays() -> None:
    """A worker makes a record from a dictionary, first without a level; and its arguments may be wrong."""
    code = (
        "import logging; from include.ops.production.outages import install; install()\n"
        "print(logging.makeLogRecord({'msg': 'a record', 'levelno': 20}).getMessage())\n"
        f"error = type('OperationalError', (Exception,), {{}})({AWAY!r})\n"
        "try:\n    raise error\nexcept Exception:\n    logging.getLogger('x').error('%s and %d', 'one', exc_info=True)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=settings.root(), capture_output=True, text=True, check=True)

    assert done.stdout == "a record\n"
    assert "--- Logging error ---" in done.stderr  # logging's own, since an argument is missing


@pytest.mark.parametrize(("raised", "lines"), [("OperationalError", 1), ("KeyError", 4)])
def test_a_process_that_an_outage_ends_prints_one_line(raised: str, lines: int) -> None:
    """The scheduler ends with one line, and the engine restarts it; other errors keep their traceback."""
    code = (
        "from include.ops.production.outages import install; install(); from psycopg2 import OperationalError\n"
        f"raise {raised}({AWAY!r})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=settings.root(), capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    told = done.stderr.strip().splitlines()
    assert ("Traceback" in told[0]) == (raised == "KeyError")
    assert raised == "KeyError" or told == [
        f"nightshift: this process ends and will be restarted: the database is unavailable: {AWAY}"
    ]
