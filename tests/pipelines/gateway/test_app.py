"""The gateway: a receipt only for what is durable, a clear answer for everything else, and nothing of another's."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import fastexcel
import httpx
import polars as pl
import pytest

from assets.replay import withdrawals_asked
from catalog.load import Catalogue
from catalog.model import Limits
from lake import tokens
from lake.home import Home
from lake.landing import landed_file
from lake.ledger import Ledger, PushState
from lake.locks import writing
from lake.tables import Lake
from pipelines.gateway import app as gateway
from pipelines.gateway import limits
from pipelines.listening import ExposedError

Send = Callable[..., httpx.Response]
Header = Callable[..., dict[str, str]]
Allow = Callable[..., None]


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["status"] == status
    assert body["detail"]
    assert body["detail_en"]
    return body


def test_a_push_gets_a_receipt_for_bytes_that_are_landed(
    send: Send, client: httpx.Client, home: Home, ledger: Ledger, header: Header
) -> None:
    answer = send(b"name\nx\n")
    assert answer.status_code == 201
    receipt = answer.json()
    push = ledger.get(receipt["receipt"])
    assert landed_file(home, push).read_bytes() == b"name\nx\n"
    assert receipt["sha256"] == hashlib.sha256(b"name\nx\n").hexdigest()
    assert (receipt["state"], receipt["data_date"]) == ("received", "2024-06-30")
    assert client.get(answer.headers["location"], headers=header()).json() == receipt


def test_the_data_date_is_the_citys_today_unless_said(send: Send) -> None:
    now = datetime.now(UTC) + timedelta(hours=8)
    assert send(date=None).json()["data_date"] in {
        now.date().isoformat(),
        (now + timedelta(seconds=5)).date().isoformat(),
    }


def test_a_large_body_streams_in_any_pieces(send: Send, home: Home, ledger: Ledger) -> None:
    def pieces() -> Iterator[bytes]:
        for number in range(300):
            yield b"%d," % number * (1 + number * 7 % 500)

    receipt = send(pieces()).json()
    assert receipt["sha256"] == hashlib.sha256(b"".join(pieces())).hexdigest()


def test_the_same_key_gives_the_same_receipt(send: Send, ledger: Ledger) -> None:
    first = send(b"abc", idempotency_key="k")
    assert send(b"abc", idempotency_key="k").json() == first.json()
    problem(send(b"other", idempotency_key="k"), 409)
    assert len(ledger.waiting()) == 1


def test_ten_identical_pushes_at_once_are_one(send: Send, ledger: Ledger, allow: Allow) -> None:
    allow(at_once=10)
    together = threading.Barrier(10)

    def one(_: int) -> str:
        together.wait()
        return str(send(b"abc", idempotency_key="k").json()["receipt"])

    with ThreadPoolExecutor(10) as pool:
        assert len(set(pool.map(one, range(10)))) == 1
    assert len(ledger.waiting()) == 1


def test_compressed_bodies_are_kept_as_they_come(send: Send, home: Home, ledger: Ledger) -> None:
    packed = gzip.compress(b"a,b\n")
    push = ledger.get(send(packed, content_encoding="gzip").json()["receipt"])
    assert landed_file(home, push).read_bytes() == packed
    assert push.filename == "cremation.csv.gz"


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"resource": "no_such_resource"}, 404),
        ({"resource": "../../etc"}, 404),
        ({"resource": "identity_card"}, 403),
        ({"authorization": "Bearer clk_0_0"}, 401),
        ({"authorization": "Basic dXNlcjpwYXNz"}, 401),
        ({"authorization": ""}, 401),
        ({"content_type": "application/pdf"}, 415),
        ({"content_encoding": "br"}, 415),
        ({"body": b""}, 422),
        ({"date": "30.06.2024"}, 422),
        ({"date": "2999-01-01"}, 422),
        ({"x_content_sha256": "0" * 64}, 422),
        ({"x_content_sha256": "short"}, 422),
        ({"idempotency_key": "k" * 201}, 422),
    ],
)
def test_what_is_refused_says_why_and_leaves_nothing(
    send: Send, home: Home, ledger: Ledger, options: dict[str, Any], status: int
) -> None:
    problem(send(**options), status)
    assert ledger.waiting() == []
    assert [path for path in home.root.rglob("*") if path.is_file() and path.parent != home.root] == []


def test_a_token_opens_only_its_resources(client: httpx.Client, header: Header) -> None:
    scoped = header("civil_affairs", ["cremation"]) | {"Content-Type": "text/csv"}
    assert client.post("/v1/resources/cremation/pushes", content=b"a", headers=scoped).status_code == 201
    problem(client.post("/v1/resources/marriage/pushes", content=b"a", headers=scoped), 403)


def test_a_token_in_the_address_opens_nothing(client: httpx.Client, header: Header) -> None:
    token = header()["Authorization"].removeprefix("Bearer ")
    for name in ("token", "access_token", "authorization"):
        problem(client.get("/v1/resources/cremation", params={name: token}), 401)


def test_sizes_are_limited_before_and_while_reading(send: Send, allow: Allow) -> None:
    allow(megabytes=1)
    most = b"x" * 1024**2
    problem(send(most + b"x"), 413)
    problem(send(iter([most, b"x"])), 413)
    assert send(most).status_code == 201
    assert send(most + b"x", resource="marriage").status_code == 413, "of all its resources"


def test_a_department_is_told_its_limits(client: httpx.Client, header: Header, allow: Allow) -> None:
    allow(megabytes=2, at_once=3, a_minute=4)
    told = client.get("/v1/resources/cremation", headers=header()).json()["limits"]
    assert told == {"bytes_per_push": 2 * 1024**2, "pushes_at_once": 3, "pushes_per_minute": 4}


def test_a_department_over_its_rate_is_told_when_to_come_again(send: Send, allow: Allow) -> None:
    allow(a_minute=1)
    assert send().status_code == 201
    problem(send(), 429)


def test_a_full_disk_is_said_before_the_first_byte(send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MIN_FREE_BYTES", 1 << 62)
    problem(send(), 507)


def test_a_disk_that_fills_while_writing(send: Send, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lake.landing.os.fsync", full)
    problem(send(), 507)
    assert ledger.waiting() == []


def test_a_bug_of_ours_shows_nothing_of_itself(send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError("44180219900101001X")

    monkeypatch.setattr(gateway, "receive", broken)
    assert "4418" not in json.dumps(problem(send(), 500))


def test_concurrency_and_rate_are_limited_by_department(monkeypatch: pytest.MonkeyPatch) -> None:
    few, slots = Limits(at_once=1, a_minute=3), limits.Slots()
    with slots.taken("police", few):
        with pytest.raises(gateway.Problem) as caught, slots.taken("police", few):
            pass
        assert caught.value.status == 429
        with slots.taken("tax", few):
            pass
    for _ in range(2):
        with slots.taken("police", few):
            pass
    with pytest.raises(gateway.Problem) as caught, slots.taken("police", few):
        pass
    assert (caught.value.status, caught.value.retry_after) == (429, 60)
    with slots.taken("police", Limits()):
        pass
    monkeypatch.setattr(limits, "MAX_CONCURRENT_TOTAL", 0)
    with pytest.raises(gateway.Problem) as caught, slots.taken("health", few):
        pass
    assert caught.value.status == 503


def settle_with_quarantine(home: Home, ledger: Ledger, push_id: str) -> None:
    reason = {
        "column": "身份号码",
        "rule": "resident_id.check",
        "reason_zh": "校验码不符",
        "reason_en": "wrong check digit",
    }
    row = {"_push": push_id, "_row": 7, "_data_date": date(2024, 6, 30), "_received_at": datetime.now(UTC)}
    cells = {
        "key": '{"a": "1"}',
        "cells": '{"a": "=1+1"}',
        "reasons": [reason, reason | {"reason_zh": "=cmd()"}],
    }
    other = row | {"_push": "p-another", "cells": '{"a": "not yours"}', "key": None, "reasons": [reason]}
    Lake(home.lake).append(
        "quarantine", "cremation", pl.DataFrame([row | cells, other]).lazy(), transaction="t"
    )
    ledger.settle(
        push_id, PushState.APPLIED, rows=9, accepted=8, rejected=1, failures={"resident_id.check": 1}
    )


def test_a_department_sees_what_became_of_its_push_and_why(
    client: httpx.Client, send: Send, home: Home, ledger: Ledger, header: Header
) -> None:
    push_id = send().json()["receipt"]
    assert client.get(f"/v1/receipts/{push_id}/reasons", headers=header()).content == b""
    settle_with_quarantine(home, ledger, push_id)
    receipt = client.get(f"/v1/receipts/{push_id}", headers=header()).json()
    assert (receipt["state"], receipt["rows"], receipt["accepted"], receipt["quarantined"]) == (
        "applied",
        9,
        8,
        1,
    )
    lines = client.get(receipt["reasons"], headers=header()).text.splitlines()
    assert [json.loads(line)["row"] for line in lines] == [7, 7]
    assert json.loads(lines[0])["cells"] == {"a": "=1+1"}
    table = client.get(receipt["reasons"], params={"format": "csv"}, headers=header()).content.decode(
        "utf-8-sig"
    )
    records = list(csv.DictReader(io.StringIO(table)))
    assert records[0]["reason_zh"] == "校验码不符"
    assert records[1]["reason_zh"] == "'=cmd()", "a spreadsheet must not take it for a formula"


def test_anothers_receipt_is_as_unknown_as_none(client: httpx.Client, send: Send, header: Header) -> None:
    push_id = send().json()["receipt"]
    for address in (f"/v1/receipts/{push_id}", f"/v1/receipts/{push_id}/reasons", "/v1/receipts/p0"):
        answer = problem(client.get(address, headers=header("police")), 404)
        assert push_id not in json.dumps(answer)


def test_what_a_resource_expects_and_its_templates(
    client: httpx.Client, catalogue: Catalogue, header: Header
) -> None:
    mine, entry = header(), catalogue.entry("cremation")
    titles = [column.title for column in entry.columns.values()]
    answer = client.get("/v1/resources/cremation", headers=mine).json()
    assert [column["title"] for column in answer["columns"]] == titles
    text = client.get("/v1/resources/cremation/template", headers=mine).content.decode("utf-8-sig")
    assert next(csv.reader([text.strip()])) == titles
    assert (
        client.get("/v1/resources/cremation/template.csv", headers=mine).content.decode("utf-8-sig") == text
    )
    book = client.get(answer["template"], headers=mine).content
    assert fastexcel.read_excel(book).load_sheet(0).to_polars().columns == titles
    problem(client.get("/v1/resources/cremation", headers=header("police")), 403)
    problem(client.get("/v1/resources/cremation/template?format=pdf", headers=mine), 422)


def test_every_other_address_and_method_is_a_problem(client: httpx.Client) -> None:
    problem(client.get("/"), 404)
    problem(client.delete("/healthz"), 405)
    assert client.get("/healthz").json() == {"status": "ok"}


def test_the_pages_need_nothing_from_elsewhere(client: httpx.Client) -> None:
    page = client.get("/docs")
    assert page.status_code == 200
    assert "src=" not in page.text
    assert "https://" not in page.text
    assert f"{client.base_url}/v1/resources/marriage/pushes" in page.text, "the example can be copied"
    document = client.get("/openapi.json").json()
    assert set(document["paths"]["/v1/resources/{code}/pushes"]["post"]["requestBody"]["content"]) == set(
        gateway.FORMATS
    )
    assert document["components"]["securitySchemes"]


@pytest.mark.parametrize(
    "host",
    [
        "0.0.0.0",  # noqa: S104 - this is what must be refused
        "::",
        "192.168.1.2",
        "gateway.example",
    ],
)
def test_beyond_loopback_only_with_tls(home: Home, host: str) -> None:
    with pytest.raises(ExposedError):
        gateway.run(home, host=host)


def test_no_token_and_no_cell_is_logged(
    send: Send, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, header: Header
) -> None:
    send(b"44180219900101001X")
    send(b"44180219900101001X", authorization="Bearer clk_1_secret", data_date="x")
    said = "".join(capfd.readouterr()) + caplog.text
    assert "4418" not in said
    assert "secret" not in said
    assert tokens.PREFIX not in said


def test_a_department_takes_back_what_is_not_yet_applied_and_asks_for_the_rest(
    client: httpx.Client, send: Send, ledger: Ledger, header: Header
) -> None:
    waiting, applied, refused = (send(body).json()["receipt"] for body in (b"a\n1\n", b"a\n2\n", b"a\n3\n"))
    ledger.settle(applied, PushState.APPLIED, rows=1, accepted=1)
    ledger.settle(refused, PushState.REFUSED)

    def withdraw(push_id: str, reason: str = "导出了错误的月份", **named: str) -> httpx.Response:
        return client.post(
            f"/v1/receipts/{push_id}/withdrawal", json={"reason": reason}, headers=header(**named)
        )

    for _ in range(2):
        answer = withdraw(waiting)
        assert (answer.status_code, answer.json()["withdrawal"], answer.json()["state"]) == (
            200,
            "done",
            "withdrawn",
        )
        answer = withdraw(applied)
        assert (answer.status_code, answer.json()["withdrawal"], answer.json()["state"]) == (
            202,
            "asked",
            "applied",
        )
    assert [(push.id, asked.reason, asked.by) for push, asked in withdrawals_asked(ledger)] == [
        (applied, "导出了错误的月份", "civil_affairs")
    ]
    assert withdraw(refused).status_code == 409
    assert withdraw(applied, reason=" ").status_code == 422
    assert withdraw(applied, department="police").status_code == 404
    assert withdraw("p0").status_code == 404
    ledger.withdraw(applied, reason="confirmed", by="bureau")
    assert withdrawals_asked(ledger) == []


def test_a_push_that_a_run_may_be_applying_is_asked_for(
    client: httpx.Client, send: Send, home: Home, ledger: Ledger, header: Header
) -> None:
    push_id = send().json()["receipt"]
    with writing(home, "standard.cremation"):
        answer = client.post(f"/v1/receipts/{push_id}/withdrawal", json={"reason": "wrong"}, headers=header())
    assert answer.status_code == 202
    assert ledger.get(push_id).state is PushState.RECEIVED


def test_nothing_to_report_is_a_push_with_a_receipt_and_a_name(
    client: httpx.Client, header: Header, ledger: Ledger
) -> None:
    address = "/v1/resources/cremation/nothing"
    answers = [
        client.post(address, params={"data_date": "2024-06-30"}, json={"by": "李明"}, headers=header())
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [201, 201]
    (receipt,) = {answer.json()["receipt"] for answer in answers}
    assert [signed.by for signed in ledger.decisions("sign", receipt)] == ["李明"]
    problem(client.post(address, json={"by": ""}, headers=header()), 422)
    problem(client.post(address, json={"by": "李明"}, headers=header("police")), 403)
    problem(client.post(address, json={"by": "李明"}, headers=header(resources=["marriage"])), 403)
    future = {"data_date": "2124-06-30"}
    problem(client.post(address, params=future, json={"by": "李明"}, headers=header()), 422)
