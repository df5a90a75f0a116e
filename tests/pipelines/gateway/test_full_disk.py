"""A gateway whose disk fills up, a real and small one: what has a receipt stays whole, and the rest is refused as 507."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from lake.home import Home
from lake.landing import landed_file
from lake.ledger import Ledger
from pipelines.gateway import limits
from tests.conftest import SMALL_DISK, Tried


@pytest.fixture
def home(small_disk: Path) -> Home:
    return Home.open(small_disk)


def body_of(number: int) -> bytes:
    return (b"%d\n" % number) * (1_000 + number * 97 % 30_000)


def test_a_full_disk_refuses_pushes_and_keeps_every_receipt(
    home: Home,
    ledger: Ledger,
    send: Callable[..., httpx.Response],
    monkeypatch: pytest.MonkeyPatch,
    tried: Tried,
) -> None:
    assert send(body_of(0)).status_code == 507, "long before the disk is full"
    monkeypatch.setattr(limits, "MIN_FREE_BYTES", 0)
    receipts: dict[str, int] = {}
    refused = 0
    for number in range(10_000):
        answer = send(body_of(number))
        if answer.status_code == 201:
            receipts[answer.json()["receipt"]] = number
        else:
            assert (answer.status_code, answer.headers["content-type"]) == (507, "application/problem+json")
            refused += 1
        if refused == 40:
            break
    assert receipts
    assert sum(path.stat().st_size for path in home.root.rglob("*") if path.is_file()) > SMALL_DISK // 2
    pushes = ledger.waiting()
    assert {push.id for push in pushes} == set(receipts)
    assert all(landed_file(home, push).read_bytes() == body_of(receipts[push.id]) for push in pushes)
    assert {folder.name for folder in home.landing.glob("*/p*")} == set(receipts)
    assert not list((home.work / "incoming").iterdir())
    landed_file(home, max(pushes, key=lambda push: push.size)).unlink()
    assert send(body_of(1)).status_code == 201, "as soon as there is room"
    tried("pushes to a full disk", refused)
