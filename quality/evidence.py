"""What one scan says about each rule: how many rows it looked at, how many fail it, and a few values that do.

Here belongs the counting, as one-row expressions beside the split, and the reading of what was counted. It knows nothing
of Great Expectations: counts can be kept for years and become results (``results.py``) when somebody asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from quality.compile import COMPILERS, Domain, judgement
from quality.plan import Plan, RowRule

#: What may be shown of a column's values: usually the default mask of its element. A column that is not named here is
#: counted, and none of its values leaves the scan.
Show = Mapping[str, Callable[[pl.Expr], pl.Expr]]
#: How many failing values are shown for each rule, as Great Expectations does by default.
SHOWN = 20


@dataclass(frozen=True)
class Finding:
    """What became of a rule over a push as a whole: whether it is met (None: it could not be judged), and the numbers that
    tell so, none of which is a value of a column."""

    met: bool | None
    metrics: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Evidence:
    """Counts of one push or table: all rows, and by rule code those that fail. The rest may be unknown (empty):
    nulls by column, rows looked at by rule, and failing values, masked, by rule. ``findings`` are of the rules over the
    push as a whole, and of rules over rows that could not be judged."""

    rows: int
    failures: Mapping[str, int]
    nulls: Mapping[str, int] = field(default_factory=dict)
    considered: Mapping[str, int] = field(default_factory=dict)
    values: Mapping[str, list[Any]] = field(default_factory=dict)
    findings: Mapping[str, Finding] = field(default_factory=dict)


def evidence_columns(plan: Plan, failed: Callable[[str], pl.Expr], show: Show) -> Iterable[pl.Expr]:
    """One-row expressions over a judged frame, in which ``failed`` gives a rule's verdict by its code."""
    yield pl.len().alias("rows")
    for name in plan.entry.columns:
        yield pl.col(name).null_count().alias(f"nulls:{name}")
    for rule in plan.rules:
        verdict = failed(rule.code)
        yield verdict.sum().alias(f"failures:{rule.code}")
        looked_at = _considered(rule)
        if looked_at is not None:
            yield looked_at.sum().alias(f"considered:{rule.code}")
        shown = shown_values(rule.expectation, rule.arguments, verdict, show)
        if shown is not None:
            yield shown.alias(f"values:{rule.code}")


def read_evidence(row: Mapping[str, Any]) -> Evidence:
    """The evidence in the one row that :func:`evidence_columns` made."""
    parts: dict[str, dict[str, Any]] = {"failures": {}, "nulls": {}, "considered": {}, "values": {}}
    for name, value in row.items():
        part, _, code = name.partition(":")
        if code:
            parts[part][code] = value or ([] if part == "values" else 0)
    return Evidence(int(row["rows"]), **parts)


def shown_values(
    expectation: str, arguments: Mapping[str, Any], failing: pl.Expr, show: Show
) -> pl.Expr | None:
    """The first failing values as one list, masked; pairs and records as structs. None where they may not be shown."""
    domain = COMPILERS[expectation].domain
    alone = domain in (Domain.COLUMN, Domain.NULLNESS)
    names = (
        [arguments["column"]]
        if alone
        else [arguments["column_A"], arguments["column_B"]]
        if domain is Domain.PAIR
        else list(arguments["column_list"])
    )
    if not all(name in show for name in names):
        return None
    masked = [show[name](pl.col(name).filter(failing).head(SHOWN)).alias(name) for name in names]
    return (masked[0] if alone else pl.struct(masked)).implode()


def _considered(rule: RowRule) -> pl.Expr | None:
    """For rules over several columns, the rows not ignored; one column's are its rows without its nulls."""
    if COMPILERS[rule.expectation].domain in (Domain.COLUMN, Domain.NULLNESS):
        return None
    return judgement(rule.expectation, rule.arguments).considered
