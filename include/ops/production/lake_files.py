"""Which files of a lake a backup copies, and in which order.

A copy of a lake in use is consistent if every reference in it leads to an object in it. So a backup copies references
before the objects that they refer to. `add_naming_files` adds the files that refer to model versions in MLflow; they
come before MLflow's database. `add_named_files` adds the files that MLflow's versions refer to by their manifest or
snapshot; they come after it.

A Delta table consists of its log and its data files. Commits and data files are written once and never changed, so the
copied log ends at the last commit that was listed, and data files of later commits do no harm.
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from include.core.errors import BackupFailed
from include.ops.production.archive import files_below

if TYPE_CHECKING:
    from include.ops.production.archive import Archive

#: Folders of a pipeline that MLflow's versions refer to; features first, because they are made from the raw tables.
NAMED = ("features", "raw", "quarantine", "staged", "manifests")

#: A lease belongs to a process that no longer exists after a restore.
LEFT = ("locks",)

LOG = "_delta_log"
_COMMIT = re.compile(r"(\d{20})\.json")
_CHECKPOINT = re.compile(r"(\d{20})\.(?:checkpoint\..*parquet|crc)")

#: Name of a file during writing, such as `.plan.json.<32 hex digits>`.
_SCRATCH = re.compile(r"\..+\.[0-9a-f]{32}")


def add_naming_files(archive: Archive, lake: Path) -> None:
    """Add the records, the runs, and every other file of a pipeline that may refer to model versions."""
    for pipeline in _folders(lake):
        for name in sorted(path.name for path in pipeline.iterdir()):
            if name not in (*NAMED, *LEFT):
                _add_folder(archive, lake, f"{pipeline.name}/{name}")


def add_named_files(archive: Archive, lake: Path) -> None:
    """Add the tables, the staged batches and the manifests of models."""
    for pipeline in _folders(lake):
        for name in NAMED:
            if (pipeline / name).exists():
                _add_folder(archive, lake, f"{pipeline.name}/{name}")


def refuse_torn_tables(sizes: dict[str, int], lake: Path) -> int:
    """Check that all files of each table's newest copied version were copied; return the number of tables.

    Parameters
    ----------
    sizes
        Size of each copied file in bytes, by its path below the lake.

    Raises
    ------
    BackupFailed
        If a file is missing or has another size.
    """
    from include.lake import files_of

    newest: dict[str, int] = {}
    for path in sizes:
        folder, _, name = path.rpartition(f"/{LOG}/")
        commit = _COMMIT.fullmatch(name)
        if folder and commit:
            newest[folder] = max(newest.get(folder, 0), int(commit[1]))
    for table, version in newest.items():
        for file, size in files_of(str(lake / table), version).items():
            copied = sizes.get(f"{table}/{file}")
            if copied != size:
                raise BackupFailed(
                    f"{lake / table}: version {version} needs {file} ({size:,} bytes), and "
                    f"{'the file is missing' if copied is None else f'{copied:,} bytes of it were copied'}; "
                    "if maintenance ran at the same time, run this again; otherwise the table is damaged"
                )
    return len(newest)


def _folders(lake: Path) -> list[Path]:
    return sorted(path for path in lake.iterdir() if path.is_dir()) if lake.is_dir() else []


def _add_folder(archive: Archive, lake: Path, relative: str) -> None:
    """Add the files below a folder: first the logs of its tables, then the others."""
    at = lake / relative
    if not at.is_dir() or at.is_symlink():
        archive.add(lake, relative)
        return
    for log in _logs(at):
        _add_log(archive, lake, log.relative_to(lake).as_posix())
    for path in files_below(at):
        if LOG not in PurePosixPath(path).parts and not _SCRATCH.fullmatch(PurePosixPath(path).name):
            archive.add(lake, f"{relative}/{path}")


def _logs(folder: Path) -> list[Path]:
    """Return the logs of the tables at or below a folder."""
    found = []
    for at, folders, _ in os.walk(folder):
        folders.sort()
        if LOG in folders:
            found.append(Path(at) / LOG)
            folders.clear()  # a table contains no other table, but years of partitions
    return found


def _add_log(archive: Archive, lake: Path, log: str) -> None:
    """Add a table's log up to the last commit without a gap before it.

    `_last_checkpoint` is the only file of a log that is overwritten. It is left out: it only spares readers a listing,
    and may refer to a checkpoint that was written after the listing.
    """
    names = [path.name for path in (lake / log).iterdir()]
    commits = sorted(int(found[1]) for found in map(_COMMIT.fullmatch, names) if found)
    if not commits:
        return
    last = commits[0]
    for number in commits[1:]:  # a listing may miss a concurrent commit and contain the next one
        if number != last + 1:
            break
        last = number
    for name in sorted(names):
        found = _COMMIT.fullmatch(name) or _CHECKPOINT.fullmatch(name)
        if found and int(found[1]) <= last:
            archive.add(lake, f"{log}/{name}")
