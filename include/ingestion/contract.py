"""The declared columns of a source, held against what it delivers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.core.errors import SchemaMismatch
from include.core.names import folded, nearest

if TYPE_CHECKING:
    import pyarrow as pa

    from include.config.sources import ColumnType, Source


#: The kinds of numbers; a decimal has the digits that it was written with, a float has not.
NUMBERS = {"integer", "float", "decimal"}


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
    import pyarrow as pa

    from include.ingestion.cast import cast

    columns, contract = source.columns, source.contract

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
        cast(rows[name], declared, name, where, contract.infinity_of(name))
        if name in names
        else pa.nulls(rows.num_rows, arrow_type(declared))
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


def delivered_kinds(rows: pa.Table, source: Source) -> dict[str, set[str]]:
    """Return the kinds of each column's values as they were delivered, by the declared name.

    A column of nulls alone has no kind and is left out.
    """
    found: dict[str, set[str]] = {}
    for field, column in zip(rows.schema, rows.columns, strict=True):
        name = source.contract.renamed.get(field.name, field.name)
        kinds = {kind for chunk in column.chunks for kind in _kinds(chunk)}
        if name in source.columns and kinds:
            found.setdefault(name, set()).update(kinds)
    return found


def retyped(before: dict[str, list[str]], now: dict[str, list[str]], source: Source) -> list[str]:
    """Name the columns whose values have other kinds than in the batch before, as clauses.

    Whole numbers of a float column are no other kind, nor is a batch in which all numbers have a fraction, or none,
    where those of the other batch were of both kinds.
    """
    changes = []
    for name in now.keys() & before.keys():
        was, is_now = set(before[name]), set(now[name])
        both = {"float"} if source.columns.get(name) == "float" else was & is_now
        same = NUMBERS if both & NUMBERS else set()
        if was - same != is_now - same:
            changes.append(_told(name, before[name], now[name]))
    return sorted(changes)


def rewritten_keys(before: dict[str, list[str]], now: dict[str, list[str]], source: Source) -> list[str]:
    """Name the key columns of text that may be written otherwise than in the batch before, as clauses.

    The integer 7 may be the text 007 or 7.0 from now on, which no row of before is joined to. Where some numbers
    have a fraction and others have none, a batch of only one of these is no change, and the digits of a float are
    those of an integer.
    """
    changes = []
    for name in source.key:
        if source.columns[name] == "string" and name in before and name in now:
            was, is_now = ({"integer" if kind == "float" else kind for kind in each[name]} for each in (before, now))
            new = is_now - was
            if new - NUMBERS or (new and not was & is_now & NUMBERS):
                told = _told(name, before[name], now[name])
                changes.append(f"key {told}, and its text may be written otherwise now")
    return changes


def _told(name: str, before: list[str], now: list[str]) -> str:
    return f"column '{name}' was delivered as {' and '.join(now)}, before as {' and '.join(before)}"


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


def _kinds(delivered: pa.Array) -> set[str]:
    """Return the kinds of some values: of a union those of each of its types."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from include.ingestion.cast import DIGITS, LITERAL

    of = delivered.type
    if pa.types.is_union(of):
        return {kind for number in range(of.num_fields) for kind in _kinds(delivered.field(number))}
    if delivered.null_count == len(delivered):
        return set()
    if pa.types.is_dictionary(of):
        of = of.value_type
    if of == LITERAL:
        whole = pc.match_substring_regex(delivered.storage, DIGITS)
        return {"integer"} if pc.all(whole).as_py() else {"decimal"}
    tests = {
        "string": [pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view],
        "integer": [pa.types.is_integer],
        "float": [pa.types.is_floating],
        "decimal": [pa.types.is_decimal],
        "boolean": [pa.types.is_boolean],
        "timestamp": [pa.types.is_timestamp, pa.types.is_date],
    }
    return {next((kind for kind, is_of in tests.items() if any(test(of) for test in is_of)), str(of))}


def _named(names: list[str]) -> str:
    return ("column " if len(names) == 1 else "columns ") + ", ".join(f"'{name}'" for name in names)
