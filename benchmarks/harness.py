"""Time two sides in turn, each in a process of its own, and say whether the ratio keeps its aim.

Here belongs measuring only. A side is a module-level function of a folder; running it in a fresh process gives an
honest peak memory (the process's own maximum resident set, and its children's).
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

#: A side may return its own seconds, where starting a server is not what is measured.
Side = Callable[[Path], float | None]
RUNS = 3
_WHO = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)


@dataclass(frozen=True)
class Comparison:
    """Ours against another, with the ratio aimed at: ``ours / other <= aim`` (below 1: we must be faster)."""

    name: str
    against: str
    aim: float
    ours: Side
    other: Side
    prepare: Side
    runs: int = RUNS


@dataclass(frozen=True)
class Row:
    """One printed and written result; seconds and MB are medians of ours, ``ratio`` the median of paired ratios.

    ``cpu_ratio`` is the same of processor time: what a machine that does other work at the same time moves least."""

    name: str
    seconds: float
    peak_mb: float
    against: str
    other_seconds: float
    other_peak_mb: float
    ratio: float
    cpu_ratio: float
    aim: float
    holds: bool


class Sample(NamedTuple):
    """One run of one side."""

    seconds: float
    cpu_seconds: float
    peak_mb: float


def measure(comparison: Comparison, folder: Path) -> Row:
    """Prepare once, then run the two sides in turn; a pair's ratio is little moved by a machine that drifts."""
    _in_process(comparison.prepare, folder)
    pairs = [
        (_in_process(comparison.ours, folder), _in_process(comparison.other, folder))
        for _ in range(comparison.runs)
    ]
    ratio = statistics.median(ours.seconds / other.seconds for ours, other in pairs)
    cpu_ratio = statistics.median(ours.cpu_seconds / other.cpu_seconds for ours, other in pairs)
    ours, other = zip(*pairs, strict=True)
    return Row(
        comparison.name,
        round(statistics.median(sample.seconds for sample in ours), 3),
        round(statistics.median(sample.peak_mb for sample in ours), 1),
        comparison.against,
        round(statistics.median(sample.seconds for sample in other), 3),
        round(statistics.median(sample.peak_mb for sample in other), 1),
        round(ratio, 3),
        round(cpu_ratio, 3),
        comparison.aim,
        ratio <= comparison.aim,
    )


def write(row: Row, folder: Path) -> None:
    """``.bench/NAME.json``."""
    folder.mkdir(exist_ok=True)
    (folder / f"{row.name}.json").write_text(json.dumps(asdict(row), indent=1) + "\n", encoding="utf-8")


def _in_process(side: Side, folder: Path) -> Sample:
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(side, folder, sender))
    process.start()
    sender.close()
    try:
        result: Sample = receiver.recv()
    except EOFError:
        process.join()
        msg = f"{side.__module__}.{side.__name__} died with exit code {process.exitcode}"
        raise RuntimeError(msg) from None
    process.join()
    return result


def _run(side: Side, folder: Path, sender: multiprocessing.connection.Connection) -> None:  # type: ignore[name-defined]
    started, busy = time.perf_counter(), _cpu_seconds()
    own = side(folder)
    seconds = time.perf_counter() - started if own is None else own
    peak = max(resource.getrusage(who).ru_maxrss for who in _WHO)
    sender.send(Sample(seconds, max(_cpu_seconds() - busy, 1e-3), peak / 1024))


def _cpu_seconds() -> float:
    """Processor time of this process and of those it started and saw end."""
    used = [resource.getrusage(who) for who in _WHO]
    return sum(item.ru_utime + item.ru_stime for item in used)
