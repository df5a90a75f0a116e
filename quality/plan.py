"""An entry's plan: its rules in Great Expectations' words, and each as a Polars expression.

Here belong the rules that follow from a catalogue entry, and their order. How one expectation type becomes an
expression is in ``compile.py``; splitting a frame with a plan is in ``split.py``; Great Expectations' own objects are made
in ``expectations.py``. The raw frame has the entry's columns as String; standardised values take the same names, and
the raw ones stay beside them under :func:`raw_name`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from catalog.elements import ELEMENTS
from catalog.elements.base import Check, Element
from catalog.model import Column, Dimension, Entry, Rule, Severity, Title
from quality.aggregates import AGGREGATES
from quality.changes import CHANGES
from quality.compile import failing_expression
from quality.references import REFERENCE, resources

#: What judges a push as a whole, and no row of it.
SET_EXPECTATIONS = {*AGGREGATES, *CHANGES}


@dataclass(frozen=True)
class AnyRule:
    """One rule: a Great Expectations type with its arguments, and what its failure means."""

    code: str
    column: str | None
    expectation: str
    arguments: Mapping[str, Any]
    severity: Severity
    dimension: Dimension
    reason: Title


class RowRule(AnyRule):
    """A rule that each row meets or fails."""


class SetRule(AnyRule):
    """A rule over all rows of a push together: it rejects no row, but warns or holds the push."""


@dataclass(frozen=True)
class Plan:
    """Everything needed to judge a raw frame of one entry, compiled once.

    ``rules`` judge rows, ``sets`` the push as a whole. ``standardise`` makes the typed columns from the raw ones;
    ``failing`` gives, per rule code, True where a row fails (never null)."""

    entry: Entry
    rules: tuple[RowRule, ...]
    standardise: tuple[pl.Expr, ...]
    failing: Mapping[str, pl.Expr] = field(repr=False)
    sets: tuple[SetRule, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The content columns of the standard table: the entry's, each followed by its companions."""
        return tuple(self.schema)

    @property
    def schema(self) -> pl.Schema:
        """Names and dtypes of the content columns of the standard table."""
        return content_schema(self.entry)

    def rules_of(self, severity: Severity) -> tuple[RowRule, ...]:
        """The rules with this severity, in order."""
        return tuple(rule for rule in self.rules if rule.severity is severity)


def raw_name(column: str) -> str:
    """Where a raw cell waits beside its standardised value."""
    return f"raw:{column}"


def content_schema(entry: Entry) -> pl.Schema:
    """The standard table's content columns: each of the entry's by its element's dtype, then its companions."""
    schema: dict[str, pl.DataType] = {}
    for name, column in entry.columns.items():
        element = ELEMENTS[column.element]
        schema[name] = element.dtype
        schema |= {name + companion.suffix: companion.dtype for companion in element.companions}
    return pl.Schema(schema)


def asked_resources(entry: Entry) -> list[str]:
    """The resources whose standard tables the entry's rules ask, each once."""
    asking = (rule.arguments for rule in entry.rules if rule.expectation == REFERENCE)
    return list(dict.fromkeys(resource for arguments in asking for resource in resources(arguments)))


def compile_entry(entry: Entry) -> Plan:
    """The entry's plan: rules from its columns, from their elements, and from its own ``rules``."""
    rules = tuple(_rules(entry))
    failing = {rule.code: failing_expression(rule.expectation, rule.arguments) for rule in rules}
    return Plan(entry, rules, tuple(_standardise(entry)), failing, tuple(_set_rules(entry)))


def _standardise(entry: Entry) -> Iterator[pl.Expr]:
    for name, column in entry.columns.items():
        element, raw = ELEMENTS[column.element], pl.col(raw_name(name))
        yield element.standardise(raw).cast(element.dtype).alias(name)
        for companion in element.companions:
            yield companion.standardise(raw).cast(companion.dtype).alias(name + companion.suffix)


def _rules(entry: Entry) -> Iterator[RowRule]:
    for name in entry.columns:
        yield from _column_rules(entry, name)
    for rule in entry.rules:
        if rule.expectation not in SET_EXPECTATIONS:
            yield RowRule(*_stated(rule))


def _set_rules(entry: Entry) -> Iterator[SetRule]:
    for rule in entry.rules:
        if rule.expectation in SET_EXPECTATIONS:
            yield SetRule(*_stated(rule))


def _stated(rule: Rule) -> tuple[str, str | None, str, Mapping[str, Any], Severity, Dimension, Title]:
    # of a pair the first is named: it is the cell that a worklist marks
    column = rule.arguments.get("column") or rule.arguments.get("column_A")
    whole = "table" if rule.expectation in SET_EXPECTATIONS else "row"
    code = f"{column or whole}.{rule.name}"
    return code, column, rule.expectation, rule.arguments, rule.severity, rule.dimension, rule.reason


def _column_rules(entry: Entry, name: str) -> Iterator[RowRule]:
    column = entry.columns[name]
    element = ELEMENTS[column.element]
    if column.required:
        yield _required(name, column)
    if element.dtype != pl.String or element.code == "sex":
        yield _readable(name, column, element)
    # a bad value in an optional column that is no key is worth keeping the row for: it is only recorded
    matters = column.required or name in entry.delivery.key
    for check in element.checks:
        yield _conforming(name, column, check, matters=matters)
    if column.values:
        yield _in_values(name, column)


def _required(name: str, column: Column) -> RowRule:
    return RowRule(
        f"{name}.required",
        name,
        "expect_column_values_to_not_be_null",
        {"column": name},
        Severity.REJECT,
        Dimension.COMPLETENESS,
        Title(zh=f"“{column.title}”为必填项，不能为空", en=f"{name} is required and empty"),
    )


def _readable(name: str, column: Column, element: Element) -> RowRule:
    return RowRule(
        f"{name}.unreadable",
        name,
        "expect_column_values_to_be_readable",
        {"column": name, "element": element.code},
        Severity.REJECT if column.required else Severity.WARN,
        Dimension.CONFORMITY,
        Title(
            zh=f"“{column.title}”的内容读不出{element.title.zh}",
            en=f"{name} cannot be read as {element.title.en}",
        ),
    )


def _conforming(name: str, column: Column, check: Check, *, matters: bool) -> RowRule:
    return RowRule(
        f"{name}.{check.code}",
        name,
        "expect_column_values_to_conform_to_element",
        {"column": name, "element": column.element, "check": check.code},
        Severity.REJECT if matters and check.severity is Severity.REJECT else Severity.WARN,
        check.dimension,
        Title(zh=f"“{column.title}”：{check.reason.zh}", en=f"{name}: {check.reason.en}"),
    )


def _in_values(name: str, column: Column) -> RowRule:
    return RowRule(
        f"{name}.values",
        name,
        "expect_column_values_to_be_in_set",
        {"column": name, "value_set": list(column.values)},
        Severity.REJECT if column.required else Severity.WARN,
        Dimension.CONFORMITY,
        Title(
            zh=f"“{column.title}”不在值域之中：{'、'.join(column.values)}",
            en=f"{name} is none of {', '.join(column.values)}",
        ),
    )
