"""Types derived from SQL: never looser than the tightest input, and nothing shown that cannot be traced."""

from __future__ import annotations

import polars as pl
import pytest
from pydantic import ValidationError

from catalog.load import load
from catalog.model import SharingType
from masking.columns import Origins, SourceColumn, declared_tables
from masking.lineage import Tables, query_columns


@pytest.fixture(scope="module")
def tables() -> Tables:
    return declared_tables(load())


def one(sql: str, dtype: pl.DataType, tables: Tables) -> SourceColumn | None:
    return query_columns(sql, pl.Schema({"v": dtype}), tables).get("v")


def test_a_column_of_every_column_of_an_element_is_no_looser_than_the_tightest(tables: Tables) -> None:
    catalogue = load()
    holders = [
        (entry, name)
        for entry in catalogue.entries.values()
        for name, column in entry.columns.items()
        if column.element == "address"
    ]
    address = tables["base", "address"]["address"]
    assert address.departments == {entry.department for entry, _ in holders}
    assert address.sharing is min((entry.sharing_of(name) for entry, name in holders), key=lambda it: it.rank)
    # of a home no position is told, only how exactly it is known
    assert not {"longitude", "latitude", "door"} & set(tables["base", "address"])


@pytest.mark.parametrize("origins", [{}, {"from": ["building.address"], "every": "address"}])
def test_a_column_comes_from_named_columns_or_from_every_one_of_an_element(
    origins: dict[str, object],
) -> None:
    with pytest.raises(ValidationError, match="say where it comes from"):
        Origins.model_validate(origins)


FROM = " from standard.subsidy_payment as s join base.person as p on p.resident_id = s.resident_id"
TEXT, NUMBER, YES_NO, DAY = pl.String(), pl.Int64(), pl.Boolean(), pl.Date()


@pytest.mark.parametrize(
    ("expression", "dtype", "element", "sharing"),
    [
        ("p.name", TEXT, "person_name", "conditional"),
        ("coalesce(p.name, s.name)", TEXT, "person_name", "conditional"),
        ("min(p.name) over ()", TEXT, None, None),
        ("coalesce(p.name, '无')", TEXT, None, None),
        ("any_value(p.name)", TEXT, "person_name", "conditional"),
        ("s.bank_account", TEXT, "bank_account", "none"),
        ("coalesce(s.payment_no, s.bank_account)", TEXT, None, None),
        ("p.name || s.bank_account", TEXT, None, None),
        ("substr(s.resident_id, 7, 8)", TEXT, None, None),
        ("upper(s.bank_account)", TEXT, None, None),
        ("length(s.bank_account)", NUMBER, "integer", "none"),
        ("s.bank_account is null", YES_NO, "integer", "none"),
        ("case when s.bank_account is null then '无' else '有' end", TEXT, "category", "none"),
        ("case when s.bank_account is null then s.name else '有' end", TEXT, None, None),
        ("p.person_id", TEXT, "identifier", "none"),
        ("'p' || p.person_id", TEXT, None, None),
        ("s.amount * 2", pl.Decimal(18, 2), "amount", "conditional"),
        ("count(*) over ()", NUMBER, "integer", "conditional"),
        ("'明细'", TEXT, "category", "conditional"),
        ("s.paid_on", DAY, "date", "conditional"),
        ("(select max(bank_account) from standard.subsidy_payment)", TEXT, None, None),
        ("s._push", TEXT, "identifier", "none"),
        ("(select payment_no from standard.unheard_of limit 1)", TEXT, None, None),
    ],
)  # fmt: skip
def test_one_column(
    tables: Tables, expression: str, dtype: pl.DataType, element: str | None, sharing: str | None
) -> None:
    column = one(f"select {expression} as v {FROM}", dtype, tables)
    assert (column.element if column else None) == element
    assert (column.sharing.value if column else None) == sharing


@pytest.mark.parametrize(
    "sql",
    [
        "with b as (select bank_account as x from standard.subsidy_payment) select x as v from b",
        "select v from (select bank_account as v from standard.subsidy_payment)",
        "select name as v from base.person union all select bank_account from standard.subsidy_payment",
        "with a as (select * from standard.subsidy_payment), b as (select * from a) select bank_account as v from b",
    ],
)
def test_the_tightest_input_counts_however_deep(tables: Tables, sql: str) -> None:
    column = one(sql, TEXT, tables)
    assert column is None or column.sharing is SharingType.NONE


@pytest.mark.parametrize(
    "sql", ["select * from unknown.table_of_ours", "this is not sql", "select v from base.person"]
)
def test_what_cannot_be_traced_is_unknown(tables: Tables, sql: str) -> None:
    assert one(sql, TEXT, tables) is None


@pytest.mark.parametrize(
    "sql",
    [
        "select name as v from standard.subsidy_payment where bank_account = '6222'",
        "select a.name as v from base.person as a join standard.pension_payment as b on a.name = b.bank_account",
        "with x as (select name, bank_account as c from standard.subsidy_payment) select name as v from x where c is null",
        "select max(name) as v from standard.subsidy_payment group by bank_account",
        "select name as v from standard.subsidy_payment order by bank_account limit 1",
        "select name as v from base.person where exists (select 1 from standard.pension_payment where bank_account = '1')",
        "select name as v from base.person where name in (select name from standard.subsidy_payment where bank_account > '1')",
    ],
)
def test_rows_chosen_by_what_is_not_shared_are_not_shown(tables: Tables, sql: str) -> None:
    assert one(sql, TEXT, tables) is None
    assert one(sql.replace("bank_account", "payment_no"), TEXT, tables) is not None or "max(name)" in sql


def test_what_rows_are_chosen_by_tightens_their_values(tables: Tables) -> None:
    sql = "select established_on as v from base.legal_entity"
    plain, chosen = one(sql, DAY, tables), one(f"{sql} where address is not null", DAY, tables)
    assert plain
    assert chosen
    assert (plain.sharing.value, plain.opening.value) == ("unconditional", "unconditional")
    assert (chosen.sharing.value, chosen.opening.value) == ("conditional", "none")


def test_the_shipped_themes_can_be_traced() -> None:
    """Every column that a theme declares is known: an analyst misses none for want of lineage."""
    from assets.theme.themes import read_themes

    catalogue = load()
    known = declared_tables(catalogue)
    themes, faults = read_themes(catalogue)
    assert not faults
    for theme in themes:
        inputs = {table: known[table] for table in theme.reads}
        # dtypes are DuckDB's to decide; text is the strictest case
        texts = pl.Schema(dict.fromkeys(theme.header.columns, pl.Int64()))
        assert set(query_columns(theme.sql, texts, inputs)) >= set(theme.header.columns) - {
            "person_id",
            "legal_entity_id",
        }
