"""A late department is told once, by webhook and by mail, through servers on loopback."""

from __future__ import annotations

import os
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes
from email.message import Message
from email.policy import default
from pathlib import Path
from typing import Any

import pytest

from assets.build import Context
from catalog.load import load
from lake.home import Home
from lake.ledger import open_ledger
from lake.promises import Step, open_promises
from lake.tables import Lake
from pipelines.reminders import Told, overdue_corrections, remind
from tests.pipelines import loopback
from tests.pushes import a_push

WEDNESDAY = datetime(2025, 8, 13, 4, tzinfo=UTC)


@pytest.fixture
def city(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    """A city in which one department pushed a daily resource on a Wednesday, and nothing since."""
    for name in ("WEBHOOK_URL", "SMTP_URL", "MAIL_FROM", "SMTP_PASSWORD"):
        monkeypatch.delenv(f"CITYLAKE_{name}", raising=False)
    home, whole = Home.open(tmp_path), load()
    push(home, WEDNESDAY)
    entries = {code: whole.entry(code) for code in ("marriage", "cremation")}
    return Context(home, Lake(home.lake), replace(whole, entries=entries))


def push(home: Home, at: datetime) -> None:
    day = at.date()
    open_ledger(home).register(a_push(id=f"p{day:%Y%m%d}", data_date=day, received_at=at))


@pytest.fixture
def webhook(city: Context, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """The messages that a local webhook got."""
    with loopback.webhook() as (address, got):
        monkeypatch.setenv("CITYLAKE_WEBHOOK_URL", address)
        yield got


@pytest.fixture
def mailbox(city: Context, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Message]]:
    """A local mail server that takes everything: the mails it got."""
    got: list[Message] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 here\r\n")
            while line := self.rfile.readline():
                command = line[:4].upper()
                if command == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    lines = iter(self.rfile.readline, b".\r\n")
                    got.append(message_from_bytes(b"".join(lines), policy=default))
                self.wfile.write(b"221 bye\r\n" if command == b"QUIT" else b"250 OK\r\n")
                if command == b"QUIT":
                    return

    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("CITYLAKE_SMTP_URL", f"smtp://127.0.0.1:{server.server_address[1]}")
        yield got
        server.shutdown()


TOLD = [Told("civil_affairs", ("marriage",))]
#: Thursday's push was due on Friday; by Monday it is late.
FRIDAY, MONDAY = WEDNESDAY + timedelta(days=2), WEDNESDAY + timedelta(days=5)


def test_a_department_is_told_by_both_ways_and_not_twice(
    city: Context, webhook: list[dict[str, Any]], mailbox: list[Message]
) -> None:
    assert remind(city, FRIDAY) == []
    assert remind(city, MONDAY) == TOLD
    assert remind(city, MONDAY + timedelta(days=1)) == []
    assert webhook == [
        {"event": "late", "department": "civil_affairs", "resources": "marriage", "working_days_late": 1}
    ]
    (mail,) = mailbox
    assert mail["To"] == city.catalogue.departments["civil_affairs"].owner
    body = mail.get_content()  # type: ignore[attr-defined] # with the default policy it has one
    assert "婚姻登记信息（marriage）：应报 due 2025-08-15，逾期 1 个工作日" in body


def test_the_next_deadline_missed_is_told_again(city: Context, webhook: list[dict[str, Any]]) -> None:
    assert remind(city, MONDAY) == TOLD
    push(city.home, MONDAY)
    assert remind(city, MONDAY) == []
    assert remind(city, MONDAY + timedelta(days=3)) == TOLD
    assert len(webhook) == 2


def test_what_nobody_took_is_tried_again(
    city: Context, monkeypatch: pytest.MonkeyPatch, mailbox: list[Message]
) -> None:
    deaf = "http://127.0.0.1:9/hook"
    monkeypatch.setenv("CITYLAKE_WEBHOOK_URL", deaf)
    address = _swap(monkeypatch, "smtp://127.0.0.1:9")
    assert remind(city, MONDAY) == []
    _swap(monkeypatch, address)
    assert remind(city, MONDAY) == TOLD
    assert len(mailbox) == 1


def test_where_no_way_is_set_nothing_is_told_and_nothing_recorded(
    city: Context, request: pytest.FixtureRequest
) -> None:
    assert remind(city, MONDAY) == []
    request.getfixturevalue("webhook")
    assert remind(city, MONDAY) == TOLD


def test_a_password_is_never_sent_in_the_clear(
    city: Context, monkeypatch: pytest.MonkeyPatch, mailbox: list[Message], caplog: pytest.LogCaptureFixture
) -> None:
    """The server here speaks no TLS: with a user in the address nothing is sent to it."""
    monkeypatch.setenv("CITYLAKE_SMTP_PASSWORD", "geheim-1234")
    address = _swap(monkeypatch, "")
    _swap(monkeypatch, address.replace("smtp://", "smtp://bureau@"))
    assert remind(city, MONDAY) == []
    assert mailbox == []
    assert "did not take a reminder" in caplog.text
    assert "geheim-1234" not in caplog.text


def test_what_never_came_is_told_once_its_first_deadline_is_over(
    city: Context, webhook: list[dict[str, Any]]
) -> None:
    """Cremations of August 2025, the month of the city's first push, are due on 5 September."""
    before, after = datetime(2025, 9, 5, 4, tzinfo=UTC), datetime(2025, 9, 8, 4, tzinfo=UTC)
    push(city.home, before)
    assert remind(city, before) == []
    assert remind(city, after) == [Told("civil_affairs", ("cremation",))]
    assert remind(city, after) == []
    assert webhook[0]["working_days_late"] == 1


@pytest.mark.parametrize("accepted", [None, True, False])
def test_who_has_said_why_is_not_told_unless_turned_down(
    city: Context, webhook: list[dict[str, Any]], accepted: bool | None
) -> None:
    promises, due = open_promises(city.home), date(2025, 8, 15)
    number = promises.excuse("civil_affairs", "marriage", due, due, reason="系统迁移", by="li")
    if accepted is not None:
        promises.rule(number, accepted=accepted, reason="已核实", by="zhang")
    assert remind(city, MONDAY) == ([] if accepted is not False else TOLD)
    assert bool(webhook) == (accepted is False)


def test_the_bureau_is_told_once_that_a_notice_has_passed_without_correction(
    city: Context, webhook: list[dict[str, Any]]
) -> None:
    open_promises(city.home).take(
        Step.NOTICE, "civil_affairs", ["marriage", "cremation"], correct_by=date(2025, 8, 29), by="zhang"
    )
    assert overdue_corrections(city, datetime(2025, 8, 29, 4, tzinfo=UTC)) == []
    monday = datetime(2025, 9, 1, 4, tzinfo=UTC)
    assert overdue_corrections(city, monday) == ["civil_affairs"]
    assert overdue_corrections(city, monday) == []
    assert webhook == [
        {"event": "correction overdue", "department": "civil_affairs", "resources": "marriage"}
    ]


def test_what_is_corrected_by_the_notices_day_goes_no_further(
    city: Context, webhook: list[dict[str, Any]]
) -> None:
    open_promises(city.home).take(
        Step.NOTICE, "civil_affairs", ["marriage"], correct_by=date(2025, 8, 29), by="zhang"
    )
    push(city.home, datetime(2025, 8, 29, 4, tzinfo=UTC))
    assert overdue_corrections(city, datetime(2025, 9, 1, 4, tzinfo=UTC)) == []
    assert webhook == []


def _swap(monkeypatch: pytest.MonkeyPatch, address: str) -> str:
    """Set the mail server's address; returns the one before."""
    before = os.environ.get("CITYLAKE_SMTP_URL", "")
    monkeypatch.setenv("CITYLAKE_SMTP_URL", address)
    return before


def test_the_day_of_the_week_is_what_the_tests_say() -> None:
    assert [moment.date().weekday() for moment in (WEDNESDAY, FRIDAY, MONDAY)] == [2, 4, 0]
    assert date(2025, 8, 15).weekday() == 4
