"""The declared columns of a source, held against what it delivers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.errors import SchemaMismatch
from include.names import folded, nearest

if TYPE_CHECKING:
    import pyarrow as pa

    from include.source_config import ColumnType, Source


def conform(rows: pa.Table, source: Source, where: str, *, sparse: bool = False) -> tuple[pa.Table, list[str]]:
    """Return the declared columns, in the declared order, with the declared types.

    Parameters
    ----------
    rows
        What the source delivered; strings are parsed, and a timestamp without a zone is UTC.
    source
        Has the declared columns, and which changes of them its contract allows.
    where
        What was read, for the error's sentence.
    sparse
        Whether the rows are of records that leave out what is null, so that a column may be absent from some
        chunks; `check_all_seen` is then for the whole.

    Returns
    -------
    table : pyarrow.Table
        The declared columns alone.
    changes : list of str
        Each change that the contract allowed, as a clause such as "column 'x' was not delivered and is null".

    Raises
    ------
    SchemaMismatch
        If a column is missing, not declared or twice there and the contract does not allow it, or a value is
        not of its column's type.
    """
    columns, contract = source.columns, source.contract
    import pyarrow as pa

    names = [contract.renamed.get(name, name) for name in rows.column_names]
    changes = [
        f"column '{old}' was delivered for '{new}'" for old, new in contract.renamed.items() if old in rows.column_names
    ]
    rows = rows.rename_columns(names)
    missing = [name for name in columns if name not in names]
    extra = list(dict.fromkeys(name for name in names if name not in columns))
    respelt = [name for name in missing if any(folded(name) == folded(other) for other in extra)]
    if sparse:
        missing = respelt
    elif contract.dropped == "null":
        needed = {*source.key, source.available_at.column, source.day}
        changes += [f"column '{name}' was not delivered and is null" for name in missing if name not in needed]
        missing = [name for name in missing if name in needed or name in respelt]
    if contract.added == "ignore":
        changes += [f"column '{name}' was delivered, is not declared and was left out" for name in extra]
        extra = [other for other in extra if folded(other) in map(folded, respelt)]
    _check_names(names, missing, extra, columns, where)
    arrays = [
        cast(rows[name], declared, name, where) if name in names else pa.nulls(rows.num_rows, arrow_type(declared))
        for name, declared in columns.items()
    ]
    return pa.table(arrays, names=list(columns)), changes


def check_all_seen(seen: set[str], source: Source, where: str) -> list[str]:
    """Hold the columns that a delivery of records had anywhere against the declared ones.

    Parameters
    ----------
    seen
        Every name that a record had.

    Returns
    -------
    list of str
        What `conform` returns as changes, for the columns that no record had.

    Raises
    ------
    SchemaMismatch
        If there is such a column and the contract does not allow it.
    """
    import pyarrow as pa

    return conform(pa.table({name: pa.array([], pa.null()) for name in sorted(seen)}), source, where)[1]


def delivered_kinds(rows: pa.Table, source: Source) -> dict[str, str]:
    """Return the kind of each column's values as they were delivered, by the declared name.

    A column of nulls alone has no kind and is left out.
    """
    kinds = {}
    for field in rows.schema:
        name = source.contract.renamed.get(field.name, field.name)
        kind = _kind(field.type)
        if name in source.columns and kind:
            kinds[name] = kind
    return kinds


def retyped(before: dict[str, list[str]], now: dict[str, list[str]], source: Source) -> list[str]:
    """Name the columns whose values have other kinds than in the batch before, as clauses."""
    changes = []
    for name, kinds in now.items():
        fits = {"integer", "float"} if source.columns.get(name) == "float" else set()
        if name in before and set(before[name]) - fits != set(kinds) - fits:
            changes.append(
                f"column '{name}' was delivered as {' and '.join(kinds)}, before as {' and '.join(before[name])}"
            )
    return changes


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
    if values.type == pa.uuid():  # which Arrow casts to nothing
        values = pa.chunked_array([[value and str(value) for value in values.to_pylist()]], pa.string())
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
    """Refuse what Arrow would cast without a word: a number to a time of 1970 and back, any number but 0 to true."""
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
    if declared in ("integer", "float") and pa.types.is_temporal(values.type) and values.null_count < len(values):
        raise pa.ArrowInvalid("a time is no number")
    if pa.types.is_duration(values.type) and values.null_count < len(values):
        raise pa.ArrowInvalid("a span of time is none of the declared types, not even as text: it has no unit there")


def _first_bad(values: pa.ChunkedArray, declared: ColumnType) -> object:
    import pyarrow as pa

    if pa.types.is_nested(values.type) or isinstance(values.type, pa.BaseExtensionType):
        return None  # Arrow compares no such values
    for value in values.unique():
        try:
            _cast(pa.chunked_array([pa.array([value.as_py()], type=values.type)]), declared)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return value.as_py()
    return None


def _check_names(
    delivered: list[str], missing: list[str], extra: list[str], columns: dict[str, ColumnType], where: str
) -> None:
    twice = sorted({name for name in delivered if delivered.count(name) > 1})
    problems = []
    if twice:
        problems.append(f"brings {_named(twice)} twice")
    for name in missing:
        near = nearest(name, extra)
        problems.append(f"lacks {_named([name])}" + (f" (renamed to '{near}'?)" if near else ""))
    if extra:
        # of records, a column that was renamed is not known to be missing before the last of them
        absent = [name for name in columns if name not in delivered and name not in missing]
        renamed = [f"'{near}'" for name in extra if (near := nearest(name, absent))]
        hint = f" ({', '.join(renamed)} renamed?)" if renamed else ""
        problems.append(f"brings {_named(extra)}, which pipeline.yaml does not declare{hint}")
    if problems:
        raise SchemaMismatch(
            f"{where}: the source {'; it '.join(problems)}; expected {', '.join(columns)}; correct the source, or "
            "`columns` or `contract` in pipeline.yaml; nothing was published"
        )


def _kind(delivered: pa.DataType) -> str | None:
    import pyarrow as pa

    tests = {
        "string": [pa.types.is_string, pa.types.is_large_string],
        "integer": [pa.types.is_integer],
        "float": [pa.types.is_floating, pa.types.is_decimal],
        "boolean": [pa.types.is_boolean],
        "timestamp": [pa.types.is_timestamp, pa.types.is_date],
    }
    if pa.types.is_null(delivered):
        return None
    return next((kind for kind, is_of in tests.items() if any(test(delivered) for test in is_of)), str(delivered))


def _named(names: list[str]) -> str:
    return ("column " if len(names) == 1 else "columns ") + ", ".join(f"'{name}'" for name in names)
