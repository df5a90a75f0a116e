"""Timeliness as people compare it: by month, by resource, by department, from the record of periods.

Here belong sums over the record; what became of each period was decided when its due day was over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from quality.freshness import Verdict


@dataclass(frozen=True)
class Tally:
    """How many periods ended on time, late, without a push, and excused."""

    on_time: int = 0
    late: int = 0
    missed: int = 0
    excused: int = 0

    @property
    def due(self) -> int:
        """How many pushes were owed."""
        return self.on_time + self.late + self.missed + self.excused

    @property
    def share(self) -> float | None:
        """The share that came on time of what was not excused; None where that is nothing."""
        counted = self.due - self.excused
        return self.on_time / counted if counted else None


#: Resource → first day of the month in which periods were due → what became of them.
Record = Mapping[str, Mapping[date, Tally]]


def record_of(periods: pl.DataFrame) -> Record:
    """The record of periods, counted once."""
    counts = periods.select(
        "resource",
        pl.col("due").dt.truncate("1mo").alias("month"),
        *(pl.col("verdict").eq(verdict.value).cast(pl.Int64).alias(verdict.value) for verdict in Verdict),
    )
    months = (
        counts.group_by("resource", "month").sum().select("resource", "month", *(v.value for v in Verdict))
    )
    record: dict[str, dict[date, Tally]] = {}
    for resource, month, *numbers in months.iter_rows():
        record.setdefault(resource, {})[month] = Tally(*numbers)
    return record


def due_in(record: Record, resources: Iterable[str], month: date) -> Tally:
    """What became of the periods of some resources that were due in the month of a day."""
    first, nothing = month.replace(day=1), Tally()
    return sum_of(record.get(resource, {}).get(first, nothing) for resource in resources)


def by_month(record: Record, resources: Iterable[str], today: date, count: int = 12) -> dict[date, Tally]:
    """A tally for each of the last months, also for those in which nothing was owed."""
    codes = list(resources)
    return {month: due_in(record, codes, month) for month in months_back(today, count)}


def months_back(day: date, count: int) -> list[date]:
    """The first days of the ``count`` months up to and with the day's own, oldest first."""
    first, found = day.replace(day=1), []
    for _ in range(count):
        found.append(first)
        first = (first - timedelta(days=1)).replace(day=1)
    return found[::-1]


def sum_of(tallies: Iterable[Tally]) -> Tally:
    """Several tallies as one."""
    counted = list(tallies)
    return Tally(
        sum(each.on_time for each in counted),
        sum(each.late for each in counted),
        sum(each.missed for each in counted),
        sum(each.excused for each in counted),
    )
