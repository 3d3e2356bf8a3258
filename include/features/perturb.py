"""Changes the labels of some rows in the raw tables that a query is about to read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from include.core.sql_text import identifier, literal
from include.features.query_checks import PREDICTION_TIME
from include.features.query_tables import query_tables

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    import pyarrow as pa
    from duckdb import DuckDBPyConnection

    from include.config.pipeline import Pipeline
    from include.config.sources import Source

#: The fewest rows to conclude that a column is a copy of the label.
COPY_ROWS = 50
#: With this many rows of the rarest label for each value of a column, one label per value is no coincidence.
ROWS_A_VALUE = 10
_COLUMNS_AT_ONCE = 50
# no source and no table of the query has a name with a space
_TARGETS, _LABELLED, _ROWS, _DONORS = '"rows to change"', '"labelled rows"', '"raw rows to change"', '"donors"'

Column = tuple[str, str]


@dataclass
class Perturbation:
    """Gives some feature rows another label by changing the raw values that it is computed from.

    All rows of one prediction time get the raw values of the same other row: the one with the greatest label, or the
    smallest if all have the greatest already. So their sum and mean change too; flipping each label might keep these.

    Attributes
    ----------
    columns
        The columns that the label is computed from, by the table that the query reads.
    targets, labelled
        Feature rows whose labels are changed, and feature rows that supply values. Both have the label, the prediction
        time and the key.
    by_key
        Whether a label's raw row is found by its key, or else by an `available_at` equal to the prediction time.
    copies
        Columns that are equivalent to the label; if None, `apply` looks for them.
    only
        Change only this one of the columns that an earlier perturbation changed.
    known_by
        Change only raw rows that were known by then and have a value, since the label itself becomes known later.
    forget_after
        Do not change the targets; instead set the columns to null in other raw rows that became known after this time.
    changed
        The columns that `apply` changed, including copies.
    """

    pipeline: Pipeline
    columns: Mapping[str, list[str]]
    targets: pa.Table
    labelled: pa.Table
    by_key: bool = True
    copies: set[Column] | None = None
    only: Column | None = None
    known_by: datetime | None = None
    forget_after: datetime | None = None
    changed: list[Column] = field(default_factory=list)
    _pairs: dict[str, list[tuple[str, str]]] = field(default_factory=dict, init=False)

    def needs(self, used: Mapping[str, set[str]]) -> dict[str, set[str]]:
        """Return the columns to read of each table: those that the query uses, and those that identify rows."""
        needed = {}
        for name in {*used, *self.columns}:
            more = {"available_at", *self._source(name).key, *self.columns.get(name, [])}
            pairs = [column for column, _ in self._named_pairs(name)] or self._candidates(name)
            needed[name] = {*used.get(name, set()), *more, *pairs}
        return needed

    def apply(self, con: DuckDBPyConnection, used: Mapping[str, set[str]]) -> None:
        """Change the values in a database's tables.

        Parameters
        ----------
        used
            The columns that the query uses of each table; copies of the label are looked for only among these.
        """
        con.register(_TARGETS.strip('"'), self.targets)
        con.register(_LABELLED.strip('"'), self.labelled)
        try:
            for name in {*used, *self.columns} if self.by_key else []:
                self._pairs[name] = self._named_pairs(name) or self._pairs_by_value(con, name)
            wanted = {name: list(columns) for name, columns in self.columns.items()}
            if self.copies is None:
                self.copies = set(self._find_copies(con, used))
            for name, column in sorted(self.copies):
                wanted.setdefault(name, []).append(column)
            for name, columns in wanted.items():
                chosen = [column for column in columns if self.only in (None, (name, column))]
                if chosen and self._change(con, name, chosen):
                    self.changed += [(name, column) for column in chosen]
        finally:
            con.unregister(_TARGETS.strip('"'))
            con.unregister(_LABELLED.strip('"'))

    def _change(self, con: DuckDBPyConnection, name: str, columns: list[str]) -> bool:
        """Give the raw rows of the targets the values of donor rows; return whether there are both."""
        packed = ", ".join(f"{identifier(each)} := {identifier(name)}.{identifier(each)}" for each in columns)
        con.execute(
            f"CREATE OR REPLACE TEMP TABLE {_DONORS} AS SELECT arg_max(donor, label) AS greatest, "
            f"arg_min(donor, label) AS smallest, max(label) AS high FROM ({self._found(name, _LABELLED)}) "
            f"JOIN (SELECT rowid AS raw_row, struct_pack({packed}) AS donor FROM {identifier(name)}) USING (raw_row)"
        )
        # one of several rows with a smaller label is enough to change their sum; in a source that delivers a row again
        # with its label, the earlier delivery stays without
        filled = " OR ".join(f"t.{identifier(each)} IS NOT NULL" for each in columns)
        or_none_is = "" if self.known_by else f" OR NOT bool_or({filled}) OVER (PARTITION BY target)"
        con.execute(
            f"CREATE OR REPLACE TEMP TABLE {_ROWS} AS SELECT raw_row, bool_or(raise) AS raise FROM ("
            f"SELECT raw_row, bool_or(label IS DISTINCT FROM (SELECT high FROM {_DONORS})) OVER (PARTITION BY asked) "
            f"AS raise FROM ({self._found(name, _TARGETS)}) AS f JOIN {identifier(name)} AS t ON t.rowid = raw_row "
            f"QUALIFY {filled}{or_none_is}) GROUP BY raw_row"
        )
        if self.by_key:
            self._add_rows_of_the_moment(con, name, filled)
        if self.forget_after:
            con.execute(
                f"UPDATE {identifier(name)} SET {', '.join(f'{identifier(each)} = NULL' for each in columns)} "
                f"WHERE available_at > {_timestamp(self.forget_after)} AND rowid NOT IN (SELECT raw_row FROM {_ROWS})"
            )
            return True
        [[rows, donors]] = con.execute(
            f"SELECT (SELECT count(*) FROM {_ROWS}), (SELECT count(*) FROM {_DONORS} WHERE greatest IS NOT NULL)"
        ).fetchall()
        if not rows or not donors:
            return False
        for column in columns:
            con.execute(
                f"UPDATE {identifier(name)} SET {identifier(column)} = CASE WHEN {_ROWS}.raise "
                f"THEN (SELECT greatest.{identifier(column)} FROM {_DONORS}) "
                f"ELSE (SELECT smallest.{identifier(column)} FROM {_DONORS}) END "
                f"FROM {_ROWS} WHERE {identifier(name)}.rowid = {_ROWS}.raw_row"
            )
        return True

    def _add_rows_of_the_moment(self, con: DuckDBPyConnection, name: str, filled: str) -> None:
        """Add the rows of other keys that became known at the same time, in the source that the spine comes from."""
        [[own, rows]] = con.execute(
            f"SELECT count(*) FILTER (known = asked), count(*) FROM ({self._found(name, _TARGETS)})"
        ).fetchall()
        if rows and 2 * own > rows:
            con.execute(
                f"INSERT INTO {_ROWS} SELECT t.rowid, bool_or(f.raise) FROM {identifier(name)} AS t JOIN ("
                f"SELECT available_at, bool_or({_ROWS}.raise) AS raise FROM {identifier(name)} JOIN {_ROWS} "
                f"ON {identifier(name)}.rowid = {_ROWS}.raw_row GROUP BY 1) AS f USING (available_at) "
                f"WHERE t.rowid NOT IN (SELECT raw_row FROM {_ROWS}) AND ({filled}) "
                f"AND t.available_at IN (SELECT {PREDICTION_TIME} FROM {_TARGETS}) GROUP BY 1"
            )

    def _found(self, name: str, rows: str) -> str:
        """Return the query of the raw rows that the labels of some feature rows come from, with these feature rows.

        Of several raw rows with one key, those count that became known at the prediction time or later, or else the
        newest. Earlier rows are history, which features may know.
        """
        table, label = identifier(name), identifier(self.pipeline.features.label)
        key = ", ".join(f"f.{identifier(each)}" for each in self.pipeline.features.key)
        chosen = (
            f"SELECT t.rowid AS raw_row, row({key}) AS target, f.{PREDICTION_TIME} AS asked, t.available_at AS known, "
            f"f.{label} AS label FROM {table} AS t JOIN {rows} AS f ON "
        )
        if self.known_by and rows == _TARGETS:
            chosen += f"t.available_at <= {_timestamp(self.known_by)} AND "
        pairs = self._pairs.get(name)
        if not pairs:
            return f"{chosen} t.available_at = f.{PREDICTION_TIME}"
        matched = " AND ".join(
            f"CAST(t.{identifier(ours)} AS VARCHAR) = CAST(f.{identifier(theirs)} AS VARCHAR)" for ours, theirs in pairs
        )
        return (
            f"{chosen} {matched} QUALIFY t.available_at >= f.{PREDICTION_TIME} OR t.available_at = "
            f"max(t.available_at) OVER (PARTITION BY f.{PREDICTION_TIME}, {key})"
        )

    def _named_pairs(self, name: str) -> list[tuple[str, str]]:
        """Return the key columns that a raw table and the feature table share, in pairs."""
        source, key, there = self._source(name), self.pipeline.features.key, self.targets.column_names
        for names in (key, source.key):
            if all(each in source.columns and each in there for each in names):
                return [(each, each) for each in names]
        return []

    def _candidates(self, name: str) -> list[str]:
        """Return the columns that may hold a single-column key under another name, the source's own key first."""
        if len(self.pipeline.features.key) > 1:
            return []
        source, hidden = self._source(name), query_tables(self.pipeline)[name].hidden
        of_key = [each for each in source.columns if source.columns[each] in ("string", "integer")]
        return sorted((each for each in of_key if each not in hidden), key=lambda each: each not in source.key)

    def _pairs_by_value(self, con: DuckDBPyConnection, name: str) -> list[tuple[str, str]]:
        """Return the column with most of the targets' keys among its values, if it has at least half of them."""
        key, candidates = self.pipeline.features.key[0], self._candidates(name)
        if not candidates or not self.targets.num_rows:
            return []
        counts = ", ".join(
            f"(SELECT count(*) FROM {_TARGETS} WHERE CAST({identifier(key)} AS VARCHAR) IN "
            f"(SELECT CAST({identifier(each)} AS VARCHAR) FROM {identifier(name)}))"
            for each in candidates
        )
        found = con.execute(f"SELECT {counts}").fetchall()[0]
        most = max(found)
        return [(candidates[found.index(most)], key)] if 2 * most >= self.targets.num_rows else []

    def _source(self, name: str) -> Source:
        return self.pipeline.sources[query_tables(self.pipeline)[name].source]

    def _find_copies(self, con: DuckDBPyConnection, used: Mapping[str, set[str]]) -> Iterator[Column]:
        """Yield columns that are equivalent to the label and known at the prediction time.

        Such a column has one value for each label, or a few values that each always have the same label.
        """
        for name, columns in used.items():
            source, pairs = self._source(name), self._pairs.get(name)
            own = {
                *source.key,
                source.available_at.column,
                source.day,
                "ds",
                "available_at",
                *self.columns.get(name, []),
            }
            candidates = sorted(columns - own - {column for column, _ in pairs or []})
            # DuckDB crashes on some hundred such counts in one query
            for at in range(0, len(candidates) if pairs else 0, _COLUMNS_AT_ONCE):
                some = candidates[at : at + _COLUMNS_AT_ONCE]
                rows, labels, rarest, *counted = con.execute(
                    f"SELECT count(*), count(DISTINCT label), min(alike), {', '.join(map(_counts, some))} "
                    f"FROM (SELECT *, count(*) OVER (PARTITION BY label) AS alike FROM ({self._found(name, _LABELLED)})"
                    f" WHERE label IS NOT NULL AND known <= asked) AS f JOIN {identifier(name)} AS t "
                    "ON t.rowid = f.raw_row"
                ).fetchall()[0]
                for column, values, both, equal in zip(some, counted[::3], counted[1::3], counted[2::3], strict=True):
                    one_to_one = 2 * labels <= rows and values == labels == both
                    # if a label is rare, each of a few values may have one label by chance
                    finer = values == both and ROWS_A_VALUE * values <= (rarest or 0)
                    if rows >= COPY_ROWS and labels > 1 and (one_to_one or finer or equal == rows):
                        yield name, column


def _counts(column: str) -> str:
    """Return the SQL of a column's number of values, of pairs with the label, and of rows equal to the label."""
    value, label = f"coalesce(CAST({identifier(column)} AS VARCHAR), '')", "CAST(label AS VARCHAR)"
    number = "TRY_CAST({} AS DOUBLE)"
    return (
        f"count(DISTINCT {value}), count(DISTINCT ({value}, {label})), "
        f"count(*) FILTER ({number.format(value)} = {number.format(label)})"
    )


def _timestamp(moment: datetime) -> str:
    return f"TIMESTAMP {literal(moment.isoformat(' '))}"
