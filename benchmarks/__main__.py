"""``python -m benchmarks [--only NAME]``: run the comparisons, print a table, write ``.bench/NAME.json``."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import tempfile
from itertools import groupby
from pathlib import Path

from rich.console import Console
from rich.table import Table

import benchmarks
from benchmarks.harness import Comparison, Row, measure, prepare, write

RESULTS = Path(".bench")


def comparisons() -> dict[str, Comparison]:
    """Every comparison that a module of this package offers, by name."""
    found: dict[str, Comparison] = {}
    for module in pkgutil.iter_modules(benchmarks.__path__):
        offered = getattr(importlib.import_module(f"benchmarks.{module.name}"), "COMPARISONS", ())
        found |= {comparison.name: comparison for comparison in offered}
    return found


def table(rows: list[Row]) -> Table:
    """The results as people compare them."""
    headings = [
        "name",
        "seconds",
        "peak MB",
        "against",
        "seconds",
        "peak MB",
        "ratio",
        "CPU ratio",
        "memory",
        "aim",
        "holds",
        "values/s (a CPU second)",
    ]
    shown = Table(*headings, header_style="bold")
    for row in rows:
        aims = ((row.aim, ""), (row.memory_aim, " of memory"), (row.peak_aim, " MB"))
        shown.add_row(
            row.name,
            f"{row.seconds:.2f}",
            f"{row.peak_mb:.0f}",
            row.against + ("" if row.ratio else " (not installed: make bench installs it)"),
            _number(row.other_seconds, 2),
            _number(row.other_peak_mb, 0),
            _number(row.ratio, 2),
            _number(row.cpu_ratio, 2),
            _number(row.memory_ratio, 2),
            ", ".join(f"≤ {aim:.2f}{of}" for aim, of in aims if aim is not None) or "side by side",
            {True: "yes", False: "NO", None: "–"}[row.holds],
            f"{row.per_second:,} ({row.per_busy_second:,})" if row.per_second else "",
        )
    return shown


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def main() -> None:
    """Entry point of ``make bench``."""
    known = comparisons()
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    names = sorted({*known, *(comparison.group for comparison in known.values() if comparison.group)})
    parser.add_argument("--only", choices=names, metavar="NAME", help=", ".join(names))
    only = parser.parse_args().only
    wanted = [
        comparison for comparison in known.values() if only in (None, comparison.name, comparison.group)
    ]
    rows = []
    for _, members in groupby(wanted, key=lambda comparison: comparison.group or comparison.name):
        with tempfile.TemporaryDirectory(prefix="citylake-bench-") as folder:
            for place, comparison in enumerate(members):
                if place == 0:
                    prepare(comparison, Path(folder))
                print(f"{comparison.name}: {comparison.runs} runs of each side ...", flush=True)
                rows.append(measure(comparison, Path(folder)))
                write(rows[-1], RESULTS)
    Console(width=150).print(table(rows))


if __name__ == "__main__":
    main()
