"""How fresh a resource is against the update frequency it promised (Art. 19), reckoned in Chinese working days.

Here belong periods, due days and states, as pure functions of what was received when. Two clocks are kept apart: how late the
push is, and how old its data is; running the pipeline again on old data moves neither.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from catalog.model import Frequency
from quality.calendar import UnknownYearError, working_day_after, working_days_between

CITY_TIME = ZoneInfo("Asia/Shanghai")
#: On which working day after its period ends a push is due. Ours, not the Measures': a policy may override them.
DUE_WORKING_DAYS: Mapping[Frequency, int] = {
    Frequency.REALTIME: 1,
    Frequency.DAILY: 1,
    Frequency.WEEKLY: 2,
    Frequency.MONTHLY: 5,
    Frequency.QUARTERLY: 10,
    Frequency.HALF_YEARLY: 10,
    Frequency.YEARLY: 20,
}
_MONTHS = {Frequency.MONTHLY: 1, Frequency.QUARTERLY: 3, Frequency.HALF_YEARLY: 6, Frequency.YEARLY: 12}
DUE_SOON_DAYS = 2


class State(StrEnum):
    """Where a resource stands against its promise."""

    ON_TIME = "on_time"
    DUE_SOON = "due_soon"
    LATE = "late"
    NEVER = "never"
    HELD = "held"
    IRREGULAR = "irregular"

    @property
    def title(self) -> str:  # type: ignore[override] # the word people see, not str.title
        """The screens' word for it."""
        words = ("按时", "即将到期", "逾期", "从未推送", "待定", "不定期")
        return dict(zip(State, words, strict=True))[self]


@dataclass(frozen=True)
class Received:
    """One push as the clocks see it: when it was received, what date it speaks for, and whether it waits for a person."""

    received_at: datetime
    data_date: date
    held: bool = False


@dataclass(frozen=True)
class Freshness:
    """The state, the next due day (None: irregular, or its year's calendar is unknown), how many working days late
    the push is, how many days old the data is, and whether the calendar was known."""

    state: State
    next_due: date | None
    working_days_late: int
    data_age_days: int | None
    calendar_known: bool = True


def judge(
    frequency: Frequency,
    received: Sequence[Received],
    now: datetime,
    override: Mapping[date, bool] | None = None,
) -> Freshness:
    """Judge accepted and held pushes of one resource at an instant. A push counts from its receipt."""
    today = now.astimezone(CITY_TIME).date()
    newest = max(received, key=lambda push: (push.data_date, push.received_at), default=None)
    age = (today - newest.data_date).days if newest else None
    if frequency is Frequency.IRREGULAR:
        return Freshness(State.IRREGULAR if newest else State.NEVER, None, 0, age)
    try:
        return _judge(frequency, newest, today, age, override)
    except UnknownYearError:
        state = (
            State.NEVER
            if newest is None
            else State.ON_TIME
            if age is not None and age <= 1
            else State.DUE_SOON
        )
        return Freshness(state, None, 0, age, calendar_known=False)


def _judge(
    frequency: Frequency,
    newest: Received | None,
    today: date,
    age: int | None,
    override: Mapping[date, bool] | None,
) -> Freshness:
    if newest is None:
        return Freshness(State.NEVER, due_day(frequency, period_end(frequency, today), override), 0, age)
    due = due_day(frequency, period_end(frequency, next_period(frequency, newest.data_date)), override)
    late = working_days_between(due, today, override)
    if late:
        state = State.LATE
    elif newest.held:
        state = State.HELD
    else:
        state = (
            State.DUE_SOON
            if (due - today).days <= DUE_SOON_DAYS and frequency not in _QUICK
            else State.ON_TIME
        )
    return Freshness(state, due, late, age)


_QUICK = (Frequency.REALTIME, Frequency.DAILY)


def period_end(frequency: Frequency, day: date) -> date:
    """The last day of the period that ``day`` lies in."""
    if frequency in _QUICK or frequency is Frequency.IRREGULAR:
        return day
    if frequency is Frequency.WEEKLY:
        return day + timedelta(days=6 - day.weekday())
    months = _MONTHS[frequency]
    last_month = (day.month - 1) // months * months + months
    return (date(day.year, last_month, 28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)


def next_period(frequency: Frequency, day: date) -> date:
    """A day of the period after the one that ``day`` lies in."""
    return period_end(frequency, day) + timedelta(days=1)


def due_day(frequency: Frequency, end: date, override: Mapping[date, bool] | None = None) -> date:
    """The day by which the push of a period that ends on ``end`` must have come; raises ``UnknownYearError``."""
    return working_day_after(end, DUE_WORKING_DAYS[frequency], override)
