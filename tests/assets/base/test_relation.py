"""Who is whose: relations between entities, from when to when, and events and states of their lives."""

from __future__ import annotations

from datetime import date

import duckdb
import polars as pl
import pytest

from assets import base
from assets.analyst import builds as analyst_builds
from assets.build import Context
from catalog.base_model import load_bases
from catalog.load import Catalogue
from catalog.relation_model import load_relations, read_relations
from tests.assets.small_lake import build_all, put, resident

MAN, WOMAN, CHILD, OTHER = (resident(serial) for serial in (1, 2, 3, 4))
COMPANY, BRANCH = "91441802617971616D", "52441800MJM1234567"
BORN = date(2020, 5, 1)


@pytest.fixture
def city(empty_lake: Context) -> Context:
    """A family with two children of one name's like, a wedding, a death, a company and its branch."""

    def person(
        number: str, name: str, household: str, relation: str, born: date, sex: str
    ) -> dict[str, object]:
        said = {"resident_id": number, "name": name, "household_no": household, "relation_to_head": relation}
        return {**said, "birth_date": born, "sex": sex, "status": "正常", "registered_on": born}

    put(
        empty_lake,
        "household_register",
        person(MAN, "李雷", "H1", "户主", date(1987, 6, 15), "1"),
        person(WOMAN, "韩梅", "H1", "配偶", date(1987, 6, 15), "2"),
        person(CHILD, "李小", "H1", "女", BORN, "2") | {"status": "迁出", "left_on": date(2025, 3, 1)},
        person(OTHER, "李小", "H2", "户主", BORN, "2"),
    )
    born = {"child_name": "李小", "sex": "2", "birth_date": BORN, "mother_id": WOMAN, "father_id": MAN}
    put(empty_lake, "birth_certificate", {"certificate_no": "U1", **born}, push="p2")
    couple = {"man_id": MAN, "woman_id": WOMAN}
    put(
        empty_lake,
        "marriage",
        {"certificate_no": "J1", "kind": "结婚", "registered_on": date(2015, 1, 1), **couple},
        {"certificate_no": "J2", "kind": "离婚", "registered_on": date(2018, 1, 1), **couple},
        {"certificate_no": "J3", "kind": "结婚", "registered_on": date(2019, 1, 1), **couple},
        push="p3",
    )
    put(empty_lake, "death_certificate", {"resident_id": WOMAN, "death_date": date(2024, 1, 1)}, push="p4")
    put(
        empty_lake,
        "business_registration",
        {"credit_code": COMPANY, "org_name": "清远鸿运有限公司", "established_on": date(2000, 1, 1)},
        {
            "credit_code": BRANCH,
            "org_name": "清远鸿运有限公司第一分公司",
            "established_on": date(2010, 1, 1),
            "cancelled_on": date(2020, 1, 1),
        },
        push="p5",
    )
    put(
        empty_lake,
        "tax_registration",
        {"credit_code": COMPANY, "legal_representative_id": MAN, "registered_on": date(2000, 2, 1)},
        push="p6",
    )
    build_all(
        empty_lake,
        [build for build in base.builds(empty_lake.catalogue) if "address" not in build.makes[0][1]],
    )
    return empty_lake


def told(context: Context, relation: str) -> list[tuple[object, ...]]:
    """A relation by the identifiers of its ends: one, other, kind, from, to."""
    bases = load_bases(context.catalogue)
    table = context.lake.scan("base", relation).collect()
    for column, code in load_relations(context.catalogue, bases)[relation].ends.items():
        ids = context.lake.scan("base", f"{code}_ids").collect()
        table = table.with_columns(
            pl.col(column).replace_strict(ids[bases[code].id_column], ids["identifier"])
        )
    return sorted(table.drop("resource", "_push", "_row").rows(), key=str)


def test_a_child_without_a_number_is_found_beside_its_parents(city: Context) -> None:
    """Her namesake of the same day lives elsewhere."""
    assert told(city, "family") == sorted(
        [(CHILD, WOMAN, "母亲", BORN, None), (CHILD, MAN, "父亲", BORN, None)], key=str
    )


def test_a_marriage_ends_with_a_divorce_or_a_death(city: Context) -> None:
    assert told(city, "spouse") == [
        (MAN, WOMAN, "配偶", date(2015, 1, 1), date(2018, 1, 1)),
        (MAN, WOMAN, "配偶", date(2019, 1, 1), date(2024, 1, 1)),
    ]


def test_a_divorce_of_which_nobody_told_the_wedding_is_kept(city: Context) -> None:
    lone = {"certificate_no": "J9", "kind": "离婚", "registered_on": date(2012, 1, 1)}
    put(city, "marriage", {**lone, "man_id": MAN, "woman_id": OTHER}, push="p9")
    build_all(city, base.builds(city.catalogue), "person", "spouse")
    assert (MAN, OTHER, "配偶", None, date(2012, 1, 1)) in told(city, "spouse")


def test_members_of_a_household_stand_beside_its_head(city: Context) -> None:
    """Until death, or until they left the register."""
    members = {(member, head, kind, until) for member, head, kind, _, until in told(city, "household")}
    assert members == {(WOMAN, MAN, "配偶", date(2024, 1, 1)), (CHILD, MAN, "女", date(2025, 3, 1))}


def test_organisations_have_representatives_and_branches(city: Context) -> None:
    assert told(city, "legal_representation") == [(COMPANY, MAN, "法定代表人", date(2000, 2, 1), None)]
    assert told(city, "branch") == [(BRANCH, COMPANY, "分支机构", date(2010, 1, 1), date(2020, 1, 1))]


def test_who_is_alive_resident_or_active_on_a_day_is_one_line(city: Context) -> None:
    for build in analyst_builds(city.catalogue):
        if build.makes[0] == ("ops", "bureau_views"):
            build.run(city)
    asked = {
        "person_alive_on(DATE '2023-12-31')": 4,
        "person_alive_on('2024-01-01')": 3,
        "person_alive_on('2019-01-01')": 2,
        "person_resident_on('2024-06-01')": 3,
        "person_resident_on('1980-01-01')": 0,
        "legal_entity_active_on('2015-01-01')": 2,
        "legal_entity_active_on('2021-01-01')": 1,
    }
    with duckdb.connect(str(city.home.bureau), read_only=True) as connection:
        found = {question: len(connection.sql(f"FROM base.{question}").fetchall()) for question in asked}
        events = connection.sql("SELECT event, count(*) FROM base.person_event GROUP BY 1").fetchall()
    assert found == asked
    assert dict(events) == {"born": 4, "registered": 4, "struck_off": 1, "married_or_divorced": 6, "died": 1}


def test_a_relation_of_nothing_is_refused_with_its_place(shipped: Catalogue) -> None:
    bases = load_bases(shipped)
    assert read_relations(shipped, bases)[1] == []
    fewer = {code: base for code, base in bases.items() if code != "legal_entity"}
    faults = read_relations(shipped, fewer)[1]
    assert {fault.problem for fault in faults} == {"legal_entity is no base database"}
