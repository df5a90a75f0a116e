"""The base databases in numbers, the rows behind a number of conflicts, and what the map says of counties."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from html import unescape
from pathlib import Path
from urllib.parse import quote

import httpx
import polars as pl
import pytest

from assets.base import spatial_findings
from assets.build import Context
from catalog.base_model import load_bases
from catalog.load import Catalogue
from lake.ledger import Push
from pipelines.dashboard.accounts import Act, open_accounts
from pipelines.dashboard.counties import SUBJECTS, coverage_by_county, findings_by_county, growth_by_county
from pipelines.dashboard.profiles import contradictions, growth, in_force, kind, profile
from pipelines.dashboard.rows import FIRST, Declared, read_declared
from pipelines.dashboard.words import ACTS
from quality.clock import today
from tests.pipelines.dashboard.town import cremation

Login = Callable[[str], httpx.Client]
VALUE = "13800000001"


@pytest.fixture
def people(city: Context) -> Context:
    """Two persons of one county and one of nowhere; of one the telephone number is in dispute."""
    homes = {"a": "441802001001", "b": "441802001002", "c": None}
    recent = today() - timedelta(days=10)
    known = dict.fromkeys(load_bases(city.catalogue)["person"].fields)
    rows = pl.DataFrame(
        known
        | {f"{name}_source": None for name in known}
        | {
            "person_id": list(homes),
            "residence_division": list(homes.values()),
            "residence_division_source": ["household_register", "household_register", None],
            "mobile": [VALUE, None, None],
            "mobile_source": ["social_insurance", None, None],
            "sources": [2, 1, 1],
        },
        schema_overrides=dict.fromkeys(known, pl.String),
    )
    conflict = {
        "person_id": "a",
        "field": "mobile",
        "kept_resource": "social_insurance",
        "kept": VALUE,
        "resource": "residence_permit",
        "value": "13900000002",
    }
    seen = {"person_id": ["a", "b", "b"], "_data_date": [recent, recent, date(2020, 1, 1)]}
    city.lake.publish("base", "person", rows, key=["person_id"])
    city.lake.publish("base", "person_conflict", pl.DataFrame([conflict]), key=["person_id"])
    city.lake.publish("base", "person_crosswalk", pl.DataFrame(seen), key=["person_id"])
    return city


@pytest.fixture(scope="module")
def declared(catalogue: Catalogue) -> Declared:
    return read_declared(catalogue)


def test_a_county_is_said_by_coverage_conflicts_and_growth(people: Context, declared: Declared) -> None:
    asked = (people, declared, SUBJECTS["person"], today())
    # of two persons three values are known; nowhere knows none
    assert coverage_by_county(*asked) == {"441802": 1.5 / len(declared.bases["person"].fields), "": 0.0}
    assert findings_by_county(*asked) == {"441802": 500.0, "": 0.0}
    assert growth_by_county(*asked) == {"441802": 1}


def test_nothing_built_says_nothing(city: Context, declared: Declared, login: Login) -> None:
    assert profile(city, declared, declared.bases["person"], today()) is None
    assert kind(city, declared, "building", today()) is None
    assert in_force(city, today()) == growth(None, today()) == []
    assert not any(contradictions(city, declared).values())
    bureau = login("zhang")
    assert "尚未构建" in bureau.get("/bases").text
    assert "还没有行政区域界线" in bureau.get("/map?of=licence&measure=conflicts").text


def test_growth_leaves_no_month_out(declared: Declared) -> None:
    days = pl.LazyFrame({FIRST: [date(2024, 1, 5), date(2026, 1, 31), date(2026, 3, 1)]})
    grown = growth(days, date(2026, 4, 2))
    assert [(each.month.month, each.known, each.new) for each in grown[-4:]] == [
        (1, 2, 1),
        (2, 2, 0),
        (3, 3, 1),
        (4, 3, 0),
    ]
    assert grown[-4].where == ("first_known:by:2026-01-31",)
    # what is older than the chart is known before it
    assert (len(grown), grown[0].known, grown[0].new) == (24, 1, 0)


@pytest.fixture
def licences(people: Context) -> Context:
    """Two licences in force, one that ran out; a dead holder's is called valid."""
    day = today()
    rows = pl.DataFrame(
        {
            "licence_id": ["a", "b", "c"],
            "person_id": ["a", None, None],
            "legal_entity_id": [None, None, "x"],
            "holder_name": ["张三", "李四", "某公司"],
            "division_code": ["441802", "441802", None],
            "source": "electronic_licence",
            "in_force_from": [date(2020, 1, 1), day, date(2020, 1, 1)],
            "in_force_to": [None, None, date(2021, 1, 1)],
        },
        schema_overrides={"in_force_to": pl.Date},
    )
    found = {"licence_id": "a", "finding": "holder_dead", "source": "electronic_licence"}
    people.lake.publish("base", "licence", rows, key=["licence_id"])
    people.lake.publish("base", "licence_finding", pl.DataFrame([found]), key=["licence_id"])
    return people


def test_licences_say_coverage_contradictions_and_growth(licences: Context, declared: Declared) -> None:
    found = kind(licences, declared, "licence", today())
    assert found
    assert (found.rows, found.known["person_id"], found.sources) == (3, 1 / 3, {"electronic_licence": 3})
    now = in_force(licences, today())[-1]
    assert (now.known, now.new) == (2, 1)
    (dead,) = contradictions(licences, declared)["licence_finding"]
    assert (dead.department, dead.against, dead.count) == ("data_bureau", "health", 1)


def test_every_number_leads_to_as_many_rows(licences: Context, login: Login) -> None:
    """The links of the base databases and of the map: the page behind each counts what the number said."""
    bureau = login("zhang")
    pages = ["/bases", "/map", "/map?of=licence&measure=conflicts"]
    links = [
        (unescape(address), int(said.replace(",", "")))
        for page in pages
        for address, said in re.findall(r'<a href="(/rows/[^"]+)">([\d,]+)</a>', bureau.get(page).text)
    ]
    assert len(links) > 8
    for address, said in links:
        text = bureau.get(address).text
        assert f'<span class="count">{said:,}</span>' in text, address


def test_rows_are_masked_and_shown_to_who_may_see_them_alone(licences: Context, login: Login) -> None:
    bureau, auditor, department = (login(name) for name in ("zhang", "shen", "li"))
    address = "/rows/base.person?where=mobile:known"
    assert "138****0001" in bureau.get(address).text
    assert VALUE not in bureau.get(address).text
    # a name in a free text is not cut out of it, so the text is not shown at all
    assert "张三" not in bureau.get("/rows/base.licence").text
    for client in (auditor, department):
        assert client.get(address).status_code == 404
    assert "/rows/" not in auditor.get("/bases").text
    assert "只有数据局可见" in auditor.get("/bases").text
    looked = [(act["account"], act["act"], act["subject"]) for act in open_accounts(licences.home).acts(20)]
    assert ("zhang", "view_rows", "base.person mobile:known") in looked
    assert "查看数字背后的行" in bureau.get("/acts").text


@pytest.mark.parametrize(
    "where",
    [
        "mobile:is:13800000001",
        "nothing:known",
        "mobile",
        "mobile:near:1",
        "sources:least:many",
        "first_known:by:x",
    ],
)
def test_no_address_asks_by_a_value_that_is_masked(people: Context, login: Login, where: str) -> None:
    assert login("zhang").get("/rows/base.person", params={"where": where}).status_code == 422


def test_a_department_sees_the_rows_of_its_own_resources(push: Callable[..., Push], login: Login) -> None:
    pushed = push("cremation", cremation(1), cremation(2, name=""))
    own, other, bureau = (login(name) for name in ("li", "wang", "zhang"))
    address = f"/rows/standard.cremation?where={quote(f'_push:is:{pushed.id}')}"
    assert address in own.get(f"/receipts/{pushed.id}").text
    assert '<span class="count">1</span>' in own.get(address).text
    assert "张*" in bureau.get("/rows/standard.cremation").text
    assert other.get(address).status_code == 404
    assert own.get("/rows/quarantine.cremation").status_code == 404
    assert own.get("/rows/standard.nothing").status_code == 404


def test_every_finding_of_places_has_words() -> None:
    """Each check names its findings in its source, and the page tells them by :data:`FINDINGS`."""
    named = set(
        re.findall(r'Finding\(\s*"(\w+)"', Path(spatial_findings.__file__).read_text(encoding="utf-8"))
    )
    assert named == set(spatial_findings.FINDINGS)


def test_every_act_has_words() -> None:
    assert set(ACTS) == set(Act)


def test_the_rows_behind_conflicts_are_shown_their_values_to_the_bureau_alone(
    people: Context, login: Login
) -> None:
    bureau, auditor, department = (login(name) for name in ("zhang", "shen", "wang"))
    page = "/bases/person/conflicts?kept=hrss&other=police"
    for client, sees in ((bureau, True), (auditor, False)):
        text = client.get(page).text
        assert "社会保险参保信息" in text
        assert (VALUE in text) is sees
    assert department.get(page).status_code == 404
    assert "部门之间没有不一致" in bureau.get("/bases/person/conflicts?kept=tax").text
    assert bureau.get("/bases/nothing/conflicts").status_code == 404
    assert bureau.get("/bases/person/conflicts?kept=nobody").status_code == 404
    looked = [(act["account"], act["subject"]) for act in open_accounts(people.home).acts(20)]
    assert ("zhang", "person hrss police") in looked
    assert ("shen", "person hrss police") in looked
