"""The upkeep of a table: merging its files, removing files of old versions, and writing checkpoints."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.core.errors import LakeError
from include.lake.tables import existing_table, first_line

if TYPE_CHECKING:
    from deltalake import DeltaTable

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Vacuumed:
    """Number and size of the removed files, and the first and last version that stay readable."""

    files: int
    size_bytes: int
    first_version: int
    last_version: int


def count_files(uri: str) -> int:
    """Return the number of files of a table's newest version."""
    return len(existing_table(uri).file_uris())


def compact(uri: str, late_days: int) -> bool:
    """Merge the files of each day that has several, in one commit; the rows stay the same.

    Days within `late_days` of the newest are left for later, because rows may still arrive for them. So each day is
    merged once, and merging never conflicts with a nightly publication. A table without partitions is left alone.

    Returns
    -------
    bool
        Whether anything was merged; nothing is if another run changed the same days at the same time.

    Raises
    ------
    LakeError
        If the files cannot be merged; the table is unchanged.
    """
    from deltalake.exceptions import CommitFailedError, DeltaError

    table = existing_table(uri)
    column = next(iter(table.metadata().partition_columns), None)
    days = _settled_days(table, column, late_days) if column else []
    if column is None or not days:
        return False
    try:
        merged = table.optimize.compact(partition_filters=[(column, "in", days)])
    except CommitFailedError:
        log.warning("%s: merged no files, because another run changed the same days; the next run merges them", uri)
        return False
    except (DeltaError, OSError) as error:
        raise LakeError(
            f"{uri}: the files of {len(days)} days could not be merged ({first_line(error)}); the table is unchanged; "
            "check the lake's permissions and free space, then run this task again"
        ) from error
    return bool(merged["numFilesRemoved"])


def vacuum(uri: str, keep_days: int) -> Vacuumed:
    """Remove files that no version of the last `keep_days` days needs, and files that never belonged to a version.

    Every version that was the newest at some time in these days stays readable. We pass their numbers to delta-rs,
    because its own rule goes by the time when a file was removed, which checkpoints forget after a week.

    Raises
    ------
    LakeError
        If files cannot be removed; every version of these days stays readable.
    """
    from deltalake.exceptions import DeltaError

    table = existing_table(uri)
    kept = _versions_of_last(table, keep_days)
    try:
        removed = table.vacuum(retention_hours=24 * keep_days, dry_run=False, full=True, keep_versions=kept)
    except (DeltaError, OSError) as error:
        raise LakeError(
            f"{uri}: the files of old versions could not be removed ({first_line(error)}); every version of the last "
            f"{keep_days} days stays readable; check the lake's permissions, then run this task again"
        ) from error
    return Vacuumed(len(removed), _size_of_removed(uri) if removed else 0, min(kept), max(kept))


def checkpoint(uri: str) -> None:
    """Write a checkpoint of a table's newest version, so that opening it reads one file instead of many commits.

    Raises
    ------
    LakeError
        If the checkpoint cannot be written; the table is unchanged.
    """
    from deltalake.exceptions import DeltaError

    try:
        existing_table(uri).create_checkpoint()
    except (DeltaError, OSError) as error:
        raise LakeError(
            f"{uri}: the checkpoint could not be written ({first_line(error)}); the table is unchanged; check the "
            "lake's permissions and free space, then run this task again"
        ) from error


def _settled_days(table: DeltaTable, column: str, late_days: int) -> list[str]:
    """Return the days that have several files and expect no more rows."""
    from collections import Counter
    from datetime import date, timedelta

    import pyarrow as pa

    files = Counter(pa.table(table.get_add_actions(flatten=True))[f"partition.{column}"].to_pylist())
    if not files:
        return []
    newest = date.fromisoformat(max(files))
    last = (newest - timedelta(days=late_days)).isoformat()
    return sorted(ds for ds, count in files.items() if count > 1 and ds < last)


def _versions_of_last(table: DeltaTable, keep_days: int) -> list[int]:
    """Return the versions that were the newest at some time in the last `keep_days` days, newest first."""
    from datetime import UTC, datetime, timedelta

    since = (datetime.now(UTC) - timedelta(days=keep_days)).timestamp() * 1000
    limit = 100
    commits = table.history(limit)
    while len(commits) == limit and commits[-1]["timestamp"] >= since:
        limit *= 4
        commits = table.history(limit)
    first = next((commit["version"] for commit in commits if commit["timestamp"] < since), 0)
    return [commit["version"] for commit in commits if commit["version"] >= first]


def _size_of_removed(uri: str) -> int:
    """Return how many bytes the last vacuum of a table removed."""
    for commit in existing_table(uri).history(50):
        if commit["operation"] == "VACUUM START":
            return int(commit["operationMetrics"]["sizeOfDataToDelete"])
    return 0
