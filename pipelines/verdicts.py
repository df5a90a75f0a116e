"""``citylake quality``: what the last push of a resource met, rule by rule, and how its scores have moved.

Here belongs reading the ledger's counts and showing them. What a rule is and how it is judged is in ``quality``; counts
only, never a value out of a row.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date

from rich.table import Table

from catalog.model import Dimension, Entry, Severity
from lake.ledger import Ledger, Push, PushState
from quality.evidence import Evidence
from quality.plan import Plan, compile_entry
from quality.score import overall, scores

JUDGED = (PushState.APPLIED, PushState.HELD)
TITLES = {Severity.REJECT: "拒收 reject", Severity.WARN: "提示 warn", Severity.HOLD: "待定 hold"}


@dataclass(frozen=True)
class FailedRule:
    """A rule that rows of the push failed, and what its failure means."""

    rule: str
    column: str | None
    dimension: Dimension
    severity: Severity
    rows: int
    reason_zh: str
    reason_en: str


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
    dimensions: dict[Dimension, float | None]


@dataclass(frozen=True)
class Verdict:
    """A resource's last push by rule, and all its judged pushes, oldest first."""

    resource: str
    rules: int
    failed: list[FailedRule]
    trend: list[JudgedPush]


def verdict(ledger: Ledger, entry: Entry, pushes: int = 12) -> Verdict:
    """What the newest ``pushes`` judged pushes of a resource met; none of a resource that never pushed."""
    plan = compile_entry(entry)
    judged = _judged(ledger, entry)[-pushes:]
    return Verdict(
        entry.code,
        len(plan.rules),
        _failed(plan, judged[-1]) if judged else [],
        [_scored(plan, push) for push in judged],
    )


def evidence_of(ledger: Ledger, entry: Entry) -> Evidence | None:
    """The counts of the newest judged push: what Great Expectations' results are made from."""
    judged = _judged(ledger, entry)
    return Evidence(judged[-1].rows or 0, judged[-1].failures or {}) if judged else None


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
        rules.add_row(
            rule.rule, rule.dimension.title, TITLES[rule.severity], f"{rule.rows:,}", rule.reason_zh
        )
    shown = [d for d in Dimension if any(push.dimensions.get(d) is not None for push in found.trend)]
    trend = Table(
        "数据日期",
        "推送 push",
        "行数",
        "问题",
        "合格率",
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
            *(_percent(push.dimensions[dimension]) for dimension in shown),
        )
    return [rules, trend]


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
    return sorted(found, key=lambda rule: -rule.rows)


def _scored(plan: Plan, push: Push) -> JudgedPush:
    rows, accepted = push.rows or 0, push.accepted or 0
    return JudgedPush(
        push.id,
        push.state,
        push.data_date,
        rows,
        accepted,
        push.rejected or 0,
        overall(plan, rows, accepted),
        scores(plan, rows, push.failures or {}),
    )


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"
