"""What held of somebody on a day: late corrections come in where they belong, and at the end stands what is known now."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.base.states import DAYS, FROM, INSTANT, SAID, SILENT, TO
from assets.base.timeline import EVER, VALID_FROM, VALID_TO, periods
from catalog.base_model import Base, load_bases
from catalog.load import load

START = datetime(2026, 3, 1, 8, tzinfo=UTC)
JANUARY, FEBRUARY, MARCH = date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1)
BORN = date(1987, 6, 15)
Said = Mapping[str, date]


def state(
    at: int, until: int | None, said: Said, silent: Mapping[str, date | None] | None = None, **content: Any
) -> dict[str, Any]:
    """A state recorded from one day to another; what it does not name is as it mostly is."""
    days = [{"resource": resource, "day": day} for resource, day in said.items()]
    ended = None if silent is None else [{"resource": r, "day": day} for r, day in silent.items()]
    whose = {"person_id": "P1", "name": "甲", "name_source": "household_register", "birth_date": BORN}
    return {
        **whose,
        "birth_date_source": "household_register",
        **content,
        FROM: START + timedelta(at),
        TO: None if until is None else START + timedelta(until),
        SAID: days,
        SILENT: ended,
    }


SHAPE = {
    "person_id": pl.String,
    "resident_id": pl.String,
    **{
        column: dtype
        for field, dtype in {
            "name": pl.String,
            "birth_date": pl.Date,
            "death_date": pl.Date,
            "marital_event": pl.String,
            "marital_event_date": pl.Date,
            "mobile": pl.String,
        }.items()
        for column, dtype in ((field, dtype), (f"{field}_source", pl.String))
    },
    "sources": pl.Int32,
    FROM: INSTANT,
    TO: INSTANT,
    SAID: DAYS,
    SILENT: DAYS,
}


@lru_cache
def small() -> Base:
    """The person base with these fields only."""
    whole = load_bases(load())["person"]
    return whole.model_copy(
        update={"fields": {name: field for name, field in whole.fields.items() if name in SHAPE}}
    )


def told(*states: dict[str, Any], what: str = "name", events: bool = True) -> list[tuple[Any, ...]]:
    rows = periods(pl.DataFrame(list(states), schema=SHAPE), small(), events=events)
    return rows.select(VALID_FROM, VALID_TO, what).rows()


REGISTER, CARD, PERMIT, MARRIAGE = "household_register", "identity_card", "residence_permit", "marriage"


def test_a_change_holds_from_the_day_for_which_it_was_first_said() -> None:
    first = state(0, 5, {REGISTER: JANUARY})
    assert told(first, state(5, None, {REGISTER: FEBRUARY}, name="乙")) == [
        (BORN, FEBRUARY, "甲"),
        (FEBRUARY, None, "乙"),
    ]


def test_a_late_word_on_an_earlier_day_comes_in_where_it_belongs_and_changes_nothing_else() -> None:
    states = (
        state(0, 5, {REGISTER: JANUARY}),
        state(5, 6, {REGISTER: MARCH}, name="乙"),
        state(6, None, {REGISTER: MARCH, PERMIT: FEBRUARY}, name="乙", mobile="1", mobile_source=PERMIT),
    )
    assert told(*states) == [(BORN, FEBRUARY, "甲"), (FEBRUARY, MARCH, "甲"), (MARCH, None, "乙")]
    assert told(*states, what="mobile") == [
        (BORN, FEBRUARY, None),
        (FEBRUARY, MARCH, "1"),
        (MARCH, None, "1"),
    ]


def test_a_correction_of_the_same_day_replaces() -> None:
    first = state(0, 5, {REGISTER: JANUARY})
    wrong, right = (
        state(at, until, {REGISTER: FEBRUARY}, name=name)
        for at, until, name in ((5, 6, "错"), (6, None, "乙"))
    )
    assert told(first, wrong, right) == [(BORN, FEBRUARY, "甲"), (FEBRUARY, None, "乙")]
    # also of the very first day
    assert told(state(0, 5, {REGISTER: JANUARY}), state(5, None, {REGISTER: JANUARY}, name="乙")) == [
        (BORN, None, "乙")
    ]


def test_who_died_was_alive_before_and_the_day_known_now_counts() -> None:
    died, corrected = date(2026, 2, 10), date(2026, 2, 12)
    said = {REGISTER: JANUARY, "cremation": MARCH}
    states = (
        state(0, 5, {REGISTER: JANUARY}),
        state(5, 6, said, death_date=died, death_date_source="cremation"),
        state(6, None, said, death_date=corrected, death_date_source="cremation"),
    )
    assert told(*states, what="death_date") == [(BORN, corrected, None), (corrected, None, corrected)]
    assert told(states[0], state(5, None, {REGISTER: JANUARY}), what="death_date") == [(BORN, None, None)]
    known_dead = state(0, None, said, death_date=died, death_date_source="cremation")
    assert told(known_dead, what="death_date") == [(BORN, died, None), (died, None, died)]


def test_what_tells_its_own_day_was_not_there_before() -> None:
    wedding, divorce = date(2015, 5, 1), date(2026, 1, 20)
    states = [
        state(
            at,
            until,
            {REGISTER: JANUARY, MARRIAGE: day},
            marital_event=event,
            marital_event_source=MARRIAGE,
            marital_event_date=when,
            marital_event_date_source=MARRIAGE,
        )
        for at, until, day, event, when in (
            (0, 5, JANUARY, "结婚", wedding),
            (5, None, FEBRUARY, "离婚", divorce),
        )
    ]
    assert told(*states, what="marital_event") == [
        (BORN, wedding, None),
        (wedding, divorce, "结婚"),
        (divorce, None, "离婚"),
    ]


def test_where_a_better_source_falls_silent_the_other_holds_from_then_and_not_since_it_spoke() -> None:
    address = {"mobile_source": PERMIT, "mobile": "1"}
    other = {"mobile_source": "medical_insurance", "mobile": "2"}
    said = {REGISTER: JANUARY, PERMIT: JANUARY, "medical_insurance": date(2020, 1, 1)}
    states = (
        state(0, 5, said, {PERMIT: MARCH}, **address),
        state(5, None, {name: day for name, day in said.items() if name != PERMIT}, **other),
    )
    assert told(*states, what="mobile") == [(BORN, MARCH, "1"), (MARCH, None, "2")]


def test_what_a_withdrawn_push_said_was_never_so() -> None:
    states = (
        state(0, 5, {REGISTER: JANUARY}),
        state(5, 6, {REGISTER: FEBRUARY}, name="错"),
        state(6, None, {REGISTER: JANUARY}),
    )
    assert told(*states) == [(BORN, None, "甲")]
    only_permit = state(
        5, 6, {REGISTER: JANUARY, PERMIT: FEBRUARY}, {PERMIT: None}, mobile="1", mobile_source=PERMIT
    )
    assert told(states[0], only_permit, state(6, None, {REGISTER: JANUARY}), what="mobile") == [
        (BORN, None, None)
    ]


def test_who_is_in_no_table_any_more_is_gone_from_the_day_on_which_that_was_so() -> None:
    assert told(state(0, 5, {REGISTER: JANUARY}, {REGISTER: FEBRUARY})) == [(BORN, FEBRUARY, "甲")]
    back = state(9, None, {REGISTER: MARCH})
    assert told(state(0, 5, {REGISTER: JANUARY}, {REGISTER: FEBRUARY}), back) == [
        (BORN, FEBRUARY, "甲"),
        (MARCH, None, "甲"),
    ]


@pytest.mark.parametrize("silent", [None, JANUARY, date(2025, 12, 1)])
def test_of_whom_only_a_withdrawn_push_spoke_never_was(silent: date | None) -> None:
    wrong = state(0, 5, {REGISTER: JANUARY}, {REGISTER: silent})
    assert told(wrong) == []
    assert told(wrong, state(9, None, {REGISTER: MARCH})) == [(BORN, None, "甲")], (
        "sent again, it is the first word"
    )


def test_who_gave_way_in_a_merge_never_was_and_always_was_where_that_is_undone() -> None:
    merged = (state(0, 5, {REGISTER: JANUARY}), state(5, 6, {REGISTER: FEBRUARY}, {}, name="乙"))
    assert told(*merged) == []
    assert told(*merged, state(9, None, {REGISTER: FEBRUARY}, name="乙")) == [
        (BORN, FEBRUARY, "甲"),
        (FEBRUARY, None, "乙"),
    ]


def test_who_has_no_birth_date_begins_with_the_first_day_of_which_anything_is_said() -> None:
    unknown = state(0, None, {REGISTER: FEBRUARY, PERMIT: JANUARY}, birth_date=None)
    assert told(unknown) == [(JANUARY, None, "甲")]
    later_known = state(5, None, {REGISTER: MARCH})
    assert told({**unknown, TO: START + timedelta(5)}, later_known, what="birth_date") == [
        (BORN, None, BORN),
    ], "a fact of every day"


def test_without_events_no_day_of_anybodys_life_is_told() -> None:
    died = date(2026, 2, 10)
    states = (
        state(0, 5, {REGISTER: JANUARY}),
        state(
            5, None, {REGISTER: JANUARY, "cremation": MARCH}, death_date=died, death_date_source="cremation"
        ),
    )
    assert told(*states, what="death_date", events=False) == [(EVER, MARCH, None), (MARCH, None, died)]


def test_what_was_recorded_before_days_were_kept_holds_from_the_day_it_was_recorded() -> None:
    old = {**state(0, 5, {}), SAID: None}
    assert told(old, state(5, None, {REGISTER: FEBRUARY}, name="乙")) == [
        (BORN, FEBRUARY, "甲"),
        (FEBRUARY, None, "乙"),
    ]
    assert told(old, {**state(5, None, {}, name="乙"), SAID: None}) == [
        (BORN, date(2026, 3, 6), "甲"),
        (date(2026, 3, 6), None, "乙"),
    ]


steps = st.lists(
    st.tuples(st.sampled_from(["name", "mobile"]), st.sampled_from("甲乙丙"), st.integers(1, 28)),
    min_size=1,
    max_size=7,
)


@settings(deadline=None, max_examples=60)
@given(steps)
def test_on_each_day_holds_what_was_recorded_last_of_it(changes: list[tuple[str, str, int]]) -> None:
    """Two departments of a field each, whose words come in any order of their days."""
    sources, said, content = {"name": REGISTER, "mobile": PERMIT}, dict[str, date](), dict[str, Any]()
    content |= {"name": None, "name_source": None}
    entries: dict[str, list[tuple[date, str | None]]] = {"name": [], "mobile": []}
    states: list[dict[str, Any]] = []
    for at, (field, value, day) in enumerate(changes):
        then, resource = date(2026, 1, day), sources[field]
        before, said, content = (
            content,
            {**said, resource: then},
            {**content, field: value, f"{field}_source": resource},
        )
        if at and content == before:
            said = {**said, resource: states[-1]["said"].get(resource, then)}
            continue
        states.append({"content": content, "said": said, "at": at})
        for each, told_entries in entries.items():
            if at == 0 or content.get(each) != before.get(each):
                told_entries.append((said.get(sources[each], then), content.get(each)))
    frame = [
        state(one["at"], later["at"] if later else None, one["said"], None, **one["content"])
        for one, later in zip(states, [*states[1:], None], strict=True)
    ]
    rows = periods(pl.DataFrame(frame, schema=SHAPE), small())
    for day in (BORN, *(date(2026, 1, number) for number in range(1, 32))):
        on = rows.filter(pl.col(VALID_FROM) <= day, pl.col(VALID_TO).is_null() | (pl.col(VALID_TO) > day))
        assert on.height == 1, "one record on each day"
        for field, words in entries.items():
            assert on[field][0] == _last_of(words, day), (field, day)
    last = rows.filter(pl.col(VALID_TO).is_null()).row(0, named=True)
    assert {name: last[name] for name in content} == content, "at the end stands what is known now"


def _last_of(words: list[tuple[date, str | None]], day: date) -> str | None:
    """What was recorded last of all that holds on a day; before the first day, what was recorded last of that one."""
    by = max(day, min(then for then, _ in words))
    return [value for then, value in words if then <= by][-1]
