"""Clients that never come to the point: they are let go, nothing of theirs is kept, and others are served meanwhile."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from lake.home import Home
from lake.ledger import Ledger
from pipelines import listening
from pipelines.gateway import limits

Header = Callable[..., dict[str, str]]
PATIENCE_SECONDS = 120


@pytest.fixture
def connect(client: httpx.Client) -> Iterator[Callable[[], socket.socket]]:
    """A bare connection to the gateway."""
    with contextlib.ExitStack() as opened:
        place = (client.base_url.host, client.base_url.port or 80)
        yield lambda: opened.enter_context(socket.create_connection(place, timeout=PATIENCE_SECONDS))


def answer_of(connection: socket.socket) -> bytes:
    """All that is said until the other side closes."""
    said = b""
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        while piece := connection.recv(4096):
            said += piece
    return said


def head_of(header: Header, length: int) -> bytes:
    lines = {**header(), "Host": "gateway", "Content-Type": "text/csv", "Content-Length": str(length)}
    told = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"POST /v1/resources/cremation/pushes HTTP/1.1\r\n{told}\r\n".encode()


def nothing_is_kept(home: Home, ledger: Ledger) -> bool:
    landed = list(home.landing.glob("*/p*")) if home.landing.is_dir() else []
    return not (ledger.waiting() or landed or list((home.work / "incoming").glob("*")))


def test_a_body_that_falls_silent_is_given_up(
    connect: Callable[[], socket.socket],
    client: httpx.Client,
    header: Header,
    home: Home,
    ledger: Ledger,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "SILENCE_SECONDS", 0.3)
    slow = connect()
    slow.sendall(head_of(header, 1000) + b"a,b\n")
    assert client.get("/healthz").status_code == 200, "others are served meanwhile"
    assert slow.recv(12) == b"HTTP/1.1 408"
    assert nothing_is_kept(home, ledger)


def test_a_body_that_trickles_is_given_up(
    connect: Callable[[], socket.socket],
    header: Header,
    home: Home,
    ledger: Ledger,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "PATIENCE_SECONDS", 0.2)
    slow = connect()
    slow.sendall(head_of(header, 1 << 20))
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        for _ in range(1000):
            slow.sendall(b"x")
            slow.settimeout(0.02)
            with contextlib.suppress(TimeoutError):
                if slow.recv(12, socket.MSG_PEEK):
                    break
    slow.settimeout(PATIENCE_SECONDS)
    assert slow.recv(12) == b"HTTP/1.1 408"
    assert nothing_is_kept(home, ledger)


@pytest.mark.parametrize(
    ("begun", "said"),
    [(b"", b""), (b"POST /v1/resources/cremation/pushes HTTP/1.1\r\nHost: g\r\n", b"HTTP/1.1 408")],
)
def test_a_head_that_never_ends_is_given_up(
    connect: Callable[[], socket.socket],
    client: httpx.Client,
    monkeypatch: pytest.MonkeyPatch,
    begun: bytes,
    said: bytes,
) -> None:
    monkeypatch.setattr(listening, "HEAD_SECONDS", 0.3)
    slow = connect()
    slow.sendall(begun)
    told = answer_of(slow)
    assert told[:12] == said
    assert not said or is_problem(told)
    assert client.get("/healthz").status_code == 200


def test_a_second_head_on_a_kept_connection_must_end_too(
    connect: Callable[[], socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "HEAD_SECONDS", 0.3)
    slow = connect()
    slow.sendall(b"GET /healthz HTTP/1.1\r\nHost: g\r\n\r\n")
    first = slow.recv(4096)
    assert first.startswith(b"HTTP/1.1 200")
    slow.sendall(b"GET /healthz HTTP/1.1\r\nHo")
    assert b"HTTP/1.1 408" in answer_of(slow)


def test_a_body_that_was_refused_early_is_no_head_and_ends_too(
    connect: Callable[[], socket.socket], header: Header, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "HEAD_SECONDS", 1.0)
    sent = connect()
    refused = head_of(lambda: {"Authorization": "Bearer nobody"}, 300_000)
    sent.sendall(refused + b"x" * 300_000)
    sent.sendall(b"GET /healthz HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n")
    answers = answer_of(sent)
    assert answers.startswith(b"HTTP/1.1 401")
    assert b"HTTP/1.1 200" in answers, "the connection is good for the next request"
    slow = connect()
    slow.sendall(refused + b"x")
    assert answer_of(slow).startswith(b"HTTP/1.1 401"), "and is closed where the rest never comes"


def test_what_is_no_request_is_a_problem(connect: Callable[[], socket.socket]) -> None:
    lost = connect()
    lost.sendall("你好\r\n\r\n".encode())
    told = answer_of(lost)
    assert told.startswith(b"HTTP/1.1 400")
    assert is_problem(told)


def is_problem(told: bytes) -> bool:
    """Whether an answer off the wire says in both languages what is wrong."""
    head, _, body = told.partition(b"\r\n\r\n")
    said = json.loads(body)
    assert f"content-length: {len(body)}".encode() in head
    return b"content-type: application/problem+json" in head and bool(said["detail"] and said["detail_en"])


def test_a_head_has_an_end_in_bytes(connect: Callable[[], socket.socket], client: httpx.Client) -> None:
    fat = connect()
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        fat.sendall(b"GET /healthz HTTP/1.1\r\n")
        for number in range(4000):
            fat.sendall(b"X-%d: %s\r\n" % (number, b"y" * 1000))
    assert b" 200 " not in answer_of(fat)
    assert client.get("/healthz").status_code == 200


def test_one_address_holds_so_many_connections_and_no_more(
    connect: Callable[[], socket.socket], client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "MAX_CONNECTIONS", 4)
    monkeypatch.setattr(listening, "HEAD_SECONDS", 600)
    held = [connect() for _ in range(4)]
    told = answer_of(connect())
    assert told.startswith(b"HTTP/1.1 503")
    assert is_problem(told)
    for connection in held:
        connection.close()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while client.get("/healthz").status_code != 200 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert client.get("/healthz").status_code == 200
