"""Maintain: what keeps the lake quick to read and no larger than needed, and what may be asked for again stays."""

from __future__ import annotations

import json
import logging
import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal

from include import lake
from include.core.errors import LakeError
from include.lake import run_files

if TYPE_CHECKING:
    from upath import UPath

    from include.config.pipeline import Pipeline

log = logging.getLogger(__name__)

#: The kinds of table: a raw and a quarantine table for each source, and one each of all others.
Layer = Literal["raw", "quarantine", "features", "predictions", "monitoring"]

#: What a process that was killed while it wrote a file leaves beside it; nobody writes a file for so long.
SCRATCH, SCRATCH_AGE = re.compile(r"\..+\.[0-9a-f]{32}"), timedelta(days=1)

#: The files of a staged batch, all named by its digest.
STAGED = re.compile(r"(?P<digest>[0-9a-f]{16})\.(?P<kind>parquet|json|validation\.json|profile\.parquet)")


@dataclass(frozen=True)
class TableUpkeep:
    """What the maintenance of a table came to; `versions` are those that stay readable."""

    files_before: int
    files_after: int
    removed: int
    freed_bytes: int
    versions: tuple[int, int]

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON types."""
        return asdict(self)


@dataclass(frozen=True)
class FilesUpkeep:
    """What the maintenance of a folder came to."""

    files_before: int
    files_after: int
    freed_bytes: int

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON types."""
        return asdict(self)


@dataclass(frozen=True)
class _File:
    path: UPath
    size: int
    modified: datetime


def maintain_table(pipeline: Pipeline, layer: Layer, source: str | None = None) -> TableUpkeep | None:
    """Merge a table's small files, remove those of versions older than `keep_days`, and write a checkpoint.

    May be killed anywhere and run again: each step is one commit or removes what nothing needs.

    Returns
    -------
    TableUpkeep or None
        None where there is no such table yet.

    Raises
    ------
    LakeError
        With every version of the last `keep_days` days as it was.
    """
    if source is None:
        of_pipeline = {
            "features": lake.features_uri,
            "predictions": lake.predictions_uri,
            "monitoring": lake.monitoring_uri,
        }
        uri, late_days = of_pipeline[layer](pipeline.name), 0
    else:
        where = {"raw": lake.raw_uri, "quarantine": lake.quarantine_uri}[layer]
        uri, late_days = where(pipeline.name, source), pipeline.sources[source].late_days
    if lake.latest_version(uri) is None:
        log.info("%s: no table yet", uri)
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
        "%s: %d files before, %d after; %d of old versions removed, %s bytes freed; versions %d to %d kept",
        *(uri, done.files_before, done.files_after, done.removed, f"{done.freed_bytes:,}", *done.versions),
    )
    return done


def maintain_files(pipeline: Pipeline) -> dict[str, FilesUpkeep]:
    """Remove the files older than `keep_days` that nothing can ask for any more, and return what came of each folder.

    Of a staged batch that is published, what is written about it stays for ever: the checks of later days read
    it. All of a batch stays while rows of it are in quarantine. The folder of a run that made a champion stays.

    Raises
    ------
    LakeError
        If a file cannot be removed; what is left goes the next time.
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
        done[name] = _remove(_files(kept), [], now)  # what a killed writer left, and nothing else
    for folder, upkeep in done.items():
        log.info(
            "%s/%s: %d files before, %d after, %s bytes freed",
            *(pipeline.name, folder, upkeep.files_before, upkeep.files_after, f"{upkeep.freed_bytes:,}"),
        )
    return done


def _unneeded_batches(pipeline: Pipeline, source: str, staged: list[_File], old: datetime) -> list[_File]:
    """Return the files of staged batches that are not needed; a batch is as old as its newest file."""
    batches: dict[str, list[tuple[str, _File]]] = {}
    for file in staged:
        named = STAGED.fullmatch(file.path.name)
        if named:
            batches.setdefault(named["digest"], []).append((named["kind"], file))
    aged = {digest: files for digest, files in batches.items() if max(file.modified for _, file in files) < old}
    if not aged:
        return []
    days = lake.partitions(lake.raw_uri(pipeline.name, source), pipeline.sources[source].slice_column)
    # one with rows left out is published as its digest with a mark of these
    published = {part.batch.partition("-")[0] for part in days.values() if part.batch}
    quarantined = _quarantined_batches(pipeline.name, source, old)
    return [
        file
        for digest, files in aged.items()
        for kind, file in files
        if digest not in quarantined and (digest not in published or kind == "parquet")
    ]


def _quarantined_batches(pipeline: str, source: str, old: datetime) -> set[str]:
    """Return the batches with rows in quarantine that are held, or were decided about lately.

    A release is published from the staged file, and a publication may be late.
    """
    import pyarrow.compute as pc

    uri = lake.quarantine_uri(pipeline, source)
    version = lake.latest_version(uri)
    if version is None:
        return set()
    rows = lake.dataset(uri, version).to_table(columns=["batch", "status", "decided_at"])
    lately = pc.fill_null(pc.greater_equal(rows["decided_at"], old), False)
    return set(rows.filter(pc.or_(pc.equal(rows["status"], "held"), lately))["batch"].to_pylist())


def _is_unneeded_run(folder: UPath, files: list[_File], old: datetime) -> bool:
    return bool(files) and max(file.modified for file in files) < old and not _made_champion(folder)


def _made_champion(folder: UPath) -> bool:
    """Return whether a run's model was promoted, as its registration says.

    MLflow would say which one is the champion today, and a lake must not need it to be cleaned up.
    """
    try:
        return json.loads((folder / "registration.json").read_bytes())["alias"] == "champion"
    except FileNotFoundError:
        return False


def _folders(root: UPath) -> list[UPath]:
    return [path for path in root.iterdir() if path.is_dir()] if root.is_dir() else []


def _files(folder: UPath) -> list[_File]:
    """Return the files of a folder; those whose age the store does not tell are left out, and so never removed."""
    found = []
    for path in folder.iterdir() if folder.is_dir() else []:
        try:
            stat = path.stat()
        except FileNotFoundError:
            continue  # a scratch file that has become what it was written for
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
                "run this task again, which goes on from here"
            ) from error
    return FilesUpkeep(len(files), len(files) - len(removed), sum(file.size for file in removed.values()))


def _remove_empty(folders: list[UPath]) -> None:
    """Remove folders without anything in them; an object store has none."""
    for folder in folders:
        if folder.protocol in ("", "file") and not any(folder.iterdir()):
            folder.rmdir()
