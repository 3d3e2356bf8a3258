"""A suite over three million rows: Nightshift beside one query by hand, and Great Expectations in pandas."""

from __future__ import annotations

import statistics
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from benchmarks.measure import Comparison, seconds_of, take_turns
from include.core import settings
from include.profiling.rows import MEMORY, rows_of_file
from include.validation.judge import run_suite

if TYPE_CHECKING:
    from great_expectations.expectations.expectation import Expectation

ROWS = 3_000_000
LIMIT = 1.5

#: What the suite counts, written by hand: unexpected rows by expectation, in the suite's order.
BY_HAND = """
SELECT
    count(*) FILTER (WHERE sale_id IS NULL),
    count(*) FILTER (WHERE known_at IS NULL),
    (SELECT coalesce(sum(n), 0) FROM
        (SELECT count(*) AS n FROM sales GROUP BY ds, sale_id HAVING n > 1)),
    count(*) FILTER (WHERE price < 0 OR price > 100000),
    count(*) FILTER (WHERE quantity < 1 OR quantity > 500),
    count(*) FILTER (WHERE discount < 0 OR discount > 0.9),
    count(*) FILTER (WHERE isnan(weight) OR weight IS NULL),
    count(*) FILTER (WHERE country NOT IN ('de', 'fr', 'ch', 'at', 'it')),
    count(*) FILTER (WHERE NOT regexp_matches(article, '^A[0-9]{6}$')),
    count(*) FILTER (WHERE length(article) <> 7),
    count(*) FILTER (WHERE channel IS NULL),
    avg(price), stddev_samp(price), max(quantity), min(weight), count(DISTINCT country)
FROM sales
"""


def suite() -> list[Expectation]:
    """Return the expectations: a key's, those on single rows and some on whole columns."""
    from great_expectations import expectations as gxe

    return [
        gxe.ExpectColumnValuesToNotBeNull(column="sale_id"),
        gxe.ExpectColumnValuesToNotBeNull(column="known_at"),
        gxe.ExpectCompoundColumnsToBeUnique(column_list=["ds", "sale_id"]),
        gxe.ExpectColumnValuesToBeBetween(column="price", min_value=0, max_value=100_000),
        gxe.ExpectColumnValuesToBeBetween(column="quantity", min_value=1, max_value=500),
        gxe.ExpectColumnValuesToBeBetween(column="discount", min_value=0, max_value=0.9),
        gxe.ExpectColumnValuesToNotBeNull(column="weight", mostly=0.9),
        gxe.ExpectColumnValuesToBeInSet(column="country", value_set=["de", "fr", "ch", "at", "it"]),
        gxe.ExpectColumnValuesToMatchRegex(column="article", regex="^A[0-9]{6}$"),
        gxe.ExpectColumnValueLengthsToEqual(column="article", value=7),
        gxe.ExpectColumnValuesToNotBeNull(column="channel", mostly=0.9),
        gxe.ExpectColumnMeanToBeBetween(column="price", min_value=10, max_value=100),
        gxe.ExpectColumnStdevToBeBetween(column="price", max_value=100),
        gxe.ExpectColumnMaxToBeBetween(column="quantity", max_value=500),
        gxe.ExpectColumnMinToBeBetween(column="weight", min_value=0),
        gxe.ExpectColumnUniqueValueCountToBeBetween(column="country", max_value=20),
    ]


def compare_validation() -> tuple[Comparison, float]:
    """Time both, after a look that they count the same; return also the seconds of pandas, the median of 2."""
    import duckdb

    with TemporaryDirectory(prefix="bench-validation-") as folder:
        path = Path(folder) / "sales.parquet"
        _write_sales(path)
        expected = suite()

        def ours(push_down: bool = True) -> list[tuple[bool | None, int | None]]:
            with rows_of_file(path) as rows:
                results = [each.result for each in run_suite(rows, expected, push_down=push_down)]
            return [(result.success, result.result.get("unexpected_count")) for result in results]

        def bare() -> tuple[float, ...]:
            with duckdb.connect() as con:
                con.execute("SET TimeZone = 'UTC'")
                con.execute(f"SET threads = {settings.threads()}")
                con.execute(f"SET memory_limit = '{MEMORY}'")
                con.execute(f"SET temp_directory = '{folder}/spill'")
                con.execute(f"CREATE VIEW sales AS SELECT * FROM read_parquet('{path}')")
                return con.execute(BY_HAND).fetchone() or ()

        found, by_hand, in_pandas = ours(), bare(), ours(push_down=False)
        assert found == in_pandas, "both ways must give the same verdict"
        assert [count for _, count in found[:11]] == list(by_hand[:11]), "both must count the same"
        taken = take_turns(ours, bare, prepare=lambda: None)
        pandas = statistics.median(seconds_of(lambda: ours(push_down=False)) for _ in range(2))
    return Comparison("a suite over 3 million rows", *taken, limit=LIMIT), pandas


def _write_sales(path: Path) -> None:
    """Write seeded sales of one day, some of them wrong, sorted as a staged batch is."""
    import duckdb

    with duckdb.connect() as con:
        con.execute("SET threads = 1")
        con.execute("SELECT setseed(0.42)")
        con.execute(
            f"""
            COPY (
                SELECT
                    '2024-01-01' AS ds,
                    CASE WHEN i % 1000003 = 0 THEN NULL ELSE i END::BIGINT AS sale_id,
                    CASE WHEN i % 500009 = 7 THEN -1.0 ELSE 20 + 30 * random() END AS price,
                    CASE WHEN i % 700001 = 9 THEN 0 ELSE 1 + (random() * 20)::BIGINT END::BIGINT AS quantity,
                    random() / 2 AS discount,
                    CASE WHEN random() < 0.05 THEN 'nan'::DOUBLE ELSE random() END AS weight,
                    ['de', 'fr', 'ch', 'at', 'xx'][1 + least(4, (random() * 4.0001)::INT)] AS country,
                    'A' || lpad(((random() * 999999)::INT)::VARCHAR, 6, '0') AS article,
                    CASE WHEN random() < 0.02 THEN NULL ELSE 'shop' END AS channel,
                    TIMESTAMPTZ '2024-01-01 12:00:00+00' AS known_at
                FROM range({ROWS}) AS t(i)
            ) TO '{path}' (FORMAT parquet, COMPRESSION zstd)
            """
        )
