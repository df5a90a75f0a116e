"""Scores along the six dimensions of GB/T 36344: what share of what was assessed met the rules.

Here belongs the formula: X = A / B per rule, with B the rows of the push and A those that meet the rule; a dimension is the
mean of its rules. Nothing assessed gives no score, never full marks: sending less raises nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from catalog.model import Dimension
from quality.plan import Plan


def scores(plan: Plan, rows: int, failures: Mapping[str, int]) -> dict[Dimension, float | None]:
    """Score of each dimension, 0 to 1; None where no rule of it was assessed."""
    by_dimension: dict[Dimension, list[float]] = {dimension: [] for dimension in Dimension}
    if rows:
        for rule in plan.rules:
            by_dimension[rule.dimension].append(1 - failures.get(rule.code, 0) / rows)
    return {dimension: sum(met) / len(met) if met else None for dimension, met in by_dimension.items()}


def overall(plan: Plan, rows: int, accepted: int | None) -> float | None:
    """The share of rows that passed every rejecting rule; None where there were no rows."""
    return None if not rows or accepted is None or not plan.rules else accepted / rows
