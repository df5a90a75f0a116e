"""When a push is due, when it is late, and what became of each period."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.load import CatalogueError, default_root
from catalog.model import Frequency
from quality.calendar import (
    CALENDAR_FILE,
    UnknownYearError,
    entered_days,
    is_working_day,
    working_day_after,
    working_days_between,
)
from quality.freshness import (
    Received,
    State,
    Verdict,
    due_day,
    judge,
    next_period,
    outcomes,
    period_end,
    period_start,
    unchanged_periods,
)
from quality.terms import Terms

PERIODIC = [frequency for frequency in Frequency if frequency is not Frequency.IRREGULAR]


def at(day: date, hour: int = 12) -> datetime:
    """An instant on a day of the city (UTC is eight hours behind)."""
    return datetime(day.year, day.month, day.day, hour - 8, tzinfo=UTC)


def pushed(on: date, speaks_for: date | None = None, *, held: bool = False) -> Received:
    return Received(at(on), speaks_for or on, held)


# --- the calendar


def test_a_make_up_saturday_is_worked_and_a_holiday_is_not() -> None:
    assert is_working_day(date(2025, 9, 28))  # a Sunday, worked for National Day
    assert not is_working_day(date(2025, 10, 8))
    assert working_day_after(date(2025, 9, 30), 1) == date(2025, 10, 9)
    assert working_days_between(date(2025, 9, 30), date(2025, 10, 9)) == 1


def test_an_unpublished_year_is_said_and_a_city_may_enter_it() -> None:
    with pytest.raises(UnknownYearError, match="2050"):
        is_working_day(date(2050, 1, 3))
    assert is_working_day(date(2050, 1, 3), {date(2050, 1, 3): True})


def write_years(folder: Path, years: str) -> Path:
    (folder / CALENDAR_FILE).write_text(f"years:\n{years}", encoding="utf-8")
    return folder


def test_a_year_is_entered_by_its_exceptions(tmp_path: Path) -> None:
    entered = entered_days(write_years(tmp_path, "  2050: {closed: [2050-01-03], open: [2050-01-01]}"))
    assert len(entered) == 365
    assert [is_working_day(date(2050, 1, day), entered) for day in range(1, 6)] == [
        True,
        False,
        False,
        True,
        True,
    ]
    judged = judge(Frequency.DAILY, [pushed(date(2050, 1, 1))], at(date(2050, 1, 5)), Terms(entered=entered))
    # the push of Sunday the 2nd was due on Tuesday the 4th, the day after the holiday
    assert (judged.next_due, judged.state, judged.working_days_late) == (date(2050, 1, 4), State.LATE, 1)


@pytest.mark.parametrize(
    ("years", "said"),
    [
        ("  2050: {closed: [2050-01-01], open: []}", "weekday says so already: 2050-01-01"),
        ("  2050: {closed: [], open: [2050-01-03]}", "weekday says so already: 2050-01-03"),
        ("  2050: {closed: [2051-01-03], open: []}", "2051-01-03 under 2050"),
        ("  2050: {closed: []}", "calendar.yaml:2 years.2050.open"),
        ("  2050: {closed: [], open: [], half: []}", "remove it"),
        ("  2050: {closed: [", "not readable as YAML"),
    ],
)
def test_a_wrong_year_says_where_and_why(tmp_path: Path, years: str, said: str) -> None:
    with pytest.raises(CatalogueError, match=said):
        entered_days(write_years(tmp_path, years))


def test_the_shipped_calendar_is_well_formed_and_a_city_without_one_has_entered_nothing(
    tmp_path: Path,
) -> None:
    assert all(isinstance(day, date) for day in entered_days(default_root()))
    assert entered_days(tmp_path) == {}


# --- periods and due days


@pytest.mark.parametrize(
    ("frequency", "start", "end"),
    [
        (Frequency.DAILY, date(2024, 2, 29), date(2024, 2, 29)),
        (Frequency.WEEKLY, date(2024, 2, 26), date(2024, 3, 3)),
        (Frequency.MONTHLY, date(2024, 2, 1), date(2024, 2, 29)),
        (Frequency.QUARTERLY, date(2024, 1, 1), date(2024, 3, 31)),
        (Frequency.HALF_YEARLY, date(2024, 1, 1), date(2024, 6, 30)),
        (Frequency.YEARLY, date(2024, 1, 1), date(2024, 12, 31)),
    ],
)
def test_the_period_of_a_leap_day(frequency: Frequency, start: date, end: date) -> None:
    day = date(2024, 2, 29)
    assert (period_start(frequency, day), period_end(frequency, day)) == (start, end)


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(PERIODIC), st.dates(date(1990, 1, 1), date(2090, 1, 1)))
def test_periods_follow_each_other_without_gap_or_overlap(frequency: Frequency, day: date) -> None:
    start, end = period_start(frequency, day), period_end(frequency, day)
    assert start <= day <= end
    assert period_start(frequency, end) == start
    assert period_end(frequency, start) == end
    assert (
        next_period(frequency, day)
        == end + timedelta(days=1)
        == period_start(frequency, next_period(frequency, day))
    )


@pytest.mark.parametrize(
    ("frequency", "end", "due"),
    [
        # the fifth working day after April 2025: the holiday lasts to 5 May
        (Frequency.MONTHLY, date(2025, 4, 30), date(2025, 5, 12)),
        # a Friday's push is due on Monday
        (Frequency.DAILY, date(2025, 7, 4), date(2025, 7, 7)),
        (Frequency.WEEKLY, date(2025, 7, 6), date(2025, 7, 8)),
    ],
)
def test_due_days_fall_on_working_days(frequency: Frequency, end: date, due: date) -> None:
    assert due_day(frequency, end) == due


# --- where a resource stands


def test_a_monthly_resource_through_a_month() -> None:
    received = [pushed(date(2025, 6, 3), date(2025, 5, 31))]

    def state(day: date) -> tuple[State, int]:
        judged = judge(Frequency.MONTHLY, received, at(day))
        return judged.state, judged.working_days_late

    # June's push is due on 7 July
    assert state(date(2025, 6, 30)) == (State.ON_TIME, 0)
    assert state(date(2025, 7, 5)) == (State.DUE_SOON, 0)
    assert state(date(2025, 7, 7)) == (State.DUE_SOON, 0)
    assert state(date(2025, 7, 8)) == (State.LATE, 1)
    assert state(date(2025, 7, 14)) == (State.LATE, 5)


def test_lateness_and_age_are_two_clocks() -> None:
    """A push of old data stops neither: it is late, and its data is old."""
    judged = judge(Frequency.MONTHLY, [pushed(date(2025, 7, 14), date(2025, 5, 31))], at(date(2025, 7, 14)))
    assert (judged.state, judged.working_days_late, judged.data_age_days) == (State.LATE, 5, 44)


def test_a_held_push_counts_from_its_receipt_and_says_that_it_is_held() -> None:
    judged = judge(Frequency.DAILY, [pushed(date(2025, 7, 8), held=True)], at(date(2025, 7, 8)))
    assert (judged.state, judged.working_days_late) == (State.HELD, 0)


def test_a_day_ends_in_the_city_not_in_utc() -> None:
    received = [pushed(date(2025, 7, 7))]
    still = datetime(2025, 7, 9, 15, 59, tzinfo=UTC)  # a minute before midnight in Qingyuan
    assert judge(Frequency.DAILY, received, still).state is State.ON_TIME
    assert judge(Frequency.DAILY, received, still + timedelta(minutes=1)).state is State.LATE


def test_what_never_came_is_never_and_an_irregular_resource_is_never_late() -> None:
    assert judge(Frequency.YEARLY, [], at(date(2025, 7, 7))).state is State.NEVER
    long_ago = [pushed(date(2020, 1, 6))]
    assert judge(Frequency.IRREGULAR, long_ago, at(date(2025, 7, 7))).state is State.IRREGULAR


def test_a_due_day_in_an_unpublished_year_is_not_guessed() -> None:
    unpublished = 2051
    judged = judge(Frequency.YEARLY, [pushed(date(unpublished - 2, 6, 1))], at(date(unpublished - 1, 6, 1)))
    assert (judged.next_due, judged.calendar_known, judged.state) == (None, False, State.ON_TIME)
    # no calendar has twenty working days in fewer than twenty days: from then on a push may be due
    judged = judge(Frequency.YEARLY, [pushed(date(unpublished - 2, 6, 1))], at(date(unpublished, 1, 20)))
    assert (judged.next_due, judged.calendar_known, judged.state) == (None, False, State.DUE_SOON)


def test_lateness_into_an_unpublished_year_counts_the_days_that_are_known() -> None:
    """A Thursday's daily push, due on Friday 30 December 2050 by a calendar the city entered up to the year's end."""
    entered = {
        date(2050, 12, 28) + timedelta(days=n): (date(2050, 12, 28) + timedelta(days=n)).weekday() < 5
        for n in range(4)
    }
    judged = judge(
        Frequency.DAILY, [pushed(date(2050, 12, 27))], at(date(2051, 1, 9)), Terms(entered=entered)
    )
    assert (judged.state, judged.working_days_late, judged.calendar_known) == (State.LATE, 1, False)


# --- what became of each period


def test_each_period_is_on_time_late_or_missed() -> None:
    received = [
        pushed(date(2025, 4, 3), date(2025, 3, 31)),
        pushed(date(2025, 5, 20), date(2025, 4, 30)),
        pushed(date(2025, 7, 3), date(2025, 6, 30)),
    ]
    found = list(outcomes(Frequency.MONTHLY, received, date(2025, 3, 10), at(date(2025, 8, 20))))
    assert [outcome.period_start.month for outcome in found] == [3, 4, 5, 6, 7]
    assert [outcome.verdict for outcome in found] == [
        Verdict.ON_TIME,
        Verdict.LATE,  # due on 12 May
        Verdict.LATE,  # nothing spoke for May until June's push came, seven weeks on
        Verdict.ON_TIME,
        Verdict.MISSED,
    ]
    assert [outcome.working_days_late for outcome in found] == [0, 6, 18, 0, 0]
    assert found[1].received_on == date(2025, 5, 20)
    assert found[4].received_on is None


def test_a_period_is_judged_when_its_due_day_is_over_and_not_before() -> None:
    # June's push is due on 7 July
    assert not list(outcomes(Frequency.MONTHLY, [], date(2025, 6, 1), at(date(2025, 7, 7))))
    assert len(list(outcomes(Frequency.MONTHLY, [], date(2025, 6, 1), at(date(2025, 7, 8))))) == 1


def test_an_irregular_resource_owes_no_period() -> None:
    assert not list(outcomes(Frequency.IRREGULAR, [], date(2020, 1, 1), at(date(2025, 7, 8))))


def test_periods_due_in_an_unpublished_year_wait_for_its_calendar() -> None:
    received = [pushed(date(2026, 11, 20))]
    found = list(outcomes(Frequency.YEARLY, received, date(2025, 1, 1), at(date(2060, 7, 8))))
    assert [outcome.period_end.year for outcome in found] == [2025]


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from(PERIODIC),
    st.lists(st.tuples(st.dates(date(2023, 1, 1), date(2025, 6, 1)), st.integers(0, 60)), max_size=12),
)
def test_a_further_push_never_makes_a_period_worse(frequency: Frequency, raw: list[tuple[date, int]]) -> None:
    received = [pushed(day, day - timedelta(days=age)) for day, age in raw]
    since, now = date(2024, 1, 1), at(date(2025, 6, 2))
    all_of_them = list(outcomes(frequency, received, since, now))
    without_last = list(outcomes(frequency, received[:-1], since, now))
    rank = list(Verdict)
    assert [outcome.period_start for outcome in all_of_them] == [
        outcome.period_start for outcome in without_last
    ]
    for more, fewer in zip(all_of_them, without_last, strict=True):
        assert rank.index(more.verdict) <= rank.index(fewer.verdict)


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(PERIODIC), st.dates(date(2023, 1, 2), date(2025, 6, 1)), st.integers(0, 90))
def test_late_now_is_what_the_record_says_later(frequency: Frequency, pushed_on: date, days: int) -> None:
    """Whatever is late at an instant, without a further push, is missed in the record of that instant."""
    now = at(pushed_on + timedelta(days=days))
    received = [pushed(pushed_on)]
    judged = judge(frequency, received, now)
    owed = next_period(frequency, pushed_on)
    recorded = [o.verdict for o in outcomes(frequency, received, pushed_on, now) if o.period_start == owed]
    # the record follows the due day; lateness begins with the first working day after it
    if judged.state is State.LATE:
        assert recorded == [Verdict.MISSED]
    assert recorded in ([], [Verdict.MISSED])


# --- content that does not change


def brought(on: date, *content: str) -> Received:
    return Received(at(on), on, content=frozenset(content))


@pytest.mark.parametrize(
    ("pushes", "periods"),
    [
        ([], 0),
        ([brought(date(2025, 1, 10), "a")], 1),
        ([brought(date(2025, month, 10), "a") for month in (1, 2, 3)], 3),
        # other bytes after which the table stands where it stood say the same
        ([brought(date(2025, month, 10), f"bytes {month}", "version 4") for month in (1, 2, 3, 4)], 4),
        ([brought(date(2025, 1, 10), "a"), brought(date(2025, 2, 10), "b"), brought(date(2025, 3, 10), "b")], 2),
        # of several pushes in one period the last says what it brought
        ([brought(date(2025, 1, 10), "a"), brought(date(2025, 1, 20), "b"), brought(date(2025, 2, 10), "b")], 2),
        ([brought(date(2025, 1, 10), "a"), brought(date(2025, 2, 10), "a"), brought(date(2025, 2, 20), "b")], 1),
        # nothing to report is no content
        ([brought(date(2025, month, 10)) for month in (1, 2, 3)], 0),
        ([brought(date(2025, 1, 10), "a"), brought(date(2025, 2, 10)), brought(date(2025, 3, 10), "a")], 1),
    ],
)  # fmt: skip
def test_periods_in_a_row_with_the_same_content_are_counted(pushes: list[Received], periods: int) -> None:
    assert unchanged_periods(Frequency.MONTHLY, pushes) == periods
    assert unchanged_periods(Frequency.MONTHLY, pushes[::-1]) == periods


def test_a_day_on_which_nothing_could_be_received_is_no_working_day() -> None:
    thursday = date(2025, 8, 14)
    outage = Terms().without(date(2025, 8, day) for day in (15, 16, 17, 18))
    assert due_day(Frequency.DAILY, thursday) == date(2025, 8, 15)
    assert due_day(Frequency.DAILY, thursday, outage) == date(2025, 8, 19)
    tuesday = at(date(2025, 8, 19))
    # Friday's push was due on Monday
    assert judge(Frequency.DAILY, [pushed(thursday)], tuesday).working_days_late == 1
    assert judge(Frequency.DAILY, [pushed(thursday)], tuesday, outage).working_days_late == 0
    assert outage.correct_by(thursday) == date(2025, 9, 1)
    assert Terms().correct_by(thursday) == date(2025, 8, 28)
