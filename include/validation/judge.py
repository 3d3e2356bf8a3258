"""Runs a suite: DuckDB counts what it can, pandas counts the rest, and Great Expectations judges both."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from include.core.duckdb_connection import aggregate
from include.profiling.rows import POSITION
from include.validation.arguments import named_columns
from include.validation.counting import ExpectationSql, expectation_sql
from include.validation.explain import explain, shown, why_not_judged
from include.validation.report import Failure
from include.validation.typed_expectation import has_type_name, type_word, with_column_types

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations.core import ExpectationValidationResult
    from great_expectations.expectations.expectation import Expectation

    from include.profiling.rows import Rows

log = logging.getLogger(__name__)

#: The expectation that Great Expectations judges by a histogram.
HISTOGRAM = "expect_column_kl_divergence_to_be_less_than"

SUMMARY = {"result_format": "SUMMARY", "partial_unexpected_count": 20, "include_unexpected_rows": False}


@dataclass(frozen=True)
class Judged:
    """One expectation and its result.

    Attributes
    ----------
    expectation
        With constants of its columns' types, as `with_column_types` makes it.
    result
        Great Expectations' own result.
    sql
        The SQL that counted it; None if pandas did.
    positions
        The rows that break it, if pandas counted them and knows them.
    not_judged
        Why it could not be judged; empty if it was.
    """

    expectation: Expectation
    result: ExpectationValidationResult
    sql: ExpectationSql | None = None
    positions: list[int] = field(default_factory=list)
    not_judged: str = ""

    @property
    def severity(self) -> str:
        """`critical`, `warning` or `info`."""
        severity = self.result.expectation_config.severity
        return getattr(severity, "value", severity) or "critical"

    @property
    def breaks_rows(self) -> bool:
        """Whether single rows must not be published."""
        unexpected = self.result.result.get("unexpected_count") or 0
        knows_rows = bool(self.positions or (self.sql and self.sql.unexpected))
        return self.severity == "critical" and unexpected > 0 and knows_rows


def run_suite(rows: Rows, suite: list[Expectation], *, push_down: bool = True) -> list[Judged]:
    """Judge rows by expectations and return the results in the same order.

    Parameters
    ----------
    push_down
        Whether DuckDB may count; without it pandas counts everything.
    """
    import duckdb

    suite = [with_column_types(each, rows.types) for each in suite]
    plans = {at: expectation_sql(each, rows.types) for at, each in enumerate(suite)} if push_down else {}
    in_sql = {at: plan for at, plan in plans.items() if plan is not None}
    judged: dict[int, Judged] = {}
    if in_sql:
        try:
            judged = _judge_in_duckdb(rows, suite, in_sql)
        except duckdb.Error as error:  # such as the deviation of infinite numbers, which pandas can handle
            log.info("pandas counts the expectations, since DuckDB failed: %s", str(error).splitlines()[0])
    judged |= {at: found for at, each in enumerate(suite) if (found := _judge_type(each, rows.types)) is not None}
    for at, each in enumerate(suite):  # a histogram cannot count the nulls of an integer column
        column = each.configuration.kwargs.get("column")
        if each.expectation_type == HISTOGRAM and column in rows.types:
            frame = rows.frame(_columns([each])).dropna(subset=[column])
            [judged[at]] = _judge_in_pandas(frame, [each])
    rest = [at for at in range(len(suite)) if at not in judged]
    if rest:
        chosen = [suite[at] for at in rest]
        judged |= dict(zip(rest, _judge_in_pandas(rows.frame(_columns(chosen)), chosen), strict=True))
    return [_settle(judged[at], rows) for at in range(len(suite))]


def failures(judged: list[Judged]) -> list[Failure]:
    """Return the failures, the critical ones first."""
    found = []
    for each in judged:
        if not each.result.success:
            kwargs = each.expectation.configuration.kwargs
            subject, explanation = explain(each.result, kwargs, each.not_judged)
            found.append(Failure(each.result.expectation_config.type, subject, each.severity, explanation))
    return sorted(found, key=lambda failure: failure.severity != "critical")


def _judge_in_duckdb(rows: Rows, suite: list[Expectation], plans: dict[int, ExpectationSql]) -> dict[int, Judged]:
    """Count all metrics in one query, with examples of unexpected values, and let Great Expectations judge them."""
    for name, query in {name: query for plan in plans.values() for name, query in plan.tables.items()}.items():
        rows.con.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {query}")
    wanted = dict.fromkeys(sql for plan in plans.values() for sql in (*plan.metrics.values(), *plan.examples.values()))
    numbers = dict(zip(wanted, aggregate(rows.con, list(wanted), "rows")[None], strict=True))
    judged = {}
    for at, plan in plans.items():
        metrics = {name: numbers[sql] for name, sql in plan.metrics.items()}
        examples = {name: numbers[sql] or [] for name, sql in plan.examples.items()}
        verdict = suite[at]._validate(metrics | examples, runtime_configuration={"result_format": SUMMARY})
        result = suite[at]._build_evr(raw_response=verdict, configuration=suite[at].configuration)
        judged[at] = Judged(suite[at], result, sql=plan)
    return judged


def _judge_type(expectation: Expectation, types: dict[str, str]) -> Judged | None:
    """Judge an expectation on a column's type by DuckDB's type, which does not depend on nulls; None for any other."""
    kwargs = expectation.configuration.kwargs
    kind = types.get(kwargs.get("column") or "")
    names = kwargs.get("type_list") or ([kwargs["type_"]] if "type_" in kwargs else None)
    if kind is None or not isinstance(names, list):
        return None
    verdict = {
        "success": any(has_type_name(kind, name) for name in names),
        "result": {"observed_value": type_word(kind)},
    }
    return Judged(expectation, expectation._build_evr(raw_response=verdict, configuration=expectation.configuration))


def _judge_in_pandas(frame: pd.DataFrame, suite: list[Expectation]) -> list[Judged]:
    """Let Great Expectations count and judge a frame, one expectation after another."""
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


def _settle(judged: Judged, rows: Rows) -> Judged:
    """Return the final result of an expectation that found no rows, no values, or raised an error.

    `rows_per_day` decides whether a day may be empty, so an expectation on a column's values holds for no rows.
    """
    from great_expectations.expectations.expectation import ColumnAggregateExpectation, ColumnMapExpectation

    result = judged.result
    if result.success:
        return judged
    of_values = isinstance(judged.expectation, ColumnAggregateExpectation) and judged.expectation.column in rows.types
    if of_values and not rows.count():
        result.success, result.exception_info = True, None
        return judged
    raised = raised_messages(result)
    of_each = isinstance(judged.expectation, ColumnMapExpectation) and judged.expectation.column in rows.types
    if raised and of_each and not rows.count(judged.expectation.column):  # such as the deviation of no values
        result.success, result.exception_info = True, None
        return judged
    nothing = raised or shown(result.result.get("observed_value")) in ("null", "[]")
    if of_values and nothing and not rows.count(judged.expectation.column):
        result.exception_info = None
        return replace(judged, not_judged=f"failed, since none of the {rows.count():,} rows has a value")
    if raised:
        reason = why_not_judged(raised[0], named_columns(judged.expectation), rows.types)
        result.exception_info = {"raised_exception": True, "exception_message": reason, "exception_traceback": ""}
        return replace(judged, not_judged=f"could not be judged: {reason}")
    return judged


def _columns(suite: list[Expectation]) -> set[str] | None:
    """Return the columns that expectations are about, or None if one is about the whole table."""
    found: set[str] = set()
    for each in suite:
        columns = named_columns(each)
        of_table = each.expectation_type.startswith("expect_table_")
        if each.configuration.kwargs.get("row_condition") or of_table or not columns:
            return None
        found |= set(columns)
    return found


def raised_messages(result: ExpectationValidationResult) -> list[str]:
    """Return the messages of the exceptions in a result, which holds them directly or one level down by metric."""
    info = result.exception_info or {}
    records = [info] if "raised_exception" in info else [each for each in info.values() if isinstance(each, dict)]
    return [str(each.get("exception_message")) for each in records if each.get("raised_exception")]
