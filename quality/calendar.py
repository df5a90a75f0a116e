"""The Chinese working-day calendar: public holidays, make-up days, and an honest «not known».

Here belongs only which days are worked. The published calendar comes with ``chinesecalendar``; a city that has entered a
later year gives it as an override. A year that neither knows is not guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

import chinese_calendar


class UnknownYearError(LookupError):
    """The State Council's calendar of this year is not known here; says how to enter it."""

    def __init__(self, year: int) -> None:
        self.year = year
        super().__init__(f"the working days of {year} are not published here yet: enter them as an override")


def is_working_day(day: date, override: Mapping[date, bool] | None = None) -> bool:
    """Whether offices work that day; raises :class:`UnknownYearError`."""
    if override and day in override:
        return override[day]
    try:
        return bool(chinese_calendar.is_workday(day))
    except NotImplementedError:
        raise UnknownYearError(day.year) from None


def working_day_after(day: date, count: int, override: Mapping[date, bool] | None = None) -> date:
    """The ``count``-th working day after ``day`` (1: the next one); raises :class:`UnknownYearError`."""
    while count > 0:
        day += timedelta(days=1)
        count -= is_working_day(day, override)
    return day


def working_days_between(start: date, end: date, override: Mapping[date, bool] | None = None) -> int:
    """How many working days lie after ``start`` up to and with ``end``; 0 where ``end`` is not later."""
    days = (start + timedelta(days=number) for number in range(1, (end - start).days + 1))
    return sum(is_working_day(day, override) for day in days)
