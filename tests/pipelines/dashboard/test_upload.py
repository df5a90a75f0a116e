"""A file from a browser: landed like any push, by its source department only."""

from __future__ import annotations

import re
from collections.abc import Callable

import httpx
import pytest

from assets.build import Context
from lake.landing import landed_file
from lake.ledger import open_ledger
from tests.pipelines.dashboard.town import cremation, token

Login = Callable[[str], httpx.Client]
BODY = "火化证编号,公民身份号码\nH1,x\n".encode()


def send(
    client: httpx.Client, body: bytes = BODY, resource: str = "cremation", **headers: str
) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    address = f"/resources/{resource}/pushes?data_date=2026-01-05"
    return client.post(
        address,
        content=body,
        headers={"X-CSRF-Token": token(client, "/account"), "X-Filename": "%E7%81%AB%E5%8C%96.csv"} | named,
    )


def test_an_upload_is_landed_byte_for_byte_and_has_a_receipt(login: Login, city: Context) -> None:
    client = login("li")
    answer = send(client)
    assert answer.status_code == 201
    push = open_ledger(city.home).get(answer.json()["receipt"])
    assert (push.department, push.filename, push.format) == ("civil_affairs", "火化.csv", "csv")
    assert landed_file(city.home, push).read_bytes() == BODY
    receipt = client.get(answer.json()["address"])
    assert "等待检查入库" in receipt.text
    assert client.get(f"/receipts/{push.id}/state").json() == {"state": "received"}


def test_the_same_file_sent_again_is_one_push(login: Login, city: Context) -> None:
    client = login("li")
    receipts = {send(client, Idempotency_Key="2026-01 1").json()["receipt"] for _ in range(3)}
    assert len(receipts) == 1
    other = send(client, b"other bytes", Idempotency_Key="2026-01 1")
    assert other.status_code == 409
    assert "幂等键" in other.json()["reason"]


@pytest.mark.parametrize("name", ["wang", "zhang", "shen"])
def test_only_the_source_department_uploads(login: Login, city: Context, name: str) -> None:
    assert send(login(name)).status_code in (403, 404)
    assert not open_ledger(city.home).history("cremation")


def test_the_bureau_uploads_what_it_is_itself_the_source_of(login: Login) -> None:
    assert send(login("zhang"), resource="licence_type").status_code == 201


@pytest.mark.parametrize(
    "header", [{"X_CSRF_Token": "guess"}, {"X_CSRF_Token": ""}, {"Origin": "https://evil.example"}]
)
def test_an_upload_that_another_site_started_is_refused(
    login: Login, city: Context, header: dict[str, str]
) -> None:
    assert send(login("li"), **header).status_code == 403
    assert not open_ledger(city.home).history("cremation")


def test_an_upload_without_a_session_says_so_in_words(visitor: httpx.Client) -> None:
    answer = visitor.post(
        "/resources/cremation/pushes?data_date=2026-01-05",
        content=BODY,
        headers={"X-CSRF-Token": "x", "X-Filename": "a.csv"},
    )
    assert (answer.status_code, answer.json()) == (401, {"reason": "请重新登录"})


@pytest.mark.parametrize(
    ("body", "query", "said"), [(b"", "2026-01-05", "没有内容"), (BODY, "2999-01-01", "晚于今天")]
)
def test_what_cannot_be_taken_says_why(login: Login, body: bytes, query: str, said: str) -> None:
    client = login("li")
    answer = client.post(
        f"/resources/cremation/pushes?data_date={query}",
        content=body,
        headers={"X-CSRF-Token": token(client, "/account"), "X-Filename": "a.csv"},
    )
    assert answer.status_code == 422
    assert said in answer.json()["reason"]


def test_a_file_name_never_leaves_its_folder(login: Login, city: Context) -> None:
    answer = send(login("li"), X_Filename="..%2F..%2Fetc%2Fpasswd")
    push = open_ledger(city.home).get(answer.json()["receipt"])
    assert push.filename == "passwd"
    assert landed_file(city.home, push).is_relative_to(city.home.landing)


def test_a_check_says_what_would_become_of_a_file_and_keeps_nothing(login: Login, city: Context) -> None:
    rows = [cremation(1), cremation(2), cremation(3, name="")]
    columns = city.catalogue.entry("cremation").columns
    lines = [",".join(columns), *(",".join(row.get(name, "") for name in columns) for row in rows)]
    client = login("li")
    answer = client.post(
        "/resources/cremation/rehearsals?data_date=2026-01-05",
        content="\n".join(lines).encode(),
        headers={"X-CSRF-Token": token(client, "/account"), "X-Filename": "a.csv"},
    )
    assert answer.status_code == 200
    assert "“姓名”为必填项，不能为空" in answer.text
    assert re.findall(r"<dd>(\d+)</dd>", answer.text) == ["3", "2", "1"]
    assert not open_ledger(city.home).history("cremation")
    assert not list((city.home.work / "scratch").iterdir())
    assert city.lake.rows("standard", "cremation") == city.lake.rows("quarantine", "cremation") == 0


@pytest.mark.parametrize("body", [b"\x00\x01\x02", b"", b"nothing,known\n1,2\n"])
def test_a_check_of_what_cannot_be_read_says_so(login: Login, body: bytes) -> None:
    client = login("li")
    answer = client.post(
        "/resources/cremation/rehearsals?data_date=2026-01-05",
        content=body,
        headers={"X-CSRF-Token": token(client, "/account"), "X-Filename": "a.csv"},
    )
    assert answer.status_code == (200 if body else 422)
    assert ("已退回" if body else "没有内容") in (answer.text if body else answer.json()["reason"])


@pytest.mark.parametrize("name", ["wang", "shen"])
def test_only_the_source_department_checks(login: Login, name: str) -> None:
    client = login(name)
    answer = client.post(
        "/resources/cremation/rehearsals?data_date=2026-01-05",
        content=BODY,
        headers={"X-CSRF-Token": token(client, "/account"), "X-Filename": "a.csv"},
    )
    assert answer.status_code in (403, 404)


def test_nothing_to_report_is_signed_by_whoever_is_logged_in(login: Login, city: Context) -> None:
    client = login("li")
    form = {"csrf": token(client, "/resources/cremation/upload"), "data_date": "2026-01-05"}
    answer = client.post("/resources/cremation/nothing", data=form)
    assert answer.status_code == 303
    (push,) = open_ledger(city.home).history("cremation")
    assert [signed.by for signed in open_ledger(city.home).decisions("sign", push.id)] == ["li"]
    assert "签署" in client.get(answer.headers["location"]).text
    assert client.post("/resources/cremation/nothing", data=form | {"data_date": "?"}).status_code == 422
    other = login("wang")
    refused = other.post("/resources/cremation/nothing", data=form | {"csrf": token(other, "/account")})
    assert refused.status_code in (403, 404)
