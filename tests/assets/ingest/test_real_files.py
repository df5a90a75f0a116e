"""Files as departments and governments published them, each through an entry of a few lines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from assets.ingest.readers import UNKNOWN, Reading, read
from catalog.load import load
from catalog.model import Entry

pytestmark = pytest.mark.real
Real = Callable[..., Path]
Make = Callable[..., Entry]


def frame_of(path: Path, entry: Entry, work: Path) -> tuple[Reading, pl.DataFrame]:
    found = read(path, entry, work=work)
    return found, found.frame.collect()


def text_entry(make: Make, *titles: str, required: int = 1) -> Entry:
    """An entry of text columns ``c1``, ``c2`` … with these titles, of which the first ones are required."""
    return make(
        {
            f"c{place}": {"title": title, "element": "text", "required": place <= required}
            for place, title in enumerate(titles, 1)
        }
    )


def test_enterprises_in_utf8_and_gb18030_are_one_frame(real_file: Real, tmp_path: Path) -> None:
    entry = load().entry("business_registration")
    _, first = frame_of(real_file("enterprises_qingyuan.csv"), entry, tmp_path)
    _, second = frame_of(real_file("enterprises_qingyuan_gb18030.csv"), entry, tmp_path)
    assert_frame_equal(first, second)
    assert first.height == 1111
    assert first["_row"].to_list() == list(range(1, 1112))
    assert first.filter(pl.col("capital").str.contains("万元人民币")).height > 100


@pytest.mark.parametrize(
    "name", ["分省年度数据.csv", *(f"分省年度数据 ({number}).csv" for number in range(1, 7))]
)
def test_statistical_exports(real_file: Real, tmp_path: Path, entry_of: Make, name: str) -> None:
    """GB2312, three lines before the header, footnotes over several lines after the 31 provinces."""
    entry = text_entry(entry_of, "地区", "2020年", "2015年", required=3)
    found, frame = frame_of(real_file("opengov", "nbs_gb2312_csv", name), entry, tmp_path)
    assert frame.height == 31
    assert frame["c1"].to_list()[::30] == ["北京市", "新疆维吾尔自治区"]
    assert frame["_problem"].null_count() == 31
    assert any("footnote" in note for note in found.notes)


def test_hospitals_in_gbk(real_file: Real, tmp_path: Path, entry_of: Make) -> None:
    """GBK that is not GB2312: the dash and the zero of its addresses must survive."""
    entry = text_entry(entry_of, "机构名称", "地址", "区县代码")
    _, frame = frame_of(real_file("opengov", "beijing_hospitals_gbk.csv"), entry, tmp_path)
    assert frame.height == 724
    assert frame["c2"][0] == "北京市海淀区北四环西路9号—1"
    assert f"{UNKNOWN}医院等级" in frame.columns


@pytest.mark.parametrize(("level", "rows"), [("middle", 982), ("primary", 1492)])
def test_school_points(real_file: Real, tmp_path: Path, entry_of: Make, level: str, rows: int) -> None:
    entry = entry_of({"geometry": {"title": "图形", "element": "geometry", "required": True}})
    _, frame = frame_of(real_file("opengov", f"beijing_{level}_schools_poi.geojson"), entry, tmp_path)
    assert frame.height == rows
    assert frame["geometry"].str.starts_with('{"type": "Point"').all()


def test_daily_sheets_with_a_header_of_three_merged_rows(
    real_file: Real, tmp_path: Path, entry_of: Make
) -> None:
    entry = text_entry(entry_of, "地市", "确诊病例累计", "境外输入", "境内", "新增", "在院总数", "危重/重症")
    for path in sorted(real_file("opengov", "gd_covid_daily_xlsx").iterdir()):
        found, frame = frame_of(path, entry, tmp_path)
        assert found.match.missing_optional == (), path.name
        assert frame.height == 22, path.name
        assert frame["c1"].to_list()[1:3] == ["广州市", "深圳市"]


def test_college_lists_in_the_old_binary_format(real_file: Real, tmp_path: Path, entry_of: Make) -> None:
    """Titles above, a merged subtotal row for each province, which is no school and so misses its name."""
    entry = text_entry(entry_of, "学校名称", "主管部门", "所在地", "办学层次")
    for year, schools in ((2017, 2631), (2011, 2101)):
        _, frame = frame_of(real_file("opengov", f"moe_colleges_{year}.xls"), entry, tmp_path)
        assert frame["c1"].count() == schools
        assert frame["c1"].null_count() == 31
    _, frame = frame_of(
        real_file("opengov", "moe_colleges_2017.xls"), text_entry(entry_of, "学校标识码"), tmp_path
    )
    assert frame["c1"].drop_nulls().str.contains(r"^\d{10}$").all()


def test_a_page_of_an_open_data_api(real_file: Real, tmp_path: Path, entry_of: Make) -> None:
    """An array inside a page, two of whose rows lack two keys."""
    entry = text_entry(entry_of, "deal_date", "card_no", "station", "car_no")
    _, frame = frame_of(real_file("opengov", "shenzhen_api_page_metro_taps.json"), entry, tmp_path)
    assert frame.height == 100
    assert frame["c1"].null_count() == 0
    assert frame["c3"].null_count() == 2


@pytest.mark.parametrize(
    ("name", "title", "rows"),
    [
        ("gb2260_history_1981_2024.csv", "代码", 6823),
        ("gb2260_codes_mumuy_2026-04.csv", "code", 7463),
        ("guangdong_counties_towns_2023.csv", "town_code", 1757),
        ("qingyuan_level4_pinyin_2025.csv", "pinyin", 95),
    ],
)
def test_division_tables(
    real_file: Real, tmp_path: Path, entry_of: Make, name: str, title: str, rows: int
) -> None:
    _, frame = frame_of(real_file("divisions", name), text_entry(entry_of, title), tmp_path)
    assert frame.height == rows
