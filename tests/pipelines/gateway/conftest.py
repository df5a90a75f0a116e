"""A gateway over an empty home, in this process, with tokens for two departments."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from catalog.load import Catalogue
from catalog.model import Limits
from lake import tokens
from lake.home import Home
from lake.ledger import Ledger, open_ledger
from pipelines.gateway.app import create_app
from pipelines.listening import GuardedProtocol
from tests.pipelines.loopback import served


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.open(tmp_path)


@pytest.fixture
def ledger(home: Home) -> Ledger:
    return open_ledger(home)


@pytest.fixture
def client(home: Home, catalogue: Catalogue) -> Iterator[httpx.Client]:
    """A client of a real server on loopback, in a thread, so that a test may change the limits."""
    with served(create_app(home, catalogue), http=GuardedProtocol) as client:
        yield client


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
