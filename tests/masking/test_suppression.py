"""Small groups go, and with them what would give them away by subtraction: counted as an attacker would."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import combinations, product

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from catalog.load import load
from masking.columns import declared_tables
from masking.groups import Groups, read_groups
from masking.lineage import Tables
from masking.suppression import RepeatedGroupError, Suppressed, suppress

K = 3
SQL = """
select division, kind, count(*) as n, count(*) filter (where status = 'open') as still_open,
  count(*) filter (where status = 'open' and capital > 1) as large, sum(capital) as capital,
  round(count(*) filter (where status = 'open') / count(*), 2) as share
from base.legal_entity group by division, kind
"""
SCHEMA = {"s": pl.String, "division": pl.String, "kind": pl.String, "status": pl.String, "capital": pl.Int64}
Row = tuple[str, str, str, str, int]


@cache
def declared() -> Tables:
    return {("base", "legal_entity"): declared_tables(load())["base", "legal_entity"]}


@cache
def groups_of(sql: str) -> Groups:
    return read_groups(sql, "legal_entity_id", declared())


def run(rows: list[Row], sql: str = SQL, share: float = 1.0) -> tuple[Suppressed, pl.DataFrame]:
    groups = groups_of(sql)
    with duckdb.connect() as connection:
        connection.execute("create schema base")
        connection.execute(
            "create table base.legal_entity "
            "(legal_entity_id text, division text, kind text, status text, capital int)"
        )
        if rows:
            connection.executemany("insert into base.legal_entity values (?, ?, ?, ?, ?)", rows)
        result, sizes = connection.execute(sql).pl(), connection.execute(groups.sizes).pl()
        assert connection.execute(groups.once).fetchall() == [(_each_once(rows),)]
        if _each_once(rows):
            by = list(groups.keys)
            once = connection.execute(groups.sizes_once).pl()
            assert_frame_equal(_in_order(sizes, by), _in_order(once, by))
    return suppress(result, groups, sizes, K, share), result


def _in_order(sizes: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    return sizes.sort(by).with_columns(pl.col("_alike").list.sort())


def _each_once(rows: list[Row]) -> bool:
    known = [row[0] for row in rows if row[0] is not None]
    return len(known) == len(set(known))


def some(count: int, division: str = "A", kind: str = "x", status: str = "open", first: int = 0) -> list[Row]:
    return [(f"{division}{kind}{status}{first + n}", division, kind, status, 1) for n in range(count)]


def shown(rows: list[Row]) -> dict[tuple[str, str], tuple[int, int | None]]:
    left, _ = run(rows)
    return {(row[0], row[1]): (row[2], row[3]) for row in left.rows.rows()}


def test_a_small_group_goes_and_the_next_smallest_with_it() -> None:
    rows = [*some(2), *some(4, kind="y"), *some(9, kind="z")]
    assert shown(rows) == {("A", "z"): (9, 9)}


def test_two_small_groups_hide_each_other_where_they_are_enough_together() -> None:
    rows = [*some(2), *some(2, kind="y"), *some(9, kind="z"), *some(8, division="B", kind="z")]
    assert shown(rows) == {("A", "z"): (9, 9), ("B", "z"): (8, 8)}


def test_a_subject_with_many_rows_is_one() -> None:
    rows = [("one", "A", "x", "open", 1)] * 50 + [*some(9, kind="z"), *some(8, kind="y")]
    assert shown(rows) == {("A", "z"): (9, 9)}


def test_a_number_goes_where_it_or_the_rest_is_small() -> None:
    mixed = [*some(7), *some(2, status="shut")]
    left, whole = run([*mixed, *some(2, "B"), *some(7, "B", status="shut")])
    assert whole["still_open"].to_list() != left.rows["still_open"].to_list()
    assert left.rows.select("n", "still_open", "share").rows() == [(9, None, None), (9, None, None)]
    assert (left.groups_left_out, left.numbers_left_out) == (0, 4)


def test_nobody_is_a_number_too() -> None:
    assert shown(some(9, status="shut")) == {("A", "x"): (9, 0)}


def test_numbers_a_hair_apart_tell_who_is_between() -> None:
    rows = [(f"a{n}", "A", "x", "open", 2 if n else 0) for n in range(9)] + some(9, status="shut")
    left, _ = run(rows)
    # nine are open and eight of them large: the ninth would be known
    assert left.rows.select("n", "still_open", "large").rows() == [(18, 9, None)]


PARTS = """
select division, count(*) as n, count(*) filter (where status = 'open') as still_open,
  count(*) filter (where status = 'shut') as shut, count(*) filter (where status = 'paused') as paused
from base.legal_entity group by division
"""


def test_the_whole_less_its_parts_tells_who_is_in_none() -> None:
    parts = [*some(5), *some(6, status="shut"), *some(4, status="paused")]
    assert run(parts, PARTS)[0].rows.rows() == [("A", 15, 5, 6, 4)]
    # two more are of no known status: 17 - 5 - 6 - 4 would tell of them
    left = run([*parts, *some(2, status="?")], PARTS)[0].rows.rows()
    assert left == [("A", 17, 5, 6, None)]


def test_numbers_of_nearly_the_same_people_tell_how_the_others_differ() -> None:
    sql = """select division, sum(capital) filter (where kind <> 'y') as one, sum(capital) filter (where kind <> 'z') as other
    from base.legal_entity group by division"""
    rows = [*some(9), *some(1, kind="y"), *some(1, kind="z"), *(("n", "A", "w", "open", 0),) * 1]
    left = run([*rows, *[(f"o{n}", "A", "w", "open", 0) for n in range(9)]], sql)[0].rows
    assert left.row(0).count(None) == 1, (
        "their difference would be that of one subject's capital and another's"
    )


def test_a_sum_that_is_one_subjects_is_left_out() -> None:
    rows = [(f"a{n}", "A", "x", "open", 100 if n == 0 else 1) for n in range(9)]
    assert run(rows)[0].rows["capital"].to_list() == [108]
    assert run(rows, share=0.5)[0].rows["capital"].to_list() == [None]


def test_a_group_that_the_query_leaves_out_is_as_hidden_as_one_we_leave_out() -> None:
    sql = SQL + " having count(*) >= 3"
    rows = [*some(2), *some(4, kind="y"), *some(9, kind="z")]
    assert run(rows, sql)[0].rows.select("kind", "n").rows() == [("z", 9)]


def test_rows_of_nobody_are_no_group() -> None:
    left, _ = run([(None, "A", "x", "open", 1)] * 9)  # type: ignore[list-item]
    assert left.rows.is_empty()


def test_two_rows_for_one_group_are_refused() -> None:
    groups = groups_of(SQL)
    rows = pl.DataFrame({"division": ["A", "A"], "kind": ["x", "x"]})
    with pytest.raises(RepeatedGroupError):
        suppress(rows, groups, pl.DataFrame(), K)


CITY = st.lists(
    st.tuples(
        st.integers(0, 40).map(str),
        st.sampled_from("AB"),
        st.sampled_from("xyz"),
        st.sampled_from(["open", "shut"]),
        st.integers(0, 2),
    ),
    max_size=60,
)


@settings(max_examples=25, deadline=None)
@given(CITY)
def test_no_total_less_what_is_seen_is_a_small_group(rows: list[Row]) -> None:
    left, _ = run(rows)
    subjects = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    for column, who in (("n", pl.lit(True)), ("still_open", pl.col("status") == "open")):
        seen = left.rows.filter(pl.col(column).is_not_null()).select("division", "kind", column)
        sizes = (
            subjects.group_by("division", "kind")
            .agg(pl.col("s").filter(who).n_unique().alias("size"))
            .join(seen, on=["division", "kind"], how="left", coalesce=True)
        )
        assert all(size == 0 or size >= K for size in sizes.filter(pl.col(column).is_not_null())["size"])
        for kept in (by for count in range(2) for by in combinations(["division", "kind"], count)):
            hidden = (
                sizes.with_columns(pl.lit(1).alias("all"))
                .group_by("all", *kept)
                .agg(
                    pl.col("size").filter(pl.col(column).is_null()).sum().alias("hidden"),
                    (pl.col(column).fill_null(0) > 0).any().alias("any"),
                )
            )
            few = hidden.filter(pl.col("hidden").is_between(1, K - 1), "any")
            assert few.is_empty(), (column, kept, few)


@settings(max_examples=25, deadline=None)
@given(CITY)
def test_no_sum_of_what_is_seen_of_a_group_tells_of_few(rows: list[Row]) -> None:
    """All ways to add and subtract the group's counts, each against who is left of it then."""
    who: dict[str, Callable[[Row], bool]] = {
        "n": lambda row: True,
        "still_open": lambda row: row[3] == "open",
        "large": lambda row: row[3] == "open" and row[4] > 1,
    }
    known = list({row[0]: row for row in rows}.values())
    for group in run(known)[0].rows.iter_rows(named=True):
        members = [row for row in known if row[1:3] == (group["division"], group["kind"])]
        seen = [name for name in who if group[name] is not None]
        for signs in product((-1, 0, 1), repeat=len(seen)):
            weights = [
                sum(sign * who[name](row) for sign, name in zip(signs, seen, strict=True)) for row in members
            ]
            assert not 0 < sum(weight != 0 for weight in weights) < K, (signs, seen)
