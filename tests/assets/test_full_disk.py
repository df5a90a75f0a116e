"""A lake whose disk is full at every point of applying a push in turn: the push waits, and is applied once there is room."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl
import pytest
from deltalake.exceptions import DeltaError

from assets.standard import apply_waiting
from lake.ledger import PushState
from tests.assets.test_standard import CODE, bench_at, entry_of
from tests.conftest import Tried

#: What a write says when there is no room, depending on who writes.
NO_ROOM = (OSError, DeltaError, pl.exceptions.PolarsError)
#: One page of the disk.
STEP = 4_096


def fill(path: Path, free: int) -> None:
    """Take all of a disk but so many bytes."""
    path.unlink(missing_ok=True)
    status = os.statvfs(path.parent)
    path.write_bytes(b"\0" * max(0, status.f_bavail * status.f_frsize - free))


@pytest.mark.parametrize("mode", ["snapshot", "upsert"])
def test_a_push_that_finds_no_room_is_applied_once_there_is_some(
    small_disk: Path, mode: str, tried: Tried
) -> None:
    bench = bench_at(small_disk, entry_of(mode))
    bench.push([("1", "a"), ("2", "b"), ("3", "?")])
    before = bench.rows()
    push = bench.receive([("1", "b"), ("4", "c"), ("5", "?"), ("x", "a")], day=1)
    filler, free, refusals = small_disk / "filler", 0, 0
    while bench.ledger.get(push.id).state is PushState.RECEIVED:
        fill(filler, free)
        try:
            apply_waiting(bench.context, CODE)
        except NO_ROOM:
            refusals += 1
            filler.unlink()
            assert bench.rows() in (before, after(mode)), "a table is what it was, or what it will be"
            assert bench.ledger.get(push.id).state is PushState.RECEIVED
        free += STEP
    filler.unlink(missing_ok=True)
    assert refusals
    assert bench.rows() == after(mode)
    assert bench.counted() == {bench.ledger.history(CODE)[0].id: 1, push.id: 2}
    assert not list((bench.context.home.work / "scratch").iterdir())
    tried("pushes applied to a full disk", refusals)


def after(mode: str) -> dict[str, str]:
    """What the two pushes make together."""
    return {"1": "b", "4": "c"} | ({"2": "b"} if mode == "upsert" else {})
