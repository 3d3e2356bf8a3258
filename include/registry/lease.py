"""The lease on a pipeline's champion: who holds it may move the alias, for a minute, and knows when that is over.

MLflow's write of an alias is last-writer-wins. So whoever moves it takes the lease first, and asks `Lease.check` just
before each write. A lease is a file `<lake>/<pipeline>/locks/champion-<token>.json`, and the highest token is the
one in force. A file is only ever created, never taken over: to take an expired lease is to create the next token,
which one of several does. Tokens grow for ever, so a holder that was paused finds a higher one.
"""

from __future__ import annotations

import json
import logging
import os
import random
import re
import socket
import time
import uuid
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from include.core.errors import LakeError, PublishConflict
from include.lake import run_files
from include.registry.records.files import create_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from upath import UPath

log = logging.getLogger(__name__)

LEASE_SECONDS = 60.0
WAIT_SECONDS = 30.0
#: A holder writes only while this much is left: a request that is asked once ends well within it, and clocks of
#: machines differ by less.
MARGIN_SECONDS = 15.0


@dataclass(frozen=True)
class _Held:
    """What a lease's file says; `host` and `pid` tell whether its process has died.

    `nonce` is of one taking: where a disk or store let two create the same file, the later one is told apart by it.
    """

    token: int
    nonce: str
    owner: str
    host: str
    pid: int
    expires_at: float
    released: bool = False


class Lease:
    """A lease that was taken; its token is higher than that of every lease before it."""

    def __init__(self, name: str, folder: UPath, held: _Held) -> None:
        self._name, self._folder, self._held = name, folder, held

    @property
    def token(self) -> int:
        """The number of this lease."""
        return self._held.token

    def check(self) -> None:
        """Make sure that the lease is held for long enough to write once more, and renew it where it ends soon.

        Raises
        ------
        PublishConflict
            If it ran out, or another has taken it since.
        """
        left = self._held.expires_at - _now()
        if left < MARGIN_SECONDS or not self.is_in_force():
            raise PublishConflict(
                f"the lease of '{self._held.owner}' on the champion of {self._name} ran out before it had written "
                "(its process was paused, or MLflow was slow); nothing was written since; run this task again"
            )
        if left < LEASE_SECONDS / 2:
            # nobody may take the lease while it has not expired, so writing its own file is safe
            self._held = replace(self._held, expires_at=_now() + LEASE_SECONDS)
            self._write()

    def is_in_force(self) -> bool:
        """Return whether nobody has taken the lease since."""
        if _highest(self._folder) != self.token:
            return False
        written = _read(self._folder, self.token)
        return written is not None and written.nonce == self._held.nonce

    def release(self) -> None:
        """Let the next one have it; its file stays, because the next token follows from it."""
        try:
            if self.is_in_force():
                self._held = replace(self._held, released=True)
                self._write()
        except LakeError as error:  # what was done under it is done, and it expires by itself
            log.warning("%s: the lease on the champion was not released: %s", self._name, error)

    def _write(self) -> None:
        run_files.write_json(_file(self._folder, self.token), asdict(self._held))


@contextmanager
def champion_lease(name: str, owner: str) -> Iterator[Lease]:
    """Hold the lease on a pipeline's champion for as long as the block lasts.

    A lease whose process has died on this machine is taken at once, one of another machine when it has expired.

    Parameters
    ----------
    owner
        Who asks, for the sentence that the others are told.

    Raises
    ------
    PublishConflict
        If another holds it for longer than `WAIT_SECONDS`.
    LakeError
        If the lake cannot be written.
    """
    folder = run_files.locks_folder(name)
    lease = _take(name, folder, owner)
    try:
        yield lease
    finally:
        lease.release()


def _take(name: str, folder: UPath, owner: str) -> Lease:
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        token = _highest(folder)
        held = _read(folder, token) if token else None
        if not token or (held and _is_free(held)):
            lease = _create(name, folder, owner, token + 1)
            if lease:
                return lease
        if time.monotonic() > deadline:
            by = f"'{held.owner}' (process {held.pid} on {held.host.partition('/')[0]})" if held else "another"
            raise PublishConflict(
                f"{by} holds the lease on the champion of {name}, and did not end within {WAIT_SECONDS:.0f} s; "
                f"it expires by itself {LEASE_SECONDS:.0f} s after its last sign of life; run this task again"
            )
        time.sleep(0.1 + random.random() * 0.2)  # noqa: S311  spreads those that wait


def _create(name: str, folder: UPath, owner: str, token: int) -> Lease | None:
    """Create a lease, unless another was quicker."""
    held = _Held(token, uuid.uuid4().hex, owner, _host(), os.getpid(), _now() + LEASE_SECONDS)
    try:
        create_file(_file(folder, token), json.dumps(asdict(held), indent=1, sort_keys=True).encode())
    except FileExistsError:
        return None
    lease = Lease(name, folder, held)
    # one that was paused since it looked may have created a token that was in use and cleared away
    if not lease.is_in_force():
        return None
    _clear(folder, token)
    return lease


def _is_free(held: _Held) -> bool:
    return held.released or held.expires_at <= _now() or _has_died(held)


def _has_died(held: _Held) -> bool:
    """Return whether the holder's process was one of this machine and is no more."""
    if held.host != _host():
        return False
    try:
        os.kill(held.pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _host() -> str:
    """Return the name of this machine since its last start, and of the processes that this one can see."""
    seen = []
    for path in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        try:
            seen.append(str(Path(path).readlink()) if path.endswith("pid") else Path(path).read_text().strip())
        except OSError:
            seen.append("")
    return "/".join([socket.gethostname(), *seen])


def _highest(folder: UPath) -> int:
    """Return the token in force, 0 where there never was one."""
    return max(_tokens(folder), default=0)


def _tokens(folder: UPath) -> list[int]:
    folder.fs.invalidate_cache(folder.path)  # object stores' clients remember listings
    try:
        names = [path.rpartition("/")[2] for path in folder.fs.ls(folder.path, detail=False)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise LakeError(f"{folder} cannot be listed ({error}); check LAKE_URI, then run this task again") from error
    return [int(found[1]) for name in names if (found := re.fullmatch(r"champion-(\d+)\.json", name))]


def _read(folder: UPath, token: int) -> _Held | None:
    """Return what a lease's file says, or None where it was cleared away this moment."""
    path = _file(folder, token)
    try:
        # at once: an object that is written over while it is opened and read is an error to its store's client
        return _Held(**json.loads(path.fs.cat_file(path.path)))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LakeError(f"{path} cannot be read ({error}); check LAKE_URI, then run this task again") from error
    except (ValueError, TypeError):  # its writer was killed, on a disk without links
        return _Held(token, "", "unknown", "", 0, path.stat().st_mtime + LEASE_SECONDS)


def _clear(folder: UPath, token: int) -> None:
    """Take away the files of earlier leases."""
    for old in _tokens(folder):
        if old < token:
            with suppress(FileNotFoundError):  # another clears as well
                _file(folder, old).unlink()


def _file(folder: UPath, token: int) -> UPath:
    return folder / f"champion-{token:09d}.json"


def _now() -> float:
    """Return the time; leases of several machines are compared by it."""
    return time.time()
