"""What a query may not do, as nobody could tell from its text which columns it reads.

Here belong the constructs that take or make columns without naming them, or name them as SQLGlot and DuckDB read
differently: each is refused with the way to write it instead. Each was seen to hide a column. Following the columns
that are named is ``lineage``'s business.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlglot import exp
from sqlglot.optimizer.scope import Scope

_UNNAMED = (exp.Columns, exp.Lateral, exp.Pivot, exp.Summarize, exp.Describe, exp.Command)


class UntraceableError(ValueError):
    """The query cannot be read, or names what is not declared."""


def refuse_unnamed(query: exp.Expr) -> None:
    """Raise :class:`UntraceableError` for the first such construct in a query as it is written."""
    for problem in _as_written(query):
        raise UntraceableError(problem)


def refuse_ambiguous(query: exp.Expr, scopes: Sequence[Scope]) -> None:
    """The same, once every column's table is named."""
    for problem in _once_named(query, scopes):
        raise UntraceableError(problem)


def _as_written(query: exp.Expr) -> Iterator[str]:
    if isinstance(query, exp.Subquery):
        yield "the whole query stands in brackets: leave them out"
    for part in query.find_all(*_UNNAMED):
        yield f"{_shown(part)} takes or makes columns that it does not name"
    yield from _of_tables(query)
    for column in query.find_all(exp.PositionalColumn):
        yield f"{_shown(column)} is a column by its place: name it"
    for dot in query.find_all(exp.Dot):
        if isinstance(dot.expression, exp.Func):
            yield f"{_shown(dot)} calls a function behind its argument: put it in front"
    for by in _sorted_or_grouped(query):
        if isinstance(by, exp.Paren):
            yield f"{_shown(by)} in brackets behind ORDER BY or GROUP BY may be a place: leave them out"


def _of_tables(query: exp.Expr) -> Iterator[str]:
    for table in query.find_all(exp.Table):
        if not isinstance(table.this, exp.Identifier):
            yield f"{_shown(table)} is a function that makes rows: of what cannot be traced"
        if table.alias_column_names:
            yield f"{_shown(table)} gives the table's columns other names: do that where they are selected"
    for inner in query.find_all(exp.Subquery):
        if inner.args.get("order") or inner.args.get("limit"):
            yield "ORDER BY or LIMIT behind a query in brackets: put it within them"
    if any(union.args.get("by_name") for union in query.find_all(exp.SetOperation)):
        yield "BY NAME joins columns by their names: select them in one order"


def _once_named(query: exp.Expr, scopes: Sequence[Scope]) -> Iterator[str]:
    if query.find(exp.TableColumn):
        yield "a row is taken whole, as one value: name its columns"
    if any(not isinstance(star.parent, exp.Count) for star in query.find_all(exp.Star)):
        yield "a * stands for columns that are not declared, or within an expression: name them"
    for scope in scopes:
        if scope.is_derived_table and scope.external_columns:
            yield f"{_shown(scope.expression)} reads the tables beside it: join them within it"
        for column in scope.external_columns:
            if (column.table or scope.is_subquery) and _is_selected(column, scope):
                yield f"{_shown(scope.expression)} selects {_shown(column)} of the query around it: select it there"
    for part in _sorted_or_grouped(query):
        names = {column.name for column in part.find_all(exp.Column) if not column.table}
        if names and not isinstance(part, exp.Column):
            # DuckDB takes a stored column of that name, if there is one, and the output column alone
            yield f"{_shown(part)} reckons with {', '.join(sorted(names))}: sort by it alone, or name its table"


def _is_selected(column: exp.Expr, scope: Scope) -> bool:
    """Whether a column stands in the select list of a part of the query, or of one beside it in a union."""
    step: exp.Expr | None = column
    while step is not None and step is not scope.expression:
        if step.arg_key == "expressions" and isinstance(step.parent, exp.Select):
            return True
        step = step.parent
    return False


def _sorted_or_grouped(query: exp.Expr) -> Iterator[exp.Expr]:
    """What rows are sorted or grouped by, in every part of a query; windows have no places and no output columns."""
    for order in query.find_all(exp.Order):
        if isinstance(order.parent, exp.Query):
            yield from (ordered.this for ordered in order.expressions)
    for group in query.find_all(exp.Group):
        yield from group.expressions


def _shown(part: exp.Expr) -> str:
    return part.sql("duckdb")[:60]
