"""Finds the table columns that each column of a query comes from.

`sqlglot.lineage` answers 15 of the 41 questions of tests/unit/features/test_lineage.py otherwise: it finds no table
behind `count(*)`, `EXISTS`, GROUP BY, a named window or a table macro, and matches UNION BY NAME by position. It
cannot tell the columns that a value is computed from apart from those that only order or partition its rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlglot import exp
    from sqlglot.optimizer.scope import Scope

#: A table and one of its columns in lower case; "" where only the rows are counted.
Origin = tuple[str, str]


class ColumnOrigins:
    """Finds the origins of the columns of a qualified query.

    Parameters
    ----------
    tables
        Table names, by the name in lower case.
    values_only
        Leave out the columns that only count, group, partition, order or find rows.
    """

    def __init__(self, root: Scope, tables: dict[str, str], *, values_only: bool = False) -> None:
        self.tables, self.values_only = tables, values_only
        self.scopes = {id(scope.expression): scope for scope in root.traverse()}
        self.known: dict[tuple[int, str], set[Origin] | None] = {}

    def output_origins(self, scope: Scope, name: str) -> set[Origin] | None:
        """Return the table columns that an output column of a query comes from, or None if they are unknown."""
        from sqlglot import exp

        output = (id(scope), name.lower())
        if output not in self.known:
            self.known[output] = set()  # a recursive query reads itself
            if scope.set_operation_scopes:
                self.known[output] = _union([self.output_origins(*branch) for branch in _branches(scope, name)])
            elif isinstance(scope.expression, exp.Select):
                select = output_expression(scope, name)
                self.known[output] = None if select is None else self.expression_origins(select, scope)
            else:  # unnest and its like
                self.known[output] = self.expression_origins(scope.expression, scope)
        return self.known[output]

    def expression_origins(self, expression: exp.Expr, scope: Scope) -> set[Origin] | None:
        """Return the origins of the columns in an expression and of its GROUP BY and PARTITION BY keys."""
        from sqlglot import exp

        found: list[set[Origin] | None] = []
        for node in _value_nodes(expression) if self.values_only else expression.walk():
            if isinstance(node, exp.Column):
                found.append(self._column_origins(node, scope))
            elif self.values_only:
                continue
            elif isinstance(node, exp.Select):
                found.append(self._counted_tables(self.scopes.get(id(node), scope)))
            elif isinstance(node, exp.Window) and node.args.get("alias"):
                found += [
                    self.expression_origins(each, scope)
                    for each in scope.expression.args.get("windows") or []
                    if each.name == node.args["alias"].name
                ]
            if isinstance(node, exp.AggFunc | exp.Window):
                counted = node.this if isinstance(node, exp.Window) else node
                # `this` of a named window is only its name
                if isinstance(counted, exp.Func) and counted.find(exp.Column) is None:
                    found.append(self._counted_tables(scope))
            if isinstance(node, exp.AggFunc) and not isinstance(node.parent, exp.Window):
                group = scope.expression.args.get("group")
                found += [self.expression_origins(key, scope) for key in (group.expressions if group else [])]
        return _union(found)

    def pass_through_path(self, scope: Scope, name: str) -> list[tuple[str, str]]:
        """Follow a column through the CTEs that only pass it on; return each CTE with its name of the column."""
        from sqlglot import exp
        from sqlglot.optimizer.scope import Scope

        path: list[tuple[str, str]] = []
        while len(path) < 50 and isinstance(scope.expression, exp.Select):
            select = output_expression(scope, name)
            column = select.unalias() if select is not None else None
            if not isinstance(column, exp.Column) or column.table not in scope.selected_sources:
                break
            node, source = scope.selected_sources[column.table]
            if not isinstance(source, Scope):
                break
            scope, name = source, column.name
            # a subquery in brackets has no select list of its own in `read_select_lists`
            path.append((node.name.lower() if isinstance(node, exp.Table) else "(", name.lower()))
        return path

    def _column_origins(self, column: exp.Column, scope: Scope | None) -> set[Origin] | None:
        own = column.parent_select
        scope = self.scopes.get(id(own), scope)
        while scope is not None:
            source = scope.sources.get(column.table)
            if source is not None:
                return self._source_origins(source, column.name)
            scope = scope.parent  # a subquery may use the columns of the query around it
        return None

    def _source_origins(self, source: exp.Expr | Scope, name: str) -> set[Origin] | None:
        from sqlglot import exp
        from sqlglot.optimizer.scope import Scope

        if isinstance(source, Scope):
            return self.output_origins(source, name)
        if isinstance(source.this, exp.Func):  # a table macro gets its tables as text
            named = {each.name.lower() for each in source.find_all(exp.Literal) if each.is_string}
            return {(self.tables[each], "") for each in named & self.tables.keys()} or None
        table = self.tables.get(source.name.lower())
        return {(table, name.lower())} if table else None

    def _counted_tables(self, scope: Scope) -> set[Origin] | None:
        """Return the tables whose rows the query counts; a LEFT JOIN adds none."""
        from sqlglot.optimizer.scope import Scope

        if scope.set_operation_scopes:
            return _union([self._counted_tables(each) for each in scope.set_operation_scopes])
        arguments = scope.expression.args
        first = arguments.get("from_")
        joins = [join for join in arguments.get("joins") or [] if join.side != "LEFT"]
        found: list[set[Origin] | None] = []
        for part in [first, *joins] if first else []:
            source = scope.sources.get(part.alias_or_name)
            if isinstance(source, Scope):
                found.append(self._counted_tables(source))
            elif source is not None:
                found.append(self._source_origins(source, ""))
        return _union(found)


def _value_nodes(expression: exp.Expr) -> list[exp.Expr]:
    """Return the nodes of an expression that its value is computed from, without those that arrange or find rows."""
    from sqlglot import exp

    left_out: set[int] = set()
    for node in expression.walk():
        arranged = [*node.args.get("partition_by", []), node.args.get("order")] if isinstance(node, exp.Window) else []
        if isinstance(node, exp.Where | exp.Join | exp.Group | exp.Order) and not isinstance(node.parent, exp.Filter):
            arranged = [node]
        for part in arranged:
            left_out.update(id(each) for each in (part.walk() if part else ()))
    return [node for node in expression.walk() if id(node) not in left_out]


def output_expression(scope: Scope, name: str) -> exp.Expr | None:
    """Return the expression of an output column."""
    from sqlglot import exp

    wanted = name.lower()
    selects = scope.expression.selects if isinstance(scope.expression, exp.Query) else []
    return next((each for each in selects if each.alias_or_name.lower() == wanted), None)


def _branches(scope: Scope, name: str) -> list[tuple[Scope, str]]:
    """Return the branches of a UNION, each with its own name of a column, matched by position unless BY NAME."""
    from sqlglot import exp

    queries = [(each, each.expression) for each in scope.set_operation_scopes]
    branches = [
        (each, [named.lower() for named in query.named_selects])
        for each, query in queries
        if isinstance(query, exp.Query)
    ]
    if scope.expression.args.get("by_name"):
        return [(each, name) for each, named in branches if name.lower() in named]
    at = branches[0][1].index(name.lower())
    return [(each, named[at]) for each, named in branches]


def _union(found: list[set[Origin] | None]) -> set[Origin] | None:
    """Return all origins together, or None if any are unknown."""
    return None if any(each is None for each in found) else {origin for each in found if each for origin in each}
