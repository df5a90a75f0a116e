"""Each theme at two million people, beside the same SQL run bare in DuckDB on the same Parquet files.

Here belong the tables the themes read, made without a city so that they take little memory, and the sides. Ours is the product's own build:
views over the tables, the SQL, its tests, small groups left out, and the table committed in its order. The bare side runs the
SQL and writes what comes out as Parquet with the same compression, and does nothing else. Columns that no theme reads are empty.
``CITYLAKE_BENCH_PEOPLE`` (2,000,000) makes it smaller. All themes share the tables: ``--only themes`` runs all, ``--only theme-CODE`` one.
``theme-delivered`` and ``theme-changed`` are each theme brought up to date with a hundredth of every table, of standard tables alone or
of base tables, too, beside all of it made anew.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import duckdb
import polars as pl

from assets.build import Context
from assets.theme.themes import FOLDER, SETTINGS, Theme, build, read_theme
from benchmarks.harness import Comparison
from catalog.load import load
from demo.places import divisions, towns
from lake.home import Home
from lake.tables import Lake
from masking.columns import declared_tables
from masking.lineage import Tables

PEOPLE = int(os.environ.get("CITYLAKE_BENCH_PEOPLE", "2000000"))
TODAY = date.today()  # noqa: DTZ011 - of the machine: themes ask for the last year
#: Rows for each person.
ROWS = {
    ("base", "person"): 1.0,
    ("base", "legal_entity"): 0.1,
    ("base", "licence"): 0.15,
    ("base", "building"): 0.1,
    ("standard", "social_insurance"): 0.4,
    ("standard", "administrative_licence"): 0.05,
    ("standard", "administrative_penalty"): 0.01,
    ("standard", "credit_record"): 0.01,
    ("standard", "real_estate_title"): 0.3,
    ("standard", "pension_payment"): 1.5,
    ("standard", "subsidy_payment"): 0.5,
    ("standard", "school_enrolment"): 0.15,
}
#: By what a row of a base table is the same after a change.
IDENTITY = {
    "person": ["person_id", "resident_id"],
    "legal_entity": ["legal_entity_id", "credit_code"],
    "licence": ["licence_id"],
    "building": ["building_no"],
}
_PLACE = {
    "_push": pl.lit("p1"),
    "_row": pl.col("n"),
    "_row_hash": pl.col("n").hash(seed=99).reinterpret(signed=True),
}
Column = Callable[[], pl.Expr]


def draw(salt: int, below: int) -> pl.Expr:
    """A number below another, by the row's own."""
    return (pl.col("n").hash(seed=salt) % below).cast(pl.Int64)


def pick(salt: int, *choices: str | None) -> pl.Expr:
    """One of several texts."""
    return draw(salt, len(choices)).replace_strict(range(len(choices)), list(choices), return_dtype=pl.String)


def numbered(form: str, number: pl.Expr) -> pl.Expr:
    """A number within a text, in nine digits."""
    return pl.format(form, number.cast(pl.String).str.zfill(9))


def day(salt: int, since: int, until: int = 0) -> pl.Expr:
    """A day between so many days ago and so many."""
    return pl.lit(TODAY - timedelta(since)) + pl.duration(days=draw(salt, since - until))


def few(salt: int, percent: int, value: pl.Expr) -> pl.Expr:
    """The value in some rows, null in the others."""
    return pl.when(draw(salt, 100) < percent).then(value)


def _places() -> tuple[pl.Series, pl.Series]:
    table = towns()
    return table["town"], table.select(pl.format("清远市{}{}", "county_name", "town_name")).to_series()


def town_code(salt: int) -> pl.Expr:
    """The code of a town."""
    codes, _ = _places()
    return draw(salt, len(codes)).replace_strict(range(len(codes)), codes, return_dtype=pl.String)


def address(salt: int, houses: int) -> pl.Expr:
    """A house of a town."""
    _, names = _places()
    town = draw(salt, len(names)).replace_strict(range(len(names)), names, return_dtype=pl.String)
    return pl.format("{}人民路{}号", town, draw(salt + 1, houses))


def resident(salt: int | None = None) -> pl.Expr:
    """The number of a person: the row's, or anybody's."""
    return numbered("441802199{}", pl.col("n") if salt is None else draw(salt, PEOPLE))


def company(salt: int | None = None) -> pl.Expr:
    """The code of an organisation: the row's, or any one's."""
    return numbered("914418026{}", pl.col("n") if salt is None else draw(salt, PEOPLE // 10))


def columns(table: tuple[str, str]) -> Mapping[str, pl.Expr]:
    """What the themes read of a table."""
    own = pl.col("n")
    of_person = {
        "person_id": numbered("P{}", own),
        "resident_id": resident(),
        "name": numbered("人{}", own),
        "sex": pick(1, "1", "2"),
        "birth_date": day(2, 32_000),
        "death_date": few(3, 4, day(4, 3_000)),
        "household_no": numbered("H{}", own // 3),
        "household_status": pick(5, "正常", "正常", "正常", "注销"),
        "household_division": town_code(6),
        "residence_division": town_code(7),
        "residence_address": address(8, PEOPLE // 300),
        "disability_level": few(10, 3, pick(11, "一级", "二级", "三级")),
        "low_income_benefit": few(12, 2, draw(21, 900)),
        "mobile": few(13, 80, numbered("13{}", own)),
        "employer": few(14, 40, numbered("第{}公司", draw(15, PEOPLE // 10))),
        "insurance_status": pick(16, "正常参保", "停保", None),
        "medical_scheme": pick(17, "职工", "城乡居民"),
        "school": few(18, 15, numbered("第{}小学", draw(19, 400))),
        "marital_event": pick(20, "结婚", "离婚", None),
    }
    of_company = {
        "legal_entity_id": numbered("L{}", own),
        "credit_code": company(),
        "name": numbered("清远市第{}有限公司", own),
        "kind": pick(1, "有限责任公司", "个体工商户"),
        "status": pick(2, "存续", "存续", "存续", "注销"),
        "established_on": day(3, 9_000),
        "cancelled_on": few(4, 20, day(5, 2_000)),
        "division": town_code(6),
        "capital": draw(7, 10_000),
        "capital_currency": pl.lit("人民币"),
        "industry": pick(8, "批发", "零售", "制造"),
        "tax_status": pick(9, "正常", "正常", "正常", "正常", "非正常户"),
        "address": address(10, 999),
        "legal_representative_id": resident(12),
    }
    sets: Mapping[str, Mapping[str, pl.Expr]] = {
        "person": of_person,
        "legal_entity": of_company,
        "licence": {
            "licence_id": numbered("C{}", own),
            "is_current": draw(1, 10) > 0,
            "state": pick(2, "有效", "有效", "有效", "注销"),
            "person_id": few(3, 70, numbered("P{}", draw(4, PEOPLE))),
            "legal_entity_id": few(5, 30, numbered("L{}", draw(6, PEOPLE // 10))),
            "type_name": pick(7, "驾驶证", "营业执照", "残疾人证"),
            "issuer": pick(8, "公安局", "市场监管局"),
            "division_code": town_code(9),
            "valid_to": day(10, 1_000, -2_000),
        },
        "building": {
            "building_no": numbered("B{}", own),
            "parcel_no": numbered("D{}", own // 3),
            "use": pick(1, "住宅", "商业", "公共服务"),
            "address": address(2, PEOPLE // 300),
            "division_code": town_code(4),
            "floors": draw(5, 30) + 1,
        },
        "social_insurance": {
            "resident_id": resident(1),
            "employer_code": company(2),
            "status": pick(3, "正常参保", "停保"),
        },
        "administrative_licence": {"holder_code": company(1)},
        "administrative_penalty": {
            "party_code": company(1),
            "decided_on": day(2, 2_000),
            "amount": draw(3, 9_000),
        },
        "credit_record": {
            "party_code": company(1),
            "record_kind": pick(2, "失信惩戒", "重点关注", "守信激励"),
            "listed_on": day(3, 2_000),
            "removed_on": few(4, 30, day(5, 500)),
        },
        "real_estate_title": {
            "unit_no": numbered("U{}", own),
            "parcel_no": numbered("D{}", draw(1, PEOPLE // 30)),
            "use": pick(2, "住宅", "住宅", "商业"),
            "status": pick(3, "现势", "现势", "历史"),
            "owner_code": resident(4),
            "address": address(5, PEOPLE // 300),
            "division_code": town_code(7),
            "area": draw(8, 150) + 20,
            "registered_on": day(9, 5_000),
        },
        "pension_payment": {
            "payment_no": numbered("A{}", own),
            "resident_id": resident(1),
            "pay_month": day(2, 500).dt.strftime("%Y-%m"),
            "amount": draw(3, 5_000),
        },
        "subsidy_payment": {
            "payment_no": numbered("S{}", own),
            "resident_id": resident(1),
            "subsidy_kind": pick(2, "高龄津贴", "农机购置补贴", "残疾人补贴"),
            "paid_on": day(3, 700),
            "amount": draw(4, 900),
        },
        "school_enrolment": {
            "resident_id": resident(1),
            "school_grade": pick(2, "一年级", "二年级", "三年级", "四年级", "五年级", "六年级"),
        },
    }
    return sets[table[1]]


def prepare(folder: Path) -> None:
    """Every table that a theme reads."""
    context, declared = _open(folder), declared_tables(load())
    context.lake.append("base", "division", divisions())
    for table, share in ROWS.items():
        rows = pl.LazyFrame({"n": pl.int_range(int(PEOPLE * share), eager=True)})
        context.lake.append(*table, _shaped(rows, table, declared))


def _shaped(rows: pl.LazyFrame, table: tuple[str, str], declared: Tables) -> pl.LazyFrame:
    """A table's columns of the rows numbered ``n``."""
    made = {**columns(table), **_PLACE}
    return rows.select(
        made.get(name, pl.lit(None)).cast(column.dtype).alias(name)
        for name, column in declared[table].items()
    )


def prepare_change(folder: Path, *, bases: bool) -> None:
    """The same tables, every theme built, and then a hundredth of each table changed: departments have delivered as many new
    rows, and those of the base databases, if ``bases``, have become like others."""
    prepare(folder)
    context, declared = _open(folder), declared_tables(load())
    for path in sorted(FOLDER.glob("*.sql")):
        build(context, _theme(context, path.stem))
    for table, share in ROWS.items():
        every = int(PEOPLE * share)
        if table[0] == "base" and not bases:
            continue
        if table[0] == "base":
            few = pl.LazyFrame({"n": pl.int_range(0, every, 100, eager=True)})
            own = _shaped(few, table, declared).select(IDENTITY[table[1]]).collect()
            rows = _shaped(few.select(pl.col("n") + every), table, declared).collect().with_columns(own)
            key = own.columns[0]
            context.lake.exchange(*table, rows, whose=rows[key], key=key)
        else:
            new = pl.LazyFrame({"n": pl.int_range(every, every + every // 100, eager=True)})
            context.lake.append(*table, _shaped(new, table, declared))


def _open(folder: Path) -> Context:
    home = Home.open(folder)
    return Context(home, Lake(home.lake), load())


def _theme(context: Context, code: str) -> Theme:
    theme = read_theme(FOLDER / f"{code}.sql", context.catalogue, [])
    assert theme, code
    return theme


def anew(folder: Path, code: str) -> None:
    """The theme brought up to date with what has changed."""
    context = _open(folder)
    build(context, _theme(context, code))


def ours(folder: Path, code: str) -> None:
    """The theme built and published, from nothing."""
    context = _open(folder)
    shutil.rmtree(context.lake.path("theme", code), ignore_errors=True)
    build(context, _theme(context, code))


def bare(folder: Path, code: str) -> None:
    """The theme's SQL over the same files, and its rows written."""
    context = _open(folder)
    theme = _theme(context, code)
    with duckdb.connect(config=SETTINGS) as connection:
        connection.execute("SET enable_progress_bar = false")
        for layer, name in theme.reads:
            paths = ", ".join(f"'{path}'" for path in context.lake.files(layer, name))
            connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{layer}"')
            connection.execute(f'CREATE VIEW "{layer}"."{name}" AS FROM read_parquet([{paths}])')
        target = folder / f"{code}.parquet"
        connection.execute(
            f"COPY ({theme.sql}) TO '{target}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)"
        )


def _bare(code: str) -> Comparison:
    return Comparison(
        f"theme-{code}",
        "its SQL run bare in DuckDB",
        aim=1.3,
        ours=partial(ours, code=code),
        other=partial(bare, code=code),
        prepare=prepare,
        group="themes",
    )


def _anew(code: str, group: str, *, bases: bool) -> Comparison:
    return Comparison(
        f"{group}-{code}",
        "all of it made anew",
        aim=None,
        ours=partial(anew, code=code),
        other=partial(ours, code=code),
        prepare=partial(prepare_change, bases=bases),
        runs=1,
        group=group,
    )


CODES = sorted(path.stem for path in FOLDER.glob("*.sql"))
#: Those that read what departments deliver, beside base databases.
DELIVERED = (
    "enterprise_360",
    "enterprise_credit",
    "idle_buildings",
    "one_person_one_file",
    "school_place_demand",
    "subsidy_check",
)
COMPARISONS = (
    *map(_bare, CODES),
    *(_anew(code, "theme-delivered", bases=False) for code in DELIVERED),
    *(_anew(code, "theme-changed", bases=True) for code in CODES),
)
