"""Rows that say what is to be done with them: a change table, or an upsert push, with an operation column.

Here belongs how a deletion passes the checks: it speaks for its key and for nothing else. What is then done with it is
``assets.standard``'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from assets.ingest.headers import normal
from catalog.model import Dimension, Entry, Operation, Severity, Title
from quality.plan import Plan, RowRule, compile_entry

#: The raw frame's column of what to do with a row.
OPERATION = "_operation"
#: Under this name a deletion is counted, and known among the accepted rows by their warnings.
DELETED = "row.deleted"


def place_of(operation: Operation | None, headers: Sequence[str]) -> int | None:
    """Where the operation column stands among a file's headers."""
    wanted = normal(operation.column) if operation else None
    return next((place for place, header in enumerate(headers) if normal(header) == wanted), None)


def prepared(entry: Entry, raw: pl.LazyFrame) -> tuple[pl.LazyFrame, Plan]:
    """The raw frame and the plan to judge it by. Of a deletion only the key counts: all else is emptied, and nothing
    but the key is checked."""
    plan = compile_entry(entry)
    operation, key = entry.delivery.operation, entry.delivery.key
    if operation is None or OPERATION not in raw.collect_schema().names():
        return raw, plan
    deletes = pl.col(OPERATION).str.strip_chars().str.to_uppercase().is_in(
        [word.upper() for word in operation.delete]
    ).fill_null(value=False)  # fmt: skip
    content = [name for name in raw.collect_schema().names() if name in entry.columns and name not in key]
    emptied = raw.with_columns(
        pl.when(deletes).then(None).otherwise(pl.col(name)).alias(name) for name in content
    )
    checked = {
        rule.code: plan.failing[rule.code] if rule.column in key else plan.failing[rule.code] & ~deletes
        for rule in plan.rules
    }
    return emptied, replace(plan, rules=(*plan.rules, _DELETION), failing=checked | {DELETED: deletes})


_DELETION = RowRule(
    DELETED,
    None,
    "expect_column_values_to_not_be_in_set",
    {"column": OPERATION},
    Severity.WARN,
    Dimension.TIMELINESS,
    Title(zh="该行要求删除这一主键", en="the row asks for its key to be deleted"),
)
