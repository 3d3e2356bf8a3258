"""Typed documents, and the one way in which they become JSON and are read from it."""

from __future__ import annotations

import math
from dataclasses import fields, is_dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import ConfigDict, TypeAdapter, ValidationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from include.core.json_value import JsonObject

#: To make one takes tens of milliseconds.
_ADAPTERS: dict[type[Any], TypeAdapter[Any]] = {}


class JsonDocument:
    """A frozen dataclass that is stored or handed on as a JSON object.

    Pydantic reads the fields, so their types are imported at runtime. A stored form with other names than the fields
    overrides `to_json` and `from_json`.
    """

    #: A field that this release does not know is an error: a document that is half understood is not used.
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    def to_json(self) -> JsonObject:
        """Return the fields as JSON types: dates and times in ISO format, numbers that are not finite as null."""
        return {name: to_json_types(value) for name, value in field_values(self).items()}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Make a document from the result of `to_json`.

        Raises
        ------
        ValueError
            If the fields are not those of this class; the message names them.
        """
        adapter: TypeAdapter[Self] = _ADAPTERS.get(cls) or _ADAPTERS.setdefault(cls, TypeAdapter(cls))
        try:
            return adapter.validate_python(dict(document))
        except ValidationError as error:
            raise ValueError("; ".join(map(_mistake, error.errors()))) from error


def field_values(document: Any) -> dict[str, Any]:
    """Return the values of a dataclass by the names of its fields."""
    return {field.name: getattr(document, field.name) for field in fields(document)}


def to_json_types(value: Any) -> Any:
    """Return a value as JSON types, with everything that it contains; see `JsonDocument.to_json`."""
    if is_dataclass(value):
        return value.to_json() if hasattr(value, "to_json") else to_json_types(field_values(value))
    if isinstance(value, dict):
        return {name: to_json_types(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [to_json_types(each) for each in value]
    if isinstance(value, date):
        return value.isoformat()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _mistake(error: Any) -> str:
    """Return a mistake that pydantic found as a clause that quotes the field."""
    field = ".".join(map(str, error["loc"]))
    if error["type"] == "missing":
        return f"it lacks '{field}'"
    if error["type"] == "unexpected_keyword_argument":
        return f"it has an unknown field '{field}'"
    return f"'{field}': {error['msg']}"
