"""The rows of a push that were refused, and why, as its department reads them.

Here belong the reading from quarantine and the words for each rule. Whose eyes may see a cell is decided in ``visits``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from assets.standard import DUPLICATE, SUPERSEDED
from catalog.model import Entry, Severity, Title
from lake.ledger import Push
from lake.tables import Lake
from quality.plan import compile_entry
from quality.split import UNPARSED, UNPARSED_REASONS

SHOWN_ROWS = 100
_OF_WHOLE_ROWS = {
    UNPARSED: Title(zh=UNPARSED_REASONS[0], en=UNPARSED_REASONS[1]),
    DUPLICATE[0]: Title(zh=DUPLICATE[1], en=DUPLICATE[2]),
    SUPERSEDED[0]: Title(zh=SUPERSEDED[1], en=SUPERSEDED[2]),
}


@dataclass(frozen=True)
class Refusal:
    """One reason of one refused row: its number, the column (None: the whole row), the cell as it came, the reason."""

    row: int
    column: str | None
    cell: str | None
    reason: Title


@dataclass(frozen=True)
class Failing:
    """A rule that rows of a push failed, or that the push as a whole did not meet (``rows`` None): its words, its column,
    and what its failing means."""

    rule: str
    column: str | None
    reason: Title
    rows: int | None
    severity: Severity = Severity.REJECT


def refusals(lake: Lake, push: Push, *, with_cells: bool) -> list[Refusal]:
    """The reasons of the first :data:`SHOWN_ROWS` refused rows, in row order."""
    if not push.rejected or not lake.exists("quarantine", push.resource):
        return []
    rows = lake.scan("quarantine", push.resource).filter(pl.col("_push") == push.refusals)
    return in_words(rows.sort("_row").head(SHOWN_ROWS), with_cells=with_cells)


def in_words(rows: pl.LazyFrame, *, with_cells: bool) -> list[Refusal]:
    """The reasons of rows as quarantine holds them, in their order."""
    flat = rows.select("_row", "cells", "reasons").explode("reasons").unnest("reasons").collect()
    return [_refusal(record, with_cells) for record in flat.iter_rows(named=True)]


def failing(
    entry: Entry,
    failures: Mapping[str, int] | None,
    findings: Mapping[str, Mapping[str, object]] | None = None,
) -> list[Failing]:
    """The rules that the push as a whole did not meet, and those that rows failed, the most frequent first."""
    plan = compile_entry(entry)
    rules = {rule.code: rule for rule in plan.rules}
    unmet = [
        Failing(rule.code, rule.column, rule.reason, None, rule.severity)
        for rule in plan.sets
        if (findings or {}).get(rule.code, {}).get("met") is False
    ]
    found = [
        Failing(code, rules[code].column, rules[code].reason, count, rules[code].severity)
        if code in rules
        # an entry may have lost a rule since
        else Failing(code, None, _OF_WHOLE_ROWS.get(code, Title(zh=code, en=code)), count)
        for code, count in (failures or {}).items()
        if count
    ]
    return [*unmet, *sorted(found, key=lambda item: -(item.rows or 0))]


def _refusal(record: Mapping[str, object], with_cells: bool) -> Refusal:
    column = record["column"]
    cells = json.loads(str(record["cells"])) if with_cells and column else {}
    value = cells.get(column)
    return Refusal(
        int(str(record["_row"])),
        None if column is None else str(column),
        None if value is None else str(value),
        Title(zh=str(record["reason_zh"]), en=str(record["reason_en"])),
    )
