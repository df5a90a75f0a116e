"""Tokens changed and notices recorded: by whom, and what is written down."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta

import httpx
import pytest

from assets.build import Context
from assets.operations import latest_periods, record_periods
from lake import tokens
from lake.ledger import open_ledger
from lake.promises import Promises, Step, open_promises
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


@pytest.fixture
def late(city: Context) -> Promises:
    """The promises of a city to which one department has owed a daily resource for years."""
    promises = open_promises(city.home)
    promises.begin("marriage", date(2025, 1, 6), reason="归集协议", by="zhang")
    return promises


def test_a_notice_is_drafted_from_what_is_owed_and_recorded_once_sent(login: Login, late: Promises) -> None:
    address = "/departments/civil_affairs/notice"
    draft = login("shen").get(address).text
    assert "婚姻登记信息" in draft
    assert "应发限期通知" in draft
    assert "登记为已发出" not in draft
    client = login("zhang")
    form = {"csrf": token(client, address), "step": "notice"}
    assert client.post(address, data=form).status_code == 303
    (notice,) = late.measures()
    assert (notice.step, notice.resources, notice.by) == (Step.NOTICE, ["marriage"], "zhang")
    assert "限期整改中" in client.get(address).text
    # nothing is reported to the government before the last day has passed
    assert client.post(address, data=form | {"step": "reported"}).status_code == 409
    assert login("li").get(address).status_code == 404
    auditor = login("shen")
    assert (
        auditor.post(address, data={"csrf": token(auditor, "/account"), "step": "notice"}).status_code == 403
    )


def test_what_a_notice_did_not_mend_is_reported_once_its_day_has_passed(login: Login, late: Promises) -> None:
    late.take(Step.NOTICE, "civil_affairs", ["marriage"], correct_by=date(2025, 3, 3), by="zhang")
    address, client = "/departments/civil_affairs/notice", login("zhang")
    form = {"csrf": token(client, address), "step": "reported"}
    assert "应报告市政府" in client.get("/departments/civil_affairs").text
    assert client.post(address, data=form).status_code == 303
    assert client.post(address, data=form).status_code == 409
    assert [measure.step for measure in late.measures()] == [Step.REPORTED, Step.NOTICE]
    assert "已报告市政府" in client.get(address).text


def test_nothing_is_sent_to_whom_nothing_is_owed_by(login: Login, late: Promises) -> None:
    client, address = login("zhang"), "/departments/police/notice"
    form = {"csrf": token(client, "/account"), "step": "notice"}
    assert client.post(address, data=form).status_code == 409
    assert late.measures() == []


EXCUSES = "/departments/civil_affairs/excuses"
REASON = {"resource": "marriage", "due_from": "2025-01-01", "due_to": "2030-01-01", "reason": "系统迁移<b>"}


def test_a_department_says_why_and_the_bureau_rules_on_it_once(
    login: Login, late: Promises, city: Context
) -> None:
    record_periods(city)
    department, bureau = login("li"), login("zhang")
    assert department.post(EXCUSES, data=REASON | {"csrf": token(department, EXCUSES)}).status_code == 303
    page = department.get(EXCUSES).text
    assert "系统迁移&lt;b&gt;" in page
    assert "待答复" in page
    assert "/ruling" not in page
    address = f"/excuses/{late.excuses()[0].id}/ruling"
    ruling = {"csrf": token(bureau, EXCUSES), "accepted": "yes", "reason": "已核实"}
    own = ruling | {"csrf": token(department, EXCUSES)}
    assert department.post(address, data=own).status_code == 403
    assert bureau.post(address, data=ruling | {"reason": " "}).status_code == 409
    assert bureau.post(address, data=ruling).status_code == 303
    assert bureau.post(address, data=ruling | {"accepted": "no"}).status_code == 409
    assert [excuse.accepted for excuse in late.excuses()] == [True]
    # the record of periods follows; what is excused is no case any more
    assert set(latest_periods(city.lake)["verdict"]) == {"excused"}
    page = department.get(EXCUSES).text
    assert "已采纳" in page
    assert "无欠报" in page


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"resource": "identity_card"}, 404),
        ({"resource": "nothing"}, 404),
        ({"due_to": "2024-12-31"}, 422),
        ({"due_from": "soon"}, 422),
        ({"reason": " "}, 422),
        ({"csrf": "x"}, 403),
    ],
)
def test_a_wrong_excuse_is_refused(login: Login, late: Promises, wrong: dict[str, str], status: int) -> None:
    client = login("li")
    form = REASON | {"csrf": token(client, EXCUSES)} | wrong
    assert client.post(EXCUSES, data=form).status_code == status
    assert late.excuses() == []


def test_nobody_speaks_for_a_department_and_none_reads_anothers_excuses(login: Login, late: Promises) -> None:
    police, bureau = login("wang"), login("zhang")
    assert police.get(EXCUSES).status_code == 404
    assert police.post(EXCUSES, data=REASON | {"csrf": token(police, "/account")}).status_code == 404
    assert bureau.post(EXCUSES, data=REASON | {"csrf": token(bureau, "/account")}).status_code == 403
    number = late.excuse(
        "civil_affairs", "marriage", date(2025, 1, 1), date(2025, 2, 1), reason="停电", by="li"
    )
    form = {"csrf": token(police, "/account"), "accepted": "yes", "reason": "x"}
    assert police.post(f"/excuses/{number}/ruling", data=form).status_code == 403
    assert bureau.post("/excuses/99/ruling", data=form | {"csrf": token(bureau, EXCUSES)}).status_code == 404


def test_the_record_of_periods_is_shown_by_department_month_and_outcome(
    login: Login, late: Promises, city: Context
) -> None:
    late.begin("identity_card", date(2026, 1, 5), reason="归集协议", by="zhang")
    record_periods(city)
    bureau = login("zhang")
    whole = bureau.get("/periods").text
    assert "身份证" in whole
    assert "身份证" not in bureau.get("/periods?department=civil_affairs&month=&verdict=").text
    assert "没有符合条件的周期" in bureau.get("/periods?verdict=on_time").text
    january = bureau.get("/periods?month=2025-01&resource=marriage").text
    assert "2025-01-07" in january
    assert "2025-02-05" not in january
    for wrong in ("month=2025-13", "verdict=never", "resource=nothing", "department=nowhere"):
        assert bureau.get(f"/periods?{wrong}").status_code == 404
    department = login("li")
    assert "身份证" not in department.get("/periods").text
    assert department.get("/periods?department=police").status_code == 404
    assert department.get("/periods?resource=identity_card").status_code == 404
