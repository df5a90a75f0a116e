"""Golden records: whose word counts, where each value is from, what is said otherwise, and ids that last."""

from __future__ import annotations

import shutil
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets import base
from assets.base import golden as records
from assets.base.explain import UnknownBaseError, UnknownEntityError, explain
from assets.base.identity import ledger_name
from assets.build import Context
from catalog.base_model import BaseField, Survivorship, load_bases
from catalog.load import Catalogue
from tests.assets.small_lake import build_all, one, open_lake, put, resident

HE, SHE = resident(1), resident(2)
#: Sources of a telephone number of which none is the statutory one.
MOBILES = ("social_insurance", "medical_insurance", "residence_permit")
Statement = tuple[str | None, int]
"""What a source says, and the day it says it of."""


def build(context: Context) -> None:
    build_all(context, base.builds(context.catalogue), "person")


def golden(
    catalogue: Catalogue, field: str, rule: Survivorship, said: dict[str, Statement | None]
) -> tuple[str | None, str | None, set[tuple[str, str]]]:
    """The golden value of one field of one person, its source, and (resource, value) of what is said otherwise;
    None where a source has no row about him."""
    declared = load_bases(catalogue)["person"]
    sources = tuple(f"{source}.{field}" for source in said)
    small = declared.model_copy(
        update={
            "sources": {source: declared.sources[source] for source in said},
            "apart": (),
            "fields": {field: BaseField(title="值", sources=sources, rule=rule, compare=True)},
        }
    )
    frames = {
        source: pl.LazyFrame(
            {
                "resident_id": [HE] if statement else [],
                f"{source}:said_on": [date(2026, 1, 1) + timedelta(statement[1])] if statement else [],
                f"{source}.{field}": [statement[0]] if statement else [],
            },
            schema={
                "resident_id": pl.String(),
                f"{source}:said_on": pl.Date(),
                f"{source}.{field}": pl.String(),
            },
        )
        for source, statement in said.items()
    }
    ids = pl.DataFrame({"resident_id": [HE], "person_id": ["P1"]})
    made = records.golden_records(catalogue, small, ids, frames).collect()
    (row,) = made.iter_rows(named=True)
    differing = records.conflicts(small, made.lazy()).collect().rows(named=True)
    assert row["sources"] == sum(statement is not None for statement in said.values())
    listed = {(item["resource"], item["value"]) for item in differing}
    assert all((item["field"], item["kept"]) == (field, row[field]) for item in differing)
    return row[field], row[f"{field}_source"], listed


def believed(rule: Survivorship, said: dict[str, Statement | None]) -> str | None:
    """The source whose word counts, by plain reckoning: of equal claims the first in order."""
    claims = {source: s for source, s in said.items() if s is not None and s[0] is not None}
    counts = Counter(value for value, _ in claims.values())
    weights = {
        Survivorship.PRIORITY: dict.fromkeys(claims, 0),
        Survivorship.LATEST: {source: day for source, (_, day) in claims.items()},
        Survivorship.MOST: {source: counts[value] for source, (value, _) in claims.items()},
    }[rule]
    return max(claims, key=lambda source: weights[source], default=None)


statements = st.none() | st.tuples(st.sampled_from(["13900000001", "13900000002", None]), st.integers(0, 2))


@settings(deadline=None, max_examples=60)
@given(
    rule=st.sampled_from(list(Survivorship)), said=st.fixed_dictionaries(dict.fromkeys(MOBILES, statements))
)
def test_the_field_is_what_the_believed_source_says_and_all_else_is_listed(
    shipped: Catalogue, rule: Survivorship, said: dict[str, Statement | None]
) -> None:
    value, source, conflicts = golden(shipped, "mobile", rule, said)
    expected = believed(rule, said)
    assert source == expected
    statement = said[expected] if expected else None
    assert value == (statement[0] if statement else None)
    assert conflicts == {
        (other, other_statement[0])
        for other, other_statement in said.items()
        if other_statement and other_statement[0] not in (None, value)
    }


@pytest.mark.parametrize("rule", list(Survivorship))
def test_the_statutory_source_stands_against_any_number_and_any_later_day(
    shipped: Catalogue, rule: Survivorship
) -> None:
    said: dict[str, Statement | None] = {
        "household_register": ("法定", 0),
        "identity_card": ("另名", 2),
        "social_insurance": ("另名", 2),
    }
    value, source, conflicts = golden(shipped, "name", rule, said)
    assert (value, source) == ("法定", "household_register")
    assert conflicts == {("identity_card", "另名"), ("social_insurance", "另名")}
    value, source, _ = golden(shipped, "name", rule, said | {"household_register": (None, 2)})
    assert (value, source) == ("另名", "identity_card"), "where it is silent, the others may speak"


@pytest.fixture
def city(empty_lake: Context) -> Context:
    """He is in four registers, which do not agree; she is in one."""
    put(
        empty_lake,
        "household_register",
        {
            "resident_id": HE,
            "name": "李雷",
            "sex": "1",
            "household_no": "H1",
            "address": "清远市清城区甲路1号",
        },
    )
    put(empty_lake, "identity_card", {"resident_id": HE, "name": "李磊", "sex": "1"}, push="p2")
    put(
        empty_lake,
        "social_insurance",
        {"resident_id": HE, "insurance_kind": "养老保险", "name": "李雷", "mobile": "13900000001"},
        push="p3",
    )
    put(
        empty_lake,
        "medical_insurance",
        {"resident_id": HE, "name": "李雷", "mobile": "13900000002"},
        {"resident_id": SHE, "name": "韩梅", "mobile": "13900000003"},
        push="p4",
        on=date(2026, 2, 1),
    )
    build(empty_lake)
    return empty_lake


def test_every_value_has_its_source(city: Context) -> None:
    he = one(city, "base", "person", resident_id=HE)
    values = {field: (he[field], he[field + "_source"]) for field in ("name", "household_no", "mobile")}
    assert values == {
        "name": ("李雷", "household_register"),
        "household_no": ("H1", "household_register"),
        # of equally many the first in order counts
        "mobile": ("13900000002", "medical_insurance"),
    }
    assert he["sources"] == 4
    assert (he["school"], he["school_source"]) == (None, None)
    she = one(city, "base", "person", resident_id=SHE)
    assert (she["name"], she["name_source"], she["household_no"]) == ("韩梅", "medical_insurance", None)


def test_where_departments_disagree_both_are_named(city: Context) -> None:
    conflicts = city.lake.scan("base", "person_conflict").collect()
    found = conflicts.select("field", "kept_resource", "kept", "resource", "value").rows()
    assert sorted(found) == [
        ("mobile", "medical_insurance", "13900000002", "social_insurance", "13900000001"),
        ("name", "household_register", "李雷", "identity_card", "李磊"),
    ]


def test_every_source_row_is_in_the_crosswalk_once(city: Context) -> None:
    he = one(city, "base", "person", resident_id=HE)["person_id"]
    rows = city.lake.scan("base", "person_crosswalk").collect()
    assert rows.height == 5
    his = rows.filter(person_id=he).select("resource", "_push", "_row").rows()
    assert sorted(his) == [
        ("household_register", "p1", 1),
        ("identity_card", "p2", 1),
        ("medical_insurance", "p4", 1),
        ("social_insurance", "p3", 1),
    ]
    assert set(rows["method"]) == {"identifier"}


def test_where_voices_are_counted_all_rows_of_a_source_are_heard(city: Context) -> None:
    """A second insurance of hers knows the number that the fund has."""
    put(
        city,
        "social_insurance",
        {"resident_id": SHE, "insurance_kind": "养老保险", "name": "韩梅", "mobile": "13900000005"},
        {"resident_id": SHE, "insurance_kind": "失业保险", "name": "韩梅", "mobile": "13900000006"},
        push="p5",
    )
    put(city, "housing_fund", {"account_no": "1", "resident_id": SHE, "mobile": "13900000005"}, push="p6")
    build(city)
    she = one(city, "base", "person", resident_id=SHE)
    assert (she["mobile"], she["mobile_source"]) == ("13900000005", "housing_fund")


def test_of_several_rows_the_latest_speaks(empty_lake: Context) -> None:
    """By the day of the event where the entry names one, not by the day of its delivery."""
    wedding = {"certificate_no": "1", "kind": "结婚", "registered_on": date(2020, 1, 1)}
    divorce = {"certificate_no": "2", "kind": "离婚", "registered_on": date(2024, 1, 1)}
    both = {"man_id": HE, "man_name": "李雷", "woman_id": SHE, "woman_name": "韩梅"}
    put(empty_lake, "marriage", divorce | both)
    put(empty_lake, "marriage", wedding | both, push="p2", on=date(2026, 3, 1))
    put(empty_lake, "identity_card", {"resident_id": HE, "name": "旧"}, push="p3", hour=1)
    put(empty_lake, "identity_card", {"resident_id": HE, "name": "新"}, push="p4", hour=2)
    build(empty_lake)
    for number in (HE, SHE):
        person = one(empty_lake, "base", "person", resident_id=number)
        assert (person["marital_event"], person["marital_event_date"]) == ("离婚", date(2024, 1, 1))
    assert one(empty_lake, "base", "person", resident_id=HE)["name"] == "新"


def ids(context: Context) -> dict[str, str]:
    table = context.lake.scan("base", "person").select("resident_id", "person_id").collect()
    assert table["person_id"].n_unique() == table.height
    return dict(table.iter_rows())


def rewritten(context: Context, resource: str, rows: pl.DataFrame) -> None:
    """The resource's standard table with these rows instead."""
    shutil.rmtree(context.lake.path("standard", resource))
    context.lake.append("standard", resource, rows)


def test_an_id_lasts_through_new_pushes_other_orders_and_rebuilds(city: Context) -> None:
    first = ids(city)
    assert set(first) == {HE, SHE}
    put(city, "identity_card", {"resident_id": resident(3), "name": "新人"}, push="p9")
    rows = city.lake.scan("standard", "medical_insurance").collect()
    rewritten(city, "medical_insurance", rows.reverse().with_columns(_push=pl.lit("p8")))
    build(city)
    second = ids(city)
    assert second == first | {resident(3): second[resident(3)]}

    for name in ("person", "person_crosswalk", "person_conflict"):
        shutil.rmtree(city.lake.path("base", name))
    build(city)
    assert ids(city) == second


def test_an_id_outlives_the_person_and_the_master_key(city: Context) -> None:
    """Who is in no register any more is no longer shown, and is the same one when they come back."""
    first = ids(city)
    everyone = city.lake.scan("standard", "medical_insurance").collect()
    rewritten(city, "medical_insurance", everyone.filter(resident_id=HE))
    build(city)
    assert set(ids(city)) == {HE}
    for path in city.home.secrets.iterdir():
        path.unlink()
    rewritten(city, "medical_insurance", everyone)
    build(city)
    assert ids(city) == first
    base_of_persons = load_bases(city.catalogue)["person"]
    ledger = city.lake.scan("base", ledger_name(base_of_persons)).collect()
    assert ledger.height == 2, "nobody got a second one"


def test_an_id_tells_nothing_of_the_identifier_to_whoever_lacks_the_key(
    city: Context, tmp_path: Path
) -> None:
    other = open_lake(tmp_path / "elsewhere", city.catalogue)
    put(other, "identity_card", {"resident_id": HE, "name": "李雷"})
    build(other)
    here, there = ids(city)[HE], ids(other)[HE]
    assert here != there
    assert here.startswith("P")
    assert len(here) == len(there) == 25
    assert HE[:6] not in here


def test_equal_sources_make_no_new_version(city: Context) -> None:
    names = city.lake.names("base")
    before = {name: city.lake.version("base", name) for name in names}
    put(city, "school_enrolment", push="p5")
    build(city)
    assert {name: city.lake.version("base", name) for name in names} == before


def verdicts(context: Context, field: str) -> list[tuple[str, str, str]]:
    he = ids(context)[HE]
    return [
        (str(answer["resource"]), str(answer["value"]), str(answer["verdict"]).split()[0])
        for answer in explain(context, "person", he)
        if answer["field"] == field
    ]


def test_each_field_can_be_explained(city: Context) -> None:
    assert verdicts(city, "name") == [
        ("household_register", "李雷", "采用"),
        ("identity_card", "李磊", "未采用：顺序在后"),
        ("social_insurance", "李雷", "一致"),
        ("medical_insurance", "李雷", "一致"),
    ]
    assert verdicts(city, "mobile") == [
        ("medical_insurance", "13900000002", "采用"),
        ("social_insurance", "13900000001", "未采用：持此值的来源较少，或同样多而顺序在后"),
    ]
    (answer,) = [a for a in explain(city, "person", ids(city)[HE]) if a["field"] == "household_no"]
    assert (answer["push"], answer["row"]) == ("p1", "1")


def test_the_explanation_is_of_the_row_that_spoke(city: Context) -> None:
    """Of two deliveries for one day the one received later, whatever their numbers say."""
    put(city, "identity_card", {"resident_id": HE, "name": "李累"}, push="p0", hour=5)
    build(city)
    assert ("identity_card", "李累", "未采用：顺序在后") in verdicts(city, "name")
    conflicts = city.lake.scan("base", "person_conflict").filter(field="name").collect()
    assert conflicts["value"].to_list() == ["李累"]


def test_what_cannot_be_explained_says_what_can(city: Context) -> None:
    with pytest.raises(UnknownEntityError, match="P000"):
        explain(city, "person", "P000")
    with pytest.raises(UnknownBaseError, match="legal_entity, person"):
        explain(city, "building", "1")


def test_organisations_of_all_registries_are_one_table(empty_lake: Context) -> None:
    codes = ("91441802617971616D", "52441800MJM1234567")
    rows: dict[str, dict[str, Any]] = {
        "business_registration": {"credit_code": codes[0], "org_name": "某公司", "status": "注销"},
        "nonprofit_organisation": {"credit_code": codes[1], "org_name": "某协会"},
        "tax_registration": {"credit_code": codes[0], "taxpayer_name": "某某公司", "tax_status": "正常"},
    }
    for number, (resource, row) in enumerate(rows.items()):
        put(empty_lake, resource, row, push=f"p{number}")
    build_all(empty_lake, base.builds(empty_lake.catalogue), "legal_entity")
    company = one(empty_lake, "base", "legal_entity", credit_code=codes[0])
    assert (company["name"], company["name_source"]) == ("某公司", "business_registration")
    assert (company["tax_status"], company["tax_status_source"]) == ("正常", "tax_registration")
    society = one(empty_lake, "base", "legal_entity", credit_code=codes[1])
    assert (society["name"], society["status"]) == ("某协会", None)
    assert {company["legal_entity_id"][0], society["legal_entity_id"][0]} == {"L"}
