"""Facts about the newest version of a table, read again only after a commit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from include.core.errors import LakeError
from include.lake.tables import filesystem_of, first_line, open_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from deltalake import DeltaTable
    from pyarrow.fs import FileInfo, FileSystem

T = TypeVar("T")


@dataclass(frozen=True)
class _Known(Generic[T]):
    """What was read of a table's version, and the first commit of its log, by which another table is recognized."""

    system: FileSystem
    version: int
    first_commit: FileInfo
    facts: T


class NewestFacts(Generic[T]):
    """Facts about the newest version of any table, which one function reads from the opened table.

    An opened table of years holds the names of thousands of files; the facts are small. Whether a table has a newer
    version is asked of its log, which never loses a commit.
    """

    def __init__(self, read: Callable[[DeltaTable], T]) -> None:
        self._read = read
        self._known: dict[str, _Known[T]] = {}

    def of(self, uri: str) -> T | None:
        """Return the facts about a table, or None where there is no table yet.

        Raises
        ------
        LakeError
            If the table cannot be read.
        """
        from deltalake.exceptions import DeltaError

        try:
            known = self._known.get(uri)
            if known is None or not _is_newest(known):
                table = open_table(uri)
                if table is None:
                    return None
                known = self._known[uri] = self._open(table)
        except (DeltaError, OSError, ValueError) as error:
            raise LakeError(f"{uri}: the table cannot be read ({first_line(error)})") from error
        return known.facts

    def _open(self, table: DeltaTable) -> _Known[T]:
        system = filesystem_of(table)
        first, _ = _commits(system, table.version())
        return _Known(system, table.version(), first, self._read(table))


def _is_newest(known: _Known[T]) -> bool:
    """Return whether the table at this address is still the one that was opened, and at the same version."""
    from pyarrow.fs import FileType

    first, following = _commits(known.system, known.version)
    same = (first.mtime_ns, first.size) == (known.first_commit.mtime_ns, known.first_commit.size)
    return same and following.type == FileType.NotFound


def _commits(system: FileSystem, version: int) -> list[FileInfo]:
    """Return the first commit of a log, and the one after a version, which may not exist."""
    return system.get_file_info([f"_delta_log/{each:020}.json" for each in (0, version + 1)])
