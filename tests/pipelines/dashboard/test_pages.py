"""What each page shows, and to whom."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import fastexcel
import httpx
import pytest

from assets.build import Context
from assets.operations import publish_freshness
from lake.ledger import Push, PushState, open_ledger
from lake.promises import open_promises
from lake.purges import Purges
from pipelines.dashboard.board import Board
from quality.clock import CITY_TIME
from tests.pipelines.dashboard.town import cremation, token

Login = Callable[[str], httpx.Client]
Deliver = Callable[..., Push]
BUREAU_PAGES = ("/", "/resources", "/pushes", "/bases", "/map", "/bulletin", "/acts")


@pytest.fixture
def pushed(push: Deliver) -> Push:
    """Four rows, one of them without a name."""
    rows = [cremation(serial) for serial in range(3)]
    return push("cremation", *rows, cremation(3, name=""))


@pytest.fixture
def held(push: Deliver) -> Push:
    """More bad rows than the entry allows: a person must look."""
    return push("cremation", cremation(1), *(cremation(serial, name="") for serial in range(2, 9)))


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize(
    "page", [*BUREAU_PAGES, "/departments/civil_affairs", "/resources/cremation", "/catalogue"]
)
def test_every_page_is_there_in_both_languages_also_when_nothing_has_been_pushed(
    login: Login, page: str, language: str
) -> None:
    answer = login("zhang").get(page, params={"lang": language})
    assert answer.status_code == 200
    assert f'<html lang="{"en" if language == "en" else "zh-CN"}">' in answer.text


@pytest.mark.parametrize("page", ["/", "/departments/civil_affairs", "/resources/cremation", "/bulletin"])
def test_no_page_asks_anything_of_another_host_or_styles_inline(
    login: Login, pushed: Push, page: str
) -> None:
    text = login("zhang").get(page).text
    assert not re.findall(r'(?:src|href|action)="(?:https?:)?//', text)
    assert not re.findall(r"<script(?! src)|<style| style=| on[a-z]+=", text)


def test_the_language_chosen_stays_chosen(login: Login) -> None:
    client = login("zhang")
    assert "Overview" in client.get("/?lang=en").text
    assert "Departments and resources" in client.get("/").text


def test_the_overview_counts_what_is_on_the_board(login: Login, pushed: Push, city: Context) -> None:
    text = login("zhang").get("/").text
    counts = [int(number) for number in re.findall(r'class="tile-number">(\d+)<', text)]
    *states, failing = counts
    assert failing == 1  # a quarter of its rows was refused
    assert sum(states) == len(city.catalogue.entries) == len(re.findall(r'class="chip ', text))
    assert "遗体火化信息" in text
    only_never = login("zhang").get("/?state=never").text
    assert len(re.findall(r'class="chip ', only_never)) == counts[3]


def test_a_departments_people_see_their_department_first(login: Login) -> None:
    assert login("li").get("/").headers["location"] == "/departments/civil_affairs"


@pytest.mark.parametrize(
    "page",
    [
        *BUREAU_PAGES[1:],
        "/departments/civil_affairs",
        "/resources/cremation/upload",
        "/resources/cremation/template",
        "/pushes?department=civil_affairs",
    ],
)
def test_another_department_is_not_reached_by_editing_the_address(
    login: Login, pushed: Push, page: str
) -> None:
    if page == "/pushes":
        assert pushed.id not in login("wang").get(page).text
        return
    assert login("wang").get(page).status_code == 404


@pytest.mark.parametrize("tail", ["", "/state", "/refused.csv"])
def test_another_departments_receipt_is_as_unknown_as_none(login: Login, pushed: Push, tail: str) -> None:
    client = login("wang")
    strange, none = client.get(f"/receipts/{pushed.id}{tail}"), client.get(f"/receipts/pNONE{tail}")
    assert strange.status_code == none.status_code == 404
    assert strange.text == none.text.replace("pNONE", pushed.id)
    assert login("li").get(f"/receipts/{pushed.id}{tail}").status_code == 200


def test_the_catalogue_is_everybodys_but_operation_is_not(login: Login, pushed: Push) -> None:
    theirs = login("wang").get("/resources/cremation").text
    assert "公民身份号码" in theirs
    assert pushed.id not in theirs
    assert "合格率" not in theirs
    assert pushed.id in login("li").get("/resources/cremation").text


def test_a_receipt_says_why_each_row_was_refused(login: Login, pushed: Push) -> None:
    assert (pushed.state, pushed.accepted, pushed.rejected) == (PushState.APPLIED, 3, 1)
    text = login("li").get(f"/receipts/{pushed.id}").text
    assert "“姓名”为必填项，不能为空" in text
    english = login("li").get(f"/receipts/{pushed.id}?lang=en").text
    assert "name is required and empty" in english


def test_an_auditor_sees_reasons_but_no_cell(login: Login, push: Deliver) -> None:
    bad = push(
        "cremation",
        *(cremation(serial) for serial in range(3)),
        cremation(9, resident_id="441802195001010099"),
    )
    assert bad.rejected == 1
    for address in (f"/receipts/{bad.id}", f"/receipts/{bad.id}/refused.csv"):
        for name, sees in (("li", True), ("zhang", True), ("shen", False)):
            text = login(name).get(address).text
            assert ("441802195001010099" in text) is sees
            assert "公民身份号码" in text


def test_refused_rows_are_text_in_a_spreadsheet_never_a_formula(login: Login, push: Deliver) -> None:
    bad = push("cremation", *(cremation(serial) for serial in range(3)), cremation(9, cremated_on="=1+1"))
    lines = login("li").get(f"/receipts/{bad.id}/refused.csv").text.splitlines()
    assert lines[0].lstrip("\ufeff") == "row,column,rule,reason_zh,reason_en,cells"
    assert len(lines) == 1 + 2
    assert not any(cell.startswith(("=", "+", "-", "@")) for line in lines for cell in line.split(","))


def test_the_bureau_alone_lets_a_held_push_in_with_a_reason(login: Login, held: Push, city: Context) -> None:
    assert held.state is PushState.HELD
    address = f"/receipts/{held.id}/accept"
    for name in ("li", "shen"):
        client = login(name)
        form = {"csrf": token(client, "/account"), "reason": "right"}
        assert client.post(address, data=form).status_code == 403
    client = login("zhang")
    form = {"csrf": token(client, f"/receipts/{held.id}"), "reason": " "}
    assert client.post(address, data={"reason": "核实无误"}).status_code == 403
    assert client.post(address, data=form).status_code == 422
    assert client.post(address, data=form | {"reason": "核实无误"}).status_code == 303
    ledger = open_ledger(city.home)
    assert ledger.get(held.id).state is PushState.RECEIVED
    assert ledger.hold_accepted(held.id)
    assert client.post(address, data=form | {"reason": "核实无误"}).status_code == 409


def test_two_officers_together_have_a_push_purged(login: Login, pushed: Push, city: Context) -> None:
    address = f"/receipts/{pushed.id}"
    first, second = login("zhang"), login("sun")
    mine, theirs = ({"csrf": token(client, address)} for client in (first, second))
    refused = [
        login("li").post(f"{address}/purge", data={"csrf": token(login("li"), "/account"), "reason": "x"}),
        first.post(f"{address}/purge", data=mine | {"reason": " "}),
        second.post(f"{address}/purge/confirm", data=theirs),
    ]
    assert [answer.status_code for answer in refused] == [403, 422, 409]
    assert first.post(f"{address}/purge", data=mine | {"reason": "法院裁定"}).status_code == 303
    assert first.post(f"{address}/purge/confirm", data=mine).status_code == 409, "one person is not two"
    assert "确认清除" not in first.get(address).text
    assert "确认清除" in second.get(address).text
    assert second.post(f"{address}/purge/confirm", data=theirs).status_code == 303
    assert "正在排队执行" in first.get(address).text
    assert [stone.push for stone in Purges(city.home).unfinished()] == [pushed.id]


def test_a_department_page_has_what_waits_and_for_how_long(login: Login, pushed: Push, held: Push) -> None:
    text = login("li").get("/departments/civil_affairs").text
    assert "待数据局确认" in text
    assert "0 天" in text
    assert "未评估" in text


def test_the_board_follows_the_ledger(login: Login, push: Deliver) -> None:
    client = login("zhang")
    assert "今天还没有推送" in client.get("/").text
    push("cremation", cremation(1))
    first = client.get("/").text
    assert "今天还没有推送" not in first
    later = push("cremation", cremation(2), cremation(3))
    assert later.id in client.get("/pushes").text


def test_the_board_follows_the_day_and_what_is_promised(
    app: Any, push: Deliver, city: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Judging anew what has not been pushed since says what judging everything says."""
    push("cremation", cremation(1), on=date(2026, 1, 5))
    board = app.state.site.board
    board.picture()
    open_promises(city.home).begin("marriage", date(2025, 1, 6), reason="归集协议", by="zhang")
    assert board.picture().states["marriage"].working_days_late > 200
    open_promises(city.home).outage(date(2025, 1, 7), date(2025, 3, 31), reason="停电", by="zhang")
    assert board.picture().states["marriage"].next_due == date(2025, 4, 1)
    later = datetime.now(UTC) + timedelta(days=40)

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return later

    monkeypatch.setattr("pipelines.dashboard.board.datetime", Clock)
    followed, whole = board.picture(), Board(city).picture()
    assert followed.today == later.astimezone(CITY_TIME).date()
    assert followed.states == whole.states
    assert followed.cut({"police"}).states.keys() == {
        entry.code for entry in city.catalogue.of_department("police")
    }


def test_the_catalogue_is_searched_by_title_column_and_code(login: Login, city: Context) -> None:
    client = login("wang")

    def found(**query: str) -> set[str]:
        return set(re.findall(r'href="/resources/(\w+)">', client.get("/catalogue", params=query).text))

    assert found() == set(city.catalogue.entries)
    assert found(q="火化") == {"cremation"}
    assert found(q="火化 没有的词") == set()
    assert found(department="police") == {entry.code for entry in city.catalogue.of_department("police")}
    assert found(q="殡仪馆", sharing="unconditional") == set()


def test_the_catalogue_as_a_workbook_has_every_column_of_every_resource(login: Login, city: Context) -> None:
    answer = login("wang").get("/catalogue.xlsx")
    book = fastexcel.read_excel(answer.content)
    assert book.sheet_names == ["数据资源", "信息项"]
    assert book.load_sheet(0).height == len(city.catalogue.entries)
    assert book.load_sheet(1).height == sum(len(entry.columns) for entry in city.catalogue.entries.values())


def test_a_template_has_the_entrys_headers(login: Login, city: Context) -> None:
    content = login("li").get("/resources/cremation/template").content
    headers = fastexcel.read_excel(io.BytesIO(content).read()).load_sheet(0, header_row=0).to_polars().columns
    assert headers == [column.title for column in city.catalogue.entry("cremation").columns.values()]


@pytest.mark.parametrize(
    "page",
    ["/map?measure=nonsense", "/bulletin?month=2026-13", "/resources/none", "/departments/none", "/nowhere"],
)
def test_what_does_not_exist_says_so_in_words(login: Login, page: str) -> None:
    answer = login("zhang").get(page)
    assert answer.status_code == 404
    assert "没有这个页面" in answer.text


def test_a_bug_shows_nothing_of_itself(
    app: Any, login: Login, visitor: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor.cookies.update(login("zhang").cookies)

    def broken(*_: object) -> None:
        raise RuntimeError("441802195001010099")

    monkeypatch.setattr(app.state.site.board, "picture", broken)
    answer = visitor.get("/")
    assert answer.status_code == 500
    assert "页面出错" in answer.text
    assert "441802195001010099" not in answer.text


def test_the_bulletin_ranks_by_what_was_recorded(login: Login, push: Deliver, city: Context) -> None:
    push("cremation", cremation(1), on=date(2026, 1, 5))
    publish_freshness(city)
    text = login("zhang").get("/bulletin?month=2026-01").text
    assert "公共数据归集情况通报" in text
    assert "本月没有应报的周期" in text


def test_what_fails_is_counted_marked_and_listed(login: Login, push: Deliver) -> None:
    push("cremation", *(cremation(serial) for serial in range(3)), cremation(3, name=""))
    client = login("zhang")
    text = client.get("/?failing=true").text
    assert re.findall(r'class="tile-number">(\d+)<', text)[-1] == "1"
    assert re.findall(r'class="chip [a-z_]+" href="/resources/(\w+)"', text) == ["cremation"]
    listed = client.get("/resources?by=quality").text
    assert re.findall(r'<th scope="row"><a href="/resources/(\w+)"', listed)[0] == "cremation"
    assert client.get("/resources?by=nonsense").status_code == 404


def test_content_that_does_not_change_is_marked(login: Login, push: Deliver) -> None:
    for month in (1, 2, 3):
        push("cremation", cremation(1), on=date(2026, month, 5))
    for page in ("/", "/resources", "/resources/cremation", "/departments/civil_affairs"):
        assert "内容连续 3 期未变" in login("zhang").get(page).text, page


def test_bars_and_counts_lead_to_what_they_count(login: Login, pushed: Push) -> None:
    client = login("zhang")
    assert f'<a href="/receipts/{pushed.id}" aria-label=' in client.get("/resources/cremation").text
    month = f"{pushed.received_at:%Y-%m}"
    assert pushed.id in client.get(f"/pushes?day={month}").text
    assert pushed.id not in client.get("/pushes?day=2020-01").text
    address = f"/pushes?department=civil_affairs&amp;day={month}"
    assert address in client.get(f"/bulletin?month={month}").text
