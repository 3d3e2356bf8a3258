"""Features that pipeline.yaml declares instead of features.sql: numbers of a source over trailing windows.

Each is point in time by construction, see `include.features.windows`. Which columns there are follows from
pipeline.yaml alone, never from the data, nor from how quick the machine is.
"""

from __future__ import annotations

import logging
from importlib.util import find_spec
from typing import TYPE_CHECKING

from include.config.pipeline import Aggregates
from include.core.errors import FeatureQueryFailed
from include.features.aggregates import aggregate
from include.features.budget import Budget
from include.features.query_tables import table_with
from include.features.series import column_names, describe
from include.features.windows import find_windows, read_asked, read_known

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    import numpy as np
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

    from include.config.pipeline import Pipeline, Series
    from include.features.windows import Asked, Known

log = logging.getLogger(__name__)


def automated_names(pipeline: Pipeline) -> list[str]:
    """Return the columns that `add_automated` adds, in their order."""
    made = pipeline.features.automated
    return [name for key, each in (made.sets if made else {}).items() for name in _names_of_set(key, each)]


def add_automated(con: DuckDBPyConnection, pipeline: Pipeline, rows: pa.Table, own: Collection[str] = ()) -> pa.Table:
    """Return the rows with the automated features as more columns, all of them numbers.

    A feature of a row is of those rows of its source that have equal values in the columns `by`, and an
    `available_at` in (prediction_time - window, prediction_time], or before prediction_time where the row itself
    comes from that source. Values that become known later than their row count from then. A null among the values
    is left out; where nothing is left a feature is null, but for `count`, the number of rows, which is 0. All
    features of a row with a null in `by` are null. Each delivery of a snapshot counts as rows of its own, from
    when it became known. With `features.lookback_days`, a row of any other source counts only if it became known
    so soon after its day that no night reads too few partitions to see it.

    Parameters
    ----------
    con
        Has each source's rows that were known in time, as a table with `ds` and `available_at` (naive, in UTC).
    rows
        What features.sql yields.
    own
        The sources that the rows come from, see `own_sources`.

    Raises
    ------
    FeatureQueryFailed
        If the sets do not fit the query's columns, tsfresh is needed and missing, or the seconds do not do.
    """
    import duckdb
    import numpy as np
    import pyarrow as pa

    made = pipeline.features.automated
    if made is None or not made.sets:
        return rows
    where = f"{pipeline.name}: features.automated"
    problem = _misfit(pipeline, rows.column_names)
    if problem:
        raise FeatureQueryFailed(f"{where}: {problem}")
    if made.series and rows.num_rows:
        import tsfresh  # noqa: F401  # seconds of import are not the features' own
    budget = Budget(made.seconds)
    for key, each in made.sets.items():
        try:
            asked = read_asked(con, rows, each.by, "prediction_time")
            source = pipeline.sources[each.source]
            table = table_with(pipeline, each.source, [*each.by, *each.values])
            known = read_known(con, table, source, each.by, _values(each), asked, max(_windows(each)))
        except duckdb.OutOfMemoryException as error:
            raise FeatureQueryFailed(
                f"{where}.{key}: the rows of '{each.source}' need more memory than the query may take; set "
                "NIGHTSHIFT_QUERY_MEMORY to more, or history_days to less"
            ) from error
        except (duckdb.BinderException, duckdb.ConversionException) as error:
            raise FeatureQueryFailed(
                f"{where}.{key}: the columns of `by` cannot be compared with those of '{each.source}' "
                f"({str(error).splitlines()[0]}); let the query yield them as the source has them"
            ) from error
        make = _of_aggregates if isinstance(each, Aggregates) else _of_series
        for name, values in make(pipeline, key, asked, known, table in own, budget):
            # the last one, at -1, is for the rows that ask nothing
            found = np.append(values, np.nan)[asked.of_row]
            rows = rows.append_column(name, pa.array(found, mask=~np.isfinite(found)))
    return rows


def _names_of_set(key: str, made: Aggregates | Series) -> list[str]:
    """Return the columns of a set, in the order in which they are made."""
    if isinstance(made, Aggregates):
        return [
            _name(key, value, function, days)
            for days in _windows(made)
            for value, functions in _functions(made)
            for function in functions
        ]
    names = column_names(made.calculators).values()
    return [f"{key}_{value}_{name}" for value in _values(made) for name in names]


def _name(key: str, value: str | None, function: str, days: int) -> str:
    return "_".join([key, *([value] if value else []), function, f"{days}d"])


def _functions(made: Aggregates) -> list[tuple[str | None, list[str]]]:
    """Return the functions by the column that they are of; rows are counted once, whatever their values."""
    functions = [each for each in dict.fromkeys(made.functions) if each != "count"]
    counted: list[tuple[str | None, list[str]]] = [(None, ["count"])] if "count" in made.functions else []
    return [*counted, *((value, functions) for value in _values(made))]


def _values(made: Aggregates | Series) -> list[str]:
    return list(dict.fromkeys(made.values))


def _windows(made: Aggregates | Series) -> list[int]:
    return list(dict.fromkeys(made.windows_days)) if isinstance(made, Aggregates) else [made.window_days]


def _of_aggregates(
    pipeline: Pipeline, key: str, asked: Asked, known: Known, own: bool, budget: Budget
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield each column of a set of aggregates, of shape (n_questions,)."""
    import numpy as np

    made = pipeline.features.automated.aggregates[key]
    share = budget.start(
        f"{pipeline.name}: the aggregates '{key}'", len(asked.time), "use shorter windows or fewer functions"
    )
    part = 1 / len(_names_of_set(key, made))
    for days in _windows(made):
        in_time = _in_time(pipeline, key, known, days)
        for value, functions in _functions(made):
            keep = in_time if value is None else in_time & ~np.isnan(known.values[value])
            windows, at = find_windows(asked, known, days, keep, own=own), known.at[keep]
            values = at if value is None else known.values[value][keep]
            for function in functions:
                found = aggregate(function, windows, values, at)
                yield _name(key, value, function, days), found[windows.of_question]
                share.spend(part)


def _of_series(
    pipeline: Pipeline, key: str, asked: Asked, known: Known, own: bool, budget: Budget
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield each column of a set of series, of shape (n_questions,)."""
    import numpy as np

    made = pipeline.features.automated.series[key]
    in_time = _in_time(pipeline, key, known, made.window_days)
    kept = {value: in_time & ~np.isnan(known.values[value]) for value in _values(made)}
    found = {value: find_windows(asked, known, made.window_days, keep, own=own) for value, keep in kept.items()}
    share = budget.start(
        f"{pipeline.name}: the series '{key}'",
        sum(int((windows.rows > 0).sum()) for windows in found.values()),
        "use calculators: minimal, fewer values or coarser prediction times",
    )
    names = column_names(made.calculators).values()
    for value, windows in found.items():
        features = describe(made.calculators, windows, known.values[value][kept[value]], share)
        for name, column in zip(names, features.T, strict=True):
            yield f"{key}_{value}_{name}", column[windows.of_question]


def _in_time(pipeline: Pipeline, key: str, known: Known, days: int) -> np.ndarray:
    """Return which rows became known so soon after their day that every night that needs them reads them.

    A night reads partitions of `lookback_days` before its rows. Whether a row counts is decided by its own
    delay, so that it is the same in every build.
    """
    import numpy as np

    made = pipeline.features.automated.sets[key]
    lookback = pipeline.features.lookback_days
    if lookback is None or pipeline.sources[made.source].arrives == "snapshot":
        return np.ones(len(known.at), dtype=bool)
    in_time = known.delay <= lookback - days
    if not in_time.all():
        log.warning(
            "%s: %s of %s rows of '%s' became known more than %s days after their day and do not count in the windows "
            "of %s days of '%s'; raise features.lookback_days (%s)",
            *(pipeline.name, f"{(~in_time).sum():,}", f"{len(in_time):,}", made.source, lookback - days, days, key),
            lookback,
        )
    return in_time


def _misfit(pipeline: Pipeline, columns: list[str]) -> str | None:
    """Return how the sets do not fit the query's columns, or each other, as a clause; None where they do."""
    features = pipeline.features
    if features.automated.series and not find_spec("tsfresh"):
        return "series are made by tsfresh, which is not installed; run `make extras`, or leave out `series`"
    taken = dict.fromkeys(columns, "the query yields it")
    for key, made in features.automated.sets.items():
        missing = [name for name in made.by if name not in columns]
        if missing:
            return (
                f"'{key}' needs {', '.join(missing)} in each row to find the source's rows of it; let {features.query} "
                f"yield it (features.exclude keeps it from the model), which yields {', '.join(columns)}"
            )
        for name in _names_of_set(key, made):
            if name in taken:
                return f"'{key}' makes the column {name}, and {taken[name]} too; rename one of them"
            taken[name] = f"'{key}' makes it"
    return None
