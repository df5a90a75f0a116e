"""What is wrong with the ``rules:`` of catalogue entries: each fault with its file and line.

Here belongs what can be told without data: an unknown expectation, an argument that is missing or misspelt, columns of the
wrong kind. That a rule names columns of its entry is checked in ``catalog.check``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl

from catalog.load import Catalogue, Fault
from catalog.model import Entry, Rule, Severity
from quality.compile import UnsupportedExpectationError, judgement
from quality.plan import content_schema, raw_name

#: Arguments that decide whether a result is a success, not which rows are unexpected.
BEYOND_ROWS = {"mostly", "element"}


def rule_faults(catalogue: Catalogue) -> list[Fault]:
    """Every fault of every entry's rules, in file order."""
    return sorted(fault for entry in catalogue.entries.values() for fault in _faults(catalogue, entry))


def _faults(catalogue: Catalogue, entry: Entry) -> Iterator[Fault]:
    place = catalogue.places[entry.code]
    for index, rule in enumerate(entry.rules):
        where = ("rules", str(index))
        for problem, remedy in _problems(entry, rule):
            yield Fault(place.file, place.line(where), ".".join(where), problem, remedy)


def _problems(entry: Entry, rule: Rule) -> Iterator[tuple[str, str]]:
    arguments = _Watched(rule.arguments)
    try:
        how = judgement(rule.expectation, arguments)
    except UnsupportedExpectationError as error:
        yield str(error), "use one of these, or leave the rule out"
        return
    except KeyError as missing:
        yield f"{rule.expectation} lacks the argument {missing}", "add it"
        return
    for name in sorted(set(arguments) - arguments.read - BEYOND_ROWS):
        yield f"{rule.expectation} makes no use of {name!r}", "remove it, or correct its spelling"
    if rule.severity is Severity.HOLD:
        remedy = "make it `reject`: delivery.max_reject_share holds a push with too many rejected rows"
        yield "a rule over rows cannot hold a push", remedy
    problem = _not_computable(entry, how.failing)
    if problem:
        yield f"{rule.expectation} cannot be judged: {problem}", "use columns and values of the same kind"


def _not_computable(entry: Entry, failing: pl.Expr) -> str | None:
    """Why Polars cannot compute it on the entry's standardised columns; None where it can."""
    raw = {raw_name(name): pl.String() for name in entry.columns}
    empty = pl.LazyFrame(schema={**content_schema(entry), **raw})
    try:
        empty.select(failing).collect()
    except pl.exceptions.ColumnNotFoundError:
        return None  # the catalogue's own check names it
    except pl.exceptions.PolarsError as error:
        return str(error).strip().splitlines()[0]
    return None


class _Watched(dict[str, Any]):
    """Arguments that remember which of them were read."""

    def __init__(self, arguments: dict[str, Any]) -> None:
        super().__init__(arguments)
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self.read.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self.read.add(name)
        return super().get(name, default)
