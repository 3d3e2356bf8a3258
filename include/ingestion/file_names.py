"""The names of a source's files: the patterns of its days, and what is below a folder."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from include.config.sources import with_day
from include.core.errors import ConfigError

if TYPE_CHECKING:
    from upath import UPath

    from include.config.sources.files_source import FilesSource


def pattern_of_day(name: str, text: str, ds: str, source: FilesSource, where: str) -> str:
    """Return a field's pattern for a day; raise ConfigError if it leads out of the connection's folder."""
    pattern = with_day(text, ds)
    if pattern.startswith(("/", "~")) or "://" in pattern or ".." in pattern.split("/"):
        raise ConfigError(
            f"{where}: {name} '{text}' leads out of the folder of connection '{source.connection}'; write it "
            "relative to that folder and without '..'; nothing was published"
        )
    return pattern


def matching_names(folder: UPath, pattern: str) -> list[str]:
    """Return the sorted names below a folder that match a pattern; a pattern without wildcards is a name."""
    if not re.search(r"[*?]", pattern):
        try:
            (folder / pattern).stat()
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [pattern]
    # pathlib's ** at the end matches folders only; a bracket is literal
    glob = (f"{pattern}/*" if pattern.endswith("**") else pattern).replace("[", "[[]")
    root = str(folder).rstrip("/")
    names = sorted({str(path).removeprefix(root).strip("/") for path in folder.glob(glob)})
    if not names:
        _check_listable(folder / re.split(r"[^/]*[*?]", pattern, maxsplit=1)[0])
    passed = {str(parent) for name in names for parent in PurePosixPath(name).parents}
    return [name for name in names if name not in passed]


def _check_listable(folder: UPath) -> None:
    """Raise if an existing folder may not be listed; a glob would treat it as empty."""
    try:
        next(iter(folder.iterdir()), None)
    except (FileNotFoundError, NotADirectoryError):
        return
