"""The Chinese working-day calendar: public holidays, make-up days, and an honest «not known».

Here belongs only which days are worked. The published calendar comes with ``chinesecalendar``; a city enters a later year in
``catalog/calendar.yaml``. A year that neither knows is not guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Self

import chinese_calendar
from pydantic import model_validator

from catalog.load import CatalogueError, Fault, read_yaml, validate
from catalog.model import Declaration

CALENDAR_FILE = "calendar.yaml"
_SATURDAY = 5


class UnknownYearError(LookupError):
    """The State Council's calendar of this year is not known here; says how to enter it."""

    def __init__(self, year: int) -> None:
        self.year = year
        super().__init__(
            f"the working days of {year} are not known here: enter them in catalog/{CALENDAR_FILE}"
        )


class Year(Declaration):
    """One year's arrangement: weekdays on which offices are closed, and weekend days on which they work."""

    closed: tuple[date, ...]
    open: tuple[date, ...]

    @model_validator(mode="after")
    def _only_exceptions(self) -> Self:
        plain = [day for day in self.closed if day.weekday() >= _SATURDAY]
        plain += [day for day in self.open if day.weekday() < _SATURDAY]
        if plain:
            msg = f"no exception, since its weekday says so already: {', '.join(map(str, plain))}"
            raise ValueError(msg)
        return self


class Years(Declaration):
    """The years a city has entered."""

    years: dict[int, Year]

    @model_validator(mode="after")
    def _days_of_their_year(self) -> Self:
        strange = [
            f"{day} under {number}"
            for number, year in self.years.items()
            for day in (*year.closed, *year.open)
            if day.year != number
        ]
        if strange:
            msg = f"a day of another year: {', '.join(strange)}"
            raise ValueError(msg)
        return self


def entered_days(root: Path) -> Mapping[date, bool]:
    """Every day of the years entered in a catalogue folder, and whether it is worked; raises ``CatalogueError``."""
    path, faults = root / CALENDAR_FILE, list[Fault]()
    if not path.exists():
        return {}
    document, place = read_yaml(path, root, faults)
    found = validate(Years, document, place, faults) if document is not None else None
    if found is None:
        raise CatalogueError(faults)
    return {day: worked for number, year in found.years.items() for day, worked in _days(number, year)}


def _days(number: int, year: Year) -> list[tuple[date, bool]]:
    first, count = date(number, 1, 1), (date(number + 1, 1, 1) - date(number, 1, 1)).days
    days = [first + timedelta(days=place) for place in range(count)]
    return [(day, day in year.open or (day.weekday() < _SATURDAY and day not in year.closed)) for day in days]


def is_working_day(day: date, override: Mapping[date, bool] | None = None) -> bool:
    """Whether offices work that day; raises :class:`UnknownYearError`."""
    if override and day in override:
        return override[day]
    return _published(day)


@lru_cache(maxsize=20_000)
def _published(day: date) -> bool:
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
