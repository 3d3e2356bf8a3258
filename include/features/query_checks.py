"""Checks that the columns and rows of a feature query fit pipeline.yaml."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from include.config.sources import READER_COLUMNS
from include.core.errors import FeatureQueryFailed
from include.core.names import nearest, wrong_column_names
from include.core.sql_text import identifier, identifiers, literal
from include.core.suggestions import did_you_mean
from include.features.automated import automated_names
from include.lake import MONTH

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    import pyarrow as pa
    from duckdb import DuckDBPyConnection

    from include.config.pipeline import Pipeline

PREDICTION_TIME = "prediction_time"
#: DuckDB's types that no model can learn from, besides lists and arrays.
_UNUSABLE = re.compile("TIME|DATE|INTERVAL|BLOB|BIT|STRUCT|MAP|UNION")


def check_columns(types: list[tuple[str, str]], pipeline: Pipeline, where: str) -> None:
    """Refuse a result that lacks a needed column, or has one that no model can use."""
    columns = [name for name, _ in types]
    needed = [*pipeline.features.key, PREDICTION_TIME, pipeline.features.label, *pipeline.features.exclude]
    gate = pipeline.gate
    used_columns = [*([gate.baseline] if gate.baseline != "prior" else []), *gate.slices, *gate.sensitive]
    used_columns += [pipeline.training.group] if pipeline.training.group else []
    available = dict.fromkeys([*columns, *automated_names(pipeline)])
    wrong = wrong_column_names(available, (MONTH, *READER_COLUMNS))
    if wrong:
        raise FeatureQueryFailed(f"{where}: {'; '.join(wrong)}")
    missing = [
        _with_suggestion(name, available) for name in dict.fromkeys([*needed, *used_columns]) if name not in available
    ]
    twice = sorted(name for name, count in Counter(columns).items() if count > 1)
    if missing or twice:
        problem = f"does not return {', '.join(missing)}" if missing else f"returns {', '.join(twice)} twice"
        raise FeatureQueryFailed(
            f"{where}: the query {problem}; it must return the key, {PREDICTION_TIME}, the label and the "
            f"features that pipeline.yaml names, and returns {', '.join(columns)}"
        )
    _check_features({name: kind for name, kind in types if name not in pipeline.kept_out}, where)
    if len(columns) == len(set(needed)):
        raise FeatureQueryFailed(f"{where}: the query returns no feature besides {', '.join(columns)}; add one")
    kind = dict(types)[PREDICTION_TIME]
    if kind not in ("TIMESTAMP", "DATE"):
        raise FeatureQueryFailed(
            f"{where}: {PREDICTION_TIME} must be a TIMESTAMP in UTC, but is a {kind}; cast it in the query"
        )
    mistake = label_mistake(pipeline.features.label, dict(types)[pipeline.features.label], pipeline.training.task)
    if mistake:
        raise FeatureQueryFailed(f"{where}: {mistake}")


def label_mistake(label: str, kind: str, task: str) -> str | None:
    """Return why a label with a type of DuckDB does not fit a task, or None if it does."""
    is_text = kind == "VARCHAR" or kind.startswith("ENUM")
    is_neither = kind.endswith("]") or kind.startswith(("DATE", "TIME", "INTERVAL", "BLOB", "STRUCT", "MAP", "UUID"))
    if not is_neither and (not is_text or task == "multiclass"):
        return None
    needed = {"binary": "0 or 1", "multiclass": "text or a whole number"}.get(task, "a number")
    problem = f"the label '{label}' is {'text' if is_text else f'a {kind}'}, and the task {task} needs {needed}"
    if not is_text:
        return f"{problem}; convert it in the query"
    example = f"CAST({label} = '...' AS INTEGER)" if task == "binary" else f"CAST({label} AS DOUBLE)"
    return f"{problem}; convert it in the query, such as by {example}, or set training.task to multiclass"


def _with_suggestion(name: str, columns: Iterable[str]) -> str:
    """Return a missing column's name, with the column that was most likely meant."""
    near = nearest(name, columns)
    return f"{name} ({did_you_mean(name, near)})" if near else name


def _check_features(types: dict[str, str], where: str) -> None:
    """Refuse columns that a star includes by mistake: the lake's own, and those that no model can learn from."""
    lake_columns = [name for name in types if re.fullmatch(r"(ds|available_at)(_\d+)?", name, re.IGNORECASE)]
    lake_columns += [name for name, kind in types.items() if name == "delivered" and kind == "VARCHAR"]
    if lake_columns:
        raise FeatureQueryFailed(
            f"{where}: the query returns {', '.join(lake_columns)} as a feature, which only says when a row was "
            f"delivered; leave it out (SELECT * EXCLUDE ({', '.join(lake_columns)})), or name it in features.exclude"
        )
    unusable = [f"{name} ({kind})" for name, kind in types.items() if _UNUSABLE.match(kind) or kind.endswith("]")]
    if unusable:
        raise FeatureQueryFailed(
            f"{where}: the query returns {', '.join(unusable)} as a feature, but a feature is a number, a boolean "
            "or text; turn it into one (the hour, the days since), leave it out, or name it in features.exclude"
        )


def check_rows(con: DuckDBPyConnection, rows: pa.Table, until: datetime, pipeline: Pipeline, where: str) -> None:
    """Refuse rows without a key or a time, duplicate keys, prediction times in the future, and infinite numbers."""
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
        f"share their key ({', '.join(pipeline.features.key)}) with another row, so a join multiplies rows; correct "
        "the query",
        f"have a {PREDICTION_TIME} later than anything known; correct the query",
        *(f"have an infinite {name}, which no model can learn from; divide by nullif(..., 0)" for name in floats),
    ]
    for count, problem in zip([*result, *infinite], problems, strict=True):
        if count:
            raise FeatureQueryFailed(f"{where}: {count:,} of {rows.num_rows:,} rows {problem}")
