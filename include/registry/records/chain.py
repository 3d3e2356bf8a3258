"""The chain of a pipeline's records: each decision is a file that names the digest of the record before it.

A record is the file `<lake>/<pipeline>/records/<number>.json` in canonical JSON. It is written once and never changed.
"""

from __future__ import annotations

import logging
from datetime import UTC
from typing import TYPE_CHECKING, get_args

from include.core.errors import LakeError
from include.core.suggestions import unknown_name
from include.registry.records.files import create_file, read_file, read_files, record_file, record_numbers
from include.registry.records.record import Kind, Record, canonical, own_digest, parse_record, sha256, write_record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from include.core.json_value import JsonObject

log = logging.getLogger(__name__)


def append(pipeline: str, kind: Kind, key: str, *, by: str, content: JsonObject, now: datetime) -> Record:
    """Add a record to a pipeline's chain, or return the existing record of this key.

    It may be killed anywhere and run again, and several processes may run it at once: each record has its own number,
    and a key has one record, as far as the lake can refuse to overwrite a file (see `create_file`). A record that
    cannot be read does not prevent the next one; `verify` reports it.

    Parameters
    ----------
    key
        Identifies what is recorded, such as the kind and the run's key.
    by
        A person, or the DAG whose run records it.
    content
        JSON types, with None in place of NaN.
    now
        With a time zone.

    Raises
    ------
    LakeError
        If the lake cannot be read or written.
    ValueError, TypeError
        If the content is not JSON, the kind does not exist, or the time has no zone; nothing is then written.
    """
    if kind not in get_args(Kind):
        raise ValueError(unknown_name("kind of record", kind, list(get_args(Kind))))
    if now.tzinfo is None:
        raise ValueError(f"the time of a record needs a time zone: {now.isoformat()}")
    fields = {
        "kind": kind,
        "key": key,
        "recorded_at": now.astimezone(UTC).isoformat(timespec="seconds"),
        "by": by,
        "content": content,
    }
    canonical(fields)  # refuses invalid content before the lake is read
    files = read_files(pipeline)
    found = next(filter(None, (_parse_if_key(raw, key) for raw in files.values())), None)
    number = max(files, default=0)
    last = files.get(number)
    while found is None:
        number += 1
        raw = write_record(fields | {"number": number, "previous": None if last is None else sha256(last)})
        path = record_file(pipeline, number)
        try:
            create_file(path, raw)
        except FileExistsError:  # another writer took this number, perhaps for this very key
            last = read_file(path)
            found = _parse_if_key(last, key)
        else:
            log.info("%s: wrote record %d (%s) with the digest %s", pipeline, number, kind, sha256(raw))
            return parse_record(raw)
    log.info("%s: record %d (%s) already exists with the digest %s", pipeline, found.number, found.kind, found.digest)
    return found


def read_all(pipeline: str) -> list[Record]:
    """Return a pipeline's records in their order; none where nothing has been recorded yet.

    Raises
    ------
    LakeError
        If the lake or a record cannot be read.
    """
    return [_record(pipeline, number, raw) for number, raw in read_files(pipeline).items()]


def head(pipeline: str) -> Record | None:
    """Return a pipeline's last record, or None where nothing has been recorded yet.

    Raises
    ------
    LakeError
        If the lake or the record cannot be read.
    """
    number = max(record_numbers(pipeline), default=None)
    return None if number is None else read_record(pipeline, number)


def read_record(pipeline: str, number: int) -> Record:
    """Return the record with a number.

    Raises
    ------
    LakeError
        If the lake or the record cannot be read.
    """
    return _record(pipeline, number, read_file(record_file(pipeline, number)))


def verify(pipeline: str, head: str | None = None) -> list[str]:
    """Return the faults of a pipeline's chain in sentences; none where the chain is intact.

    Parameters
    ----------
    head
        Digest of a record from another place, such as a run's log. Without it, nobody can detect that the last records
        were deleted, or that the whole chain was rewritten.

    Raises
    ------
    LakeError
        If the lake cannot be read.
    """
    return examine(pipeline, head)[1]


def examine(pipeline: str, head: str | None = None) -> tuple[list[Record], list[str]]:
    """Return the records that can be read, and the faults that `verify` returns."""
    files = read_files(pipeline)
    records, problems = [], []
    expected = 1
    for number, raw in files.items():
        if number > expected:
            problems.append(f"{pipeline}: {_missing(expected, number - 1)} from {record_file(pipeline, number).parent}")
        expected = number + 1
        try:
            record = parse_record(raw)
        except ValueError as error:
            problems.append(f"{pipeline}: {record_file(pipeline, number)} is not a record ({error})")
            continue
        wrong = _problems(record, number, raw, files.get(number - 1))
        problems += [f"{pipeline}: record {number} {clause}" for clause in wrong]
        records.append(record)
    if head is not None and head not in map(sha256, files.values()):
        problems.append(f"{pipeline}: no record has the digest {head}; the record that had it was changed or deleted")
    return records, problems


def _missing(first: int, last: int) -> str:
    return f"record {first} is missing" if first == last else f"the records {first} to {last} are missing"


def _problems(record: Record, number: int, raw: bytes, before: bytes | None) -> Iterator[str]:
    """Yield the faults of a record that can be read, as clauses."""
    form = canonical(record.document())
    if form != raw:
        yield "is not in canonical form, so its file was changed"
    if record.number != number:
        yield f"has the number {record.number} inside, so its file was changed or renamed"
    own = own_digest(record, form)
    if record.sha256 != own:
        yield f"was changed: it names its digest as {record.sha256}, and its digest is {own}"
    if number == 1 and record.previous is not None:
        yield f"is the first, but names the digest {record.previous} of a record before it"
    if before is not None and record.previous != sha256(before):
        yield (
            f"does not follow record {number - 1}: it names the digest {record.previous}, and the digest of record "
            f"{number - 1} is {sha256(before)}; one of the two was changed"
        )


def _parse_if_key(raw: bytes, key: str) -> Record | None:
    """Return the record in a file if it has a key; None otherwise, also where the file cannot be parsed."""
    if b'"key":' + canonical(key) not in raw:
        return None
    try:
        record = parse_record(raw)
    except ValueError:
        return None
    return record if record.key == key else None


def _record(pipeline: str, number: int, raw: bytes) -> Record:
    try:
        return parse_record(raw)
    except ValueError as error:
        raise LakeError(
            f"{pipeline}: {record_file(pipeline, number)} is not a record ({error}); ./nightshift verify {pipeline} "
            "names every other fault; restore the file from a copy of the lake"
        ) from error
