"""The types that a source may declare for its columns, and the column names that Nightshift reserves."""

from __future__ import annotations

import re
from typing import Literal

ColumnType = Literal["string", "integer", "float", "boolean", "timestamp"]

#: Other systems' names of the declared types, in lower case and without lengths.
_OTHER_NAMES: dict[ColumnType, str] = {
    "string": "str text varchar nvarchar char nchar character bpchar clob uuid enum category categorical object json "
    "utf8 large_string",
    "integer": "int bigint smallint tinyint mediumint long short byte serial bigserial int2 int4 int8 int16 int32 "
    "int64 uint8 uint16 uint32 uint64",
    "float": "double real numeric decimal number money float4 float8 float16 float32 float64",
    "boolean": "bool bit logical",
    "timestamp": "datetime date timestamptz timestamp_ntz timestamp_tz datetime2 datetime64 date32 date64 instant",
}


def declared_type(name: str) -> ColumnType | None:
    """Return the declared type for another system's type name, such as float for DOUBLE PRECISION."""
    word = next(iter(re.findall(r"\w+", name.lower())), "")
    return next((kind for kind, others in _OTHER_NAMES.items() if word in (kind, *others.split())), None)


#: Columns that Nightshift adds to every raw table, so no source may declare them.
LAKE_COLUMNS = ("ds", "available_at", "batch", "delivered")
#: Columns that reading and validation add temporarily; the first one is DuckDB's.
READER_COLUMNS = ("file_row_number", "nightshift_position")
