"""One record: its fields, its canonical form, and the digests that reveal a change."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from include.core.json_value import JsonObject

#: retrain: a run reached a verdict. promotion, rollback: a person changed the champion. hold, release: a person held
#: automatic promotion, or released it. discard: reserved, no code of this release writes it.
Kind = Literal["retrain", "promotion", "rollback", "hold", "release", "discard"]

#: The fields of a file and their types. `sha256`, the digest of all others, is also the last of the sorted names.
FIELDS: dict[str, tuple[type, ...]] = {
    "by": (str,),
    "content": (dict,),
    "key": (str,),
    "kind": (str,),
    "number": (int,),
    "previous": (str, type(None)),
    "recorded_at": (str,),
    "sha256": (str,),
}

SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


@dataclass(frozen=True)
class Record:
    """One decision, and its place in the chain.

    Attributes
    ----------
    number
        From 1, without a gap.
    previous
        `digest` of the record before; None in the first.
    sha256
        SHA-256 of the canonical JSON of all other fields of the file.
    content
        What was recorded. The chain keeps it as it is, whichever release wrote it.
    key
        Identifies what was recorded; a key has one record.
    recorded_at
        ISO time, UTC.
    by
        A person, or the DAG whose run recorded it.
    digest
        SHA-256 of the file, as `sha256sum` prints it. It verifies this record and all records before it.
    """

    by: str
    content: JsonObject
    key: str
    kind: str
    number: int
    previous: str | None
    recorded_at: str
    sha256: str
    digest: str

    def document(self) -> JsonObject:
        """Return the fields of the file as JSON types."""
        return {name: getattr(self, name) for name in FIELDS}


def canonical(value: Any) -> bytes:
    """Return canonical JSON: sorted names, no spaces, UTF-8.

    Raises
    ------
    ValueError, TypeError
        If the value contains NaN, an infinity, or a type that JSON does not have.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8")


def sha256(content: bytes) -> str:
    """Return a digest in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def write_record(document: JsonObject) -> bytes:
    """Return the file of a record whose document lacks only its own digest."""
    return canonical(document | {"sha256": sha256(canonical(document))})


def own_digest(record: Record, form: bytes) -> str:
    """Return the digest that an unchanged record has in `sha256`, from the record and its canonical JSON."""
    end = b',"sha256":' + canonical(record.sha256) + b"}"
    return sha256(form.removesuffix(end) + b"}")


def parse_record(raw: bytes) -> Record:
    """Parse the content of a file as a record, without verifying it.

    Raises
    ------
    ValueError
        If the content is not a record; the message gives the reason.
    """
    try:
        document = json.loads(raw.decode("utf-8"), parse_constant=_refuse)
        if not isinstance(document, dict) or document.keys() != FIELDS.keys():
            raise ValueError(f"it should hold {', '.join(FIELDS)}, and nothing else")
        for name, types in FIELDS.items():
            if type(document[name]) not in types:
                raise ValueError(f"its {name} is of another type")
        if SURROGATE.search(raw):
            canonical(document)  # JSON can contain half of a surrogate pair, which is not valid text
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return Record(**document, digest=sha256(raw))


def _refuse(constant: str) -> None:
    raise ValueError(f"it holds {constant}, which is not JSON")
