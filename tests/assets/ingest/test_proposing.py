"""Every published file is taken in through the entry drafted from it; a header is found under titles and banners."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter

from assets.ingest.decoding import UnreadableError
from assets.ingest.proposing import AnyHeader, Proposal, code_of, propose
from assets.ingest.readers import read
from catalog.load import Catalogue

Real = Callable[..., Path]


@pytest.fixture
def proposed(tmp_path: Path, catalogue: Catalogue) -> Callable[[Path], Proposal]:
    return lambda path: propose(path, catalogue, tmp_path, code=code_of(path), department="education")


#: File → rows, rows accepted by the draft as it stands, key, and elements that had to be recognised.
PUBLISHED: Mapping[str, tuple[int, int, tuple[str, ...], dict[str, str]]] = {
    "opengov/beijing_hospitals_gbk.csv": (724, 724, ("institution_name",), {"county_code": "division_code", "postcode": "identifier", "hospital_grade": "category"}),
    "opengov/beijing_middle_schools_poi.geojson": (982, 982, (), {"geometry": "geometry", "point_x": "longitude", "telephone": "phone"}),
    "opengov/beijing_primary_schools_poi.geojson": (1492, 1492, (), {"geometry": "geometry", "code": "division_code"}),
    "opengov/moe_colleges_2011.xls": (2132, 2101, ("school_name",), {"supervisor": "organisation_name", "schooling_level": "category"}),
    "opengov/moe_colleges_2017.xls": (2662, 2631, ("school_code",), {"school_code": "identifier", "sequence": "integer"}),
    "opengov/nbs_gb2312_csv/分省年度数据.csv": (31, 31, ("region",), {"year_2024": "decimal"}),
    **{f"opengov/nbs_gb2312_csv/分省年度数据 ({number}).csv": (31, 31, ("region",), {"year_2020": "decimal"}) for number in range(1, 7)},
    "opengov/shenzhen_api_page_metro_taps.json": (100, 100, ("card_no", "deal_date"), {"deal_date": "datetime", "close_date": "date", "deal_money": "amount"}),
    "divisions/gb2260_codes_mumuy_2026-04.csv": (7463, 7463, ("code",), {"code": "division_code"}),
    "divisions/gb2260_history_1981_2024.csv": (6823, 6823, ("code", "start_time"), {"start_time": "year"}),
    "divisions/guangdong_counties_towns_2023.csv": (1757, 1757, ("town_code",), {"city_code": "division_code"}),
    "divisions/qingyuan_level4_pinyin_2025.csv": (95, 95, ("id",), {"ext_id": "identifier", "deep": "integer"}),
}  # fmt: skip


@pytest.mark.real
@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_file_is_taken_in_through_its_draft(
    real_file: Real, proposed: Callable[[Path], Proposal], name: str
) -> None:
    rows, accepted, key, elements = PUBLISHED[name]
    found = proposed(real_file(*name.split("/")))
    columns = found.draft.entry.columns
    assert (found.rows, found.accepted, found.draft.entry.delivery.key) == (rows, accepted, key)
    assert {column: columns[column].element for column in elements} == elements
    assert not any("unknown column" in note for note in found.notes)
    assert not any(column.startswith("column_") for column in columns)


@pytest.mark.real
def test_the_draft_of_one_daily_sheet_takes_all_of_them(
    real_file: Real, proposed: Callable[[Path], Proposal], tmp_path: Path
) -> None:
    sheets = sorted(real_file("opengov", "gd_covid_daily_xlsx").iterdir())
    found = proposed(sheets[0])
    assert (found.rows, found.accepted, found.draft.entry.delivery.key) == (22, 21, ("city",))
    assert list(found.draft.entry.columns)[:3] == ["sequence", "city", "confirmed_cases_cumulative"]
    for sheet in sheets:
        reading = read(sheet, found.draft.entry, work=tmp_path)
        assert (reading.match.unknown, reading.match.missing_optional) == ((), ()), sheet.name
        assert reading.frame.collect().height == 22


@pytest.mark.real
def test_no_published_file_is_forgotten(real_file: Real) -> None:
    root = real_file("opengov").parent
    there = {
        str(path.relative_to(root))
        for folder in ("opengov", "divisions")
        for path in (root / folder).rglob("*")
        if path.is_file() and path.parent.name != "gd_covid_daily_xlsx"
    }
    assert there == set(PUBLISHED)


def workbook(*rows: list[Any]) -> bytes:
    sink = io.BytesIO()
    with xlsxwriter.Workbook(sink, {"in_memory": True}) as book:
        sheet = book.add_worksheet()
        for place, row in enumerate(rows):
            sheet.write_row(place, 0, row)
    return sink.getvalue()


def test_a_header_under_titles(tmp_path: Path, proposed: Callable[[Path], Proposal]) -> None:
    path = tmp_path / "食品经营许可_20240630.xlsx"
    rows = [["清远市食品经营许可公示"], ["截至：2024年6月30日"], ["序号", "企业名称", "许可证编号", None]]
    path.write_bytes(workbook(*rows, *([n, f"企业{n}", f"JY{n:05}", "注"] for n in range(1, 21))))
    found = proposed(path)
    entry = found.draft.entry
    assert entry.title.zh == "食品经营许可"
    assert [column.title for column in entry.columns.values()] == ["序号", "企业名称", "许可证编号", "第4列"]
    assert (found.rows, found.accepted) == (20, 20)


def test_merged_header_rows_are_told_from_data(tmp_path: Path, proposed: Callable[[Path], Proposal]) -> None:
    """The second row of the one is data, though it fills a cell whose header is blank; of the other it is header."""
    plain, merged = tmp_path / "plain.xlsx", tmp_path / "merged.xlsx"
    plain.write_bytes(workbook(["名称", "地址", None], *([f"甲{n}", f"乙{n}", "丙"] for n in range(12))))
    merged.write_bytes(
        workbook(["名称", "人口", None], [None, "户数", "人数"], *([f"甲{n}", n, n * 3] for n in range(12)))
    )
    assert [column.title for column in proposed(plain).draft.entry.columns.values()] == [
        "名称",
        "地址",
        "第3列",
    ]
    titles = [column.title for column in proposed(merged).draft.entry.columns.values()]
    assert titles == ["名称", "人口户数", "人口人数"]


@pytest.mark.parametrize(
    ("cells", "share"),
    [
        (["姓名", "地址", ""], 2),
        (["姓名", "2024-01-01", "12"], 0),
        (["姓名", "姓名"], 0),
        (["注：本表截至2024年"], 0),
        (["441802199001010028"], 0),
        (["2024年6月"], 0),
        (["2024年"], 1),
        ([None, " "], 0),
    ],
)
def test_what_a_header_looks_like(cells: list[str | None], share: float) -> None:
    assert AnyHeader().share(cells) == share


@pytest.mark.parametrize(
    ("name", "code"),
    [("Metro-Taps 2024.csv.gz", "metro_taps"), ("人口.csv", "new_resource"), ("2024.csv", "new_resource")],
)
def test_a_code_from_a_file_name(name: str, code: str) -> None:
    assert code_of(Path(name)) == code


def test_what_cannot_be_read_is_refused(tmp_path: Path, proposed: Callable[[Path], Proposal]) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"1,2\n3,4\n")
    with pytest.raises(UnreadableError):
        proposed(path)
