"""Where a query's columns come from: the type of each is derived from the columns it is computed from.

Here belongs reading the SQL, never running it. A column that cannot be traced to declared columns is unknown,
and is not shown. Rows chosen by a column (WHERE, JOIN) tell it by being there: no column of theirs is looser than
it, and of rows chosen by what is not shared nothing is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
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
from masking.unnamed import UntraceableError, refuse_ambiguous, refuse_unnamed

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
    exp.IgnoreNulls,
)

_Shape = tuple[str, str, tuple[tuple[str, str], ...]]
"""layer, table, and each column with its dtype"""
Origin = tuple[str, str, str]
"""(layer, table, column); the layer is empty for what could not be traced to a stored table."""


@dataclass(frozen=True)
class Trace:
    """Where a query's result comes from.

    ``columns`` are the stored columns that each output column's values are computed from; ``rows`` those that decide
    which rows there are, in which groups. A value that is changed in neither changes nothing in the output column."""

    columns: Mapping[str, tuple[Origin, ...]]
    rows: tuple[Origin, ...]


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
    try:
        roots, choosers = _read(sql, tables)
    except UntraceableError:
        return {}
    deciding = [_declared(origin, tables) for origin in choosers]
    if any(_never_shown(column) for column in deciding):
        return {}
    shown = _of_values(roots, schema, tables, titles)
    return {name: _tightened(column, deciding) for name, column in shown.items()}


def value_columns(
    sql: str, schema: pl.Schema, tables: Tables, titles: Mapping[str, str]
) -> dict[str, SourceColumn]:
    """As :func:`query_columns`, by the values alone: what chooses the rows is for the caller to judge.

    Raises :class:`UntraceableError`."""
    return _of_values(_read(sql, tables)[0], schema, tables, titles)


def _of_values(
    roots: Mapping[str, Node], schema: pl.Schema, tables: Tables, titles: Mapping[str, str]
) -> dict[str, SourceColumn]:
    found = {}
    for name, dtype in schema.items():
        traced = _origins(roots[name], tables) if name in roots else None
        column = _computed(name, dtype, traced) if traced else None
        if column:
            title = Title(zh=titles.get(name, column.title.zh), en=column.title.en)
            found[name] = replace(column, title=title)
    return found


def _tightened(column: SourceColumn, deciding: Sequence[SourceColumn | None]) -> SourceColumn:
    """A value tells what its row was chosen by: the column's types are no looser than the tightest of those.

    Ids of ours only join; whatever chose by their meaning is there under its own name."""
    chosen = [column, *(other for other in deciding if other and not other.system)]
    strict = derived(column.name, column.title, chosen)
    return replace(
        column, sharing=strict.sharing, opening=strict.opening, opening_ground=strict.opening_ground
    )


def _never_shown(chooser: SourceColumn | None) -> bool:
    return chooser is None or (chooser.sharing is SharingType.NONE and not chooser.system)


def trace(sql: str, tables: Tables) -> Trace:
    """Which stored columns each output column, and the choice of rows, depend on.

    Raises :class:`UntraceableError`."""
    roots, choosers = _read(sql, tables)
    columns = {
        name: tuple(sorted({_origin(leaf) for leaf in _leaf_nodes(root)})) for name, root in roots.items()
    }
    return Trace(columns, tuple(sorted(choosers)))


def _read(sql: str, tables: Tables) -> tuple[Mapping[str, Node], frozenset[Origin]]:
    """SQLGlot's lineage of every output column, and the columns that choose rows."""
    return _read_once(sql, _shapes(tables))


@lru_cache(maxsize=64)
def _read_once(sql: str, shapes: tuple[_Shape, ...]) -> tuple[Mapping[str, Node], frozenset[Origin]]:
    """The same of tables' names and columns, all that it depends on: a query is read in half a second, and every role's
    tables ask for each theme's."""
    try:
        choosers = _choosers(_scopes(sql, shapes))
        roots = lineage(None, sql, schema=_schema(shapes), dialect="duckdb")
    except (SqlglotError, ValueError) as error:
        raise UntraceableError(str(error)) from error
    return MappingProxyType(roots), frozenset(choosers)


def _shapes(tables: Tables) -> tuple[_Shape, ...]:
    return tuple(
        (*names, tuple((name, str(column.dtype)) for name, column in columns.items()))
        for names, columns in tables.items()
    )


def _schema(shapes: tuple[_Shape, ...]) -> dict[str, object]:
    """The tables' columns as SQLGlot wants them."""
    declared: dict[str, dict[str, dict[str, str]]] = {}
    for layer, table, columns in shapes:
        declared.setdefault(layer, {})[table] = dict(columns)
    return {**declared}


def scopes_of(sql: str, tables: Tables) -> list[Scope]:
    """The query's parts, each after those it reads, with every column's table named; the last is the whole.

    Raises :class:`UntraceableError`."""
    return _scopes(sql, _shapes(tables))


@lru_cache(maxsize=64)
def _scopes(sql: str, shapes: tuple[_Shape, ...]) -> list[Scope]:
    try:
        written = sqlglot.parse_one(sql, dialect="duckdb")
        refuse_unnamed(written)
        query = qualify(written, dialect="duckdb", schema=_schema(shapes), validate_qualify_columns=False)
    except SqlglotError as error:
        raise UntraceableError(str(error)) from error
    scopes = traverse_scope(query)
    refuse_ambiguous(query, scopes)
    return scopes


def _choosers(scopes: Sequence[Scope]) -> set[Origin]:
    """The stored columns that decide which rows there are, and how they are grouped."""
    found: set[Origin] = set()
    for scope in scopes:
        listed = [column for column in scope.columns if not _is_projected(column, scope)]
        leaves = [leaf for column in listed for leaf in stored_behind(column, scope)]
        for inner in scope.subquery_scopes:
            # what `IN (SELECT ...)`, `> ALL (...)` and `LIMIT (...)` compare with is selected there and decides here
            if isinstance(inner.expression, exp.Query) and not _is_projected(inner.expression, scope):
                places = range(len(inner.expression.named_selects))
                leaves += [leaf for place in places for leaf in _behind(inner, place)]
        leaves += [
            leaf for position in _deciding_places(scope.expression) for leaf in _behind(scope, position)
        ]
        found |= {(*table, name) for table, name in leaves}
    return found


def _deciding_places(query: exp.Expr) -> Iterable[int]:
    """The places in the select list whose values decide which rows there are: all where rows are compared whole, and
    those that ORDER BY takes by their own names (by number, too: SQLGlot has put the name in its place)."""
    if not isinstance(query, exp.Query):
        return ()
    every = range(len(query.named_selects))
    order = query.args.get("order")
    by = [ordered.this for ordered in order.expressions] if order else []
    if _compares_rows(query) or any(isinstance(part, exp.Var) for part in by):
        return every
    names = {part.name for part in by if isinstance(part, exp.Column) and not part.table}
    return [place for place in every if query.named_selects[place] in names]


def _compares_rows(query: exp.Query) -> bool:
    """Whether which rows there are depends on everything selected: DISTINCT, UNION, EXCEPT, GROUP BY ALL."""
    if isinstance(query, exp.SetOperation):
        return not isinstance(query, exp.Union) or bool(query.args.get("distinct"))
    group = query.args.get("group")
    return bool(query.args.get("distinct")) or bool(group and group.args.get("all"))


def _is_projected(column: exp.Expr, scope: Scope) -> bool:
    """Whether a column or subquery stands in the select list: what it tells is then its own output column's business."""
    step: exp.Expr = column
    while step.parent is not None and step.parent is not scope.expression:
        step = step.parent
    return step.arg_key == "expressions"


def stored_behind(column: exp.Column, scope: Scope) -> Iterator[tuple[tuple[str, str], str]]:
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
                yield from stored_behind(inner, scope)


def _position(scope: Scope, name: str) -> int | None:
    names = scope.expression.named_selects if isinstance(scope.expression, exp.Query) else []
    return names.index(name) if name in names else None


def _origins(root: Node, tables: Tables) -> _Traced | None:
    """The declared columns behind one output column; None where any of them is unknown."""
    columns = [_declared(_origin(leaf), tables) for leaf in _leaf_nodes(root)]
    if None in columns:
        return None
    constants = any(
        not node.downstream and not isinstance(node.expression, exp.Table) for node in root.walk()
    )
    unchanged = all(_unchanged(node) for node in root.walk() if node.downstream) and not constants
    return _Traced([column for column in columns if column], unchanged, _only_labels(root.expression))


def _leaf_nodes(root: Node) -> list[Node]:
    """Where a column's values come from in the end; constants and counts of rows come from nowhere."""
    leaves = [node for node in root.walk() if not node.downstream]
    return [
        node
        for node in leaves
        if isinstance(node.expression, exp.Table)
        or (node.expression.find(exp.Column, exp.Star) and not _counts(node))
    ]


def _origin(leaf: Node) -> Origin:
    table, column = leaf.expression, leaf.name.rsplit(".", 1)[-1].strip('"')
    return (table.db, table.name, column) if isinstance(table, exp.Table) else ("", "", column)


def _declared(origin: Origin, tables: Tables) -> SourceColumn | None:
    layer, table, column = origin
    return tables.get((layer, table), {}).get(column)


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
