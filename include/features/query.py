"""Runs a pipeline's features.sql in DuckDB and checks its result."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

from include.core import settings
from include.core.as_of import end_of
from include.core.duckdb_connection import open_duckdb
from include.core.errors import FeatureQueryFailed
from include.core.sql_text import identifier, identifiers, literal
from include.features.automated import add_automated
from include.features.lineage import own_sources
from include.features.macros import create_macros, names_macro
from include.features.query_checks import PREDICTION_TIME, check_columns, check_rows
from include.features.query_tables import query_tables
from include.features.raw_tables import create_tables, fill_tables, used_columns
from include.ingestion.arrow_types import arrow_type

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    import pyarrow as pa
    from duckdb import DuckDBPyConnection, Statement
    from pyarrow.dataset import Dataset

    from include.config.pipeline import Pipeline
    from include.features.perturb import Perturbation

#: The view of features.sql, with a name that no source can have.
_VIEW = '"features.sql"'


def run_features_query(
    pipeline: Pipeline,
    tables: Mapping[str, pa.Table | Dataset],
    *,
    known_before: datetime | None = None,
    as_of: date | None = None,
    raw_since: date | None = None,
    rows_from: datetime | None = None,
    rows_until: datetime | None = None,
    perturbation: Perturbation | None = None,
) -> pa.Table:
    """Run features.sql and check that its result fits pipeline.yaml.

    Parameters
    ----------
    tables
        The raw tables by source name, each with `ds`, `available_at` and its declared columns.
    known_before
        Naive, in UTC, like all times here. The query sees only rows with an earlier `available_at`, and a later
        `prediction_time` is refused. None: all that the run as of `as_of` sees.
    as_of
        The day of the run; the query sees only rows that this run may see. Rows with a `prediction_time` after the end
        of the day are left to later runs; if they already have a label, they are refused. None: `known_before` decides.
    raw_since
        The oldest partition that the query sees of a source that is not a snapshot; None: all.
    rows_from
        The oldest `prediction_time` to keep; None: all.
    rows_until
        The newest `prediction_time` to keep; None: one later than what is known is refused.
    perturbation
        Changes values of the raw tables before the query reads them; if it changes none, no row is returned.

    Returns
    -------
    pyarrow.Table
        Sorted by `prediction_time` and key; timestamps have no zone and are UTC.

    Raises
    ------
    FeatureQueryFailed
        If the query does not run, or its columns or rows do not fit pipeline.yaml.
    """
    import duckdb

    where = f"{pipeline.name}/{pipeline.features.query}"
    latest = min(bound for bound in (known_before, end_of(as_of) if as_of else None) if bound)
    with open_duckdb(_memory()) as con:
        if pipeline.training.deterministic:
            con.execute("SET threads = 1")  # a sum of floats depends on the order in which threads add
        create_tables(con, tables, query_tables(pipeline))
        if names_macro(pipeline.text(pipeline.features.query)):
            create_macros(con)
        # the query may read only the tables above: no file and no variable of this process
        con.execute("SET enable_external_access = false")
        con.execute("SET python_enable_replacements = false")
        try:
            query = _only_select(con, pipeline, where)
            relation = con.sql(query)
            types = [*zip(relation.columns, map(str, relation.types), strict=True)]
            check_columns(types, pipeline, where)
            # parsing a long query takes longer than planning it, and a view is parsed once
            con.execute(f"CREATE VIEW {_VIEW} AS {query.query}")
            # automated features read columns that features.sql does not
            used = None if pipeline.features.automated else used_columns(con, f"FROM {_VIEW}")
            if perturbation:
                columns = used or {
                    name: {*pipeline.sources[table.source].columns} - table.hidden
                    for name, table in query_tables(pipeline).items()
                }
                needed = used and perturbation.needs(used)
                fill_tables(con, pipeline, tables, needed, known_before, raw_since, as_of)
                perturbation.apply(con, columns)
            else:
                fill_tables(con, pipeline, tables, used, known_before, raw_since, as_of)
            kept = _kept_rows(types, pipeline, rows_from, rows_until, latest if as_of else None)
            if perturbation and not perturbation.changed:
                kept += " LIMIT 0"  # nothing was changed, so there is nothing to compare
            rows = con.sql(kept).to_arrow_table()
            if pipeline.features.automated:
                rows = add_automated(con, pipeline, rows, own_sources(pipeline))
            check_rows(con, rows, rows_until or latest, pipeline, where)
        except duckdb.Error as error:
            raise FeatureQueryFailed(_failure_sentence(where, error, pipeline)) from error
    return rows


def _memory() -> str:
    memory = settings.query_memory()
    if not re.fullmatch(r"\d+(\.\d+)? ?([KMGT]i?B|%)", memory, re.IGNORECASE):
        raise FeatureQueryFailed(
            f"NIGHTSHIFT_QUERY_MEMORY is '{memory}', which is not an amount of memory; write it as 2GB"
        )
    return memory


def columns_behind(pipeline: Pipeline, column: str) -> dict[str, set[str]]:
    """Return the raw columns, by source, that DuckDB reads for one column of features.sql.

    They include the columns that join and filter rows, and not only those that its values come from.
    """
    with open_duckdb(_memory()) as con:
        create_tables(con, _empty_tables(pipeline), query_tables(pipeline))
        create_macros(con)
        query = _only_select(con, pipeline, f"{pipeline.name}/{pipeline.features.query}")
        con.execute(f"CREATE VIEW {_VIEW} AS {query.query}")
        return used_columns(con, f"SELECT {identifier(column)} FROM {_VIEW}")


def feature_schema(pipeline: Pipeline) -> pa.Schema:
    """Return the columns of the feature table, from a run on empty tables of the declared columns.

    Raises
    ------
    FeatureQueryFailed
        As `run_features_query`.
    """
    known_before = datetime.fromisoformat("2000-01-01")
    return run_features_query(pipeline, _empty_tables(pipeline), known_before=known_before).schema


def _empty_tables(pipeline: Pipeline) -> dict[str, pa.Table]:
    """Return a table without rows for each source, of its declared columns."""
    import pyarrow as pa

    tables = {}
    for name, source in pipeline.sources.items():
        fields = [(column, arrow_type(declared)) for column, declared in source.columns.items()]
        own = [("ds", pa.string()), ("available_at", arrow_type("timestamp"))]
        fields += [field for field in own if field[0] not in source.columns]
        tables[name] = pa.schema(fields).empty_table()
    return tables


def _only_select(con: DuckDBPyConnection, pipeline: Pipeline, where: str) -> Statement:
    """Return the statement of features.sql."""
    import duckdb

    statements = con.extract_statements(pipeline.text(pipeline.features.query))
    if [statement.type for statement in statements] != [duckdb.StatementType.SELECT]:
        raise FeatureQueryFailed(
            f"{where}: the file must hold exactly one SELECT; the tables it may read are {_table_names(pipeline)}"
        )
    return statements[0]


def _kept_rows(
    types: list[tuple[str, str]],
    pipeline: Pipeline,
    rows_from: datetime | None,
    rows_until: datetime | None,
    unlabelled_until: datetime | None,
) -> str:
    """Return the query of the rows to keep, in order; rows without a time are kept, to be refused."""
    bounds = ((">=", rows_from, ""), ("<=", rows_until, ""))
    labelled = f" OR {identifier(pipeline.features.label)} IS NOT NULL"
    conditions = [
        f"({PREDICTION_TIME} {sign} TIMESTAMP {literal(bound.isoformat(' '))}{otherwise})"
        for sign, bound, otherwise in (*bounds, ("<=", unlabelled_until, labelled))
        if bound is not None
    ]
    kept = f" WHERE {PREDICTION_TIME} IS NULL OR {' AND '.join(conditions)}" if conditions else ""
    order = identifiers([PREDICTION_TIME, *pipeline.features.key])
    return f"SELECT {_plain_numbers(types)} FROM {_VIEW}{kept} ORDER BY {order}"


def _plain_numbers(types: list[tuple[str, str]]) -> str:
    """Return a select list that converts every number to a type that a model can learn from.

    Exact numbers (a sum of integers is a HUGEINT) and booleans become doubles, and NaN becomes null. A prediction time
    that is a date becomes its midnight.
    """
    listed = []  # a star with replacements would take DuckDB minutes for thousands of columns
    for column, kind in types:
        name = identifier(column)
        if column == PREDICTION_TIME:
            listed.append(f"CAST({name} AS TIMESTAMP) AS {name}")
        elif kind in ("HUGEINT", "UHUGEINT", "BOOLEAN") or kind.startswith("DECIMAL"):
            listed.append(f"CAST({name} AS DOUBLE) AS {name}")
        elif kind in ("DOUBLE", "FLOAT"):
            listed.append(f"CASE WHEN NOT isnan({name}) THEN {name} END AS {name}")
        else:
            listed.append(name)
    return ", ".join(listed)


def _failure_sentence(where: str, error: Exception, pipeline: Pipeline) -> str:
    """Return the sentence on an error of DuckDB, without its trace and its marks under the SQL."""
    import duckdb

    if isinstance(error, duckdb.OutOfMemoryException):
        return (
            f"{where}: the query needs more than {settings.query_memory()} of memory at once; raise "
            "NIGHTSHIFT_QUERY_MEMORY, or lower history_days"
        )
    text = re.split("Stack Trace|Detail: Python exception", str(error))[0]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    message = " ".join(line for line in lines if not set(line) <= {"^", "~", " "})
    return f"{where}: {message}; the tables it may read are {_table_names(pipeline)}"


def _table_names(pipeline: Pipeline) -> str:
    """Return the tables that a query may read, each with the source's columns that it lacks."""
    tables = query_tables(pipeline).items()
    return ", ".join(
        f"{name} (without {', '.join(sorted(table.hidden))})" if table.hidden else name for name, table in tables
    )
