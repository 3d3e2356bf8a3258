"""Backup: the databases of Airflow and MLflow, MLflow's files and the lake, copied while they are in use.

Nothing is stopped, so the parts are copied at different moments, and their order keeps them consistent. Nightshift
always writes an object before the reference to it: a day's files before the commit of its table, a model's files and
manifest before its version, the version before the alias, the alias before the decision record, and the record before
Airflow marks its task as done. A backup copies in the opposite order. Every object exists before the reference to it is
copied, and objects are never changed, so the later parts contain every referenced object:

1. Airflow's database. Later parts contain the work of every task that it marks as done. Its tasks repeat newer work,
   and find what they left.
2. The trials of searches, which only a running search needs.
3. `lake-decisions`: the records, the runs, and everything else in the lake that refers to versions of models.
4. MLflow's logins and its database, with every version that a record or a permission refers to.
5. `artifacts`: the files of every version in that database.
6. `lake-tables`: the manifests of these versions, and the tables that they were trained on; the log of a table before
   its files.

Files that are removed during a backup are no longer referenced: maintenance removes files of old table versions, and
models of killed attempts. The backup still checks that no table and no champion lacks a file, and fails otherwise.

The backup is written to a folder with a leading dot in its name, and renamed when it is complete and on disk.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import stat
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from include.core.errors import BackupFailed, ModelRefused
from include.ops.production.archive import Archive, digest_of, files_below
from include.ops.production.backup_manifest import BackupManifest, BackupPart
from include.ops.production.backup_targets import BackupTargets, Database, Tree, find_targets
from include.ops.production.databases import dump, identity, is_there, part_name
from include.ops.production.lake_files import add_named_files, add_naming_files, refuse_torn_tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from include.registry.mlflow_storage import StoredVersion

_PARTIAL = ".partial"
_RECORD = re.compile(r"([^/]+)/records/(\d{8})\.json")


def back_up(to: Path, tell: Callable[[str], None] = lambda _: None) -> Path:
    """Make a backup in a new folder below `to`, and return the folder.

    Parameters
    ----------
    tell
        Called with a line about each part.

    Raises
    ------
    BackupFailed
        If the backup cannot be made or would be incomplete; nothing is left behind.
    TrackingUnavailable
        If MLflow's database does not answer.
    """
    targets = find_targets()
    for tree in (targets.artifacts, targets.lake):
        if tree.folder and to.resolve().is_relative_to(tree.folder.resolve()):
            raise BackupFailed(f"{to} lies in {tree.folder}, which the backup copies; name a folder elsewhere")
    made_at = datetime.now(UTC)
    name = f"nightshift-{made_at.strftime('%Y%m%dT%H%M%S')}.{made_at.microsecond // 1000:03d}Z"
    try:
        with _only_one(to), _scratch(to / f".{name}{_PARTIAL}") as scratch:
            manifest = _copy(targets, scratch, made_at, tell)
            manifest.write(scratch)
            _share(scratch)
            _sync(scratch)
            scratch.rename(to / name)
            _sync(to)
    except OSError as error:
        at = error.filename or to
        raise BackupFailed(
            f"{at} could not be read or written ({error.strerror or error}); check its permissions and the free space "
            f"in {to}, then run this again; nothing was left behind"
        ) from error
    return to / name


def databases_of(targets: BackupTargets) -> list[Database]:
    """Return the distinct databases in the order of copying."""
    found: dict[tuple[object, ...], Database] = {}
    for each in (targets.mlflow, targets.auth, targets.trials, targets.airflow):
        if each:
            found.setdefault(identity(each), each)
    return list(found.values())[::-1]


def _copy(targets: BackupTargets, folder: Path, made_at: datetime, tell: Callable[[str], None]) -> BackupManifest:
    parts: dict[str, BackupPart] = {}
    notes: list[str] = []

    def done(name: str, path: Path, left_out: list[str] | None = None) -> None:
        parts[name] = BackupPart(path.name, path.stat().st_size, digest_of(path))
        tell(f"{path.name}: {parts[name].bytes:,} bytes")
        notes.extend(f"left out, because it is not a regular file: {each}" for each in left_out or [])

    def copy_database(database: Database) -> None:
        if database not in databases_of(targets):
            return
        path = folder / part_name(database)
        if not is_there(database):
            notes.append(f"{database.name}: there is no database at {database.shown}")
            return
        dump(database, path)
        done(database.name, path)

    for database in filter(None, (targets.airflow, targets.trials)):
        copy_database(database)
    lake, heads = targets.lake.folder, {}
    if lake:
        with Archive(folder / "lake-decisions.tar") as archive:
            add_naming_files(archive, lake)
            heads = _complete_records(archive, lake)
        decisions = archive
        done("lake-decisions", folder / "lake-decisions.tar", archive.left_out)
    champions = _champions(targets.mlflow)
    for database in filter(None, (targets.auth, targets.mlflow)):
        copy_database(database)
    model_sizes: dict[str, int] | None = None
    if targets.artifacts.folder:
        with Archive(folder / "artifacts.tar") as archive:
            for path in files_below(targets.artifacts.folder):
                archive.add(targets.artifacts.folder, path)
        model_sizes = archive.sizes
        done("artifacts", folder / "artifacts.tar", archive.left_out)
    lake_sizes: dict[str, int] | None = None
    if lake:
        with Archive(folder / "lake-tables.tar") as archive:
            add_named_files(archive, lake)
        lake_sizes = decisions.sizes | archive.sizes
        done("lake-tables", folder / "lake-tables.tar", archive.left_out)
        tables = refuse_torn_tables(lake_sizes, lake)
        tell(f"{tables} table{'s' * (tables != 1)}: the backup has every file of the newest version")
    for champion in champions:
        _refuse_without_files(champion, targets.artifacts, model_sizes, lake_sizes)
        tell(f"{champion.name}: the backup has all files of the champion, version {champion.number}")
    for tree in (targets.artifacts, targets.lake):
        if tree.folder is None:
            notes.append(
                f"{tree.name}: {tree.uri} is an object store and was not copied; restore it to this moment by "
                "its own versioning or replication"
            )
    for note in notes:
        tell(note)
    return BackupManifest(
        made_at.isoformat(timespec="seconds"), _versions(), parts, _folders(targets), targets.fernet, heads, notes
    )


def _complete_records(archive: Archive, lake: Path) -> dict[str, str]:
    """Add records that a listing missed during concurrent writes; return the digest of each pipeline's last record."""
    numbers: dict[str, set[int]] = {}
    for named in filter(None, map(_RECORD.fullmatch, list(archive.sizes))):
        numbers.setdefault(named[1], set()).add(int(named[2]))
    for pipeline, found in numbers.items():
        for number in sorted(set(range(1, max(found))) - found):
            archive.add(lake, f"{pipeline}/records/{number:08d}.json")
    return {
        pipeline: digest_of(lake / pipeline / "records" / f"{max(found):08d}.json")
        for pipeline, found in numbers.items()
    }


def _champions(mlflow: Database) -> list[StoredVersion]:
    """Return the champions that Nightshift registered."""
    from include.registry.mlflow_storage import stored_champions

    return [each for each in stored_champions(mlflow.url) if each.identity.sha256] if is_there(mlflow) else []


def _refuse_without_files(
    champion: StoredVersion, artifacts: Tree, model_sizes: dict[str, int] | None, lake_sizes: dict[str, int] | None
) -> None:
    """Refuse a backup that lacks the manifest or a file of a champion."""
    from include.registry.manifest import manifest_file

    try:
        files = champion.registered_files()
    except ModelRefused as error:
        raise BackupFailed(f"the champion of {champion.name} is incomplete: {error}") from error
    manifest = f"{champion.name}/manifests/{manifest_file(champion.name, champion.model_id).name}"
    if files is not None and lake_sizes is not None and manifest not in lake_sizes:
        raise BackupFailed(
            f"the manifest of {champion.what}, the champion, was missing during the copy; run this again"
        )
    folder = champion.folder(artifacts.folder) if artifacts.folder else None
    if folder is None or artifacts.folder is None or model_sizes is None:
        return
    root = artifacts.folder.resolve()
    if not folder.resolve().is_relative_to(root):
        raise BackupFailed(
            f"the files of {champion.what}, the champion, are in {folder}, outside the copied {artifacts.folder}; "
            f"set {artifacts.setting} to a folder with all model files, or promote a version in that folder"
        )
    below = folder.resolve().relative_to(root).as_posix()
    copied = {path: size for path, size in model_sizes.items() if path.startswith(f"{below}/")}
    needed = {f"{below}/{path}": file.size for path, file in files.items()} if files is not None else {}
    wrong = [path for path, size in needed.items() if copied.get(path) != size]
    if wrong or not copied:
        raise BackupFailed(
            f"{champion.what} is the champion, and {', '.join(wrong[:5]) or 'none of its files'} "
            f"{'is' if wrong else 'was'} not in {artifacts.folder} as it was registered; restore what is missing from "
            "an older backup, or promote another version"
        )


def _folders(targets: BackupTargets) -> dict[str, str]:
    return {tree.name: str(tree.folder) for tree in (targets.artifacts, targets.lake) if tree.folder}


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    from include.workflows.retrain.plan import code_version

    return {"nightshift": code_version(), "airflow": version("apache-airflow-core"), "mlflow": version("mlflow")}


@contextmanager
def _only_one(to: Path) -> Iterator[None]:
    """Allow one backup at a time in a folder, and remove the remains of killed backups."""
    to.mkdir(parents=True, exist_ok=True)
    with (to / ".lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BackupFailed(f"another backup is being written to {to}; wait for it, then run this again") from error
        for left in to.glob(f".nightshift-*{_PARTIAL}"):
            shutil.rmtree(left)
        yield


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """Yield a folder that only its owner can read, and remove it unless it was renamed."""
    folder.mkdir(mode=0o700)
    before = os.umask(0o077)
    try:
        yield folder
    finally:
        os.umask(before)
        shutil.rmtree(folder, ignore_errors=True)


def _share(folder: Path) -> None:
    """Let the group of a setgid folder read and remove the backup: such a folder is meant to be shared."""
    if folder.parent.stat().st_mode & stat.S_ISGID:
        for path in folder.iterdir():
            path.chmod(0o640)
        folder.chmod(0o2770)


def _sync(folder: Path) -> None:
    """Flush a folder and its files to disk, including files that other programs wrote."""
    for path in [*folder.iterdir(), folder]:
        if path.is_file() or path == folder:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
