"""Receipts: bytes to receipt against writing and syncing the same bytes, and small pushes from eight clients.

Here belongs the gateway as departments meet it: a process of its own, over HTTP. The floor is what a receipt promises
and no more: the bytes in a file, file and folder synced.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from pathlib import Path

import httpx
import numpy as np

from benchmarks.harness import Comparison
from lake import tokens
from lake.home import Home
from lake.ledger import open_ledger
from pipelines.services import free_port, gateway_service, running, wait_until_up

MEGABYTES = 512
SMALL_PUSHES, CLIENTS = 2_000, 8
#: Each client is a department of its own, as the limits count them.
SENDERS = {
    "data_bureau": "administrative_licence",
    "urban_management": "administrative_penalty",
    "health": "birth_certificate",
    "market_regulation": "business_registration",
    "development_reform": "credit_record",
    "civil_affairs": "marriage",
    "police": "household_register",
    "finance": "subsidy_payment",
}
BODY = "".join(f'{{"no": "{number:08d}", "word": "试"}}\n' for number in range(60)).encode()


def prepare(folder: Path) -> None:
    """A file of random bytes: nothing on the way can make it smaller."""
    block = np.random.default_rng(1).bytes(1 << 20)
    with (folder / "body").open("wb") as file:
        for number in range(MEGABYTES):
            file.write(number.to_bytes(4, "big") + block[4:])


def prepare_nothing(folder: Path) -> None:
    """Small pushes need no file."""


def large_push(folder: Path) -> float:
    """One body through the gateway, to its receipt."""
    with _gateway(folder) as (url, headers), (folder / "body").open("rb") as body:
        started = time.perf_counter()
        answer = httpx.post(
            f"{url}/v1/resources/marriage/pushes",
            content=iter(lambda: body.read(1 << 20), b""),
            params={"data_date": "2026-01-01"},
            headers=headers["civil_affairs"] | {"Content-Type": "application/x-ndjson"},
            timeout=600,
        )
        seconds = time.perf_counter() - started
    assert answer.status_code == 201, answer.text
    return seconds


def large_write(folder: Path) -> float:
    """The same bytes, written and synced."""
    with (folder / "body").open("rb") as body:
        started = time.perf_counter()
        _write(folder / "copy", iter(lambda: body.read(1 << 20), b""))
        return time.perf_counter() - started


def small_pushes(folder: Path) -> float:
    """Two thousand small bodies from eight departments at once; prints how long a receipt takes."""
    with _gateway(folder) as (url, headers), ThreadPoolExecutor(CLIENTS) as pool:
        work = (
            (url, resource, headers[department] | {"Content-Type": "application/x-ndjson"})
            for department, resource in SENDERS.items()
        )
        started = time.perf_counter()
        seconds = np.concatenate(list(pool.map(lambda job: _send_many(*job), work)))
        total = time.perf_counter() - started
    assert len(seconds) == SMALL_PUSHES
    middle, late = np.percentile(seconds, [50, 99]) * 1000
    print(f"  receipt of a small push: p50 {middle:.1f} ms, p99 {late:.1f} ms", flush=True)
    return total


def small_writes(folder: Path) -> float:
    """As many files of the same bytes, written and synced by eight threads."""
    names = count()
    started = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(lambda _: _write(folder / f"copy-{next(names)}", [BODY]), range(SMALL_PUSHES)))
    return time.perf_counter() - started


def _send_many(url: str, resource: str, headers: dict[str, str]) -> list[float]:
    seconds = []
    with httpx.Client(base_url=url, headers=headers, timeout=120) as client:
        for _ in range(SMALL_PUSHES // CLIENTS):
            started = time.perf_counter()
            answer = client.post(
                f"/v1/resources/{resource}/pushes", content=BODY, params={"data_date": "2026-01-01"}
            )
            seconds.append(time.perf_counter() - started)
            assert answer.status_code == 201, answer.text
    return seconds


def _write(path: Path, chunks: Iterator[bytes] | list[bytes]) -> None:
    with path.open("wb") as file:
        for chunk in chunks:
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


@contextmanager
def _gateway(folder: Path) -> Iterator[tuple[str, dict[str, dict[str, str]]]]:
    """A gateway process and every sender's header. Its start is not counted."""
    home = Home.open(folder / "home")
    ledger = open_ledger(home)
    headers = {
        department: {"Authorization": f"Bearer {tokens.create(ledger, department, timedelta(hours=1))}"}
        for department in SENDERS
    }
    service = gateway_service(free_port())
    with running(home, [service]) as (process,):
        wait_until_up(home, service, process)
        yield (service.url or "").removesuffix("/healthz"), headers


COMPARISONS = (
    Comparison("receipt_bytes", "write + fsync of the same bytes", 3, large_push, large_write, prepare),
    # a small push is HTTP, a token and three SQL statements, of which the floor has nothing: this guards, it does not aim
    Comparison("receipt_small", "write + fsync, 8 threads", 50, small_pushes, small_writes, prepare_nothing),
)
