"""The chain of a pipeline's records: every decision in a file of its own, which names the digest of the one before.

A record is `<lake>/<pipeline>/records/<number>.json`, in canonical JSON. It is written once, and never again.
"""

from __future__ import annotations

import logging
from datetime import UTC
from typing import TYPE_CHECKING, Any, get_args

from include.core.errors import LakeError
from include.core.suggestions import unknown_name
from include.registry.records.files import create_file, read_file, read_files, record_file, record_numbers
from include.registry.records.record import Kind, Record, canonical, own_digest, parse_record, sha256, write_record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

log = logging.getLogger(__name__)


def append(pipeline: str, kind: Kind, key: str, *, by: str, content: dict[str, Any], now: datetime) -> Record:
    """Add a record to a pipeline's chain, or return the one of this key that is there already.

    May be killed anywhere and run again, and run several times at once: each record has a number of its own, and
    a key has one record. That holds as far as the lake can refuse a name that is taken (see `create_file`). A
    record that cannot be read is no reason not to write the next one: `verify` tells of it.

    Parameters
    ----------
    key
        What is recorded, such as a run's key and the kind.
    by
        Who records it: a person, or the run of a DAG.
    content
        JSON types; a NaN is to be None.
    now
        With a time zone.

    Raises
    ------
    LakeError
        If the lake cannot be read or written.
    ValueError, TypeError
        If the content is not JSON, or there is no such kind, or the time has no zone; nothing is then written.
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
    canonical(fields)  # refuses what cannot be written, before anything is asked of the lake
    files = read_files(pipeline)
    found = next(filter(None, (_of_key(raw, key) for raw in files.values())), None)
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
            found = _of_key(last, key)
        else:
            log.info("%s: record %d (%s) is written, its digest is %s", pipeline, number, kind, sha256(raw))
            return parse_record(raw)
    log.info("%s: record %d (%s) is there already, its digest is %s", pipeline, found.number, found.kind, found.digest)
    return found


def read_all(pipeline: str) -> list[Record]:
    """Return a pipeline's records in their order; none where nothing is recorded yet.

    Raises
    ------
    LakeError
        If the lake or one of them cannot be read.
    """
    return [_record(pipeline, number, raw) for number, raw in read_files(pipeline).items()]


def head(pipeline: str) -> Record | None:
    """Return a pipeline's last record, or None where nothing is recorded yet.

    Raises
    ------
    LakeError
        If the lake or this record cannot be read.
    """
    number = max(record_numbers(pipeline), default=None)
    return None if number is None else _record(pipeline, number, read_file(record_file(pipeline, number)))


def verify(pipeline: str, head: str | None = None) -> list[str]:
    """Return all that is wrong with a pipeline's chain, in sentences; nothing where it is whole.

    Parameters
    ----------
    head
        Digest of a record that is known from elsewhere, such as a run's log. Without it nothing can tell that the
        last records were deleted, or that the whole chain was written anew.

    Raises
    ------
    LakeError
        If the lake cannot be read.
    """
    return examine(pipeline, head)[1]


def examine(pipeline: str, head: str | None = None) -> tuple[list[Record], list[str]]:
    """Return the records that can be read, and what `verify` returns."""
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
        problems += [f"{pipeline}: record {number} {told}" for told in wrong]
        records.append(record)
    if head is not None and head not in map(sha256, files.values()):
        problems.append(f"{pipeline}: no record has the digest {head}; the one that had it was changed or deleted")
    return records, problems


def _missing(first: int, last: int) -> str:
    return f"record {first} is missing" if first == last else f"the records {first} to {last} are missing"


def _problems(record: Record, number: int, raw: bytes, before: bytes | None) -> Iterator[str]:
    """Yield what is wrong with a record that can be read."""
    form = canonical(record.document())
    if form != raw:
        yield "is not in the form in which it was written, so its file was changed"
    if record.number != number:
        yield f"says that it is number {record.number}, so its file was changed or renamed"
    own = own_digest(record, form)
    if record.sha256 != own:
        yield f"was changed: it says that its digest is {record.sha256}, and that is {own}"
    if number == 1 and record.previous is not None:
        yield f"is the first, and names the digest {record.previous} of one before it"
    if before is not None and record.previous != sha256(before):
        yield (
            f"does not follow record {number - 1} as that is now: it names the digest {record.previous}, and that of "
            f"record {number - 1} is {sha256(before)}; one of the two was changed"
        )


def _of_key(raw: bytes, key: str) -> Record | None:
    """Return the record in a file if it is the one of a key; what cannot be read is not."""
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
            "says what else is wrong; bring the file back from a copy of the lake"
        ) from error
