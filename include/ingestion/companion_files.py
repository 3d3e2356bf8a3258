"""Companion files, which state the checksum or the number of rows of a data file in the same folder."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from include.ingestion.formats import AGAIN, unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from upath import UPath

    from include.config.sources.files_source import FilesSource
    from include.core.errors import SourceUnreadable

#: Endings of checksum files, appended to the whole name of the data file. An ending is also the algorithm's name.
CHECKSUMS = ("sha256", "sha512", "sha1", "md5")

#: Endings of row count files.
ROW_COUNTS = ("rows", "count")

#: Bytes read of a companion file at most; a real one is far smaller.
MOST_BYTES = 65_536

#: A line as sha256sum writes it, and one as BSD's tools and openssl write it.
_DIGEST = re.compile(r"\\?(?P<digest>[0-9a-f]+)(?:\s+\*?(?P<name>\S.*))?", re.IGNORECASE)
_TAGGED = re.compile(r"[\w-]+\s*\((?P<name>.+)\)\s*=\s*(?P<digest>[0-9a-f]+)", re.IGNORECASE)
_NUMBER = re.compile(r"(?:rows?\s*[:=]?\s*)?(\d{1,3}(?:,\d{3})+|\d{1,18})", re.IGNORECASE)


@dataclass(frozen=True)
class DeclaredContent:
    """The checksums and the row count declared for a file, each with the name of its companion file."""

    digests: dict[str, tuple[str, str]] = field(default_factory=dict)
    rows: tuple[int, str] | None = None

    @property
    def file_names(self) -> list[str]:
        """The names of the companion files."""
        return [name for _, name in self.digests.values()] + ([self.rows[1]] if self.rows else [])

    def check_digests(self, found: dict[str, str], place: str) -> None:
        """Raise if the content has another checksum than declared."""
        for algorithm, (digest, name) in self.digests.items():
            if found[algorithm] != digest:
                raise _retryable(
                    place, f"its {algorithm} is {found[algorithm]}, and {PurePosixPath(name).name} declares {digest}"
                )

    def check_rows(self, found: int, place: str) -> None:
        """Raise if the file has another number of rows than declared."""
        if self.rows and found != self.rows[0]:
            header = "; the header is not one of them" if self.rows[0] == found + 1 else ""
            name = PurePosixPath(self.rows[1]).name
            raise _retryable(place, f"it has {found:,} rows, and {name} declares {self.rows[0]:,}{header}")


class CompanionFiles:
    """The companion files of a source's files; each folder is listed at most once."""

    def __init__(self, source: FilesSource, folder: UPath) -> None:
        self.folder = folder
        wanted = {CHECKSUMS: source.checksum, ROW_COUNTS: source.row_count}
        self._is_required = {endings: how == "required" for endings, how in wanted.items() if how != "off"}
        self._listed: dict[str, set[str] | None] = {}

    def leave_out(self, names: list[str], pattern: str, where: str) -> list[str]:
        """Return the data files among the names that a pattern matches.

        Raises
        ------
        SourceUnreadable
            If a companion file has no data file.
        """
        endings = tuple(f".{each}" for kind in self._is_required for each in kind if not pattern.endswith(f".{each}"))
        if not endings or not re.search(r"[*?]", pattern):
            return names
        last = PurePosixPath(pattern.replace("[", "[[]")).name
        for parent in dict.fromkeys(str(PurePosixPath(name).parent) for name in names):
            there = self._names(parent) or set()
            for name in sorted(each for each in there if each.endswith(endings)):
                base = name.rpartition(".")[0]
                if base not in there and fnmatchcase(base, last):
                    raise _retryable(
                        f"{where}, file {self.folder / parent / base}", f"{name} exists, but the file itself does not"
                    )
        return [name for name in names if not name.endswith(endings)]

    def declared(self, name: str, place: str) -> DeclaredContent:
        """Return what a file's companion files declare.

        Raises
        ------
        SourceUnreadable
            If a required companion file is missing or cannot be read.
        """
        digests: dict[str, tuple[str, str]] = {}
        rows = None
        for endings, is_required in self._is_required.items():
            found = [each for each in endings if self._is_there(f"{name}.{each}")]
            if is_required and not found:
                names = " or ".join(f"{PurePosixPath(name).name}.{each}" for each in endings)
                setting = "checksum" if endings == CHECKSUMS else "row_count"
                raise _retryable(place, f"it has no companion file {names}, and {setting} is required")
            for ending in found:
                text = self._text(f"{name}.{ending}")
                if endings == CHECKSUMS:
                    digests[ending] = _digest(text, ending, name, place), f"{name}.{ending}"
                else:
                    rows = _number(text, f"{name}.{ending}", place), f"{name}.{ending}"
        return DeclaredContent(digests, rows)

    def _is_there(self, name: str) -> bool:
        parent = str(PurePosixPath(name).parent)
        # in a store, listing a folder of very many objects takes longer than asking for six
        names = self._names(parent) if parent in self._listed or self.folder.protocol in ("", "file", "local") else None
        if names is not None:
            return PurePosixPath(name).name in names
        try:
            (self.folder / name).stat()
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return False
        return True

    def _names(self, parent: str) -> set[str] | None:
        """Return the names in a folder, or None if the folder may be read but not listed."""
        if parent not in self._listed:
            self.folder.fs.invalidate_cache()  # the store's earlier listing
            try:
                self._listed[parent] = {path.name for path in (self.folder / parent).iterdir()}
            except PermissionError:
                self._listed[parent] = None
        return self._listed[parent]

    def _text(self, name: str) -> str:
        with (self.folder / name).open("rb") as file:
            return file.read(MOST_BYTES).decode("utf-8-sig", errors="replace").strip()


def new_hashes(algorithms: Iterable[str]) -> dict[str, hashlib._Hash]:
    """Return empty hashes by algorithm, always including SHA-256, which the manifest needs."""
    return {each: hashlib.new(each, usedforsecurity=False) for each in dict.fromkeys(["sha256", *algorithms])}


def _digest(text: str, algorithm: str, name: str, place: str) -> str:
    """Return the one digest that a companion file's text declares for a file."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    found = [each for line in lines if (each := _TAGGED.fullmatch(line) or _DIGEST.fullmatch(line))]
    if len(lines) > 1:
        base = PurePosixPath(name).name
        found = [each for each in found if each["name"] and PurePosixPath(each["name"].replace("\\", "/")).name == base]
    digests = {each["digest"].lower() for each in found}
    if (
        len(digests) == 1
        and len(digest := digests.pop()) == 2 * hashlib.new(algorithm, usedforsecurity=False).digest_size
    ):
        return digest
    raise _retryable(
        place, f"{PurePosixPath(name).name}.{algorithm} does not declare one {algorithm} digest of the file"
    )


def _number(text: str, name: str, place: str) -> int:
    found = _NUMBER.fullmatch(text)
    if found:
        return int(found[1].replace(",", ""))
    raise _retryable(place, f"{PurePosixPath(name).name} must hold the number of the file's rows and nothing else")


def _retryable(place: str, reason: str) -> SourceUnreadable:
    """Return an error that may not occur once all files have arrived."""
    refused = unreadable(place, reason, AGAIN)
    refused.retryable = True
    return refused
