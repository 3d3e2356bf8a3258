"""Stores the trials of a search, so that they survive a killed task and parallel tasks share them."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from include.core import settings
from include.core.errors import TrainingImpossible
from include.core.redaction import redacted
from include.training import optuna_internals

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


#: Attempts to open a database while another task creates its tables.
MAX_OPENINGS = 5


def open_storage(journal: Path) -> optuna.storages.BaseStorage:
    """Open the storage of the trials: a journal file, or the database that NIGHTSHIFT_TUNING_STORAGE names.

    Raises
    ------
    TrainingImpossible
        If the database cannot be opened.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    url = settings.tuning_storage()
    try:
        if url:
            return _open_database(url)
        journal.parent.mkdir(parents=True, exist_ok=True)
        lock = JournalFileOpenLock(str(journal))
        return optuna.storages.JournalStorage(JournalFileBackend(str(journal), lock_obj=lock))
    except Exception as error:  # noqa: BLE001  whatever the database's driver raises
        raise _storage_unavailable(url or str(journal), error) from redacted(error)


def _open_database(url: str) -> optuna.storages.BaseStorage:
    """Open a database and create its tables if they do not exist."""
    for opening in range(MAX_OPENINGS):
        try:
            # a connection is idle while a model is fitted, and may be closed meanwhile
            database = optuna.storages.RDBStorage(url, engine_kwargs={"pool_pre_ping": True})
            return optuna_internals.cache_reads(database)
        except Exception as error:
            # two tasks that find no tables at the same time both create them, and the database refuses one
            if opening + 1 == MAX_OPENINGS or not _is_conflict(error):
                raise
        time.sleep(0.2)
    raise AssertionError("the last attempt returns or raises")


def _is_conflict(error: Exception) -> bool:
    """Return whether the database refused a statement because another task did the same at the same time."""
    from sqlalchemy import exc

    if isinstance(error, exc.OperationalError):
        code = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
        return code == "40P01"  # a deadlock; any other operational error is a database that does not answer
    return isinstance(error, (exc.IntegrityError, exc.ProgrammingError, exc.InternalError, StorageInternalError))


@contextmanager
def reachable() -> Iterator[None]:
    """Turn an error of the storage into one sentence.

    Raises
    ------
    TrainingImpossible
        If the storage does not answer; a retry may help.
    """
    try:
        yield
    except Exception as error:
        if not is_storage_error(error):
            raise
        raise _storage_unavailable(settings.tuning_storage() or "the journal", error) from redacted(error)


def is_storage_error(error: Exception) -> bool:
    """Return whether an error comes from the database with the trials, not from the trial."""
    from sqlalchemy.exc import SQLAlchemyError

    return bool(settings.tuning_storage()) and isinstance(error, (SQLAlchemyError, StorageInternalError))


def _storage_unavailable(where: str, error: Exception) -> TrainingImpossible:
    """Return the error to raise, without the driver's text, which may contain the address and its password."""
    shown = settings.without_password(where).partition("?")[0]  # the options may contain a password too
    unavailable = TrainingImpossible(
        f"the trials cannot be stored in {shown} ({type(error).__name__}); check NIGHTSHIFT_TUNING_STORAGE and that "
        "its database is up, then run this task again"
    )
    unavailable.retryable = True
    return unavailable
