"""Follows the columns of a query back to the columns of the tables that they come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlglot import exp
    from sqlglot.optimizer.scope import Scope

#: A table, and a column of it in lower case; "" where only its rows are counted.
Origin = tuple[str, str]


class Tracer:
    """Follows the columns of a qualified query back to the tables.

    Parameters
    ----------
    tables
        Names of the tables by their names in lower case.
    values_only
        Leave out what rows are counted, grouped, partitioned, ordered and found by.
    """

    def __init__(self, root: Scope, tables: dict[str, str], *, values_only: bool = False) -> None:
        self.tables, self.values_only = tables, values_only
        self.scopes = {id(scope.expression): scope for scope in root.traverse()}
        self.traced: dict[tuple[int, str], set[Origin] | None] = {}

    def of_output(self, scope: Scope, name: str) -> set[Origin] | None:
        """Return the table columns that a column of a query is made of, or None where that cannot be said."""
        from sqlglot import exp

        known = (id(scope), name.lower())
        if known not in self.traced:
            self.traced[known] = set()  # a recursive query reads itself
            if scope.set_operation_scopes:
                self.traced[known] = _together([self.of_output(*side) for side in _sides(scope, name)])
            elif isinstance(scope.expression, exp.Select):
                select = _select(scope, name)
                self.traced[known] = None if select is None else self.of_expression(select, scope)
            else:  # unnest and its like
                self.traced[known] = self.of_expression(scope.expression, scope)
        return self.traced[known]

    def of_expression(self, expression: exp.Expression, scope: Scope) -> set[Origin] | None:
        """Return the tables of the columns in an expression, and of what it is grouped and partitioned by."""
        from sqlglot import exp

        found: list[set[Origin] | None] = []
        for node in _values(expression) if self.values_only else expression.walk():
            if isinstance(node, exp.Column):
                found.append(self._of_column(node, scope))
            elif self.values_only:
                continue
            elif isinstance(node, exp.Select):
                found.append(self._of_rows(self.scopes.get(id(node), scope)))
            elif isinstance(node, exp.Window) and node.args.get("alias"):
                found += [
                    self.of_expression(each, scope)
                    for each in scope.expression.args.get("windows") or []
                    if each.name == node.args["alias"].name
                ]
            if isinstance(node, exp.AggFunc | exp.Window):
                counted = node.this if isinstance(node, exp.Window) else node
                # of a window that is defined by name, `this` is the name
                if isinstance(counted, exp.Func) and counted.find(exp.Column) is None:
                    found.append(self._of_rows(scope))
            if isinstance(node, exp.AggFunc) and not isinstance(node.parent, exp.Window):
                group = scope.expression.args.get("group")
                found += [self.of_expression(key, scope) for key in (group.expressions if group else [])]
        return _together(found)

    def passed_on(self, scope: Scope, name: str) -> list[tuple[str, str]]:
        """Return the CTE and column that a column only passes on, then the one which that passes on, and so on."""
        from sqlglot import exp

        path: list[tuple[str, str]] = []
        while len(path) < 50 and isinstance(scope.expression, exp.Select):
            select = _select(scope, name)
            column = select.unalias() if select is not None else None
            if not isinstance(column, exp.Column) or column.table not in scope.selected_sources:
                break
            node, source = scope.selected_sources[column.table]
            if not hasattr(source, "selected_sources"):
                break
            scope, name = source, column.name
            # what a query in brackets passes on is written in none of the lists
            path.append((node.name.lower() if isinstance(node, exp.Table) else "(", name.lower()))
        return path

    def _of_column(self, column: exp.Column, scope: Scope | None) -> set[Origin] | None:
        own = column.parent_select
        scope = self.scopes.get(id(own), scope)
        while scope is not None:
            source = scope.sources.get(column.table)
            if source is not None:
                return self._of_source(source, column.name)
            scope = scope.parent  # a subquery may use the columns of the query around it
        return None

    def _of_source(self, source: exp.Expression | Scope, name: str) -> set[Origin] | None:
        from sqlglot import exp

        if hasattr(source, "selected_sources"):
            return self.of_output(source, name)
        if isinstance(source.this, exp.Func):  # a macro that makes a table is told of its tables as text
            named = {each.name.lower() for each in source.find_all(exp.Literal) if each.is_string}
            return {(self.tables[each], "") for each in named & self.tables.keys()} or None
        table = self.tables.get(source.name.lower())
        return {(table, name.lower())} if table else None

    def _of_rows(self, scope: Scope) -> set[Origin] | None:
        """Return the tables whose rows are counted; a left join adds none."""
        if scope.set_operation_scopes:
            return _together([self._of_rows(each) for each in scope.set_operation_scopes])
        arguments = scope.expression.args
        first = arguments.get("from_")
        joins = [join for join in arguments.get("joins") or [] if join.side != "LEFT"]
        found: list[set[Origin] | None] = []
        for part in [first, *joins] if first else []:
            source = scope.sources.get(part.alias_or_name)
            if hasattr(source, "selected_sources"):
                found.append(self._of_rows(source))
            elif source is not None:
                found.append(self._of_source(source, ""))
        return _together(found)


def _values(expression: exp.Expression) -> list[exp.Expression]:
    """Return the nodes of an expression without those that only say by what rows are arranged or found."""
    from sqlglot import exp

    left_out: set[int] = set()
    for node in expression.walk():
        arranged = [*node.args.get("partition_by", []), node.args.get("order")] if isinstance(node, exp.Window) else []
        if isinstance(node, exp.Where | exp.Join | exp.Group | exp.Order) and not isinstance(node.parent, exp.Filter):
            arranged = [node]
        for part in arranged:
            left_out.update(id(each) for each in (part.walk() if part else ()))
    return [node for node in expression.walk() if id(node) not in left_out]


def _select(scope: Scope, name: str) -> exp.Expression | None:
    """Return the expression of a query's column."""
    wanted = name.lower()
    return next((each for each in scope.expression.selects if each.alias_or_name.lower() == wanted), None)


def _sides(scope: Scope, name: str) -> list[tuple[Scope, str]]:
    """Return the queries of a union, each with its name of a column: matched by place, or by name where it says so."""
    sides = [(each, [named.lower() for named in each.expression.named_selects]) for each in scope.set_operation_scopes]
    if scope.expression.args.get("by_name"):
        return [(each, name) for each, named in sides if name.lower() in named]
    at = sides[0][1].index(name.lower())
    return [(each, named[at]) for each, named in sides]


def _together(found: list[set[Origin] | None]) -> set[Origin] | None:
    """Return all origins, or None where some of them are not known."""
    return None if any(each is None for each in found) else {origin for each in found if each for origin in each}
