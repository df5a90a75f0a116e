"""Addresses as people write them, taken apart: each part, each spelling of a division, and nothing lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.base.address_reading import (
    DETAILS,
    Gazetteer,
    gazetteer,
    knowing_its_city,
    plain,
    plain_text,
    read,
)
from assets.base.other_cities import cities, elsewhere
from tests.assets.ingest.conftest import real_file  # noqa: F401 (a fixture of the tests of readers)

ROWS = [
    ("441800", "清远市", "city"),
    ("441802", "清城区", "county"),
    ("441803", "清新区", "county"),
    ("441826", "连南瑶族自治县", "county"),
    ("441881", "英德市", "county"),
    ("441802006", "凤城街道", "town"),
    ("441802106", "石角镇", "town"),
    ("441802400", "清远市高新技术产业开发区", "town"),
    ("441803999", "石角镇", "town"),
    ("441826100", "三江镇", "town"),
    ("441881001", "英城街道", "town"),
    ("441881136", "英红镇", "town"),
    ("441802006011", "西门社区居委会", "village"),
    ("441802106201", "石板村委会", "village"),
    ("441881136006", "云岭居委会", "village"),
]
PLACES: Gazetteer = gazetteer(pl.DataFrame(ROWS, schema=["code", "name", "level"], orient="row"))


def parts(text: str) -> dict[str, object]:
    row = read(pl.Series([text]), PLACES).row(0, named=True)
    return {name: value for name, value in row.items() if value is not None}


def code(text: str) -> object:
    return parts(text).get("division_code")


def test_a_full_address_is_taken_apart() -> None:
    assert parts("广东省清远市清城区凤城街道人民二路十五号之一汇景名居B幢２层01号(仅限办公)") == {
        "written": "广东省清远市清城区凤城街道人民二路十五号之一汇景名居B幢２层01号(仅限办公)",
        "province": "广东省",
        "city": "清远市",
        "county": "清城区",
        "town": "凤城街道",
        "road": "人民二路",
        "number": "15号之一",
        "building": "汇景名居B幢",
        "room": "2层01号",
        "note": "(仅限办公)",
        "division_code": "441802006",
        "outside": False,
        "address": "广东省清远市清城区凤城街道人民二路15号之一汇景名居B幢2层01号",
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("清远英德市英城和平南路118号", "441881001"),
        ("英德英城镇和平南路118号", "441881001"),
        ("清新县石角镇", "441803999"),
        ("连南县三江镇顺德大道", "441826100"),
        ("清远市清城区石角镇石板村", "441802106201"),
        ("清城区石板村委上六村民小组", "441802106201"),
        ("清城区石角镇石板管理区石眼村", "441802106201"),
        ("英德市云岭镇云秀大街", "441881136006"),
        ("清远市高新区三江镇", "441826100"),
        ("清远高新技术产业开发区建设二路15号", "441802400"),
    ],
)
def test_each_spelling_of_a_division_is_known(text: str, expected: str) -> None:
    assert code(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("清城区西门塘38号", "441802"),
        ("清城区西门街8号", "441802"),
        ("清城区西门湖", "441802"),
        ("清城区西门岗A9号区慧峰豪庭", "441802"),
        ("清城区西门花苑3座", "441802"),
        ("英德市英城大道12号", "441881"),
        ("清远大道5号", None),
        ("石角镇府前路", None),
    ],
)
def test_a_road_named_like_a_division_is_none_and_a_name_that_two_have_says_nothing(
    text: str, expected: str | None
) -> None:
    assert code(text) == expected


@pytest.mark.parametrize("text", ["江苏省苏州市姑苏区朱家湾街8号", "深圳市福田区深南大道1号", "湖南省长沙市"])
def test_another_city_is_said_to_be_outside(text: str) -> None:
    assert parts(text)["outside"]
    assert str(code(text) or "")[:4] != "4418"


@pytest.mark.parametrize(
    "text",
    [
        "深圳福田区深南大道1号",
        "广东广州增城市荔城街道",
        "岳阳岳阳县",
        "衡阳衡南县",
        "广东省深圳福田区深南大道1号",
    ],
)
def test_so_is_one_whose_county_is_named_behind_its_bare_name(text: str) -> None:
    assert parts(text)["outside"]
    assert "division_code" not in parts(text)


@pytest.mark.parametrize(
    "text",
    [
        "深圳路福田花园3栋",
        "深圳大道12号",
        "岳阳楼区5号",
        "清远清城区凤城街道",
        "清远市深圳福田区商会大厦",
        "三明工业区12号",
        "中山小区3栋",
        "广州后花园东区",
    ],
)
def test_a_road_or_house_that_bears_another_citys_name_is_none(text: str) -> None:
    assert not parts(text)["outside"]


def test_a_city_whose_name_a_division_of_ones_own_has_says_nothing() -> None:
    ours = gazetteer(
        pl.DataFrame([*ROWS, ("441881199", "深圳镇", "town")], schema=["code", "name", "level"], orient="row")
    )
    assert read(pl.Series(["深圳福田区12号"]), ours)["division_code"].to_list() == ["441881199"]
    assert "深圳(" not in elsewhere(["4418"], ["深圳"])
    assert "清远(" not in elsewhere(["4418"], [])


@pytest.mark.real
def test_nearly_every_county_of_china_is_outside_and_no_division_of_qingyuan(
    real_file: Callable[..., Path],  # noqa: F811 (pytest's way of asking for it)
) -> None:
    """By another source than the table that is shipped; what is not found are zones, which have no place in GB/T 2260."""
    ours = pl.read_csv(real_file("divisions_qingyuan.csv"), infer_schema=False)
    names = {line[0]: line[1] for line in cities()}
    counties = pl.read_csv(real_file("county_codes_china.csv"), infer_schema=False)
    written = counties.select(
        pl.col("name").str.contains("园区|[济术]开发区|新区$|示范区|管理区|工业|产业").alias("zone"),
        text=pl.col("city_code").replace_strict(names, default=None) + pl.col("name"),
        own=pl.col("city_code") == "4418",
    ).drop_nulls()
    places = knowing_its_city(gazetteer(ours), pl.Series(["清远市清城区"] * 2))
    outside = read(written["text"], places)["outside"]
    assert outside.filter(~written["zone"] & ~written["own"]).mean() > 0.99
    assert not outside.filter(written["own"]).any()
    assert not read(ours["name"], places)["outside"].any()


@pytest.mark.parametrize(
    ("text", "road", "rest"),
    [
        ("清城区先锋西路西湖小区A3号", "先锋西路", {"building": "西湖小区", "room": "A3号"}),
        ("清城区清和大道西56号", "清和大道西", {"number": "56号"}),
        ("清城区商业大道北侧", "商业大道", {"beside": "北侧"}),
        ("清城区环城东路62号商铺", "环城东路", {"number": "62号", "room": "商铺"}),
        ("清城区106国道旁", "106国道", {"beside": "旁"}),
        ("清城区清和大道与清新大道交汇处", "清和大道与清新大道", {"beside": "交汇处"}),
        (
            "清城区106国道边农副产品市场公寓楼2层",
            "106国道",
            {"beside": "边", "building": "农副产品市场公寓楼", "room": "2层"},
        ),
        ("清城区龙国道路口大丰豪庭", "龙国道路", {"beside": "口", "building": "大丰豪庭"}),
        ("清城区太秦路南边2号首层", "太秦路", {"beside": "南边", "number": "2号", "room": "1层"}),
        ("清城区人民路口腔医院", "人民路", {"beside": None, "detail": "口腔医院"}),
        ("清城区火车站广场63号", "火车站广场", {"number": "63号"}),
        ("清城区人民广场2号楼", None, {"building": "人民广场2号楼"}),
        ("清城区连江路16号区", "连江路", {"number": None, "building": "16号区"}),
        ("清城区人民路123-2#", "人民路", {"number": "123-2号"}),
        ("清城区人民路3号2梯1003", "人民路", {"number": "3号", "room": "2梯1003"}),
        ("清城区石角镇石角圩康寿街75号", "康寿街", {"locality": "石角圩", "number": "75号"}),
        ("清城区东社区阳山大道389号", "阳山大道", {"locality": "东社区", "number": "389号"}),
        ("清城区阳光小区康乐路5号", "康乐路", {"locality": "阳光小区", "number": "5号"}),
        (
            "清城区新城5号小区东城片区兴安街3号",
            "兴安街",
            {"locality": "新城5号小区东城片区", "number": "3号"},
        ),
        ("清城区老街区南门大街3号", "南门大街", {"locality": "老街区", "number": "3号"}),
        ("清城区阳光小区中路5号", "阳光小区中路", {"locality": None, "number": "5号"}),
        ("清城区人民路文明街5号、7号商铺", "人民路文明街", {"number": "5号、7号", "room": "商铺"}),
    ],
)
def test_roads_numbers_and_what_follows(text: str, road: str | None, rest: dict[str, str | None]) -> None:
    found = parts(text)
    assert found.get("road") == road
    assert {name: found.get(name) for name in rest} == rest


@pytest.mark.parametrize(
    "texts",
    [
        (
            "英德市英城峰光路29号",
            "清远市英德市英城街道办峰光路２９号",
            "广东省英德市英城镇 峰光路二十九号（一址多照）",
            "清遠市英德市英城街道辦峰光路29號",
            "广东省清远市广东省清远市英德市英城街道峰光路29号",
            "清远市英德市清远市英德市英城街道峰光路29号",
            "英德市英德市英城街道峰光路29#",
        ),
        ("英德市人民路12-16号", "英德市人民路１２～１６号", "英德市人民路12号至16号", "英德市人民路12至16号"),
        ("英德市人民路12号之一", "英德市人民路12号之1", "英德市人民路12号之一号"),
        ("英德市人民路105号", "英德市人民路一百零五号", "英德市人民路一〇五号"),
        ("英德市人民路5号2、3楼", "英德市人民路五号二、三楼"),
    ],
)
def test_spellings_of_one_place_are_one_address(texts: tuple[str, ...]) -> None:
    assert read(pl.Series(texts), PLACES)["address"].unique().to_list() == [
        read(pl.Series(texts[:1]), PLACES)["address"].item()
    ]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("二十三号", "23号"),
        ("一百二十栋", "120栋"),
        ("九百九十九室", "999室"),
        ("二〇三房", "203房"),
        ("十层", "10层"),
        ("一至三层", "1-3层"),
        ("五一楼", "五一楼"),
        ("人民二路", "人民二路"),
        ("百二号", "百二号"),
        ("十十号", "十十号"),
        ("乾坤路", "乾坤路"),
        ("鎮遠樓", "镇远楼"),
        ("之101号", "之101号"),
    ],
)
def test_one_spelling_of_characters_and_numbers(text: str, meant: str) -> None:
    assert plain_text(text) == meant
    beside = pl.select(plain(pl.lit(pl.Series([text, "一楼、二号、三房"])))).to_series()
    assert beside[0] == meant, "whatever stands in other rows"


def test_a_schools_village_is_part_of_its_name() -> None:
    assert parts("清城区石角镇原三村小学")["building"] == "原三村小学"
    assert parts("清城区石角镇石板村小学") | {"building": "小学"} == parts("清城区石角镇石板村小学")


@pytest.mark.parametrize("text", ["新城市花园3栋", "超市旁边", "城市广场"])
def test_what_only_sounds_like_another_city_is_none(text: str) -> None:
    assert not parts(text)["outside"]


TEXTS = ("广东省清远市清城区凤城街道某处", "清远市英德市某处", "韶关市英德市某处", "广州市越秀区某处")


def test_a_table_without_its_citys_row_learns_the_citys_name_from_the_addresses() -> None:
    without = gazetteer(pl.DataFrame(ROWS[1:], schema=["code", "name", "level"], orient="row"))
    assert read(pl.Series(TEXTS[:2]), without)["outside"].all(), "as nobody knows which city that is"
    found = read(pl.Series(TEXTS), knowing_its_city(without, pl.Series(TEXTS)))
    assert found["outside"].to_list() == [False, False, True, True]
    assert found["city"].to_list()[:2] == ["清远市", "清远市"]
    assert knowing_its_city(PLACES, pl.Series(TEXTS)) is PLACES
    assert knowing_its_city(without, pl.Series(TEXTS[2:])) is without, "one says nothing"
    assert knowing_its_city(without, pl.Series([], dtype=pl.String)) is without


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.text("清远市城区英德石角镇东路街道村委会花园号幢层楼ABC123与侧", max_size=24),
        min_size=1,
        max_size=40,
    )
)
def test_nothing_of_an_address_is_lost(texts: list[str]) -> None:
    """Behind the divisions, the parts are the text as it was written."""
    for row in read(pl.Series(texts, dtype=pl.String), PLACES).iter_rows(named=True):
        kept = "".join(row[name] or "" for name in DETAILS)
        assert row["written"].endswith(kept)
        assert row["division_code"] or row["outside"] or kept == row["written"]
