"""The other themes' answers on a few rows, and what a theme file must say of itself."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from assets import base, theme
from assets.build import Context
from assets.theme import themes
from assets.theme.themes import Theme, ThemeTestError, build, read_themes, tables_read
from catalog.load import Catalogue
from demo.places import divisions
from quality.clock import today
from tests.assets.small_lake import build_all, one, put, resident

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
    run = themes._written
    monkeypatch.setattr(
        themes, "_written", lambda context, theme: (ran.append(theme), run(context, theme))[1]
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
