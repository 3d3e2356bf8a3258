"""Processes of a test's own, forked from a server that has imported the heavy libraries once.

To start Python and import them takes seconds of each process that a test starts. A process of the server starts in
some milliseconds, without any state of the tests: the server itself runs nothing, and only imports `tests.preloaded`.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path
from tempfile import mkstemp
from typing import TYPE_CHECKING, Any

from include.core import settings
from include.training import reload
from include.training.reload_model import reload_model

if TYPE_CHECKING:
    from collections.abc import Callable

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(["tests.preloaded"])


class Forked:
    """A process that calls a function, with what a test asks of `subprocess.Popen`.

    Parameters
    ----------
    function
        A function of an importable module; what it raises ends the process with status 1, as a script's error does.
    arguments
        Its arguments.
    environment
        All that the process finds in its environment; by default what this process has.
    folder
        The process's working folder; by default that of this process.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *arguments: Any,
        environment: dict[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        descriptor, name = mkstemp(prefix="printed-")
        os.close(descriptor)
        self._printed = Path(name)
        own = dict(os.environ) if environment is None else environment
        where = str(folder or Path.cwd())
        self._process = _SERVER.Process(target=_call, args=(self._printed, own, where, function, arguments))
        self._process.start()

    @property
    def pid(self) -> int:
        """The process's id."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The status with which it has ended, the negative number of a signal, or None while it runs."""
        return self._process.exitcode

    def kill(self) -> None:
        """End it by force, if it still runs."""
        self._process.kill()

    def wait(self, timeout: float | None = None) -> str:
        """Wait for the end and return what was printed to either stream; what lasts longer is killed.

        Raises
        ------
        subprocess.TimeoutExpired
            If it had to be killed.
        """
        self._process.join(timeout)
        if self._process.exitcode is None:
            self._process.kill()
            self._process.join()
            raise subprocess.TimeoutExpired(str(self._process.name), timeout or 0)
        printed = self._printed.read_text(encoding="utf-8", errors="replace")
        self._printed.unlink()
        return printed


def _call(
    printed: Path, environment: dict[str, str], folder: str, function: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    """Call the function in the new process, as if a script had been started with this environment."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    with printed.open("wb") as output:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(output.fileno(), stream.fileno())
    function(*arguments)


def reload_forked(folder: Path, limit_seconds: float) -> str | None:
    """Load a model again in a forked process, as `include.training.reload` does in a fresh one."""
    environment = {name: os.environ[name] for name in reload.ENVIRONMENT if name in os.environ}
    process = Forked(reload_or_exit, folder, environment=environment, folder=settings.root())
    printed = process.wait(10 * limit_seconds)  # two test processes share the machine with what they start
    return None if process.returncode == 0 else printed.strip().splitlines()[-1]


def reload_or_exit(folder: Path) -> None:
    """Do what the program `include.training.reload_model` does: an error is one line, and the status 1."""
    try:
        reload_model(folder)
    except Exception as error:  # noqa: BLE001  as the program has it
        sys.exit(f"{type(error).__name__}: {' '.join(str(error).split())}")
