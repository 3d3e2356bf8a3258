"""The values that JSON can hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

JsonValue: TypeAlias = "bool | int | float | str | Sequence[JsonValue] | Mapping[str, JsonValue] | None"

#: A JSON object whose fields no type describes, as `json` reads and writes it. It belongs at the edges only: in the
#: function that reads or writes the JSON. Everything inside takes the typed document.
JsonObject: TypeAlias = dict[str, Any]
