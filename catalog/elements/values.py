"""Names, dates, amounts, places and categories: everything that is not an identifier.

Here belong their standardisation from a dozen spellings, and their checks, as expressions over whole columns.
Sources: GB/T 2261.1 (sex), GB/T 3304 (ethnic groups), and what real exports were seen to contain.
"""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import shapely
from shapely.errors import ShapelyError

from catalog.elements.base import (
    Already,
    Check,
    Companion,
    Element,
    Expression,
    Mask,
    Shortcut,
    clean,
    squeeze,
)
from catalog.elements.identifiers import PLAIN_CODE
from catalog.model import Dimension, Grade, Severity, Title

#: The 56 ethnic groups of GB/T 3304, with the names that appear beside them on documents.
ETHNIC_GROUPS = (
    "汉",
    "蒙古",
    "回",
    "藏",
    "维吾尔",
    "苗",
    "彝",
    "壮",
    "布依",
    "朝鲜",
    "满",
    "侗",
    "瑶",
    "白",
    "土家",
    "哈尼",
    "哈萨克",
    "傣",
    "黎",
    "傈僳",
    "佤",
    "畲",
    "高山",
    "拉祜",
    "水",
    "东乡",
    "纳西",
    "景颇",
    "柯尔克孜",
    "土",
    "达斡尔",
    "仫佬",
    "羌",
    "布朗",
    "撒拉",
    "毛南",
    "仡佬",
    "锡伯",
    "阿昌",
    "普米",
    "塔吉克",
    "怒",
    "乌孜别克",
    "俄罗斯",
    "鄂温克",
    "德昂",
    "保安",
    "裕固",
    "京",
    "塔塔尔",
    "独龙",
    "鄂伦春",
    "赫哲",
    "门巴",
    "珞巴",
    "基诺",
    "穿青人",
    "其他",
    "外国血统",
)
MIDDLE_DOTS = r"[•‧∙⋅・･．.●·]"
#: What a department may write for a currency, and its ISO 4217 code; the first that occurs in the text counts.
CURRENCIES = {
    **dict.fromkeys(("美元", "美金", "USD"), "USD"),
    **dict.fromkeys(("港", "HKD"), "HKD"),
    **dict.fromkeys(("欧", "EUR"), "EUR"),
    **dict.fromkeys(("日元", "日圆", "日币", "JPY"), "JPY"),
    **dict.fromkeys(("英镑", "GBP"), "GBP"),
    **dict.fromkeys(("新加坡", "SGD"), "SGD"),
    **dict.fromkeys(("澳门", "MOP"), "MOP"),
    **dict.fromkeys(("澳大利亚", "澳元", "AUD"), "AUD"),
    **dict.fromkeys(("加拿大", "加元", "CAD"), "CAD"),
    **dict.fromkeys(("台币", "TWD"), "TWD"),
    **dict.fromkeys(("瑞士", "CHF"), "CHF"),
    **dict.fromkeys(("韩", "KRW"), "KRW"),
    **dict.fromkeys(("人民币", "CNY"), "CNY"),
}
SEXES = {
    "男": "1",
    "女": "2",
    "M": "1",
    "F": "2",
    "MALE": "1",
    "FEMALE": "2",
    "未知": "0",
    "未说明": "9",
    **{code: code for code in "0129"},
    **{f"0{code}": code for code in "0129"},
}
#: What is written for a day that never comes: a licence or a card without an end.
WITHOUT_END = ("长期", "长期有效", "永久", "永久有效", "无固定期限", "无期限")
#: Square metres in a unit of land; fifteen 亩 are a hectare by law.
AREA_UNITS = {"亩": 10_000 / 15, "公顷": 10_000.0, "平方公里": 1e6, "平方千米": 1e6}
#: No coordinate of ours is larger: a plane one with the number of its zone has eight digits.
LARGEST_COORDINATE = 1e8
#: Chinese characters that no normalisation changes.
HAN = "[\u4e00-\u9fa5]"
#: What cleaning leaves as it is: a second character is asked for, so that 无 and 空 are not among them.
PLAIN_WORD = f"^{HAN}[0-9A-Z\u4e00-\u9fa5]+$"
PLAIN_NUMBER = r"^[0-9]+(\.[0-9]+)?$"
PLAIN_NAME = f"^{HAN}[-0-9A-Za-z（）、\u4e00-\u9fa5]+$"


def standard_person_name(raw: pl.Expr) -> pl.Expr:
    """A name without blanks, its separator always ``·`` (U+00B7); a Latin name keeps single blanks."""
    text = clean(raw)
    latin = text.str.contains(r"^[A-Za-z][A-Za-z .,'-]*$")
    return (
        pl.when(latin)
        .then(text.str.to_uppercase().str.replace_all(r"\s+", " "))
        .otherwise(squeeze(raw).str.replace_all(MIDDLE_DOTS, "·"))
    )


def standard_organisation_name(raw: pl.Expr) -> pl.Expr:
    """A name without blanks, brackets always full width (NFKC makes all of them half width first)."""
    text = (
        squeeze(raw)
        .str.replace_all(r"[(\[【〔]", "(")
        .str.replace_all(r"[)\]】〕]", ")")
        .str.strip_chars("〓")
    )
    return clean(text).str.replace_all("(", "（", literal=True).str.replace_all(")", "）", literal=True)


def standard_text(raw: pl.Expr) -> pl.Expr:
    """Text on one line, blanks single, fillers at the end gone."""
    return clean(clean(raw).str.replace_all(r"\s+", " ").str.strip_chars("〓 "))


def standard_date(raw: pl.Expr) -> pl.Expr:
    """Date from the spellings that exports contain: 2020-01-05, 2020/1/5, 20200105, 2020.1.5, 2020年1月5日, with or
    without a time behind it, and Excel's day numbers (five digits, from 1900-01-01 as 1)."""
    text = clean(raw).str.replace(
        r"^([0-9]{4}[^0-9][0-9]{1,2}[^0-9][0-9]{1,2})日?[ T]+[0-9]{1,2}([:时].*)?$", "${1}"
    )
    text = text.str.replace(r"^([0-9]{8})[0-9]{4}([0-9][0-9])?$", "${1}").str.replace_all(r"[年月/.]", "-")
    text = text.str.replace("日", "", literal=True)
    dashed = text.str.to_date("%Y-%m-%d", strict=False)
    packed = pl.when(text.str.contains(r"^[0-9]{8}$")).then(text).str.to_date("%Y%m%d", strict=False)
    serial = (
        pl.when(text.str.contains(r"^[1-6][0-9]{4}(-0)?$"))
        .then(text.str.slice(0, 5))
        .cast(pl.Int32, strict=False)
    )
    return pl.coalesce(dashed, packed, pl.date(1899, 12, 30) + pl.duration(days=serial)).cast(pl.Date)


def _iso_date(raw: pl.Expr) -> pl.Expr:
    return pl.when(raw.str.len_bytes() == 10).then(raw).str.to_date("%Y-%m-%d", strict=False, cache=False)


def standard_datetime(raw: pl.Expr) -> pl.Expr:
    """An instant in UTC: local text is Asia/Shanghai, an offset or Z is obeyed, a date alone is its midnight there."""
    text = clean(raw).str.replace_all("[年月/]", "-").str.replace_all(r"[日T]\s*", " ")
    text = text.str.replace_all("[时分]", ":").str.replace_all("秒|:$", "").str.strip_chars()
    zoned = pl.when(text.str.contains(r"(Z|[+-][0-9]{2}:?[0-9]{2})$")).then(text.str.replace(r"Z$", "+0000"))
    absolute = pl.coalesce(
        zoned.str.to_datetime("%Y-%m-%d %H:%M:%S%.f%z", strict=False, time_zone="UTC", time_unit="us"),
        zoned.str.to_datetime("%Y-%m-%d %H:%M%z", strict=False, time_zone="UTC", time_unit="us"),
    )
    # a time that does not exist must not pass as midnight of its day
    dateless = pl.when(~text.str.contains(":", literal=True)).then(text)
    naive = pl.coalesce(
        text.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", strict=False, time_unit="us"),
        text.str.to_datetime("%Y-%m-%d %H:%M", strict=False, time_unit="us"),
        text.str.to_datetime("%Y%m%d%H%M%S", strict=False, time_unit="us"),
        standard_date(dateless).cast(pl.Datetime("us")),
    )
    return pl.coalesce(absolute, _from_shanghai(naive))


def _iso_datetime(raw: pl.Expr) -> pl.Expr:
    text = pl.when(raw.str.len_bytes() == 19).then(raw)
    return _from_shanghai(
        text.str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False, time_unit="us", cache=False)
    )


def _from_shanghai(naive: pl.Expr) -> pl.Expr:
    local = naive.dt.replace_time_zone("Asia/Shanghai", ambiguous="earliest", non_existent="null")
    return local.dt.convert_time_zone("UTC")


def standard_month(raw: pl.Expr) -> pl.Expr:
    """``YYYY-MM`` from 2024-06, 202406, 2024/6, 2024年6月, or any full date."""
    text = clean(raw).str.replace_all(r"[年/.]", "-").str.replace("月", "", literal=True)
    text = text.str.replace(r"^([0-9]{4})([0-9]{2})$", "${1}-${2}")
    month = (text + "-1").str.to_date("%Y-%m-%d", strict=False)
    return pl.coalesce(month, standard_date(raw)).dt.strftime("%Y-%m")


def plain_number(raw: pl.Expr) -> pl.Expr:
    """The digits of a number as text: thousands separators, currency signs and yuan gone; 万 and 亿 stay."""
    text = squeeze(raw).str.replace_all(r"[,¥￥$]|人民币|RMB", "")
    return text.str.replace(r"[元圆]整?$", "")


def scale_of(text: pl.Expr) -> pl.Expr:
    """What the unit in a text multiplies by: 亿 10^8, 万 10^4, else 1."""
    return (
        pl.when(text.str.contains("亿", literal=True))
        .then(100_000_000)
        .when(text.str.contains("万", literal=True))
        .then(10_000)
        .otherwise(1)
    )


def money(raw: pl.Expr) -> pl.Expr:
    """An exact decimal, never by way of a float: 0.1 + 0.2 must be 0.3 where money is counted."""
    text = plain_number(raw)
    return _exact(text.str.replace("[亿万]$", "")) * scale_of(text).cast(pl.Decimal(24, 0))


def measure(raw: pl.Expr) -> pl.Expr:
    """A number that is measured, not counted: a finite Float64."""
    text = plain_number(raw)
    return _finite(text.str.replace("[亿万]$", "")) * scale_of(text)


def _exact(text: pl.Expr) -> pl.Expr:
    return text.cast(pl.Decimal(24, 6), strict=False)


def _finite(text: pl.Expr) -> pl.Expr:
    value = text.cast(pl.Float64, strict=False)
    return pl.when(value.is_finite()).then(value)


def _whole(text: pl.Expr) -> pl.Expr:
    return text.cast(pl.Int64, strict=False)


def area(raw: pl.Expr) -> pl.Expr:
    """Square metres, whose sign may stand behind; of a unit of land that is named, in square metres."""
    text = squeeze(raw).str.replace(r"市亩$", "亩").str.replace(r"(?i)(?:hm2|ha)$", "公顷")
    text = text.str.replace(r"(?i)km2$", "平方公里")
    unit = text.str.extract(f"({'|'.join(AREA_UNITS)})$")
    size = unit.replace_strict(AREA_UNITS, default=None, return_dtype=pl.Float64)
    bare = text.str.replace(f"({'|'.join(AREA_UNITS)}|平方米|m2|M2)$", "")
    return measure(bare) * size.fill_null(1.0)


def degrees(raw: pl.Expr) -> pl.Expr:
    """Decimal degrees, from those, from 113.05° or E113.05, and from degrees, minutes and seconds (113°03′00″, 113度3分)."""
    text = squeeze(raw).str.replace(r"^(?:东经|北纬|[ENen]):?", "").str.replace(r"[ENen]$", "")
    text = text.str.replace_all(r"[°度]", "d").str.replace_all("′′|''", "s")
    text = text.str.replace_all("[′'’分]", "m").str.replace_all('[″"”秒]', "s")
    parts = text.str.extract_groups(
        r"^([0-9]{1,3}(?:\.[0-9]+)?)d(?:([0-5]?[0-9](?:\.[0-9]+)?)m)?(?:([0-5]?[0-9](?:\.[0-9]+)?)s)?$"
    )
    whole, minutes, seconds = (_finite(parts.struct.field(str(part))) for part in (1, 2, 3))
    sexagesimal = whole + minutes.fill_null(0) / 60 + seconds.fill_null(0) / 3600
    return pl.coalesce(_finite(text), sexagesimal)


def capital_amount(raw: pl.Expr) -> pl.Expr:
    """The amount in units of its currency: ``200(万元人民币)`` → 2,000,000; ``5,000(万元)``; ``100万港元``."""
    text = squeeze(raw).str.replace_all(",", "", literal=True)
    figure = _exact(text.str.extract(r"([0-9]+(?:\.[0-9]+)?)")) * scale_of(text).cast(pl.Decimal(24, 0))
    return pl.when(text.str.contains(r"^[^0-9.-]*[0-9]+(\.[0-9]+)?[^0-9]*$")).then(figure)


def _plain_capital(raw: pl.Expr) -> pl.Expr:
    return _exact(pl.when(raw.str.contains(PLAIN_NUMBER)).then(raw))


def capital_currency(raw: pl.Expr) -> pl.Expr:
    """The ISO code of the currency named beside an amount; CNY where none is named; null where it is unknown, or where
    there is no amount."""
    text = squeeze(raw).str.to_uppercase()
    yuan = text.str.contains(r"^([0-9.,()万亿元圆整]|人民币|RMB|CNY)*$")
    named = [
        pl.when(text.str.contains(word, literal=True)).then(pl.lit(iso)) for word, iso in CURRENCIES.items()
    ]
    code = pl.coalesce(pl.when(yuan).then(pl.lit("CNY")), *named)
    return pl.when(capital_amount(raw).is_not_null()).then(code)


def _plain_currency(raw: pl.Expr) -> pl.Expr:
    return pl.when(_plain_capital(raw).is_not_null()).then(pl.lit("CNY"))


def sex_code(word: pl.Expr) -> pl.Expr:
    """GB/T 2261.1 from a code, a Chinese or an English word; null for any other text."""
    return word.replace_strict(list(SEXES), list(SEXES.values()), default=None, return_dtype=pl.String)


def standard_sex(raw: pl.Expr) -> pl.Expr:
    """GB/T 2261.1: 0 unknown, 1 male, 2 female, 9 not stated; from codes, Chinese and English words."""
    return sex_code(squeeze(raw).str.to_uppercase().str.strip_suffix("性"))


def standard_ethnicity(raw: pl.Expr) -> pl.Expr:
    """The group's name with 族 (汉 → 汉族); names that do not take it stay."""
    text = squeeze(raw)
    bare = text.str.strip_suffix("族")
    stays = ("穿青人", "其他", "外国血统")
    return pl.when(text.is_in(stays)).then(text).when(text.is_not_null()).then(bare + "族")


def to_wkb(texts: pl.Series) -> pl.Series:
    """GeoJSON geometry or WKT → WKB, two-dimensional; null where it is neither, or has arcs, or a corner out of this world."""
    return pl.Series([_wkb(text) for text in texts], dtype=pl.Binary)


def _wkb(text: str | None) -> bytes | None:
    if not text or not text.strip():
        return None
    try:
        shape = shapely.from_geojson(text) if text.lstrip().startswith("{") else shapely.from_wkt(text)
    except (ShapelyError, json.JSONDecodeError, ValueError, TypeError, NotImplementedError):
        return None
    if shape is None or shape.is_empty:
        return None
    # one infinite corner would stop every computation with the shape, and with it the table
    if not all(abs(side) < LARGEST_COORDINATE for side in shape.bounds):
        return None
    return bytes(shapely.to_wkb(shapely.force_2d(shape)))


def _geometry_valid(values: pl.Series) -> pl.Series:
    shapes = shapely.from_wkb([value or None for value in values])
    return pl.Series(shapely.is_valid(shapes), dtype=pl.Boolean)


def _element(
    code: str,
    zh: str,
    en: str,
    dtype: Any,
    grade: Grade,
    mask: Mask,
    standardise: Any,
    *checks: Check,
    **more: Any,
) -> Element:
    return Element(code, Title(zh=zh, en=en), dtype, grade, mask, standardise, tuple(checks), **more)


def _text(pattern: str, thorough: Expression) -> Expression:
    return Shortcut(Already(pattern), thorough, pl.String())


def _length(limit: int) -> Check:
    return Check(
        "length",
        lambda value: value.str.len_chars() <= limit,
        Title(zh=f"超过{limit}个字符", en=f"longer than {limit} characters"),
    )


def _within(code: str, low: float, high: float, zh: str, en: str) -> Check:
    return Check(
        code, lambda value: value.is_between(low, high), Title(zh=zh, en=en), dimension=Dimension.ACCURACY
    )


PUBLIC, LOW, SENSITIVE, HIGHLY = Grade.PUBLIC, Grade.LOW, Grade.SENSITIVE, Grade.HIGHLY_SENSITIVE

VALUES = (
    _element(
        "person_name", "姓名", "person name", pl.String(), SENSITIVE, Mask("partial", {"left": 1, "right": 0}), _text(f"^{HAN}{{2,}}(·{HAN}+)*$", standard_person_name),
        _length(60),
        Check(
            "characters",
            lambda value: ~value.str.contains(r"[0-9]|[*?#@<>]"),
            Title(zh="姓名中有数字或符号，请核对", en="digits or symbols in a name"),
            severity=Severity.WARN,
            dimension=Dimension.ACCURACY,
        ),
    ),
    _element("organisation_name", "机构名称", "organisation name", pl.String(), PUBLIC, Mask("keep"), _text(PLAIN_NAME, standard_organisation_name), _length(200)),
    _element("text", "文本", "text", pl.String(), LOW, Mask("scrub"), _text(PLAIN_WORD, standard_text), _length(20_000)),
    _element("address", "地址", "address", pl.String(), SENSITIVE, Mask("generalise_address", {"to": "town"}), _text(PLAIN_NAME, standard_organisation_name), _length(300)),
    _element("category", "分类", "category", pl.String(), LOW, Mask("keep"), _text(f"{PLAIN_WORD}|{PLAIN_CODE}", squeeze)),
    _element(
        "sex", "性别", "sex (GB/T 2261.1)", pl.String(), LOW, Mask("keep"), Shortcut(sex_code, standard_sex, pl.String()),
    ),
    _element(
        "ethnicity", "民族", "ethnic group (GB/T 3304)", pl.String(), SENSITIVE, Mask("redact"), _text(f"^{HAN}+族$", standard_ethnicity),
        Check(
            "known",
            lambda value: value.str.strip_suffix("族").is_in(ETHNIC_GROUPS),
            Title(zh="不在 GB/T 3304 民族名称之中", en="no ethnic group of GB/T 3304"),
            severity=Severity.WARN,
        ),
    ),
    _element(
        "date", "日期", "date", pl.Date(), LOW, Mask("generalise_date", {"to": "month"}), Shortcut(_iso_date, standard_date, pl.Date()),
        Check(
            "plausible",
            lambda value: value.is_between(pl.date(1850, 1, 1), pl.date(2199, 12, 31)),
            Title(zh="日期不在1850年至2199年之间", en="before 1850 or after 2199"),
            dimension=Dimension.ACCURACY,
        ),
        nothing=WITHOUT_END,
    ),
    _element("datetime", "日期时间", "instant", pl.Datetime("us", "UTC"), LOW, Mask("generalise_date", {"to": "month"}), Shortcut(_iso_datetime, standard_datetime, pl.Datetime("us", "UTC"))),
    _element("month", "年月", "month", pl.String(), LOW, Mask("generalise_date", {"to": "year"}), _text(r"^[12][0-9]{3}-(0[1-9]|1[0-2])$", standard_month)),
    _element(
        "year", "年份", "year", pl.Int32(), PUBLIC, Mask("keep"),
        lambda raw: clean(raw).str.extract(r"^([0-9]{4})(?:\.0)?年?$").cast(pl.Int32, strict=False),
        _within("plausible", 1000, 2199, "年份不在1000至2199之间", "before 1000 or after 2199"),
    ),
    _element(
        "amount", "金额", "amount in yuan", pl.Decimal(18, 2), SENSITIVE, Mask("band", {"width": 1000}), Shortcut(_exact, money, pl.Decimal(18, 2)),
        Check(
            "not_negative",
            lambda value: value >= 0,
            Title(zh="金额为负数", en="a negative amount"),
            severity=Severity.WARN,
            dimension=Dimension.ACCURACY,
        ),
    ),
    _element(
        "capital", "注册资金", "capital", pl.Decimal(20, 2), PUBLIC, Mask("keep"), Shortcut(_plain_capital, capital_amount, pl.Decimal(20, 2)),
        companions=(Companion("_currency", "币种", pl.String(), Shortcut(_plain_currency, capital_currency, pl.String())),),
    ),
    _element(
        "integer", "整数", "integer", pl.Int64(), LOW, Mask("keep"),
        Shortcut(_whole, lambda raw: _whole(squeeze(raw).str.replace_all(",", "", literal=True).str.replace(r"\.0+$", "")), pl.Int64()),
    ),
    _element("decimal", "小数", "decimal number", pl.Float64(), LOW, Mask("keep"), Shortcut(_finite, measure, pl.Float64())),
    _element(
        "area", "面积", "area in m²", pl.Float64(), LOW, Mask("band", {"width": 50}),
        Shortcut(_finite, area, pl.Float64()),
        Check(
            "positive",
            lambda value: value > 0,
            Title(zh="面积不是正数", en="not a positive area"),
            severity=Severity.WARN,
            dimension=Dimension.ACCURACY,
        ),
    ),
    _element(
        "longitude", "经度", "longitude in degrees", pl.Float64(), PUBLIC, Mask("grid", {"degrees": 0.01}),
        Shortcut(_finite, degrees, pl.Float64()),
        _within("range", 73, 136, "经度不在中国范围内，请检查经纬度是否颠倒", "outside China: are longitude and latitude swapped?"),
    ),
    _element(
        "latitude", "纬度", "latitude in degrees", pl.Float64(), PUBLIC, Mask("grid", {"degrees": 0.01}),
        Shortcut(_finite, degrees, pl.Float64()),
        _within("range", 3, 54, "纬度不在中国范围内，请检查经纬度是否颠倒", "outside China: are longitude and latitude swapped?"),
    ),
    _element(
        "geometry", "空间范围", "geometry (WKB)", pl.Binary(), LOW, Mask("redact"),
        lambda raw: raw.map_batches(to_wkb, return_dtype=pl.Binary, is_elementwise=True),
        Check(
            "valid",
            lambda value: value.map_batches(_geometry_valid, return_dtype=pl.Boolean, is_elementwise=True),
            Title(zh="图形自相交或不闭合，请修复后重报", en="an invalid shape (self-intersecting or open): repair it"),
            # an invalid boundary is repaired in the base database; refusing it would lose the place
            severity=Severity.WARN,
            dimension=Dimension.ACCURACY,
        ),
    ),
)  # fmt: skip
