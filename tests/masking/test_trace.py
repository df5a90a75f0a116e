"""What lineage says a column does not depend on never changes it: random queries are run, a cell changed, and run again."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import duckdb
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from catalog.load import load
from masking.columns import declared_tables
from masking.lineage import Origin, Tables, trace
from masking.unnamed import UntraceableError

SHAPE = {"a": ("k", "x", "y"), "b": ("k", "u", "v")}
Rows = list[tuple[int | None, ...]]
CELL = st.one_of(st.none(), st.integers(0, 3))
TABLE = st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=5)


@cache
def tables() -> Tables:
    declared = declared_tables(load())["standard", "school_enrolment"]["sex"]
    return {
        ("standard", name): {column: replace(declared, name=column) for column in columns}
        for name, columns in SHAPE.items()
    }


def condition(*columns: str) -> st.SearchStrategy[str]:
    return st.one_of(
        st.just("true"),
        st.sampled_from(columns).map(lambda c: f"{c} > 1"),
        st.sampled_from(columns).map(lambda c: f"{c} is not null"),
        st.sampled_from(columns).map(lambda c: f"{c} in (select v from standard.b where u > 0)"),
        st.sampled_from(columns).map(lambda c: f"{c} > all (select u from standard.b)"),
    )


def value(*columns: str) -> st.SearchStrategy[str]:
    """An expression over one row, over a window, or over another table."""
    one = st.sampled_from(columns)
    return st.one_of(
        one,
        st.builds("coalesce({}, {})".format, one, one),
        st.builds("{} + {}".format, one, one),
        st.builds("case when {} > 1 then {} else 9 end".format, one, one),
        st.builds("count(*) over (partition by {})".format, one),
        st.builds(
            "sum({}) over (partition by {} order by {} range unbounded preceding)".format, one, one, one
        ),
        st.builds("(select max(u) from standard.b where v > 1) + coalesce({}, 0)".format, one),
        st.just("7"),
    )


@st.composite
def simple(draw: st.DrawFn, source: str = "standard.a", columns: tuple[str, ...] = ("k", "x", "y")) -> str:
    distinct = draw(st.sampled_from(["", "distinct "]))
    first, second = draw(value(*columns)), draw(value(*columns))
    return f"select {distinct}{first} as p, {second} as q from {source} where {draw(condition(*columns))}"


@st.composite
def grouped(draw: st.DrawFn, source: str = "standard.a", columns: tuple[str, ...] = ("k", "x", "y")) -> str:
    by, of = draw(st.sampled_from(columns)), draw(st.sampled_from(columns))
    how = draw(st.sampled_from([by, "all", "1"]))
    having = draw(st.sampled_from(["", f" having max({columns[-1]}) > 1"]))
    return f"select {by} as p, sum({of}) as q from {source} group by {how}{having}"


@st.composite
def joined(draw: st.DrawFn) -> str:
    kind, on = draw(st.sampled_from(["join", "left join"])), draw(st.sampled_from(["a.k = b.k", "a.x = b.v"]))
    columns = ("a.k", "a.x", "a.y", "b.u", "b.v")
    where = draw(condition(*columns))
    first, second = draw(value(*columns)), draw(value(*columns))
    return f"select {first} as p, {second} as q from standard.a {kind} standard.b on {on} where {where}"


FLAT = st.one_of(simple(), grouped(), joined(), simple("standard.b", ("k", "u", "v")))


def within(inner: str) -> st.SearchStrategy[str]:
    """A query over the result of another."""
    outer = st.one_of(simple("t", ("p", "q")), grouped("t", ("p", "q")))
    return st.one_of(
        st.just(inner),
        outer.map(lambda query: f"with t as ({inner}) {query}"),
        outer.map(lambda query: query.replace("from t", f"from ({inner}) as t")),
        st.just(f"with t as ({inner}), s as (select * from t) select q as p, p as q from s"),
        st.just(f"select p from ({inner}) as t order by q, p limit 2"),
        st.just(f"select p, q as r from ({inner}) as t order by 2, 1 limit 2"),
        st.just(f"select p, q as r from ({inner}) as t order by r, p limit 1"),
        st.just(f"select p, q from ({inner}) as t order by all limit 1"),
        st.just(f"select p, q from ({inner}) as t qualify rank() over (order by q) = 1"),
        st.builds(
            "({}) {} ({})".format, st.just(inner), st.sampled_from(["union all", "union", "except"]), FLAT
        ),
    )


QUERY = FLAT.flatmap(within)


def result(sql: str, content: dict[str, Rows]) -> dict[str, list[object]]:
    """Each output column's values, in no order."""
    with duckdb.connect() as connection:
        connection.execute("create schema standard")
        for name, columns in SHAPE.items():
            connection.execute(
                f"create table standard.{name} ({', '.join(f'{column} int' for column in columns)})"
            )
            connection.executemany(f"insert into standard.{name} values (?, ?, ?)", content[name])
        answer = connection.execute(sql)
        names = [column[0] for column in answer.description or []]
        rows = answer.fetchall()
    return {name: sorted((row[number] for row in rows), key=repr) for number, name in enumerate(names)}


def depends(column: str, sql: str) -> set[Origin]:
    found = trace(sql, tables())
    return {*found.columns[column], *found.rows}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    QUERY, TABLE, TABLE, st.sampled_from([(t, c) for t in SHAPE for c in SHAPE[t]]), CELL, st.integers(0, 4)
)
@example(
    "select distinct x as p, y as q from standard.a", [(1, 1, 1), (1, 1, 2)], [(1, 1, 1)], ("a", "y"), 2, 0
)
@example(
    "(select x as p from standard.a) union (select u from standard.b)",
    [(1, 1, 1)],
    [(1, 1, 1)],
    ("b", "u"),
    2,
    0,
)
@example(
    "select x as p, sum(k) as q from standard.a group by all",
    [(1, 1, 1), (1, 1, 2)],
    [(1, 1, 1)],
    ("a", "x"),
    2,
    0,
)
def test_a_cell_changes_only_what_depends_on_it(
    sql: str, a: Rows, b: Rows, cell: tuple[str, str], new: int | None, row: int
) -> None:
    table, name = cell
    content = {"a": a, "b": b}
    place = SHAPE[table].index(name)
    rows = list(content[table])
    old = rows[row % len(rows)]
    rows[row % len(rows)] = (*old[:place], new, *old[place + 1 :])
    before, after = result(sql, content), result(sql, {**content, table: rows})
    for column, values in before.items():
        origins = depends(column, sql)
        unknown = any(not layer for layer, _, _ in origins)
        if values != after[column]:
            assert unknown or ("standard", table, name) in origins, sql


def test_what_a_column_does_not_depend_on_is_said() -> None:
    """The property is not held by naming every column always."""
    found = trace("select x + 1 as p, u as q from standard.a join standard.b on a.k = b.k", tables())
    assert found.columns == {"p": (("standard", "a", "x"),), "q": (("standard", "b", "u"),)}
    assert found.rows == (("standard", "a", "k"), ("standard", "b", "k"))
    assert trace("select count(*) as n from standard.a where y > 1", tables()).columns == {"n": ()}


@pytest.mark.parametrize(
    "sql",
    [
        "select x as p from standard.a where k in (select v from standard.b where u > 1)",
        "select x as p from standard.a where x > all (select v from standard.b)",
        "select x as p from standard.a limit (select max(v) from standard.b)",
        "with t as (select v from standard.b) select x as p from standard.a where x in (from t)",
    ],
)
def test_what_a_subquery_selects_decides_where_it_is_compared_with(sql: str) -> None:
    assert ("standard", "b", "v") in depends("p", sql)


@pytest.mark.parametrize(
    ("sql", "values", "rows"),
    [
        ("select p from (select * exclude (k) from standard.a) as t(p, q)", "a.x", ""),
        ("select * replace (x + y as p) from (select *, 1 as p from standard.a)", "a.x a.y", ""),
        ("select t.v as p from standard.a, unnest([x, y]) as t(v)", "a.x a.y", "a.x a.y"),
        ("select unnest([x, y]) as p from standard.a", "a.x a.y", ""),
        ("select lag(x) over (order by y) as p from standard.a", "a.x a.y", ""),
        ("select rank() over w as p from standard.a window w as (order by y)", "", "a.y"),
        ("select count(*) filter (where y > 1) as p from standard.a", "a.y", ""),
        ("select list(x order by y) as p from standard.a group by k", "a.x a.y", "a.k"),
        ("select list_transform([x], e -> e + y) as p from standard.a", "a.x a.y", ""),
        ("select x as p from standard.a natural join standard.b", "a.x", "a.k b.k"),
        (
            "select x as p, k as q from standard.a union select u, v from standard.b",
            "a.x b.u",
            "a.k a.x b.u b.v",
        ),
        ("select x as p, k as q from standard.a union all select u, v from standard.b", "a.x b.u", ""),
        (
            "select x as p, k as q from standard.a except select u, v from standard.b",
            "a.x b.u",
            "a.k a.x b.u b.v",
        ),
        (
            "select x as p, k as q from standard.a intersect select u, v from standard.b",
            "a.x b.u",
            "a.k a.x b.u b.v",
        ),
        ("with t as (select y as z, * from standard.a) select x as p from t where z > 1", "a.x", "a.y"),
        (
            (
                "with t as (select x as z from standard.a union all select u from standard.b) "
                "select k as p from standard.a where k in (select z from t)"
            ),
            "a.k",
            "a.k a.x b.u",
        ),
        ("select x as p from standard.a anti join standard.b using (k)", "a.x", "a.k b.k"),
        ("select x as p from standard.a asof join standard.b on a.k >= b.k", "a.x", "a.k b.k"),
        ("select distinct on (x) y as p from standard.a order by k", "a.y", "a.k a.x a.y"),
        (
            "select x as p, y as q from standard.a union all select u, v from standard.b order by 2 limit 1",
            "a.x b.u",
            "a.y b.v",
        ),
        ("select x as y, k as p from standard.a order by y limit 1", "a.k", "a.x"),
        ("select x as y, y + 1 as p from standard.a where y > k", "a.y", "a.k a.y"),
        ("with t(q, p) as (select x, y from standard.a) select p from t", "a.y", ""),
        ("select t.p from (select x, y from standard.a) as t(q, p)", "a.y", ""),
        ("select p from (select {'a': x, 'b': y}.b as p from standard.a)", "a.x a.y", ""),
        (
            "with recursive r as (select x as p from standard.a union all select p + 1 from r where p < 3) from r",
            "a.x",
            "a.x",
        ),
        ("select x as p, y as q from standard.a order by 2 limit 1", "a.x", "a.y"),
        ("select x as p, y + k as q from standard.a order by q limit 1", "a.x", "a.k a.y"),
        ("select x as p, y as q from standard.a order by all limit 1", "a.x", "a.x a.y"),
        ("select x as p from standard.a qualify row_number() over (order by y) = 1", "a.x", "a.y"),
        ("select exists (from standard.b where b.u = a.x) as p from standard.a", "b.k b.u b.v", "a.x b.u"),
    ],
)
def test_each_construct_is_traced(sql: str, values: str, rows: str) -> None:
    found = trace(sql, tables())
    assert " ".join(".".join(origin[1:]) for origin in found.columns["p"]) == values
    assert " ".join(".".join(origin[1:]) for origin in found.rows) == rows


@pytest.mark.parametrize(
    "sql",
    [
        "drop table standard.a",
        "select from where (",
        "select a as p from standard.a",
        "select struct_extract(a, 'x') as p from standard.a",
        "pivot standard.a on k in (1, 2) using sum(x) group by y",
        "with m as (pivot standard.a on k using sum(x)) select count(*) as p from m",
        "select * from (unpivot standard.a on x, y into name n value v)",
        "select x as p from standard.a, lateral (select u from standard.b where b.k = a.k) as l",
        "select p.y as q from standard.a as p, range(p.x)",
        "select count(*) as p from query('from standard.b')",
        "select * from read_parquet('a.parquet')",
        "select count(*) as p from (summarize standard.a)",
        "create macro f(a) as a + 1; select f(x) as p from standard.a",
        "select columns('x') as p from standard.a",
        "select max(columns(*)) as p from standard.a",
        "select hash(a.*) as p from standard.a",
        "select * from standard.unheard_of",
        "(select x as p, y as q from standard.a) order by 2 limit 1",
        "(select x as p from standard.a where y > 1)",
        "select k as p from standard.a; select x as p from standard.a",
        "select #3 as p from standard.a",
        "select x as p, y as q from standard.a order by #2 limit 1",
        "select x as p, y as q from standard.a order by (2) limit 1",
        "select x as p, count(*) as q from standard.a group by (1)",
        "select x as y, k as p from standard.a order by y + 0 limit 1",
        "select y as p from standard.a as t(y)",
        "with t as (select x, y from standard.a) select x as p from t as s(z, x)",
        "select z as p from standard.a, (select a.x + u as z from standard.b) as t",
        "select x.greatest(y) as p from standard.a",
        "select (select a.y) as p from standard.a",
        "select (select sum(a.y + b.u) from standard.b) as p from standard.a",
        "select (select (select a.y) from standard.b limit 1) as p from standard.a",
        "select (select u from standard.b union all select a.y limit 1) as p from standard.a",
        "select x as p, y as q from standard.a union all by name select u as q, v as p from standard.b",
    ],
)
def test_what_cannot_be_read_is_refused(sql: str) -> None:
    with pytest.raises(UntraceableError):
        trace(sql, tables())
