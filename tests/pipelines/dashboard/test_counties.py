"""The page cut to one county: its officer sees that county's departments, the city's officer whichever she chooses."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import polars as pl
import pytest
from shapely import box, to_wkb

from assets.build import Context
from assets.operations import PERIOD_SCHEMA, PERIODS
from catalog.load import Catalogue, load
from lake.ledger import Push, PushState, open_ledger
from pipelines.dashboard.accounts import AccountError, Role, new_account, open_accounts
from quality.clock import today
from tests.pipelines.dashboard.town import PASSWORD, cremation, token

Login = Callable[[str], httpx.Client]
COUNTY, OTHER = "441802", "441803"


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    """The shipped catalogue, in which civil affairs are a county's and health another's."""
    shipped = load()
    moved = {"civil_affairs": COUNTY, "health": OTHER}
    departments = {
        code: each.model_copy(update={"level": "county", "division": moved[code]}) if code in moved else each
        for code, each in shipped.departments.items()
    }
    return replace(shipped, departments=departments)


@pytest.fixture
def officers(city: Context, login: Login) -> tuple[httpx.Client, httpx.Client]:
    """An officer of the county's bureau and one of the other's, logged in."""
    accounts = open_accounts(city.home)
    for name, division in (("chen", COUNTY), ("luo", OTHER)):
        accounts.create(name, Role.BUREAU, None, PASSWORD, division=division)
    return login("chen"), login("luo")


def chips(text: str) -> set[str]:
    return set(re.findall(r'class="chip [a-z_]+[^"]*" href="/resources/(\w+)"', text))


def test_an_officer_of_a_county_sees_its_departments_and_no_other(
    officers: tuple[httpx.Client, httpx.Client], push: Callable[..., Push], catalogue: Catalogue
) -> None:
    ours, theirs = officers
    sent = push("cremation", cremation(1), cremation(2, name=""), cremation(3))
    mine = {entry.code for entry in catalogue.of_department("civil_affairs")}
    assert chips(ours.get("/").text) == mine
    assert sent.id in ours.get("/pushes").text
    assert sent.id not in theirs.get("/pushes").text
    for page in ("/departments/civil_affairs", f"/receipts/{sent.id}", f"/receipts/{sent.id}/refused.csv"):
        assert (ours.get(page).status_code, theirs.get(page).status_code) == (200, 404), page
    for page in ("/departments/police", "/departments/police/notice", "/bases", "/map", "/acts"):
        assert ours.get(page).status_code == 404, page
    # the address does not widen what the account is cut to
    assert chips(ours.get(f"/?county={OTHER}").text) == mine
    assert ours.get(f"/departments/health?county={OTHER}").status_code == 404
    # the catalogue is everybody's to read, its operation is not
    entry = theirs.get("/resources/cremation").text
    assert "公民身份号码" in entry
    assert sent.id not in entry
    assert "清远市公安局" not in ours.get("/bulletin").text


def test_a_county_decides_on_its_own_held_pushes_only(
    officers: tuple[httpx.Client, httpx.Client], push: Callable[..., Push], city: Context
) -> None:
    held = push("cremation", cremation(1), *(cremation(serial, name="") for serial in range(2, 9)))
    assert held.state is PushState.HELD
    for client, status in ((officers[1], 404), (officers[0], 303)):
        form = {"csrf": token(client, "/account"), "reason": "核实无误"}
        assert client.post(f"/receipts/{held.id}/accept", data=form).status_code == status
    assert open_ledger(city.home).hold_accepted(held.id)


def test_the_citys_officer_cuts_board_bulletin_and_catalogue_to_a_county(
    login: Login, catalogue: Catalogue
) -> None:
    client = login("zhang")
    mine = {entry.code for entry in catalogue.of_department("civil_affairs")}
    assert chips(client.get("/").text) == set(catalogue.entries)
    # the city's departments are known by what they are, a county's by whose they are
    assert all(name in client.get("/").text for name in (">公安局<", ">英德市农业农村局<"))
    assert chips(client.get(f"/?county={COUNTY}").text) == mine
    listed = client.get(f"/catalogue?county={COUNTY}").text
    assert set(re.findall(r'href="/resources/(\w+)">', listed)) == mine
    assert (
        f'href="/catalogue.xlsx?q=&amp;department=&amp;sharing=&amp;frequency=&amp;county={COUNTY}"' in listed
    )
    assert f"· {COUNTY}" in client.get(f"/bulletin?county={COUNTY}").text
    assert client.get("/?county=110101").status_code == 404


def test_the_map_says_how_timely_a_countys_departments_are_and_nothing_of_who_owed_nothing(
    login: Login, city: Context
) -> None:
    names = {COUNTY: "清城区", OTHER: "清新区"}
    shape = to_wkb(box(112.9, 23.5, 113.0, 23.6))
    rows = {
        "code": list(names),
        "name": list(names.values()),
        "geometry": [shape, shape],
        "area_km2": [100.0, 90.0],
    }
    bounds = {"west": 112.9, "south": 23.5, "east": 113.0, "north": 23.6}
    city.lake.publish(
        "base",
        "division",
        pl.DataFrame(rows).with_columns(**{side: pl.lit(value) for side, value in bounds.items()}),
        key=["code"],
    )
    due = today()
    period = {
        "resource": "cremation",
        "department": "civil_affairs",
        "frequency": "monthly",
        **dict.fromkeys(("period_start", "period_end", "due"), due),
        "working_days_late": 0,
        "verdict": "missed",
        "recorded_at": datetime.now(UTC),
    }
    city.lake.append(*PERIODS, pl.DataFrame([period], schema=PERIOD_SCHEMA))
    text = login("zhang").get("/map?of=timeliness").text
    assert "清城区 0.0%" in text
    assert "清新区 –" in text


def test_an_account_is_cut_to_a_county_that_has_departments_and_a_department_to_none(city: Context) -> None:
    with pytest.raises(AccountError, match="441899"):
        new_account(city.home, "chen", Role.BUREAU, None, "441899")
    with pytest.raises(AccountError, match="names no county"):
        open_accounts(city.home).create("li", Role.DEPARTMENT, "police", PASSWORD, division=COUNTY)
    accounts = open_accounts(city.home)
    accounts.create("chen", Role.AUDITOR, None, PASSWORD, division=COUNTY)
    accounts.change_password(accounts.names()[0], PASSWORD, "a second good phrase")
    assert [account.division for account in accounts.names()] == [COUNTY]
