"""The base databases in numbers, the rows behind a number of conflicts, and what the map says of counties."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import httpx
import polars as pl
import pytest

from assets.build import Context
from pipelines.dashboard.accounts import open_accounts
from pipelines.dashboard.pages.city_map import conflicts_by_county, coverage_by_county, growth_by_county
from quality.clock import today

Login = Callable[[str], httpx.Client]
VALUE = "13800000001"


@pytest.fixture
def people(city: Context) -> Context:
    """Two persons of one county and one of nowhere; of one the telephone number is in dispute."""
    homes = {"a": "441802001001", "b": "441802001002", "c": None}
    recent = today() - timedelta(days=10)
    rows = pl.DataFrame(
        {
            "person_id": list(homes),
            "residence_division": list(homes.values()),
            "residence_division_source": ["x", "x", None],
            "mobile": [VALUE, None, None],
            "mobile_source": ["y", None, None],
        }
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


def test_a_county_is_said_by_coverage_conflicts_and_growth(people: Context) -> None:
    table = ("person", "residence_division")
    # of two persons and two fields three values are known; nowhere knows none
    assert coverage_by_county(people, *table) == {"441802": 0.75, "": 0.0}
    assert conflicts_by_county(people, *table) == {"441802": 500.0, "": 0.0}
    assert growth_by_county(people, *table) == {"441802": 1}


def test_nothing_built_says_nothing(city: Context) -> None:
    for count in (coverage_by_county, conflicts_by_county, growth_by_county):
        assert count(city, "person", "residence_division") == {}


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
