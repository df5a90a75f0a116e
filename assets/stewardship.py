"""``ops.quarantine`` and ``ops.rule``: what stewards and the bureau look after, as tables.

Here belongs the gathering over all resources. What a row's state is, is decided in ``quarantine``; what a rule is, in
``quality``. They hold counts, instants and the catalogue's words, never a value out of a row, and the bureau alone sees them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import polars as pl

from assets.build import Build, Built, Context, TableName
from assets.push_evidence import entry_of
from assets.push_scores import JUDGED
from assets.quarantine import Tally, record_corrections, tally
from catalog.load import Catalogue
from catalog.model import Entry, Title
from lake.entries import EntryGoneError
from lake.ledger import Push, open_ledger
from lake.locks import writing
from quality.plan import AnyRule, compile_entry

QUARANTINE: TableName = ("ops", "quarantine")
RULES: TableName = ("ops", "rule")
QUARANTINE_SCHEMA = pl.Schema(
    {
        "resource": pl.String(),
        "department": pl.String(),
        **dict.fromkeys(("open", "closed", "released", "dismissed"), pl.Int64()),
        "open_since": pl.Datetime("us", "UTC"),
        "median_days_open": pl.Float64(),
    }
)
RULE_SCHEMA = pl.Schema(
    {
        **dict.fromkeys(("resource", "department", "rule", "column"), pl.String()),
        **dict.fromkeys(("expectation", "dimension", "severity"), pl.String()),
        "data_date": pl.Date(),
        **dict.fromkeys(("rows", "failing"), pl.Int64()),
        "met": pl.Boolean(),
        **dict.fromkeys(("reason_zh", "reason_en"), pl.String()),
    }
)


def builds(catalogue: Catalogue) -> list[Build]:
    """Both tables, made after every standard table."""
    return [
        Build(
            makes=(QUARANTINE, RULES),
            reads=tuple(("standard", code) for code in catalogue.entries),
            title=Title(zh="问题数据与规则", en="Quarantine and rules"),
            description="各数据资源的问题数据：待处理、已更正、已放行、不予处理及搁置时间；以及最近一次推送对每条规则的满足情况。"
            "The quarantined rows of each resource by state and age, and how its newest push met each rule.",
            owner="data_bureau",
            run=publish_stewardship,
        )
    ]


def publish_stewardship(context: Context) -> Built:
    """Write down the rows that pushes have brought right since, and make both tables say how things stand."""
    entries = list(context.catalogue.entries.values())
    corrected = sum(record_corrections(context, entry) for entry in entries)
    tallies = [tally(context, entry) for entry in entries]
    outcomes = [row for entry in entries for row in _rule_rows(context, entry.code)]
    with writing(context.home, "ops.quarantine"):
        commits = {
            QUARANTINE: context.lake.publish(*QUARANTINE, quarantine_rows(tallies), key=["resource"]),
            RULES: context.lake.publish(
                *RULES, pl.DataFrame(outcomes, schema=RULE_SCHEMA, orient="row"), key=["resource", "rule"]
            ),
        }
    return Built(commits, {"open": sum(each.open for each in tallies), "newly corrected": corrected})


def tallies_of(context: Context, department: str | None = None, now: datetime | None = None) -> list[Tally]:
    """The tally of every resource (of one department) that ever had a quarantined row, in code order."""
    catalogue = context.catalogue
    entries = catalogue.of_department(department) if department else list(catalogue.entries.values())
    found = (tally(context, entry, now or datetime.now(UTC)) for entry in entries)
    return [each for each in found if each.open or each.closed or each.released or each.dismissed]


def quarantine_rows(tallies: list[Tally]) -> pl.DataFrame:
    """The tallies as a frame."""
    plain = [
        {**vars(each), "open_since": each.since, "median_days_open": each.median_days} for each in tallies
    ]
    return pl.DataFrame(plain, schema=QUARANTINE_SCHEMA, orient="row")


def _rule_rows(context: Context, resource: str) -> Iterator[dict[str, Any]]:
    """How the resource's newest judged push met each rule there was then (``met`` is null where it could not be judged)."""
    judged = [push for push in open_ledger(context.home).history(resource) if push.state in JUDGED]
    if not judged:
        return
    push = judged[-1]
    try:
        entry = entry_of(context, push)
    except EntryGoneError:
        return
    plan = compile_entry(entry)
    for rule in plan.rules:
        failing = (push.failures or {}).get(rule.code, 0)
        unjudged = rule.code in (push.findings or {}) and (push.findings or {})[rule.code]["met"] is None
        met = None if unjudged or not push.rows else not failing
        yield _rule_row(entry, rule, push, None if unjudged else failing, met)
    for over_all in plan.sets:
        found = (push.findings or {}).get(over_all.code, {})
        yield _rule_row(entry, over_all, push, None, found.get("met"))


def _rule_row(
    entry: Entry, rule: AnyRule, push: Push, failing: int | None, met: bool | None
) -> dict[str, Any]:
    return {
        "resource": entry.code,
        "department": entry.department,
        "rule": rule.code,
        "column": rule.column,
        "expectation": rule.expectation,
        "dimension": rule.dimension.value,
        "severity": rule.severity.value,
        "data_date": push.data_date,
        "rows": push.rows,
        "failing": failing,
        "met": met,
        "reason_zh": rule.reason.zh,
        "reason_en": rule.reason.en,
    }
