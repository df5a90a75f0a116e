"""Scores along the six dimensions of GB/T 36344: of what was expected, how much came and met the rules.

Here belongs the formula, for a push, a resource and a department; where the counts come from is ``assets.scores``'s
business. X = A / B: A counts what came and met the rule, so a bad cell and an absent one are alike; B is what earlier pushes
put on record, which never falls: sending less, once or for years, does not make it smaller. Nothing on record gives no score,
never full marks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.model import Dimension, Mode
from quality.plan import Plan, RowRule

#: So many pushes together say what comes as a rule, and so many periods make the score of a resource.
WINDOW = 12
#: What fewer pushes say is no record yet: the first may be years of rows at once.
SETTLED = 5
#: Judged, not scored. What the first say of a row depends on the other rows: leaving one out may mend another. The last
#: asks that nothing be sent.
_UNSCORED = (
    "expect_column_values_to_be_unique",
    "expect_compound_columns_to_be_unique",
    "expect_column_values_to_be_increasing",
    "expect_column_values_to_be_decreasing",
    "expect_column_value_z_scores_to_be_less_than",
    "expect_column_values_to_not_be_outliers",
    "expect_column_values_to_be_null",
)
#: Asks whether a cell is empty; every other rule says nothing of an empty cell.
_REQUIRED = "expect_column_values_to_not_be_null"
#: The columns of a rule stand under these names of its arguments.
_COLUMNS = ("column", "column_A", "column_B", "id_column", "column_list", "columns")
#: Under this code the ledger keeps, among a push's findings, how many rows meet each rule.
MET = "row.met"
Scores = Mapping[Dimension, float | None]


@dataclass(frozen=True)
class Counts:
    """What one push was found to be: its rows (of several with one key, one), and by rule how many rows fail it and how
    many meet it. Of a row with an empty cell that a rule asks for, the rule says neither."""

    rows: int
    failures: Mapping[str, int]
    met: Mapping[str, int] = field(default_factory=dict)

    def met_of(self, rule: RowRule) -> int:
        """How many rows meet the rule; what is sent twice counts once. Of pushes before this was counted: those that do
        not fail it."""
        met = self.met.get(rule.code, self.rows - self.failures.get(rule.code, 0))
        return max(0, min(met, self.rows))

    def assessed(self, rule: RowRule) -> int:
        """Of how many rows the rule says something."""
        return self.met_of(rule) + self.failures.get(rule.code, 0)


def scored_rules(plan: Plan) -> list[RowRule]:
    """The rules that are scored: those which look at one row alone."""
    return [rule for rule in plan.rules if rule.expectation not in _UNSCORED]


def needed_columns(rule: RowRule) -> list[str]:
    """The columns that must hold something for the rule to say that a row meets it."""
    said = [rule.arguments[name] for name in _COLUMNS if name in rule.arguments]
    if rule.expectation == _REQUIRED:
        said = []
    names = [name for value in said for name in ([value] if isinstance(value, str) else value)]
    return list(dict.fromkeys([*names, *_condition_columns(rule.arguments.get("row_condition"))]))


def _condition_columns(condition: Any) -> Iterator[str]:
    """The columns that a row condition, in Great Expectations' serialised form, reads."""
    if isinstance(condition, Mapping):
        column = condition.get("column")
        if isinstance(column, Mapping):
            yield column["name"]
        for part in condition.values():
            yield from _condition_columns(part)
    elif isinstance(condition, list):
        for part in condition:
            yield from _condition_columns(part)


def on_record(plan: Plan, pushes: Sequence[Counts]) -> list[dict[str, float]]:
    """B of each rule after each of these pushes. Of a snapshot the most that was ever assessed, for what was there is to be
    there; else the highest that the median of the last pushes ever was, for days differ. Rules on required columns expect
    at least the entry's ``min_rows``. The first push has nothing before it and is measured by its own."""
    rules, delivery = scored_rules(plan), plan.entry.delivery
    if not pushes or not rules:
        return [{} for _ in pushes]
    seen = np.array([[counts.assessed(rule) for rule in rules] for counts in pushes], dtype=np.float64)
    record = np.maximum.accumulate(seen) if delivery.mode is Mode.SNAPSHOT else _highest_median(seen)
    required = {name for name, column in plan.entry.columns.items() if column.required}
    least = [delivery.volume.min_rows if rule.column in required else 0 for rule in rules]
    codes = [rule.code for rule in rules]
    return [dict(zip(codes, row, strict=True)) for row in np.maximum(record, least).tolist()]


def _highest_median(seen: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each column the highest median of :data:`WINDOW` rows so far; before there are :data:`SETTLED`, that of all so far."""
    medians = np.array([np.median(seen[:end], axis=0) for end in range(1, min(WINDOW, len(seen) + 1))])
    if len(seen) >= WINDOW:
        windows = np.lib.stride_tricks.sliding_window_view(seen, WINDOW, axis=0)
        medians = np.concatenate([medians, np.median(windows, axis=-1)])
    settled = medians.copy()
    settled[: SETTLED - 1] = 0
    highest: NDArray[np.float64] = np.maximum(np.maximum.accumulate(settled), medians)
    return highest


def push_scores(
    plan: Plan, counts: Counts, expectation: Mapping[str, float]
) -> dict[Dimension, float | None]:
    """Of each dimension the mean of its rules; None where nothing was expected of any."""
    by_dimension: dict[Dimension, list[float]] = {dimension: [] for dimension in Dimension}
    for rule in scored_rules(plan):
        if expectation[rule.code]:
            by_dimension[rule.dimension].append(min(1.0, counts.met_of(rule) / expectation[rule.code]))
    return {dimension: mean(values) for dimension, values in by_dimension.items()}


def fewest_rows(
    plan: Plan, counts: Counts, expectation: Mapping[str, float]
) -> dict[Dimension, float | None]:
    """Of each dimension the fewest rows that one of its scores tells of: that meet a rule, or that it lacks of what was
    expected. None where they tell of nobody. Whoever must not learn of so few rows must not see :func:`push_scores`."""
    told: dict[Dimension, list[float]] = {dimension: [] for dimension in Dimension}
    for rule in scored_rules(plan):
        if expected := expectation[rule.code]:
            met = min(counts.met_of(rule), expected)
            told[rule.dimension] += _sides(met, expected)
    return {dimension: min(rows, default=None) for dimension, rows in told.items()}


@dataclass(frozen=True)
class Slot:
    """A period that is over: whether it was on time, whether it came at all, and the scores of the pushes that speak for
    it, which of several is the best in each dimension."""

    on_time: bool
    came: bool
    pushes: Sequence[Scores]


def resource_scores(
    assessed: Iterable[Dimension], slots: Sequence[Slot], agreement: float | None
) -> dict[Dimension, float | None]:
    """A resource over its last periods. ``assessed``: the dimensions its rules have; in these a period for which nothing
    came counts nothing. Timeliness is the share of periods on time, accessibility of those that came at all, and
    consistency also the share of ``agreement`` with other departments."""
    window = slots[-WINDOW:]
    found: dict[Dimension, float | None] = dict.fromkeys(Dimension)
    found |= {dimension: mean([_best(slot, dimension) for slot in window]) for dimension in assessed}
    found[Dimension.TIMELINESS] = mean([float(slot.on_time) for slot in window])
    found[Dimension.ACCESSIBILITY] = mean([float(slot.came) for slot in window])
    both = [found[Dimension.CONSISTENCY], agreement]
    found[Dimension.CONSISTENCY] = mean([value for value in both if value is not None])
    return found


def _best(slot: Slot, dimension: Dimension) -> float:
    return max((scores.get(dimension) or 0.0 for scores in slot.pushes), default=0.0)


def department_scores(resources: Sequence[Scores]) -> dict[Dimension, float | None]:
    """Of each dimension the mean over the department's resources in which it was assessed."""
    return {
        dimension: mean([score for scores in resources if (score := scores.get(dimension)) is not None])
        for dimension in Dimension
    }


def total(scores: Scores) -> float | None:
    """The mean of the dimensions that were assessed, all alike; None where none was."""
    return mean([score for score in scores.values() if score is not None])


def mean(values: Sequence[float]) -> float | None:
    """The mean; None of nothing."""
    return sum(values) / len(values) if values else None


def overall(plan: Plan, rows: int, accepted: int | None) -> float | None:
    """The share of the rows sent that passed every rejecting rule: no score, for it does not know what was not sent."""
    return None if not rows or accepted is None or not plan.rules else accepted / rows


def overall_rows(rows: int, accepted: int | None) -> float | None:
    """The fewest rows that :func:`overall` tells of: the accepted, or the others; None where it tells of nobody."""
    return min(_sides(accepted or 0, rows), default=None)


def _sides(part: float, whole: float) -> list[float]:
    """Of how many rows a share tells: of the part and of the rest, each where it is of anybody."""
    return [rows for rows in (part, whole - part) if rows > 0]
