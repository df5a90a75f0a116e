"""What is gathered about resources, and the record of periods that only grows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from assets.build import Context
from assets.operations import (
    PERIODS,
    latest_periods,
    open_quarantine,
    publish_freshness,
    record_periods,
)
from assets.standard import apply_waiting, make_tables
from catalog.load import Catalogue, load
from catalog.model import Way
from lake.home import Home
from lake.landing import receive
from lake.ledger import Push, open_ledger
from lake.tables import Lake


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load()


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
    return Push(
        id=f"p{day:%Y%m%d}",
        resource="marriage",
        department="civil_affairs",
        way=Way.FILE,
        filename="a.csv",
        format="csv",
        size=1,
        digest="0" * 64,
        data_date=day,
        received_at=datetime(day.year, day.month, day.day, 4, tzinfo=UTC),
        entry_version=1,
    )


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


def test_freshness_is_published_for_every_resource_and_an_empty_city_owes_nothing(city: Context) -> None:
    built = publish_freshness(city)
    assert built.notes == {"never": len(city.catalogue.entries)}
    assert city.lake.scan("ops", "freshness").collect().height == len(city.catalogue.entries)
    assert latest_periods(city.lake).is_empty()


CREMATIONS = "cremation_no,resident_id,name,cremated_on\n"
GOOD = "H1,440301197110292910,张三,2026-01-03\n"


def test_a_refused_row_is_open_until_its_key_comes_right(city: Context, deliver: Callable[..., Push]) -> None:
    entry = city.catalogue.entry("cremation")
    assert open_quarantine(city, entry) is None
    lines = [GOOD.replace("H1", f"H{n}") for n in range(2, 6)]
    bad = deliver("cremation", CREMATIONS + GOOD.replace("张三", "") + "".join(lines), date(2026, 1, 5))
    assert (bad.accepted, bad.rejected) == (4, 1)
    waiting = open_quarantine(city, entry)
    assert waiting is not None
    assert (waiting.rows, waiting.newest, waiting.since) == (1, bad.id, bad.received_at)
    again = deliver("cremation", CREMATIONS + GOOD.replace("张三", "") + "".join(lines), date(2026, 1, 6))
    repeated = open_quarantine(city, entry)
    assert repeated is not None
    assert (repeated.rows, repeated.newest, repeated.since) == (1, again.id, bad.received_at)
    # whose key cannot be read, nobody corrects: only the newest push's count
    nameless = deliver(
        "cremation", CREMATIONS + GOOD.replace("H1", "") * 2 + "".join(lines), date(2026, 1, 6)
    )
    assert nameless.rejected == 2
    told = open_quarantine(city, entry)
    assert told is not None
    assert told.rows == 3
    # the key as departments write it, in full width: it is recognised by what it stands for
    deliver("cremation", CREMATIONS + GOOD.replace("H1", " H1 "), date(2026, 1, 7))
    assert open_quarantine(city, entry) is None


def test_of_a_snapshot_only_the_newest_pushs_rows_are_open(
    city: Context, deliver: Callable[..., Push]
) -> None:
    entry = city.catalogue.entry("division")
    head, good = "code,name,level\n", "441802,清城区,county\n441803,清新区,county\n"
    deliver("division", head + good + "441821,,county\n", date(2026, 1, 5))
    waiting = open_quarantine(city, entry)
    assert waiting is not None
    assert waiting.rows == 1
    deliver("division", head + good + "441821,佛冈县,county\n", date(2026, 1, 6))
    assert open_quarantine(city, entry) is None
