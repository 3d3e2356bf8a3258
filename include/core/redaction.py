"""Errors that a log can show: the type, the place and the cause of an error, with its secrets hidden.

The driver of a database and the client of a service name the address that they failed on, with the password in it.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from include.core.settings import without_password

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

HIDDEN = "***"

#: Shorter values are left alone: hiding each "ssl" of a text would make it unreadable.
MIN_CHARACTERS = 5

#: Secrets such as `password=x` and `"api_key": "x"`, as drivers and clients write them into their errors.
_NAMED = re.compile(
    r"(?i)([\w.-]*(?:passw(?:or)?d|passphrase|pwd|secret|token|(?:api|access|secret|private)[-_]?key|authorization"
    r"|signature)[\"']?\s*[=:]\s*)(?:(?:bearer|basic)\s+)?(?:\"[^\"]*\"|'[^']*'|[^\s,;&\"']+)"
)
_VARIABLE = re.compile(r"(?i)(password|passwd|secret|token|access_key|account_key)$")


def hide_secrets(text: str, secrets: Iterable[str] = ()) -> str:
    """Return a text without secrets.

    Hides the secrets of the environment, the given values, the passwords of addresses, and what a name such as
    `password=` or `Authorization:` announces.
    """
    known = {*secrets_of_environment(), *secrets}
    for secret in sorted((each for each in known if len(each) >= MIN_CHARACTERS), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return _NAMED.sub(rf"\1{HIDDEN}", without_password(text))


def secrets_of_environment() -> set[str]:
    """Return the values of variables such as AWS_SECRET_ACCESS_KEY, and the passwords of addresses in variables."""
    return {
        secret
        for name, value in os.environ.items()
        for secret in (value if _VARIABLE.search(name) else "", *_passwords(value))
        if len(secret) >= MIN_CHARACTERS
    }


def redacted(error: BaseException, hide: Callable[[str], str] = hide_secrets) -> Exception:
    """Return a copy of an error and its causes with the same types, texts and tracebacks, and no secret in a text.

    A copy, because the text of many errors is made from attributes that cannot be changed.

    Parameters
    ----------
    error
        What a library raised.
    hide
        Returns a text without its secrets.
    """
    kind = type(error)
    attributes = {"__module__": kind.__module__, "__qualname__": kind.__qualname__}
    shown = type(kind.__name__, (Exception,), attributes)(hide(str(error)))
    for note in getattr(error, "__notes__", ()):
        shown.add_note(hide(note))
    cause = cause_of(error)
    shown.__cause__ = redacted(cause, hide) if cause else None
    return shown.with_traceback(error.__traceback__)


def cause_of(error: BaseException) -> BaseException | None:
    """Return the error that led to an error, as Python's own traceback would show it."""
    return error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _passwords(value: str) -> Iterator[str]:
    """Yield the passwords of the addresses in a value, and the parts into which a parser may have cut one."""
    for login in re.findall(r"://([^\s@]*:\S*)@", value):
        password = login.partition(":")[2]
        yield from (password, unquote(password), *re.split(r"[/@?#]", password))
