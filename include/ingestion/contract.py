"""Compares the columns that a source delivers with its declared columns, and converts them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.core.errors import SchemaMismatch
from include.core.names import folded, nearest
from include.ingestion.arrow_types import arrow_type

if TYPE_CHECKING:
    import pyarrow as pa

    from include.config.sources import ColumnType, Source


#: The kinds of numbers; a decimal keeps the digits that it was written with, a float does not.
NUMBERS = {"integer", "float", "decimal"}


def conform(rows: pa.Table, source: Source, where: str, *, sparse: bool = False) -> tuple[pa.Table, list[str]]:
    """Return the declared columns in the declared order and types.

    Parameters
    ----------
    rows
        The source's rows; text is parsed, and a timestamp without a time zone is UTC.
    source
        Declares the columns and, in its contract, the allowed changes.
    where
        The place that was read, for an error's sentence.
    sparse
        Whether the rows are JSON records, which may leave out a null field, so that a chunk may lack a column;
        `check_all_seen` then checks all chunks together.

    Returns
    -------
    table : pyarrow.Table
        The declared columns only.
    changes : list of str
        Each change that the contract allowed, as a clause such as "column 'x' was not delivered and is null".

    Raises
    ------
    SchemaMismatch
        If a column is missing, undeclared or duplicated and the contract does not allow it, or if a value is not of its
        column's type.
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
    """Check that each declared column occurred in at least one record.

    Parameters
    ----------
    seen
        The names of all fields that any record had.

    Returns
    -------
    list of str
        The changes that the contract allowed, as `conform` returns them, for columns that no record had.

    Raises
    ------
    SchemaMismatch
        If no record had a declared column and the contract does not allow that.
    """
    import pyarrow as pa

    return conform(pa.table({name: pa.array([], pa.null()) for name in sorted(seen)}), source, where)[1]


def delivered_kinds(rows: pa.Table, source: Source) -> dict[str, set[str]]:
    """Return the kinds of each column's values at the source, by the column's declared name.

    A column that is entirely null has no kind and is left out.
    """
    found: dict[str, set[str]] = {}
    for field, column in zip(rows.schema, rows.columns, strict=True):
        name = source.contract.renamed.get(field.name, field.name)
        kinds = {kind for chunk in column.chunks for kind in _kinds(chunk)}
        if name in source.columns and kinds:
            found.setdefault(name, set()).update(kinds)
    return found


def retyped(before: dict[str, list[str]], now: dict[str, list[str]], source: Source) -> list[str]:
    """Name the columns whose kinds of values differ from the previous batch, as clauses.

    Whole numbers in a float column are not a change. Neither is a batch whose numbers all have a fraction, or all have
    none, if the other batch had both.
    """
    changes = []
    for name in now.keys() & before.keys():
        was, is_now = set(before[name]), set(now[name])
        both = {"float"} if source.columns.get(name) == "float" else was & is_now
        same = NUMBERS if both & NUMBERS else set()
        if was - same != is_now - same:
            changes.append(_describe_change(name, before[name], now[name]))
    return sorted(changes)


def rewritten_keys(before: dict[str, list[str]], now: dict[str, list[str]], source: Source) -> list[str]:
    """Name the text columns of the key whose text may differ from the previous batch, as clauses.

    The integer 7 may have been the text 007 or 7.0 before, and would join none of the earlier rows. If a column has
    numbers with and without a fraction, a batch with only one of them is not a change; a float counts as an integer.
    """
    changes = []
    for name in source.key:
        if source.columns[name] == "string" and name in before and name in now:
            was, is_now = ({"integer" if kind == "float" else kind for kind in each[name]} for each in (before, now))
            new = is_now - was
            if new - NUMBERS or (new and not was & is_now & NUMBERS):
                change = _describe_change(name, before[name], now[name])
                changes.append(f"key {change}, and its text may be written otherwise now")
    return changes


def _describe_change(name: str, before: list[str], now: list[str]) -> str:
    return f"column '{name}' was delivered as {' and '.join(now)}, before as {' and '.join(before)}"


def _check_names(
    delivered: list[str], missing: list[str], extra: list[str], columns: dict[str, ColumnType], where: str
) -> None:
    twice = sorted({name for name in delivered if delivered.count(name) > 1})
    problems = []
    if twice:
        problems.append(f"has {_named(twice)} twice")
    for name in missing:
        near = nearest(name, extra)
        problems.append(f"lacks {_named([name])}" + (f" (renamed to '{near}'?)" if near else ""))
    if extra:
        # in records, a renamed column is not known to be missing until the last record
        absent = [name for name in columns if name not in delivered and name not in missing]
        renamed = [f"'{near}'" for name in extra if (near := nearest(name, absent))]
        hint = f" ({', '.join(renamed)} renamed?)" if renamed else ""
        problems.append(f"has {_named(extra)}, which pipeline.yaml does not declare{hint}")
    if problems:
        raise SchemaMismatch(
            f"{where}: the source {'; it '.join(problems)}; expected {', '.join(columns)}; correct the source, or "
            "`columns` or `contract` in pipeline.yaml; nothing was published"
        )


def _kinds(delivered: pa.Array) -> set[str]:
    """Return the kinds of some values; a union has the kinds of all its types."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from include.ingestion.cast import LITERAL
    from include.ingestion.cast_text import DIGITS

    kind = delivered.type
    if pa.types.is_union(kind):
        return {each for number in range(kind.num_fields) for each in _kinds(delivered.field(number))}
    if delivered.null_count == len(delivered):
        return set()
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if kind == LITERAL:
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
    return {next((name for name, checks in tests.items() if any(check(kind) for check in checks)), str(kind))}


def _named(names: list[str]) -> str:
    return ("column " if len(names) == 1 else "columns ") + ", ".join(f"'{name}'" for name in names)
