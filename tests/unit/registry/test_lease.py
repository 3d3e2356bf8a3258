"""One process at a time holds the lease on a champion, and one that lost it finds out before it writes."""

from __future__ import annotations

import json
import multiprocessing
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from include.core import settings
from include.core.errors import LakeError, PublishConflict
from include.registry import lease as lease_module
from include.registry.lease import LEASE_SECONDS, MARGIN_SECONDS, champion_lease

if TYPE_CHECKING:
    from collections.abc import Iterator


class Clock:
    """The clock of the leases, which a test moves."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Give the leases a clock that stands still, and let no test wait."""
    clock = Clock()
    monkeypatch.setattr(lease_module, "_now", clock)
    monkeypatch.setattr(lease_module, "WAIT_SECONDS", 0)
    return clock


def _folder() -> Path:
    return Path(settings.lake_uri()) / "shop" / "locks"


def _file() -> dict[str, Any]:
    """Return the content of the only lease's file."""
    (path,) = _folder().glob("*.json")
    return json.loads(path.read_text())


def _of_another_machine() -> None:
    """Make the lease's file that of a process on another machine."""
    (path,) = _folder().glob("*.json")
    path.write_text(json.dumps(_file() | {"host": "elsewhere/1/2", "pid": 1}))


def test_a_lease_names_its_owner_and_its_expiry(clock: Clock) -> None:
    """The file names the owner, the process and the expiry, and is released with the block."""
    with champion_lease("shop", "night-1") as lease:
        said = _file()
        assert (said["token"], said["owner"], said["pid"], said["released"]) == (1, "night-1", os.getpid(), False)
        assert said["expires_at"] == clock.now + LEASE_SECONDS
        lease.check()

    assert _file()["released"] is True


def test_tokens_grow_for_ever(clock: Clock) -> None:
    """Each lease has a higher token than the one before, also after an error in its block."""
    tokens = []
    with suppress(ZeroDivisionError), champion_lease("shop", "night-1") as lease:
        tokens.append(lease.token)
        raise ZeroDivisionError
    for _ in range(2):
        with champion_lease("shop", "night-2") as lease:
            tokens.append(lease.token)

    assert tokens == [1, 2, 3]
    assert len(list(_folder().iterdir())) == 1


def test_a_second_process_learns_who_holds_the_lease(clock: Clock) -> None:
    """Waiting is bounded; the sentence names the holder, and the task may be retried."""
    with (
        champion_lease("shop", "night-1"),
        pytest.raises(
            PublishConflict,
            match=rf"^'night-1' \(process {os.getpid()} on .*\) holds the lease on the champion of shop, .*again$",
        ) as refused,
        champion_lease("shop", "night-2"),
    ):
        pass

    assert refused.value.retryable


def test_pipelines_do_not_wait_for_each_other(clock: Clock) -> None:
    """Each pipeline has a lease of its own."""
    with champion_lease("shop", "night"), champion_lease("bikes", "night") as other:
        other.check()


def test_the_lease_of_another_machine_is_taken_when_it_has_expired(clock: Clock) -> None:
    """Until then its holder may be alive; afterwards the holder finds the higher token and does not write."""
    with champion_lease("shop", "night-1") as paused:
        _of_another_machine()
        clock.now += LEASE_SECONDS - 1
        with pytest.raises(PublishConflict), champion_lease("shop", "night-2"):
            pass
        clock.now += 1
        with champion_lease("shop", "night-2") as later:
            assert later.token == 2
            with pytest.raises(PublishConflict, match=r"^the lease of 'night-1' on the champion of shop ran out"):
                paused.check()
            later.check()


def test_a_holder_that_was_paused_finds_its_lease_taken_and_released(clock: Clock) -> None:
    """A later lease that has ended still blocks the paused holder, whose own end does not undo it."""
    with champion_lease("shop", "night-1") as paused:
        clock.now += LEASE_SECONDS
        with champion_lease("shop", "night-2"):
            pass
        clock.now -= LEASE_SECONDS  # as if the paused machine's clock were late
        with pytest.raises(PublishConflict, match="ran out"):
            paused.check()

    assert (_file()["owner"], _file()["token"]) == ("night-2", 2)


def test_a_holder_that_was_paused_writes_nothing_though_nobody_took_the_lease(clock: Clock) -> None:
    """Too little time is left to finish a write before another process may start one."""
    with champion_lease("shop", "night-1") as paused:
        clock.now += LEASE_SECONDS - MARGIN_SECONDS + 1
        with pytest.raises(PublishConflict, match="ran out"):
            paused.check()


def test_a_slow_holder_renews_its_lease(clock: Clock) -> None:
    """A check halfway through renews the full time."""
    with champion_lease("shop", "night-1") as slow:
        for _ in range(5):
            clock.now += LEASE_SECONDS / 2 + 1
            slow.check()
        assert _file()["expires_at"] == clock.now + LEASE_SECONDS
        assert slow.token == 1


def test_a_disk_that_let_two_create_the_same_lease_leaves_it_to_one(clock: Clock) -> None:
    """Where a store overwrites an existing file, the process whose file was overwritten finds out."""
    with champion_lease("shop", "night-1") as first:
        (path,) = _folder().glob("*.json")
        path.write_text(json.dumps(_file() | {"nonce": "of another", "owner": "night-2"}))
        with pytest.raises(PublishConflict, match="ran out"):
            first.check()

    assert (_file()["owner"], _file()["released"]) == ("night-2", False)


def _die_with_the_lease() -> None:
    context = champion_lease("shop", "killed")
    context.__enter__()
    os._exit(137)


def test_the_lease_of_a_process_that_died_here_is_taken_at_once(clock: Clock) -> None:
    """The retry of a killed run need not wait until its lease expires."""
    process = multiprocessing.get_context("fork").Process(target=_die_with_the_lease)
    process.start()
    process.join()
    assert process.exitcode == 137
    assert _file()["released"] is False

    with champion_lease("shop", "again") as lease:
        assert lease.token == 2


def test_only_one_of_many_threads_holds_the_lease() -> None:
    """Threads that all want the lease have it one after another, each with a token of its own."""
    inside: list[int] = []
    seen: list[int] = []

    def hold(number: int) -> int:
        with champion_lease("shop", f"night-{number}") as lease:
            inside.append(number)
            seen.append(len(inside))
            lease.check()
            inside.remove(number)
            return lease.token

    with ThreadPoolExecutor(6) as threads:
        tokens = list(threads.map(hold, range(6)))

    assert sorted(tokens) == [1, 2, 3, 4, 5, 6]
    assert seen == [1] * 6


def test_a_broken_lease_file_expires_like_a_lease(clock: Clock) -> None:
    """A half-written file, left by a killed writer on a disk without hard links, blocks nobody for ever."""
    _folder().mkdir(parents=True)
    half = _folder() / "champion-000000007.json"
    half.write_text("")
    os.utime(half, (clock.now, clock.now))

    with pytest.raises(PublishConflict), champion_lease("shop", "night"):
        pass
    clock.now += LEASE_SECONDS
    with champion_lease("shop", "night") as lease:
        assert lease.token == 8


@pytest.fixture
def no_folder() -> Iterator[None]:
    """Put a file where the folder of the leases should be."""
    _folder().parent.mkdir(parents=True)
    _folder().write_text("in the way")
    yield
    _folder().unlink()


def test_a_lake_that_cannot_be_written_is_one_sentence(no_folder: None) -> None:
    """The sentence names the path and the remedy."""
    with pytest.raises(LakeError, match=r"locks.*LAKE_URI"), champion_lease("shop", "night"):
        pass
