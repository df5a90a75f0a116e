"""How long the data bureau's page takes to answer, over 500 resources and two years of their pushes.

Here belong the city and the round of its pages, asked one after the other over HTTP of a real server, as the bureau and as
a department. Each page is asked for often enough for a 95th percentile; the slowest page's is held against 200 ms.
"""

from __future__ import annotations

import re
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import uvicorn

from assets.build import Context
from assets.operations import record_periods
from benchmarks.city_history import widened, write_history
from benchmarks.harness import Comparison
from catalog.load import load
from lake.home import Home
from lake.ledger import open_ledger
from lake.tables import Lake
from pipelines.dashboard.accounts import Role, open_accounts
from pipelines.dashboard.app import create_app
from quality.clock import today

RESOURCES, YEARS, TIMES = 500, 2, 20
AIM_SECONDS = 0.2
PASSWORD = "correct horse battery staple"  # noqa: S105 # of an account that lives as long as the benchmark
#: As whom each page is asked for; ``{push}`` is one of the newest pushes.
ROUND = {
    "zhang": (
        "/",
        "/?state=late",
        "/departments/civil_affairs",
        "/departments/civil_affairs/excuses",
        "/departments/civil_affairs/notice",
        "/resources/marriage",
        "/receipts/{push}",
        "/pushes",
        "/pushes?state=applied&at=900",
        "/periods",
        "/periods?verdict=missed&month=2026-03",
        "/catalogue?q=登记",
        "/bulletin",
        "/bases",
        "/map",
        "/acts",
    ),
    "li": ("/departments/civil_affairs", "/resources/marriage", "/pushes", "/periods", "/catalogue"),
}


def prepare(folder: Path) -> None:
    """The ledger with its pushes, the record of periods, two accounts."""
    context = _context(folder)
    now = today()
    pushes = write_history(context, now - timedelta(days=365 * YEARS), now)
    record_periods(context)
    accounts = open_accounts(context.home)
    accounts.create("zhang", Role.BUREAU, None, PASSWORD)
    accounts.create("li", Role.DEPARTMENT, "civil_affairs", PASSWORD)
    print(f"{len(context.catalogue.entries)} resources, {pushes:,} pushes")


def slowest_page(folder: Path) -> float:
    """Ask for every page in turn; returns the slowest page's 95th percentile in seconds, and prints every page's."""
    context = _context(folder)
    app = create_app(context)
    app.state.site.warm()
    found = {}
    with _served(app) as address:
        for name, pages in ROUND.items():
            with httpx.Client(base_url=address, timeout=120) as client:
                _log_in(client, name)
                push = open_ledger(context.home).latest("marriage")
                for page in pages:
                    asked = page.format(push=push.id if push else "")
                    found[f"{name} {page}"] = _percentiles(client, asked)
    print(f"{'median':>8} {'95 %':>8} {'CPU':>8}")
    for page, taken in sorted(found.items(), key=lambda item: -item[1][1]):
        print(" ".join(f"{seconds * 1000:5.0f} ms" for seconds in taken), "", page)
    return max(late for _, late, _ in found.values())


def allowed(_: Path) -> float:
    """What a page may take."""
    return AIM_SECONDS


def _percentiles(client: httpx.Client, page: str) -> tuple[float, float, float]:
    """Median and 95th percentile of the time an answer takes, and its median processor time, server and client together."""
    taken, busy = [], []
    for _ in range(TIMES + 1):
        started, before = time.perf_counter(), time.process_time()
        client.get(page).raise_for_status()
        taken.append(time.perf_counter() - started)
        busy.append(time.process_time() - before)
    # the first answer to anybody after a change works out what all later ones show
    taken, busy = taken[1:], busy[1:]
    return statistics.median(taken), statistics.quantiles(taken, n=20)[-1], statistics.median(busy)


def _log_in(client: httpx.Client, name: str) -> None:
    found = re.search(r'name="csrf" value="([^"]+)"', client.get("/login").text)
    form = {"csrf": found[1] if found else "", "name": name, "password": PASSWORD}
    client.post("/login", data=form)


def _context(folder: Path) -> Context:
    home = Home.open(folder / "home")
    return Context(home, Lake(home.lake), widened(load(), RESOURCES))


@contextmanager
def _served(app: object) -> Iterator[str]:
    config = uvicorn.Config(app, log_level="critical", access_log=False, ws="none", lifespan="off")  # type: ignore[arg-type] # an ASGI application
    server, listener = uvicorn.Server(config), socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join()


COMPARISONS = (
    Comparison("page_answer", "the 200 ms a page may take", 1.0, slowest_page, allowed, prepare, runs=1),
)
