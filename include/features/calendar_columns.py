"""Finds the calendar features of a query: columns computed from `prediction_time` alone, such as its month or hour.

Such a feature says when a row is predicted and nothing about the world, so it cannot drift. Only what the SQL shows
counts: a column that is joined from a table of holidays comes from that table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.features.column_origins import output_expression

if TYPE_CHECKING:
    from sqlglot.optimizer.scope import Scope

TIME = "prediction_time"

#: Queries between the final SELECT and a table; a recursive query has no end.
MAX_DEPTH = 50

#: A column, after the aliases that lead to it from the final SELECT. One table may be read under two aliases.
Place = tuple[tuple[str, ...], str]


def calendar_columns(root: Scope) -> set[str]:
    """Return the output columns that are computed from `prediction_time` alone, row by row, in lower case."""
    from sqlglot import exp

    names = root.expression.named_selects if isinstance(root.expression, exp.Query) else []
    places = _places_of_time(root)
    return {name.lower() for name in names if _is_calendar(root, (), name, places)}


def _places_of_time(root: Scope) -> set[Place]:
    """Return the places at which `prediction_time` is passed on, unchanged or by a fixed number of hours or days."""
    from sqlglot import exp
    from sqlglot.optimizer.scope import Scope as Query

    passes_on = (exp.Alias, exp.Paren, exp.Column, exp.Identifier, exp.Add, exp.Sub, exp.Interval, exp.Literal, exp.Var)
    places: set[Place] = set()
    scope, name = root, TIME
    path: tuple[str, ...] = ()
    while len(path) < MAX_DEPTH:
        places.add((path, name))
        select = output_expression(scope, name)
        columns = list(select.find_all(exp.Column)) if select is not None else []
        if select is None or len(columns) != 1 or not all(isinstance(node, passes_on) for node in select.walk()):
            break
        source = scope.sources.get(columns[0].table)
        path, name = (*path, columns[0].table), columns[0].name.lower()
        if not isinstance(source, Query):
            places.add((path, name))
            break
        scope = source
    return places


def _is_calendar(scope: Scope, path: tuple[str, ...], name: str, places: set[Place]) -> bool:
    """Return whether a column of a query is computed from the places of `prediction_time` alone."""
    from sqlglot import exp
    from sqlglot.optimizer.scope import Scope as Query

    if (path, name.lower()) in places:
        return True
    select = output_expression(scope, name) if isinstance(scope.expression, exp.Select) else None
    if select is None or len(path) >= MAX_DEPTH or select.find(exp.AggFunc, exp.Window, exp.Query) is not None:
        return False
    columns = [(column.table, column.name, scope.sources.get(column.table)) for column in select.find_all(exp.Column)]
    return bool(columns) and all(
        _is_calendar(source, (*path, alias), column, places)
        if isinstance(source, Query)
        else ((*path, alias), column.lower()) in places
        for alias, column, source in columns
    )
