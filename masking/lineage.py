"""Where a query's columns come from: the type of each is derived from the columns it is computed from.

Here belongs reading the SQL, never running it. A column that cannot be traced to declared columns is unknown,
and is not shown. Rows chosen by what is not shared (WHERE, JOIN) tell it by being there: of such a query
nothing is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import polars as pl
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.lineage import Node, lineage
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, traverse_scope

from catalog.model import Grade, SharingType, Title
from masking.columns import NO_GROUND, SourceColumn, derived
from masking.methods import kind

Tables = Mapping[tuple[str, str], Mapping[str, SourceColumn]]
"""(layer, table) → its declared columns, by name."""

#: Steps that leave values as they are, or pick one: the element's own mask fits what comes out.
_PASSING = (
    exp.Alias,
    exp.Column,
    exp.Identifier,
    exp.Coalesce,
    exp.Min,
    exp.Max,
    exp.AnyValue,
    exp.First,
    exp.Last,
)


@dataclass(frozen=True)
class _Traced:
    """The declared columns behind an output column, and what becomes of their values."""

    columns: list[SourceColumn]
    unchanged: bool
    labels: bool
    """whether nothing but words written in the SQL can come out"""


def query_columns(
    sql: str, schema: pl.Schema, tables: Tables, titles: Mapping[str, str] = MappingProxyType({})
) -> dict[str, SourceColumn]:
    """The columns of a query's result that can be traced and masked, of the dtypes in ``schema``.

    ``titles`` are their Chinese titles where the query's author states them.

    A text computed from sensitive values (an id joined to a name, a part of an id) has no mask that fits and
    is left out; a number or a yes or no computed from them keeps their type."""
    declared: dict[str, object] = {}
    for (layer, table), columns in tables.items():
        declared.setdefault(layer, {})[table] = {name: str(column.dtype) for name, column in columns.items()}  # type: ignore[index]
    try:
        roots = lineage(None, sql, schema=declared, dialect="duckdb")
        choosers = _choosers(sql, declared, tables)
    except (SqlglotError, ValueError):
        return {}
    if any(
        column is None or (column.sharing is SharingType.NONE and not column.system) for column in choosers
    ):
        return {}
    found = {}
    for name, dtype in schema.items():
        traced = _origins(roots[name], tables) if isinstance(roots, dict) and name in roots else None
        column = _computed(name, dtype, traced) if traced else None
        if column:
            title = Title(zh=titles.get(name, column.title.zh), en=column.title.en)
            found[name] = replace(column, title=title)
    return found


def _choosers(sql: str, declared: dict[str, object], tables: Tables) -> list[SourceColumn | None]:
    """The declared columns that decide which rows there are, and how they are grouped; None for an unknown
    one."""
    query = qualify(
        sqlglot.parse_one(sql, dialect="duckdb"),
        dialect="duckdb",
        schema=declared,
        validate_qualify_columns=False,
    )
    found: list[SourceColumn | None] = []
    for scope in traverse_scope(query):
        for column in scope.columns:
            if not _is_projected(column, scope):
                found += [tables.get(table, {}).get(name) for table, name in _leaves(column, scope)]
    return found


def _is_projected(column: exp.Column, scope: Scope) -> bool:
    """Whether a column stands in the select list: what it tells is then its own output column's business."""
    step: exp.Expr = column
    while step.parent is not None and step.parent is not scope.expression:
        step = step.parent
    return step.arg_key == "expressions"


def _leaves(column: exp.Column, scope: Scope) -> Iterator[tuple[tuple[str, str], str]]:
    """The stored columns behind a column of a scope, through common table expressions and subqueries."""
    source = scope.sources.get(column.table)
    if isinstance(source, exp.Table):
        yield (source.db, source.name), column.name
    elif isinstance(source, Scope) and _position(source, column.name) is not None:
        yield from _behind(source, _position(source, column.name))
    elif not column.table and _position(scope, column.name) is not None:
        # ORDER BY and GROUP BY may name an output column
        yield from _behind(scope, _position(scope, column.name))
    else:
        yield ("", column.table), column.name


def _behind(scope: Scope, position: int | None) -> Iterator[tuple[tuple[str, str], str]]:
    """The stored columns behind the output column at a position, in every branch of a union."""
    for part in scope.set_operation_scopes:
        yield from _behind(part, position)
    if isinstance(scope.expression, exp.Select) and position is not None:
        for inner in scope.expression.selects[position].find_all(exp.Column):
            if inner.table:
                yield from _leaves(inner, scope)


def _position(scope: Scope, name: str) -> int | None:
    names = scope.expression.named_selects if isinstance(scope.expression, exp.Query) else []
    return names.index(name) if name in names else None


def _origins(root: Node, tables: Tables) -> _Traced | None:
    """The declared columns behind one output column; None where any of them is unknown."""
    leaves = [node for node in root.walk() if not node.downstream]
    columns = [_leaf(node, tables) for node in leaves if isinstance(node.expression, exp.Table)]
    # what is no table and names no column is a constant, or a count of rows
    other = [node for node in leaves if not isinstance(node.expression, exp.Table)]
    if (
        any(node.expression.find(exp.Column, exp.Star) and not _counts(node) for node in other)
        or None in columns
    ):
        return None
    unchanged = all(_unchanged(node) for node in root.walk() if node.downstream) and not other
    return _Traced([column for column in columns if column], unchanged, _only_labels(root.expression))


def _leaf(node: Node, tables: Tables) -> SourceColumn | None:
    table = node.expression
    if not isinstance(table, exp.Table):
        return None
    return tables.get((table.db, table.name), {}).get(node.name.rsplit(".", 1)[-1].strip('"'))


def _counts(node: Node) -> bool:
    """Whether a leaf's only star is the one in ``count(*)``."""
    stars = list(node.expression.find_all(exp.Star))
    return not node.expression.find(exp.Column) and all(isinstance(star.parent, exp.Count) for star in stars)


def _unchanged(node: Node) -> bool:
    """Whether a step only passes values on, or picks one of several."""
    return all(isinstance(part, _PASSING) for part in node.expression.walk())


def _only_labels(expression: exp.Expr) -> bool:
    """Whether the expression is a CASE whose every result is a literal."""
    case = expression.unalias()
    if not isinstance(case, exp.Case):
        return False
    results = [branch.args["true"] for branch in case.args["ifs"]]
    default = case.args.get("default")
    return all(
        isinstance(result, exp.Literal | exp.Null) for result in [*results, *([default] if default else [])]
    )


def _computed(name: str, dtype: pl.DataType, traced: _Traced) -> SourceColumn | None:
    if not traced.columns:
        return _constant(name, dtype)
    column = derived(name, _title(name, traced), traced.columns)
    one_element = len({origin.element for origin in traced.columns}) == 1
    if one_element and kind(dtype) == kind(column.dtype) and (traced.unchanged or kind(dtype) == "number"):
        return replace(column, dtype=dtype)
    element = None if column.system else _element_of(dtype, column.grade, traced)
    return replace(column, dtype=dtype, element=element) if element else None


def _element_of(dtype: pl.DataType, grade: Grade, traced: _Traced) -> str | None:
    """The element of what is newly computed; None for what no mask fits."""
    if dtype == pl.Boolean or dtype.is_numeric():
        return "integer"
    if traced.labels:
        return "category"
    if grade < Grade.SENSITIVE:
        return "date" if dtype.is_temporal() else "category"
    return None


def _constant(name: str, dtype: pl.DataType) -> SourceColumn:
    """A constant or a number of rows is computed from no column, but tells that the row is there, or how many
    are."""
    return SourceColumn(
        name,
        Title(zh=name, en=name),
        "integer" if dtype.is_numeric() else "category",
        Grade.LOW,
        dtype,
        SharingType.CONDITIONAL,
        SharingType.NONE,
        NO_GROUND,
        frozenset(),
    )


def _title(name: str, traced: _Traced) -> Title:
    if traced.unchanged:
        return traced.columns[0].title
    return Title(zh=name, en=name)
