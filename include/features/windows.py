"""Finds the trailing window of each point of the spine: the rows of a source that were known by then.

A point is an entity (the values of the `by` columns) at a prediction time. Its window holds the entity's rows with
`available_at` in (prediction_time - days, prediction_time]. For the source that the spine comes from, it ends before
prediction_time, since a row may hold its own outcome. Rows are ordered by the time at which they became known and then
by key, so a window is a range of positions. What is computed from it depends only on its own rows, to the last bit:
neither on later rows nor on how far the history reaches.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from include.core.sql_text import identifier, identifiers

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

    from include.config.sources import Source

MICROSECONDS_PER_DAY = 86_400_000_000
# no source and no table of the query has a name with a space
_ROWS, _ENTITIES = '"spine rows"', '"spine entities"'


@dataclass(frozen=True)
class Spine:
    """The distinct points (entity and prediction time) of a feature table, sorted by entity and time.

    Attributes
    ----------
    entity
        Number of the entity, of shape (n_points,).
    time
        Prediction time in microseconds since 1970, of shape (n_points,).
    point_of_row
        Position of each row's point, -1 if the row has no entity or no time; of shape (n_rows,).
    """

    entity: np.ndarray
    time: np.ndarray
    point_of_row: np.ndarray


@dataclass(frozen=True)
class Known:
    """A source's rows of the spine's entities, sorted by entity and by when they became known.

    Attributes
    ----------
    entity, at
        Number of the entity, and `available_at` in microseconds since 1970; of shape (n_known,).
    delay
        Days from a row's partition to the day on which it became known, of shape (n_known,).
    values
        Each column as float64, NaN if it is null or not finite, of shape (n_known,).
    """

    entity: np.ndarray
    at: np.ndarray
    delay: np.ndarray
    values: dict[str, np.ndarray]

    @cached_property
    def _times(self) -> np.ndarray:
        import numpy as np

        return np.unique(self.at)

    @cached_property
    def _keys(self) -> np.ndarray:
        return self._key(self.entity, self.at)

    def _key(self, entity: np.ndarray, time: np.ndarray) -> np.ndarray:
        """Return one number that sorts by entity and then time; a time's rank needs fewer bits than the time."""
        import numpy as np

        return entity * (len(self._times) + 1) + np.searchsorted(self._times, time, side="right")

    def rows_until(self, entity: np.ndarray, time: np.ndarray) -> np.ndarray:
        """Return how many rows sort up to and including an entity at a time."""
        import numpy as np

        return np.searchsorted(self._keys, self._key(entity, time), side="right")


@dataclass(frozen=True)
class Windows:
    """The distinct windows of a spine, as ranges of positions in a source's kept rows.

    Attributes
    ----------
    first, end
        Positions of a window's first row and after its last; both ascend; of shape (n_windows,).
    window_of_point
        Number of each point's window, of shape (n_points,). Points share a window if between them no row became
        known and none dropped out.
    """

    first: np.ndarray
    end: np.ndarray
    window_of_point: np.ndarray

    @property
    def rows(self) -> np.ndarray:
        """Rows of each window, of shape (n_windows,)."""
        return self.end - self.first


def find_windows(spine: Spine, known: Known, days: int, keep: np.ndarray, *, own: bool = False) -> Windows:
    """Return the windows of a spine over the known rows that are kept.

    Parameters
    ----------
    keep
        Whether each row counts, of shape (n_known,); positions are among these rows.
    own
        Whether the spine comes from the same source; then a window ends before its prediction time.
    """
    import numpy as np

    kept_before = np.concatenate([[0], np.cumsum(keep)])
    first = kept_before[known.rows_until(spine.entity, spine.time - days * MICROSECONDS_PER_DAY)]
    end = kept_before[known.rows_until(spine.entity, spine.time - int(own))]
    new = np.ones(len(first), dtype=bool)
    new[1:] = (np.diff(first) != 0) | (np.diff(end) != 0)
    return Windows(first[new], end[new], np.cumsum(new) - 1)


def read_spine(con: DuckDBPyConnection, rows: pa.Table, by: list[str], time: str) -> Spine:
    """Return the spine of a feature table's rows, and prepare `read_known` for its entities."""
    import numpy as np
    import pyarrow as pa

    named = rows.select(list(dict.fromkeys([*by, time])))
    numbered = named.append_column("the position", pa.array(np.arange(rows.num_rows)))
    con.register(_ROWS.strip('"'), numbered)
    columns = identifiers(dict.fromkeys(by))
    known = " AND ".join(f"{identifier(name)} IS NOT NULL" for name in by)
    time_column = f"{_ROWS}.{identifier(time)}"
    con.execute(
        f'CREATE OR REPLACE TEMP TABLE {_ENTITIES} AS SELECT row_number() OVER () - 1 AS "the entity", * '
        f"FROM (SELECT DISTINCT {columns} FROM {_ROWS} WHERE {known})"
    )
    found = con.execute(
        f'SELECT coalesce(CASE WHEN {time_column} IS NOT NULL THEN "the entity" END, -1) AS entity, '
        f"coalesce(epoch_us({time_column}), 0) AS time FROM {_ROWS} LEFT JOIN {_ENTITIES} ON {_same(by, _ROWS)} "
        'ORDER BY "the position"'
    ).fetchnumpy()
    con.unregister(_ROWS.strip('"'))
    entity, time_of_row = (np.ma.getdata(found[name]).astype("int64") for name in ("entity", "time"))
    order = np.lexsort((time_of_row, entity))
    order = order[entity[order] >= 0]
    new = np.ones(len(order), dtype=bool)
    new[1:] = (np.diff(entity[order]) != 0) | (np.diff(time_of_row[order]) != 0)
    point_of_row = np.full(len(entity), -1)
    point_of_row[order] = np.cumsum(new) - 1
    return Spine(entity[order][new], time_of_row[order][new], point_of_row)


def read_known(
    con: DuckDBPyConnection, name: str, source: Source, by: list[str], values: list[str], spine: Spine, days: int
) -> Known:
    """Return the rows of a source that a window of at most `days` may hold, for the entities of the spine."""
    import numpy as np

    since, until = (int(spine.time.min()), int(spine.time.max())) if len(spine.time) else (0, 0)
    table = identifier(name)
    order = ["2", "3", *(f"{table}.{identifier(column)}" for column in ["ds", *source.key, *values])]
    numbers = "".join(f", CAST({table}.{identifier(each)} AS DOUBLE) AS {identifier(each)}" for each in values)
    found = con.execute(
        # ORDER BY uses positions, which no column of the source can shadow
        f"SELECT date_diff('day', CAST({table}.ds AS DATE), CAST({table}.available_at AS DATE)) AS \"the delay\", "
        f'"the entity", epoch_us({table}.available_at) AS "the time"{numbers} '
        f"FROM {table} JOIN {_ENTITIES} ON {_same(by, table)} "
        f"WHERE {table}.available_at > make_timestamp({since - days * MICROSECONDS_PER_DAY}) "
        f"AND {table}.available_at <= make_timestamp({until}) ORDER BY {', '.join(order)}"
    ).fetchnumpy()
    con.execute(f"DROP TABLE {_ENTITIES}")
    numeric = {column: np.ma.filled(found[column], np.nan).astype("float64") for column in values}
    return Known(
        entity=np.ma.getdata(found["the entity"]).astype("int64"),
        at=np.ma.getdata(found["the time"]).astype("int64"),
        delay=np.ma.getdata(found["the delay"]).astype("int64"),
        values={column: np.where(np.isfinite(each), each, np.nan) for column, each in numeric.items()},
    )


def _same(by: list[str], table: str) -> str:
    return " AND ".join(f"{table}.{identifier(column)} = {_ENTITIES}.{identifier(column)}" for column in by)
