"""Each kind of value on literal cells: what becomes of them, and which checks they fail."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
import shapely

from catalog.elements import ELEMENTS
from catalog.elements.values import ETHNIC_GROUPS, VALUES
from tests.catalog.elements.rows import failed, standard

NOON = datetime(2024, 1, 5, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    ("code", "cell", "value"),
    [
        ("person_name", "张　三", "张三"),
        ("person_name", "阿依古丽•买买提", "阿依古丽·买买提"),
        ("person_name", "Mary  Ann\tLee", "MARY ANN LEE"),
        ("organisation_name", "清远市(国资)有限公司〓", "清远市（国资）有限公司"),
        ("organisation_name", "清远 ＡＢＣ公司", "清远ABC公司"),
        ("text", " 一\r\n二  三 〓", "一 二 三"),
        ("address", "清城区 ４９号[东]", "清城区49号（东）"),
        ("category", " 已 婚 ", "已婚"),
        *(("sex", cell, "1") for cell in ("1", "男", "男性", "M", "male", "１", "01")),
        *(("sex", cell, "2") for cell in ("2", "女", "女 性", "f", "FEMALE")),
        *(("sex", cell, code) for cell, code in (("未知", "0"), ("未说明", "9"), ("不男", None), ("3", None))),
        ("ethnicity", "汉", "汉族"),
        ("ethnicity", "壮 族", "壮族"),
        ("ethnicity", "穿青人", "穿青人"),
        *(
            ("date", cell, date(2020, 1, 5))
            for cell in (
                *("2020-01-05", "2020-1-5", "2020/1/5", "2020.01.05", "20200105", "2020年1月5日", "２０２０年１月５日"),
                *("2020-01-05 00:00:00", "2020/1/5 8:30", "2020-01-05T08:30:00", "20200105083000", "43835", "43835.0"),
            )
        ),
        ("date", "2024-02-30", None),
        ("date", "2024-02-29", date(2024, 2, 29)),
        ("date", "不详", None),
        *(
            ("datetime", cell, NOON)
            for cell in (
                *("2024-01-05 12:00:00", "2024/1/5 12:00", "2024-01-05T12:00:00+08:00", "2024-01-05T04:00:00Z"),
                *("20240105120000", "2024年1月5日12时00分", "２０２４-01-05 12:00:00"),
            )
        ),
        ("datetime", "2024-01-05", datetime(2024, 1, 4, 16, tzinfo=UTC)),
        ("datetime", "2024-01-05 25:00:00", None),
        *(("month", cell, "2024-06") for cell in ("2024-06", "202406", "2024/6", "2024年6月", "2024-06-15")),
        ("month", "2024-13", None),
        *(("year", cell, 2024) for cell in ("2024", "2024年", "2024.0", "２０２４")),
        ("year", "24", None),
        *(("amount", cell, Decimal("1234.50")) for cell in ("1234.5", "1,234.50", "¥1234.50", "1234.50元", "１２３４．５")),
        ("amount", "0.1", Decimal("0.10")),
        ("amount", "1.5万元", Decimal("15000.00")),
        ("amount", "2亿", Decimal("200000000.00")),
        # a bank account in the wrong column: no amount of money, and no reason to stop
        ("amount", "6222021001000000", Decimal("6222021001000000.00")),
        ("amount", "62220210010000001", None),
        ("amount", "9" * 40, None),
        *(("capital", cell, Decimal("2000000.00")) for cell in ("200(万元人民币)", "200万", "2000000", "2,000,000元")),
        ("capital", "-5", None),
        ("capital", "50至100万", None),
        ("capital", "9" * 19, None),
        *(("integer", cell, 1234) for cell in ("1234", "1,234", "1234.0", "１２３４", "+1234")),
        ("integer", "12.5", None),
        ("integer", "9" * 30, None),
        ("decimal", "1.5万", 15000.0),
        ("decimal", "1e400", None),
        ("area", "89.5平方米", 89.5),
        ("area", "89.5㎡", 89.5),
        ("area", "3亩", 2000.0),
        ("area", "1.5 公顷", 15_000.0),
        ("area", "0.2 km²", 200_000.0),
        ("area", "2垧", None),
        ("longitude", "113.05", 113.05),
        *(("longitude", cell, 113.05) for cell in ("113.05°", "E113.05", "113°03′00″", "113度3分", "东经113°3'0\"", "113°3'E")),
        ("longitude", "113°63′", None),
        ("longitude", "113°", 113.0),
        ("latitude", " 23.68 ", 23.68),
        ("latitude", "北纬23°30′", 23.5),
        ("latitude", "nan", None),
        ("geometry", "POINT (113 23)", shapely.to_wkb(shapely.Point(113, 23))),
        ("geometry", '{"type": "Point", "coordinates": [113, 23, 7]}', shapely.to_wkb(shapely.Point(113, 23))),
        ("geometry", "{}", None),
        ("geometry", "CURVEPOLYGON (CIRCULARSTRING (0 0, 1 1, 2 0, 1 -1, 0 0))", None),
        ("geometry", "POLYGON ((inf 0, 1 1, 0 1, inf 0))", None),
        ("geometry", "POLYGON ((1e200 0, 1 1, 0 1, 1e200 0))", None),
        ("geometry", "POINT (38500000 2600000)", shapely.to_wkb(shapely.Point(38_500_000, 2_600_000))),
    ],
)  # fmt: skip
def test_a_cell_becomes_its_standard_form(code: str, cell: str, value: Any) -> None:
    assert standard(code, cell) == [value]


@pytest.mark.parametrize(
    ("code", "cell", "failures"),
    [
        ("person_name", "张三", set()),
        ("person_name", "张3*", {"characters"}),
        ("person_name", "张" * 61, {"length"}),
        ("organisation_name", "清" * 201, {"length"}),
        ("text", "清" * 20_001, {"length"}),
        ("address", "清" * 301, {"length"}),
        *(("ethnicity", group, set()) for group in ETHNIC_GROUPS),
        ("ethnicity", "火星", {"known"}),
        ("date", "1849-12-31", {"plausible"}),
        ("date", "2020-01-05", set()),
        ("year", "2300", {"plausible"}),
        ("amount", "-5", {"not_negative"}),
        ("area", "0", {"positive"}),
        ("longitude", "23.68", {"range"}),
        ("latitude", "113.05", {"range"}),
        ("geometry", "POLYGON ((0 0, 1 1, 1 0, 0 1, 0 0))", {"valid"}),
        ("geometry", "POLYGON ((0 0, 1 0, 1 1, 0 0))", set()),
    ],
)
def test_a_cell_fails_the_checks_it_should(code: str, cell: str, failures: set[str]) -> None:
    assert failed(code, cell) == failures


@pytest.mark.parametrize(
    ("cell", "currency"),
    [
        ("200(万元人民币)", "CNY"),
        ("200", "CNY"),
        ("100万港元", "HKD"),
        ("100万美元", "USD"),
        ("100万金币", None),
        ("无", None),
        ("9" * 5_000, None),
    ],
)
def test_a_capital_carries_its_currency(cell: str, currency: str | None) -> None:
    companion = ELEMENTS["capital"].companions[0]
    assert pl.select(companion.standardise(pl.lit(pl.Series([cell])))).item() == currency


def test_every_value_has_examples_here() -> None:
    marker = next(iter(test_a_cell_becomes_its_standard_form.pytestmark))  # type: ignore[attr-defined]
    assert {row[0] for row in marker.args[1]} == {element.code for element in VALUES}
