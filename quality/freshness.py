"""How fresh a resource is against the update frequency it promised (Art. 19), reckoned in Chinese working days.

Here belong periods, due days and states, as pure functions of what was received when. Two clocks are kept apart: how late the
push is, and how old its data is; running the pipeline again on old data moves neither.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import pairwise, takewhile

from catalog.model import Frequency
from quality.calendar import UnknownYearError, working_day_after, working_days_between
from quality.clock import CITY_TIME
from quality.terms import PROPOSED, Terms

_MONTHS = {Frequency.MONTHLY: 1, Frequency.QUARTERLY: 3, Frequency.HALF_YEARLY: 6, Frequency.YEARLY: 12}


class Verdict(StrEnum):
    """What became of one period once its due day is over. Excused: late or missed for a reason the bureau accepted."""

    ON_TIME = "on_time"
    LATE = "late"
    MISSED = "missed"
    EXCUSED = "excused"

    @property
    def title(self) -> str:  # type: ignore[override] # the word people see, not str.title
        """The screens' word for it."""
        return dict(zip(Verdict, ("按时", "逾期", "缺报", "说明获准"), strict=True))[self]


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
    """One push as the clocks see it: when it was received, what date it speaks for, whether it waits for a person, and what
    tells its content from another's (pushes that share one of these say the same; none: it brought no rows)."""

    received_at: datetime
    data_date: date
    held: bool = False
    content: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Freshness:
    """The state, the next due day (None: irregular, or its year's calendar is unknown), how many working days late
    the push is, how many days old the data is, and whether the calendar was known."""

    state: State
    next_due: date | None
    working_days_late: int
    data_age_days: int | None
    calendar_known: bool = True


@dataclass(frozen=True)
class Outcome:
    """One period whose due day is over: its days, when the first push that speaks for it was received (None: not yet),
    and by how many working days that was late."""

    period_start: date
    period_end: date
    due: date
    received_on: date | None
    working_days_late: int

    @property
    def verdict(self) -> Verdict:
        """On time, late, or missed so far."""
        if self.received_on is None:
            return Verdict.MISSED
        return Verdict.LATE if self.working_days_late else Verdict.ON_TIME


def judge(
    frequency: Frequency,
    received: Sequence[Received],
    now: datetime,
    terms: Terms = PROPOSED,
    since: date | None = None,
) -> Freshness:
    """Judge accepted and held pushes of one resource at an instant. A push counts from its receipt; what never came is
    late by the deadline of the period in which the promise began (``since``)."""
    today = now.astimezone(CITY_TIME).date()
    newest = max(received, key=lambda push: (push.data_date, push.received_at), default=None)
    age = (today - newest.data_date).days if newest else None
    if frequency is Frequency.IRREGULAR:
        return Freshness(State.IRREGULAR if newest else State.NEVER, None, 0, age)
    owed = period_end(frequency, next_period(frequency, newest.data_date) if newest else since or today)
    try:
        due = due_day(frequency, owed, terms)
    except UnknownYearError:
        # no calendar can bring the due day forward beyond this: until then the push is not late, whatever is published
        earliest = owed + timedelta(days=terms.due_working_days(frequency))
        return Freshness(
            _state(frequency, newest, 0, earliest, today, terms), None, 0, age, calendar_known=False
        )
    late, known = _working_days_late(due, today, terms)
    return Freshness(_state(frequency, newest, late, due, today, terms), due, late, age, known)


def _state(
    frequency: Frequency, newest: Received | None, late: int, due: date, today: date, terms: Terms
) -> State:
    if newest is None:
        return State.NEVER
    if late:
        return State.LATE
    if newest.held:
        return State.HELD
    soon = frequency not in _QUICK and (due - today).days <= terms.policy.due_soon_days
    return State.DUE_SOON if soon else State.ON_TIME


def _working_days_late(due: date, today: date, terms: Terms) -> tuple[int, bool]:
    """Working days after the due day, as far as the calendar is known, and whether it is known up to today."""
    try:
        return working_days_between(due, today, terms.entered), True
    except UnknownYearError as unknown:
        return working_days_between(due, date(unknown.year - 1, 12, 31), terms.entered), False


def outcomes(
    frequency: Frequency,
    received: Sequence[Received],
    since: date,
    now: datetime,
    terms: Terms = PROPOSED,
) -> Iterator[Outcome]:
    """What became of every period from the one that ``since`` lies in, up to the last whose due day is over.

    A push speaks for the period of its data date and for all before it, as it does in :func:`judge`. Periods that
    are due in a year whose calendar is not known are left out until it is."""
    if frequency is Frequency.IRREGULAR:
        return
    today = now.astimezone(CITY_TIME).date()
    dates, earliest = _earliest_receipts(received)
    start = period_start(frequency, since)
    while True:
        end = period_end(frequency, start)
        try:
            due = due_day(frequency, end, terms)
            if due >= today:
                return
            place = bisect_left(dates, start)
            came = earliest[place] if place < len(dates) else None
            late = working_days_between(due, came, terms.entered) if came else 0
        except UnknownYearError:
            return
        yield Outcome(start, end, due, came, late)
        start = end + timedelta(days=1)


#: From so many periods with the same content on, a resource is marked.
UNCHANGED_PERIODS = 3


def unchanged_periods(frequency: Frequency, received: Sequence[Received]) -> int:
    """For how many periods in a row, up to the newest that came, the content has been the same: 1 where the newest brought
    something new, 0 where it brought no rows. Who promised daily data and sends one file again and again keeps every
    deadline, and is to be asked."""
    newest: dict[date, Received] = {}
    for push in sorted(received, key=lambda push: (push.data_date, push.received_at)):
        newest[period_start(frequency, push.data_date)] = push
    contents = [push.content for push in reversed(newest.values())]
    if not contents or not contents[0]:
        return 0
    same = takewhile(lambda pair: pair[0] & pair[1], pairwise(contents))
    return 1 + sum(1 for _ in same)


def _earliest_receipts(received: Sequence[Received]) -> tuple[list[date], list[date]]:
    """Data dates in order, and for each the earliest day on which a push of that date or a later one was received."""
    ordered = sorted(received, key=lambda push: push.data_date)
    days: list[date] = []
    for push in reversed(ordered):
        day = push.received_at.astimezone(CITY_TIME).date()
        days.append(min(day, days[-1]) if days else day)
    return [push.data_date for push in ordered], days[::-1]


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


def period_start(frequency: Frequency, day: date) -> date:
    """The first day of the period that ``day`` lies in."""
    if frequency in _QUICK or frequency is Frequency.IRREGULAR:
        return day
    if frequency is Frequency.WEEKLY:
        return day - timedelta(days=day.weekday())
    months = _MONTHS[frequency]
    return date(day.year, (day.month - 1) // months * months + 1, 1)


def next_period(frequency: Frequency, day: date) -> date:
    """A day of the period after the one that ``day`` lies in."""
    return period_end(frequency, day) + timedelta(days=1)


def due_day(frequency: Frequency, end: date, terms: Terms = PROPOSED) -> date:
    """The day by which the push of a period that ends on ``end`` must have come; raises ``UnknownYearError``."""
    return working_day_after(end, terms.due_working_days(frequency), terms.entered)
