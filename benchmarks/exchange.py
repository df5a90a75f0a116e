"""A table of 1 million rows × 12 columns, from the embedded PostgreSQL to standard, against ADBC reading it into Arrow.

Here belong the table and the two sides. Ours is the product's own path: read in one snapshot, digest its content, land
and register it, then all that a push costs, up to the commit and the settling. The other holds the rows in memory, and
keeps nothing. Starting the server is on neither side's clock, and its memory in neither's peak. The cells are text, as a
department's exchange table has them, one row in a hundred with a bad one. ``CITYLAKE_BENCH_ROWS`` makes it smaller.
"""

from __future__ import annotations

import time
from pathlib import Path

import polars as pl

from assets.ingest.databases import connected, postgresql
from assets.ingest.exchange import embedded, pull, put
from benchmarks.harness import Comparison
from benchmarks.push import DIRTY, ENTRY, TODAY, applied, blocks, fresh
from benchmarks.push import ROWS as PUSHED
from catalog.model import Entry
from lake.home import Home
from lake.ledger import open_ledger

ROWS = PUSHED // 2
TABLE = Entry.model_validate(
    ENTRY.model_dump(mode="json")
    | {"delivery": {"ways": ["table"], "mode": "snapshot", "key": ["payment_no"]}}
)


def prepare(folder: Path) -> None:
    """The department writes its table, and the server stops with this process."""
    with postgresql(_server(folder)) as connection:
        put(connection, TABLE.department, TABLE.code, pl.concat(blocks(ROWS, DIRTY)))


def ours(folder: Path) -> float:
    """Exchange table → landing → standard + quarantine, committed; each run into a home of its own."""
    home = Home.open(fresh(folder))
    with connected(_server(folder)) as database:
        started = time.perf_counter()
        ledger = open_ledger(home)
        push = pull(home, ledger, TABLE, database, TODAY)
        assert push is not None
        outcome = applied(home, TABLE, ledger, push)
        seconds = time.perf_counter() - started
    assert outcome.accepted + outcome.rejected == outcome.rows == ROWS
    assert outcome.rejected > 0
    return seconds


def adbc(folder: Path) -> float:
    """The same table into one Arrow table."""
    with postgresql(_server(folder)) as connection, connection.cursor() as cursor:
        started = time.perf_counter()
        cursor.execute(f'SELECT * FROM "{TABLE.department}"."{TABLE.code}"')
        table = cursor.fetch_arrow_table()
        seconds = time.perf_counter() - started
    assert table.num_rows == ROWS
    return seconds


def _server(folder: Path) -> str:
    return embedded(Home.open(folder / "home"))


COMPARISONS = (Comparison("table", "ADBC into Arrow", None, ours, adbc, prepare),)
