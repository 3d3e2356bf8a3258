"""Runs a suite: DuckDB counts what it can, pandas the rest, and Great Expectations judges both."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from include.core.duckdb_connection import aggregate
from include.core.sql_text import identifier, literal
from include.profiling.rows import POSITION
from include.validation.counting import Counted, counted
from include.validation.explain import explain, shown, subject_and_rule, why_not_judged
from include.validation.report import Failure
from include.validation.typed_expectation import fit, is_named, type_word

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from great_expectations.core import ExpectationValidationResult
    from great_expectations.expectations.expectation import Expectation

    from include.profiling.rows import Rows

log = logging.getLogger(__name__)

#: The expectation that is judged by a histogram.
HISTOGRAM = "expect_column_kl_divergence_to_be_less_than"

SUMMARY = {"result_format": "SUMMARY", "partial_unexpected_count": 20, "include_unexpected_rows": False}


@dataclass(frozen=True)
class Judged:
    """One expectation with what became of it.

    Attributes
    ----------
    expectation
        In the terms of its columns (`fit`).
    result
        Great Expectations' own result.
    sql
        How it was counted, where DuckDB did it.
    positions
        The rows that break it, where pandas counted it and knows them.
    not_judged
        Why it could not be judged, in words; empty where it could.
    """

    expectation: Expectation
    result: ExpectationValidationResult
    sql: Counted | None = None
    positions: list[int] = field(default_factory=list)
    not_judged: str = ""

    @property
    def severity(self) -> str:
        """`critical`, `warning` or `info`."""
        severity = self.result.expectation_config.severity
        return getattr(severity, "value", severity) or "critical"

    @property
    def breaks_rows(self) -> bool:
        """Whether single rows are not fit to be published."""
        found = self.result.result.get("unexpected_count") or 0
        return self.severity == "critical" and found > 0 and bool(self.positions or (self.sql and self.sql.unexpected))


def run_suite(rows: Rows, suite: list[Expectation], *, push_down: bool = True) -> list[Judged]:
    """Hold rows against expectations and return what became of each, in their order.

    Parameters
    ----------
    push_down
        Whether DuckDB may count; without it Great Expectations computes everything in pandas.
    """
    import duckdb

    suite = [fit(each, rows.types) for each in suite]
    plans = {at: counted(each, rows.types) for at, each in enumerate(suite)} if push_down else {}
    in_sql = {at: plan for at, plan in plans.items() if plan is not None}
    judged: dict[int, Judged] = {}
    if in_sql:
        try:
            judged = _in_duckdb(rows, suite, in_sql)
        except duckdb.Error as error:  # such as a deviation of infinite numbers; pandas knows what to do with it
            log.info("the expectations are counted in pandas, since DuckDB says: %s", str(error).splitlines()[0])
    judged |= {at: found for at, each in enumerate(suite) if (found := _of_type(each, rows.types)) is not None}
    for at, each in enumerate(suite):  # a histogram's counts take no null of an integer column
        column = each.configuration.kwargs.get("column")
        if each.expectation_type == HISTOGRAM and column in rows.types:
            frame = rows.frame(_columns([each])).dropna(subset=[column])
            [judged[at]] = _in_pandas(frame, [each])
    rest = [at for at in range(len(suite)) if at not in judged]
    if rest:
        chosen = [suite[at] for at in rest]
        judged |= dict(zip(rest, _in_pandas(rows.frame(_columns(chosen)), chosen), strict=True))
    return [_settled(judged[at], rows) for at in range(len(suite))]


def failures(judged: list[Judged]) -> list[Failure]:
    """Return what failed, the critical first."""
    found = []
    for each in judged:
        if not each.result.success:
            kwargs = each.expectation.configuration.kwargs
            subject, explanation = explain(each.result, kwargs, each.not_judged)
            found.append(Failure(each.result.expectation_config.type, subject, each.severity, explanation))
    return sorted(found, key=lambda failure: failure.severity != "critical")


def broken_rows(rows: Rows, judged: list[Judged], own: int, day: str, columns: list[str], limit: int) -> pa.Table:
    """Return the rows that break a critical expectation on single rows, whether or not it holds as a whole.

    Parameters
    ----------
    own
        So many of the first expectations are of the lake itself (its keys): rows that break them can never
        be released.
    day
        SQL of the day that a row was delivered for.
    columns
        The columns that make a row what it is.
    limit
        Rows that are returned at most.

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
    reasons = ", ".join(f"CASE WHEN broken{number} THEN {literal(_rule(judged[number]))} END" for number in conditions)
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
    """Return the rows with some ids, in the columns of `broken_rows`; nothing is known of why they are there."""
    return rows.con.sql(
        f"""
        SELECT *, NULL::VARCHAR AS reason, NULL::BOOLEAN AS releasable
        FROM (SELECT {_identity(day, columns)} FROM rows)
        WHERE row_id IN (SELECT unnest(?::VARCHAR[]))
        ORDER BY position
        """,
        params=[row_ids],
    ).to_arrow_table()


def _identity(day: str, columns: list[str]) -> str:
    """Return the SQL of what a row in quarantine is known by."""
    values = ", ".join(f"{literal(name)}: {identifier(name)}" for name in columns)
    text = f"to_json({{{values}}})::VARCHAR"
    return f"{day} AS day, {POSITION} AS position, left(sha256({text}), 16) AS row_id, {text} AS row"


def no_rows() -> pa.Table:
    """Return the columns of `broken_rows` without a row."""
    import pyarrow as pa

    text = [(name, pa.string()) for name in ("day", "row_id", "row", "reason")]
    return pa.schema([*text, ("position", pa.int64()), ("releasable", pa.bool_())]).empty_table()


def _in_duckdb(rows: Rows, suite: list[Expectation], plans: dict[int, Counted]) -> dict[int, Judged]:
    """Count all metrics in one query, with examples of what is unexpected, and let GX judge them."""
    for name, query in {name: query for plan in plans.values() for name, query in plan.tables.items()}.items():
        rows.con.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {query}")
    numbers = _ask(rows, [sql for plan in plans.values() for sql in (*plan.metrics.values(), *plan.examples.values())])
    judged = {}
    for at, plan in plans.items():
        metrics = {name: numbers[sql] for name, sql in plan.metrics.items()}
        examples = {name: numbers[sql] or [] for name, sql in plan.examples.items()}
        verdict = suite[at]._validate(metrics | examples, runtime_configuration={"result_format": SUMMARY})
        result = suite[at]._build_evr(raw_response=verdict, configuration=suite[at].configuration)
        judged[at] = Judged(suite[at], result, sql=plan)
    return judged


def _ask(rows: Rows, aggregates: list[str]) -> dict[str, Any]:
    """Return the value of each aggregate over the rows."""
    wanted = list(dict.fromkeys(aggregates))
    return dict(zip(wanted, aggregate(rows.con, wanted, "rows")[None], strict=True))


def _of_type(expectation: Expectation, types: dict[str, str]) -> Judged | None:
    """Judge an expectation on the type of a column, which is the same on a day with nulls; None of any other."""
    kwargs = expectation.configuration.kwargs
    kind = types.get(kwargs.get("column") or "")
    names = kwargs.get("type_list") or ([kwargs["type_"]] if "type_" in kwargs else None)
    if kind is None or not isinstance(names, list):
        return None
    verdict = {"success": any(is_named(kind, name) for name in names), "result": {"observed_value": type_word(kind)}}
    return Judged(expectation, expectation._build_evr(raw_response=verdict, configuration=expectation.configuration))


def _in_pandas(frame: pd.DataFrame, suite: list[Expectation]) -> list[Judged]:
    """Let Great Expectations count and judge the frame, one expectation after another."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    in_memory = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(), progress_bars=ProgressBarsConfig(globally=False)
    )
    context = gx.get_context(mode="ephemeral", project_config=in_memory)
    batch = (
        context.data_sources.add_pandas("rows")
        .add_dataframe_asset("rows")
        .add_batch_definition_whole_dataframe("rows")
        .get_batch(batch_parameters={"dataframe": frame})
    )
    judged = []
    for each in suite:
        complete = SUMMARY | {"result_format": "COMPLETE", "return_unexpected_index_query": False}
        result = batch.validate(each, result_format=complete)
        broken = result.result.pop("unexpected_index_list", None) or []
        for long in ("unexpected_list", "partial_unexpected_index_list"):
            result.result.pop(long, None)
        judged.append(Judged(each, result, positions=[row[POSITION] for row in broken]))
    return judged


def _settled(judged: Judged, rows: Rows) -> Judged:
    """Return what became of an expectation once it is said what having no rows, no values or an error means.

    Whether a day may be empty is for `rows_per_day` to say, so what is about a column's values holds of no rows.
    """
    from great_expectations.expectations.expectation import ColumnAggregateExpectation, ColumnMapExpectation

    result = judged.result
    if result.success:
        return judged
    of_values = isinstance(judged.expectation, ColumnAggregateExpectation) and judged.expectation.column in rows.types
    if of_values and not rows.count():
        result.success, result.exception_info = True, None
        return judged
    raised = [info for info in _exceptions(result.exception_info) if info.get("raised_exception")]
    of_each = isinstance(judged.expectation, ColumnMapExpectation) and judged.expectation.column in rows.types
    if raised and of_each and not rows.count(judged.expectation.column):  # such as a deviation of nothing
        result.success, result.exception_info = True, None
        return judged
    nothing = raised or shown(result.result.get("observed_value")) in ("null", "[]")
    if of_values and nothing and not rows.count(judged.expectation.column):
        result.exception_info = None
        return replace(judged, not_judged=f"failed, since none of the {rows.count():,} rows has a value")
    if raised:
        told = why_not_judged(str(raised[0].get("exception_message")), named_columns(judged.expectation), rows.types)
        result.exception_info = {"raised_exception": True, "exception_message": told, "exception_traceback": ""}
        return replace(judged, not_judged=f"could not be judged: {told}")
    return judged


def named_columns(expectation: Expectation) -> list[str]:
    """Return the columns that an expectation is about; none where it is about the table."""
    kwargs = expectation.configuration.kwargs
    named = [kwargs.get("column"), kwargs.get("column_A"), kwargs.get("column_B")]
    return [*filter(None, named), *(kwargs.get("column_list") or [])]


def _columns(suite: list[Expectation]) -> set[str] | None:
    """Return the columns that expectations are about, or None where one is about the whole table."""
    found: set[str] = set()
    for each in suite:
        columns = named_columns(each)
        of_table = each.expectation_type.startswith("expect_table_")
        if each.configuration.kwargs.get("row_condition") or of_table or not columns:
            return None
        found |= set(columns)
    return found


def _rule(judged: Judged) -> str:
    """Return what a broken row breaks, for the quarantine's column `reason`."""
    config = judged.expectation.configuration
    of_a_row = {name: each for name, each in config.kwargs.items() if name != "mostly"}
    column, rule = subject_and_rule(config.type, of_a_row)
    return f"{column}: {config.type}" + (f" ({rule})" if rule else "")


def _exceptions(info: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Return GX's exception records, which it gives either directly or one level down by metric."""
    info = info or {}
    return [info] if "raised_exception" in info else [each for each in info.values() if isinstance(each, dict)]
