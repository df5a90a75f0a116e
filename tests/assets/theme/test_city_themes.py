"""What the themes for the counter, the school office, the fire brigade and the market regulator find on a few rows."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl

from assets import base, theme
from assets.build import Context
from quality.clock import today
from tests.assets.small_lake import Row, build_all, put, resident

COMPANY, OTHER, THIRD = "91441802617971616D", "91441821MA4UTK9K5C", "91441802MA4X0CQK3H"
TOWN = "441802006"


def build_theme(context: Context, name: str) -> pl.DataFrame:
    build_all(context, base.builds(context.catalogue))
    build_all(context, theme.builds(context.catalogue), name)
    return context.lake.scan("theme", name).collect()


def person(serial: int, born: date, **more: object) -> Row:
    return {
        "resident_id": resident(serial),
        "name": f"人{serial}",
        "birth_date": born,
        "status": "正常",
        **more,
    }


def divisions(context: Context) -> None:
    put(
        context,
        "division",
        {"code": "441802", "name": "清城区", "level": "county", "parent_code": "441800"},
        {"code": TOWN, "name": "凤城街道", "level": "town", "parent_code": "441802"},
        {"code": "441802007", "name": "东城街道", "level": "town", "parent_code": "441802"},
    )


def test_a_removed_record_and_an_old_penalty_count_against_nobody(empty_lake: Context) -> None:
    names = {COMPANY: "甲", OTHER: "乙", THIRD: "丙"}
    put(
        empty_lake,
        "business_registration",
        *({"credit_code": code, "org_name": name} for code, name in names.items()),
    )
    listed = {"record_kind": "失信惩戒", "listed_on": date(2026, 1, 1)}
    put(
        empty_lake,
        "credit_record",
        listed | {"record_no": "1", "party_code": COMPANY},
        listed | {"record_no": "2", "party_code": OTHER, "removed_on": date(2026, 2, 1)},
        {"record_no": "3", "party_code": THIRD, "record_kind": "守信激励", "listed_on": date(2026, 1, 1)},
    )
    put(
        empty_lake,
        "administrative_penalty",
        {"decision_no": "1", "party_code": OTHER, "decided_on": today() - timedelta(1000)},
    )
    found = build_theme(empty_lake, "enterprise_credit")
    assert found.select("credit_code", "concern").rows() == [(COMPANY, "失信")]


def test_a_child_of_september_waits_a_year_and_a_late_one_is_not_counted(empty_lake: Context) -> None:
    divisions(empty_lake)
    year = today().year + 3
    put(
        empty_lake,
        "household_register",
        person(1, date(year - 6, 8, 31), division_code=TOWN),
        person(2, date(year - 6, 9, 1), division_code=TOWN),
        person(3, date(year - 6, 1, 1), division_code=TOWN),
    )
    put(empty_lake, "death_certificate", {"resident_id": resident(3), "death_date": today()})
    found = build_theme(empty_lake, "school_place_demand").sort("entry_year")
    assert found.select("county", "town", "entry_year", "children").rows() == [
        ("清城区", "凤城街道", year, 1),
        ("清城区", "凤城街道", year + 1, 1),
    ]


def test_a_building_without_a_title_and_a_home_without_people_are_found(empty_lake: Context) -> None:
    put(
        empty_lake,
        "building",
        {"building_no": "F1", "parcel_no": "P1", "use": "住宅"},
        {"building_no": "F2", "parcel_no": "P2", "use": "住宅"},
        {"building_no": "F3", "parcel_no": "P1", "use": "商业"},
    )
    title = {"parcel_no": "P1", "use": "住宅", "status": "现势"}
    put(
        empty_lake,
        "real_estate_title",
        title | {"title_no": "1", "unit_no": "U1", "owner_code": resident(1), "address": "人民路1号"},
        title | {"title_no": "2", "unit_no": "U2", "owner_code": resident(1), "address": "人民路2号"},
        title | {"title_no": "2", "unit_no": "U2", "owner_code": resident(2), "address": "人民路2号"},
        title | {"title_no": "3", "unit_no": "U3", "owner_code": resident(3), "address": "人民路3号"},
    )
    home = date(1950, 1, 1)
    put(
        empty_lake,
        "household_register",
        person(1, home, address="人民路1号"),
        person(3, home, address="人民路3号"),
    )
    put(empty_lake, "death_certificate", {"resident_id": resident(3), "death_date": today()})
    found = build_theme(empty_lake, "idle_buildings")
    assert sorted(found.select("finding", "object_no").rows()) == [
        ("无人居住", "U2"),
        ("无人居住", "U3"),
        ("未登记", "F2"),
        ("未登记", "F3"),
    ]


def test_whom_to_call_is_a_grown_up_of_the_household_else_themselves_else_nobody(empty_lake: Context) -> None:
    old, grown, child = date(1940, 1, 1), date(1990, 1, 1), today() - timedelta(3000)
    put(
        empty_lake,
        "household_register",
        person(1, old, household_no="H1"),
        person(2, grown, household_no="H1"),
        person(3, child, household_no="H1"),
        person(4, old, household_no="H2"),
        person(5, old, household_no="H3"),
    )
    put(
        empty_lake,
        "medical_insurance",
        *({"resident_id": resident(serial), "mobile": f"1390000000{serial}"} for serial in (2, 3, 4)),
    )
    found = build_theme(empty_lake, "emergency_contacts").sort("name")
    assert found.select("name", "contact_name", "reach_by").rows() == [
        ("人1", "人2", "家人"),
        ("人4", None, "本人"),
        ("人5", None, "上门"),
    ]


def test_a_small_town_and_what_would_give_it_away_are_left_out(empty_lake: Context) -> None:
    divisions(empty_lake)
    rows = [
        {
            "credit_code": f"9144180261797{number:04d}X",
            "org_name": f"公司{number}",
            "status": "注销" if number == 0 else "存续",
            "address": f"清远市清城区{'凤城街道' if number < 12 else '东城街道'}人民路{number}号",
        }
        for number in range(22)
    ]
    put(empty_lake, "business_registration", *rows[:21])
    # nine are too few, also as the county's others; and the county less the other town would be those nine
    assert build_theme(empty_lake, "business_environment").is_empty()
    put(empty_lake, "business_registration", rows[21], push="p2")
    found = build_theme(empty_lake, "business_environment").sort("entities")
    # eleven of twelve active: the twelfth would be known
    assert found.select("county", "town", "entities", "active", "share_active").rows() == [
        ("清城区", "东城街道", 10, 10, 1.0),
        ("清城区", "凤城街道", 12, None, None),
    ]


def test_a_file_counts_what_a_person_has_and_the_dead_have_none(empty_lake: Context) -> None:
    put(empty_lake, "household_register", person(1, date(1980, 1, 1)), person(2, date(1980, 1, 1)))
    put(empty_lake, "death_certificate", {"resident_id": resident(2), "death_date": today()})
    title = {"unit_no": "U1", "status": "现势", "owner_code": resident(1)}
    put(
        empty_lake,
        "real_estate_title",
        title | {"title_no": "1"},
        title | {"title_no": "2", "status": "历史"},
    )
    put(
        empty_lake,
        "business_registration",
        {"credit_code": COMPANY, "status": "存续", "legal_representative_id": resident(1)},
        {"credit_code": OTHER, "status": "注销", "legal_representative_id": resident(1)},
    )
    found = build_theme(empty_lake, "one_person_one_file")
    assert found.height == 1
    row = found.row(0, named=True)
    assert (row["homes"], row["companies"], row["subsidies"], row["low_income"]) == (1, 1, 0, False)
