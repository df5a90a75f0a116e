"""``python -m benchmarks [--only NAME]``: run the comparisons, print a table, write ``.bench/NAME.json``."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

import benchmarks
from benchmarks.harness import Comparison, Row, measure, write

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
    shown = Table(
        "name",
        "seconds",
        "peak MB",
        "against",
        "seconds",
        "peak MB",
        "ratio",
        "CPU ratio",
        "aim",
        "holds",
        header_style="bold",
    )
    for row in rows:
        shown.add_row(
            row.name,
            f"{row.seconds:.2f}",
            f"{row.peak_mb:.0f}",
            row.against,
            f"{row.other_seconds:.2f}",
            f"{row.other_peak_mb:.0f}",
            f"{row.ratio:.2f}",
            f"{row.cpu_ratio:.2f}",
            f"≤ {row.aim:.2f}",
            "yes" if row.holds else "NO",
        )
    return shown


def main() -> None:
    """Entry point of ``make bench``."""
    known = comparisons()
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--only", choices=sorted(known), metavar="NAME", help=", ".join(sorted(known)))
    only = parser.parse_args().only
    rows = []
    for name, comparison in known.items():
        if only in (None, name):
            print(f"{name}: {comparison.runs} runs of each side ...", flush=True)
            with tempfile.TemporaryDirectory(prefix="citylake-bench-") as folder:
                rows.append(measure(comparison, Path(folder)))
            write(rows[-1], RESULTS)
    Console(width=130).print(table(rows))


if __name__ == "__main__":
    main()
