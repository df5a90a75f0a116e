"""Drafting an entry: names and elements from headers and cells, a key that never repeats, and lines left to a person."""

from __future__ import annotations

import random
from pathlib import Path

import polars as pl
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.check import check
from catalog.load import Catalogue, Place
from catalog.model import Mode
from catalog.propose import CONFIRM, Draft, Origin, draft

ORIGIN = Origin("food_licence", "食品经营许可", "spreadsheet")


def drafted(catalogue: Catalogue, table: dict[str, list[str | None]], origin: Origin = ORIGIN) -> Draft:
    rows = pl.DataFrame(
        {f"c{place}": pl.Series(cells, dtype=pl.String) for place, cells in enumerate(table.values())}
    )
    return draft(list(table), rows, origin, catalogue)


def element_of(catalogue: Catalogue, header: str, *cells: str | None) -> str:
    (column,) = drafted(catalogue, {header: list(cells)}).entry.columns.values()
    return column.element


@pytest.mark.parametrize(
    ("header", "cells", "element"),
    [
        ("编码", ["11010519491231002X", "１１０１０５１９４９１２３１００２ｘ"], "resident_id"),
        ("备注", ["91441802617971616D"], "credit_code"),
        ("区县代码", ["441802", "441823"], "division_code"),
        ("邮政编码", ["511500", "511800"], "identifier"),
        ("联系电话", ["13800138001", "13912345678"], "mobile"),
        ("联系电话", ["0763-3366123", "13912345678"], "phone"),
        ("性别", ["男", "女", "1"], "sex"),
        ("民族", ["汉族", "壮", "瑶族"], "ethnicity"),
        ("姓名", ["张三", "李四"], "person_name"),
        ("住址", ["清城区北江路1号"], "address"),
        ("成立日期", ["2020/1/5", "2021年3月4日", "20220304"], "date"),
        ("更新时间", ["2024-06-30 08:15:00", "2024-06-30 00:00:00"], "datetime"),
        ("启用时间", ["1981", "1994"], "year"),
        ("发放年月", ["2024-06", "202407"], "month"),
        ("罚款金额", ["1,000.00", "20"], "amount"),
        ("建筑面积", ["100.5", "88㎡"], "area"),
        ("经度", ["113.05", "112.9"], "longitude"),
        ("层数", ["3", "12"], "integer"),
        ("比例", ["0.35", "1.2"], "decimal"),
        ("工号", ["0012", "0345"], "identifier"),
        ("数", ["0012", "0345"], "text"),
        ("身份证号码", ["见附件", "同上"], "text"),
        ("2025年", [None, None], "decimal"),
        ("空", [None], "text"),
        ("意见", ["很好", "一般"], "text"),
    ],
)
def test_the_element_is_what_header_and_cells_agree_on(
    catalogue: Catalogue, header: str, cells: list[str], element: str
) -> None:
    assert element_of(catalogue, header, *cells) == element


def test_repeated_words_are_a_value_domain(catalogue: Catalogue) -> None:
    entry = drafted(catalogue, {"企业名称": [f"企业{n}" for n in range(40)], "等级": ["A", "B"] * 20}).entry
    assert entry.columns["grade"].element == "category"
    assert set(entry.columns["grade"].values) == {"A", "B"}
    assert entry.columns["company_name"].element == "organisation_name"


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("机构名称", "institution_name"),
        ("变更/弃用时间", "change_end_time"),
        ("dealDate", "deal_date"),
        ("POINT_X", "point_x"),
        ("2024年", "year_2024"),
        ("姓 名", "name"),
        ("统一社会信用代码", "credit_code"),
        ("罕见词", "han_jian_ci"),
        ("3D模型", "mo_xing"),
        ("_id", "id"),
        ("x", "column_1"),
    ],
)
def test_names_come_from_the_glossary_and_the_catalogue(catalogue: Catalogue, title: str, name: str) -> None:
    assert list(drafted(catalogue, {title: ["a"]}).entry.columns) == [name]


def test_columns_of_one_name_are_told_apart_and_of_one_title_the_first_stays(catalogue: Catalogue) -> None:
    found = drafted(catalogue, {"类别": ["a"], "种类": ["b"], "类 别": ["c"]})
    assert list(found.entry.columns) == ["kind", "kind_2"]
    assert any("repeated header" in remark for remark in found.remarks)


def test_a_key_never_repeats_and_is_no_running_number(catalogue: Catalogue) -> None:
    table: dict[str, list[str | None]] = {
        "序号": [str(n) for n in range(30)],
        "名称": [f"甲{n // 2}" for n in range(30)],
        "日期": [f"2024-01-{n % 2 + 1:02}" for n in range(30)],
    }
    entry = drafted(catalogue, table).entry
    assert (entry.delivery.mode, entry.delivery.key) == (Mode.SNAPSHOT, ("name", "date"))
    assert entry.delivery.volume.min_rows == 15
    table["日期"] = ["2024-01-01"] * 30
    found = drafted(catalogue, table)
    assert (found.entry.delivery.mode, found.entry.delivery.key) == (Mode.APPEND, ())
    assert any("choose a key" in remark for remark in found.remarks)


def test_totals_and_headings_of_groups_are_no_records(catalogue: Catalogue) -> None:
    found = drafted(
        catalogue,
        {
            "序号": ["清城区", "1", "2", "合计"],
            "名称": [None, "甲", "乙", None],
            "人数": [None, "3", "4", "7"],
        },
    )
    assert found.entry.columns["name"].required
    assert found.entry.columns["sequence"].element == "integer"
    assert found.entry.delivery.key == ("name",)
    assert any(remark.startswith("2 行") for remark in found.remarks)


def test_a_draft_is_closed_valid_yaml_with_the_doubtful_lines_marked(catalogue: Catalogue) -> None:
    found = drafted(catalogue, {"身份证号": ["11010519491231002X"], "经度": ["113.1"], "纬度": ["23.7"]})
    document = yaml.safe_load(found.text)
    assert document == yaml.safe_load(found.text.replace(CONFIRM, "#"))
    assert document["columns"]["resident_id"]["grade"] == 4
    assert (document["sharing"]["type"], document["opening"]["type"]) == ("none", "none")
    marked = [line.partition(":")[0] for line in found.text.splitlines()[1:] if CONFIRM in line]
    assert marked == [
        "title", "abstract", "catalogue_code", "category", "departments", "sharing", "opening", "frequency",
        "coordinate_system",
    ]  # fmt: skip


def test_a_draft_passes_every_check_of_the_catalogue(catalogue: Catalogue, tmp_path: Path) -> None:
    found = drafted(
        catalogue,
        {"身份证号": ["11010519491231002X"] * 20, "等级": ["A", "B"] * 10, "图形": ["POINT (113 23)"] * 20},
        Origin("food_licence", "食品经营许可", "spatial", "market_regulation"),
    )
    place = Place("food_licence.yaml", {})
    whole = Catalogue(
        tmp_path,
        catalogue.departments,
        {**catalogue.entries, found.entry.code: found.entry},
        {**catalogue.places, found.entry.code: place},
    )
    assert [fault for fault in check(whole) if fault.file == place.file] == []


@settings(max_examples=60, deadline=None)
@given(
    headers=st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=6),
    cells=st.lists(st.none() | st.text(max_size=10), max_size=6),
    shuffled=st.randoms(use_true_random=False),
)
def test_whatever_the_table_the_draft_is_valid_and_reads_back(
    catalogue: Catalogue, headers: list[str], cells: list[str | None], shuffled: random.Random
) -> None:
    rows = pl.DataFrame(
        {
            f"c{place}": pl.Series(shuffled.sample(cells, len(cells)), dtype=pl.String)
            for place in range(len(headers))
        }
    )
    try:
        found = draft(headers, rows, ORIGIN, catalogue)
    except ValueError as error:
        assert "columns" in str(error)
        assert not any(header.strip() for header in headers)
        return
    document = yaml.safe_load(found.text)
    assert list(document["columns"]) == list(found.entry.columns)
    assert {column["title"] for column in document["columns"].values()} == {
        column.title for column in found.entry.columns.values()
    }
