"""Rules over all rows of a push together: sums, shares, counts, what has changed since; and rules over rows that hold a push.

Here belong the questions that one scan answers beside the split, and the verdict on the answers: the same as Great
Expectations' own, which ``tests/quality/test_agreement.py`` compares, without the seconds that its import takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from catalog.model import Severity
from quality import aggregates
from quality.aggregates import AGGREGATES
from quality.changes import CHANGES, DRIFT, Before
from quality.compile import Arguments, judgement
from quality.divergence import DIVERGENCE, diverges_less
from quality.evidence import Finding
from quality.plan import Plan, RowRule, SetRule
from quality.references import REFERENCE, Tables, resources

Row = Mapping[str, Any]
Metrics = Mapping[str, Any]


@dataclass(frozen=True)
class SetQuestion:
    """What one rule asks of the scan, by name, and what follows from the answers (None: nothing can be said).

    ``tells`` says that the metrics hold values of the column: they are not kept."""

    code: str
    asks: Mapping[str, pl.Expr]
    metrics: Callable[[Row], Metrics | None]
    met: Callable[[Metrics], bool]
    tells: bool = False


def questions(plan: Plan, before: Before) -> list[SetQuestion]:
    """The questions of every rule that is judged over the push as a whole. A change is asked about only where something
    is known of before."""
    over_rows = [_share_question(rule) for rule in plan.rules_of(Severity.HOLD)]
    return [*over_rows, *(question for rule in plan.sets if (question := set_question(rule, before)))]


def set_question(rule: SetRule, before: Before) -> SetQuestion | None:
    """The question of one rule over a set; None for a change of which nothing is known."""
    kind, arguments = rule.expectation, rule.arguments
    if kind in AGGREGATES:
        compiler = AGGREGATES[kind]
        asks = aggregates.scanned(kind, arguments)
        return SetQuestion(
            rule.code,
            asks,
            lambda row: compiler.metrics(row, arguments),
            lambda metrics: set_met(kind, metrics, arguments),
            tells=compiler.tells,
        )
    change = CHANGES[kind]
    prepared = change.prepared(arguments, before)
    if prepared is None:
        return None

    def metrics(row: Row) -> Metrics | None:
        value = change.metric(row, arguments, prepared)
        return None if value is None else {change.reads: value}

    return SetQuestion(
        rule.code,
        change.scanned(arguments, prepared),
        metrics,
        lambda found: set_met(kind, found, arguments),
    )


def _share_question(rule: RowRule) -> SetQuestion:
    """A rule over rows that holds the push: where less than ``mostly`` of the rows looked at meet it."""
    how = judgement(rule.expectation, rule.arguments)
    considered = pl.len() if how.considered is None else how.considered.sum()
    mostly = rule.arguments.get("mostly")
    share = 1.0 if mostly is None else float(mostly)
    return SetQuestion(
        rule.code,
        {"considered": considered, "failing": how.failing.sum()},
        lambda row: {"considered": int(row["considered"] or 0), "failing": int(row["failing"] or 0)},
        lambda row: (
            not row["considered"] or (row["considered"] - row["failing"]) / row["considered"] >= share
        ),
    )


def set_columns(asked: Sequence[SetQuestion]) -> list[pl.Expr]:
    """One-row expressions for all questions, over a judged frame."""
    return [
        expression.alias(f"{question.code}:{name}")
        for question in asked
        for name, expression in question.asks.items()
    ]


def findings(
    plan: Plan, asked: Sequence[SetQuestion], row: Row, tables: Tables, rows: int
) -> dict[str, Finding]:
    """What became of each rule over a set, and of each that could not be judged. Of a push without rows nothing is
    said: that nothing is to be reported is no fault."""
    found = {}
    for question in asked:
        answers = {name: row[f"{question.code}:{name}"] for name in question.asks}
        metrics = question.metrics(answers) if rows else None
        if metrics is not None:
            found[question.code] = Finding(
                question.met(metrics),
                {} if question.tells else {name: _plain(value) for name, value in metrics.items()},
            )
    silent = Finding(met=None)
    unasked = {rule.code: silent for rule in plan.rules if not _assessable(rule, tables)}
    return {rule.code: silent for rule in plan.sets} | found | unasked


def _assessable(rule: RowRule, tables: Tables) -> bool:
    return rule.expectation != REFERENCE or all(name in tables for name in resources(rule.arguments))


def set_met(kind: str, metrics: Metrics, arguments: Arguments) -> bool:
    """Great Expectations' verdict on a set's metrics."""
    if kind in _MET:
        return _MET[kind](metrics, arguments)
    if "distinct_values_to" in kind:
        return not any(value for name, value in metrics.items() if name.endswith(".count"))
    (value,) = metrics.values()
    return _within(value, arguments)


def _within(value: Any, arguments: Arguments) -> bool:
    low, high = arguments.get("min_value"), arguments.get("max_value")
    strictly_above, strictly_below = arguments.get("strict_min"), arguments.get("strict_max")
    if value is None or value != value:  # noqa: PLR0124 # NaN is nothing too
        return False
    above = low is None or (value > low if strictly_above else value >= low)
    below = high is None or (value < high if strictly_below else value <= high)
    return bool(above and below)


def _quantiles_met(metrics: Metrics, arguments: Arguments) -> bool:
    ranges = arguments["quantile_ranges"]["value_ranges"]
    return all(
        value is not None and (low is None or value >= low) and (high is None or value <= high)
        for value, (low, high) in zip(metrics["column.quantile_values"], ranges, strict=True)
    )


def _most_common_met(metrics: Metrics, arguments: Arguments) -> bool:
    common = metrics["column.most_common_value"] or []
    expected = len(set(arguments.get("value_set") or ()) & set(common))
    return expected > 0 if arguments.get("ties_okay") else len(common) == 1 and expected == 1


_MET: dict[str, Callable[[Metrics, Arguments], bool]] = {
    "expect_column_quantile_values_to_be_between": _quantiles_met,
    "expect_column_most_common_value_to_be_in_set": _most_common_met,
    "expect_table_row_count_to_equal": lambda metrics, a: bool(metrics["table.row_count"] == a["value"]),
    DIVERGENCE: diverges_less,
    DRIFT: lambda metrics, a: bool(metrics["column.drift"] < a["threshold"]),
}


def _plain(value: Any) -> Any:
    """As JSON holds it: a number, or several; of a rule's own set the missing words."""
    if isinstance(value, list):
        return [item if isinstance(item, int) else str(item) for item in value]
    return value if isinstance(value, int | float) or value is None else float(value)
