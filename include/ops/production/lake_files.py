"""Which files of a lake a backup copies, and in which order.

A copy of a lake that is written to is whole if nothing in it names what is not in it. So what names comes before
what is named: once the first is copied, the other is there already, and is copied later. `naming_files` are those
that name versions of models in MLflow; they come before MLflow's database. `named_files` are those that MLflow's
versions name, by their manifest or their snapshot; they come after it.

A Delta table is its log and its data files. Commits and data files are written once and never changed, so a log is
cut at the last commit that was there when it was listed, and data files that belong to later commits do no harm.
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

#: Folders of a pipeline with what MLflow's versions name; the features first, since they are made of the raw tables.
NAMED = ("features", "raw", "quarantine", "staged", "manifests")

#: A lease is somebody's who is not there after a restore.
LEFT = ("locks",)

LOG = "_delta_log"
_COMMIT = re.compile(r"(\d{20})\.json")
_CHECKPOINT = re.compile(r"(\d{20})\.(?:checkpoint\..*parquet|crc)")

#: A file that is being written has a name such as `.plan.json.<32 hex digits>`.
_SCRATCH = re.compile(r"\..+\.[0-9a-f]{32}")


def add_naming_files(archive: Archive, lake: Path) -> None:
    """Add the records, the runs, and all else of a pipeline that may name versions of models."""
    for pipeline in _folders(lake):
        for name in sorted(path.name for path in pipeline.iterdir()):
            if name not in (*NAMED, *LEFT):
                _add_folder(archive, lake, f"{pipeline.name}/{name}")


def add_named_files(archive: Archive, lake: Path) -> None:
    """Add the tables, the staged batches, and the manifests of models."""
    for pipeline in _folders(lake):
        for name in NAMED:
            if (pipeline / name).exists():
                _add_folder(archive, lake, f"{pipeline.name}/{name}")


def refuse_torn_tables(sizes: dict[str, int], lake: Path) -> int:
    """Make sure that the files which the newest copied version of each table needs were copied; count the tables.

    Parameters
    ----------
    sizes
        Bytes of the copied files, by their paths below the lake.

    Raises
    ------
    BackupFailed
        If one is not there, or is of another size.
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
                    f"{'it was not there to be copied' if copied is None else f'{copied:,} bytes of it were copied'}; "
                    "if maintenance ran at the same time, run this again; otherwise the table is damaged"
                )
    return len(newest)


def _folders(lake: Path) -> list[Path]:
    return sorted(path for path in lake.iterdir() if path.is_dir()) if lake.is_dir() else []


def _add_folder(archive: Archive, lake: Path, relative: str) -> None:
    """Add what is below a folder: first the logs of its tables, then all else."""
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
            folders.clear()  # a table has no other below it, and years of days
    return found


def _add_log(archive: Archive, lake: Path, log: str) -> None:
    """Add a table's log up to the last commit that has all others before it.

    `_last_checkpoint` is the one file of a log that is written over. It is left out: it only spares readers a
    listing, and may name a checkpoint that was made after the rest was listed.
    """
    names = [path.name for path in (lake / log).iterdir()]
    commits = sorted(int(found[1]) for found in map(_COMMIT.fullmatch, names) if found)
    if not commits:
        return
    last = commits[0]
    for number in commits[1:]:  # a listing may miss a commit that was made meanwhile, and have the next one
        if number != last + 1:
            break
        last = number
    for name in sorted(names):
        found = _COMMIT.fullmatch(name) or _CHECKPOINT.fullmatch(name)
        if found and int(found[1]) <= last:
            archive.add(lake, f"{log}/{name}")
