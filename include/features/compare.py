"""Compares feature rows with the same rows built again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from include.core import settings
from include.core.duckdb_connection import aggregate, open_duckdb
from include.core.sql_text import identifier
from include.features.query import PREDICTION_TIME

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    import pyarrow as pa

#: Smaller differences, relative or absolute, are equal, since sums of floats depend on the order of adding.
RELATIVE, RELATIVE_FLOAT32, ABSOLUTE = 1e-9, 1e-6, 1e-12

Kind = Literal["value", "missing", "extra"]


@dataclass(frozen=True)
class ColumnDifference:
    """A difference between the feature table and the rows built again.

    Attributes
    ----------
    kind
        `value` if a feature differs; `missing` or `extra` if whole rows do, as seen from the rows built again.
    feature
        The column; empty if whole rows differ.
    rows, compared
        How many rows differ, and how many rows of the feature table were compared.
    example
        The key and the prediction time of the latest row that differs.
    in_table, again
        The two values of that row.
    """

    kind: Kind
    feature: str
    rows: int
    compared: int
    example: str
    in_table: str = ""
    again: str = ""

    @property
    def about(self) -> tuple[Kind, str]:
        """The kind and the column, which identify the difference at all cut-offs."""
        return self.kind, self.feature


def compare(full: pa.Table, again: pa.Table, key: list[str], columns: Iterable[str]) -> list[ColumnDifference]:
    """Return the differences between the rows of two tables, matched by key and prediction time.

    Parameters
    ----------
    full, again
        Rows of the feature table, and the same rows built again; keys are unique in each.
    columns
        The columns to compare, which both tables have.

    Returns
    -------
    list of ColumnDifference
        First missing and extra rows, then columns in their order. A null equals only a null; floats are equal up to
        rounding.
    """
    matched_by = [PREDICTION_TIME, *key]
    matched = " AND ".join(f"{_qualified('f', name)} = {_qualified('r', name)}" for name in matched_by)
    pairs = f"full_rows AS f FULL JOIN rows_again AS r ON {matched}"
    only_full, only_again = (f"{side}.{PREDICTION_TIME} IS NULL" for side in "rf")
    conditions: dict[tuple[Kind, str], str] = {("missing", ""): only_full, ("extra", ""): only_again}
    for name in columns:
        conditions["value", name] = f"NOT ({only_full}) AND NOT ({only_again}) AND {_differs(name, full, again)}"
    differences = []
    with open_duckdb(settings.query_memory()) as con:
        con.register("full_rows", full)
        con.register("rows_again", again)
        counts = aggregate(con, [f"count(*) FILTER ({each})" for each in conditions.values()], pairs)[None]
        for ((kind, name), condition), rows in zip(conditions.items(), counts, strict=True):
            if rows:
                wanted = [f"coalesce({_qualified('f', each)}, {_qualified('r', each)})" for each in matched_by]
                wanted += [_qualified("f", name), _qualified("r", name)] if name else ["NULL", "NULL"]
                order = f"1 DESC, {', '.join(str(2 + at) for at in range(len(key)))}"
                example = con.sql(f"SELECT {', '.join(wanted)} FROM {pairs} WHERE {condition} ORDER BY {order} LIMIT 1")
                at, *values = example.fetchall()[0]
                *keys, in_table, now = map(shown, values)
                named = ", ".join(f"{each} {value}" for each, value in zip(key, keys, strict=True))
                where = f"{named} at prediction_time {at} UTC"
                differences.append(ColumnDifference(kind, name, rows, full.num_rows, where, in_table, now))
    return differences


def differing_times(
    full: pa.Table, again: pa.Table, key: list[str], columns: Iterable[str]
) -> dict[str, dict[datetime, int]]:
    """Return for each column the prediction times at which it differs, in order, with the number of rows."""
    matched = " AND ".join(f"{_qualified('f', name)} = {_qualified('r', name)}" for name in [PREDICTION_TIME, *key])
    with open_duckdb(settings.query_memory()) as con:
        con.register("full_rows", full)
        con.register("rows_again", again)
        found = {}
        for column in columns:
            differing = con.execute(
                f"SELECT f.{PREDICTION_TIME}, count(*) FROM full_rows AS f JOIN rows_again AS r ON {matched} "
                f"WHERE {_differs(column, full, again)} GROUP BY 1 ORDER BY 1"
            )
            found[column] = dict(differing.fetchall())
    return found


def _differs(name: str, full: pa.Table, again: pa.Table) -> str:
    """Return the SQL condition that a column differs between two matched rows."""
    import pyarrow.types as kinds

    f, r = _qualified("f", name), _qualified("r", name)
    types = [table.schema.field(name).type for table in (full, again)]
    if not any(map(kinds.is_floating, types)):
        return f"{f} IS DISTINCT FROM {r}"
    relative = RELATIVE_FLOAT32 if any(map(kinds.is_float32, types)) else RELATIVE
    near = f"abs({f} - {r}) <= {relative} * greatest(abs({f}), abs({r})) + {ABSOLUTE}"
    return f"{f} IS DISTINCT FROM {r} AND NOT coalesce({near}, false)"


def _qualified(table: str, column: str) -> str:
    """Return a column's qualified name in SQL."""
    return f"{table}.{identifier(column)}"


def shown(value: Any) -> str:
    """Return a value as a sentence shows it, cut if it is long."""
    text = "null" if value is None else repr(value) if isinstance(value, (str, float)) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
