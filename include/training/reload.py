"""Loads a model file in a fresh process and compares its predictions, since a server has nothing but the file."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from include.core import settings
from include.evaluation.agreement import largest_difference
from include.evaluation.reload import Reload

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd

    from include.config.training import Training

#: Environment variables that the process inherits: the locations of programs and modules, and the number of threads.
#: Connections, addresses and secrets are left out.
ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "HOME", "PYTHONPATH", "PYTHONUSERBASE", "NIGHTSHIFT_THREADS")
#: Files that the two processes exchange.
REQUEST, ROWS, PREDICTIONS = "request.json", "rows.arrow", "predictions.npy"
#: Maximum length of an error's text.
LONGEST_ERROR = 300


def measure_reload(
    path: Path,
    sha256: str,
    training: Training,
    frame: pd.DataFrame,
    expected: np.ndarray,
    classes: Sequence[Any] | None = None,
    *,
    max_rows: int = 1000,
    limit_seconds: float = 60,
) -> Reload:
    """Load a model file in a fresh process, which verifies digest and types, and compare its predictions.

    Anything wrong with the file or the model is returned in `error` and never raised.

    Parameters
    ----------
    path, sha256
        The model file and its digest.
    training
        The task, and the own estimators whose types are allowed.
    frame
        Feature rows with the columns that the model takes; further columns are fine if Arrow can hold them.
    expected
        The model's predictions of these rows in this process, of shape (n_rows,) or (n_rows, n_classes).
    classes
        Labels of a multiclass task, in the order of the columns of `expected`.
    max_rows
        Number of rows, from the first, that are predicted again.
    """
    frame, expected = frame.iloc[:max_rows], expected[:max_rows]
    start = time.monotonic()
    with TemporaryDirectory(prefix="reload-", ignore_cleanup_errors=True) as scratch:
        folder = Path(scratch)
        failed = _write_request(folder, path, sha256, training, frame, classes) or _run(folder, limit_seconds)
        found, error = (None, failed) if failed else _read_predictions(folder / PREDICTIONS)
    seconds = time.monotonic() - start
    if found is None:
        return Reload(False, math.nan, len(frame), seconds, error)
    if found.shape != expected.shape:
        error = f"it predicts an array of shape {found.shape}, expected shape {expected.shape}"
    return Reload(True, largest_difference(expected, found), len(frame), seconds, error)


def _write_request(
    folder: Path, path: Path, sha256: str, training: Training, frame: pd.DataFrame, classes: Sequence[Any] | None
) -> str | None:
    """Write the request for the process; return the reason if that fails, else None."""
    import pyarrow as pa

    request = {
        "path": str(path.resolve()),
        "sha256": sha256,
        "training": training.model_dump(mode="json"),
        "classes": list(classes) if classes is not None else None,
    }
    (folder / REQUEST).write_text(json.dumps(request), encoding="utf-8")
    try:
        # like every other reader of a feature table, so that the frame has the same types
        rows = pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowException, ValueError, TypeError) as error:
        return f"the feature rows cannot be written as Arrow ({_one_line(str(error))})"
    with pa.OSFile(str(folder / ROWS), "wb") as file, pa.ipc.new_file(file, rows.schema) as writer:
        writer.write_table(rows)
    return None


def _run(folder: Path, limit_seconds: float) -> str | None:
    """Run the process; return the reason if it failed, else None."""
    known = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
    stderr = folder / "stderr.txt"
    try:
        with stderr.open("wb") as errors:  # a file, because reading a pipe waits for every process that holds it
            code = subprocess.run(  # noqa: S603  this project's own module, with a folder created here
                [sys.executable, "-m", "include.training.reload_model", str(folder)],
                cwd=settings.root(),
                env=known | {"TMPDIR": str(folder)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                timeout=limit_seconds,
                check=False,
            ).returncode
    except subprocess.TimeoutExpired:
        return f"loading and predicting took more than {limit_seconds:g} seconds"
    except OSError as error:
        return f"the process could not be started ({error.strerror or error})"
    if code == 0:
        return None
    lines = stderr.read_text(encoding="utf-8", errors="replace").split("\n")
    last = next((_one_line(line) for line in reversed(lines) if line.strip()), "")
    return f"the process ended by signal {-code}" if code < 0 else last or f"the process ended with status {code}"


def _read_predictions(path: Path) -> tuple[np.ndarray | None, str | None]:
    """Return the predictions of the process, or the reason why they cannot be read."""
    import numpy as np

    try:
        return np.load(path, allow_pickle=False), None
    except (OSError, ValueError, EOFError) as error:
        return None, f"the process left no predictions ({_one_line(str(error))})"


def _one_line(text: str) -> str:
    return " ".join(text.split())[:LONGEST_ERROR]
