"""Data Docs on the page: counts for the department, masked values for the bureau alone, another's push for nobody."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from lake.ledger import Push
from pipelines.dashboard.accounts import open_accounts
from tests.pipelines.dashboard.conftest import Login
from tests.pipelines.dashboard.town import cremation, resident

CODE = "cremation"


def wrong(number: str) -> str:
    """The id with another check digit."""
    return number[:-1] + ("0" if number[-1] != "0" else "1")


def test_a_department_sees_counts_and_the_bureau_masked_values(
    login: Login, push: Callable[..., Push], city: Any
) -> None:
    bad = wrong(resident(3))
    sent = push(CODE, cremation(1), cremation(2, name="张3三"), cremation(3, resident_id=bad))
    address = f"/resources/{CODE}/data-docs"
    own = login("li").get(address)
    assert own.status_code == 200
    assert "个值有问题" in own.text
    assert "unexpected values found" in login("li").get(f"{address}?lang=en").text
    assert sent.id in own.text
    assert bad[:4] + "*" not in own.text
    assert "张*" not in own.text
    assert login("li").get(f"{address}?values=1").status_code == 403
    assert login("shen").get(f"{address}?values=1").status_code == 403
    shown = login("zhang").get(f"{address}?push={sent.id}&values=1")
    assert f"{bad[:4]}**********{bad[-4:]}" in shown.text
    assert "张*" in shown.text
    assert bad not in shown.text
    assert "张3三" not in shown.text
    acts = [(act["account"], act["act"], act["subject"]) for act in open_accounts(city.home).acts()]
    assert acts.count(("zhang", "data_docs_values", sent.id)) == 1


def test_a_page_keeps_to_the_sites_rules_and_leads_back(login: Login, push: Callable[..., Push]) -> None:
    push(CODE, cremation(1))
    client = login("li")
    html = client.get(f"/resources/{CODE}/data-docs").text
    assert not re.search(r"https?://|<script|<style|<img|\sstyle=|\son\w+=", html)
    assert f'href="/resources/{CODE}"' in html
    style = client.get("/data-docs.css")
    assert style.headers["content-type"].startswith("text/css")
    assert "table" in style.text
    assert f"/resources/{CODE}/data-docs" in client.get(f"/resources/{CODE}").text


def test_what_is_not_there_or_anothers_is_not_found(login: Login, push: Callable[..., Push]) -> None:
    sent = push(CODE, cremation(1))
    address = f"/resources/{CODE}/data-docs"
    assert login("wang").get(address).status_code == 404
    assert login("wang").get(f"/resources/household_register/data-docs?push={sent.id}").status_code == 404
    assert login("zhang").get(f"/resources/household_register/data-docs?push={sent.id}").status_code == 404
    assert login("zhang").get("/resources/household_register/data-docs").status_code == 404
    assert login("zhang").get(f"{address}?push=nonsense").status_code == 404
