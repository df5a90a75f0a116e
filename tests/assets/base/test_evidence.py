"""The days a recorded state rests on: when its departments spoke, and from when on one of them was silent."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest

from assets.base.database import build
from assets.base.erasure import _erase_days
from assets.base.history import record
from assets.base.identity import judge_pair
from assets.base.states import FROM, SAID, SILENT
from assets.base.timeline import VALID_FROM, VALID_TO
from assets.build import Context
from lake.ledger import PushState, open_ledger
from tests.assets.base.test_crosswalk import purged
from tests.assets.base.test_database import BIRTHS, START, entity, person_base, push
from tests.assets.small_lake import put

WORDS = ("李雷", BIRTHS[0])
MARCH = date(2026, 3, 1)


@pytest.fixture
def city(empty_lake: Context) -> Context:
    """Two people in the register, one of them with a card, too."""
    push(empty_lake, "household_register", {0: WORDS, 1: WORDS}, 0)
    push(empty_lake, "identity_card", {0: WORDS}, 1)
    recorded(empty_lake, 0)
    return empty_lake


def recorded(context: Context, day: int) -> None:
    base = person_base(context)
    build(context, base, at=START + timedelta(day))
    record(context, base.code, [base.id_column], START + timedelta(day), base)


def states(context: Context, person: int) -> list[tuple[Any, Any]]:
    found = context.lake.scan("base", "person_history").filter(person_id=entity(context, person)).sort(FROM)
    return found.select(SAID, SILENT).collect().rows()


def days(context: Context, person: int) -> list[tuple[Any, ...]]:
    found = (
        context.lake.scan("base", "person_timeline")
        .filter(person_id=entity(context, person))
        .sort(VALID_FROM)
    )
    return found.select(VALID_FROM, VALID_TO, "sources").collect().rows()


def said(resource: str, day: date | None, event: date | None = None) -> dict[str, object]:
    return {"resource": resource, "day": day, "event": event}


@pytest.mark.parametrize(
    ("state", "silent"), [(PushState.APPLIED, MARCH), (PushState.WITHDRAWN, None), (None, date(2026, 1, 1))]
)
def test_who_is_dropped_by_a_department_is_not_there_from_its_latest_push_that_stands(
    city: Context, state: PushState | None, silent: date | None
) -> None:
    """One that has only withdrawn pushes never said anything; of one that has none on record its rows tell."""
    if state:
        ledger = open_ledger(city.home)
        ledger.register(replace(purged(), data_date=MARCH))
        ledger.settle("p2", state)
    push(city, "household_register", {1: None}, 2)
    recorded(city, 2)
    assert states(city, 1) == [
        ([said("household_register", date(2026, 1, 1))], [said("household_register", silent)])
    ]
    assert days(city, 1) == ([(BIRTHS[0], MARCH, 1)] if silent == MARCH else [])


def test_a_state_that_ends_says_who_fell_silent_and_one_that_gave_way_that_it_was_never_there(
    city: Context,
) -> None:
    push(city, "identity_card", {0: None, 1: WORDS}, 2)
    recorded(city, 2)
    register, card = said("household_register", date(2026, 1, 1)), said("identity_card", date(2026, 1, 2))
    assert states(city, 0) == [
        ([register, card], [said("identity_card", date(2026, 1, 3))]),
        ([register], None),
    ]
    judge_pair(city, person_base(city), entity(city, 0), entity(city, 1), "same", "张三", "核对档案")
    recorded(city, 3)
    gone = city.lake.scan("base", "person_redirect").collect()["person_id"][0]
    (gave_way,) = (person for person in (0, 1) if entity(city, person) == gone)
    assert states(city, gave_way)[-1][1] == []
    assert days(city, gave_way) == []
    assert days(city, 1 - gave_way), "the other has the rows of both"
    judge_pair(city, person_base(city), entity(city, 0), entity(city, 1), "different", "张三", "核对档案")
    recorded(city, 4)
    kept = [days(city, person) for person in (0, 1)]
    assert [rows[-1] for rows in kept] == [(date(2026, 1, 3), None, 1), (date(2026, 1, 3), None, 2)]


def test_a_source_that_names_the_day_of_an_event_speaks_for_that_day(empty_lake: Context) -> None:
    lodged = date(2026, 1, 15)
    guest = {"passport_no": "E12345678", "name": "ANNE", "registered_on": lodged}
    put(empty_lake, "overseas_resident", guest, on=MARCH)
    recorded(empty_lake, 0)
    kept = empty_lake.lake.scan("base", "person_history").select(SAID).collect()
    assert kept.rows() == [([said("overseas_resident", MARCH, lodged)],)]
    held = empty_lake.lake.scan("base", "person_timeline").select(VALID_FROM, "name").collect()
    assert held.rows() == [(lodged, "ANNE")], "nothing is known of before"
    ids = empty_lake.lake.scan("base", "person").select("person_id").collect()
    empty_lake.lake.publish(
        "base", "person_crosswalk", empty_lake.lake.scan("base", "person_crosswalk").clear(), key=["_row"]
    )
    push_ = replace(purged(), resource="overseas_resident", data_date=MARCH)
    assert _erase_days(empty_lake, person_base(empty_lake), ids, replace(push_, received_at=START)) == 1
    assert empty_lake.lake.scan("base", "person_history").select(SAID).collect().rows() == [([],)]


def test_what_is_not_kept_of_an_older_home_is_added(city: Context) -> None:
    """A history from before days were kept gets them from the next state on."""
    held = city.lake.scan("base", "person_history").drop(SAID, SILENT)
    city.lake.publish("base", "person_history", held, key=["person_id", FROM])
    push(city, "household_register", {1: ("韩梅", BIRTHS[0])}, 2)
    recorded(city, 2)
    assert [row[0] for row in states(city, 1)] == [None, [said("household_register", date(2026, 1, 3))]]
    assert [row[:2] for row in days(city, 1)] == [(BIRTHS[0], date(2026, 1, 3)), (date(2026, 1, 3), None)]
    assert pl.DataFrame(days(city, 0)).is_empty()
