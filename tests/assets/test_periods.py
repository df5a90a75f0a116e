"""What is gathered about resources, and the record of periods that only grows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from assets.build import Context
from assets.operations import (
    PERIODS,
    latest_periods,
    publish_freshness,
    record_periods,
    resource_states,
)
from assets.standard import apply_waiting, make_tables
from catalog.load import Catalogue
from catalog.model import Way
from lake.home import Home
from lake.landing import receive
from lake.ledger import Push, open_ledger
from lake.promises import OutageError, open_promises
from lake.tables import Lake
from quality.freshness import State
from tests.pushes import a_push


@pytest.fixture
def city(tmp_path: Path, catalogue: Catalogue) -> Context:
    home = Home.open(tmp_path)
    return Context(home, Lake(home.lake), catalogue)


@pytest.fixture
def deliver(city: Context) -> Callable[..., Push]:
    """Push lines of CSV and apply them."""

    def push(resource: str, text: str, on: date) -> Push:
        landed = receive(
            city.home,
            open_ledger(city.home),
            city.catalogue.entry(resource),
            [text.encode()],
            way=Way.FILE,
            filename="a.csv",
            data_format="csv",
            data_date=on,
        )
        make_tables(city, city.catalogue.entry(resource))
        apply_waiting(city, resource)
        return open_ledger(city.home).get(landed.id)

    return push


def received(day: date) -> Push:
    """A daily push as the ledger holds it, received at noon on the day it speaks for."""
    noon = datetime(day.year, day.month, day.day, 4, tzinfo=UTC)
    return a_push(id=f"p{day:%Y%m%d}", data_date=day, received_at=noon)


def test_the_record_of_periods_only_grows(city: Context) -> None:
    ledger = open_ledger(city.home)

    def recorded(table: pl.DataFrame) -> list[str]:
        return table.filter(resource="marriage").sort("period_end", "recorded_at")["verdict"].to_list()

    ledger.register(received(date(2025, 8, 13)))  # a Wednesday
    monday = datetime(2025, 8, 18, 4, tzinfo=UTC)
    assert record_periods(city, monday).changed
    assert not record_periods(city, monday + timedelta(hours=1)).changed
    # Friday's push, and the weekend's, are due on Monday, which is not over
    assert recorded(city.lake.scan(*PERIODS).collect()) == ["on_time", "missed"]
    # what was missed came at last: that is written beside what was said before
    ledger.register(received(date(2025, 8, 18)))
    assert record_periods(city, monday + timedelta(days=1)).changed
    assert recorded(city.lake.scan(*PERIODS).collect()) == ["on_time", "missed", "late", *["on_time"] * 3]
    assert recorded(latest_periods(city.lake)) == ["on_time", "late", *["on_time"] * 3]


def test_an_accepted_excuse_is_written_beside_what_was_recorded_before(city: Context) -> None:
    ledger, promises = open_ledger(city.home), open_promises(city.home)
    ledger.register(received(date(2025, 8, 13)))  # a Wednesday
    now = datetime(2025, 8, 20, 4, tzinfo=UTC)
    record_periods(city, now)
    number = promises.excuse(
        "civil_affairs", "marriage", date(2025, 8, 15), date(2025, 8, 18), reason="系统迁移", by="li"
    )
    assert not record_periods(city, now).changed
    promises.rule(number, accepted=True, reason="已核实", by="zhang")
    assert record_periods(city, now + timedelta(hours=1)).changed
    said = latest_periods(city.lake).filter(resource="marriage").sort("period_end")
    # due on the 14th, the 15th, on Monday (Friday's and the weekend's), and on the 19th
    assert said["verdict"].to_list() == ["on_time", *["excused"] * 4, "missed"]
    assert said["received_on"].null_count() == 5
    assert city.lake.scan(*PERIODS).filter(resource="marriage").collect().height == 6 + 4


def test_what_is_promised_since_a_day_is_owed_from_then_on(city: Context) -> None:
    """Before any push, and whatever others promise; of several records the last holds."""
    promises, now = open_promises(city.home), datetime(2025, 8, 20, 4, tzinfo=UTC)
    promises.begin("marriage", date(2025, 1, 1), reason="误", by="zhang")
    promises.begin("marriage", date(2025, 8, 18), reason="归集协议", by="zhang")
    states = {state.resource: state for state in resource_states(city, now=now)}
    assert (states["marriage"].state, states["marriage"].next_due) == (State.NEVER, date(2025, 8, 19))
    assert states["marriage"].working_days_late == 1
    assert states["cremation"].working_days_late == 0
    record_periods(city, now)
    recorded = latest_periods(city.lake).select("resource", "period_end", "verdict").rows()
    assert recorded == [("marriage", date(2025, 8, 18), "missed")]


def test_freshness_is_published_for_every_resource_and_an_empty_city_owes_nothing(city: Context) -> None:
    built = publish_freshness(city)
    assert built.notes == {"never": len(city.catalogue.entries)}
    assert city.lake.scan("ops", "freshness").collect().height == len(city.catalogue.entries)
    assert latest_periods(city.lake).is_empty()


def test_our_outage_counts_against_nobody_also_when_it_is_recorded_later(city: Context) -> None:
    promises, now = open_promises(city.home), datetime(2025, 8, 20, 4, tzinfo=UTC)
    promises.begin("cremation", date(2025, 7, 1), reason="归集协议", by="zhang")

    def recorded(at: datetime) -> list[tuple[date, int]]:
        record_periods(city, at)
        mine = latest_periods(city.lake).filter(resource="cremation")
        return mine.select("due", "working_days_late").rows()

    came = replace(received(date(2025, 8, 11)), resource="cremation", data_date=date(2025, 7, 31))
    open_ledger(city.home).register(came)
    assert recorded(now) == [(date(2025, 8, 7), 2)]
    with pytest.raises(OutageError, match="止日"):
        promises.outage(date(2025, 8, 8), date(2025, 8, 7), reason="停电", by="zhang")
    promises.outage(date(2025, 8, 7), date(2025, 8, 9), reason="机房停电", by="zhang")
    assert recorded(now + timedelta(hours=1)) == [(date(2025, 8, 11), 0)]
    kept = city.lake.scan(*PERIODS).filter(resource="cremation").sort("recorded_at").collect()
    assert kept["verdict"].to_list() == ["late", "on_time"]


def test_the_same_content_for_three_periods_is_marked(city: Context, deliver: Callable[..., Push]) -> None:
    text = "cremation_no,resident_id,name,cremated_on,funeral_home\nH1,440000000000000000,张三,2025-05-03,清远市殡仪馆"
    for month, counted in ((5, 1), (6, 2), (7, 3)):
        deliver("cremation", text, date(2025, month, 20))
        (state,) = (each for each in resource_states(city) if each.resource == "cremation")
        assert (state.unchanged_periods, state.stale_content) == (counted, counted == 3)
