"""DuckDB computes any number of aggregates without ending the process."""

from __future__ import annotations

import pytest

from include.core.duckdb_connection import AGGREGATES_AT_ONCE, aggregate, open_duckdb

WIDE = 300


@pytest.mark.usefixtures("shop")
def test_a_wide_table_is_counted_by_day() -> None:
    """About 250 estimates of distinct values for each group ended the process with SIGFPE and no message."""
    with open_duckdb("300MB") as con:
        columns = ", ".join(f"i * {at} AS c{at}" for at in range(WIDE))
        con.execute(f"CREATE TABLE wide AS SELECT i % 2 AS day, {columns} FROM range(10) AS numbers(i)")

        counted = aggregate(con, [f"approx_count_distinct(c{at})" for at in range(WIDE)], "wide", "day")

    assert {day: len(values) for day, values in counted.items()} == {0: WIDE, 1: WIDE}
    assert (counted[0][0], counted[1][-1]) == (1, 5)


@pytest.mark.usefixtures("shop")
def test_aggregates_of_all_rows_keep_their_order() -> None:
    """Several queries give the same answer as one, also for no rows and for no aggregates."""
    with open_duckdb("300MB") as con:
        con.execute("CREATE TABLE one AS SELECT 1 AS x")
        asked = [f"sum(x) + {at}" for at in range(AGGREGATES_AT_ONCE + 1)]

        assert aggregate(con, asked, "one") == {None: [1 + at for at in range(AGGREGATES_AT_ONCE + 1)]}
        assert aggregate(con, ["count(*)", "max(x)"], "one WHERE false") == {None: [0, None]}
        assert aggregate(con, ["count(*)"], "one WHERE false", "x") == {}
        assert aggregate(con, [], "one") == {None: []}
