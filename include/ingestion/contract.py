"""The declared columns of a source, held against what it delivers."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from include.errors import SchemaMismatch

if TYPE_CHECKING:
    import pyarrow as pa

    from include.config import ColumnType


def conform(table: pa.Table, columns: dict[str, ColumnType], where: str) -> pa.Table:
    """Return the declared columns, in the declared order, with the declared types.

    Parameters
    ----------
    table
        What the source delivered; strings are parsed, and a timestamp without a zone is UTC.
    columns
        The declared names and types.
    where
        What was read, for the error's sentence.

    Raises
    ------
    SchemaMismatch
        If a column is missing, not declared or twice there, or a value is not of its column's type.
    """
    _check_names(table.column_names, columns, where)
    import pyarrow as pa

    arrays = [cast(table[name], declared, name, where) for name, declared in columns.items()]
    return pa.table(arrays, names=list(columns))


def empty_table(columns: dict[str, ColumnType]) -> pa.Table:
    """Return a table of the declared columns without rows."""
    import pyarrow as pa

    return pa.schema([(name, arrow_type(declared)) for name, declared in columns.items()]).empty_table()


def arrow_type(declared: ColumnType) -> pa.DataType:
    """Return the Arrow type of a declared column; timestamps are microseconds in UTC."""
    import pyarrow as pa

    return {
        "string": pa.string(),
        "integer": pa.int64(),
        "float": pa.float64(),
        "boolean": pa.bool_(),
        "timestamp": pa.timestamp("us", tz="UTC"),
    }[declared]


def cast(values: pa.ChunkedArray, declared: ColumnType, name: str, where: str) -> pa.ChunkedArray:
    """Return a column in its declared type, or raise with the first value that is not of it."""
    import pyarrow as pa

    try:
        return _cast(values, declared)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        bad = _first_bad(values, declared)
        found = f"the value {bad!r}" if bad is not None else f"values of type {values.type}"
        raise SchemaMismatch(
            f"{where}: column '{name}' is declared as {declared}, and {found} is not one; correct the source, "
            "or the column's type in pipeline.yaml; nothing was published"
        ) from error


def _cast(values: pa.ChunkedArray, declared: ColumnType) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    wanted = arrow_type(declared)
    is_text = pa.types.is_string(values.type) or pa.types.is_large_string(values.type)
    _check_meaning(values, declared)
    if declared != "timestamp":
        if is_text and declared != "string":
            values = pc.utf8_trim_whitespace(values)
        return values.cast(wanted)
    if is_text:
        zoned = pc.match_substring_regex(values, r"(Z|:\d\d(\.\d+)?[+-]\d\d(:?\d\d)?)$")
        naive = pc.if_else(zoned, None, values).cast(pa.timestamp("us"))
        # Arrow reads +00:00 and +0000; PostgreSQL writes +00
        whole = pc.replace_substring_regex(values, r"([+-]\d\d)$", r"\1:00")
        aware = pc.if_else(zoned, whole, None).cast(wanted)
        return pc.coalesce(aware, pc.assume_timezone(naive, "UTC"))
    if pa.types.is_timestamp(values.type) and values.type.tz is None:
        return pc.assume_timezone(values.cast(pa.timestamp("us")), "UTC")
    return values.cast(wanted)


def _check_meaning(values: pa.ChunkedArray, declared: ColumnType) -> None:
    """Refuse what Arrow would cast without a word: a number to a time of 1970, any number but 0 to true."""
    import pyarrow as pa
    import pyarrow.compute as pc

    is_number = pa.types.is_integer(values.type) or pa.types.is_floating(values.type)
    if declared == "timestamp" and is_number and values.null_count < len(values):
        raise pa.ArrowInvalid("a number is no time")
    if (
        declared == "boolean"
        and is_number
        and not pc.all(pc.is_in(values, pa.array([0, 1, None], values.type))).as_py()
    ):
        raise pa.ArrowInvalid("a number is no truth value")


def _first_bad(values: pa.ChunkedArray, declared: ColumnType) -> object:
    import pyarrow as pa

    if pa.types.is_nested(values.type):
        return None
    for value in values.unique():
        try:
            _cast(pa.chunked_array([pa.array([value.as_py()], type=values.type)]), declared)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return value.as_py()
    return None


def _check_names(delivered: list[str], columns: dict[str, ColumnType], where: str) -> None:
    twice = sorted({name for name in delivered if delivered.count(name) > 1})
    missing = [name for name in columns if name not in delivered]
    extra = [name for name in delivered if name not in columns]
    problems = []
    if twice:
        problems.append(f"brings {_named(twice)} twice")
    for name in missing:
        near = difflib.get_close_matches(name, extra, n=1, cutoff=0.6)
        problems.append(f"lacks {_named([name])}" + (f" (renamed to '{near[0]}'?)" if near else ""))
    if extra:
        problems.append(f"brings {_named(extra)}, which pipeline.yaml does not declare")
    if problems:
        raise SchemaMismatch(
            f"{where}: the source {'; it '.join(problems)}; expected {', '.join(columns)}; correct the source or "
            "`columns` in pipeline.yaml; nothing was published"
        )


def _named(names: list[str]) -> str:
    return ("column " if len(names) == 1 else "columns ") + ", ".join(f"'{name}'" for name in names)
