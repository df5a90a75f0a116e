"""Time two sides in turn, each in a process of its own, and say whether the ratio keeps its aim.

Here belongs measuring only. A side is a module-level function of a folder; running it in a fresh process gives an
honest peak memory (the process's own maximum resident set, and its children's). The other side may be a ``Peer``: a function
of a module in ``benchmarks/peers``, run by the Python of ``.venv-bench``, so this module imports the standard library only, and of ours what
imports nothing else.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

from pipelines import MEMORY

#: A side may return its own seconds, where starting a server is not what is measured.
Side = Callable[[Path], float | None]
RUNS = 3
ROOT = Path(__file__).parents[1]
PEERS_PYTHON = ROOT / ".venv-bench" / "bin" / "python"
#: Polars keeps memory as its makers chose. Said, not left out: ``pipelines`` would else say it as we do.
AS_SHIPPED = ""
_WHO = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)


@dataclass(frozen=True)
class Peer:
    """A function of ``benchmarks/peers/MODULE.py``: another library, in ``.venv-bench`` and a process of its own."""

    module: str
    function: str

    @staticmethod
    def installed() -> bool:
        """Whether ``make bench`` has made the peers' environment here."""
        return PEERS_PYTHON.exists()


@dataclass(frozen=True)
class Comparison:
    """Ours against another, with the ratio aimed at: ``ours / other <= aim`` (below 1: we must be faster).

    Without an aim the two stand side by side. ``memory_aim`` is the same of peak memory, ``peak_aim`` how many MB ours may
    take whatever the other takes. Where ours works through so many ``values``, it is said how many that is a second.
    Comparisons of one ``group`` share what ``prepare`` makes. Ours runs as citylake's processes do, with memory kept as
    ``pipelines`` says; the other does, too, where they are ``alike``: citylake again, or the same plan written by hand."""

    name: str
    against: str
    aim: float | None
    ours: Side
    other: Side | Peer
    prepare: Side
    runs: int = RUNS
    memory_aim: float | None = None
    peak_aim: float | None = None
    values: int | None = None
    group: str = ""
    alike: bool = False


@dataclass(frozen=True)
class Row:
    """One printed and written result; seconds and MB are medians of ours, ``ratio`` the median of paired ratios.

    ``cpu_ratio`` is the same of processor time: what a machine that does other work at the same time moves least.
    ``per_second`` are ours by the clock, ``per_busy_second`` by processor time: as many again on each further core.
    Where the peers' environment is not there, what needs it is None."""

    name: str
    seconds: float
    peak_mb: float
    against: str
    other_seconds: float | None
    other_peak_mb: float | None
    ratio: float | None
    cpu_ratio: float | None
    memory_ratio: float | None
    aim: float | None
    memory_aim: float | None
    peak_aim: float | None
    holds: bool | None
    per_second: int | None = None
    per_busy_second: int | None = None


class Sample(NamedTuple):
    """One run of one side."""

    seconds: float
    cpu_seconds: float
    peak_mb: float


def prepare(comparison: Comparison, folder: Path) -> None:
    """Make what both sides read."""
    _in_process(comparison.prepare, folder)


def measure(comparison: Comparison, folder: Path) -> Row:
    """Run the two sides in turn; a pair's ratio is little moved by a machine that drifts."""
    if isinstance(comparison.other, Peer) and not comparison.other.installed():
        return _row(comparison, [_ours(comparison, folder) for _ in range(comparison.runs)], [])
    pairs = [(_ours(comparison, folder), _other(comparison, folder)) for _ in range(comparison.runs)]
    ours, other = zip(*pairs, strict=True)
    return _row(comparison, ours, other)


def _row(comparison: Comparison, ours: Sequence[Sample], other: Sequence[Sample]) -> Row:
    def ratio(position: int) -> float | None:
        pairs = zip(ours, other, strict=True) if other else ()
        return _median([mine[position] / theirs[position] for mine, theirs in pairs], 3)

    seconds, cpu, memory = (ratio(position) for position in range(3))
    peak = _median([sample.peak_mb for sample in ours], 1) or 0.0
    aims = ((seconds, comparison.aim), (memory, comparison.memory_aim), (peak, comparison.peak_aim))
    judged = [measured <= aim for measured, aim in aims if measured is not None and aim is not None]
    return Row(
        name=comparison.name,
        seconds=_median([sample.seconds for sample in ours], 3) or 0.0,
        peak_mb=peak,
        against=comparison.against,
        other_seconds=_median([sample.seconds for sample in other], 3),
        other_peak_mb=_median([sample.peak_mb for sample in other], 1),
        ratio=seconds,
        cpu_ratio=cpu,
        memory_ratio=memory,
        aim=comparison.aim,
        memory_aim=comparison.memory_aim,
        peak_aim=comparison.peak_aim,
        holds=all(judged) if judged else None,
        per_second=_rate(comparison.values, [sample.seconds for sample in ours]),
        per_busy_second=_rate(comparison.values, [sample.cpu_seconds for sample in ours]),
    )


def _rate(values: int | None, seconds: Sequence[float]) -> int | None:
    return None if values is None else round(values / statistics.median(seconds))


def _median(values: Sequence[float], digits: int) -> float | None:
    return round(statistics.median(values), digits) if values else None


def write(row: Row, folder: Path) -> None:
    """``.bench/NAME.json``."""
    folder.mkdir(exist_ok=True)
    (folder / f"{row.name}.json").write_text(json.dumps(asdict(row), indent=1) + "\n", encoding="utf-8")


def _ours(comparison: Comparison, folder: Path) -> Sample:
    return _in_process(comparison.ours, folder, MEMORY[1])


def _in_process(side: Side, folder: Path, memory: str = AS_SHIPPED) -> Sample:
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(side, folder, sender))
    os.environ[MEMORY[0]] = memory
    process.start()
    sender.close()
    try:
        result: Sample = receiver.recv()
    except EOFError:
        process.join()
        msg = f"{side} died with exit code {process.exitcode}"
        raise RuntimeError(msg) from None
    process.join()
    return result


def _other(comparison: Comparison, folder: Path) -> Sample:
    other = comparison.other
    if not isinstance(other, Peer):
        return _in_process(other, folder, MEMORY[1] if comparison.alike else AS_SHIPPED)
    os.environ[MEMORY[0]] = AS_SHIPPED
    command = [PEERS_PYTHON, "-W", "ignore", "-m", "benchmarks.peers", other.module, other.function, folder]
    said = subprocess.run([*map(str, command)], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return Sample(*json.loads(said.stdout.splitlines()[-1]))


def _run(side: Side, folder: Path, sender: multiprocessing.connection.Connection) -> None:
    sender.send(sample(side, folder))


def sample(side: Side, folder: Path) -> Sample:
    """Run one side here, once: what it took since it was called (imports are paid before), and this process's peak."""
    started, busy = time.perf_counter(), _cpu_seconds()
    own = side(folder)
    seconds = time.perf_counter() - started if own is None else own
    return Sample(seconds, max(_cpu_seconds() - busy, 1e-3), _peak_kb() / 1024)


def _peak_kb() -> int:
    """The most memory this process held, or one that it started and saw end.

    Linux tells it of the program that runs now; what ``getrusage`` tells includes the program that started this one."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    status = Path("/proc/self/status")
    if not status.exists():
        return max(children, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    [line] = [line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM")]
    return max(children, int(line.split()[1]))


def _cpu_seconds() -> float:
    """Processor time of this process and of those it started and saw end."""
    used = [resource.getrusage(who) for who in _WHO]
    return sum(item.ru_utime + item.ru_stime for item in used)
