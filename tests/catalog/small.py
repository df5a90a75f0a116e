"""A lawful catalogue of two departments and two entries, as text that a test breaks in one place."""

from __future__ import annotations

from pathlib import Path

DEPARTMENTS_FILE = "departments.yaml"
PERSONS = "resources/police/person.yaml"
FIRMS = "resources/market/firm.yaml"

DEPARTMENTS = """\
police: {title: {zh: 公安局, en: Police}, owner: police@city.example}
market: {title: {zh: 市场监管局, en: Market}, owner: market@city.example}
"""
FILES = {
    DEPARTMENTS_FILE: DEPARTMENTS,
    PERSONS: """\
title: {zh: 户籍, en: Register}
abstract: 户籍登记
catalogue_code: "101001/000001"
category: 人口
data_form: database
departments: {collects: police, verifies: police, provides: police}
sharing:
  type: conditional
  basis: 户口登记条例
  conditions: 仅限履行职责
  scope: 本市机构
opening: {type: none, ground: 33-3, basis: 涉及个人隐私}
frequency: daily
delivery:
  ways: [file]
  mode: upsert
  key: [resident_id]
columns:
  resident_id: {title: 公民身份号码, element: resident_id, required: true, grade: 4, item: person.resident_id}
  name: {title: 姓名, element: person_name, grade: 3}
  status: {title: 状态, element: category, grade: 2, values: [正常, 注销]}
  birth_date: {title: 出生日期, element: date, grade: 3}
rules:
  - name: born_as_in_id
    expectation: expect_column_to_match_resident_id
    arguments: {column: birth_date, id_column: resident_id, part: birth_date}
    severity: warn
    reason: {zh: 不一致, en: differs}
""",
    FIRMS: """\
title: {zh: 企业, en: Firms}
abstract: 企业登记
catalogue_code: "102001/000001"
category: 法人
data_form: database
departments: {collects: market, verifies: market, provides: market}
sharing:
  type: unconditional
  scope: 本市机构
opening: {type: unconditional}
frequency: daily
delivery:
  ways: [file]
  mode: upsert
  key: [credit_code]
coordinate_system: cgcs2000
columns:
  credit_code: {title: 统一社会信用代码, element: credit_code, required: true, grade: 1}
  firm_name: {title: 名称, element: organisation_name, grade: 1, aliases: [企业名称], item: firm.name}
  longitude: {title: 经度, element: longitude, grade: 1}
  latitude: {title: 纬度, element: latitude, grade: 1}
""",
}


def write(root: Path) -> Path:
    """The catalogue's files under ``root``."""
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def broken(root: Path, file: str, old: str, new: str) -> Path:
    """The catalogue with one text replaced, which must occur exactly once."""
    write(root)
    text = (root / file).read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times in {file}"
    (root / file).write_text(text.replace(old, new), encoding="utf-8")
    return root


def line_of(root: Path, file: str, text: str) -> int:
    """The number of the first line that holds this text."""
    lines = (root / file).read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, start=1) if text in line)
