"""Finds the rows that break a critical expectation, as the quarantine keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.core.sql_text import identifier, literal
from include.profiling.rows import POSITION
from include.validation.explain import subject_and_rule

if TYPE_CHECKING:
    import pyarrow as pa

    from include.profiling.rows import Rows
    from include.validation.judge import Judged


def broken_rows(rows: Rows, judged: list[Judged], own: int, day: str, columns: list[str], limit: int) -> pa.Table:
    """Return the rows that break a critical expectation on single rows, even if its `mostly` allows some.

    Parameters
    ----------
    own
        How many of the first expectations are the lake's own, on its keys. Rows that break one of these can never be
        released.
    day
        SQL of the day that a row was delivered for.
    columns
        The columns that identify a row together.
    limit
        The most rows to return.

    Returns
    -------
    pyarrow.Table
        With `day`, `position`, `row_id`, `row`, `reason` and `releasable`, ordered by position.
    """
    conditions = {}
    for number, each in enumerate(judged):
        if not each.breaks_rows:
            continue
        if each.sql and each.sql.unexpected:
            conditions[number] = each.sql.unexpected
        else:
            listed = f"CREATE OR REPLACE TEMP TABLE broken_{number} AS SELECT unnest(?::BIGINT[]) AS broken"
            rows.con.execute(listed, [each.positions])
            conditions[number] = f"{POSITION} IN (SELECT broken FROM broken_{number})"
    if not conditions:
        return no_rows()
    flags = ", ".join(f"coalesce({condition}, false) AS broken{number}" for number, condition in conditions.items())
    reasons = ", ".join(
        f"CASE WHEN broken{number} THEN {literal(_reason(judged[number]))} END" for number in conditions
    )
    releasable = " AND ".join(f"NOT broken{number}" for number in conditions if number < own) or "true"
    return rows.con.sql(
        f"""
        WITH flagged AS (SELECT *, {flags} FROM rows)
        SELECT {_identity(day, columns)}, concat_ws('; ', {reasons}) AS reason, {releasable} AS releasable
        FROM flagged
        WHERE {" OR ".join(f"broken{number}" for number in conditions)}
        ORDER BY position
        LIMIT {limit}
        """
    ).to_arrow_table()


def rows_by_id(rows: Rows, row_ids: list[str], day: str, columns: list[str]) -> pa.Table:
    """Return the rows with some ids, in the columns of `broken_rows`, without a reason."""
    return rows.con.sql(
        f"""
        SELECT *, NULL::VARCHAR AS reason, NULL::BOOLEAN AS releasable
        FROM (SELECT {_identity(day, columns)} FROM rows)
        WHERE row_id IN (SELECT unnest(?::VARCHAR[]))
        ORDER BY position
        """,
        params=[row_ids],
    ).to_arrow_table()


def no_rows() -> pa.Table:
    """Return the columns of `broken_rows` without a row."""
    import pyarrow as pa

    text = [(name, pa.string()) for name in ("day", "row_id", "row", "reason")]
    return pa.schema([*text, ("position", pa.int64()), ("releasable", pa.bool_())]).empty_table()


def _identity(day: str, columns: list[str]) -> str:
    """Return the SQL of the columns that identify a row in quarantine."""
    values = ", ".join(f"{literal(name)}: {identifier(name)}" for name in columns)
    text = f"to_json({{{values}}})::VARCHAR"
    return f"{day} AS day, {POSITION} AS position, left(sha256({text}), 16) AS row_id, {text} AS row"


def _reason(judged: Judged) -> str:
    """Return the rule that a row breaks, for the quarantine's column `reason`."""
    config = judged.expectation.configuration
    of_a_row = {name: each for name, each in config.kwargs.items() if name != "mostly"}
    column, rule = subject_and_rule(config.type, of_a_row)
    return f"{column}: {config.type}" + (f" ({rule})" if rule else "")
