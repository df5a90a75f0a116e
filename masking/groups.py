"""Numbers of groups that may be looser than what they are computed from: what the policy's reviewed lines lift, and the
query that tells how many subjects stand behind each number.

Here belongs reading a query of groups: its outermost SELECT has keys and aggregates, and what is under it says no more of
a row than that row does. Leaving out what is too small is ``suppression``'s; running a query is nobody's here.
Source: Arts. 24 and 36; GB/T 37964-2019.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import polars as pl
import sqlglot
from sqlglot import exp
from sqlglot.optimizer.scope import Scope

from catalog.model import SharingType
from masking.columns import NO_GROUND, PRIVACY_GROUND, SourceColumn
from masking.lineage import Origin, Tables, scopes_of, stored_behind, trace, value_columns
from masking.policy import Aggregate, AggregateLift, Kind, Policy

_FUNCTIONS: dict[type[exp.Expr], Aggregate] = {
    exp.Count: "count",
    exp.CountIf: "count",
    exp.Sum: "sum",
    exp.Avg: "avg",
}
_SUBJECT_ELEMENTS = ("resident_id", "subject_code", "credit_code")
_TOWARDS: tuple[Kind, Kind] = ("sharing", "opening")


#: What a table of groups is made from, while it is made.
SOURCE = "_groups_source"


class UngroupedError(ValueError):
    """The query is not of the form in which what is counted may be looser; the message says why."""


@dataclass(frozen=True)
class Number:
    """One aggregate: who takes part in it (SQL), and what is summed of each."""

    function: Aggregate
    taking_part: str
    summed: str | None


@dataclass(frozen=True)
class Groups:
    """A query of groups: its keys, the numbers in each of its other columns, and who is in them."""

    keys: tuple[str, ...]
    columns: Mapping[str, tuple[int, ...]]
    """output column → the positions of its numbers"""
    numbers: tuple[Number, ...]
    source: str | None
    """SQL of what both of the following read, to be kept as :data:`SOURCE`, so that it is found once; None for a stored
    table"""
    result: str
    """the query itself"""
    sizes: str
    """SQL: a row for each group, with its subjects, and how many of them take part in each number, and in the same ones"""
    once: str
    """SQL: whether no subject has several rows"""
    sizes_once: str
    """the same as ``sizes`` where none has, in half the time"""


@dataclass(frozen=True)
class Loosened:
    """The columns of a query with their types, and the lines of the policy that those of groups rest on, by column."""

    columns: Mapping[str, SourceColumn]
    lines_of: Mapping[str, tuple[AggregateLift, ...]] = field(default_factory=dict)

    @property
    def lines(self) -> tuple[AggregateLift, ...]:
        """All of the lines, each once."""
        return tuple(dict.fromkeys(line for lines in self.lines_of.values() for line in lines))

    @property
    def k(self) -> int:
        """The smallest group that all of the lines allow, in subjects; 0 where none is used."""
        return max((line.subjects for line in self.lines), default=0)

    @property
    def largest_share(self) -> float:
        """What one subject may have of a sum at most."""
        return min((line.largest_share for line in self.lines if line.largest_share), default=1.0)


def read_groups(sql: str, subject: str, tables: Tables) -> Groups:
    """Take a query of groups apart; raises :class:`UngroupedError`, or ``UntraceableError``.

    ``subject`` is the column, of what the outermost SELECT reads, that tells one person or organisation from another."""
    query = sqlglot.parse_one(sql, dialect="duckdb")
    if not isinstance(query, exp.Select):
        msg = "a query of groups is one SELECT, with what it reads in front of it"
        raise UngroupedError(msg)
    scopes = scopes_of(sql, tables)
    _refuse_detours(scopes, tables)
    _refuse_other_subject(scopes[-1], subject, tables)
    for part in ("distinct", "limit", "offset", "qualify", "windows", "sample"):
        if query.args.get(part):
            msg = f"its outermost SELECT may not choose among groups by {part.upper()}"
            raise UngroupedError(msg)
    keys = [column for column in query.selects if not _aggregates(column)]
    numbers: list[Number] = []
    columns: dict[str, tuple[int, ...]] = {}
    for column in query.selects:
        if column not in keys:
            found = [_number(aggregate, column.alias_or_name, subject) for aggregate in _aggregates(column)]
            numbers += [number for number in dict.fromkeys(found) if number not in numbers]
            columns[column.alias_or_name] = tuple(numbers.index(number) for number in found)
    _refuse_other_groups(scopes[-1], {key.alias_or_name for key in keys})
    _refuse_reckoned_sums(scopes[-1])
    names = tuple(key.alias_or_name for key in keys)
    source, apart = _source_apart(query)
    members = _members(apart, [key for key in apart.selects if not _aggregates(key)], numbers, subject)
    return Groups(
        keys=names,
        columns=columns,
        numbers=tuple(numbers),
        source=source,
        result=apart.sql("duckdb"),
        sizes=_sizes(members, names, numbers, once=False),
        once=f"SELECT count(_subject) = count(DISTINCT _subject) FROM ({members})",  # noqa: S608 - of a theme's own SQL
        sizes_once=_sizes(members, names, numbers, once=True),
    )


def _source_apart(query: exp.Select) -> tuple[str | None, exp.Select]:
    """The query's last common table expression, where that is all it reads, and the query over it alone."""
    read = query.args["from_"].this
    own = {cte.alias for cte in query.ctes}
    once = query.copy()
    if query.args.get("joins") or not isinstance(read, exp.Table) or read.db or read.name not in own:
        return None, once
    source = exp.select("*").from_(read.copy())
    source.set("with_", query.args["with_"].copy())
    once.set("with_", None)
    kept = exp.alias_(exp.to_table(SOURCE), read.alias_or_name, table=True)
    return source.sql("duckdb"), once.from_(kept)


def loosened_columns(
    sql: str,
    subject: str,
    shape: pl.Schema,
    tables: Tables,
    titles: Mapping[str, str],
    policy: Policy,
    groups: Groups | None = None,
) -> Loosened:
    """The columns of a query of groups, each as loose as the policy's lines allow; raises as :func:`read_groups`, whose
    answer ``groups`` is where it has been asked."""
    _ = groups or read_groups(sql, subject, tables)
    root = scopes_of(sql, tables)[-1]
    choosers = [("count", _known(origin, tables)) for origin in trace(sql, tables).rows]
    found: dict[str, SourceColumn] = {}
    lines_of: dict[str, tuple[AggregateLift, ...]] = {}
    for name, column in value_columns(sql, shape, tables, titles).items():
        behind = [*_values(root, name, tables), *choosers]
        types: dict[str, SharingType] = {}
        lines: list[AggregateLift] = []
        ground = None
        for towards in _TOWARDS:
            steps = list(_steps(behind, towards, policy))
            lines += [line for _, _, line in steps if line and line not in lines]
            types[towards] = min(
                (step for step, _, _ in steps), key=lambda step: step.rank, default=SharingType.UNCONDITIONAL
            )
            if towards == "opening" and types[towards] is not SharingType.UNCONDITIONAL:
                tight = {own.opening_ground for step, own, _ in steps if step is types[towards]}
                # whichever ground no mask lifts stands for all
                ground = min(tight, key=lambda ground: ground == PRIVACY_GROUND) or NO_GROUND
        lines_of[name] = tuple(lines)
        found[name] = replace(
            column,
            sharing=types["sharing"],
            opening=types["opening"],
            opening_ground=ground,
            departments=frozenset().union(*(own.departments for _, own in behind)),
            system=False,
        )
    return Loosened(found, lines_of)


def _steps(
    behind: Sequence[tuple[str, SourceColumn]], towards: Kind, policy: Policy
) -> Iterator[tuple[SharingType, SourceColumn, AggregateLift | None]]:
    """Each column behind a number with its type once counted, and the line that says so.

    An id of ours, counted, tells nothing: it only joins."""
    for function, column in behind:
        own = column.type_towards(towards)
        if column.system and function:
            continue
        line = policy.line_for(column, function, towards) if function else None
        if line and line.to.rank > own.rank:
            yield line.to, column, line
        else:
            yield own, column, None


def _values(root: Scope, name: str, tables: Tables) -> list[tuple[str, SourceColumn]]:
    """The stored columns behind one output column, each with the function it is under; empty where it is under none."""
    (column,) = [select for select in _selects(root) if select.alias_or_name == name]
    return [
        (_function_over(inner), _known((*table, stored), tables))
        for inner in column.find_all(exp.Column)
        for table, stored in stored_behind(inner, root)
    ]


def _selects(scope: Scope) -> list[exp.Expr]:
    return list(scope.expression.selects) if isinstance(scope.expression, exp.Select) else []


def _function_over(column: exp.Column) -> str:
    """The aggregate that a column of the outermost SELECT stands in, also as its FILTER."""
    step: exp.Expr | None = column
    while step is not None:
        inner = step.this if isinstance(step, exp.Filter) else step
        if type(inner) in _FUNCTIONS:
            return _FUNCTIONS[type(inner)]
        step = step.parent
    return ""


def _known(origin: Origin, tables: Tables) -> SourceColumn:
    layer, table, column = origin
    found = tables.get((layer, table), {}).get(column)
    if found is None:
        msg = f"{'.'.join(filter(None, origin))} is not declared"
        raise UngroupedError(msg)
    return found


def _aggregates(column: exp.Expr) -> list[exp.Expr]:
    """The aggregates in an expression, each with its FILTER."""
    found = list(column.find_all(exp.AggFunc, exp.Anonymous, exp.AnonymousAggFunc))
    return [part.parent if isinstance(part.parent, exp.Filter | exp.IgnoreNulls) else part for part in found]


def _number(aggregate: exp.Expr, name: str, subject: str) -> Number:
    """What an aggregate counts or sums, and of whom."""
    condition = aggregate.expression.this if isinstance(aggregate, exp.Filter) else exp.true()
    inner = aggregate.this if isinstance(aggregate, exp.Filter) else aggregate
    if type(inner) not in _FUNCTIONS or aggregate.find_ancestor(exp.Window):
        msg = (
            f"{name}: {aggregate.sql('duckdb')} is a value of somebody's, no count, sum or average of a group"
        )
        raise UngroupedError(msg)
    function, of = _FUNCTIONS[type(inner)], inner.this
    if isinstance(of, exp.Distinct) and [part.name for part in of.expressions] != [subject]:
        msg = f"{name}: how many values there are tells that somebody has a rare one: count rows, or different {subject}"
        raise UngroupedError(msg)
    if function == "count":
        return Number(function, _counted(inner, of, condition).sql("duckdb"), None)
    if not isinstance(of, exp.Column):
        msg = f"{name}: what is summed must be a column, as {of.sql('duckdb')} could hold one subject's value apart"
        raise UngroupedError(msg)
    differs = of.copy().is_(exp.null()).not_() if function == "avg" else of.copy().neq(exp.Literal.number(0))
    return Number(function, exp.and_(condition.copy(), differs).sql("duckdb"), of.sql("duckdb"))


def _counted(count: exp.Expr, of: exp.Expr | None, condition: exp.Expr) -> exp.Expr:
    if of is None or isinstance(of, exp.Star):
        return condition
    if isinstance(count, exp.CountIf):
        return exp.and_(condition.copy(), of.copy())
    parts = of.expressions if isinstance(of, exp.Distinct) else [of]
    return exp.and_(condition.copy(), *(part.copy().is_(exp.null()).not_() for part in parts))


def _members(query: exp.Select, keys: Sequence[exp.Expr], numbers: Sequence[Number], subject: str) -> str:
    """SQL: a row for each row of a group, with its subject, and whether it takes part in each number, and with how much."""
    members = query.copy()
    for part in ("group", "having", "order"):
        members.set(part, None)
    taking = [f"{number.taking_part} AS _takes_{place}" for place, number in enumerate(numbers)]
    amounts = [f"abs({numbers[n].summed}) AS _amount_{n}" for n in _summed(numbers)]
    members = members.select(
        *(key.copy() for key in keys),
        f'"{subject}" AS _subject',
        *taking,
        *amounts,
        append=False,
        dialect="duckdb",
    )
    return members.sql("duckdb")


def _summed(numbers: Sequence[Number]) -> list[int]:
    return [place for place, number in enumerate(numbers) if number.summed]


def _sizes(members: str, keys: Sequence[str], numbers: Sequence[Number], *, once: bool) -> str:
    """How many subjects are in each group, in each number, and (``_alike``) in the same ones: of these the first is the last
    bit of ``mask``."""
    places, summed = range(len(numbers)), _summed(numbers)
    names = [f'"{key}"' for key in keys]
    takes = [f"_takes_{n}" for n in places]
    if once:
        each = [
            *(f"coalesce({name}, false) AS {name}" for name in takes),
            *(f"CASE WHEN _takes_{n} THEN _amount_{n} END AS _amount_{n}" for n in summed),
        ]
        by = ""
    else:
        each = [
            *(f"coalesce(bool_or({name}), false) AS {name}" for name in takes),
            *(f"sum(_amount_{n}) FILTER (_takes_{n}) AS _amount_{n}" for n in summed),
        ]
        by = f" GROUP BY {', '.join([*names, '_subject'])}"
    mask = " + ".join(["0", *(f"{1 << n} * CAST(_takes_{n} AS BIGINT)" for n in places)])
    alike = [
        "count(*) AS _c",
        *(f"max(_amount_{n}) AS _most_{n}, sum(_amount_{n}) AS _sum_{n}" for n in summed),
    ]
    of_groups = [
        f"{_count()} AS _n",
        *(f"{_count(f'_takes_{n}')} AS _n_{n}" for n in places),
        *(f"max(_most_{n}) / sum(_sum_{n}) AS _share_{n}" for n in summed),
        f"list({{'mask': {mask}, 'subjects': _c}}) AS _alike",
    ]
    return (
        f"WITH subjects AS (SELECT {', '.join([*names, '_subject', *each])} "  # noqa: S608 - of a theme's own SQL
        f"FROM ({members}) WHERE _subject IS NOT NULL{by}), "
        f"alike AS (SELECT {', '.join([*names, *takes, *alike])} FROM subjects GROUP BY ALL) "
        f"SELECT {', '.join([*names, *of_groups])} FROM alike"
        + (f" GROUP BY {', '.join(names)}" if names else "")
    )


def _count(which: str = "") -> str:
    some = f" FILTER ({which})" if which else ""
    return f"CAST(coalesce(sum(_c){some}, 0) AS BIGINT)"


def _refuse_other_groups(root: Scope, keys: set[str]) -> None:
    """Groups are those of the keys that are shown, and only their size may choose among them."""
    query = root.expression
    group = query.args.get("group")
    if group and group.find(exp.Rollup, exp.Cube, exp.GroupingSets):
        msg = "totals beside groups give small groups away by subtraction: publish one kind of group"
        raise UngroupedError(msg)
    shown = [select.unalias() for select in _selects(root) if select.alias_or_name in keys]
    names = {exp.column(key, quoted=True) for key in keys}
    for part in group.expressions if group else []:
        if part not in shown and part not in names and not part.is_number:
            msg = f"rows are grouped by {part.sql('duckdb')}, which is not shown: one group would be several rows"
            raise UngroupedError(msg)
    having = query.args.get("having")
    for aggregate in _aggregates(having) if having else []:
        if not (isinstance(aggregate, exp.Count) and isinstance(aggregate.this, exp.Star | None)):
            msg = f"HAVING {aggregate.sql('duckdb')}: only a group's size, count(*), may choose among groups"
            raise UngroupedError(msg)


def _refuse_reckoned_sums(root: Scope) -> None:
    """What is summed is a stored column as it is: one that is made below (``1 + (id = 'X') * 0.001``) could hold one
    subject's value apart in a sum in which all take part."""
    for aggregate in root.find_all(exp.Sum, exp.Avg):
        column = aggregate.this
        source = root.sources.get(column.table) if isinstance(column, exp.Column) else None
        if source is None or not _unchanged(source, root, column.name):
            msg = f"{aggregate.sql('duckdb')}: what is summed must be a stored column, as it is"
            raise UngroupedError(msg)


def _refuse_other_subject(root: Scope, subject: str, tables: Tables) -> None:
    """The subject is an id of one person or organisation, as it is stored, and all that is not everybody's is of its row."""
    read = [reading for source in _sources(root) if (reading := _unchanged(source, root, subject))]
    found = [
        (table, within, column)
        for table, within, name in read
        if (column := tables.get((table.db, table.name), {}).get(name))
    ]
    if len(found) != 1 or not _identifies(found[0][2]):
        msg = f"subject {subject}: the outermost SELECT must read once, as it is stored, an id of a person or organisation"
        raise UngroupedError(msg)
    subjects = found[0][:2]
    if any(reading != subjects for reading in _readings(root, tables)) or len(_readings(root, tables)) > 1:
        msg = "only the subject's own table may have what is not open to all, and be read once: join it in a base table first"
        raise UngroupedError(msg)


def _identifies(column: SourceColumn) -> bool:
    return (column.system and not column.name.startswith("_")) or column.element in _SUBJECT_ELEMENTS


Reading = tuple[exp.Table, int]
"""A stored table, and the part of the query that reads it."""


def _unchanged(source: exp.Table | Scope, within: Scope, name: str) -> tuple[exp.Table, int, str] | None:
    """The stored column that a part of the query passes on under this name as it is, and where it is read."""
    while isinstance(source, Scope):
        passed = next((select.unalias() for select in _selects(source) if select.alias_or_name == name), None)
        if not isinstance(passed, exp.Column) or passed.table not in source.sources:
            return None
        within, source, name = source, source.sources[passed.table], passed.name
    return source, id(within), name


def _sources(scope: Scope) -> list[exp.Table | Scope]:
    return [source for _, source in scope.selected_sources.values()]


def _refuse_detours(scopes: Sequence[Scope], tables: Tables) -> None:
    """Below the groups, what is not everybody's may say something of its own row only.

    An aggregate, a subquery in a condition or a second reading of the table would tell every row, and so a group of any
    size, a thing about one subject."""
    if scopes[-1].expression.find(exp.Lateral, exp.Unnest, exp.Pivot):
        msg = "a query of groups takes no list, lateral or pivot apart: do that in a base table first"
        raise UngroupedError(msg)
    for scope in scopes:
        if not _is_tight(scope, tables):
            continue
        if any(_is_tight(inner, tables) for inner in scope.subquery_scopes):
            msg = "a condition with a subquery over what is not open to all could tell a large group of one subject"
            raise UngroupedError(msg)
        if scope is not scopes[-1]:
            _refuse_more_than_rows(scope.expression)
            _refuse_telling_neighbours(scope, tables)


def _refuse_telling_neighbours(scope: Scope, tables: Tables) -> None:
    """How many are alike in what is not open to all would tell them all of the one who is not."""
    for window in scope.find_all(exp.Window):
        for column in window.find_all(exp.Column):
            if not all(
                _open_to_all(_known((*table, name), tables)) for table, name in stored_behind(column, scope)
            ):
                msg = f"{window.sql('duckdb')[:80]}: neighbours are counted by what is open to all alone"
                raise UngroupedError(msg)


def _refuse_more_than_rows(query: exp.Expr) -> None:
    allowed = isinstance(query, exp.Select) and not any(
        query.args.get(part)
        for part in ("group", "having", "distinct", "limit", "offset", "qualify", "sample", "windows")
    )
    counts = [
        part
        for column in (query.selects if isinstance(query, exp.Select) else [])
        for part in column.find_all(exp.AggFunc, exp.Window, exp.AnonymousAggFunc)
        if not (
            isinstance(part, exp.Count) and isinstance(part.this, exp.Star) and part.find_ancestor(exp.Window)
        )
        and not (
            isinstance(part, exp.Window) and isinstance(part.this, exp.Count) and not part.args.get("order")
        )
    ]
    if not allowed or counts:
        msg = (
            "below the groups only rows may be chosen (WHERE, JOIN) and neighbours counted "
            f"(count(*) OVER (PARTITION BY ...)), not {query.sql('duckdb')[:80]}"
        )
        raise UngroupedError(msg)


def _own_tight(scope: Scope, tables: Tables) -> list[Reading]:
    """The stored tables of which a part of the query reads a column that is not everybody's."""
    found: dict[str, Reading] = {}
    for column in scope.columns:
        source = scope.sources.get(column.table)
        if isinstance(source, exp.Table) and not _open_to_all(
            _known((source.db, source.name, column.name), tables)
        ):
            found[column.table] = (source, id(scope))
    return list(found.values())


def _open_to_all(column: SourceColumn) -> bool:
    return {column.sharing, column.opening} == {SharingType.UNCONDITIONAL}


def _is_tight(scope: Scope, tables: Tables) -> bool:
    inner = [*_inner(scope), *scope.subquery_scopes, *scope.set_operation_scopes]
    return bool(_own_tight(scope, tables)) or any(_is_tight(branch, tables) for branch in inner)


def _inner(scope: Scope) -> list[Scope]:
    return [source for source in _sources(scope) if isinstance(source, Scope)]


def _readings(scope: Scope, tables: Tables) -> list[Reading]:
    """Every reading of tables with columns that are not everybody's, of a common table expression as often as it is used."""
    return _own_tight(scope, tables) + [
        found for inner in _inner(scope) for found in _readings(inner, tables)
    ]
