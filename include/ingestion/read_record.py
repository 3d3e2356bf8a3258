"""The record of what was read of a source, which a batch's manifest keeps as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import PlainSerializer, TypeAdapter

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from include.core.json_value import JsonValue

#: A time, which JSON has as `datetime.isoformat` writes it.
Moment = Annotated[datetime, PlainSerializer(datetime.isoformat)]


@dataclass(frozen=True)
class ReadRecord:
    """What was read of a source. The reader of each kind has a subclass, whose fields hold no secrets.

    A field that is null is left out of the JSON. A field that a later release adds needs a default, so that manifests
    of earlier releases stay readable.
    """

    def to_json(self) -> dict[str, JsonValue]:
        """Return the fields as JSON types."""
        return TypeAdapter(type(self)).dump_python(self, mode="json", exclude_none=True)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """Return the record that `to_json` made the fields of; other fields are ignored."""
        return TypeAdapter(cls).validate_python(fields)
