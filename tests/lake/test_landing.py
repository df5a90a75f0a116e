"""A receipt is a promise: the bytes are there, whole and unchanged, and registered once; else nothing is kept."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.load import load
from catalog.model import Way
from lake import landing
from lake.home import Home
from lake.landing import DigestError, PushRefusedError, TooLargeError, landed_file, receive, safe_name, sweep
from lake.ledger import IdempotencyConflictError, Ledger, Push, open_ledger

ENTRY = load().entry("marriage")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.open(tmp_path)


@pytest.fixture
def ledger(home: Home) -> Ledger:
    return open_ledger(home)


def send(home: Home, ledger: Ledger, *chunks: bytes, **options: Any) -> Push:
    defaults: dict[str, Any] = {
        "way": Way.FILE,
        "filename": "婚姻 登记.csv",
        "data_format": "csv",
        "data_date": date(2024, 1, 31),
    }
    return receive(home, ledger, ENTRY, chunks, **(defaults | options))


def nothing_kept(home: Home, ledger: Ledger) -> bool:
    files = [path for folder in (home.landing, home.work) for path in folder.rglob("*") if path.is_file()]
    return not files and not ledger.waiting()


def test_the_bytes_are_landed_as_they_came(home: Home, ledger: Ledger) -> None:
    push = send(home, ledger, b"ab", b"", b"c")
    path = landed_file(home, push)
    assert path == home.landing / "marriage" / push.id / "婚姻_登记.csv"
    assert path.read_bytes() == b"abc"
    assert (push.size, push.digest) == (3, hashlib.sha256(b"abc").hexdigest())
    assert path.stat().st_mode & 0o777 == 0o400
    assert path.parent.stat().st_mode & 0o077 == 0
    assert ledger.waiting() == [push]
    assert list((home.work / "incoming").iterdir()) == []


def test_file_folders_and_ledger_are_made_durable_in_that_order(
    home: Home, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    real = os.fsync

    def note(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        assert ledger.waiting() == []
        real(descriptor)

    monkeypatch.setattr(landing.os, "fsync", note)
    push = send(home, ledger, b"x")
    assert synced == ["婚姻_登记.csv", home.root.name, "landing", push.id, "marriage"]


@pytest.mark.parametrize(
    ("chunks", "options", "error"),
    [
        ([], {}, PushRefusedError),
        ([b"", b""], {}, PushRefusedError),
        ([b"abc"], {"max_bytes": 2}, TooLargeError),
        ([b"abc"], {"expected_digest": "0" * 64}, DigestError),
        ([b"abc"], {"data_date": date.today() + timedelta(days=3)}, PushRefusedError),  # noqa: DTZ011
    ],
)
def test_what_is_refused_leaves_nothing(
    home: Home, ledger: Ledger, chunks: list[bytes], options: dict[str, Any], error: type[PushRefusedError]
) -> None:
    with pytest.raises(error) as caught:
        send(home, ledger, *chunks, **options)
    assert caught.value.reason.zh
    assert nothing_kept(home, ledger)


def test_the_rest_of_an_oversized_body_is_not_read(home: Home, ledger: Ledger) -> None:
    def endless() -> Iterator[bytes]:
        yield from (b"x" * 100 for _ in range(3))
        pytest.fail("read on after the limit")

    with pytest.raises(TooLargeError):
        receive(
            home,
            ledger,
            ENTRY,
            endless(),
            way=Way.API,
            filename="a",
            data_format="csv",
            data_date=date(2024, 1, 1),
            max_bytes=250,
        )


def test_a_source_that_breaks_off_leaves_nothing(home: Home, ledger: Ledger) -> None:
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise ConnectionError

    with pytest.raises(ConnectionError):
        receive(
            home,
            ledger,
            ENTRY,
            broken(),
            way=Way.API,
            filename="a",
            data_format="csv",
            data_date=date(2024, 1, 1),
        )
    assert nothing_kept(home, ledger)


def test_a_full_disk_leaves_nothing(home: Home, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(landing.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        send(home, ledger, b"abc")
    assert nothing_kept(home, ledger)


def test_the_same_key_gives_the_same_receipt_and_other_bytes_a_conflict(home: Home, ledger: Ledger) -> None:
    first = send(home, ledger, b"abc", idempotency_key="k")
    assert send(home, ledger, b"a", b"bc", idempotency_key="k") == first
    with pytest.raises(IdempotencyConflictError):
        send(home, ledger, b"other", idempotency_key="k")
    assert [folder.name for folder in (home.landing / "marriage").iterdir()] == [first.id]


def test_ten_identical_pushes_at_once_are_one(home: Home, ledger: Ledger) -> None:
    together = threading.Barrier(10)

    def one(number: int) -> str:
        together.wait()
        try:
            return send(home, ledger, b"abc", idempotency_key="k").id
        except IdempotencyConflictError:
            return f"conflict {number}"

    with ThreadPoolExecutor(10) as pool:
        assert len(set(pool.map(one, range(10)))) == 1
    assert len(list((home.landing / "marriage").iterdir())) == 1


def test_of_ten_different_pushes_under_one_key_one_lands(home: Home, ledger: Ledger) -> None:
    together = threading.Barrier(10)

    def one(number: int) -> str:
        together.wait()
        try:
            return send(home, ledger, b"%d" % number, idempotency_key="k").id
        except IdempotencyConflictError:
            return "conflict"

    with ThreadPoolExecutor(10) as pool:
        results = list(pool.map(one, range(10)))
    assert results.count("conflict") == 9
    assert len(list((home.landing / "marriage").iterdir())) == 1


def test_what_a_killed_receiver_left_is_swept_when_it_is_old(
    home: Home, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = send(home, ledger, b"abc")

    class KilledError(BaseException):
        pass

    def killed(_: Push) -> Push:
        raise KilledError

    monkeypatch.setattr(ledger, "register", killed)
    with pytest.raises(KilledError):
        send(home, ledger, b"never registered")
    upload = home.work / "incoming" / "p0"
    upload.mkdir(parents=True)
    assert sweep(home, ledger) == []
    for folder in [upload, *(home.landing / "marriage").iterdir()]:
        os.utime(folder, (0, 0))
    assert len(sweep(home, ledger)) == 2
    assert landed_file(home, kept).read_bytes() == b"abc"
    assert [folder.name for folder in (home.landing / "marriage").iterdir()] == [kept.id]


@pytest.mark.parametrize(
    ("given_name", "safe"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\资料\\人口.xlsx", "人口.xlsx"),
        ("a\x00b\n.csv", "a_b_.csv"),
        ("..", "push"),
        ("", "push"),
        (".hidden", "hidden"),
        ("x" * 300 + ".csv", "x" * 150 + ".csv"),
        ("𠮷" * 100 + ".csv", "𠮷" * 37 + ".csv"),
    ],
)
def test_names_are_made_safe(given_name: str, safe: str) -> None:
    assert safe_name(given_name) == safe


@given(st.text(max_size=300))
def test_every_name_can_be_a_file(name: str) -> None:
    safe = safe_name(name)
    assert 0 < len(safe.encode()) <= 201
    assert not set(safe) & set("/\\\0\n\x1b")
    assert not safe.startswith(".")
