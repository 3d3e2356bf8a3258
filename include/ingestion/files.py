"""Reads the CSV files of a range of days from a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.errors import SourceUnreadable
from include.ingestion.contract import conform

if TYPE_CHECKING:
    import pyarrow as pa
    from upath import UPath

    from include.config import FilesSource


def read_files(source: FilesSource, days: list[str], folder: UPath, where: str) -> tuple[pa.Table, list[str]]:
    """Read one file a day, or the one file of a snapshot.

    Parameters
    ----------
    days
        ISO days to read.
    folder
        The connection's folder.

    Returns
    -------
    table : pyarrow.Table
        The rows of all files, in the declared columns.
    missing : list of str
        The files that are not there; what that means is for the caller to say.

    Raises
    ------
    SourceUnreadable
        If a file is empty, is not text in UTF-8, or is not a CSV file.
    SchemaMismatch
        If a file is not of the declared columns and types.
    """
    import pyarrow as pa

    from include.ingestion.contract import empty_table

    names = list(dict.fromkeys(source.path.replace("{ds}", ds) for ds in days))
    tables, missing = [empty_table(source.columns)], []
    for name in names:
        path = folder / name
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            missing.append(name)
            continue
        except OSError as error:
            raise SourceUnreadable(
                f"{where}: the file {path} cannot be read ({error.strerror or error}); check its permissions; "
                "nothing was published"
            ) from error
        tables.append(conform(_parse_csv(content, f"{where}, file {path}"), source.columns, f"{where}, {name}"))
    return pa.concat_tables(tables), missing


def _parse_csv(content: bytes, where: str) -> pa.Table:
    """Parse a CSV file with a header; every value stays text, for the contract to judge by column."""
    import pyarrow as pa
    from pyarrow import csv

    if not content.strip():
        raise SourceUnreadable(
            f"{where}: the file is empty (0 rows and no header); deliver it again, then run this task again; "
            "nothing was published"
        )
    try:
        header = content.split(b"\n", 1)[0].decode("utf-8-sig").strip()
        names = [name.strip().strip('"') for name in header.split(",")]
        return csv.read_csv(
            pa.BufferReader(content),
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), null_values=[""], strings_can_be_null=True
            ),
        )
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        raise SourceUnreadable(
            f"{where}: this is not a CSV file in UTF-8 ({str(error).splitlines()[0]}); deliver it again, then "
            "run this task again; nothing was published"
        ) from error
