"""Adds the features that pipeline.yaml declares: numbers computed from a source over trailing windows.

They are point-in-time correct by construction, see `include.features.windows`. Which columns exist depends only on
pipeline.yaml, never on the data or on the speed of the machine.
"""

from __future__ import annotations

import logging
from importlib.util import find_spec
from typing import TYPE_CHECKING

from include.config.features import Aggregates
from include.core.errors import FeatureQueryFailed
from include.features.aggregates import aggregate
from include.features.budget import Budget
from include.features.query_tables import table_with
from include.features.series import column_names, describe
from include.features.windows import find_windows, read_known, read_spine

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    import numpy as np
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

    from include.config.features import Automated, Series
    from include.config.pipeline import Pipeline
    from include.features.windows import Known, Spine

log = logging.getLogger(__name__)


def automated_names(pipeline: Pipeline) -> list[str]:
    """Return the columns that `add_automated` adds, in order."""
    made = pipeline.features.automated
    return [name for key, each in (made.sets if made else {}).items() for name in _set_names(key, each)]


def add_automated(con: DuckDBPyConnection, pipeline: Pipeline, rows: pa.Table, own: Collection[str] = ()) -> pa.Table:
    """Return the rows with the automated features as further columns, all of them numbers.

    A feature is computed from the rows of its source with equal values in the columns `by` and an `available_at` in
    (prediction_time - window, prediction_time]; if the row itself comes from that source, before prediction_time.
    Values that become known later than their row count from that time. Null values are left out. Without any value a
    feature is null, except for `count`, the number of rows, which is 0. All features of a row with a null in `by` are
    null. Each delivery of a snapshot adds its rows from when it became known. With `features.lookback_days`, a row of
    any other source counts only if it became known so soon after its day that every night's partitions include it.

    Parameters
    ----------
    con
        Has a table of each source's known rows, with `ds` and `available_at` (naive, in UTC).
    rows
        The rows of features.sql.
    own
        The sources that the spine comes from, see `own_sources`.

    Raises
    ------
    FeatureQueryFailed
        If the sets do not fit the query's columns, tsfresh is missing, or the seconds are not enough.
    """
    import duckdb
    import numpy as np
    import pyarrow as pa

    made = pipeline.features.automated
    if made is None or not made.sets:
        return rows
    where = f"{pipeline.name}: features.automated"
    problem = _misfit(pipeline, made, rows.column_names)
    if problem:
        raise FeatureQueryFailed(f"{where}: {problem}")
    if made.series and rows.num_rows:
        import tsfresh  # noqa: F401  # imported before the budget starts
    budget = Budget(made.seconds)
    for key, each in made.sets.items():
        try:
            spine = read_spine(con, rows, each.by, "prediction_time")
            source = pipeline.sources[each.source]
            table = table_with(pipeline, each.source, [*each.by, *each.values])
            known = read_known(con, table, source, each.by, _values(each), spine, max(_windows(each)))
        except duckdb.OutOfMemoryException as error:
            raise FeatureQueryFailed(
                f"{where}.{key}: the rows of '{each.source}' need more memory than the query may use; raise "
                "NIGHTSHIFT_QUERY_MEMORY, or lower history_days"
            ) from error
        except (duckdb.BinderException, duckdb.ConversionException) as error:
            raise FeatureQueryFailed(
                f"{where}.{key}: the columns of `by` cannot be compared with those of '{each.source}' "
                f"({str(error).splitlines()[0]}); let the query return them with the source's types"
            ) from error
        is_own = table in own
        if isinstance(each, Aggregates):
            columns = _aggregate_columns(pipeline, key, each, spine, known, is_own, budget)
        else:
            columns = _series_columns(pipeline, key, each, spine, known, is_own, budget)
        for name, values in columns:
            # the appended NaN, at -1, is for rows without an entity or time
            found = np.append(values, np.nan)[spine.point_of_row]
            rows = rows.append_column(name, pa.array(found, mask=~np.isfinite(found)))
    return rows


def _set_names(key: str, made: Aggregates | Series) -> list[str]:
    """Return the columns of a set, in the order in which they are computed."""
    if isinstance(made, Aggregates):
        return [
            _column_name(key, value, function, days)
            for days in _windows(made)
            for value, functions in _functions(made)
            for function in functions
        ]
    names = column_names(made.calculators).values()
    return [f"{key}_{value}_{name}" for value in _values(made) for name in names]


def _column_name(key: str, value: str | None, function: str, days: int) -> str:
    return "_".join([key, *([value] if value else []), function, f"{days}d"])


def _functions(made: Aggregates) -> list[tuple[str | None, list[str]]]:
    """Return the functions by the column that they apply to; `count` applies to rows and has none."""
    functions: list[str] = [each for each in dict.fromkeys(made.functions) if each != "count"]
    listed: list[tuple[str | None, list[str]]] = [(None, ["count"])] if "count" in made.functions else []
    listed += [(value, functions) for value in _values(made)]
    return listed


def _values(made: Aggregates | Series) -> list[str]:
    return list(dict.fromkeys(made.values))


def _windows(made: Aggregates | Series) -> list[int]:
    return list(dict.fromkeys(made.windows_days)) if isinstance(made, Aggregates) else [made.window_days]


def _aggregate_columns(
    pipeline: Pipeline, key: str, made: Aggregates, spine: Spine, known: Known, own: bool, budget: Budget
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield each column of a set of aggregates, of shape (n_points,)."""
    import numpy as np

    share = budget.start(
        f"{pipeline.name}: the aggregates '{key}'", len(spine.time), "use shorter windows or fewer functions"
    )
    part = 1 / len(_set_names(key, made))
    for days in _windows(made):
        in_time = _in_time(pipeline, key, made, known, days)
        for value, functions in _functions(made):
            keep = in_time if value is None else in_time & ~np.isnan(known.values[value])
            windows, at = find_windows(spine, known, days, keep, own=own), known.at[keep]
            values = at if value is None else known.values[value][keep]
            for function in functions:
                found = aggregate(function, windows, values, at)
                yield _column_name(key, value, function, days), found[windows.window_of_point]
                share.spend(part)


def _series_columns(
    pipeline: Pipeline, key: str, made: Series, spine: Spine, known: Known, own: bool, budget: Budget
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield each column of a set of series, of shape (n_points,)."""
    import numpy as np

    in_time = _in_time(pipeline, key, made, known, made.window_days)
    kept = {value: in_time & ~np.isnan(known.values[value]) for value in _values(made)}
    found = {value: find_windows(spine, known, made.window_days, keep, own=own) for value, keep in kept.items()}
    share = budget.start(
        f"{pipeline.name}: the series '{key}'",
        sum(int((windows.rows > 0).sum()) for windows in found.values()),
        "use calculators: minimal, fewer values or coarser prediction times",
    )
    names = column_names(made.calculators).values()
    for value, windows in found.items():
        features = describe(made.calculators, windows, known.values[value][kept[value]], share)
        for name, column in zip(names, features.T, strict=True):
            yield f"{key}_{value}_{name}", column[windows.window_of_point]


def _in_time(pipeline: Pipeline, key: str, made: Aggregates | Series, known: Known, days: int) -> np.ndarray:
    """Return which rows became known so soon after their day that every night that needs them reads them.

    A night reads the partitions of `lookback_days` before its rows. A row counts or not by its own delay, so that it
    counts in every build or in none.
    """
    import numpy as np

    lookback = pipeline.features.lookback_days
    if lookback is None or pipeline.sources[made.source].arrives == "snapshot":
        return np.ones(len(known.at), dtype=bool)
    in_time = known.delay <= lookback - days
    if not in_time.all():
        log.warning(
            "%s: %s of %s rows of '%s' are left out of the %s-day windows of '%s', since they became known more than "
            "%s days after their day; raise features.lookback_days (%s)",
            *(pipeline.name, f"{(~in_time).sum():,}", f"{len(in_time):,}", made.source, days, key, lookback - days),
            lookback,
        )
    return in_time


def _misfit(pipeline: Pipeline, automated: Automated, columns: list[str]) -> str | None:
    """Return the clause how the sets do not fit the query's columns or each other, or None if they do."""
    features = pipeline.features
    if automated.series and not find_spec("tsfresh"):
        return "series need tsfresh, which is not installed; run `make extras`, or leave out `series`"
    taken = dict.fromkeys(columns, "the query returns it")
    for key, made in automated.sets.items():
        missing = [name for name in made.by if name not in columns]
        if missing:
            return (
                f"'{key}' needs {', '.join(missing)} in each row to find its rows in the source; let {features.query} "
                f"return it (features.exclude keeps it from the model), which returns {', '.join(columns)}"
            )
        for name in _set_names(key, made):
            if name in taken:
                return f"'{key}' makes the column {name}, but {taken[name]} too; rename one of them"
            taken[name] = f"'{key}' makes it"
    return None
