"""Gateway and pipeline killed at random while departments push: every receipted push is applied once, and no other.

Here belongs the whole way from HTTP to the two tables, with real processes and ``kill -9``. What a kill at each single step
does is tried in ``tests/assets/test_standard.py`` and ``tests/lake``.
"""

from __future__ import annotations

import json
import multiprocessing
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from assets.build import Context
from assets.standard import apply_waiting, make_tables
from catalog.load import load
from lake import tokens
from lake.home import Home
from lake.landing import landed_file, sweep
from lake.ledger import Ledger, PushState, open_ledger
from lake.tables import Lake
from tests.assets.small_lake import resident
from tests.conftest import Tried
from tests.pipelines.gateway.test_kills import push, serving

pytestmark = [pytest.mark.kills, pytest.mark.slow]
RESOURCE = "cremation"
KILLS_OF_EACH = 105
ROWS = 150
#: Departments rest while so many pushes wait, so that the end is not spent on applying what is left.
MOST_WAITING = 25
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["pipelines.gateway.app", "assets.standard"])


def body_of(number: int) -> bytes:
    """Rows of keys that no other push has, and one row that nothing can mend."""
    who = resident(number % 1000)
    good = (f"N{number}-{row},{who},张三,2024-01-01\n" for row in range(ROWS))
    return (
        "火化证编号,公民身份号码,姓名,火化日期\n" + "".join(good) + "x,4.41802E+17,李四,2024-01-01\n"
    ).encode()


def apply_for_ever(root: Path, at_work: Event) -> None:
    """What the killed pipeline does."""
    home = Home.open(root)
    context = Context(home, Lake(home.lake), load())
    at_work.set()
    while True:
        apply_waiting(context, RESOURCE)
        time.sleep(0.02)


@contextmanager
def applying(home: Home) -> Iterator[BaseProcess]:
    at_work = PROCESSES.Event()
    process = PROCESSES.Process(target=apply_for_ever, args=(home.root, at_work))
    process.start()
    try:
        assert at_work.wait(60), "the pipeline did not start"
        yield process
    finally:
        process.kill()
        process.join()


@dataclass
class Department:
    """Pushes one file after another, each until it has a receipt, to whichever gateway answers."""

    ledger: Ledger
    header: dict[str, str]
    base: str | None = None
    receipts: dict[int, str] = field(default_factory=dict)
    sent: int = 0
    closed: threading.Event = field(default_factory=threading.Event)

    def push_for_ever(self) -> None:
        while not self.closed.is_set():
            base = self.base
            if base is None or len(self.ledger.waiting(RESOURCE)) >= MOST_WAITING:
                time.sleep(0.01)
                continue
            self.sent += 1
            given = push(
                base, self.header, f"key-{len(self.receipts)}", body_of(len(self.receipts)), pieces=3
            )
            if given:
                self.receipts[len(self.receipts)] = given


def kill_often(run: Callable[[], AbstractContextManager[BaseProcess]], seed: int) -> int:
    """Start what ``run`` starts, and kill it after a while, again and again."""
    luck = random.Random(seed)  # noqa: S311 - when to kill is no secret
    for _ in range(KILLS_OF_EACH):
        with run() as process:
            time.sleep(luck.uniform(0, 0.6))
            assert process.is_alive(), "it ended by itself"
    return KILLS_OF_EACH


def transactions(lake: Lake, layer: str) -> Counter[str]:
    """How many commits of a table carry each application transaction."""
    log = lake.path(layer, RESOURCE) / "_delta_log"
    actions = (json.loads(line) for path in log.glob("*.json") for line in path.read_text().splitlines())
    return Counter(action["txn"]["appId"] for action in actions if "txn" in action)


def test_after_two_hundred_kills_every_receipted_push_is_applied_once_and_no_other(
    tmp_path: Path, tried: Tried
) -> None:
    home = Home.open(tmp_path)
    ledger, catalogue = open_ledger(home), load()
    context = Context(home, Lake(home.lake), catalogue)
    make_tables(context, catalogue.entry(RESOURCE))
    token = tokens.create(ledger, "civil_affairs", timedelta(hours=1), None)
    department = Department(ledger, {"Authorization": f"Bearer {token}"})

    @contextmanager
    def served() -> Iterator[BaseProcess]:
        with serving(home) as (process, department.base):
            yield process

    killed: dict[str, int] = {}
    killers = [
        threading.Thread(target=lambda: killed.update(gateway=kill_often(served, 1))),
        threading.Thread(target=lambda: killed.update(pipeline=kill_often(lambda: applying(home), 2))),
    ]
    sender = threading.Thread(target=department.push_for_ever)
    for thread in (sender, *killers):
        thread.start()
    for killer in killers:
        killer.join()
    with served():
        department.closed.set()
        sender.join()
    apply_waiting(context, RESOURCE)

    assert killed == dict.fromkeys(("gateway", "pipeline"), KILLS_OF_EACH)
    receipts = department.receipts
    pushes = {item.id: item for item in ledger.history(RESOURCE)}
    assert set(receipts.values()) <= set(pushes), "what was receipted is there"
    assert len(set(pushes) - set(receipts.values())) <= 1, (
        "and nothing else but a receipt that did not arrive"
    )
    assert {item.state for item in pushes.values()} == {PushState.APPLIED}
    assert all(
        landed_file(home, pushes[receipt]).read_bytes() == body_of(n) for n, receipt in receipts.items()
    )
    sweep(home, ledger, older_than=timedelta(0))
    assert {folder.name for folder in home.landing.glob("*/p*")} == set(pushes)
    for layer, rows in (("standard", ROWS), ("quarantine", 1)):
        table = context.lake.scan(layer, RESOURCE)
        assert dict(table.group_by("_push").len().collect().iter_rows()) == dict.fromkeys(pushes, rows)
        commits = transactions(context.lake, layer)
        assert {name: commits[name] for name in pushes} == dict.fromkeys(pushes, 1), "each in one commit"
    keys = context.lake.scan("standard", RESOURCE).select("cremation_no").collect()
    assert keys["cremation_no"].is_unique().all()
    tried("kills of the gateway", killed["gateway"])
    tried("kills of the pipeline", killed["pipeline"])
    tried("pushes while processes were killed", department.sent)
