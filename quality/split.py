"""The split: one lazy plan that standardises a raw frame, judges each row, and parts good rows from bad.

Here belongs the shape of the two results and the counting. The frames stay lazy: sunk together, the source is
read and every expression computed once. Every raw row is in exactly one of the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from catalog.model import Severity
from quality.evidence import Show, evidence_columns
from quality.plan import Plan, RowRule, raw_name

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


@dataclass(frozen=True)
class Split:
    """``accepted``: content columns, ``_row``, ``_warnings``; ``rejected``: ``_row``, ``key``, ``cells``, ``reasons``;
    ``counts``: one row with ``total``, ``accepted``, ``rejected``, and per rule how many rows fail it; ``evidence``: one
    row for ``evidence.read_evidence``, which costs nothing where it is not asked for."""

    accepted: pl.LazyFrame
    rejected: pl.LazyFrame
    counts: pl.LazyFrame
    evidence: pl.LazyFrame


def split(raw: pl.LazyFrame, plan: Plan, show: Show | None = None) -> Split:
    """Part the rows of a raw frame (String columns by entry name, ``_row``, perhaps :data:`PROBLEM` and further
    columns) as the plan says. Columns of the entry that the frame lacks count as empty. ``show`` says of which
    columns the evidence may hold failing values, and under which mask."""
    present = raw.collect_schema().names()
    judged = _judged(raw, plan, present)
    rejecting = [_FAIL + rule.code for rule in plan.rules_of(Severity.REJECT)]
    if PROBLEM in present:
        rejecting.append(_FAIL + UNPARSED)
    bad = pl.any_horizontal(rejecting) if rejecting else pl.lit(value=False)
    marked = judged.with_columns(bad.alias("_bad"))
    return Split(
        accepted=marked.filter(~pl.col("_bad")).select(*plan.columns, "_row", _warnings(plan)),
        rejected=marked.filter("_bad").select(
            "_row", _key(plan), _cells(plan, present), _reasons(plan, present)
        ),
        counts=marked.select(
            pl.len().alias("total"),
            (~pl.col("_bad")).sum().alias("accepted"),
            pl.col("_bad").sum().alias("rejected"),
            *(pl.col(name).sum().alias(name.removeprefix(_FAIL)) for name in _failure_columns(plan, present)),
        ),
        evidence=marked.select(evidence_columns(plan, lambda code: pl.col(_FAIL + code), show or {})),
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


def _judged(raw: pl.LazyFrame, plan: Plan, present: Sequence[str]) -> pl.LazyFrame:
    failing = [expression.alias(_FAIL + code) for code, expression in plan.failing.items()]
    if PROBLEM in present:
        failing.append(pl.col(PROBLEM).is_not_null().alias(_FAIL + UNPARSED))
    return _with_raw_names(raw, plan, present).with_columns(plan.standardise).with_columns(failing)


def _with_raw_names(raw: pl.LazyFrame, plan: Plan, present: Sequence[str]) -> pl.LazyFrame:
    columns = plan.entry.columns
    others = [name for name in present if name not in columns]
    cells = [
        (pl.col(name) if name in present else pl.lit(None, pl.String)).alias(raw_name(name))
        for name in columns
    ]
    return raw.select(*others, *cells)


def _failure_columns(plan: Plan, present: Sequence[str]) -> list[str]:
    return [*(_FAIL + code for code in plan.failing), *([_FAIL + UNPARSED] if PROBLEM in present else [])]


def _warnings(plan: Plan) -> pl.Expr:
    """Codes of the warning rules a row fails, as a list; empty where it fails none."""
    rules = plan.rules_of(Severity.WARN)
    if not rules:
        return pl.lit([], pl.List(pl.String)).alias("_warnings")
    codes = [pl.when(pl.col(_FAIL + rule.code)).then(pl.lit(rule.code)) for rule in rules]
    return pl.concat_list(codes).list.drop_nulls().alias("_warnings")


def _reasons(plan: Plan, present: Sequence[str]) -> pl.Expr:
    found = [pl.when(pl.col(_FAIL + rule.code)).then(_reason(rule)) for rule in plan.rules]
    if PROBLEM in present:
        zh, en = UNPARSED_REASONS
        unparsed = _reason_struct(None, UNPARSED, zh, en).struct.with_fields(
            pl.concat_str(pl.lit(f"{en}: "), pl.col(PROBLEM)).alias("reason_en")
        )
        found.append(pl.when(pl.col(_FAIL + UNPARSED)).then(unparsed))
    return pl.concat_list(found).list.drop_nulls().cast(REASONS).alias("reasons")


def _reason(rule: RowRule) -> pl.Expr:
    return _reason_struct(rule.column, rule.code, rule.reason.zh, rule.reason.en)


def _reason_struct(column: str | None, rule: str, zh: str, en: str) -> pl.Expr:
    return pl.struct(
        pl.lit(column, pl.String).alias("column"),
        pl.lit(rule).alias("rule"),
        pl.lit(zh).alias("reason_zh"),
        pl.lit(en).alias("reason_en"),
    )


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
