"""A gateway over an empty home, in this process, with tokens for two departments."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import uvicorn

from catalog.load import Catalogue
from catalog.model import Limits
from lake import tokens
from lake.home import Home
from lake.ledger import Ledger, open_ledger
from pipelines.gateway.app import create_app
from pipelines.listening import GuardedProtocol


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.open(tmp_path)


@pytest.fixture
def ledger(home: Home) -> Ledger:
    return open_ledger(home)


@pytest.fixture
def client(home: Home, catalogue: Catalogue) -> Iterator[httpx.Client]:
    """A client of a real server on loopback, in a thread, so that a test may change the limits."""
    config = uvicorn.Config(
        create_app(home, catalogue),
        log_level="critical",
        access_log=False,
        ws="none",
        lifespan="off",
        http=GuardedProtocol,
    )
    server, listener = uvicorn.Server(config), socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=300) as client:
        yield client
    server.should_exit = True
    thread.join()


@pytest.fixture
def allow(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Give civil affairs limits of its own, for the time of a test."""
    departments = catalogue.departments
    assert isinstance(departments, dict)

    def give(**limits: int) -> None:
        limited = departments["civil_affairs"].model_copy(update={"limits": Limits(**limits)})
        monkeypatch.setitem(departments, "civil_affairs", limited)

    return give


@pytest.fixture
def header(ledger: Ledger) -> Callable[..., dict[str, str]]:
    """The authorization header of a department."""

    def make(department: str = "civil_affairs", resources: list[str] | None = None) -> dict[str, str]:
        return {"Authorization": f"Bearer {tokens.create(ledger, department, timedelta(hours=1), resources)}"}

    return make


@pytest.fixture
def send(client: httpx.Client, header: Callable[..., dict[str, str]]) -> Callable[..., httpx.Response]:
    """Push bytes as civil affairs, as CSV unless told otherwise."""
    mine = {name.lower(): value for name, value in header().items()}

    def push(
        body: object = b"a,b\n", resource: str = "cremation", date: str | None = "2024-06-30", **headers: str
    ) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return client.post(
            f"/v1/resources/{resource}/pushes",
            params={"data_date": date} if date else {},
            content=body,
            headers=httpx.Headers({"content-type": "text/csv"} | mine | named),
        )

    return push
