"""The other themes' answers on a few rows, and what a theme file must say of itself."""

from __future__ import annotations

import shutil
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from assets import base, theme
from assets.base.changes import forget
from assets.build import Context
from assets.theme import themes
from assets.theme.themes import Theme, ThemeTestError, build, read_themes, tables_read
from catalog.load import Catalogue
from demo.places import divisions
from quality.clock import today
from tests.assets.small_lake import Row, build_all, one, put, resident

COMPANY, OTHER = "91441802617971616D", "91441821MA4UTK9K5C"


def build_theme(context: Context, name: str) -> None:
    build_all(context, base.builds(context.catalogue))
    build_all(context, theme.builds(context.catalogue), name)


def test_an_enterprise_is_one_row_whatever_it_is_in(empty_lake: Context) -> None:
    put(
        empty_lake,
        "business_registration",
        {"credit_code": COMPANY, "org_name": "某公司", "status": "注销"},
        {"credit_code": OTHER, "org_name": "另一公司", "status": "存续"},
    )
    put(empty_lake, "tax_registration", {"credit_code": COMPANY, "tax_status": "正常"})
    insured = {"employer_code": COMPANY, "status": "正常参保"}
    put(
        empty_lake,
        "social_insurance",
        insured | {"resident_id": resident(1), "insurance_kind": "养老保险"},
        insured | {"resident_id": resident(1), "insurance_kind": "失业保险"},
        insured | {"resident_id": resident(2), "insurance_kind": "养老保险"},
        insured | {"resident_id": resident(3), "insurance_kind": "养老保险", "status": "终止参保"},
    )
    put(
        empty_lake,
        "administrative_penalty",
        {"decision_no": "1", "party_code": COMPANY, "decided_on": date(2026, 1, 1)},
        {"decision_no": "2", "party_code": COMPANY, "decided_on": date(2026, 2, 1)},
        {"decision_no": "3", "party_code": None, "decided_on": date(2026, 3, 1)},
    )
    put(
        empty_lake,
        "credit_record",
        {"record_no": "1", "party_code": COMPANY, "removed_on": date(2026, 1, 1)},
        {"record_no": "2", "party_code": COMPANY},
    )
    build_theme(empty_lake, "enterprise_360")
    company = one(empty_lake, "theme", "enterprise_360", credit_code=COMPANY)
    assert company["insured_employees"] == 2, "people, not insurances, and only those insured now"
    assert (company["penalties"], company["last_penalty_on"]) == (2, date(2026, 2, 1))
    assert company["credit_records"] == 1, "what was removed from the list does not count"
    assert company["cancelled_but_taxed"]
    other = one(empty_lake, "theme", "enterprise_360", credit_code=OTHER)
    assert (other["insured_employees"], other["penalties"], other["cancelled_but_taxed"]) == (0, 0, False)
    assert empty_lake.lake.rows("theme", "enterprise_360") == 2


def test_only_a_current_licence_that_runs_out_within_a_year_is_in_the_calendar(empty_lake: Context) -> None:
    soon, later = today() + timedelta(30), today() + timedelta(500)

    def licence(serial: str, version: int, until: date | None, state: str = "有效") -> dict[str, object]:
        name = f"1.2.156.3005.2.11100000000013338W009.11441800MB2C12345X.{serial}.{version:03}.0"
        return {"licence_id": name, "version": version, "valid_to": until, "state": state}

    put(
        empty_lake,
        "electronic_licence",
        licence("1", 1, soon),
        licence("2", 1, soon),
        licence("2", 2, later),
        licence("3", 1, soon, "吊销"),
        licence("4", 1, today() - timedelta(1)),
        licence("5", 1, None),
    )
    build_theme(empty_lake, "licence_expiry")
    (row,) = empty_lake.lake.scan("theme", "licence_expiry").collect().iter_rows(named=True)
    assert ".1.001." in row["licence_id"]
    assert row["days_left"] == 30, "reckoned from the city's date, also before eight in the morning"


def test_who_lives_alone_is_old_alive_and_the_only_one_left(empty_lake: Context) -> None:
    old, young = date(1940, 1, 1), date(1990, 1, 1)
    people = [
        ("alone", old, "H1"),
        ("with someone", old, "H2"),
        ("someone", young, "H2"),
        ("young and alone", young, "H3"),
        ("widow", old, "H4"),
        ("late husband", old, "H4"),
        ("moved away", old, "H5"),
    ]
    rows = [
        {
            "resident_id": resident(number),
            "name": name,
            "birth_date": born,
            "household_no": household,
            "status": "迁出" if name == "moved away" else "正常",
        }
        for number, (name, born, household) in enumerate(people)
    ]
    put(empty_lake, "household_register", *rows)
    husband = rows[5]["resident_id"]
    put(empty_lake, "death_certificate", {"resident_id": husband, "death_date": date(2025, 1, 1)})
    build_theme(empty_lake, "living_alone_elderly")
    found = empty_lake.lake.scan("theme", "living_alone_elderly").collect()
    assert sorted(found["name"]) == ["alone", "widow"]


HEADER = """/*
title: {zh: 试验, en: Trial}
purpose: 试验
legal_basis: 《清远市公共数据管理办法》第二十一条
owner: data_bureau
frequency: daily
key: [code]
columns: {code: 代码}
tests:
  - title: {zh: 没有市级, en: no city in it}
    sql: select code from this where code = '4418'
*/
"""
SQL = "select code from standard.division"


def written(folder: Path, text: str) -> Path:
    (folder / "trial.sql").write_text(text, encoding="utf-8")
    return folder


def test_a_theme_is_one_file(empty_lake: Context, tmp_path: Path) -> None:
    (trial,), faults = read_themes(empty_lake.catalogue, written(tmp_path, HEADER + SQL))
    assert faults == []
    assert trial.reads == (("standard", "division"),)
    put(empty_lake, "division", {"code": "441802"})
    build(empty_lake, trial)
    assert empty_lake.lake.scan("theme", "trial").collect()["code"].to_list() == ["441802"]


def test_a_themes_own_test_keeps_a_wrong_result_from_being_published(
    empty_lake: Context, tmp_path: Path
) -> None:
    (trial,), _ = read_themes(empty_lake.catalogue, written(tmp_path, HEADER + SQL))
    put(empty_lake, "division", {"code": "441802"})
    build(empty_lake, trial)
    put(empty_lake, "division", {"code": "4418"}, push="p2")
    with pytest.raises(
        ThemeTestError, match=r"no city in it .*: 1 rows fail; the published table is unchanged"
    ):
        build(empty_lake, trial)
    assert empty_lake.lake.rows("theme", "trial") == 1
    assert len(list(empty_lake.lake.path("theme", "trial").glob("*.parquet"))) == 1, "nothing is left behind"


def test_a_theme_is_run_again_only_where_something_it_is_made_from_has_changed(
    empty_lake: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def runs(text: str) -> int:
        (trial,), _ = read_themes(empty_lake.catalogue, written(tmp_path, text))
        before = len(ran)
        build(empty_lake, trial)
        return len(ran) - before

    ran: list[Theme] = []
    run = themes._hold_tests
    monkeypatch.setattr(
        themes,
        "_hold_tests",
        lambda connection, theme, rows: (ran.append(theme), run(connection, theme, rows))[1],
    )
    put(empty_lake, "division", {"code": "441802"})
    assert [runs(HEADER + SQL), runs(HEADER + SQL)] == [1, 0]
    put(empty_lake, "division", {"code": "441803"}, push="p2")
    assert [runs(HEADER + SQL), runs(HEADER + SQL)] == [1, 0]
    assert runs(HEADER + SQL + " where code is not null") == 1
    dated = HEADER + SQL + " where current_date > date '2020-01-01'"
    assert [runs(dated), runs(dated)] == [1, 0]
    monkeypatch.setattr(themes, "today", lambda: date(2031, 1, 1))
    assert [runs(dated), runs(dated)] == [1, 0], "another day is another answer"
    empty_lake.lake.append("theme", "trial", pl.DataFrame({"code": ["441899"]}))
    assert runs(dated) == 1, "somebody else wrote the table"
    assert empty_lake.lake.rows("theme", "trial") == 2
    groups = themes.read_theme(themes.FOLDER / "business_environment.sql", empty_lake.catalogue, [])
    assert groups
    empty_lake.lake.append("base", "division", divisions())
    before = len(ran)
    build(empty_lake, groups)
    build(empty_lake, groups)
    assert len(ran) - before == 2, (
        "a type in the catalogue, which no table knows of, decides which groups are left"
    )


PAID = (
    HEADER.replace("[code]", "[payment_no]")
    .replace("{code: 代码}", "{payment_no: 流水号, town: 住地, times: 次数}")
    .replace("select code from this where code = '4418'", "select 1 from this where times > 3")
    + """
with paid as (select *, count(*) over (partition by resident_id) as times from standard.pension_payment)
select payment_no, division_code as town, times from paid where amount > 0
"""
)


@pytest.fixture
def piecemeal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few rows are not made whole because that is as quick."""
    monkeypatch.setattr(themes, "_QUICK", 0)
    monkeypatch.setattr(themes, "_COMPARED", 9.0)


@pytest.mark.usefixtures("piecemeal")
def test_only_what_changed_rows_lead_to_is_made_anew(
    empty_lake: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def payment(number: int, to: int | None, town: str = "441802") -> Row:
        who = None if to is None else resident(to)
        return {"payment_no": f"{number:03}", "resident_id": who, "division_code": town, "amount": Decimal(1)}

    def rows() -> list[tuple[object, ...]]:
        return empty_lake.lake.scan("theme", "trial").collect().rows()

    (trial,), faults = read_themes(empty_lake.catalogue, written(tmp_path, PAID))
    assert faults == []
    many = [payment(100 + number, 100 + number // 2) for number in range(100)]
    put(empty_lake, "pension_payment", payment(1, 1), payment(2, 2), payment(3, None), *many)
    assert build(empty_lake, trial).notes["made whole"] == "for the first time"
    # a second payment counts in the first one's row too; so do those of nobody known
    put(empty_lake, "pension_payment", payment(4, 1), payment(5, None), payment(0, 9), push="p2")
    built = build(empty_lake, trial)
    assert (built.notes["made anew by"], built.notes["keys"]) == ("payment_no", 5)
    commit = built.commits["theme", "trial"]
    assert (commit.inserted, commit.deleted) == (5, 2), "only these were exchanged"
    exchanged = rows()
    assert exchanged[:6] == [
        ("000", "441802", 1),
        ("001", "441802", 2),
        ("002", "441802", 1),
        ("003", "441802", 2),
        ("004", "441802", 2),
        ("005", "441802", 2),
    ]
    forget(empty_lake, "theme.trial")
    build(empty_lake, trial)
    assert rows() == exchanged, "in the order of the key, too"
    # what the query does not read may change, and the table has no new version
    put(empty_lake, "division", {"code": "441802"})
    assert not build(empty_lake, trial).commits["theme", "trial"].changed
    # the tests hold for all rows together, of which most stand in the table
    put(empty_lake, "pension_payment", payment(6, 1), payment(7, 1), push="p3")
    with pytest.raises(ThemeTestError, match="4 rows fail"):
        build(empty_lake, trial)
    assert rows() == exchanged
    assert len(list(empty_lake.lake.path("theme", "trial").glob("*.parquet"))) <= 2, "nothing is left behind"
    # where finding out takes longer, all is made anew
    put(empty_lake, "pension_payment", payment(8, 1, "441803"), push="p4")
    monkeypatch.setattr(themes, "_COMPARED", 0.0)
    with pytest.raises(ThemeTestError, match="5 rows fail"):
        build(empty_lake, trial)
    monkeypatch.setattr(themes, "_QUICK", 10_000)
    (mended,), _ = read_themes(
        empty_lake.catalogue, written(tmp_path, PAID.replace("times > 3", "times > 9"))
    )
    build(empty_lake, mended)
    put(empty_lake, "pension_payment", payment(9, 1), push="p5")
    assert build(empty_lake, mended).notes["made whole"] == "from 110 rows all is made as quickly"


@pytest.mark.slow
@pytest.mark.usefixtures("piecemeal")
def test_every_shipped_theme_made_anew_piece_by_piece_is_what_it_would_be_whole(empty_lake: Context) -> None:
    """After a push here and there each theme is exchanged, and equal to one built from nothing."""
    databases = ("person", "legal_entity", "building")
    demo_rows(empty_lake, "p1", 1, 40)
    build_all(empty_lake, base.builds(empty_lake.catalogue), *databases)
    every = theme.builds(empty_lake.catalogue)
    build_all(empty_lake, every)
    demo_rows(empty_lake, "p2", 41, 44)
    build_all(empty_lake, base.builds(empty_lake.catalogue), *databases)
    built = build_all(empty_lake, every)
    exchanged = {name for (_, name), made in built.items() if "made anew by" in made.notes}
    whole = {
        name: made.notes["made whole"] for (_, name), made in built.items() if "made whole" in made.notes
    }
    untouched = {name for (_, name), made in built.items() if list(made.notes) == ["rows"]}
    assert untouched == {"licence_expiry"}
    assert set(whole) == {"business_environment", "school_place_demand"} - exchanged
    for name in exchanged:
        found = empty_lake.lake.scan("theme", name).collect()
        assert found.height or name == "school_place_demand", name
        shutil.rmtree(empty_lake.lake.path("theme", name))
        build_all(empty_lake, every, name)
        assert_frame_equal(found, empty_lake.lake.scan("theme", name).collect(), check_row_order=False)


def demo_rows(context: Context, push: str, first: int, last: int) -> None:
    """A few rows of people and organisations with these numbers in every resource that themes read."""
    numbers = range(first, last + 1)
    company = {number: f"9144180261797{number:04d}X" for number in numbers}
    old = date(1940, 1, 1)
    put(
        context,
        "household_register",
        *(
            {"resident_id": resident(n), "name": f"人{n}", "birth_date": old, "household_no": f"H{n % 30}", "status": "正常"}
            for n in numbers
        ),
        push=push,
        hour=int(push[1:]),
    )  # fmt: skip
    put(
        context,
        "business_registration",
        *(
            {"credit_code": company[n], "org_name": f"公司{n}", "status": "存续", "legal_representative_id": resident(n)}
            for n in numbers
        ),
        push=push,
        hour=int(push[1:]),
    )  # fmt: skip
    put(
        context,
        "tax_registration",
        *({"credit_code": company[n], "tax_status": "非正常户"} for n in numbers),
        push=push,
    )
    put(
        context,
        "administrative_penalty",
        *(
            {
                "decision_no": f"{push}{n}",
                "party_code": company[n],
                "decided_on": today(),
                "amount": Decimal(9),
            }
            for n in numbers
        ),
        push=push,
    )
    put(
        context,
        "pension_payment",
        *(
            {"payment_no": f"{push}{n}{m}", "resident_id": resident(n), "pay_month": "2026-01", "amount": Decimal(5)}
            for n in numbers
            for m in "ab"
        ),
        push=push,
    )  # fmt: skip
    title = {"status": "现势", "use": "住宅", "parcel_no": "P0"}
    put(
        context,
        "real_estate_title",
        *(
            title
            | {
                "title_no": f"{push}{n}",
                "unit_no": f"U{n}",
                "owner_code": resident(n),
                "address": f"人民路{n}号",
            }
            for n in numbers
        ),
        push=push,
    )
    put(
        context,
        "building",
        *({"building_no": f"B{n}", "parcel_no": f"P{n}", "use": "住宅"} for n in numbers),
        push=push,
    )


def test_a_sum_of_whole_numbers_is_stored_exactly(empty_lake: Context, tmp_path: Path) -> None:
    query = HEADER.replace("{code: 代码}", "{code: 代码, total: 合计}") + (
        "select code, sum(9007199254740993) as total from standard.division group by code"
    )
    (trial,), _ = read_themes(empty_lake.catalogue, written(tmp_path, query))
    put(empty_lake, "division", {"code": "441802"})
    build(empty_lake, trial)
    assert int(one(empty_lake, "theme", "trial")["total"]) == 9007199254740993


FAULTS = {
    "no header": (SQL, "begin with a comment"),
    "no query": (HEADER, "begin with a comment"),
    "an unknown key": (HEADER.replace("owner:", "owned_by: x\nowner:") + SQL, "owned_by"),
    "an unknown department": (HEADER.replace("data_bureau", "nobody") + SQL, "no department nobody"),
    "SQL that is none": (HEADER + "select from where (", "not readable as DuckDB SQL"),
    "a masked layer": (HEADER + "select code from shared.death_cause", "reads shared.death_cause"),
    "no layer": (HEADER + "select code from division", "reads .division"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_fault_in_a_theme_names_the_file_and_what_to_do(
    shipped: Catalogue, tmp_path: Path, case: str
) -> None:
    text, said = FAULTS[case]
    _, faults = read_themes(shipped, written(tmp_path, text))
    assert any("trial.sql" in str(fault) and said in str(fault) for fault in faults)


def test_what_a_query_reads_is_found_in_it() -> None:
    query = """
    with recent as (select * from standard.marriage), recent_too as (select * from recent)
    select * from recent_too join base.person using (x) where y in (select z from standard.cremation)
    """
    assert tables_read(query) == (("base", "person"), ("standard", "cremation"), ("standard", "marriage"))


def test_a_theme_reads_files_older_than_a_column(empty_lake: Context, tmp_path: Path) -> None:
    query = (
        HEADER.replace("{code: 代码}", "{code: 代码, note: 备注}")
        + "select code, note from standard.division"
    )
    (trial,), _ = read_themes(empty_lake.catalogue, written(tmp_path, query))
    put(empty_lake, "division", {"code": "441802"})
    schema = empty_lake.lake.scan("standard", "division").collect_schema()
    empty_lake.lake.create("standard", "division", pl.Schema({**schema, "note": pl.String()}))
    build(empty_lake, trial)
    assert one(empty_lake, "theme", "trial") == {"code": "441802", "note": None}
