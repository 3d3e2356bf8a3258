"""Loads a model file in a clean process and compares its predictions: what serves a model has only its file."""

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

#: What the process is given of the environment: where programs and modules are, and how many threads it may use.
#: Neither connections nor addresses nor secrets are among it.
ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "HOME", "PYTHONPATH", "PYTHONUSERBASE", "NIGHTSHIFT_THREADS")
#: Names of the files by which the two processes speak.
REQUEST, ROWS, PREDICTIONS = "request.json", "rows.arrow", "predictions.npy"
#: Longest text of an error that is kept.
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
    """Load a model file in a clean process, which verifies digest and types, and compare what it predicts.

    Whatever is wrong with the file or the model is told in `error` and never raised.

    Parameters
    ----------
    path, sha256
        The model file and its digest.
    training
        Says the task, and by its own estimators the packages whose types are allowed.
    frame
        Feature rows with the columns that the model takes; others do no harm where Arrow can hold them.
    expected
        What the model predicted of these rows in this process, of shape (n_rows,) or (n_rows, n_classes).
    classes
        Of a multiclass task: the labels, in the order of the columns of `expected`.
    max_rows
        Only as many rows, the first ones, are predicted again.
    """
    frame, expected = frame.iloc[:max_rows], expected[:max_rows]
    start = time.monotonic()
    with TemporaryDirectory(prefix="reload-", ignore_cleanup_errors=True) as scratch:
        folder = Path(scratch)
        failed = _write_request(folder, path, sha256, training, frame, classes) or _run(folder, limit_seconds)
        found, error = (None, failed) if failed else _predictions(folder / PREDICTIONS)
    seconds = time.monotonic() - start
    if found is None:
        return Reload(False, math.nan, len(frame), seconds, error)
    if found.shape != expected.shape:
        error = f"it predicts an array of shape {found.shape}, and one of shape {expected.shape} was expected"
    return Reload(True, largest_difference(expected, found), len(frame), seconds, error)


def _write_request(
    folder: Path, path: Path, sha256: str, training: Training, frame: pd.DataFrame, classes: Sequence[Any] | None
) -> str | None:
    """Write what the process needs to know; return why that is not possible."""
    import pyarrow as pa

    request = {
        "path": str(path.resolve()),
        "sha256": sha256,
        "training": training.model_dump(mode="json"),
        "classes": list(classes) if classes is not None else None,
    }
    (folder / REQUEST).write_text(json.dumps(request), encoding="utf-8")
    try:
        # the way by which a feature table becomes a frame, so that types are those of every other reader of it
        rows = pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowException, ValueError, TypeError) as error:
        return f"the feature rows cannot be handed over as Arrow ({_one_line(str(error))})"
    with pa.OSFile(str(folder / ROWS), "wb") as file, pa.ipc.new_file(file, rows.schema) as writer:
        writer.write_table(rows)
    return None


def _run(folder: Path, limit_seconds: float) -> str | None:
    """Run the process; return why it did not end well."""
    known = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
    told = folder / "stderr.txt"
    try:
        with told.open("wb") as errors:  # a file: a pipe would be waited for as long as any process holds it
            code = subprocess.run(  # noqa: S603  this project's own module, with a folder that was made here
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
        return f"it was not loaded and asked within {limit_seconds:g} seconds"
    except OSError as error:
        return f"no process could be started ({error.strerror or error})"
    if code == 0:
        return None
    lines = told.read_text(encoding="utf-8", errors="replace").split("\n")
    last = next((_one_line(line) for line in reversed(lines) if line.strip()), "")
    return f"the process ended by signal {-code}" if code < 0 else last or f"the process ended with status {code}"


def _predictions(path: Path) -> tuple[np.ndarray | None, str | None]:
    """Return what the process has predicted, or why that cannot be read."""
    import numpy as np

    try:
        return np.load(path, allow_pickle=False), None
    except (OSError, ValueError, EOFError) as error:
        return None, f"the process left no predictions ({_one_line(str(error))})"


def _one_line(text: str) -> str:
    return " ".join(text.split())[:LONGEST_ERROR]
