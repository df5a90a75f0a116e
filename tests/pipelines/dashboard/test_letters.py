"""Tokens changed and notices recorded: by whom, and what is written down."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import httpx

from assets.build import Context
from lake import tokens
from lake.ledger import open_ledger
from tests.pipelines.dashboard.town import token

Login = Callable[[str], httpx.Client]


def test_a_department_changes_its_token_and_sees_the_new_one_once(login: Login, city: Context) -> None:
    ledger = open_ledger(city.home)
    old = tokens.create(ledger, "civil_affairs", timedelta(days=3), ["cremation"])
    token_id = old.split("_")[1]
    client = login("li")
    form = {"csrf": token(client, "/departments/civil_affairs")}
    answer = client.post(f"/tokens/{token_id}/rotate", data=form)
    found = re.search(r"clk_\w{16}_[\w-]{43}", answer.text)
    assert found
    bearer = tokens.bearer_of(ledger, found[0])
    assert bearer is not None
    assert (bearer.department, bearer.resources) == ("civil_affairs", ["cremation"])
    assert tokens.bearer_of(ledger, old) is not None
    page = client.get("/departments/civil_affairs").text
    assert found[0] not in page
    assert found[0].split("_")[1] in page
    assert "更换中" in page


def test_nobody_changes_anothers_token(login: Login, city: Context) -> None:
    ledger = open_ledger(city.home)
    secret = tokens.create(ledger, "civil_affairs", timedelta(days=3))
    address = f"/tokens/{secret.split('_')[1]}/rotate"
    for name in ("wang", "zhang", "shen"):
        client = login(name)
        assert client.post(address, data={"csrf": token(client, "/account")}).status_code == 404
    assert login("li").post(address, data={}).status_code == 403
    assert len(ledger.tokens("civil_affairs")) == 1


def test_a_notice_is_drafted_from_what_is_owed_and_recorded_once_sent(login: Login) -> None:
    address = "/departments/civil_affairs/notice"
    draft = login("shen").get(address).text
    assert "婚姻登记信息" in draft
    assert "登记为已发出" not in draft
    client = login("zhang")
    assert client.post(address, data={"csrf": token(client, address)}).status_code == 303
    assert "上次发出" in client.get(address).text
    assert login("li").get(address).status_code == 404
    auditor = login("shen")
    assert auditor.post(address, data={"csrf": token(auditor, "/account")}).status_code == 403
