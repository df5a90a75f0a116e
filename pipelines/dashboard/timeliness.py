"""Timeliness as people compare it: by month, by department, from the record of periods.

Here belong sums over the record; what became of each period was decided when it ended.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from quality.freshness import Verdict


@dataclass(frozen=True)
class Tally:
    """How many periods ended on time, late, and without a push."""

    on_time: int = 0
    late: int = 0
    missed: int = 0

    @property
    def due(self) -> int:
        """How many pushes were owed."""
        return self.on_time + self.late + self.missed

    @property
    def share(self) -> float | None:
        """The share that came on time; None where nothing was owed."""
        return self.on_time / self.due if self.due else None


def tally(periods: pl.DataFrame) -> Tally:
    """The periods counted by verdict."""
    counts = dict(periods.group_by("verdict").len().iter_rows())
    return Tally(*(counts.get(verdict.value, 0) for verdict in Verdict))


def due_in(periods: pl.DataFrame, month: date) -> pl.DataFrame:
    """The periods whose push was due in the month of a day."""
    return periods.filter(pl.col("due").dt.truncate("1mo") == month.replace(day=1))


def months_back(day: date, count: int) -> list[date]:
    """The first days of the ``count`` months up to and with the day's own, oldest first."""
    first, found = day.replace(day=1), []
    for _ in range(count):
        found.append(first)
        first = (first - timedelta(days=1)).replace(day=1)
    return found[::-1]


def by_month(periods: pl.DataFrame, today: date, count: int = 12) -> dict[date, Tally]:
    """A tally for each of the last months, also for those in which nothing was owed."""
    return {month: tally(due_in(periods, month)) for month in months_back(today, count)}


def sum_of(tallies: Iterable[Tally]) -> Tally:
    """Several tallies as one."""
    counted = list(tallies)
    return Tally(
        sum(each.on_time for each in counted),
        sum(each.late for each in counted),
        sum(each.missed for each in counted),
    )
