"""The split: one lazy plan that standardises a raw frame, judges each row, and parts good rows from bad.

Here belongs the shape of the two results and the counting. The frames stay lazy: sunk together, the source is
read and every expression computed once. Every raw row is in exactly one of the two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from catalog.model import Severity
from quality.evidence import Show, evidence_columns
from quality.plan import Plan, RowRule, raw_name
from quality.references import REFERENCE, Tables, with_known
from quality.score import needed_columns, scored_rules
from quality.sets import SetQuestion, set_columns

#: A raw frame may say in this column that a row could not be parsed at all (ragged CSV); such a row is rejected.
PROBLEM = "_problem"
UNPARSED = "row.unparsed"
UNPARSED_REASONS = (
    "该行读不出来：单元格数与表头不符、引号未闭合或含有无法识别的字符",
    "the row could not be read",
)
REASONS = pl.List(
    pl.Struct(
        {"column": pl.String(), "rule": pl.String(), "reason_zh": pl.String(), "reason_en": pl.String()}
    )
)
_FAIL = "_fail:"
_Reason = dict[str, str | None]


@dataclass(frozen=True)
class Split:
    """``accepted``: content columns, ``_row``, ``_warnings``; ``rejected``: ``_row``, ``key``, ``cells``, ``reasons``;
    ``counts``: one row with ``total``, ``accepted``, ``rejected``, and per rule how many rows fail it; ``met``: one row with how
    many meet each rule and have every cell it asks for; ``evidence``: one
    row for ``evidence.read_evidence``, and ``sets``: one row for ``sets.findings``; both cost nothing where they are not
    asked for."""

    accepted: pl.LazyFrame
    rejected: pl.LazyFrame
    counts: pl.LazyFrame
    met: pl.LazyFrame
    evidence: pl.LazyFrame
    sets: pl.LazyFrame


def split(
    raw: pl.LazyFrame,
    plan: Plan,
    show: Show | None = None,
    tables: Tables | None = None,
    asked: Sequence[SetQuestion] = (),
) -> Split:
    """Part the rows of a raw frame (String columns by entry name, ``_row``, perhaps :data:`PROBLEM` and further
    columns) as the plan says. Columns of the entry that the frame lacks count as empty. ``show`` says of which
    columns the evidence may hold failing values, and under which mask; ``tables`` are those that rules between tables
    ask, and ``asked`` what is to be known of the push as a whole."""
    present = raw.collect_schema().names()
    judged = _judged(raw, plan, present, tables or {})
    rejecting = [_FAIL + rule.code for rule in plan.rules_of(Severity.REJECT)]
    if PROBLEM in present:
        rejecting.append(_FAIL + UNPARSED)
    bad = pl.any_horizontal(rejecting) if rejecting else pl.lit(value=False)
    marked = judged.with_columns(bad.alias("_bad"))
    staying = [rule for rule in plan.rules if rule.severity is not Severity.REJECT]
    return Split(
        accepted=marked.filter(~pl.col("_bad")).select(*plan.columns, "_row", _warnings(staying)),
        rejected=marked.filter("_bad").select(
            "_row", _key(plan), _cells(plan, present), _reasons(plan, present)
        ),
        counts=marked.select(
            pl.len().alias("total"),
            (~pl.col("_bad")).sum().alias("accepted"),
            pl.col("_bad").sum().alias("rejected"),
            *(pl.col(name).sum().alias(name.removeprefix(_FAIL)) for name in _failure_columns(plan, present)),
        ),
        met=marked.select(_met(rule).sum().alias(rule.code) for rule in scored_rules(plan)),
        evidence=marked.select(evidence_columns(plan, lambda code: pl.col(_FAIL + code), show or {})),
        sets=marked.select(set_columns(asked)),
    )


def whole_row(raw: pl.LazyFrame, plan: Plan, rule: str, reason_zh: str, reason_en: str) -> pl.LazyFrame:
    """Rows as quarantine keeps them, all rejected for one reason that is not in the row itself (a repeated key)."""
    present = raw.collect_schema().names()
    reason = pl.struct(
        pl.lit(None, pl.String).alias("column"),
        pl.lit(rule).alias("rule"),
        pl.lit(reason_zh).alias("reason_zh"),
        pl.lit(reason_en).alias("reason_en"),
    )
    named = _with_raw_names(raw, plan, present)
    return named.select(
        "_row", _key(plan), _cells(plan, present), pl.concat_list(reason).cast(REASONS).alias("reasons")
    )


def let_in(raw: pl.LazyFrame, plan: Plan, tables: Tables | None = None) -> pl.LazyFrame:
    """Rows in the shape of accepted ones, whatever they fail, for a steward has released them: every rule that one fails
    is among its warnings."""
    judged = _judged(raw, plan, raw.collect_schema().names(), tables or {})
    return judged.select(*plan.columns, "_row", _warnings(plan.rules))


def _judged(raw: pl.LazyFrame, plan: Plan, present: Sequence[str], tables: Tables) -> pl.LazyFrame:
    failing = [expression.alias(_FAIL + code) for code, expression in plan.failing.items()]
    if PROBLEM in present:
        failing.append(pl.col(PROBLEM).is_not_null().alias(_FAIL + UNPARSED))
    asking = [rule.arguments for rule in plan.rules if rule.expectation == REFERENCE]
    standardised = _with_raw_names(raw, plan, present).with_columns(plan.standardise)
    return with_known(standardised, asking, tables).with_columns(failing)


def _with_raw_names(raw: pl.LazyFrame, plan: Plan, present: Sequence[str]) -> pl.LazyFrame:
    columns = plan.entry.columns
    others = [name for name in present if name not in columns]
    cells = [
        (pl.col(name) if name in present else pl.lit(None, pl.String)).alias(raw_name(name))
        for name in columns
    ]
    return raw.select(*others, *cells)


def _met(rule: RowRule) -> pl.Expr:
    """Where a row meets a rule, and each cell that the rule asks for is there."""
    there = [pl.col(name).is_not_null() for name in needed_columns(rule)]
    return pl.all_horizontal(~pl.col(_FAIL + rule.code), *there)


def _failure_columns(plan: Plan, present: Sequence[str]) -> list[str]:
    return [*(_FAIL + code for code in plan.failing), *([_FAIL + UNPARSED] if PROBLEM in present else [])]


def _warnings(rules: Sequence[RowRule]) -> pl.Expr:
    """Codes of those of the rules that a row fails, as a list; empty where it fails none."""
    if not rules:
        return pl.lit([], pl.List(pl.String)).alias("_warnings")
    codes = [pl.when(pl.col(_FAIL + rule.code)).then(pl.lit(rule.code)) for rule in rules]
    return pl.concat_list(codes).list.drop_nulls().alias("_warnings")


def _reasons(plan: Plan, present: Sequence[str]) -> pl.Expr:
    """What is wrong with each row. Thousands of rows fail in a few dozen ways, so the list is made once for each way: made
    by expressions for each row, it took four fifths of a bad push's time."""
    failed = {_FAIL + rule.code: _reason(rule) for rule in plan.rules}
    told = [*failed, *([PROBLEM] if PROBLEM in present else [])]

    def listed(way: Mapping[str, Any]) -> list[_Reason]:
        problem = way.get(PROBLEM)
        found = [reason for name, reason in failed.items() if way[name]]
        return found if problem is None else [*found, _unparsed(problem)]

    def apply(rows: pl.Series) -> pl.Series:
        each = rows.struct.unnest()
        ways = each.unique()
        reasons = pl.Series("reasons", [listed(way) for way in ways.iter_rows(named=True)], REASONS)
        return each.join(
            ways.with_columns(reasons), on=told, how="left", nulls_equal=True, maintain_order="left"
        )["reasons"]

    return pl.struct(told).map_batches(apply, return_dtype=REASONS, is_elementwise=True).alias("reasons")


def _reason(rule: RowRule) -> _Reason:
    return {
        "column": rule.column,
        "rule": rule.code,
        "reason_zh": rule.reason.zh,
        "reason_en": rule.reason.en,
    }


def _unparsed(problem: str) -> _Reason:
    zh, en = UNPARSED_REASONS
    return {"column": None, "rule": UNPARSED, "reason_zh": zh, "reason_en": f"{en}: {problem}"}


def _key(plan: Plan) -> pl.Expr:
    """The raw key cells as a JSON object: how a corrected row will be recognised."""
    key = plan.entry.delivery.key
    if not key:
        return pl.lit(None, pl.String).alias("key")
    return pl.struct(pl.col(raw_name(name)).alias(name) for name in key).struct.json_encode().alias("key")


def _cells(plan: Plan, present: Sequence[str]) -> pl.Expr:
    """The row whole, as it came: every raw cell by column name, and cells under headers that are not the entry's."""
    cells = [pl.col(raw_name(name)).alias(name) for name in plan.entry.columns if name in present]
    further = [pl.col(name) for name in present if name not in plan.entry.columns and name != "_row"]
    return pl.struct(*cells, *further).struct.json_encode().alias("cells")
