"""A department contests an entry of the catalogue, the bureau answers, and both are kept."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from assets.build import Context
from lake.objections import ObjectionError, open_objections
from tests.pipelines.dashboard.town import token

Login = Callable[[str], httpx.Client]
PAGE = "/resources/cremation"


def test_a_department_contests_an_entry_and_the_bureau_answers(login: Login, city: Context) -> None:
    bureau, theirs, other = (login(name) for name in ("zhang", "li", "wang"))
    form = {"csrf": token(other, PAGE), "reason": "死亡信息的数源部门应为公安"}
    assert (
        bureau.post(f"{PAGE}/objections", data=form | {"csrf": token(bureau, "/account")}).status_code == 403
    )
    assert other.post(f"{PAGE}/objections", data={"reason": "x"}).status_code == 403
    assert other.post(f"{PAGE}/objections", data=form | {"reason": " "}).status_code == 422
    sent = other.post(f"{PAGE}/objections", data=form)
    assert (sent.status_code, sent.headers["location"]) == (303, f"{PAGE}#objection-1")
    # it waits on the first page, and the department whose entry it is reads it
    assert "目录异议待答复" in bureau.get("/").text
    for client in (bureau, theirs, other):
        assert "死亡信息的数源部门应为公安" in client.get(PAGE).text
    answer = {"csrf": token(bureau, PAGE), "reason": "殡葬登记由民政采集", "upheld": "no"}
    assert theirs.post("/objections/1/answer", data=answer | {"csrf": token(theirs, PAGE)}).status_code == 403
    assert bureau.post("/objections/1/answer", data=answer | {"upheld": "?"}).status_code == 404
    assert bureau.post("/objections/2/answer", data=answer).status_code == 404
    assert bureau.post("/objections/1/answer", data=answer).status_code == 303
    assert bureau.post("/objections/1/answer", data=answer).status_code == 409
    assert "异议不成立" in other.get(PAGE).text
    assert "目录异议待答复" not in bureau.get("/").text
    (kept,) = open_objections(city.home).all("cremation")
    assert (kept.department, kept.upheld, kept.answered_by) == ("police", False, "zhang")
    assert kept.entry_version == city.catalogue.entry("cremation").version


def test_what_one_department_contests_is_not_shown_to_a_third(login: Login, city: Context) -> None:
    open_objections(city.home).contest("cremation", 1, "health", reason="频率过高", by="ma")
    assert "频率过高" not in login("wang").get(PAGE).text
    assert "频率过高" in login("li").get(PAGE).text
    with pytest.raises(ObjectionError):
        open_objections(city.home).answer(7, upheld=True, reason="是", by="zhang")
