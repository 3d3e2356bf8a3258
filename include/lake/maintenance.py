"""Maintenance of a pipeline's tables and files: merge small files, and remove old ones that nothing needs."""

from __future__ import annotations

import json
import logging
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Literal

from include import lake
from include.core.errors import LakeError
from include.core.json_document import JsonDocument
from include.lake import run_files

if TYPE_CHECKING:
    from upath import UPath

    from include.config.pipeline import Pipeline

log = logging.getLogger(__name__)

#: The kinds of table: each source has a raw and a quarantine table, each pipeline has one of every other kind.
Layer = Literal["raw", "quarantine", "features", "predictions", "monitoring"]

#: Scratch files of killed processes, and the age from which no process can still be writing one.
SCRATCH, SCRATCH_AGE = re.compile(r"\..+\.[0-9a-f]{32}"), timedelta(days=1)

#: The files of a staged batch, all named by its digest.
STAGED = re.compile(r"(?P<digest>[0-9a-f]{16})\.(?P<kind>parquet|json|validation\.json|profile\.parquet)")


@dataclass(frozen=True)
class TableUpkeep(JsonDocument):
    """The result of maintaining a table; `versions` are the first and last that stay readable."""

    files_before: int
    files_after: int
    removed: int
    freed_bytes: int
    versions: tuple[int, int]


@dataclass(frozen=True)
class FilesUpkeep(JsonDocument):
    """The result of maintaining a folder."""

    files_before: int
    files_after: int
    freed_bytes: int


@dataclass(frozen=True)
class _File:
    path: UPath
    size: int
    modified: datetime


def maintain_table(pipeline: Pipeline, layer: Layer, source: str | None = None) -> TableUpkeep | None:
    """Merge a table's small files, remove files of versions older than `keep_days`, and write a checkpoint.

    The process may be killed anywhere and run again: each step is one commit or removes files that nothing needs.

    Returns
    -------
    TableUpkeep or None
        None where there is no such table yet.

    Raises
    ------
    LakeError
        If a step fails; every version of the last `keep_days` days stays readable.
    """
    if source is None:
        pipeline_tables = {
            "features": lake.features_uri,
            "predictions": lake.predictions_uri,
            "monitoring": lake.monitoring_uri,
        }
        uri, late_days = pipeline_tables[layer](pipeline.name), 0
    else:
        source_tables = {"raw": lake.raw_uri, "quarantine": lake.quarantine_uri}
        uri, late_days = source_tables[layer](pipeline.name, source), pipeline.sources[source].late_days
    if lake.latest_version(uri) is None:
        log.info("%s: nothing to maintain, because there is no table yet", uri)
        return None
    before = lake.count_files(uri)
    lake.compact(uri, late_days)
    vacuumed = lake.vacuum(uri, pipeline.keep_days)
    lake.checkpoint(uri)
    done = TableUpkeep(
        files_before=before,
        files_after=lake.count_files(uri),
        removed=vacuumed.files,
        freed_bytes=vacuumed.size_bytes,
        versions=(vacuumed.first_version, vacuumed.last_version),
    )
    log.info(
        "%s: %d files before, %d after; removed %d of old versions, which freed %s bytes; kept versions %d to %d",
        uri,
        done.files_before,
        done.files_after,
        done.removed,
        f"{done.freed_bytes:,}",
        *done.versions,
    )
    return done


def maintain_files(pipeline: Pipeline) -> dict[str, FilesUpkeep]:
    """Remove files older than `keep_days` that nothing needs, and return the result by folder.

    These files stay: the reports about a published batch, which checks of later days read; all files of a batch with
    rows in quarantine; and the folder of a run that made a champion.

    Raises
    ------
    LakeError
        If a file cannot be removed; the next run removes the rest.
    """
    now = datetime.now(UTC)
    old = now - timedelta(days=pipeline.keep_days)
    done = {}
    for source in pipeline.sources:
        staged = _files(run_files.staged_folder(pipeline.name, source))
        done[f"staged/{source}"] = _remove(staged, _unneeded_batches(pipeline, source, staged, old), now)
        pages = _files(run_files.validations_folder(pipeline.name, source))
        done[f"validations/{source}"] = _remove(pages, [page for page in pages if page.modified < old], now)
    folders = _folders(run_files.run_folder(pipeline.name, "any").parent)
    runs = [_files(folder) for folder in folders]
    unneeded = [files for folder, files in zip(folders, runs, strict=True) if _is_unneeded_run(folder, files, old)]
    done["runs"] = _remove(list(chain(*runs)), list(chain(*unneeded)), now)
    _remove_empty(folders)
    for name, kept in (
        ("records", run_files.records_folder(pipeline.name)),
        ("manifests", run_files.manifests_folder(pipeline.name)),
    ):
        done[name] = _remove(_files(kept), [], now)  # only scratch files of killed writers
    for folder, upkeep in done.items():
        log.info(
            "%s/%s: %d files before, %d after, %s bytes freed",
            pipeline.name,
            folder,
            upkeep.files_before,
            upkeep.files_after,
            f"{upkeep.freed_bytes:,}",
        )
    return done


def _unneeded_batches(pipeline: Pipeline, source: str, staged: list[_File], old: datetime) -> list[_File]:
    """Return the files of staged batches that nothing needs; a batch is as old as its newest file."""
    batches: dict[str, list[tuple[str, _File]]] = {}
    for file in staged:
        named = STAGED.fullmatch(file.path.name)
        if named:
            batches.setdefault(named["digest"], []).append((named["kind"], file))
    aged = {digest: files for digest, files in batches.items() if max(file.modified for _, file in files) < old}
    if not aged:
        return []
    days = lake.partitions(lake.raw_uri(pipeline.name, source), pipeline.sources[source].slice_column)
    # a batch without its quarantined rows is published as its digest, a hyphen, and a mark of these rows
    published = {part.batch.partition("-")[0] for part in days.values() if part.batch}
    quarantined = _quarantined_batches(pipeline.name, source, old)
    return [
        file
        for digest, files in aged.items()
        for kind, file in files
        if digest not in quarantined and (digest not in published or kind == "parquet")
    ]


def _quarantined_batches(pipeline: str, source: str, old: datetime) -> set[str]:
    """Return the batches with quarantined rows that are undecided or were decided after `old`.

    Released rows are published from the staged file, and that publication may come later than the decision.
    """
    import pyarrow.compute as pc

    uri = lake.quarantine_uri(pipeline, source)
    version = lake.latest_version(uri)
    if version is None:
        return set()
    rows = lake.dataset(uri, version).to_table(columns=["batch", "status", "decided_at"])
    recently_decided = pc.fill_null(pc.greater_equal(rows["decided_at"], old), False)
    return set(rows.filter(pc.or_(pc.equal(rows["status"], "held"), recently_decided))["batch"].to_pylist())


def _is_unneeded_run(folder: UPath, files: list[_File], old: datetime) -> bool:
    return bool(files) and max(file.modified for file in files) < old and not _made_champion(folder)


def _made_champion(folder: UPath) -> bool:
    """Return whether a run's model was promoted, according to its registration file.

    Cleaning up the lake must not depend on MLflow, which only knows today's champion anyway.
    """
    try:
        return json.loads((folder / "registration.json").read_bytes())["alias"] == "champion"
    except FileNotFoundError:
        return False


def _folders(root: UPath) -> list[UPath]:
    return [path for path in root.iterdir() if path.is_dir()] if root.is_dir() else []


def _files(folder: UPath) -> list[_File]:
    """Return the files of a folder whose age the store knows; the others are never removed."""
    found = []
    for path in folder.iterdir() if folder.is_dir() else []:
        try:
            stat = path.stat()
        except FileNotFoundError:
            continue  # a scratch file that was just renamed to its final name
        if path.is_file() and stat.st_mtime:
            found.append(_File(path, stat.st_size, datetime.fromtimestamp(stat.st_mtime, UTC)))
    return found


def _remove(files: list[_File], unneeded: list[_File], now: datetime) -> FilesUpkeep:
    """Remove some of a folder's files, and its abandoned scratch files."""
    scratch = [file for file in files if SCRATCH.fullmatch(file.path.name) and now - file.modified > SCRATCH_AGE]
    removed = {str(file.path): file for file in [*unneeded, *scratch]}
    for file in removed.values():
        try:
            file.path.unlink(missing_ok=True)
        except OSError as error:
            raise LakeError(
                f"{file.path} could not be removed ({error.strerror or error}); check LAKE_URI's permissions, then "
                "run this task again, which continues from here"
            ) from error
    return FilesUpkeep(len(files), len(files) - len(removed), sum(file.size for file in removed.values()))


def _remove_empty(folders: list[UPath]) -> None:
    """Remove empty folders; an object store has none."""
    for folder in folders:
        if folder.protocol in ("", "file") and not any(folder.iterdir()):
            folder.rmdir()
