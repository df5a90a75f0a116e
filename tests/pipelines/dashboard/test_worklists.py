"""The worklist of a department: what it holds, that it can be sent back in, and who may rule on its rows."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from xml.etree import ElementTree

import fastexcel
import httpx
import polars as pl
import pytest
import xlsxwriter

from assets.build import Context
from assets.quarantine import tally
from assets.replay import withdraw
from assets.standard import apply_waiting
from catalog.model import Way
from lake.landing import receive
from lake.ledger import Push, PushState, open_ledger
from tests.pipelines.dashboard.town import cremation, token

Login = Callable[[str], httpx.Client]
Deliver = Callable[..., Push]
SPREADSHEET = {"s": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}
ADDRESS = "/departments/civil_affairs/worklist"


@pytest.fixture
def bad(push: Deliver) -> Push:
    """Three good rows; one whose id is none and whose funeral home looks like a formula; one without a name."""
    wrong = cremation(8, resident_id="441802195001010099", funeral_home="=HYPERLINK(1)")
    found = push("cremation", *(cremation(serial) for serial in range(3)), wrong, cremation(9, name=""))
    assert found.rejected == 2
    return found


def workbook(client: httpx.Client) -> bytes:
    answer = client.get(f"{ADDRESS}.xlsx")
    assert answer.status_code == 200
    assert re.search(r'filename="civil_affairs-\d{8}-worklist\.xlsx"', answer.headers["content-disposition"])
    return answer.content


def sheet_of(content: bytes) -> pl.DataFrame:
    book = fastexcel.read_excel(content)
    return book.load_sheet(book.sheet_names[0], dtypes="string").to_polars()


def marked(content: bytes) -> set[str]:
    """The addresses of the cells in the colour of what is wrong."""
    with zipfile.ZipFile(io.BytesIO(content)) as parts:
        styles = ElementTree.fromstring(parts.read("xl/styles.xml"))  # noqa: S314 # our own file
        sheet = ElementTree.fromstring(parts.read("xl/worksheets/sheet1.xml"))  # noqa: S314
    fills = styles.findall("s:fills/s:fill", SPREADSHEET)
    red = {
        number
        for number, fill in enumerate(fills)
        if (colour := fill.find(".//s:fgColor", SPREADSHEET)) is not None and colour.get("rgb") == "FFFFC7CE"
    }
    formats = {
        str(number)
        for number, each in enumerate(styles.findall("s:cellXfs/s:xf", SPREADSHEET))
        if int(each.get("fillId", "0")) in red
    }
    cells = sheet.findall(".//s:c", SPREADSHEET)
    assert not sheet.findall(".//s:f", SPREADSHEET), "no cell is a formula"
    assert {cell.get("t") for cell in cells} <= {"s", None}, "every cell that says something is text"
    return {str(cell.get("r")) for cell in cells if cell.get("s") in formats}


def test_the_workbook_holds_the_rows_as_they_came_with_reasons_and_marks(login: Login, bad: Push) -> None:
    content = workbook(login("li"))
    rows = sheet_of(content)
    assert rows.columns[:3] == ["火化证编号", "公民身份号码", "姓名"]
    assert rows["公民身份号码"][0] == "441802195001010099"
    assert "=HYPERLINK(1)" in rows.row(0)
    assert rows["问题数据编号"].to_list() == [f"{bad.id}:4", f"{bad.id}:5"]
    assert "公民身份号码" in rows["问题说明"][0]
    assert rows["问题说明"][1] == "“姓名”为必填项，不能为空"
    assert marked(content) == {"B2", "C3"}


def test_what_looks_like_a_formula_stays_the_text_that_was_sent(push: Deliver, login: Login) -> None:
    payloads = ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "=cmd|'/C calc'!A0", "＝1+1", "http://a.example"]
    rows = (
        cremation(serial, resident_id="441802195001010099", funeral_home=payload)
        for serial, payload in enumerate(payloads)
    )
    push("cremation", *rows, *(cremation(serial) for serial in range(100, 114)))
    content = workbook(login("li"))
    assert marked(content) == {f"B{line}" for line in range(2, len(payloads) + 2)}
    assert sheet_of(content)["殡仪馆"].to_list() == payloads
    with zipfile.ZipFile(io.BytesIO(content)) as parts:
        assert not any(
            "hyperlink" in parts.read(name).decode() for name in parts.namelist() if "sheet" in name
        )


def corrected(content: bytes, path: Path) -> Path:
    """The workbook as an officer corrects it, sheet and headers as they were."""
    rows = sheet_of(content)
    with xlsxwriter.Workbook(str(path)) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, rows.columns)
        for line, row in enumerate(rows.iter_rows(named=True), start=1):
            row["公民身份号码"], row["姓名"] = cremation(7)["resident_id"], "李四"
            for place, cell in enumerate(row.values()):
                sheet.write_string(line, place, cell or "")
    return path


def send(city: Context, resource: str, path: Path) -> Push:
    ledger = open_ledger(city.home)
    said = {"way": Way.FILE, "filename": path.name, "data_format": "xlsx", "data_date": date(2026, 1, 6)}
    landed = receive(city.home, ledger, city.catalogue.entry(resource), [path.read_bytes()], **said)
    apply_waiting(city, resource)
    return ledger.get(landed.id)


def test_a_corrected_worklist_is_a_push_and_closes_its_rows(
    login: Login, bad: Push, city: Context, tmp_path: Path
) -> None:
    returned = send(city, "cremation", corrected(workbook(login("li")), tmp_path / "worklist.xlsx"))
    assert (returned.state, returned.accepted, returned.rejected) == (PushState.APPLIED, 2, 0)
    assert not any("问题" in note for note in returned.notes or ()), "its own columns are no new ones"
    found = tally(city, city.catalogue.entry("cremation"))
    assert (found.open, found.closed) == (0, 2)
    assert "没有待处理的问题数据" in login("li").get(ADDRESS).text
    assert login("li").get(f"{ADDRESS}.xlsx").status_code == 404


def test_a_row_whose_key_was_wrong_is_closed_by_its_number_in_the_worklist(
    login: Login, push: Deliver, city: Context, tmp_path: Path
) -> None:
    good = {"insurance_kind": "养老保险", "joined_on": "2020-01-01", "status": "正常参保", "name": "李四"}
    people = [good | {"resident_id": cremation(serial)["resident_id"]} for serial in range(3)]
    bad = push("social_insurance", *people, good | {"resident_id": "441802195001010099"})
    assert (bad.accepted, bad.rejected) == (3, 1)
    path = tmp_path / "worklist.xlsx"
    path.write_bytes(login("zhang").get("/departments/hrss/worklist.xlsx").content)
    returned = send(city, "social_insurance", corrected(path.read_bytes(), path))
    assert (returned.accepted, returned.rejected) == (1, 0)
    entry = city.catalogue.entry("social_insurance")
    assert (tally(city, entry).open, tally(city, entry).closed) == (0, 1)
    withdraw(city, returned.id, reason="误报", by="hrss")
    assert tally(city, entry).open == 1


def test_a_worklist_of_what_is_sent_whole_is_not_taken_for_the_whole(
    login: Login, push: Deliver, city: Context, tmp_path: Path
) -> None:
    good = [{"code": f"44180{n}", "name": "某区", "level": "county"} for n in range(2, 6)]
    push("division", *good, {"code": "441821", "name": "", "level": "county"})
    path = tmp_path / "worklist.xlsx"
    path.write_bytes(workbook(login("li")))
    returned = send(city, "division", path)
    assert returned.state is PushState.REFUSED
    assert "全量推送" in (returned.reason_zh or "")
    assert city.lake.rows("standard", "division") == 4


def test_who_sees_the_worklist_and_who_takes_it_is_recorded(login: Login, bad: Push) -> None:
    assert login("wang").get(ADDRESS).status_code == 404
    assert login("wang").get(f"{ADDRESS}.xlsx").status_code == 404
    auditor = login("shen")
    assert "441802195001010099" not in auditor.get(ADDRESS).text
    assert auditor.get(f"{ADDRESS}.xlsx").status_code == 403
    assert "441802195001010099" in login("li").get(ADDRESS).text
    workbook(login("li"))
    assert "下载部门问题数据清单" in login("zhang").get("/acts").text


def test_the_bureau_alone_rules_on_a_row_with_a_reason(login: Login, bad: Push, city: Context) -> None:
    release, dismiss = f"/quarantine/{bad.id}/4/release", f"/quarantine/{bad.id}/5/dismiss"
    for name in ("li", "shen"):
        client = login(name)
        form = {"csrf": token(client, "/account"), "reason": "right"}
        assert client.post(release, data=form).status_code == 403
    client = login("zhang")
    assert client.post(release, data={"reason": "无误"}).status_code == 403, "a form without its token"
    form = {"csrf": token(client, ADDRESS), "reason": "已核对纸质档案"}
    assert client.post(release, data=form | {"reason": " "}).status_code == 409
    assert client.post(release, data=form).status_code == 303
    assert client.post(dismiss, data=form).status_code == 303
    found = tally(city, city.catalogue.entry("cremation"))
    assert (found.open, found.released, found.dismissed) == (0, 1, 1)
    assert city.lake.rows("standard", "cremation") == 4
    assert client.post(dismiss, data=form).status_code == 409
    assert "放行问题数据" in client.get("/acts").text


def test_the_bureau_sends_a_held_push_back_and_what_was_there_stays(
    login: Login, push: Deliver, city: Context
) -> None:
    push("cremation", *(cremation(serial) for serial in range(4)))
    held = push("cremation", *(cremation(serial, name="") for serial in range(9, 12)))
    assert held.state is PushState.HELD
    client = login("zhang")
    form = {"csrf": token(client, f"/receipts/{held.id}"), "reason": "姓名漏导"}
    assert client.post(f"/receipts/{held.id}/refuse", data=form).status_code == 303
    settled = open_ledger(city.home).get(held.id)
    assert settled.state is PushState.REFUSED
    assert "数据局退回：姓名漏导" in (settled.reason_zh or "")
    assert city.lake.rows("standard", "cremation") == 4
    assert client.post(f"/receipts/{held.id}/accept", data=form).status_code == 409
