"""Names in sentences: gone where something announces them; ordinary words stay."""

from __future__ import annotations

import polars as pl
import pytest

from masking.methods import scrub
from masking.names_in_text import without_names


def cut(text: str | None) -> str | None:
    return pl.DataFrame({"v": [text]}, schema={"v": pl.String}).select(without_names(pl.col("v")))["v"][0]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("申请人张三，住清城区", "申请人***，住清城区"),
        ("联系人：欧阳修文", "联系人：***"),
        ("死者姓名为李小明。", "死者姓名为***。"),
        ("经李四女士同意", "经***女士同意"),
        ("患者王某，男", "患者***，男"),
        ("村民黄大文与邻居何伟先生", "村民***与邻居***先生"),
        (None, None),
        ("", ""),
    ],
)
def test_announced_names_are_cut(text: str | None, left: str | None) -> None:
    assert cut(text) == left


@pytest.mark.parametrize(
    "text", ["同意高速公路沿线施工", "申请人为个体工商户", "负责人变更登记", "学生公寓建设许可", "张三"]
)
def test_other_words_stay(text: str) -> None:
    assert cut(text) == text


def test_scrubbing_cuts_names_with_numbers() -> None:
    text = pl.DataFrame({"v": ["联系人：李明 13812345678"]})
    assert text.select(scrub(pl.col("v")))["v"].to_list() == ["联系人:*** ***"]
