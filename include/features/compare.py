"""Compare feature rows with the same rows that were built again."""

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

#: Sums of floats depend on the order of adding: what differs by less, relatively or from 0, is the same number.
RELATIVE, RELATIVE_FLOAT32, ABSOLUTE = 1e-9, 1e-6, 1e-12

Kind = Literal["value", "missing", "extra"]


@dataclass(frozen=True)
class ColumnDifference:
    """What is not the same in the feature table and in the rows that were built again.

    Attributes
    ----------
    kind
        `value` of a feature, or a row that is `missing` among those built again, or `extra` there.
    feature
        The column; empty where whole rows differ.
    rows, of
        How many rows differ, and how many rows of the feature table were compared.
    example
        The key and the prediction time of the latest row that differs.
    in_table, again
        The two values of that row.
    """

    kind: Kind
    feature: str
    rows: int
    of: int
    example: str
    in_table: str = ""
    again: str = ""

    @property
    def about(self) -> tuple[Kind, str]:
        """What the difference is about, whichever rows show it."""
        return self.kind, self.feature


def compare(full: pa.Table, again: pa.Table, key: list[str], columns: Iterable[str]) -> list[ColumnDifference]:
    """Return what differs between the rows of two tables, which are matched by their key and prediction time.

    Parameters
    ----------
    full, again
        Rows of the feature table, and the same rows built again; no two of one table share their key.
    columns
        The columns to compare, which both tables have.

    Returns
    -------
    list of ColumnDifference
        First of rows that one table lacks, then of columns in their order. Nulls are equal to nulls only;
        floats are equal up to the order in which they were added.
    """
    matched_by = [PREDICTION_TIME, *key]
    matched = " AND ".join(f"{_of('f', name)} = {_of('r', name)}" for name in matched_by)
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
                wanted = [f"coalesce({_of('f', each)}, {_of('r', each)})" for each in matched_by]
                wanted += [_of("f", name), _of("r", name)] if name else ["NULL", "NULL"]
                order = f"1 DESC, {', '.join(str(2 + at) for at in range(len(key)))}"
                example = con.sql(f"SELECT {', '.join(wanted)} FROM {pairs} WHERE {condition} ORDER BY {order} LIMIT 1")
                at, *values = example.fetchall()[0]
                *keys, in_table, now = map(shown, values)
                named = ", ".join(f"{each} {value}" for each, value in zip(key, keys, strict=True))
                told = (f"{named} asked at {at} UTC", in_table, now)
                differences.append(ColumnDifference(kind, name, rows, full.num_rows, *told))
    return differences


def moved_at(full: pa.Table, again: pa.Table, key: list[str], columns: Iterable[str]) -> dict[str, dict[datetime, int]]:
    """Return for each column the prediction times at which it differs, in order, each with how many rows differ."""
    matched = " AND ".join(f"{_of('f', name)} = {_of('r', name)}" for name in [PREDICTION_TIME, *key])
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
    """Return the condition that a column differs in two matched rows."""
    import pyarrow.types as kinds

    f, r = _of("f", name), _of("r", name)
    types = [table.schema.field(name).type for table in (full, again)]
    if not any(map(kinds.is_floating, types)):
        return f"{f} IS DISTINCT FROM {r}"
    relative = RELATIVE_FLOAT32 if any(map(kinds.is_float32, types)) else RELATIVE
    near = f"abs({f} - {r}) <= {relative} * greatest(abs({f}), abs({r})) + {ABSOLUTE}"
    return f"{f} IS DISTINCT FROM {r} AND NOT coalesce({near}, false)"


def _of(table: str, column: str) -> str:
    """Return a column's name in SQL."""
    return f"{table}.{identifier(column)}"


def shown(value: Any) -> str:
    """Return a value as a sentence shows it, clipped where it is long."""
    text = "null" if value is None else repr(value) if isinstance(value, (str, float)) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
