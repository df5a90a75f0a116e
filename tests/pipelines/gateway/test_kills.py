"""A gateway killed at any moment: every receipt that was given is kept, and nothing else is registered."""

from __future__ import annotations

import hashlib
import multiprocessing
import multiprocessing.process
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import httpx
import pytest

from lake.home import Home
from lake.landing import landed_file, sweep
from lake.ledger import Ledger
from pipelines.gateway.app import run

pytestmark = pytest.mark.kills
KILLS = 6
# gateways are forked from a process that has imported everything, so that a kill costs no start of Python
SERVERS = multiprocessing.get_context("forkserver")
SERVERS.set_forkserver_preload(["pipelines.gateway.app"])


@contextmanager
def serving(
    home: Home, run: Callable[..., None] = run
) -> Iterator[tuple[multiprocessing.process.BaseProcess, str]]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = SERVERS.Process(target=run, args=(home,), kwargs={"port": port})
    process.start()
    try:
        base = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            try:
                httpx.get(f"{base}/healthz", timeout=5)
                break
            except httpx.TransportError:
                time.sleep(0.05)
        yield process, base
    finally:
        process.kill()
        process.join()


def push(base: str, header: dict[str, str], key: str, body: bytes, pieces: int = 1) -> str | None:
    """The receipt's id; None where the connection broke."""

    def slowly() -> Iterator[bytes]:
        size = len(body) // pieces + 1
        for start in range(0, len(body), size):
            yield body[start : start + size]
            time.sleep(0.02 if pieces > 1 else 0)

    headers = header | {"Content-Type": "text/csv", "Idempotency-Key": key}
    try:
        answer = httpx.post(
            f"{base}/v1/resources/cremation/pushes", content=slowly(), headers=headers, timeout=300
        )
    except httpx.TransportError:
        return None
    return str(answer.raise_for_status().json()["receipt"])


def body_of(number: int) -> bytes:
    return hashlib.sha256(b"%d" % number).digest() * 4000


def test_killed_in_the_middle_of_a_body_nothing_is_registered(
    home: Home, ledger: Ledger, header: Callable[..., dict[str, str]]
) -> None:
    mine = header()
    with serving(home) as (process, base):
        result: list[str | None] = []
        sender = threading.Thread(target=lambda: result.append(push(base, mine, "k", body_of(1), pieces=100)))
        sender.start()
        incoming = home.work / "incoming"
        deadline = time.monotonic() + 300
        while not (incoming.is_dir() and any(incoming.glob("*/*"))) and time.monotonic() < deadline:
            time.sleep(0.01)
        process.kill()
        sender.join()
    assert result == [None]
    assert ledger.waiting() == []
    assert not home.landing.exists()
    with serving(home) as (_, base):
        receipt = push(base, mine, "k", body_of(1))
    assert [item.id for item in ledger.waiting()] == [receipt]
    assert len(sweep(home, ledger, older_than=timedelta(0))) == 1, "what the killed one left is found"


def test_killed_at_random_every_receipt_is_kept_and_each_push_is_there_once(
    home: Home, ledger: Ledger, header: Callable[..., dict[str, str]]
) -> None:
    mine, luck = header(), random.Random(44)  # noqa: S311 - when to kill is no secret
    receipts: dict[int, str] = {}
    wanted = range(40)
    for kill in range(KILLS + 1):
        with serving(home) as (process, base):
            if kill < KILLS:
                threading.Timer(luck.uniform(0.02, 0.4), process.kill).start()
            for number in wanted:
                if number not in receipts:
                    given = push(base, mine, f"key-{number}", body_of(number))
                    if given is None:
                        break
                    receipts[number] = given
    assert sorted(receipts) == list(wanted)
    pushes = {item.id: item for item in ledger.history("cremation")}
    assert sorted(pushes) == sorted(receipts.values()), "one push for each key, however often it was sent"
    for number, receipt in receipts.items():
        assert landed_file(home, pushes[receipt]).read_bytes() == body_of(number)
    sweep(home, ledger, older_than=timedelta(0))
    assert {folder.name for folder in home.landing.glob("*/p*")} == set(receipts.values())
