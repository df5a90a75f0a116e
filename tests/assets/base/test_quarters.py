"""Quarters before a road: told apart only by what others write, and nothing of the text lost."""

from __future__ import annotations

import polars as pl
import pytest

from assets.base.address_reading import gazetteer, read
from assets.base.geocoding import with_inferred_divisions
from assets.base.quarters import with_quarters_apart

ROWS = [("441800", "清远市", "city"), ("441802", "清城区", "county"), ("441881", "英德市", "county")]
PLACES = gazetteer(pl.DataFrame(ROWS, schema=["code", "name", "level"], orient="row"))
NO_ROADS = pl.DataFrame(schema={"division_code": pl.String, "road": pl.String})
#: Two roads of the quarter 小市, each named by two others without it.
KNOWN = [f"清远市{road}{number}号" for road in ("凤翔大道", "凤鸣路") for number in (1, 2)]
QUARTER = ["清远市清城区小市凤翔大道5号", "清远市小市凤鸣路7号"]


def apart(texts: list[str], roads: pl.DataFrame = NO_ROADS) -> list[tuple[str | None, str | None]]:
    """The locality and road of each text, beside the others."""
    parts = read(pl.Series(texts), PLACES)
    told = with_quarters_apart(parts, roads)
    assert told.drop("locality", "road").equals(parts.drop("locality", "road"))
    whole = pl.concat_str("locality", "road", ignore_nulls=True)
    assert told.select(whole).equals(parts.select(whole)), "the text is the same before and after"
    return told.select("locality", "road").rows()


def test_what_stands_before_two_roads_that_others_know_is_a_quarter_before_every_road() -> None:
    third = "清远市清城区小市振南街2号"
    assert apart([*KNOWN, *QUARTER, third])[len(KNOWN) :] == [
        ("小市", "凤翔大道"),
        ("小市", "凤鸣路"),
        ("小市", "振南街"),
    ]


@pytest.mark.parametrize(
    "texts",
    [
        # known by one other only, before one road only, or in another city
        [*KNOWN[1:], *QUARTER],
        [*KNOWN, QUARTER[0]],
        [*KNOWN, QUARTER[0], "江苏省苏州市小市凤鸣路7号"],
        # a road's own direction, and a crossing
        [
            "清远市东路1号",
            "清远市东路2号",
            "清远市西路1号",
            "清远市西路2号",
            "清远市人民东路3号",
            "清远市人民西路3号",
        ],
        [*KNOWN, "清远市东湖路凤翔大道5号", "清远市东湖路凤鸣路7号"],
    ],
)
def test_else_a_roads_name_stays_whole(texts: list[str]) -> None:
    assert apart(texts) == read(pl.Series(texts), PLACES).select("locality", "road").rows()


def test_the_register_tells_as_well_and_knows_whole_names() -> None:
    rows = [("441802", "凤翔大道"), ("441802", "凤鸣路"), ("441802", "小市凤鸣路")]
    roads = pl.DataFrame(rows, schema=NO_ROADS.schema, orient="row")
    assert apart([*QUARTER, "清远市小市振南街2号"], roads[:2])[-1] == ("小市", "振南街")
    another = "清远市小市凤翔大道9号"
    assert apart([*QUARTER, another], roads) == apart([*QUARTER, another]), (
        "one road is left, and that is too little"
    )


def test_a_quarter_tells_the_county_of_those_who_leave_it_out() -> None:
    texts = pl.Series([*KNOWN, *QUARTER, "清远市清城区小市凤翔大道7号", "清远市小市振南街2号"])
    told = with_inferred_divisions(read(texts, PLACES), NO_ROADS, PLACES)
    assert told.row(-1, named=True)["division_code"] == "441802"
    assert told.row(-1, named=True)["division_basis"] == "quarter"
