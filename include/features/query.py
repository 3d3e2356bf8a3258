"""Runs a pipeline's features.sql in DuckDB, over whatever stands for its raw tables."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from include import settings
from include.duck import open_duckdb
from include.errors import FeatureQueryFailed
from include.ingestion.contract import arrow_type
from include.ingestion.sql import without_comments

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa
    from duckdb import DuckDBPyConnection, DuckDBPyRelation
    from pyarrow.dataset import Dataset

    from include.config import Pipeline

PREDICTION_TIME = "prediction_time"


def run_features_query(
    pipeline: Pipeline,
    tables: Mapping[str, pa.Table | Dataset],
    *,
    known_before: str,
    raw_since: str = "0001-01-01",
    predict_since: str = "0001-01-01",
) -> pa.Table:
    """Run features.sql and hold what it yields against pipeline.yaml.

    Parameters
    ----------
    tables
        The raw tables by source name, each with `ds` and `available_at` beside its declared columns.
    known_before
        ISO day. The query sees only rows with `available_at` before 00:00 UTC of it, and may ask its
        question no later than then.
    raw_since
        ISO day of the oldest partition that the query sees of a daily source.
    predict_since
        ISO day of the oldest `prediction_time` that is kept.

    Returns
    -------
    pyarrow.Table
        Sorted by `prediction_time` and key; timestamps have no zone and are UTC.

    Raises
    ------
    FeatureQueryFailed
        If the query does not run, or its columns or rows are not what pipeline.yaml declares.
    """
    import duckdb

    where = f"{pipeline.name}/{pipeline.features.query}"
    with open_duckdb(_memory()) as con:
        for name, table in tables.items():
            con.register(f"{name}__raw", table)
            con.execute(_known(name, table, known_before, raw_since, pipeline.sources[name].arrives))
            con.unregister(f"{name}__raw")
        # the query sees the tables above and nothing else: no file, no variable of this process
        con.execute("SET enable_external_access = false")
        con.execute("SET python_enable_replacements = false")
        try:
            statements = con.extract_statements(pipeline.text(pipeline.features.query))
            if [statement.type for statement in statements] != [duckdb.StatementType.SELECT]:
                tables = ", ".join(pipeline.sources)
                raise FeatureQueryFailed(
                    f"{where}: the file must hold one SELECT, and nothing else; the tables it may read are {tables}"
                )
            relation = con.sql(without_comments(statements[0].query).strip().removesuffix(";"))
        except duckdb.Error as error:
            raise FeatureQueryFailed(_failed(where, error, pipeline)) from error
        _check_columns(relation.columns, relation.types, pipeline, where)
        order = ", ".join(f'"{name}"' for name in [PREDICTION_TIME, *pipeline.features.key])
        predict_until = f"TIMESTAMP '{known_before}'"
        try:
            rows = relation.query(
                "yielded",
                f"SELECT {_plain_numbers(relation)} FROM yielded"
                f" WHERE {PREDICTION_TIME} >= TIMESTAMP '{predict_since}' OR {PREDICTION_TIME} IS NULL"
                f" ORDER BY {order}",
            ).to_arrow_table()
            _check_rows(con, rows, predict_until, pipeline, where)
        except duckdb.Error as error:
            raise FeatureQueryFailed(_failed(where, error, pipeline)) from error
    return rows


def _memory() -> str:
    memory = settings.query_memory()
    if not re.fullmatch(r"\d+(\.\d+)? ?([KMGT]i?B|%)", memory, re.IGNORECASE):
        raise FeatureQueryFailed(
            f"NIGHTSHIFT_QUERY_MEMORY is '{memory}', which is no amount of memory; write it as 2GB"
        )
    return memory


def check_query(pipeline: Pipeline) -> str | None:
    """Return what is wrong with features.sql, found on empty tables of the declared columns, or None."""
    import pyarrow as pa

    tables = {}
    for name, source in pipeline.sources.items():
        fields = [(column, arrow_type(declared)) for column, declared in source.columns.items()]
        own = [("ds", pa.string()), ("available_at", arrow_type("timestamp"))]
        fields += [field for field in own if field[0] not in source.columns]
        tables[name] = pa.schema(fields).empty_table()
    try:
        run_features_query(pipeline, tables, known_before="2000-01-01")
    except FeatureQueryFailed as error:
        return str(error)
    return None


def _known(name: str, table: pa.Table | Dataset, known_before: str, raw_since: str, arrives: str) -> str:
    """Return the statement that makes the table features.sql reads: what was known in time, in plain UTC.

    A table and not a view: without a table's row counts DuckDB plans as-of joins as if a side had one row,
    which was measured to take seventy times as long on a year of data.
    """
    import pyarrow as pa

    # a timestamp with a zone makes DuckDB use calendar functions of ICU, which are many times slower
    plain = [
        f'make_timestamp(epoch_us("{field.name}")) AS "{field.name}"'
        for field in table.schema
        if pa.types.is_timestamp(field.type) and field.type.tz
    ]
    replace = f"REPLACE ({', '.join(plain)})" if plain else ""
    exclude = "EXCLUDE (batch)" if "batch" in table.schema.names else ""
    recent = f" AND ds >= '{raw_since}'" if arrives == "daily" else ""
    return (
        f'CREATE TABLE "{name}" AS SELECT * {exclude} {replace} FROM "{name}__raw" '
        f"WHERE available_at < TIMESTAMPTZ '{known_before} 00:00:00+00'{recent}"
    )


def _plain_numbers(relation: DuckDBPyRelation) -> str:
    """Return a select list in which every number is one that a model can learn from.

    Exact numbers (a sum of integers is a HUGEINT) and truth values become doubles; what is not finite, as
    a division by 0 is, becomes null. A prediction time that is a date is its midnight.
    """
    changed = []
    for name, kind in zip(relation.columns, map(str, relation.types), strict=True):
        if name == PREDICTION_TIME:
            changed.append(f'CAST("{name}" AS TIMESTAMP) AS "{name}"')
        elif kind in ("HUGEINT", "UHUGEINT", "BOOLEAN") or kind.startswith("DECIMAL"):
            changed.append(f'CAST("{name}" AS DOUBLE) AS "{name}"')
        elif kind in ("DOUBLE", "FLOAT"):
            changed.append(f'CASE WHEN isfinite("{name}") THEN "{name}" END AS "{name}"')
    return f"* REPLACE ({', '.join(changed)})" if changed else "*"


def _check_columns(columns: list[str], types: list[object], pipeline: Pipeline, where: str) -> None:
    needed = [*pipeline.features.key, PREDICTION_TIME, pipeline.features.label, *pipeline.features.exclude]
    if pipeline.gate.baseline != "prior":
        needed.append(pipeline.gate.baseline)
    missing = [name for name in needed if name not in columns]
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if missing or twice:
        problem = f"does not yield {', '.join(missing)}" if missing else f"yields {', '.join(twice)} twice"
        raise FeatureQueryFailed(
            f"{where}: the query {problem}; it must yield the key, {PREDICTION_TIME}, the label and the "
            f"features that pipeline.yaml names, and yields {', '.join(columns)}"
        )
    if len(columns) == len(set(needed) - {pipeline.gate.baseline}):
        raise FeatureQueryFailed(f"{where}: the query yields no feature beside {', '.join(columns)}")
    kind = str(types[columns.index(PREDICTION_TIME)])
    if kind not in ("TIMESTAMP", "DATE"):
        raise FeatureQueryFailed(f"{where}: {PREDICTION_TIME} must be a TIMESTAMP in UTC, and is a {kind}")


def _check_rows(con: DuckDBPyConnection, rows: pa.Table, predict_until: str, pipeline: Pipeline, where: str) -> None:
    """Refuse rows without a key or a time, rows twice there, and questions asked in the future."""
    con.register("feature_rows", rows)
    key = ", ".join(f'"{name}"' for name in pipeline.features.key)
    null = " OR ".join(f'"{name}" IS NULL' for name in [PREDICTION_TIME, *pipeline.features.key])
    result = con.sql(
        f"SELECT count(*) FILTER ({null}), count(*) - count(DISTINCT ({key})), "
        f"count(*) FILTER ({PREDICTION_TIME} > {predict_until}) FROM feature_rows"
    ).fetchall()[0]
    for count, problem in zip(
        result,
        (
            f"have no {PREDICTION_TIME} or no key",
            f"share their key ({', '.join(pipeline.features.key)}) with another, so a join multiplies rows",
            f"have a {PREDICTION_TIME} later than all that is known",
        ),
        strict=True,
    ):
        if count:
            raise FeatureQueryFailed(f"{where}: {count:,} of {rows.num_rows:,} rows {problem}; correct the query")


def _failed(where: str, error: Exception, pipeline: Pipeline) -> str:
    import duckdb

    if isinstance(error, duckdb.OutOfMemoryException):
        return (
            f"{where}: the query needs more than {settings.query_memory()} of memory at once; set "
            "NIGHTSHIFT_QUERY_MEMORY to more, or history_days to less"
        )
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    message = " ".join(line for line in lines if not set(line) <= {"^", "~", " "})
    return f"{where}: {message}; the tables it may read are {', '.join(pipeline.sources)}"
