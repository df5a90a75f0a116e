"""Ten thousand tiny pushes to one resource: the last hundred against the first hundred.

Here belongs whether a push grows dearer with every push before it: a longer log, more files, more pushes to look
through. Each is landed, registered, applied and settled by itself, as in a city where they trickle in.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

from assets.build import Context
from assets.standard import apply, make_tables
from benchmarks.harness import Comparison
from benchmarks.push import ENTRY
from catalog.load import load
from catalog.model import Entry, Way
from lake.home import Home
from lake.landing import receive
from lake.ledger import PushState, open_ledger
from lake.tables import Lake

BEFORE, TIMED = 9_900, 100
COLUMNS = ("payment_no", "benefit", "amount")
SMALL = Entry.model_validate(
    ENTRY.model_dump(mode="json")
    | {
        "code": "tiny",
        "columns": {name: ENTRY.columns[name].model_dump(mode="json") for name in COLUMNS},
        "delivery": {"ways": ["file"], "mode": "upsert", "key": ["payment_no"]},
        "rules": [],
    }
)


def prepare(folder: Path) -> None:
    """One home in which 9,900 pushes have been applied."""
    context = _context(folder / "old")
    for number in range(BEFORE):
        _push(context, number)
        if number % 1_000 == 999:
            print(f"  {number + 1:,} pushes applied ...", flush=True)


def last_hundred(folder: Path) -> None:
    """A hundred more after those."""
    _hundred(folder / "old")


def first_hundred(folder: Path) -> None:
    """A hundred into an empty home; each run has its own."""
    _hundred(folder / f"new-{sum(1 for _ in folder.iterdir())}")


def _hundred(root: Path) -> None:
    context = _context(root)
    start = len(open_ledger(context.home).history(SMALL.code))
    for number in range(start, start + TIMED):
        _push(context, number)
    assert context.lake.rows("standard", SMALL.code) == 2 * (start + TIMED)


def _context(root: Path) -> Context:
    home = Home.open(root)
    context = Context(home, Lake(home.lake), replace(load(), entries={SMALL.code: SMALL}))
    make_tables(context, SMALL)
    return context


def _push(context: Context, number: int) -> None:
    ledger = open_ledger(context.home)
    rows = "".join(f"QY{number:08d}{row},低保金,{number % 900 + row}.50\n" for row in range(2))
    push = receive(
        context.home,
        ledger,
        SMALL,
        [f"{','.join(COLUMNS)}\n{rows}".encode()],
        way=Way.FILE,
        filename="tiny.csv",
        data_format="csv",
        data_date=date(2026, 1, 1),
    )
    assert apply(context, ledger, push).state is PushState.APPLIED


COMPARISONS = (
    Comparison(
        "tiny_pushes", "the first hundred of them", 1.5, last_hundred, first_hundred, prepare, alike=True
    ),
)
