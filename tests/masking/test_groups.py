"""What is counted may be looser than what it is counted from: only where a reviewed line says so, and only in a query of
groups that tells nobody's value apart."""

from __future__ import annotations

from typing import Any

import duckdb
import polars as pl
import pytest
from sqlglot import ParseError

from assets.theme.themes import Theme, read_themes
from assets.theme.types import column_types, grouped_columns
from catalog.load import Catalogue
from masking.columns import declared_tables
from masking.groups import UngroupedError, loosened_columns, read_groups
from masking.lineage import Tables
from masking.policy import Policy, load_policy
from masking.product import load_masking
from masking.unnamed import UntraceableError
from tests.masking.conftest import Declarations

POLICY = "masking/policy.yaml"


@pytest.fixture(scope="module")
def tables(shipped: Catalogue) -> Tables:
    return declared_tables(shipped)


@pytest.fixture(scope="module")
def theme(shipped: Catalogue) -> Theme:
    (found,) = [theme for theme in read_themes(shipped)[0] if theme.header.subject]
    return found


def policy_of(catalogue: Catalogue) -> Policy:
    policy = load_policy(catalogue.root, [])
    assert policy
    return policy


def types(theme: Theme, tables: Tables, policy: Policy) -> set[tuple[str, str]]:
    shape = pl.Schema(dict.fromkeys(theme.header.columns, pl.Int64()))
    columns = column_types(theme, shape, tables, policy).columns
    assert set(columns) == set(theme.header.columns)
    return {(column.sharing.value, column.opening.value) for column in columns.values()}


def test_the_shipped_counts_are_open_though_addresses_are_not(
    shipped: Catalogue, theme: Theme, tables: Tables
) -> None:
    assert tables["base", "legal_entity"]["address"].opening.value == "none"
    assert types(theme, tables, policy_of(shipped)) == {("unconditional", "unconditional")}


def changed(**fields: Any) -> Any:
    return lambda policy: [line.update(fields) for line in policy["aggregates"]]


@pytest.mark.parametrize(
    "mutation",
    [
        lambda policy: policy.pop("aggregates"),
        changed(functions=["sum"], largest_share=0.5),
        changed(elements=["text"]),
        changed(grade_up_to=2),
        changed(**{"from": "none", "to": "conditional"}),
        changed(towards=["sharing"]),
        lambda policy: policy["aggregates"].pop(),
        lambda policy: policy.update(maskable_grounds=["33-1"]),
    ],
)
def test_without_its_line_a_count_is_as_tight_as_before_and_not_published(
    declarations: Declarations, theme: Theme, tables: Tables, mutation: Any
) -> None:
    declarations.change(POLICY, mutation)
    catalogue = declarations.load()
    assert all(opening != "unconditional" for _, opening in types(theme, tables, policy_of(catalogue)))
    faults = load_masking(catalogue, grouped_columns)[1]
    assert {fault.field for fault in faults if fault.file == "masking/business_environment.yaml"} == {
        f"columns.{name}" for name in theme.header.columns
    }


@pytest.mark.parametrize(
    ("mutation", "problem"),
    [
        (changed(subjects=9), "below the threshold of 10"),
        (changed(functions=["count", "sum"]), "one subject's alone"),
        (changed(functions=["max"]), "Input should be"),
        (changed(elements=["soul"]), "no element soul"),
        (changed(to="none"), "is no lift"),
        (changed(subjects=1), "greater than or equal to 2"),
    ],
)
def test_a_line_that_could_not_be_meant_is_refused(
    declarations: Declarations, mutation: Any, problem: str
) -> None:
    declarations.change(POLICY, mutation)
    masking, faults = load_masking(declarations.load(), grouped_columns)
    assert masking is None
    assert any(problem in fault.problem for fault in faults), faults


COUNT = "select division, count(*) as n from base.legal_entity group by division"


def test_what_a_filter_or_join_chooses_by_needs_a_line_too(shipped: Catalogue, tables: Tables) -> None:
    def opening(condition: str) -> str:
        sql = COUNT.replace(" group", f" where {condition} group")
        shape = pl.Schema({"division": pl.String(), "n": pl.Int64()})
        return (
            loosened_columns(sql, "legal_entity_id", shape, tables, {}, policy_of(shipped))
            .columns["n"]
            .opening.value
        )

    assert opening("status = '存续'") == "unconditional"
    assert opening("address like '%广场%'") == "unconditional"
    assert opening("annual_tax > 1000") == "none"
    assert opening("legal_representative_id = '1'") == "none"


def test_a_key_is_somebodys_value_and_stays_as_tight(shipped: Catalogue, tables: Tables) -> None:
    sql = "select address, count(*) as n, sum(annual_tax) as t from base.legal_entity group by address"
    shape = pl.Schema({"address": pl.String(), "n": pl.Int64(), "t": pl.Float64()})
    found = loosened_columns(sql, "legal_entity_id", shape, tables, {}, policy_of(shipped)).columns
    assert {name: column.opening.value for name, column in found.items()} == {
        "address": "none",
        "n": "unconditional",
        "t": "none",
    }


def test_a_sum_is_lifted_by_a_line_of_its_own(shipped: Catalogue, tables: Tables) -> None:
    policy = policy_of(shipped)
    line = policy.aggregates[-1].model_copy(
        update={
            "functions": ("sum",),
            "elements": ("amount",),
            "largest_share": 0.5,
            "subjects": 12,
            "grade_up_to": 4,
        }
    )
    policy = policy.model_copy(update={"aggregates": (*policy.aggregates, line)})
    sql = "select division, sum(annual_tax) as t from base.legal_entity where address is not null group by 1"
    shape = pl.Schema({"division": pl.String(), "t": pl.Float64()})
    lifted = loosened_columns(sql, "legal_entity_id", shape, tables, {}, policy)
    assert lifted.columns["t"].opening.value == "unconditional"
    assert (lifted.k, lifted.largest_share) == (12, 0.5)
    # its WHERE asks for the line that lets addresses be counted
    assert set(lifted.lines_of["t"]) == set(policy.aggregates)
    assert line not in lifted.lines_of["division"]


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        ("select division, max(address) as v from base.legal_entity group by 1", "value of somebody's"),
        ("select division, min(address) as v from base.legal_entity group by 1", "value of somebody's"),
        ("select division, any_value(address) as v from base.legal_entity group by 1", "value of somebody's"),
        ("select division, first(address) as v from base.legal_entity group by 1", "value of somebody's"),
        ("select division, list(address) as v from base.legal_entity group by 1", "value of somebody's"),
        ("select division, string_agg(address, ',') as v from base.legal_entity group by 1", "value of some"),
        ("select division, median(annual_tax) as v from base.legal_entity group by 1", "value of somebody's"),
        ("select division, mode(address) as v from base.legal_entity group by 1", "value of somebody's"),
        ("select division, histogram(address) as v from base.legal_entity group by 1", "value of somebody's"),
        ("select division, bool_or(address = 'X') as v from base.legal_entity group by 1", "value of some"),
        ("select division, count(*) over () as v from base.legal_entity", "value of somebody's"),
        (
            "select division, sum(case when address = 'X' then annual_tax end) as v from base.legal_entity group by 1",
            "must be a column",
        ),
        ("select count(*) as n from base.legal_entity group by address", "is not shown"),
        (
            "select division, kind, count(*) as n from base.legal_entity group by rollup (division, kind)",
            "tot",
        ),
        ("select division, count(*) as n from base.legal_entity group by cube (division)", "totals"),
        (f"{COUNT} having max(address) = 'X'", "only a group's size"),
        (f"{COUNT} having count(*) filter (where address = 'X') > 0", "only a group's size"),
        (f"{COUNT} order by 2 limit 1", "LIMIT"),
        (f"{COUNT} qualify row_number() over () = 1", "QUALIFY"),
        (f"{COUNT} union all {COUNT}", "one SELECT"),
        (
            (
                "select division, count(*) as n from base.legal_entity where exists "
                "(select 1 from base.legal_entity where address = 'X') group by 1"
            ),
            "subquery",
        ),
        (
            (
                "select e.division, count(*) as n from base.legal_entity as e "
                "join base.legal_entity as f on f.address = 'X' group by 1"
            ),
            "must read once",
        ),
        (
            (
                "with e as (select * from base.legal_entity) "
                "select e.division, count(*) as n from e join e as f on f.address = 'X' group by 1"
            ),
            "must read once",
        ),
        (
            (
                "select e.division, count(*) as n from base.legal_entity as e "
                "join base.person as p on p.name = 'X' group by 1"
            ),
            "only the subject's own table",
        ),
        (
            (
                "with f as (select max(address) as v from base.legal_entity), e as (select * from base.legal_entity) "
                "select e.division, count(*) as n from e join f on f.v = 'X' group by 1"
            ),
            "only rows may be chosen",
        ),
        (
            (
                "with e as (select *, max(address) over () as v from base.legal_entity) "
                "select division, count(*) as n from e where v = 'X' group by 1"
            ),
            "only rows may be chosen",
        ),
        (
            (
                "with e as (select *, row_number() over (order by address) as v from base.legal_entity) "
                "select division, count(*) as n from e where v = 1 group by 1"
            ),
            "only rows may be chosen",
        ),
        (
            (
                "with e as (select * from base.legal_entity order by address limit 9) "
                "select division, count(*) as n from e group by 1"
            ),
            "only rows may be chosen",
        ),
        # three of the values say that somebody has the third
        ("select division, count(distinct status) as n from base.legal_entity group by 1", "a rare one"),
        (
            "select division, count(distinct case when address = 'X' then 1 else 2 end) as n from base.legal_entity group by 1",
            "a rare one",
        ),
        (
            (
                "with e as (select *, 1 + cast(annual_tax > 9 as int) * 0.001 as v from base.legal_entity) "
                "select division, sum(v) as n from e group by 1"
            ),
            "a stored column",
        ),
        # all who are not at X have one neighbour fewer than there are in the division, if one is
        (
            (
                "with e as (select division, legal_entity_id, count(*) over (partition by division) - "
                "count(*) over (partition by division, address = 'X') as others from base.legal_entity) "
                "select division, count(*) filter (where others = 1) as n from e group by 1"
            ),
            "open to all alone",
        ),
        (
            (
                "with e as (select *, count(*) over w as v from base.legal_entity window w as (partition by address)) "
                "select division, count(*) as n from e where v = 1 group by 1"
            ),
            "only rows may be chosen",
        ),
        ("select division, count(*) as n from base.person, unnest([1, 2]) group by 1", "lateral"),
    ],
)
def test_what_tells_a_large_group_of_one_subject_is_refused(tables: Tables, sql: str, problem: str) -> None:
    with pytest.raises(UngroupedError, match=problem):
        read_groups(sql, "legal_entity_id", tables)


@pytest.mark.parametrize("subject", ["division", "sources", "nothing", "name"])
def test_the_subject_is_an_id(tables: Tables, subject: str) -> None:
    with pytest.raises(UngroupedError, match="subject"):
        read_groups(COUNT, subject, tables)


def test_different_subjects_and_stored_columns_may_be_counted_and_summed(tables: Tables) -> None:
    sql = """with e as (select legal_entity_id, division, annual_tax from base.legal_entity)
    select division, count(distinct legal_entity_id) as n, avg(annual_tax) as t from e group by division"""
    assert [number.function for number in read_groups(sql, "legal_entity_id", tables).numbers] == [
        "count",
        "avg",
    ]


def test_no_other_aggregate_of_duckdb_is_looser_than_what_it_is_of(
    shipped: Catalogue, tables: Tables
) -> None:
    with duckdb.connect() as connection:
        found = connection.execute(
            "select distinct function_name from duckdb_functions() where function_type = 'aggregate'"
        ).fetchall()
    names = sorted(name for (name,) in found if name.isidentifier())
    assert len(names) > 60
    for name in names:
        sql = f"select division, {name}(address) as v from base.legal_entity group by division"
        shape = pl.Schema({"division": pl.String(), "v": pl.Int64()})
        try:
            read_groups(sql, "legal_entity_id", tables)
        except (UngroupedError, UntraceableError, ParseError):
            continue
        types = loosened_columns(sql, "legal_entity_id", shape, tables, {}, policy_of(shipped)).columns
        if "v" in types and types["v"].opening.value != "none":
            assert name in {"count", "count_if", "countif"}, name


def test_an_id_that_is_computed_is_none(tables: Tables) -> None:
    sql = f"with e as (select *, hash(address) as h from base.legal_entity) {COUNT}".replace(
        "from base.legal_entity group", "from e group"
    )
    read_groups(sql, "legal_entity_id", tables)
    with pytest.raises(UngroupedError, match="subject"):
        read_groups(sql, "h", tables)
