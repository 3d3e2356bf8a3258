"""The lease on a pipeline's champion: its holder may move the alias for a minute, and knows when the lease ends.

In MLflow the last writer of an alias wins. So whoever moves the alias first takes the lease, and calls `Lease.check`
before each write. A lease is a file `<lake>/<pipeline>/locks/champion-<token>.json`; the highest token is in force. A
file is only created, never taken over: whoever takes an expired lease creates the next token, and only one of several
processes can. Tokens only grow, so a paused holder finds a higher token when it wakes up.
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
#: A holder writes only while at least this much time is left. One request takes much less, and the clocks of machines
#: differ by less.
MARGIN_SECONDS = 15.0


@dataclass(frozen=True)
class _LeaseFile:
    """The content of a lease's file; `host` and `pid` show whether its process has died.

    The `nonce` distinguishes two processes that created the same file, on a disk or store that does not prevent it.
    """

    token: int
    nonce: str
    owner: str
    host: str
    pid: int
    expires_at: float
    released: bool = False


class Lease:
    """A lease that this process took; its token is higher than that of every earlier lease."""

    def __init__(self, name: str, folder: UPath, held: _LeaseFile) -> None:
        self._name, self._folder, self._held = name, folder, held

    @property
    def token(self) -> int:
        """The number of this lease."""
        return self._held.token

    def check(self) -> None:
        """Make sure that the lease lasts long enough for one more write, and renew it where it ends soon.

        Raises
        ------
        PublishConflict
            If the lease ran out, or another process has taken it.
        """
        left = self._held.expires_at - _now()
        if left < MARGIN_SECONDS or not self.is_in_force():
            raise PublishConflict(
                f"the lease of '{self._held.owner}' on the champion of {self._name} ran out before the write (its "
                "process was paused, or MLflow was slow); nothing was written since; run this task again"
            )
        if left < LEASE_SECONDS / 2:
            # nobody takes a lease that has not expired, so overwriting its file is safe
            self._held = replace(self._held, expires_at=_now() + LEASE_SECONDS)
            self._write()

    def is_in_force(self) -> bool:
        """Return whether no other process has taken the lease since."""
        if _highest(self._folder) != self.token:
            return False
        written = _read(self._folder, self.token)
        return written is not None and written.nonce == self._held.nonce

    def release(self) -> None:
        """Release the lease; its file stays, because the next token follows from it."""
        try:
            if self.is_in_force():
                self._held = replace(self._held, released=True)
                self._write()
        except LakeError as error:  # the work is done, and the lease expires by itself
            log.warning("%s: could not release the lease on the champion; it will expire: %s", self._name, error)

    def _write(self) -> None:
        run_files.write_json(_file(self._folder, self.token), asdict(self._held))


@contextmanager
def champion_lease(name: str, owner: str) -> Iterator[Lease]:
    """Hold the lease on a pipeline's champion during the block.

    The lease of a process that died on this machine is taken at once; a lease of another machine when it has expired.

    Parameters
    ----------
    owner
        Who holds the lease, for the error of the processes that wait for it.

    Raises
    ------
    PublishConflict
        If another process holds the lease for longer than `WAIT_SECONDS`.
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
                f"{by} holds the lease on the champion of {name}, and did not release it within {WAIT_SECONDS:.0f} s; "
                f"the lease expires {LEASE_SECONDS:.0f} s after its last renewal; run this task again"
            )
        time.sleep(0.1 + random.random() * 0.2)  # noqa: S311  spreads the waiting processes


def _create(name: str, folder: UPath, owner: str, token: int) -> Lease | None:
    """Create a lease, or return None where another process was quicker."""
    held = _LeaseFile(token, uuid.uuid4().hex, owner, _host(), os.getpid(), _now() + LEASE_SECONDS)
    try:
        create_file(_file(folder, token), json.dumps(asdict(held), indent=1, sort_keys=True).encode())
    except FileExistsError:
        return None
    lease = Lease(name, folder, held)
    # a process that was paused may have created a token that was used and cleared in the meantime
    if not lease.is_in_force():
        return None
    _clear(folder, token)
    return lease


def _is_free(held: _LeaseFile) -> bool:
    return held.released or held.expires_at <= _now() or _has_died(held)


def _has_died(held: _LeaseFile) -> bool:
    """Return whether the holder's process ran on this machine and has ended."""
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
    """Return the name of this machine, of its last start, and of this process's namespace of process ids."""
    parts = []
    for path in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        try:
            parts.append(str(Path(path).readlink()) if path.endswith("pid") else Path(path).read_text().strip())
        except OSError:
            parts.append("")
    return "/".join([socket.gethostname(), *parts])


def _highest(folder: UPath) -> int:
    """Return the token in force; 0 where there never was a lease."""
    return max(_tokens(folder), default=0)


def _tokens(folder: UPath) -> list[int]:
    folder.fs.invalidate_cache(folder.path)  # the clients of object stores cache listings
    try:
        names = [path.rpartition("/")[2] for path in folder.fs.ls(folder.path, detail=False)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise LakeError(f"{folder} cannot be listed ({error}); check LAKE_URI, then run this task again") from error
    return [int(found[1]) for name in names if (found := re.fullmatch(r"champion-(\d+)\.json", name))]


def _read(folder: UPath, token: int) -> _LeaseFile | None:
    """Return the content of a lease's file, or None where another process has just removed it."""
    path = _file(folder, token)
    try:
        # one call: opening and then reading fails where the object is overwritten in between
        return _LeaseFile(**json.loads(path.fs.cat_file(path.path)))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LakeError(f"{path} cannot be read ({error}); check LAKE_URI, then run this task again") from error
    except (ValueError, TypeError):  # the writer was killed on a disk without hard links
        return _LeaseFile(token, "", "unknown", "", 0, path.stat().st_mtime + LEASE_SECONDS)


def _clear(folder: UPath, token: int) -> None:
    """Remove the files of earlier leases."""
    for old in _tokens(folder):
        if old < token:
            with suppress(FileNotFoundError):  # another process removed it
                _file(folder, old).unlink()


def _file(folder: UPath, token: int) -> UPath:
    return folder / f"champion-{token:09d}.json"


def _now() -> float:
    """Return the time by which the leases of several machines are compared."""
    return time.time()
