"""Runs a pipeline's features.sql in DuckDB, over whatever stands for its raw tables."""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING

from include.config.sources import READER_COLUMNS
from include.core import settings
from include.core.as_of import end_of
from include.core.duckdb_connection import open_duckdb
from include.core.errors import FeatureQueryFailed
from include.core.names import nearest, wrong_column_names
from include.core.sql_text import identifier, identifiers, literal
from include.core.suggestions import did_you_mean
from include.features.automated import add_automated, automated_names
from include.features.lineage import own_sources
from include.features.macros import create_macros, names_macro
from include.features.query_tables import query_tables
from include.features.raw_tables import create_tables, fill_tables, used_columns
from include.ingestion.contract import arrow_type
from include.lake import MONTH

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

    import pyarrow as pa
    from duckdb import DuckDBPyConnection, Statement
    from pyarrow.dataset import Dataset

    from include.config.pipeline import Pipeline
    from include.features.perturb import Perturbation

PREDICTION_TIME = "prediction_time"
#: What features.sql yields, by a name that no source can have.
_VIEW = '"features.sql"'
#: DuckDB's types that no model can learn from; so are lists and arrays.
_UNUSABLE = re.compile("TIME|DATE|INTERVAL|BLOB|BIT|STRUCT|MAP|UNION")


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
    """Run features.sql and hold what it yields against pipeline.yaml.

    Parameters
    ----------
    tables
        The raw tables by source name, each with `ds` and `available_at` beside its declared columns.
    known_before
        Naive, in UTC, as all times here. The query sees only rows with an `available_at` before it, and may
        ask its question no later than then. None: all that the run as of `as_of` sees.
    as_of
        The day whose run asks; the query sees only rows that this run sees. Rows that are asked after the end of the
        day are left to later runs, unless they have a label already, which is refused. None: `known_before` decides.
    raw_since
        The oldest partition that the query sees of a source that is no snapshot; None: all.
    rows_from
        The oldest `prediction_time` that is kept; None: all.
    rows_until
        The newest `prediction_time` that is kept; None: a later one than may be asked is refused.
    perturbation
        Changes values of the raw tables before the query reads them; where it changes none, no row is returned.

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
    latest = min(bound for bound in (known_before, as_of and end_of(as_of)) if bound)
    with open_duckdb(_memory()) as con:
        if pipeline.training.deterministic:
            con.execute("SET threads = 1")  # a sum of floats depends on the order in which threads add
        create_tables(con, tables, query_tables(pipeline))
        if names_macro(pipeline.text(pipeline.features.query)):
            create_macros(con)
        # the query sees the tables above and nothing else: no file, no variable of this process
        con.execute("SET enable_external_access = false")
        con.execute("SET python_enable_replacements = false")
        try:
            query = _only_select(con, pipeline, where)
            relation = con.sql(query)
            types = [*zip(relation.columns, map(str, relation.types), strict=True)]
            _check_columns(types, pipeline, where)
            # to parse a long query takes longer than to plan it, and a view is parsed once
            con.execute(f"CREATE VIEW {_VIEW} AS {query.query}")
            # automated features read what features.sql does not
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
                kept += " LIMIT 0"  # who asks compares what was changed
            rows = con.sql(kept).to_arrow_table()
            if pipeline.features.automated:
                rows = add_automated(con, pipeline, rows, own_sources(pipeline))
            _check_rows(con, rows, rows_until or latest, pipeline, where)
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


def columns_behind(pipeline: Pipeline, column: str) -> dict[str, set[str]]:
    """Return the raw columns, by source, that DuckDB reads for one column that features.sql yields.

    More than its values come from: also what rows are joined and filtered by.
    """
    with open_duckdb(_memory()) as con:
        create_tables(con, _empty_tables(pipeline), query_tables(pipeline))
        create_macros(con)
        query = _only_select(con, pipeline, f"{pipeline.name}/{pipeline.features.query}")
        con.execute(f"CREATE VIEW {_VIEW} AS {query.query}")
        return used_columns(con, f"SELECT {identifier(column)} FROM {_VIEW}")


def feature_schema(pipeline: Pipeline) -> pa.Schema:
    """Return the columns of the feature table, found on empty tables of the declared columns.

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
            f"{where}: the file must hold one SELECT, and nothing else; the tables it may read are "
            f"{_table_names(pipeline)}"
        )
    return statements[0]


def _kept_rows(
    types: list[tuple[str, str]],
    pipeline: Pipeline,
    rows_from: datetime | None,
    rows_until: datetime | None,
    unlabelled_until: datetime | None,
) -> str:
    """Return the query of the rows that are asked for, in order; rows without a time are kept, and so refused."""
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
    """Return a select list in which every number is one that a model can learn from.

    Exact numbers (a sum of integers is a HUGEINT) and truth values become doubles; what is not a number (NaN)
    becomes null. A prediction time that is a date is its midnight.
    """
    listed = []  # and no star with replacements, which takes DuckDB minutes for thousands of columns
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


def _check_columns(types: list[tuple[str, str]], pipeline: Pipeline, where: str) -> None:
    columns = [name for name, _ in types]
    needed = [*pipeline.features.key, PREDICTION_TIME, pipeline.features.label, *pipeline.features.exclude]
    gate = pipeline.gate
    judged_by = [*([gate.baseline] if gate.baseline != "prior" else []), *gate.slices, *gate.sensitive]
    judged_by += [pipeline.training.group] if pipeline.training.group else []
    there = dict.fromkeys([*columns, *automated_names(pipeline)])
    wrong = wrong_column_names(there, (MONTH, *READER_COLUMNS))
    if wrong:
        raise FeatureQueryFailed(f"{where}: of what the query yields {'; '.join(wrong)}")
    missing = [_with_nearest(name, there) for name in dict.fromkeys([*needed, *judged_by]) if name not in there]
    twice = sorted(name for name, count in Counter(columns).items() if count > 1)
    if missing or twice:
        problem = f"does not yield {', '.join(missing)}" if missing else f"yields {', '.join(twice)} twice"
        raise FeatureQueryFailed(
            f"{where}: the query {problem}; it must yield the key, {PREDICTION_TIME}, the label and the "
            f"features that pipeline.yaml names, and yields {', '.join(columns)}"
        )
    _check_features({name: kind for name, kind in types if name not in pipeline.kept_out}, where)
    if len(columns) == len(set(needed)):
        raise FeatureQueryFailed(f"{where}: the query yields no feature beside {', '.join(columns)}")
    kind = dict(types)[PREDICTION_TIME]
    if kind not in ("TIMESTAMP", "DATE"):
        raise FeatureQueryFailed(f"{where}: {PREDICTION_TIME} must be a TIMESTAMP in UTC, and is a {kind}")
    wrong = label_mistake(pipeline.features.label, dict(types)[pipeline.features.label], pipeline.training.task)
    if wrong:
        raise FeatureQueryFailed(f"{where}: {wrong}")


def label_mistake(label: str, kind: str, task: str) -> str | None:
    """Return why a label of a type of DuckDB cannot serve a task, or None where it can."""
    is_text = kind == "VARCHAR" or kind.startswith("ENUM")
    is_neither = kind.endswith("]") or kind.startswith(("DATE", "TIME", "INTERVAL", "BLOB", "STRUCT", "MAP", "UUID"))
    if not is_neither and (not is_text or task == "multiclass"):
        return None
    needed = {"binary": "0 or 1", "multiclass": "text or a whole number"}.get(task, "a number")
    told = f"the label '{label}' is {'text' if is_text else f'a {kind}'}, and the task {task} needs {needed}"
    if not is_text:
        return f"{told}; make it one there"
    example = f"CAST({label} = '...' AS INTEGER)" if task == "binary" else f"CAST({label} AS DOUBLE)"
    return f"{told}; make it one there, such as by {example}, or set training.task to multiclass"


def _with_nearest(name: str, there: Iterable[str]) -> str:
    """Return a missing column's name, with that of the column that was most likely meant."""
    near = nearest(name, there)
    return f"{name} ({did_you_mean(name, near)})" if near else name


def _check_features(types: dict[str, str], where: str) -> None:
    """Refuse columns that a star brought along: the lake's own, and those that no model can learn from."""
    lakes = [name for name in types if re.fullmatch(r"(ds|available_at)(_\d+)?", name, re.IGNORECASE)]
    lakes += [name for name, kind in types.items() if name == "delivered" and kind == "VARCHAR"]
    if lakes:
        raise FeatureQueryFailed(
            f"{where}: the query yields {', '.join(lakes)} as a feature, which says when a row was delivered and "
            f"nothing of what is asked; leave it out (SELECT * EXCLUDE ({', '.join(lakes)})), or name it in "
            "features.exclude"
        )
    unusable = [f"{name} ({kind})" for name, kind in types.items() if _UNUSABLE.match(kind) or kind.endswith("]")]
    if unusable:
        raise FeatureQueryFailed(
            f"{where}: the query yields {', '.join(unusable)} as a feature, and a feature is a number, a truth value "
            "or text; turn it into one (the hour, the days since), leave it out, or name it in features.exclude"
        )


def _check_rows(con: DuckDBPyConnection, rows: pa.Table, until: datetime, pipeline: Pipeline, where: str) -> None:
    """Refuse rows without a key or a time, rows twice there, questions asked in the future, and infinite numbers."""
    import pyarrow as pa
    import pyarrow.compute as pc

    con.register("feature_rows", rows)
    key = identifiers(pipeline.features.key)
    null = " OR ".join(f"{identifier(name)} IS NULL" for name in [PREDICTION_TIME, *pipeline.features.key])
    floats = [field.name for field in rows.schema if pa.types.is_floating(field.type)]
    counts = [
        f"count(*) FILTER ({null})",
        f"count(*) - count(DISTINCT ({key}))",
        f"count(*) FILTER ({PREDICTION_TIME} > TIMESTAMP {literal(until.isoformat(' '))})",
    ]
    result = con.execute(f"SELECT {', '.join(counts)} FROM feature_rows").fetchall()[0]
    infinite = [pc.sum(pc.is_inf(rows[name])).as_py() for name in floats]
    problems = [
        f"have no {PREDICTION_TIME} or no key; correct the query",
        f"share their key ({', '.join(pipeline.features.key)}) with another, so a join multiplies rows; correct the "
        "query",
        f"have a {PREDICTION_TIME} later than all that is known; correct the query",
        *(f"have an infinite {name}, which no model can learn from; divide by nullif(..., 0) there" for name in floats),
    ]
    for count, problem in zip([*result, *infinite], problems, strict=True):
        if count:
            raise FeatureQueryFailed(f"{where}: {count:,} of {rows.num_rows:,} rows {problem}")


def _failed(where: str, error: Exception, pipeline: Pipeline) -> str:
    import duckdb

    if isinstance(error, duckdb.OutOfMemoryException):
        return (
            f"{where}: the query needs more than {settings.query_memory()} of memory at once; set "
            "NIGHTSHIFT_QUERY_MEMORY to more, or history_days to less"
        )
    told = re.split("Stack Trace|Detail: Python exception", str(error))[0]
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    message = " ".join(line for line in lines if not set(line) <= {"^", "~", " "})
    return f"{where}: {message}; the tables it may read are {_table_names(pipeline)}"


def _table_names(pipeline: Pipeline) -> str:
    """Return the tables that a query may read, each with the columns that it does not have."""
    tables = query_tables(pipeline).items()
    return ", ".join(
        f"{name} (without {', '.join(sorted(table.hidden))})" if table.hidden else name for name, table in tables
    )
