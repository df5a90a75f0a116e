"""What Dagster keeps of ten thousand pushes: how large its database becomes, and what its questions cost then.

Here belongs Dagster's own storage only, so no push is read or written: the steps report what they would have done. A run
takes all that waits; here that is a hundred pushes, as in a city where a department sends one every tenth of a second.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import dagster as dg

from assets.build import Context
from assets.standard import Outcome, make_tables
from benchmarks.harness import Comparison
from benchmarks.tiny_pushes import SMALL
from catalog.load import load
from catalog.model import Way
from lake.home import Home
from lake.ledger import Push, PushState
from lake.tables import Lake
from pipelines import graph
from pipelines.instance import instance
from pipelines.running import run, select
from pipelines.upkeep import prune_runs

PUSHES, A_RUN, ASKED = 10_000, 100, 50


def prepare(folder: Path) -> None:
    """A home with a hundred runs behind it, of a hundred pushes each, and one with a single run; prints what they weigh."""
    old, new = (folder / name for name in ("old", "new"))
    _run(new, A_RUN)
    small = _megabytes(new)
    _run(old, PUSHES)
    large = _megabytes(old)
    print(
        f"  Dagster's database: {small:.1f} MB after 1 run, {large:.1f} MB after {PUSHES // A_RUN} runs",
        end="",
    )
    print(f" of {PUSHES:,} pushes: {(large - small) * 1024 / (PUSHES - A_RUN):.2f} kB a push", flush=True)
    held = instance(Home.open(old))
    kept = len(held.get_runs())
    pruned = prune_runs(held, datetime.now(UTC) + timedelta(days=1))
    print(
        f"  pruned {pruned} of {kept} runs: {_megabytes(old):.1f} MB, of which SQLite reuses the free pages",
        flush=True,
    )
    _run(old, PUSHES)


def after_many(folder: Path) -> None:
    """The questions that sensors and pages ask every few seconds, of the old home."""
    _ask(folder / "old")


def after_one(folder: Path) -> None:
    """The same of the new one."""
    _ask(folder / "new")


def _ask(root: Path) -> None:
    held = instance(Home.open(root))
    active = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTED]
    for _ in range(ASKED):
        held.get_runs(dg.RunsFilter(statuses=active), limit=1)
        held.get_run_records(limit=25)
        held.get_latest_materialization_event(dg.AssetKey(["landing", SMALL.code]))


def _run(root: Path, pushes: int) -> None:
    home = Home.open(root)
    context = Context(home, Lake(home.lake), replace(load(), entries={SMALL.code: SMALL}))
    make_tables(context, SMALL)
    definitions = dg.Definitions(
        assets=[graph.standard_asset(context, SMALL)], executor=dg.in_process_executor
    )
    keys = select(definitions, ["standard"])
    for start in range(0, pushes, A_RUN):
        outcomes = [_outcome(number) for number in range(start, start + A_RUN)]
        with patch.object(graph, "apply_waiting", lambda *_, done=outcomes: done):
            assert run(home, definitions, keys, lambda _: None).success


def _outcome(number: int) -> Outcome:
    """An applied push of two rows that nothing was done with."""
    now, digest = datetime.now(UTC), f"{number:064x}"
    push = Push(
        f"p{number:024}",
        SMALL.code,
        SMALL.department,
        Way.API,
        "tiny.csv",
        "csv",
        99,
        digest,
        date(2026, 1, 1),
        now,
        1,
    )
    return Outcome(push, PushState.APPLIED, rows=2, accepted=2)


def _megabytes(root: Path) -> float:
    return sum(path.stat().st_size for path in (root / "dagster").rglob("*") if path.is_file()) / 1024**2


COMPARISONS = (
    Comparison("run_history", "the same after one run", 2.0, after_many, after_one, prepare, alike=True),
)
