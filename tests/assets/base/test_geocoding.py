"""A county that an address leaves out is told by its road or quarter, where all who state one agree."""

from __future__ import annotations

import polars as pl
import pytest

from assets.base.address_reading import Gazetteer, gazetteer, read
from assets.base.geocoding import with_inferred_divisions

DIVISIONS = [
    ("441800", "清远市", "city"),
    ("441802", "清城区", "county"),
    ("441803", "清新区", "county"),
    ("441881", "英德市", "county"),
    ("441881001", "英城街道", "town"),
    ("441803100", "太和镇", "town"),
]
STATED = ["清远市清城区新城连江路9号", "清城区新城北江二路16号", "英德市英城街道新城和平路1号"]
NO_ROADS = pl.DataFrame(schema={"division_code": pl.String, "road": pl.String})


@pytest.fixture(scope="module")
def places() -> Gazetteer:
    return gazetteer(pl.DataFrame(DIVISIONS, schema=["code", "name", "level"], orient="row"))


def told(places: Gazetteer, asked: str, *stated: str) -> tuple[str | None, str | None]:
    parts = with_inferred_divisions(read(pl.Series([*stated, asked]), places), NO_ROADS, places)
    county, basis = parts.select("county", "division_basis").row(-1)
    return county, basis


@pytest.mark.parametrize("asked", ["清远市新城东24号小区", "清远市新城5号区", "清远市新城区鹿鸣路新北江大厦"])
def test_a_quarter_with_its_blocks_and_directions_tells_the_county(places: Gazetteer, asked: str) -> None:
    assert told(places, asked, *STATED) == ("清城区", "quarter")


def test_a_road_through_a_known_quarter_is_known(places: Gazetteer) -> None:
    through = ("清远市新城人民二路19号", "清远市新城人民二路3号")
    assert told(places, "清远市人民二路23号卓越大厦", *STATED, *through) == ("清城区", "road")


@pytest.mark.parametrize(
    "stated",
    [
        STATED[:1],  # one says nothing
        [*STATED, "清新区新城某处1号"],  # two counties have one
        STATED[2:] * 2,  # a quarter of a town is that town's
    ],
)
def test_what_is_not_agreed_on_is_left_open(places: Gazetteer, stated: list[str]) -> None:
    assert told(places, "清远市新城东24号小区", *stated) == (None, "stated")
