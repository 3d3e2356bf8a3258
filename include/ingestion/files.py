"""Reads the CSV, JSON lines or Parquet files of a range of days from a folder or an object store."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import re
import stat
import zipfile
import zlib
from contextlib import contextmanager
from pathlib import PurePosixPath
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from include.errors import ConfigError, NightshiftError, SourceUnreadable
from include.ingestion.delivery import Chunk, Delivery
from include.settings import without_password

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

    import pyarrow as pa
    from upath import UPath

    from include.config import FilesSource

#: How much of a file is held at once; a row may take twice that.
BLOCK_BYTES = 8 * 2**20
PARQUET_ROWS = 65_536

#: Objects and lists of a line that may be within each other without a closer look.
DEEPEST = 500

#: A packed file that unpacks to more than so many bytes, and to so many times its own, is a bomb.
BOMB_BYTES, BOMB_RATIO = 64 * 2**20, 200

FORMATS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".parquet": "parquet"}
PACKED = (".gz", ".bz2", ".zst", ".zip")

#: What a file begins with that is no text, whatever its name says.
SIGNATURES = {
    b"PK\x03\x04": "a ZIP archive or a workbook",
    b"PK\x05\x06": "an empty ZIP archive",
    b"PAR1\x15": "a Parquet file",
    b"\x1f\x8b": "packed by gzip",
    b"\x28\xb5\x2f\xfd": "packed by zstd",
}

#: All whole rows of a CSV text: a quote opens a value only at its beginning, and then commas and line ends are text.
WHOLE_ROWS = re.compile(rb'(?:(?:"(?:[^"]++|"")*+"[^,\n]*+|[^",\n][^,\n]*+|,)*+\n)*+')

#: Libraries of object stores, whose errors are no OSError.
STORE_LIBRARIES = {"aiobotocore", "aiohttp", "azure", "botocore", "gcsfs", "google"}

AGAIN = "deliver it again, then run this task again"


def read_files(source: FilesSource, days: list[str], folder: UPath, where: str) -> Delivery:
    """Read the files of some days, or those of a snapshot, a block at a time.

    Parameters
    ----------
    days
        ISO days to read; of a snapshot, the one that it is delivered for.
    folder
        The connection's folder, local or in an object store.
    where
        What is read, for an error's sentence.

    Returns
    -------
    Delivery
        The rows as they are in the files. `read_from` names the `files` with their bytes, SHA-256 and rows,
        and the `missing` patterns, those that no file matches; what that means is for the caller to say.

    Raises
    ------
    ConfigError
        If the source's path leads out of the folder.
    SourceUnreadable
        While the rows are iterated: if a file cannot be read, is not of its format, or is there twice.
    """
    patterns = list(dict.fromkeys(_pattern(source, ds, where) for ds in days))
    read_from: dict[str, Any] = {"files": [], "missing": []}
    return Delivery(_read(source, patterns, folder, where, read_from), read_from)


def _pattern(source: FilesSource, ds: str, where: str) -> str:
    pattern = source.path
    for field, value in zip(("ds", "year", "month", "day"), (ds, *ds.split("-")), strict=True):
        pattern = pattern.replace(f"{{{field}}}", value)
    if pattern.startswith(("/", "~")) or "://" in pattern or ".." in pattern.split("/"):
        raise ConfigError(
            f"{where}: path '{source.path}' leads out of the folder of connection '{source.connection}'; write it "
            "relative to that folder and without '..'; nothing was published"
        )
    return pattern


def _read(
    source: FilesSource, patterns: list[str], folder: UPath, where: str, read_from: dict[str, Any]
) -> Iterator[Chunk]:
    names_by_content: dict[str, str] = {}
    read = set()
    for pattern in patterns:
        with _named(f"{where}: the files {folder}/{pattern}", f"{where}, files {folder}/{pattern}"):
            names = _matches(folder, pattern)
        if not names:
            read_from["missing"].append(pattern)
        for name in names:
            if name not in read:  # one file may match the patterns of several days
                read.add(name)
                yield from _read_file(source, folder, name, where, read_from["files"], names_by_content)


def _matches(folder: UPath, pattern: str) -> list[str]:
    """Return the names below a folder, in order, that a pattern matches; without wildcards, it is a name."""
    if not re.search(r"[*?]", pattern):
        try:
            (folder / pattern).stat()
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [pattern]
    # a ** at the end matches folders alone, and a bracket is meant as one
    glob = (f"{pattern}/*" if pattern.endswith("**") else pattern).replace("[", "[[]")
    root = str(folder).rstrip("/")
    names = sorted({str(path).removeprefix(root).strip("/") for path in folder.glob(glob)})
    if not names:
        _listable(folder / re.split(r"[^/]*[*?]", pattern, maxsplit=1)[0])
    passed = {str(parent) for name in names for parent in PurePosixPath(name).parents}
    return [name for name in names if name not in passed]


def _listable(folder: UPath) -> None:
    """Raise if a folder that is there may not be listed; a glob would take it for empty."""
    try:
        next(iter(folder.iterdir()), None)
    except (FileNotFoundError, NotADirectoryError):
        return


def _read_file(
    source: FilesSource, folder: UPath, name: str, where: str, files: list[dict[str, Any]], seen: dict[str, str]
) -> Iterator[Chunk]:
    path = folder / name
    place = f"{where}, file {path}"
    with _named(f"{where}: the file {path}", place):
        before = _state(path, name, where)
        with path.open("rb", buffering=BLOCK_BYTES) as file:
            digest, size, rows = hashlib.sha256(), 0, 0
            while piece := file.read(BLOCK_BYTES):
                digest.update(piece)
                size += len(piece)
            sha256 = digest.hexdigest()
            if sha256 in seen:
                raise _unreadable(
                    place, f"its content is that of {folder / seen[sha256]}, byte for byte", "deliver only one of them"
                )
            if size == 0:
                raise _empty(place)
            for table in _tables(source, file, name, place):
                rows += table.num_rows
                yield Chunk(table, f"{where}, {name}")
        if _state(path, name, where) != before:
            raise _unreadable(place, "it changed while it was being read", "run this task again when it is complete")
    files.append({"path": name, "bytes": size, "sha256": sha256, "rows": rows})
    if rows:  # two days without rows have the same header and nothing else
        seen[sha256] = name


def _state(path: UPath, name: str, where: str) -> tuple[int, float]:
    path.fs.invalidate_cache()  # what a store said of the file before
    found = path.stat()
    if stat.S_ISDIR(found.st_mode):
        raise SourceUnreadable(
            f"{where}: the file {path} cannot be read (Is a directory); name the files in it, such as {name}/*, in "
            "`path` in pipeline.yaml; nothing was published"
        )
    return found.st_size, found.st_mtime


def _tables(source: FilesSource, file: BinaryIO, name: str, place: str) -> Iterator[pa.Table]:
    """Yield the rows of a file by its format, which is declared or what its name ends with."""
    inner, _ = _unpacked(file, name, place)
    is_packed = inner != name
    form = source.format or FORMATS.get(PurePosixPath(inner).suffix.lower())
    if form is None:
        raise _unreadable(
            place,
            "its name does not say what it holds",
            "end it with .csv, .jsonl or .parquet, or set `format` in pipeline.yaml, then run this task again",
        )
    if form == "parquet" and is_packed:
        raise _unreadable(
            place, "a Parquet file cannot be read when it is packed", "deliver it as it is; it is packed inside"
        )
    if form == "parquet":
        yield from _parquet_tables(file, place)
        return

    def pieces() -> Iterator[bytes]:
        return _pieces(_unpacked(file, name, place)[1], file, place)

    first = next(pieces(), b"")
    for signature, what in SIGNATURES.items():
        if first.startswith(signature):
            raise _unreadable(
                place, f"this is {what}, and not {form}", "correct its name, or `format` in pipeline.yaml"
            )
    if form == "csv":
        yield from _csv_tables(_blocks(pieces(), _end_of_csv_rows, "CSV", place), place)
    else:
        yield from _json_tables(lambda: _blocks(pieces(), _end_of_lines, "JSON lines", place), source, place)


def _unpacked(file: BinaryIO, name: str, place: str) -> tuple[str, BinaryIO]:
    """Return the name of a file's content and, from its beginning, a stream of it."""
    file.seek(0)
    path = PurePosixPath(name)
    kind = path.suffix.lower()
    if kind == ".gz":
        return path.stem, gzip.GzipFile(fileobj=file)
    if kind == ".bz2":
        return path.stem, bz2.BZ2File(file)
    if kind == ".zst":
        import pyarrow as pa

        # Arrow closes what it has read, and the file may be read again
        lent = SimpleNamespace(read=file.read, seek=file.seek, tell=file.tell, closed=False, close=lambda: None)
        return path.stem, pa.CompressedInputStream(pa.PythonFile(lent, mode="r"), "zstd")
    if kind != ".zip":
        return name, file
    archive = zipfile.ZipFile(file)
    members = [member for member in archive.infolist() if not member.is_dir()]
    if len(members) != 1:
        raise _unreadable(place, f"the archive holds {len(members)} files", f"pack one file in each; {AGAIN}")
    if members[0].flag_bits & 1:
        raise _unreadable(place, "the archive is locked by a password", AGAIN + " without one")
    named = PurePosixPath(path.stem).suffix.lower() in FORMATS
    return (path.stem if named else members[0].filename), archive.open(members[0])


def _pieces(stream: BinaryIO, packed: BinaryIO, place: str) -> Iterator[bytes]:
    """Yield a stream's content, until it is far more than what was read of its packed file."""
    out = 0
    while piece := stream.read(BLOCK_BYTES):
        out += len(piece)
        if out > BOMB_BYTES and out > BOMB_RATIO * max(packed.tell(), 1):
            raise _unreadable(
                place,
                f"it unpacks to more than {BOMB_RATIO} times its size (over {BOMB_BYTES >> 20} MB), as a bomb does",
                "deliver it in another packing, or in none, if it is meant",
            )
        yield piece


def _blocks(
    pieces: Iterator[bytes], end_of_rows: Callable[[bytes], int], form: str, place: str
) -> Iterator[tuple[int, bytes]]:
    """Yield whole rows of a text and the number of their first line; a text that is empty is an error."""
    rest, line, some = b"", 1, False

    def checked(block: bytes) -> bytes:
        """Return the block without a byte order mark, if it is text."""
        try:
            block.decode()
            at = block.find(b"\0")
            found = "a byte 0, as in UTF-16 and in files that are no text"
        except UnicodeDecodeError as error:
            at, found = error.start, f"the byte 0x{block[error.start]:02x} is not of UTF-8"
        if at >= 0:
            number = line + block.count(b"\n", 0, at)
            raise _not_a(form, place, f"line {number}: {found}")
        return block if some else block.removeprefix(b"\xef\xbb\xbf")

    for piece in pieces:
        rest += piece
        end = end_of_rows(rest)
        if not end and len(rest) > 2 * BLOCK_BYTES:
            raise _not_a(form, place, f"the row of line {line} has no end within {BLOCK_BYTES >> 19} MB")
        block, rest = rest[:end], rest[end:]
        if block.strip(b" \t\r\n\xef\xbb\xbf"):
            yield line, checked(block)
            some = True
        line += block.count(b"\n")
    if rest.strip(b" \t\r\n\xef\xbb\xbf"):
        yield line, checked(rest + b"\n")
    elif not some:
        raise _empty(place)


def _end_of_lines(text: bytes) -> int:
    return text.rfind(b"\n") + 1


def _end_of_csv_rows(text: bytes) -> int:
    return WHOLE_ROWS.match(text).end() if b'"' in text else _end_of_lines(text)


def _csv_tables(blocks: Iterator[tuple[int, bytes]], place: str) -> Iterator[pa.Table]:
    """Parse CSV with a header; every value stays text, for the contract to judge by column, and nothing is null."""
    import pyarrow as pa
    from pyarrow import csv

    names: list[str] | None = None
    rows = 0
    for _, block in blocks:
        try:
            table = csv.read_csv(
                pa.BufferReader(block),
                read_options=csv.ReadOptions(use_threads=False, block_size=len(block), column_names=names),
                parse_options=csv.ParseOptions(newlines_in_values=True),
                convert_options=csv.ConvertOptions(
                    default_column_type=pa.string(), null_values=[""], strings_can_be_null=True
                ),
            )
        except pa.ArrowInvalid as error:
            found = re.search(r"Row #(\d+): Expected (\d+) columns, got (\d+)", str(error))
            reason = str(error).splitlines()[0]
            if found:
                row = int(found[1]) + (rows + 1 if names else 0)
                reason = f"row {row}, the header being row 1, has {found[3]} values, and the header has {found[2]}"
            raise _not_a("CSV", place, reason) from error
        names = table.column_names
        rows += table.num_rows
        yield table


def _json_tables(
    blocks: Callable[[], Iterator[tuple[int, bytes]]], source: FilesSource, place: str
) -> Iterator[pa.Table]:
    """Parse JSON lines; a declared column that any line of the file has is in all its tables."""
    import pyarrow as pa

    declared = {old: source.columns[new] for old, new in source.contract.renamed.items()}
    declared |= {name: kind for name, kind in source.columns.items() if name not in source.contract.renamed.values()}
    text = [name for name, kind in declared.items() if kind in ("string", "timestamp")]
    there: set[str] = set()
    for line, block in blocks():
        _check_depth(block, line, place)
        there |= declared.keys() & set(_parse_json(block, line, text, place).column_names)
        if len(there) == len(declared):
            break
    kinds: dict[str, str] = {}
    for line, block in blocks():
        _check_depth(block, line, place)
        table = _parse_json(block, line, text, place)
        for field in table.schema:
            kind = _kind(field.type)
            known = kinds.setdefault(field.name, kind) if kind else kind
            if kind != known:
                reason = f"'{field.name}' changes from {known} to {kind} after line {line - 1}"
                raise _not_a("JSON lines", place, reason)
        for name in sorted(there - set(table.column_names)):
            table = table.append_column(name, pa.nulls(table.num_rows))
        yield table


def _check_depth(block: bytes, line: int, place: str) -> None:
    """Refuse lines that are nested a thousand deep, of which Arrow's parser takes the whole process down."""
    beside_the_first = block.count(b"{") + block.count(b"[") - block.count(b"\n{")
    if beside_the_first < DEEPEST:
        return
    for number, content in enumerate(block.split(b"\n"), line):
        if content.count(b"{") + content.count(b"[") > DEEPEST:
            try:
                json.loads(content)
            except RecursionError as error:
                raise _not_a("JSON lines", place, f"line {number}: its objects or lists are nested too deep") from error
            except ValueError:  # Arrow says what is wrong with it
                continue


def _parse_json(block: bytes, line: int, text: list[str], place: str) -> pa.Table:
    """Parse lines, each an object; what is in `text` stays text where it is, so that no time is guessed at."""
    import pyarrow as pa
    from pyarrow import json as arrow_json

    try:
        table = arrow_json.read_json(
            pa.BufferReader(block),
            read_options=arrow_json.ReadOptions(use_threads=False, block_size=len(block)),
            parse_options=arrow_json.ParseOptions(explicit_schema=pa.schema([(name, pa.string()) for name in text])),
        )
    except pa.ArrowInvalid as error:
        changed = re.search(r"Column\(/?(.*)\) changed from (\w+) to (\w+)", str(error))
        if changed and changed[1] in text:  # it is no text: it comes as it is, if it is of one type
            return _parse_json(block, line, [name for name in text if name != changed[1]], place)
        reason = str(error).splitlines()[0]
        row = re.search(r" in row (\d+)", reason)
        if changed:
            reason = f"'{changed[1]}' changes from {changed[2]} to {changed[3]}"
            reason = reason if changed[1] else f"a line is no object but {changed[3]}"
        lines = [number for number, content in enumerate(block.split(b"\n")) if content.strip()]
        if row and int(row[1]) < len(lines):
            reason = f"line {line + lines[int(row[1])]}: {reason.replace(row[0], '')}"
        raise _not_a("JSON lines", place, reason) from error
    if table.num_rows != block.count(b"\n"):
        lines = sum(1 for content in block.split(b"\n") if content.strip())
        if table.num_rows != lines:
            raise _not_a("JSON lines", place, f"{lines:,} lines from line {line} on hold {table.num_rows:,} objects")
    # Arrow makes a column of nulls of each one in `text` that no line has
    absent = [name for name in text if table[name].null_count == table.num_rows]
    return _parse_json(block, line, [name for name in text if name not in absent], place) if absent else table


def _kind(of: pa.DataType) -> str | None:
    import pyarrow as pa

    if pa.types.is_null(of):
        return None
    if pa.types.is_boolean(of):
        return "boolean"
    if pa.types.is_integer(of) or pa.types.is_floating(of):
        return "number"
    return "a list or an object" if pa.types.is_nested(of) else "text"


def _parquet_tables(file: BinaryIO, place: str) -> Iterator[pa.Table]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file.seek(0)
    head = file.read(BLOCK_BYTES)
    if not head.strip():
        raise _empty(place)
    if head[:4] != b"PAR1":
        raise _not_a("Parquet", place, "it begins with other bytes", "file")
    # what was buffered ahead would be a whole row group
    parquet = pq.ParquetFile(pa.PythonFile(file, mode="r"), pre_buffer=False, buffer_size=2**20)
    for batch in parquet.iter_batches(batch_size=PARQUET_ROWS, use_threads=False):
        yield pa.Table.from_batches([batch])


@contextmanager
def _named(what: str, place: str) -> Iterator[None]:
    """Turn what the system, the store, a packing or a format say of a file into one sentence."""
    import pyarrow as pa

    try:
        yield
    except NightshiftError:
        raise
    except FileNotFoundError as error:
        raise _unreadable(place, "it vanished while it was being read", AGAIN) from error
    except Exception as error:
        told = without_password(str(getattr(error, "strerror", None) or error))
        reason = (told or type(error).__name__).splitlines()[0]
        from_store = type(error).__module__.partition(".")[0] in STORE_LIBRARIES
        away = from_store or isinstance(error, (ConnectionError, TimeoutError))
        if away or (isinstance(error, OSError) and (error.errno or type(error) is PermissionError)):
            remedy = "check the store and the connection" if away else "check its permissions"
            unreadable = SourceUnreadable(f"{what} cannot be read ({reason}); {remedy}; nothing was published")
            unreadable.retryable = away
            raise unreadable from error
        if isinstance(
            error, (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, pa.ArrowException)
        ):
            raise _unreadable(place, f"the file is truncated or broken ({reason})", AGAIN) from error
        raise


def _unreadable(place: str, reason: str, remedy: str) -> SourceUnreadable:
    return SourceUnreadable(f"{place}: {reason}; {remedy}; nothing was published")


def _empty(place: str) -> SourceUnreadable:
    return _unreadable(place, "the file is empty (0 rows and no header)", AGAIN)


def _not_a(form: str, place: str, reason: str, encoding: str = "file in UTF-8") -> SourceUnreadable:
    return _unreadable(place, f"this is not a {form} {encoding} ({reason})", AGAIN)
