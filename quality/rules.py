"""What is wrong with the ``rules:`` of catalogue entries: each fault with its file and line.

Here belongs what can be told without data: an unknown expectation, an argument that is missing or misspelt, columns of the
wrong kind. That a rule names columns of its entry is checked in ``catalog.check``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import polars as pl

from catalog.elements import ELEMENTS
from catalog.load import Catalogue, Fault
from catalog.model import Entry, Rule, Severity
from quality.changes import DRIFT, Before, least
from quality.compile import Judgement, UnsupportedExpectationError, judgement
from quality.plan import SET_EXPECTATIONS, SetRule, asked_resources, compile_entry, content_schema, raw_name
from quality.references import REFERENCE, known_name, places
from quality.sets import set_columns, set_question

#: Arguments that decide whether a result is a success, not which rows are unexpected.
BEYOND_ROWS = {"mostly", "element"}


def rule_faults(catalogue: Catalogue) -> list[Fault]:
    """Every fault of every entry's rules, in file order."""
    return sorted(fault for entry in catalogue.entries.values() for fault in _faults(catalogue, entry))


def _faults(catalogue: Catalogue, entry: Entry) -> Iterator[Fault]:
    place = catalogue.places[entry.code]
    taken = {
        rule.code.partition(".")[2] for rule in compile_entry(entry.model_copy(update={"rules": ()})).rules
    }
    for index, rule in enumerate(entry.rules):
        where = ("rules", str(index))
        problems = [*_problems(catalogue, entry, rule)]
        if rule.name in taken:
            problems.append((f"there is a rule {rule.name} already", "give it a name of its own"))
        taken.add(rule.name)
        for problem, remedy in problems:
            yield Fault(place.file, place.line(where), ".".join(where), problem, remedy)


def _problems(catalogue: Catalogue, entry: Entry, rule: Rule) -> Iterator[tuple[str, str]]:
    arguments = _Watched(rule.arguments)
    try:
        if rule.expectation in SET_EXPECTATIONS:
            problem = _set_problem(entry, rule, arguments)
        else:
            problem = _not_computable(entry, rule, judgement(rule.expectation, arguments))
    except UnsupportedExpectationError as error:
        yield str(error), "use what is supported (docs/quality.md), or leave the rule out"
        return
    except KeyError as missing:
        yield f"{rule.expectation} lacks the argument {missing}", "add it"
        return
    if problem:
        yield f"{rule.expectation} cannot be judged: {problem}", "use columns and values of the same kind"
        return
    for name in sorted(set(arguments) - arguments.read - BEYOND_ROWS):
        yield f"{rule.expectation} makes no use of {name!r}", "remove it, or correct its spelling"
    if rule.expectation in SET_EXPECTATIONS and rule.severity is Severity.REJECT:
        yield "a rule over a whole push rejects no row", "make it `warn` or `hold`"
    if rule.expectation == REFERENCE:
        yield from _reference_problems(catalogue, entry, rule)


def _not_computable(entry: Entry, rule: Rule, how: Judgement) -> str | None:
    """Why Polars cannot compute it on the entry's standardised columns; None where it can."""
    raw = {raw_name(name): pl.String() for name in entry.columns}
    known = {known_name(rule.arguments): pl.Boolean()} if rule.expectation == REFERENCE else {}
    return _error(
        lambda: pl.LazyFrame(schema={**content_schema(entry), **raw, **known}).select(how.failing).collect()
    )


def _set_problem(entry: Entry, rule: Rule, arguments: _Watched) -> str | None:
    """The same of a rule over a whole push: it is asked of a row of which only texts say anything."""
    schema = content_schema(entry)
    texts = {name: ["x" if dtype == pl.String else None] for name, dtype in schema.items()}
    tried = pl.LazyFrame(texts, schema=schema)
    asked = SetRule("tried", None, rule.expectation, arguments, rule.severity, rule.dimension, rule.reason)
    before = Before(tried, last_push=1)

    def judge() -> None:
        if rule.expectation == DRIFT:
            arguments["threshold"], arguments["column"], least(arguments)
        question = set_question(asked, before)
        if question:
            (row,) = tried.select(set_columns([question])).collect().iter_rows(named=True)
            metrics = question.metrics({name: row[f"tried:{name}"] for name in question.asks})
            question.met(metrics or {})

    return _error(judge)


def _error(tried: Callable[[], object]) -> str | None:
    """What a rule stumbles over; a column that is not there is named by the catalogue's own check."""
    try:
        tried()
    except pl.exceptions.ColumnNotFoundError:
        return None
    except (pl.exceptions.PolarsError, TypeError) as error:
        return str(error).strip().splitlines()[0]
    return None


def _reference_problems(catalogue: Catalogue, entry: Entry, rule: Rule) -> Iterator[tuple[str, str]]:
    """A place that is not there, holds values of another kind, or leads back to the entry itself."""
    own = entry.columns.get(str(rule.arguments["column"]))
    for resource, column in places(rule.arguments):
        other = catalogue.entries.get(resource)
        if other is None or column not in other.columns:
            yield (
                f"there is no column {resource}.{column}",
                "name in `among` the resource, a dot and its column",
            )
        elif own and ELEMENTS[other.columns[column].element].dtype != ELEMENTS[own.element].dtype:
            yield f"{resource}.{column} holds values of another kind", "ask a column of the same kind"
        elif entry.code in _asked_by(catalogue, resource):
            remedy = "leave it out: of two resources only one can be judged by the other"
            yield f"{resource} is itself judged by {entry.code}", remedy


def _asked_by(catalogue: Catalogue, resource: str) -> set[str]:
    """The resources that must be there before this one can be judged: itself, and those that its rules ask."""
    reached, ahead = set(), [resource]
    while ahead:
        code = ahead.pop()
        if code not in reached and code in catalogue.entries:
            reached.add(code)
            ahead += asked_resources(catalogue.entries[code])
    return reached


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
