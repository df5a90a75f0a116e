"""By which key a theme can be made anew piece by piece: every row of it rests on those source rows alone that are tied to
its own value of the key.

Here belongs the proof, from the SQL alone; the making is in ``increment``. A query is local by a key where each table it
reads is tied to it: by equality in a join or a correlated subquery, directly or over a row that has the key and names
another one (a person has the household whose neighbours are counted); where groups, windows and DISTINCT keep to the key; and
where nothing asks for all rows (LIMIT, totals). What is not tied may be read as long as it does not change. Whatever is not
understood is not local: then the theme is built whole, which is always right.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl
from sqlglot import exp
from sqlglot.optimizer.pushdown_projections import pushdown_projections
from sqlglot.optimizer.scope import Scope, traverse_scope

from assets.build import TableName
from masking.lineage import Tables, scopes_of
from masking.unnamed import UntraceableError

#: What gives another value each time it is asked, or asks for the time of day: DuckDB 1.5 calls the first VOLATILE.
NEVER_THE_SAME = re.compile(
    r"\b(current_timestamp|current_time|localtime|localtimestamp)\b|\b(random|uuid|uuidv4|uuidv7|gen_random_uuid|nextval"
    r"|currval|setseed|now|get_current_timestamp|get_current_time|transaction_timestamp|txid_current|sleep_ms|write_log"
    r"|getvariable|error|stats|current_[a-z_]+|in_search_path)\s*\(",
    re.IGNORECASE,
)
_OF_A_DAY = re.compile(r"\b(current_date|today)\s*\(", re.IGNORECASE)
_SELECT_PARTS = frozenset(
    ("with_", "expressions", "from_", "joins", "where", "group", "having", "qualify", "distinct", "order", "windows")
)  # fmt: skip
_UNION_PARTS = frozenset(("with_", "this", "expression", "distinct", "order"))
_TABLE_PARTS = frozenset(("this", "db", "alias"))
_JOIN_PARTS = frozenset(("this", "side", "kind", "on"))
#: Each gives one of the values of its group, so that what it gives is some row's.
_PICKS = (exp.Min, exp.Max, exp.AnyValue, exp.First, exp.Last)
#: What is the same of the same rows, in whatever order they come.
_ORDERLESS = (exp.Count, exp.CountIf, exp.Min, exp.Max)
#: By values of these two rows are surely told to be equal, whoever compares them.
_KEY_TYPES = (pl.String, pl.Date, pl.Int8, pl.Int16, pl.Int32, pl.Int64)


@dataclass(frozen=True)
class Keys:
    """A set of values: the theme's own key (no bridges), or those that rows having other keys lead to."""

    bridges: tuple[Bridge, ...] = ()


@dataclass(frozen=True)
class Bridge:
    """The values of the column ``value`` in those rows of a table whose column ``key`` is among ``keys``.

    ``nulls``: null is a value like others here; else it leads to nothing, as it equals nothing."""

    keys: Keys
    table: TableName
    key: str
    value: str
    nulls: bool = False


@dataclass(frozen=True)
class Tie:
    """What is read of a table: the rows whose column is among the keys; ``nulls`` as of a bridge."""

    keys: Keys
    table: TableName
    column: str
    nulls: bool


@dataclass(frozen=True)
class Local:
    """How a theme follows from its sources piece by piece.

    Two builds differ in no row whose ``key`` is not reached from a changed row over ``ties`` (and, by their bridges, back to
    the theme's own key), as long as the tables in ``whole`` do not change. ``reads`` are the columns that decide anything."""

    key: str
    ties: frozenset[Tie]
    whole: frozenset[TableName]
    reads: Mapping[TableName, tuple[str, ...]] = field(hash=False)


class NotLocalError(ValueError):
    """The query cannot be made anew piece by piece; the message says why."""


def find_local(sql: str, tables: Tables, prefer: Sequence[str]) -> Local:
    """By which output column the query is local, those to ``prefer`` first; raises :class:`NotLocalError`."""
    try:
        scopes = scopes_of(sql, tables)
    except UntraceableError as error:
        raise NotLocalError(str(error)) from error
    found = NEVER_THE_SAME.search(_OF_A_DAY.sub("", sql))
    if found:
        msg = f"{found.group().strip('( ')} is never the same twice"
        raise NotLocalError(msg)
    root = scopes[-1]
    if any(part.args.get("recursive") for part in root.expression.find_all(exp.With)):
        msg = "a recursive query may go from any row to any other"
        raise NotLocalError(msg)
    if root.expression.find(exp.TableSample):
        msg = "SAMPLE is never the same twice"
        raise NotLocalError(msg)
    reads = _columns_read(root)
    names = list(dict.fromkeys([*prefer, *_names(root)]))
    proof, problems = _Proof(tables), []
    for way in (proof.by_output, proof.by_hidden):
        for name in names:
            try:
                ties, whole = way(root, name)
            except NotLocalError as error:
                problems.append(str(error))
            else:
                return Local(name, ties, whole, reads)
    raise NotLocalError(problems[0])


def _columns_read(root: Scope) -> dict[TableName, tuple[str, ...]]:
    """The stored columns that the result depends on: a ``*`` names all, of which most are dropped further on."""
    found: dict[TableName, set[str]] = {}
    for scope in traverse_scope(pushdown_projections(root.expression.copy())):
        stored = {alias: source for alias, source in scope.sources.items() if isinstance(source, exp.Table)}
        for table in stored.values():
            found.setdefault((table.db, table.name), set())
        for column in scope.columns:
            if column.table in stored:
                found[stored[column.table].db, stored[column.table].name].add(column.name)
    return {table: tuple(sorted(columns)) for table, columns in found.items()}


_Source = exp.Table | Scope
_Place = tuple[str, str]
"""alias, column"""
_Attached = dict[str, tuple[Keys, str]]
"""alias → by which of its columns, among which keys"""
_Needs = tuple[frozenset[Tie], frozenset[TableName]]


@dataclass
class _Joined:
    """A part of a query, and how each of its sources is tied to the key."""

    sources: Mapping[str, _Source]
    attached: _Attached
    equal: set[_Place]
    """columns that are the key in every row"""
    same: set[_Place]
    """columns that are the key, or null where an outer join found nothing"""


@dataclass(frozen=True)
class _Edge:
    """``one = other`` must hold where rows are joined; the source of ``other`` may be found by that of ``one``."""

    one: _Place
    other: _Place
    holds: bool
    """whether the two are equal in every row that is left"""


@dataclass(frozen=True)
class _Proof:
    """What is known of the tables, and what has been proven of parts of the query."""

    tables: Tables
    _known: dict[tuple[int, str, Keys, bool], _Needs | NotLocalError] = field(default_factory=dict)

    def by_output(self, root: Scope, name: str) -> _Needs:
        """What the query needs where its key is an output column."""
        return self._of_one_type(self.needs(root, name, Keys(), nulls=True))

    def by_hidden(self, root: Scope, name: str) -> _Needs:
        """What it needs where its key is not shown, but an output column's value stands in the same stored row."""
        query = root.expression
        if not isinstance(query, exp.Select) or query.args.get("distinct"):
            msg = f"{name} is not tied to what decides its rows"
            raise NotLocalError(msg)
        for alias, source in _from(root).items():
            for hidden in self._columns(source):
                try:
                    bridges = self._carried(root, name, (alias, hidden), Keys(), always=True)
                    if any(bridge.keys != Keys() for bridge in bridges):
                        continue
                    keys = Keys(tuple(Bridge(Keys(), b.table, b.value, b.key, nulls=True) for b in bridges))
                    ties, whole = self._select(root, (alias, hidden), keys, nulls=True)
                    shown = {Tie(Keys(), bridge.table, bridge.value, nulls=True) for bridge in bridges}
                    return self._of_one_type((ties | shown, whole))
                except NotLocalError:
                    continue
        msg = f"{name} is not tied to what decides its rows"
        raise NotLocalError(msg)

    def _columns(self, source: _Source) -> list[str]:
        if isinstance(source, exp.Table):
            return list(self.tables.get((source.db, source.name), {}))
        return _names(source)

    def needs(self, source: _Source, name: str, keys: Keys, *, nulls: bool) -> _Needs:
        """What is read where the rows of ``source`` are wanted whose column ``name`` is among ``keys``, or also where it is
        null and so is one of them: what is joined by an equality has no such rows."""
        asked = (id(source), name, keys, nulls)
        if asked not in self._known:
            try:
                self._known[asked] = self._needs(source, name, keys, nulls=nulls)
            except NotLocalError as error:
                self._known[asked] = error
        found = self._known[asked]
        if isinstance(found, NotLocalError):
            raise found
        return found

    def _needs(self, source: _Source, name: str, keys: Keys, *, nulls: bool) -> _Needs:
        if isinstance(source, exp.Table):
            return self._of_table(source, name, keys, nulls=nulls)
        query = source.expression
        if isinstance(query, exp.SetOperation):
            # rows that are compared whole (UNION, EXCEPT) are compared by the key, too
            _refuse_parts(query, _UNION_PARTS)
            place = query.named_selects.index(name)
            branches = source.set_operation_scopes
            return _together(
                self.needs(branch, _names(branch)[place], keys, nulls=nulls) for branch in branches
            )
        if isinstance(query, exp.Select):
            return self._select(source, _anchor(source, name), keys, name, nulls=nulls)
        msg = f"{_shown(query)} is not understood"
        raise NotLocalError(msg)

    def _of_table(self, table: exp.Table, name: str, keys: Keys, *, nulls: bool) -> _Needs:
        found: TableName = (table.db, table.name)
        column = self.tables.get(found, {}).get(name)
        if column is None or {part for part, value in table.args.items() if value} - _TABLE_PARTS:
            msg = f"{_shown(table)} is not read as it is stored"
            raise NotLocalError(msg)
        if not isinstance(column.dtype, _KEY_TYPES):
            msg = f"{'.'.join(found)}.{name} is of a type that is no key"
            raise NotLocalError(msg)
        return frozenset([Tie(keys, found, name, nulls)]), frozenset()

    def _select(
        self, scope: Scope, anchor: _Place, keys: Keys, name: str | None = None, *, nulls: bool
    ) -> _Needs:
        joined = self._joined(scope, anchor, keys)
        self._keep_to_key(scope, joined, name)
        return _together(
            [self._of_sources(joined, anchor[0] if nulls else None), self._of_subqueries(scope, joined)]
        )

    def _joined(self, scope: Scope, anchor: _Place, keys: Keys) -> _Joined:
        """How the sources of a part are tied to its key, which is a column of one of them."""
        _refuse_parts(scope.expression, _SELECT_PARTS)
        sources = _from(scope)
        if anchor[0] not in sources or anchor[0] in _outer(scope):
            msg = f"{anchor[1]} is null where a join finds nothing, and no key"
            raise NotLocalError(msg)
        joined = _Joined(sources, {anchor[0]: (keys, anchor[1])}, {anchor}, {anchor})
        self._spread(joined, list(_edges(scope)))
        return joined

    def _spread(self, joined: _Joined, edges: Sequence[_Edge]) -> None:
        """Tie more sources as long as there are such that can be: by the same key first, then over other columns."""
        while True:
            for edge in edges:
                if edge.holds and edge.one in joined.equal:
                    joined.equal.add(edge.other)
                    joined.same.add(edge.other)
            waiting = [
                edge
                for edge in edges
                if edge.one[0] in joined.attached
                and edge.other[0] in set(joined.sources) - set(joined.attached)
            ]
            waiting.sort(key=lambda edge: joined.attached[edge.one[0]][1] != edge.one[1])
            if not any(self._attach(joined, edge) for edge in waiting):
                return

    def _attach(self, joined: _Joined, edge: _Edge) -> bool:
        alias, name = edge.other
        try:
            keys = self._keys_of(joined, edge.one)
            self.needs(joined.sources[alias], name, keys, nulls=False)
        except NotLocalError:
            return False
        joined.attached[alias] = (keys, name)
        if edge.one in joined.same:
            joined.same.add(edge.other)
            if edge.holds and edge.one in joined.equal:
                joined.equal.add(edge.other)
        return True

    def _keys_of(self, joined: _Joined, place: _Place) -> Keys:
        """Among which values the column of a tied source is."""
        alias, name = place
        keys, own = joined.attached[alias]
        if name == own:
            return keys
        return Keys(tuple(self._values(joined.sources[alias], name, own, keys)))

    def _values(
        self, source: _Source, name: str, own: str, keys: Keys, *, always: bool = False
    ) -> list[Bridge]:
        """In which stored rows a column's values stand, of the rows of ``source`` whose column ``own`` is among ``keys``.

        ``always``: also its nulls; else one may be of no stored row, but of a join that found none."""
        if isinstance(source, exp.Table):
            self._of_table(source, name, keys, nulls=False)
            return [Bridge(keys, (source.db, source.name), own, name)]
        names = _names(source)
        if isinstance(source.expression, exp.SetOperation):
            found = []
            for branch in source.set_operation_scopes:
                inner = _names(branch)
                found += self._values(
                    branch, inner[names.index(name)], inner[names.index(own)], keys, always=always
                )
            return found
        return self._carried(source, name, _anchor(source, own), keys, always=always)

    def _carried(self, scope: Scope, name: str, anchor: _Place, keys: Keys, *, always: bool) -> list[Bridge]:
        """The same of an output column of a SELECT whose key is a column of one of its sources."""
        joined = self._joined(scope, anchor, keys)
        column = _projected(scope, name)
        picked = column.this if isinstance(column, exp.IgnoreNulls) else column
        if isinstance(picked, _PICKS) and not picked.expressions and not always:
            picked = picked.this
        if (
            not isinstance(picked, exp.Column)
            or picked.table not in joined.attached
            or (always and picked.table in _outer(scope))
        ):
            msg = f"{name} is reckoned, and leads to no row"
            raise NotLocalError(msg)
        within, own = joined.attached[picked.table]
        return self._values(joined.sources[picked.table], picked.name, own, within, always=always)

    def _keep_to_key(self, scope: Scope, joined: _Joined, name: str | None) -> None:
        """Groups, windows and DISTINCT must not reach beyond rows of one key."""
        query = scope.expression
        if name is not None:
            rest = _coalesced(_projected(scope, name))
            if any((column.table, column.name) not in joined.same for column in rest):
                msg = f"{name} is not one column"
                raise NotLocalError(msg)
        group, distinct = query.args.get("group"), query.args.get("distinct")
        if group and {part for part, value in group.args.items() if value} - {"all", "expressions"}:
            msg = f"{_shown(group)} makes totals"
            raise NotLocalError(msg)
        if group and not (group.args.get("all") and name) and not _among(group.expressions, joined.equal):
            msg = f"{_shown(group)} makes groups beyond the key"
            raise NotLocalError(msg)
        on = distinct.args.get("on") if distinct else None
        if distinct and (name is None or (on and not _among(on.expressions, joined.equal))):
            msg = f"{_shown(distinct)} compares rows beyond the key"
            raise NotLocalError(msg)
        named = {window.this.name: window for window in query.args.get("windows") or []}
        for window in [*named.values(), *scope.find_all(exp.Window)]:
            whole = named.get(window.alias) if window.alias else None
            by = [
                *window.args.get("partition_by", []),
                *(whole.args.get("partition_by", []) if whole else []),
            ]
            if not _among(by, joined.equal):
                msg = f"{_shown(window)} looks beyond the key"
                raise NotLocalError(msg)

    def _of_sources(self, joined: _Joined, with_nulls: str | None = None) -> _Needs:
        found = [
            self.needs(
                source, joined.attached[alias][1], joined.attached[alias][0], nulls=alias == with_nulls
            )
            if alias in joined.attached
            else _whole(source)
            for alias, source in joined.sources.items()
        ]
        return _together(found)

    def _of_subqueries(self, scope: Scope, outer: _Joined) -> _Needs:
        return _together([self._of_subquery(inner, scope, outer) for inner in scope.subquery_scopes])

    def _of_subquery(self, inner: Scope, scope: Scope, outer: _Joined) -> _Needs:
        if not inner.external_columns:
            compared = _in_condition(inner, scope)
            try:
                if compared is not None and compared.table in outer.attached:
                    keys = self._keys_of(outer, (compared.table, compared.name))
                    return self.needs(inner, _names(inner)[0], keys, nulls=False)
            except NotLocalError:
                pass
            return _whole(inner)
        if not isinstance(inner.expression, exp.Select):
            msg = f"{_shown(inner.expression)} is not understood"
            raise NotLocalError(msg)
        # of one row outside, whatever is done with the rows tied to it
        sources = _from(inner)
        hidden = set(sources)
        tied = {alias: by for alias, by in outer.attached.items() if alias not in hidden}
        around = {alias: outer.sources[alias] for alias in tied}
        joined = _Joined({**around, **sources}, dict(tied), set(), set())
        self._spread(joined, list(_edges(inner)))
        own = _Joined(sources, {a: t for a, t in joined.attached.items() if a in hidden}, set(), set())
        return _together([self._of_sources(own), self._of_subqueries(inner, joined)])

    def _of_one_type(self, needs: _Needs) -> _Needs:
        """Keys that are compared must be of one type: else equal ones may look different."""
        types: dict[Keys, set[str]] = {}
        for tie in needs[0]:
            dtype = str(self.tables[tie.table][tie.column].dtype)
            types.setdefault(tie.keys, set()).add(dtype)
            for bridge in tie.keys.bridges:
                types[tie.keys].add(str(self.tables[bridge.table][bridge.value].dtype))
        for found in types.values():
            if len(found) > 1:
                msg = f"keys of different types are compared: {', '.join(sorted(found))}"
                raise NotLocalError(msg)
        return needs


def _together(needs: Iterable[_Needs]) -> _Needs:
    every = list(needs)
    return (
        frozenset().union(*(ties for ties, _ in every)),
        frozenset().union(*(whole for _, whole in every)),
    )


def _whole(source: _Source) -> _Needs:
    """What is not tied to the key is the same for all rows, as long as its tables are and no order decides what it gives."""
    if isinstance(source, exp.Table):
        if {part for part, value in source.args.items() if value} - _TABLE_PARTS:
            msg = f"{_shown(source)} is not read as it is stored"
            raise NotLocalError(msg)
        return frozenset(), frozenset([(source.db, source.name)])
    query = source.expression
    if source.external_columns or source.udtf_scopes:
        msg = f"{_shown(query)} is not tied to the key"
        raise NotLocalError(msg)
    if isinstance(query, exp.SetOperation):
        _refuse_parts(query, _UNION_PARTS)
        return _together([_whole(branch) for branch in source.set_operation_scopes])
    if not isinstance(query, exp.Select):
        msg = f"{_shown(query)} is not understood"
        raise NotLocalError(msg)
    _refuse_parts(query, _SELECT_PARTS - {"windows"})
    distinct = query.args.get("distinct")
    ordered = [
        part
        for part in source.find_all(exp.AggFunc, exp.AnonymousAggFunc, exp.Anonymous, exp.Window)
        if not isinstance(part, _ORDERLESS)
    ]
    if ordered or (distinct and distinct.args.get("on")):
        msg = f"{_shown(query)} is not tied to the key"
        raise NotLocalError(msg)
    inner = [*_from(source).values(), *source.subquery_scopes]
    return _together([_whole(part) for part in inner])


def _refuse_parts(query: exp.Expr, known: frozenset[str]) -> None:
    for part, value in query.args.items():
        if value and part not in known:
            msg = f"{part.strip('_').upper()} decides by all rows"
            raise NotLocalError(msg)


def _from(scope: Scope) -> dict[str, _Source]:
    """What a SELECT reads, by alias, also behind SEMI and ANTI JOIN."""
    query = scope.expression
    read = query.args.get("from_")
    found: dict[str, _Source] = {}
    for part in [*([read.this] if read else []), *(join.this for join in query.args.get("joins") or [])]:
        source = scope.sources.get(part.alias_or_name)
        if source is None or part.alias_or_name in found:
            msg = f"{_shown(part)} is not understood"
            raise NotLocalError(msg)
        found[part.alias_or_name] = source
    return found


def _outer(scope: Scope) -> set[str]:
    """The sources whose columns are null, or not there, where a join finds nothing."""
    return {join.alias_or_name for join in scope.expression.args.get("joins") or [] if _finds_or_not(join)}


def _finds_or_not(join: exp.Join) -> bool:
    return join.side == "LEFT" or join.kind in {"SEMI", "ANTI"}


def _edges(scope: Scope) -> Iterator[_Edge]:
    """The equalities by which the sources of a SELECT are joined, each in the directions that it holds in."""
    query, outer = scope.expression, _outer(scope)
    for join in query.args.get("joins") or []:
        if (
            {part for part, value in join.args.items() if value and part != "pivots"} - _JOIN_PARTS
            or join.side not in {"", "LEFT"}
            or join.kind not in {"", "INNER", "OUTER", "CROSS", "SEMI", "ANTI"}
        ):
            msg = f"{_shown(join)} is no inner or left join"
            raise NotLocalError(msg)
        for one, other in _equalities(join.args.get("on")):
            if not _finds_or_not(join):
                yield from _inner_edges(one, other, outer)
            elif join.alias_or_name in (one[0], other[0]):
                found = other[0] == join.alias_or_name
                yield _Edge(one if found else other, other if found else one, holds=False)
    where = query.args.get("where")
    for one, other in _equalities(where.this if where else None):
        yield from _inner_edges(one, other, outer)


def _inner_edges(one: _Place, other: _Place, outer: set[str]) -> Iterator[_Edge]:
    """Both ways; a source of an outer join is found by that join alone."""
    for start, end in ((one, other), (other, one)):
        if end[0] not in outer:
            yield _Edge(start, end, holds=start[0] not in outer)


def _equalities(condition: exp.Expr | None) -> Iterator[tuple[_Place, _Place]]:
    """Pairs of columns of two sources that a condition says to be equal, whatever else it says."""
    for part in _conjuncts(condition):
        if isinstance(part, exp.EQ):
            one, other = part.left, part.right
            if isinstance(one, exp.Column) and isinstance(other, exp.Column) and one.table != other.table:
                yield (one.table, one.name), (other.table, other.name)


def _conjuncts(condition: exp.Expr | None) -> Iterator[exp.Expr]:
    if isinstance(condition, exp.And):
        yield from _conjuncts(condition.left)
        yield from _conjuncts(condition.right)
    elif isinstance(condition, exp.Paren):
        yield from _conjuncts(condition.this)
    elif condition is not None:
        yield condition


def _in_condition(inner: Scope, scope: Scope) -> exp.Column | None:
    """The column that must be among what a subquery selects, as a condition of WHERE by itself; NOT IN is none, as one null
    in the subquery decides about every row."""
    where = scope.expression.args.get("where")
    for part in _conjuncts(where.this if where else None):
        query = part.args.get("query") if isinstance(part, exp.In) else None
        if query is not None and query.unnest() is inner.expression and isinstance(part.this, exp.Column):
            return part.this
    return None


def _names(scope: Scope) -> list[str]:
    return list(scope.expression.named_selects) if isinstance(scope.expression, exp.Query) else []


def _projected(scope: Scope, name: str) -> exp.Expr:
    selected = scope.expression.selects if isinstance(scope.expression, exp.Select) else []
    found: list[exp.Expr] = [column.unalias() for column in selected if column.alias_or_name == name]
    if len(found) != 1:
        msg = f"{name} is not one column"
        raise NotLocalError(msg)
    return found[0]


def _anchor(scope: Scope, name: str) -> _Place:
    """The column that an output column is, as it is; of ``USING (k)`` that of the first table."""
    column = _projected(scope, name)
    if isinstance(column, exp.Coalesce) and _coalesced(column):
        column = column.this
    if not isinstance(column, exp.Column):
        msg = f"{name} is reckoned, and no key"
        raise NotLocalError(msg)
    return column.table, column.name


def _coalesced(column: exp.Expr) -> list[exp.Column]:
    """The other columns of a COALESCE of columns alone."""
    if not isinstance(column, exp.Coalesce):
        return []
    rest = [part for part in column.expressions if isinstance(part, exp.Column)]
    return rest if len(rest) == len(column.expressions) else []


def _among(parts: Iterable[exp.Expr], places: set[_Place]) -> bool:
    return any(isinstance(part, exp.Column) and (part.table, part.name) in places for part in parts)


def _shown(part: exp.Expr) -> str:
    return part.sql("duckdb", comments=False)[:60]
