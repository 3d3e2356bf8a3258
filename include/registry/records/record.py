"""One record: what its file holds, in the one way of writing it, and what proves that it is as it was written."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any, Literal

#: retrain: a run came to a verdict. promotion, rollback: the champion is another one. hold, release, discard: what
#: somebody decided about a version that waits for it.
Kind = Literal["retrain", "promotion", "rollback", "hold", "release", "discard"]

#: What a file holds, and of which types. The digest of all others is the last in the file too, where names are sorted.
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
        `digest` of the record before; None for the first.
    sha256
        SHA-256 of the canonical JSON of all that the file holds but this.
    key
        What was recorded; there is one record of a key.
    recorded_at
        ISO time, UTC.
    by
        Who recorded it: a person, or the run of a DAG.
    digest
        SHA-256 of the file, as `sha256sum` prints it. Whoever knows it can prove this record and all before it.
    """

    by: str
    content: dict[str, Any]
    key: str
    kind: str
    number: int
    previous: str | None
    recorded_at: str
    sha256: str
    digest: str

    def document(self) -> dict[str, Any]:
        """Return what the file holds, as JSON types."""
        return {name: getattr(self, name) for name in FIELDS}


def canonical(value: Any) -> bytes:
    """Return JSON in the one way of writing it: sorted names, no spaces, UTF-8.

    Raises
    ------
    ValueError, TypeError
        If it holds a NaN, an infinity or what JSON does not have.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8")


def sha256(content: bytes) -> str:
    """Return a digest in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def write_record(document: dict[str, Any]) -> bytes:
    """Return the file of a record that lacks its own digest only."""
    return canonical(document | {"sha256": sha256(canonical(document))})


def own_digest(record: Record, form: bytes) -> str:
    """Return what `sha256` is as long as nothing was changed, of a record and its canonical JSON."""
    end = b',"sha256":' + canonical(record.sha256) + b"}"
    return sha256(form.removesuffix(end) + b"}")


def parse_record(raw: bytes) -> Record:
    """Return what a file holds; whether that is as it was written is not asked.

    Raises
    ------
    ValueError
        If that is no record; the message says why.
    """
    try:
        document = json.loads(raw.decode("utf-8"), parse_constant=_refuse)
        if not isinstance(document, dict) or document.keys() != FIELDS.keys():
            raise ValueError(f"it should hold {', '.join(FIELDS)}, and nothing else")
        for name, types in FIELDS.items():
            if type(document[name]) not in types:
                raise ValueError(f"its {name} is of another type")
        if SURROGATE.search(raw):
            canonical(document)  # half of a character can be written in JSON, and is no text
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return Record(**document, digest=sha256(raw))


def _refuse(constant: str) -> None:
    raise ValueError(f"it holds {constant}, which is not JSON")
