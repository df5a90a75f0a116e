"""Draft a catalogue entry from a table that no entry describes: names, titles, data elements, key and mode.

Here belongs the guessing, which looks at headers and cells and at what the catalogue already says of such columns. A
draft is a valid entry, as closed as the law allows; the lines that no file can tell are marked for a person. How a file
becomes a table is in ``assets.ingest.proposing``.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

import polars as pl
import yaml

from catalog.elements import ELEMENTS
from catalog.elements.base import clean
from catalog.load import Catalogue
from catalog.model import Entry, Mode

#: How many cells of a column are looked at to guess its element, and how many of them must be of it.
SAMPLE_ROWS = 2_000
FITTING = 0.9
#: Numbers and moments are read from all cells or are none.
MEASURING = 0.99
#: More values than this, or more than a tenth of the rows, are no value domain.
MAX_VALUES = 30
LONGEST_VALUE = 20
CONFIRM = "# 请确认"

#: What a header says of its column, in the order in which it counts; the cells must agree.
_HINTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"^序号$|^fid$|^objectid$", ("integer",)),
    (r"身份证|身份号码", ("resident_id",)),
    (r"信用代码", ("credit_code",)),
    (r"证件号", ("subject_code",)),
    (r"^geometry$|^geom$|图形|空间范围|wkt", ("geometry",)),
    (r"经度|^(lon|lng|longitude)|point_x$", ("longitude",)),
    (r"纬度|^(lat|latitude)|point_y$", ("latitude",)),
    (
        r"区划|(省|市|区|县|镇|街道|村|社区).*(代码|编码)|adcode|(city|county|town|district|area)_?code|代码$|^code$",
        ("division_code",),
    ),
    (r"手机|移动电话|mobile", ("mobile",)),
    (r"电话|传真|联系方式|phone|^tel", ("mobile", "phone")),
    (r"性别|^sex$|gender", ("sex",)),
    (r"民族", ("ethnicity",)),
    (r"姓名|法定代表人|联系人|负责人|经办人", ("person_name",)),
    (r"(单位|企业|公司|机构|学校|医院|组织)名称|主管部门|company_name", ("organisation_name",)),
    (r"地址|住址|住所|坐落|address", ("address",)),
    (r"面积|(^|_)area$", ("area",)),
    (r"金额|费用|单价|(^|_)(money|amount|fee|price)$", ("amount",)),
    (r"编号|编码|代码|号码|号$|标识码|证号|邮编|(^|_|[a-z])(id|no|code|num)$", ("identifier",)),
)
#: What cells may show by themselves, whatever the header says.
_EVIDENT = ("resident_id", "credit_code", "licence_id")
#: Elements whose code says what a column holds, where its title cannot be translated.
_SPEAKING = (*_EVIDENT, "subject_code", "division_code", "mobile", "phone", "sex", "ethnicity", "address", "geometry", "longitude", "latitude")  # fmt: skip
_MEASURED = ("integer", "decimal")
#: What tells one row from another, the likeliest first. A running number (序号) does not: it changes with each export.
_KEY_ELEMENTS = (
    "licence_id",
    "credit_code",
    "resident_id",
    "division_code",
    "identifier",
    "organisation_name",
    "text",
)
_KEY_COMPANIONS = ("datetime", "date", "month", "year", *_KEY_ELEMENTS, "category", "address")
_CODE_LIKE = r"^[0-9A-Za-z_./()\[\]-]+$"
_TOTAL = r"^(合计|总计|小计|总数|共计)"
_LOCATED = ("longitude", "latitude", "geometry")
_WHITE = re.compile(r"\s+")
_ASCII_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_ ./()-]*")
_YEAR = re.compile(r"(\d{4})年?")


@dataclass(frozen=True)
class Origin:
    """What is known of the table besides its cells: the resource's code and title, the department, the form it came in
    (the catalogue's word), each empty where nobody has said."""

    code: str
    title: str
    data_form: str = "file"
    department: str = ""


@dataclass(frozen=True)
class Draft:
    """A valid entry, its YAML with the doubtful lines marked, and remarks for the person who completes it."""

    entry: Entry
    text: str
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class _Column:
    name: str
    title: str
    element: str
    required: bool
    values: tuple[str, ...] = ()
    cells: pl.Series = field(default_factory=pl.Series, repr=False)


def draft(headers: Sequence[str], rows: pl.DataFrame, origin: Origin, catalogue: Catalogue) -> Draft:
    """Draft an entry for a table: its headers, and its cells as text in as many columns."""
    cleaned = rows.select(clean(pl.col(name)).alias(name) for name in rows.columns)
    records = cleaned.filter(~_is_no_record(rows.columns))
    columns = list(_columns(headers, records, catalogue))
    key = _key(columns)
    document = _document(columns, key, records.height, origin)
    entry = Entry.model_validate({"code": origin.code, **document})
    remarks = _remarks(headers, columns, key, rows.height - records.height)
    return Draft(entry, _text(document, origin), tuple(remarks))


def _is_no_record(columns: Sequence[str]) -> pl.Expr:
    """A line that speaks of others: the heading of a group, which fills one cell of several, or a total."""
    heading = pl.sum_horizontal(pl.all().is_not_null()) <= (1 if len(columns) > 2 else 0)
    return heading | pl.any_horizontal(pl.col(columns[:3]).str.contains(_TOTAL).fill_null(value=False))


def _columns(headers: Sequence[str], rows: pl.DataFrame, catalogue: Catalogue) -> Iterator[_Column]:
    known, glossary = _known_titles(catalogue), _glossary()
    names: set[str] = set()
    titles: set[str] = set()
    for place, header in enumerate(headers):
        title = _WHITE.sub("", header) if not header.isascii() else header.strip()
        if not title or _folded(title) in titles:
            continue
        cells = rows.to_series(place)
        known_name, known_element = known.get(_folded(title), ("", ""))
        element = _element(title, cells, known_element)
        own = element if element in _SPEAKING else ""
        name = _unused(_name(title, glossary) or known_name or own or _spelled(title), place, names)
        names.add(name)
        titles |= {_folded(title), _folded(name)}
        values = _values(cells) if element == "category" else ()
        yield _Column(name, title, element, cells.null_count() == 0 < cells.len(), values, cells)


def _known_titles(catalogue: Catalogue) -> dict[str, tuple[str, str]]:
    """Title → (name, element) of the columns that the catalogue has already; no element where entries differ on it."""
    known: dict[str, tuple[str, str]] = {}
    for entry in catalogue.entries.values():
        for name, column in entry.columns.items():
            first, element = known.get(_folded(column.title), (name, column.element))
            known[_folded(column.title)] = (first, element if element == column.element else "")
    return known


def _glossary() -> Mapping[str, str]:
    found: dict[str, str] = yaml.safe_load((files("catalog") / "glossary.yaml").read_text(encoding="utf-8"))
    return found


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _name(title: str, glossary: Mapping[str, str]) -> str:
    """A column name from a title: its own words where they are Latin, else the glossary's; empty where words are
    missing."""
    text = unicodedata.normalize("NFKC", title)
    if year := _YEAR.fullmatch(text):
        return f"year_{year.group(1)}"
    if _ASCII_NAME.fullmatch(text):
        return re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text).lower()).strip("_")
    words, rest = [], re.sub(r"[\W_]+", "", text)
    while rest:
        word = next(
            (rest[:size] for size in range(min(6, len(rest)), 0, -1) if rest[:size] in glossary), None
        )
        if word is None:
            return ""
        words.append(glossary[word])
        rest = rest.removeprefix(word)
    return "_".join(word for word in words if word)


def _spelled(text: str) -> str:
    """The title in pinyin: no translation, but a name that can be read aloud."""
    from pypinyin import lazy_pinyin

    return "_".join(lazy_pinyin(re.sub(r"[\W_]+", "", text), errors="ignore"))


def _unused(name: str, place: int, taken: set[str]) -> str:
    base = name[:56] if re.fullmatch(r"[a-z][a-z0-9_]+", name) else f"column_{place + 1}"
    if base.startswith("_"):
        base = f"column_{place + 1}"
    return next(
        choice
        for number in itertools.count(1)
        if (choice := base if number == 1 else f"{base}_{number}") not in taken
    )


def _element(title: str, cells: pl.Series, known: str) -> str:
    """The element that the cells are of: as the catalogue has it for this title, as cells or header show, else by
    what can be read from nearly all cells."""
    filled = cells.drop_nulls().head(SAMPLE_ROWS)
    if filled.is_empty():
        return "decimal" if _YEAR.fullmatch(title) else "text"
    header = _folded(title)
    hinted = [code for pattern, codes in _HINTS if re.search(pattern, header) for code in codes]
    for code in (*_EVIDENT, *([known] if known and known != "category" else []), *hinted):
        if _fits(code, filled):
            return code
    if moment := _moment(header, filled):
        return moment
    if not filled.str.contains(r"^0\d").any():
        for code in _MEASURED:
            if _fits(code, filled, MEASURING):
                return code
    return "category" if _values(cells) else "text"


def _fits(code: str, cells: pl.Series, share: float = FITTING) -> bool:
    """Whether nearly all cells can be read as the element, and pass its checks."""
    element = ELEMENTS[code]
    if code == "identifier" and not cells.str.contains(_CODE_LIKE).all():
        return False
    value = element.standardise(pl.col("cell")).cast(element.dtype)
    frame = cells.to_frame("cell").select(value.alias("value"))
    passes = [check.passes(pl.col("value")).fill_null(value=False) for check in element.checks]
    good = frame.select(pl.all_horizontal(pl.col("value").is_not_null(), *passes).mean()).item()
    return bool(good is not None and good >= share)


def _moment(header: str, cells: pl.Series) -> str | None:
    """A date, or an instant where times other than midnight stand beside it; never a bare number of another kind."""
    if re.search(r"时间|日期|年|year|date", header) and cells.str.contains(r"^(1[89]|20)\d{2}年?$").all():
        return "year"
    if not cells.str.contains(r"^(19|20)\d{2}([-/.年]\d{1,2}|\d{4}$)").all():
        return None
    if not _fits("date", cells, MEASURING):
        return "month" if _fits("month", cells, MEASURING) else None
    timed = cells.str.contains(r"\d:\d") & ~cells.str.contains(r"[ T]0?0:00(:00)?(\.0+)?$")
    return "datetime" if timed.any() else "date"


def _values(cells: pl.Series) -> tuple[str, ...]:
    """The value domain of a column whose cells repeat a few words; empty where they do not."""
    words = cells.to_frame("cell").select(ELEMENTS["category"].standardise(pl.col("cell"))).to_series()
    counts = words.drop_nulls().value_counts(sort=True).to_series(0)
    few = 2 <= len(counts) <= min(MAX_VALUES, cells.len() // 10)
    return tuple(counts) if few and (counts.str.len_chars() <= LONGEST_VALUE).all() else ()


def _key(columns: Sequence[_Column]) -> tuple[str, ...]:
    """One column, or else two, that never repeat; none where there are no such."""
    first = [column for column in columns if column.required and column.element in _KEY_ELEMENTS]
    first.sort(key=lambda column: _KEY_ELEMENTS.index(column.element))
    second = [column for column in columns if column.required and column.element in _KEY_COMPANIONS]
    second.sort(key=lambda column: _KEY_COMPANIONS.index(column.element))
    pairs = ((one, other) for one in first for other in second if one is not other)
    for chosen in (*((column,) for column in first), *pairs):
        whole = pl.DataFrame({column.name: column.cells for column in chosen})
        if whole.is_unique().all():
            return tuple(column.name for column in chosen)
    return ()


def _document(
    columns: Sequence[_Column], key: tuple[str, ...], height: int, origin: Origin
) -> dict[str, Any]:
    """The entry as plain data, in the order of the catalogue's files."""
    department = origin.department or "data_bureau"
    delivery: dict[str, Any] = {"ways": ["file"], "mode": (Mode.SNAPSHOT if key else Mode.APPEND).value}
    if key:
        delivery |= {"key": list(key), "volume": {"min_rows": height // 2}}
    document = {
        "title": {"zh": origin.title, "en": origin.code.replace("_", " ").capitalize()},
        "abstract": origin.title,
        "catalogue_code": "399999/999999",
        "category": "待定",
        "data_form": origin.data_form,
        "departments": dict.fromkeys(("collects", "verifies", "provides"), department),
        "sharing": {"type": "none", "basis": "待数源部门确认", "scope": "本市公共管理和服务机构"},
        "opening": {"type": "none", "ground": "33-5", "basis": "待数源部门确认"},
        "frequency": "irregular",
        "delivery": delivery,
    }
    if any(column.element in _LOCATED for column in columns):
        document["coordinate_system"] = "wgs84"
    return document | {"columns": {column.name: _declared(column) for column in columns}}


def _declared(column: _Column) -> dict[str, Any]:
    declared: dict[str, Any] = {"title": column.title, "element": column.element}
    if column.required:
        declared["required"] = True
    declared["grade"] = int(ELEMENTS[column.element].grade)
    if column.values:
        declared["values"] = list(column.values)
    return declared


#: What no file can tell, and why.
_DOUBTS = {
    "title": "资源名称 · the resource's name in both languages",
    "abstract": "摘要 · what it holds",
    "catalogue_code": "信息资源代码 · by the national guide",
    "category": "主题 · subject",
    "departments": "数源部门 · who collects, verifies and provides it",
    "sharing": "共享类型 · sharing type, basis, conditions and scope",
    "opening": "开放属性 · opening type, ground and basis",
    "frequency": "更新频率 · update frequency",
    "coordinate_system": "坐标系 · which coordinates these are",
}


def _text(document: Mapping[str, Any], origin: Origin) -> str:
    """The YAML as the catalogue's files are written: one line for each field and for each column."""
    lines = [
        f"# 由数据文件起草：标“{CONFIRM[2:]}”的行须由人改定 · drafted from a file: a person decides the marked lines"
    ]
    for name, value in document.items():
        doubt = f"  {CONFIRM} {_DOUBTS[name]}" if name in _DOUBTS else ""
        if name == "departments" and origin.department:
            doubt = ""
        if name == "columns":
            lines.append("columns:")
            lines += [f"  {_flow(column)}: {_flow(declared)}" for column, declared in value.items()]
        else:
            lines.append(f"{name}: {_flow(value)}{doubt}")
    return "\n".join(lines) + "\n"


def _flow(value: object) -> str:
    text: str = yaml.safe_dump(
        value, default_flow_style=True, allow_unicode=True, width=100_000, sort_keys=False
    )
    return text.removesuffix("\n").removesuffix("\n...")


def _remarks(
    headers: Sequence[str], columns: Sequence[_Column], key: tuple[str, ...], no_records: int
) -> Iterator[str]:
    if len(columns) < len(headers):
        left = len(headers) - len(columns)
        yield f"{left} 列表头重复，未列入 · {left} columns with a repeated header were left out"
    if no_records:
        yield (
            f"{no_records} 行是小计或分组标题，缺必填项的将进入问题数据 · {no_records} rows are totals or headings of "
            "groups: those that lack a required column will be quarantined"
        )
    empty = [column.name for column in columns if column.cells.null_count() == column.cells.len()]
    if empty:
        yield f"全部为空，请确认数据元 · empty throughout, choose the element: {', '.join(empty)}"
    nameless = [column.name for column in columns if column.name.startswith("column_")]
    if nameless:
        yield f"请取英文列名 · give a name: {', '.join(nameless)}"
    if not key:
        yield "没有不重复的列，按追加方式起草，请确认主键 · no column is unique: drafted as append, choose a key"
