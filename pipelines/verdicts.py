"""``citylake quality``: what the last push of a resource met, rule by rule, and how its scores have moved.

Here belongs reading the ledger's counts and showing them. What a rule is and how it is judged is in ``quality``; counts
only, never a value out of a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

from rich.table import Table

from assets.build import Context
from assets.push_evidence import entry_of, findings_of
from assets.push_scores import JUDGED, judged_scores
from catalog.model import Dimension, Entry, Severity
from lake.ledger import Ledger, Push, PushState, open_ledger
from quality.plan import Plan, compile_entry
from quality.score import Scores, overall, total

TITLES = {Severity.REJECT: "拒收 reject", Severity.WARN: "提示 warn", Severity.HOLD: "待定 hold"}


@dataclass(frozen=True)
class FailedRule:
    """A rule that rows of the push failed (``rows``), or that the push as a whole did not meet (``observed``: the numbers
    that tell so), and what its failure means."""

    rule: str
    column: str | None
    dimension: Dimension
    severity: Severity
    rows: int | None
    reason_zh: str
    reason_en: str
    observed: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class JudgedPush:
    """One push: its rows, and its score in each dimension (None where nothing was assessed)."""

    push: str
    state: PushState
    data_date: date
    rows: int
    accepted: int
    rejected: int
    passed: float | None
    dimensions: Mapping[Dimension, float | None]
    total: float | None


@dataclass(frozen=True)
class Verdict:
    """A resource's last push by rule, and all its judged pushes, oldest first. ``unjudged`` names the rules of which
    nothing can be said: another table is empty still, or there is nothing to compare with."""

    resource: str
    rules: int
    failed: list[FailedRule]
    trend: list[JudgedPush]
    unjudged: list[str] = field(default_factory=list)


def verdict(context: Context, entry: Entry, pushes: int = 12) -> Verdict:
    """What the newest ``pushes`` judged pushes of a resource met; none of a resource that never pushed. The last is told by
    the rules there were then; raises ``EntryGoneError``."""
    plan = compile_entry(entry)
    scored = judged_scores(plan, open_ledger(context.home).history(entry.code), last=pushes)
    judged = [push for push, _ in scored]
    then = compile_entry(entry_of(context, judged[-1])) if judged else plan
    return Verdict(
        entry.code,
        len(then.rules) + len(then.sets),
        _failed(then, judged[-1]) if judged else [],
        [_scored(plan, push, scores) for push, scores in scored],
        [code for code, found in findings_of(judged[-1]).items() if found.met is None] if judged else [],
    )


def newest_judged(ledger: Ledger, entry: Entry) -> Push | None:
    """The newest push whose rows were judged."""
    judged = _judged(ledger, entry)
    return judged[-1] if judged else None


def as_record(found: Verdict) -> dict[str, object]:
    """The verdict as JSON holds it."""
    record = asdict(found)
    for push in record["trend"]:
        push["data_date"] = push["data_date"].isoformat()
    return record


def tables(found: Verdict) -> list[Table]:
    """The verdict as people read it: failed rules of the last push, and the trend."""
    rules = Table(
        "规则 rule",
        "维度 dimension",
        "处置 severity",
        "行数 rows",
        "含义 meaning",
        title="最近一次推送未满足的规则 · rules the last push failed",
        header_style="bold",
    )
    for rule in found.failed:
        extent = observed(rule.observed) if rule.rows is None else f"{rule.rows:,}"
        rules.add_row(rule.rule, rule.dimension.title, TITLES[rule.severity], extent, rule.reason_zh)
    shown = [d for d in Dimension if any(push.dimensions.get(d) is not None for push in found.trend)]
    trend = Table(
        "数据日期",
        "推送 push",
        "行数",
        "问题",
        "合格率",
        "总分 score",
        *(dimension.title for dimension in shown),
        title="历次推送 · pushes",
        header_style="bold",
    )
    for push in found.trend:
        trend.add_row(
            str(push.data_date),
            push.push,
            f"{push.rows:,}",
            f"{push.rejected:,}",
            _percent(push.passed),
            _percent(push.total),
            *(_percent(push.dimensions[dimension]) for dimension in shown),
        )
    return [rules, trend]


def observed(metrics: Mapping[str, Any]) -> str:
    """The numbers of a rule over a push as a whole, as people read them."""
    return ", ".join(
        f"{value:,.4g}" if isinstance(value, int | float) else str(value) for value in metrics.values()
    )


def _judged(ledger: Ledger, entry: Entry) -> list[Push]:
    """The pushes whose rows were judged, in the order they came."""
    return [push for push in ledger.history(entry.code) if push.state in JUDGED]


def _failed(plan: Plan, push: Push) -> list[FailedRule]:
    failures = push.failures or {}
    found = [
        FailedRule(
            rule.code,
            rule.column,
            rule.dimension,
            rule.severity,
            failures[rule.code],
            rule.reason.zh,
            rule.reason.en,
        )
        for rule in plan.rules
        if failures.get(rule.code)
    ]
    return [*_unmet(plan, push), *sorted(found, key=lambda rule: -(rule.rows or 0))]


def _unmet(plan: Plan, push: Push) -> list[FailedRule]:
    """The rules over the push as a whole that it does not meet: more than any single row they matter."""
    found = findings_of(push)
    return [
        FailedRule(
            rule.code,
            rule.column,
            rule.dimension,
            rule.severity,
            None,
            rule.reason.zh,
            rule.reason.en,
            found[rule.code].metrics,
        )
        for rule in plan.sets
        if rule.code in found and found[rule.code].met is False
    ]


def _scored(plan: Plan, push: Push, scores: Scores) -> JudgedPush:
    rows, accepted = push.rows or 0, push.accepted or 0
    return JudgedPush(
        push.id,
        push.state,
        push.data_date,
        rows,
        accepted,
        push.rejected or 0,
        overall(plan, rows, accepted),
        scores,
        total(scores),
    )


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"
