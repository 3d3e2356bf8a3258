"""Tries a suite on a few made-up rows, so that an expectation that must fail every night is found before the first."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from include.ingestion.arrow_types import empty_table
from include.profiling.rows import rows_of_table
from include.validation.arguments import named_columns, wrong_arguments
from include.validation.judge import failures, raised_messages, run_suite

if TYPE_CHECKING:
    import pyarrow as pa
    from great_expectations.expectations.expectation import Expectation

    from include.config.sources import Source
    from include.profiling.rows import Rows
    from include.validation.judge import Judged
    from include.validation.suite import SuiteItem

#: Expectations that depend only on the columns, not on the rows.
_ON_COLUMNS = {
    *("expect_column_to_exist", "expect_column_values_to_be_of_type", "expect_column_values_to_be_in_type_list"),
    *("expect_table_columns_to_match_set", "expect_table_columns_to_match_ordered_list"),
    *("expect_table_column_count_to_equal", "expect_table_column_count_to_be_between"),
}

#: Number of made-up rows, and the position of the one in which every column is null.
_ROWS, _NULL = 6, 3


def source_columns(source: Source) -> pa.Schema:
    """Return the columns of a source's rows at validation."""
    import pyarrow as pa

    days = {"ds": source.arrives != "snapshot", "delivered": source.arrives == "append"}
    schema = empty_table(source.columns).schema
    for name, there in days.items():
        schema = schema.append(pa.field(name, pa.string())) if there else schema
    return schema


def try_suite(items: list[SuiteItem], columns: pa.Schema) -> list[str]:
    """Judge made-up rows and return a sentence for each expectation that cannot be judged.

    Whether the rows meet an expectation does not matter. A mistake is an expectation that no row can meet or break.

    Parameters
    ----------
    columns
        The columns that the rows will have, with their types.
    """
    mistakes = {at: mistake for at, item in enumerate(items) if (mistake := wrong_arguments(item.expectation, columns))}
    rest = [at for at in range(len(items)) if at not in mistakes]
    if rest:
        with rows_of_table(_made_up_rows(columns)) as rows:
            found = _try_each(rows, [items[at].expectation for at in rest])
        mistakes |= {at: mistake for at, mistake in zip(rest, found, strict=True) if mistake}
    return [f"{items[at].where}: {items[at].expectation.expectation_type}: {mistakes[at]}" for at in sorted(mistakes)]


def _try_each(rows: Rows, suite: list[Expectation]) -> list[str | None]:
    """Return the mistake of each expectation, None where it could be judged."""
    logger = logging.getLogger("great_expectations")
    before = logger.level
    logger.setLevel(logging.CRITICAL)  # it also logs what it raises, with a traceback
    try:
        return [_mistake(each) for each in run_suite(rows, suite)]
    except Exception as error:  # noqa: BLE001  the sentence names whatever it is
        if len(suite) > 1:
            return [mistake for each in suite for mistake in _try_each(rows, [each])]
        return [_not_judged(suite[0], str(error) or type(error).__name__)]
    finally:
        logger.setLevel(before)


def _mistake(judged: Judged) -> str | None:
    """Return why an expectation can hold for no rows, or None."""
    for message in raised_messages(judged.result):
        return _not_judged(judged.expectation, message)
    if not judged.result.success and judged.expectation.expectation_type in _ON_COLUMNS:
        [failure] = failures([judged])
        return f"it fails for any rows, since the source has other columns: {failure.explanation}; correct it"
    return None


def _not_judged(expectation: Expectation, problem: str) -> str:
    columns = ", ".join(f"'{name}'" for name in named_columns(expectation))
    where = f" on column {columns}" if columns else ""
    return f"it cannot be judged{where} ({problem.splitlines()[0]}); correct its arguments or the column's type"


def _made_up_rows(columns: pa.Schema) -> pa.Table:
    """Return rows with different values of each column's type, and a null."""
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
