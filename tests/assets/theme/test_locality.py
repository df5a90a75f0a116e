"""What is made anew by keys is what a whole build would make: random queries over small tables, random changes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlglot import exp

from assets.base import changes
from assets.theme import increment, locality
from assets.theme.increment import WHOLE, narrow, reached, tied_columns
from assets.theme.locality import NEVER_THE_SAME, Local, NotLocalError, find_local
from assets.theme.themes import read_themes, theme_locality
from catalog.load import load
from masking.columns import declared_tables
from masking.lineage import Tables

SHAPE = {"a": ("k", "x", "y"), "b": ("k", "u", "v"), "c": ("k", "w", "z")}
Rows = Sequence[tuple[int | None, ...]]
Content = Mapping[str, Rows]
CELL = st.one_of(st.none(), st.integers(0, 3))
TABLE = st.lists(st.tuples(CELL, CELL, CELL), max_size=6)


@cache
def tables() -> Tables:
    declared = declared_tables(load())["standard", "school_enrolment"]["sex"]
    return {
        ("standard", name): {column: replace(declared, name=column, dtype=pl.Int32()) for column in columns}
        for name, columns in SHAPE.items()
    }


def local(sql: str) -> Local:
    return find_local(sql, tables(), ())


def frame(name: str, rows: Rows) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=dict.fromkeys(SHAPE[name], pl.Int32), orient="row")


def opened(content: Content, schema: str) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute(f'create schema "{schema}"')
    for name, rows in content.items():
        connection.register("rows", frame(name, rows).to_arrow())
        connection.execute(f'create table "{schema}".{name} as from rows')
    return connection


def whole(sql: str, content: Content) -> Counter[tuple[Any, ...]]:
    with opened(content, "standard") as connection:
        return Counter(connection.execute(sql).fetchall())


def anew(
    sql: str, found: Local, before: Content, after: Content
) -> tuple[Counter[tuple[Any, ...]], pl.Series]:
    """The result before, with the rows of the keys that changes lead to made anew; and these keys."""
    changed = {}
    for name in SHAPE:
        table = ("standard", name)
        if before[name] == after[name] or table not in found.reads:
            continue
        sides = [frame(name, rows).lazy() for rows in (before[name], after[name])]
        tied = tied_columns(found, table)
        among = [*{*found.reads[table], *tied}]
        changed[table] = changes._differing(sides, [pl.col(column) for column in tied], among)
    with opened(after, WHOLE + "standard") as connection:
        keys = narrow(connection, found, changed)
        answer = connection.execute(f"select * from ({sql}) where {reached(found)}")
        place = [column[0] for column in answer.description or []].index(found.key)
        fresh = Counter(answer.fetchall())
    gone = set(keys.to_list())
    stay = Counter({row: n for row, n in whole(sql, before).items() if row[place] not in gone})
    return stay + fresh, keys


def condition(*columns: str) -> st.SearchStrategy[str]:
    one = st.sampled_from(columns)
    return st.one_of(
        st.just("true"),
        one.map("{} > 1".format),
        one.map("{} is null".format),
        one.map("{} in (select v from standard.b where u > 0)".format),
        one.map("{} not in (select v from standard.b)".format),
        one.map("exists (select 1 from standard.b where b.v = {} and b.u > 0)".format),
        one.map("not exists (select 1 from standard.b where b.k = {})".format),
        one.map("(select count(*) from standard.c where c.k = {} and c.w > 0) > 1".format),
        st.builds("{} > (select min(w) from standard.c where c.k = {})".format, one, one),
        st.builds("{} > all (select w from standard.c where c.k = {})".format, one, one),
        one.map("{} > (select count(*) from standard.c)".format),
    )


@st.composite
def relation(draw: st.DrawFn) -> str:
    """A query of columns p, q, r over one table, or two in a union."""
    table = draw(st.sampled_from("abc"))
    names = SHAPE[table]
    one, two, three = (draw(st.sampled_from(names)) for _ in range(3))
    read = f"from standard.{table} where {draw(condition(*names))}"
    plain = f"select {one} as p, {two} as q, {three} as r {read}"
    counted = f"select {one} as p, {two} as q, count(*) filter (where {three} > 1) as r {read} group by 1, 2"
    running = f"max({two}) over (partition by {one} order by {three} range unbounded preceding)"
    other = draw(st.sampled_from("abc"))
    second = ", ".join(draw(st.permutations(SHAPE[other])))
    return draw(
        st.sampled_from(
            [
                plain,
                f"select distinct {one} as p, {two} as q, {three} as r {read}",
                f"select {one} as p, count(*) as q, max({three}) as r {read} group by {one}",
                f"select {one} as p, {two} as q, sum({three})::int as r {read} group by all",
                f"{counted} having count(*) > 1",
                f"select {one} as p, min({two}) as q, any_value({one}) as r {read} group by {one}",
                f"select {one} as p, {two} as q, count(*) over (partition by {three}) as r {read}",
                f"select {one} as p, {two} as q, {running} as r {read}",
                f"{plain} qualify rank() over (partition by {one} order by {three}) = 1",
                f"select max({one}) as p, count(*) as q, 1 as r {read}",
                f"{plain} order by all limit 2",
                f"select * from (select {one} as p, {two} as q, {three} as r {read} order by all limit 2)",
                *(
                    f"{plain} {how} select {second} from standard.{other}"
                    for how in ("union all", "union", "except", "intersect")
                ),
            ]
        )
    )


@st.composite
def query(draw: st.DrawFn) -> str:
    """A relation, or two joined."""
    one, other = draw(relation()), draw(relation())
    how = draw(
        st.sampled_from(["join", "join", "left join", "left join", "semi join", "anti join", "full join"])
    )
    on = draw(
        st.sampled_from(
            [
                "on s.p = t.p",
                "on s.q = t.p",
                "on s.p = t.p and s.q > 1",
                "on s.p = t.p and t.r > 1",
                "on s.p = t.p or s.q = t.q",
                "on s.p >= t.p",
                "on s.p = t.p and s.r = t.q",
                "using (p)",
            ]
        )
    )
    both = how not in {"semi join", "anti join"}
    columns = [f"s.{name}" for name in "pqr"] + ([f"t.{name}" for name in "pqr"] if both else [])
    three = [draw(st.sampled_from(columns)) for _ in range(3)]
    if on.startswith("using") and draw(st.booleans()):
        three[0] = "p"
    third = draw(st.sampled_from(["s.p", "s.q", *(["t.p", "t.q", "t.r"] if both else [])]))
    more = f"{draw(st.sampled_from(['join', 'left join', 'anti join']))} standard.c as c on c.k = {third}"
    outer = draw(st.sampled_from(["", "", f" where {draw(condition(*columns))}"]))
    neighbours = "select c0, c1, count(*) over (partition by c0) as n from j"
    listed = ", ".join(f"{column} as c{place}" for place, column in enumerate(three))
    ways = [
        one,
        f"with s as ({one}), t as ({other}) select {listed} from s {how} t {on}{outer}",
        f"with s as ({one}), t as ({other}) select {listed} from s {how} t {on}{outer}",
        f"with s as ({one}), t as ({other}) select {listed} from s {how} t {on} {more}{outer}",
        f"with s as ({one}), t as ({other}), j as (select {listed} from s {how} t {on}{outer}) {neighbours}",
        f"with s as ({one}) select p, q, (select count(*) from ({other}) as t where t.p = s.q) as n from s",
        f"with s as ({one}) select x.p, y.r from s as x left join s as y on x.q = y.p",
    ]
    return draw(st.sampled_from(ways))


def check(sql: str, before: Content, after: Content) -> bool:
    """Whether the query was called local; fails where what is made anew is not the whole."""
    try:
        found = local(sql)
    except NotLocalError:
        return False
    if any(before[name] != after[name] for _, name in found.whole):
        return False
    got, _ = anew(sql, found, before, after)
    assert got == whole(sql, after), (sql, found)
    return True


Table = list[tuple[int | None, int | None, int | None]]
CONTENT: st.SearchStrategy[dict[str, Table]] = st.fixed_dictionaries(dict.fromkeys(SHAPE, TABLE))


@st.composite
def changed(draw: st.DrawFn) -> tuple[dict[str, Table], dict[str, Table]]:
    before = draw(CONTENT)
    after: dict[str, Table] = dict(before)
    for name in draw(st.sets(st.sampled_from("abc"), min_size=1)):
        rows = list(before[name])
        for _ in range(draw(st.integers(1, 2))):
            if draw(st.booleans()) and rows:
                rows.pop(draw(st.integers(0, len(rows) - 1)))
            if draw(st.booleans()):
                rows.append(draw(st.tuples(CELL, CELL, CELL)))
        after[name] = rows
    return before, after


ANY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@settings(ANY, max_examples=50)
@given(query(), changed())
def test_what_is_made_anew_is_what_a_whole_build_makes(sql: str, states: tuple[Content, Content]) -> None:
    check(sql, *states)


@pytest.mark.slow
@settings(ANY, max_examples=3000)
@given(query(), changed())
def test_so_it_is_of_many_queries(sql: str, states: tuple[Content, Content]) -> None:
    check(sql, *states)


A_AND_B = "from standard.a join standard.b on a.k = b.k"


@pytest.mark.parametrize(
    ("sql", "key"),
    [
        ("select x, count(*) as n from standard.a group by x", "x"),
        (f"select a.x, b.u {A_AND_B}", "x"),
        ("select a.x, b.u from standard.a left join standard.b on a.k = b.k and b.u > a.y", "x"),
        ("select a.x from standard.a anti join standard.b on a.k = b.k", "x"),
        ("select k, x from standard.a where not exists (select 1 from standard.b where b.v = a.x)", "k"),
        ("select k, x from standard.a where x in (select v from standard.b)", "k"),
        ("select k, (select max(u) from standard.b where b.v = a.x) as m from standard.a", "k"),
        ("select x as p from standard.a union select u from standard.b", "p"),
        ("select x as p, k from standard.a except all select u, v from standard.b", "p"),
        # what is counted is of k, which is not shown: those who stand beside it there are
        ("select x, count(*) over (partition by k) as n from standard.a", "x"),
        ("select k, x from standard.a left join standard.b using (k)", "k"),
        ("select x, k, row_number() over w as n from standard.a window w as (partition by k order by x)", "k"),
        ("with t as (select k, min(x) as x from standard.a group by k) select t.k, b.u from t, standard.b where b.v = t.x", "k"),
        ("select u, x from standard.b left join standard.a on a.k > b.k", "u"),
    ],
)  # fmt: skip
def test_a_query_whose_tables_are_tied_to_a_key_is_local_by_it(sql: str, key: str) -> None:
    assert local(sql).key == key


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("select count(*) as n from standard.a", "no key"),
        ("select x, count(*) as n from standard.a group by rollup (x)", "beyond the key"),
        ("select k, x from standard.a limit 1", "LIMIT"),
        ("select k, x from standard.a using sample 1", "SAMPLE"),
        ("select k, x from standard.a tablesample 10%", "SAMPLE"),
        ("select k, rank() over (order by x) as n from standard.a", "beyond the key"),
        ("select k, count(*) over () as n from standard.a", "beyond the key"),
        ("select b.u, a.x from standard.a full join standard.b on a.k = b.k", "no inner or left join"),
        ("select b.u, a.x from standard.a right join standard.b on a.k = b.k", "no inner or left join"),
        ("select a.x from standard.a asof join standard.b on a.k >= b.k", "no inner or left join"),
        ("select a.x from standard.a positional join standard.b", "no inner or left join"),
        # the null of who finds nobody stands in no row that could lead to it
        ("select b.u from standard.a left join standard.b on a.k = b.k", "no key"),
        ("select k, random() as r from standard.a", "random is never"),
        ("select k, current_timestamp as r from standard.a", "current_timestamp is never"),
        (
            "with recursive r as (select k from standard.a union all select k + 1 from r where k < 3) select k from r",
            "recursive",
        ),
        ("select k, x from standard.a where x > (select avg(u) from standard.b)", "not tied"),
        ("select distinct x + 1 as y from standard.a", "no key"),
    ],
)
def test_what_may_ask_for_any_row_is_local_by_nothing(sql: str, why: str) -> None:
    with pytest.raises(NotLocalError, match=why):
        local(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "select k, x from standard.a where x > (select count(*) from standard.b)",
        # one null in what is selected there decides about every row
        "select k, x from standard.a where x not in (select u from standard.b)",
        "select k, x in (select u from standard.b) as found from standard.a",
        "select a.k, a.x from standard.a join standard.b on a.x > b.u",
        "select a.k, a.x from standard.a join standard.b on a.k = b.k or a.x = b.u",
    ],
)
def test_what_is_not_tied_must_not_change(sql: str) -> None:
    assert local(sql).whole == {("standard", "b")}


def test_keys_of_different_types_tie_nothing() -> None:
    known = {table: dict(columns) for table, columns in tables().items()}
    known["standard", "b"]["k"] = replace(known["standard", "b"]["k"], dtype=pl.String())
    with pytest.raises(NotLocalError, match=r"different types are compared: Int32, String"):
        find_local(f"select a.k, b.u {A_AND_B}", known, ())
    known["standard", "a"] = {
        name: replace(column, dtype=pl.Float64()) for name, column in known["standard", "a"].items()
    }
    with pytest.raises(NotLocalError, match="of a type that is no key"):
        find_local("select k, x from standard.a", known, ())


NOTHING: Content = {"a": [], "b": [], "c": []}


@pytest.mark.parametrize(
    ("module", "check_", "instead", "sql", "before", "after"),
    [
        (
            locality._Proof,
            "_keep_to_key",
            lambda *_: None,
            "select k, count(*) over (partition by x) as n from standard.a",
            {"a": [(1, 1, 1)]},
            {"a": [(1, 1, 1), (2, 1, 1)]},
        ),
        (
            locality,
            "_refuse_parts",
            lambda *_: None,
            "select k, x from standard.a order by k limit 1",
            {"a": [(2, 1, 1)]},
            {"a": [(2, 1, 1), (1, 1, 1)]},
        ),
        (
            locality,
            "_whole",
            lambda _: (frozenset(), frozenset()),
            "select k, x from standard.a where x > (select count(*) from standard.b)",
            {"a": [(1, 1, 1)]},
            {"a": [(1, 1, 1)], "b": [(1, 1, 1)]},
        ),
        (
            locality,
            "_finds_or_not",
            lambda _: False,
            "select b.k, a.x from standard.a left join standard.b on a.k = b.k",
            {"a": [(1, 1, 1)]},
            {"a": [(1, 1, 1)], "b": [(1, 1, 1)]},
        ),
        (
            locality,
            "_conjuncts",
            lambda condition: condition.find_all(exp.EQ) if condition else (),
            "select a.k, b.u from standard.a join standard.b on a.k = b.k or a.x = b.u",
            {"a": [(1, 1, 1)]},
            {"a": [(1, 1, 1)], "b": [(2, 1, 1)]},
        ),
        (
            increment,
            "_among",
            lambda _, column, name, **__: f"{column} IN (FROM {name})",
            "select x, count(*) as n from standard.a group by x",
            {"a": [(1, None, 1)]},
            {"a": [(1, None, 1), (2, None, 1)]},
        ),
    ],
)
def test_a_query_wrongly_called_local_is_caught(
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    check_: str,
    instead: Any,
    sql: str,
    before: Content,
    after: Content,
) -> None:
    states = ({**NOTHING, **before}, {**NOTHING, **after})
    check(sql, *states)
    monkeypatch.setattr(module, check_, instead)
    with pytest.raises(AssertionError):
        check(sql, *states)


def test_what_duckdb_calls_volatile_is_in_no_local_query() -> None:
    with duckdb.connect() as connection:
        found = connection.execute(
            "select distinct function_name from duckdb_functions() where stability = 'VOLATILE'"
        ).fetchall()
    assert len(found) > 5
    assert [name for (name,) in found if not NEVER_THE_SAME.search(f"select {name}()")] == []


def test_each_shipped_theme_is_local_by_what_its_page_says() -> None:
    catalogue = load()
    page = (Path(__file__).parents[3] / "docs/themes.md").read_text(encoding="utf-8")
    said = dict(re.findall(r"^\| `(\w+)` \| `(\w+)` \|", page, re.MULTILINE))
    found = {}
    for theme in read_themes(catalogue)[0]:
        if not theme.header.subject:
            by = theme_locality(theme, declared_tables(catalogue))
            assert not by.whole
            found[theme.header.code] = by.key
    assert found == said
