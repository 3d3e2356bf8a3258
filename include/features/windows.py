"""Trailing windows of what was known: for each question, which rows of a source lie in its window.

A question is an entity (the values of the `by` columns) at a prediction time. Its window holds the entity's
rows with `available_at` in (prediction_time - days, prediction_time], or, of the source that the questions come from,
before prediction_time: a row may hold the outcome of the question that it asks. Rows are in one order, that of the time
at which they became known and then of their key, so that a window is a run of positions, and what is computed
of it depends on its own rows alone, to the last bit: on no later row, and not on how far the history reaches.
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
# no source, and so no table that the query sees, can have a name with a space in it
_ROWS, _ENTITIES = '"asked rows"', '"asked entities"'


@dataclass(frozen=True)
class Asked:
    """The distinct questions of a feature table, sorted by entity and time.

    Attributes
    ----------
    entity
        Number of the entity, of shape (n_questions,).
    time
        Prediction time in microseconds since 1970, of shape (n_questions,).
    of_row
        Position of each row's question, -1 where the row has no entity or no time; of shape (n_rows,).
    """

    entity: np.ndarray
    time: np.ndarray
    of_row: np.ndarray


@dataclass(frozen=True)
class Known:
    """A source's rows of the entities that are asked for, sorted by entity and by when they became known.

    Attributes
    ----------
    entity, at
        Number of the entity, and `available_at` in microseconds since 1970; of shape (n_known,).
    delay
        Days from a row's partition to the day on which it became known, of shape (n_known,).
    values
        Each column as float64, NaN where it is null or not finite, of shape (n_known,).
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
        """Return one number that sorts as entity and time do; a time's rank takes fewer bits than the time."""
        import numpy as np

        return entity * (len(self._times) + 1) + np.searchsorted(self._times, time, side="right")

    def rows_until(self, entity: np.ndarray, time: np.ndarray) -> np.ndarray:
        """Return how many rows precede or are of the entity at the time, the moment itself included."""
        import numpy as np

        return np.searchsorted(self._keys, self._key(entity, time), side="right")


@dataclass(frozen=True)
class Windows:
    """The distinct windows of questions, as runs of positions into a source's kept rows.

    Attributes
    ----------
    first, end
        Position of a window's first row, and the one behind its last; both ascend; of shape (n_windows,).
    of_question
        Number of each question's window, of shape (n_questions,). Questions between which no row became
        known and none fell out share one.
    """

    first: np.ndarray
    end: np.ndarray
    of_question: np.ndarray

    @property
    def rows(self) -> np.ndarray:
        """Rows of each window, of shape (n_windows,)."""
        return self.end - self.first


def find_windows(asked: Asked, known: Known, days: int, keep: np.ndarray, *, own: bool = False) -> Windows:
    """Return the questions' windows over those of the known rows that are kept.

    Parameters
    ----------
    keep
        True where a row counts, of shape (n_known,); positions are among these.
    own
        Whether the questions come from the same source: then a window ends before its question's moment.
    """
    import numpy as np

    kept_before = np.concatenate([[0], np.cumsum(keep)])
    first = kept_before[known.rows_until(asked.entity, asked.time - days * MICROSECONDS_PER_DAY)]
    end = kept_before[known.rows_until(asked.entity, asked.time - int(own))]
    new = np.ones(len(first), dtype=bool)
    new[1:] = (np.diff(first) != 0) | (np.diff(end) != 0)
    return Windows(first[new], end[new], np.cumsum(new) - 1)


def read_asked(con: DuckDBPyConnection, rows: pa.Table, by: list[str], time: str) -> Asked:
    """Return the questions of a feature table's rows; `read_known` then reads the rows of their entities."""
    import numpy as np
    import pyarrow as pa

    named = rows.select(list(dict.fromkeys([*by, time])))
    numbered = named.append_column("the position", pa.array(np.arange(rows.num_rows)))
    con.register(_ROWS.strip('"'), numbered)
    columns = identifiers(dict.fromkeys(by))
    known = " AND ".join(f"{identifier(name)} IS NOT NULL" for name in by)
    asked_at = f"{_ROWS}.{identifier(time)}"
    con.execute(
        f'CREATE OR REPLACE TEMP TABLE {_ENTITIES} AS SELECT row_number() OVER () - 1 AS "the entity", * '
        f"FROM (SELECT DISTINCT {columns} FROM {_ROWS} WHERE {known})"
    )
    found = con.execute(
        f'SELECT coalesce(CASE WHEN {asked_at} IS NOT NULL THEN "the entity" END, -1) AS entity, '
        f"coalesce(epoch_us({asked_at}), 0) AS time FROM {_ROWS} LEFT JOIN {_ENTITIES} ON {_same(by, _ROWS)} "
        'ORDER BY "the position"'
    ).fetchnumpy()
    con.unregister(_ROWS.strip('"'))
    entity, time_of_row = (np.ma.getdata(found[name]).astype("int64") for name in ("entity", "time"))
    order = np.lexsort((time_of_row, entity))
    order = order[entity[order] >= 0]
    new = np.ones(len(order), dtype=bool)
    new[1:] = (np.diff(entity[order]) != 0) | (np.diff(time_of_row[order]) != 0)
    of_row = np.full(len(entity), -1)
    of_row[order] = np.cumsum(new) - 1
    return Asked(entity[order][new], time_of_row[order][new], of_row)


def read_known(
    con: DuckDBPyConnection, name: str, source: Source, by: list[str], values: list[str], asked: Asked, days: int
) -> Known:
    """Return the rows of a source that some window of at most so many days may hold, of the entities of `asked`."""
    import numpy as np

    since, until = (int(asked.time.min()), int(asked.time.max())) if len(asked.time) else (0, 0)
    table = identifier(name)
    order = ["2", "3", *(f"{table}.{identifier(column)}" for column in ["ds", *source.key, *values])]
    numbers = "".join(f", CAST({table}.{identifier(each)} AS DOUBLE) AS {identifier(each)}" for each in values)
    found = con.execute(
        # the position of a column in the list cannot be mistaken for a column of the source
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
