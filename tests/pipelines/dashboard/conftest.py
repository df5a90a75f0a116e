"""The page over a small city, in this process: two departments have pushed, and everybody has an account."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date
from pathlib import Path

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from assets.build import Build, Context
from assets.recipes import all_builds
from assets.standard import apply_waiting, make_tables
from catalog.load import Catalogue, load
from catalog.model import Way
from lake.home import Home
from lake.landing import receive
from lake.ledger import Push, open_ledger
from lake.tables import Lake
from pipelines.dashboard.accounts import open_accounts
from pipelines.dashboard.app import create_app
from tests.pipelines.dashboard.town import ACCOUNTS, PASSWORD, token

Login = Callable[[str], httpx.Client]


@pytest.fixture
def city(tmp_path: Path, catalogue: Catalogue) -> Context:
    home = Home.open(tmp_path)
    return Context(home, Lake(home.lake), catalogue)


@pytest.fixture(scope="session")
def builds() -> list[Build]:
    """The recipes of the shipped catalogue, which every page's process reads once."""
    return all_builds(load())


@pytest.fixture
def app(city: Context, builds: list[Build], monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    accounts = open_accounts(city.home)
    for name, (role, department) in ACCOUNTS.items():
        accounts.create(name, role, department, PASSWORD)
    # a page in a test is always asked for anew
    monkeypatch.setattr("pipelines.dashboard.board.FRESH_SECONDS", 0.0)
    app = create_app(city)
    vars(app.state.site)["builds"] = builds
    return app


@pytest.fixture
def address(app: FastAPI) -> Iterator[str]:
    """Where the page is served, by a real server on loopback."""
    config = uvicorn.Config(app, log_level="critical", access_log=False, ws="none", lifespan="off")
    server, listener = uvicorn.Server(config), socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def visitor(address: str) -> Iterator[httpx.Client]:
    """A browser in which nobody is logged in."""
    with httpx.Client(base_url=address, timeout=300) as client:
        yield client


@pytest.fixture
def login(address: str) -> Iterator[Login]:
    """A browser for each person, logged in as a person is: through the form."""
    with ExitStack() as opened:

        def make(name: str) -> httpx.Client:
            client = opened.enter_context(httpx.Client(base_url=address, timeout=300))
            form = {"csrf": token(client, "/login"), "name": name, "password": PASSWORD}
            assert client.post("/login", data=form).status_code == 303
            return client

        yield make


@pytest.fixture
def push(city: Context) -> Callable[..., Push]:
    """Deliver rows of a resource as CSV and apply them; returns the settled push."""

    def deliver(resource: str, *rows: dict[str, str], on: date = date(2026, 1, 5)) -> Push:
        entry, ledger = city.catalogue.entry(resource), open_ledger(city.home)
        lines = [
            ",".join(entry.columns),
            *(",".join(row.get(name, "") for name in entry.columns) for row in rows),
        ]
        landed = receive(
            city.home,
            ledger,
            entry,
            ["\n".join(lines).encode()],
            way=Way.FILE,
            filename=f"{resource}.csv",
            data_format="csv",
            data_date=on,
        )
        make_tables(city, entry)
        apply_waiting(city, resource)
        return ledger.get(landed.id)

    return deliver
