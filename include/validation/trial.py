"""Tries a suite on a few rows of the declared types, so that what would fail every night is known before the first."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from include.ingestion.contract import empty_table
from include.profiling.rows import rows_of_table
from include.validation.arguments import wrong_arguments
from include.validation.judge import failures, named_columns, run_suite

if TYPE_CHECKING:
    import pyarrow as pa
    from great_expectations.expectations.expectation import Expectation

    from include.config.sources import Source
    from include.profiling.rows import Rows
    from include.validation.judge import Judged
    from include.validation.suite import SuiteItem

#: What is judged by the columns alone, whatever the rows are.
_OF_COLUMNS = {
    *("expect_column_to_exist", "expect_column_values_to_be_of_type", "expect_column_values_to_be_in_type_list"),
    *("expect_table_columns_to_match_set", "expect_table_columns_to_match_ordered_list"),
    *("expect_table_column_count_to_equal", "expect_table_column_count_to_be_between"),
}

#: Rows of a trial; one of them is null in each column.
_ROWS, _NULL = 6, 3


def source_columns(source: Source) -> pa.Schema:
    """Return the columns of a source's rows when its suite is held against them."""
    import pyarrow as pa

    days = {"ds": source.arrives != "snapshot", "delivered": source.arrives == "append"}
    schema = empty_table(source.columns).schema
    for name, there in days.items():
        schema = schema.append(pa.field(name, pa.string())) if there else schema
    return schema


def try_suite(items: list[SuiteItem], columns: pa.Schema) -> list[str]:
    """Hold made-up rows against expectations and return what keeps any from being judged, a sentence each.

    Whether the rows meet an expectation does not matter: a mistake is what cannot hold or fail for any row.

    Parameters
    ----------
    columns
        The columns that the rows will have, with their types.
    """
    wrong = {at: told for at, item in enumerate(items) if (told := wrong_arguments(item.expectation, columns))}
    rest = [at for at in range(len(items)) if at not in wrong]
    if rest:
        with rows_of_table(_rows(columns)) as rows:
            found = _raised(rows, [items[at].expectation for at in rest])
        wrong |= {at: told for at, told in zip(rest, found, strict=True) if told}
    return [f"{items[at].where}: {items[at].expectation.expectation_type}: {wrong[at]}" for at in sorted(wrong)]


def _raised(rows: Rows, suite: list[Expectation]) -> list[str | None]:
    """Return what each expectation raised on the rows, None where it was judged."""
    logger = logging.getLogger("great_expectations")
    before = logger.level
    logger.setLevel(logging.CRITICAL)  # it logs what it raises as well, with a traceback
    try:
        return [_exception(each) for each in run_suite(rows, suite)]
    except Exception as error:  # noqa: BLE001  whatever it is, the sentence says it
        if len(suite) > 1:
            return [told for each in suite for told in _raised(rows, [each])]
        return [_cannot(suite[0], str(error) or type(error).__name__)]
    finally:
        logger.setLevel(before)


def _exception(judged: Judged) -> str | None:
    """Return what Great Expectations raised, which it tells directly or one level down by metric."""
    info = judged.result.exception_info or {}
    for each in [info, *info.values()]:
        if isinstance(each, dict) and each.get("raised_exception"):
            return _cannot(judged.expectation, str(each.get("exception_message")))
    if not judged.result.success and judged.expectation.expectation_type in _OF_COLUMNS:
        return f"it fails for any rows, since the columns are others: {failures([judged])[0].explanation}; correct it"
    return None


def _cannot(expectation: Expectation, problem: str) -> str:
    columns = ", ".join(f"'{name}'" for name in named_columns(expectation))
    where = f" on column {columns}" if columns else ""
    return f"it cannot be judged{where} ({problem.splitlines()[0]}); correct its arguments or the column's type"


def _rows(columns: pa.Schema) -> pa.Table:
    """Return a few rows with different values of each column's type, and a null."""
    import pyarrow as pa

    def values(arrow: pa.DataType) -> pa.Array:
        day = datetime(2024, 1, 1, tzinfo=UTC)
        if pa.types.is_timestamp(arrow) or pa.types.is_date(arrow):
            made: list[Any] = [day + timedelta(days=at) for at in range(_ROWS)]
            made = [each if getattr(arrow, "tz", None) else each.replace(tzinfo=None) for each in made]
        elif pa.types.is_boolean(arrow):
            made = [at % 2 == 0 for at in range(_ROWS)]
        elif pa.types.is_string(arrow) or pa.types.is_large_string(arrow):
            made = [str(at) for at in range(_ROWS)]
        elif pa.types.is_integer(arrow) or pa.types.is_floating(arrow):
            made = list(range(_ROWS))
        else:
            return pa.nulls(_ROWS, arrow)
        return pa.array([None if at == _NULL else value for at, value in enumerate(made)]).cast(arrow)

    return pa.table([values(field.type) for field in columns], schema=columns)
