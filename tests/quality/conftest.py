"""A small entry with a column of each sort of trouble, and raw frames for it."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from catalog.model import Entry

#: Valid ids of people who do not exist: a woman of 1949-12-31, a man of 1990-03-07.
WOMAN, MAN = "11010519491231002X", "441802199003070013"


def entry(**changes: Any) -> Entry:
    """A person register, with whatever a test changes in it."""
    declared = {
        "code": "register",
        "title": {"zh": "登记", "en": "Register"},
        "abstract": "测试",
        "catalogue_code": "101001/000001",
        "category": "人口",
        "data_form": "database",
        "departments": {"collects": "police", "verifies": "police", "provides": "police"},
        "sharing": {"type": "unconditional", "scope": "本市"},
        "opening": {"type": "unconditional"},
        "frequency": "daily",
        "delivery": {"ways": ["file"], "mode": "upsert", "key": ["resident_id"]},
        "columns": {
            "resident_id": {"title": "公民身份号码", "element": "resident_id", "required": True, "grade": 4},
            "name": {"title": "姓名", "element": "person_name", "required": True, "grade": 3},
            "sex": {"title": "性别", "element": "sex"},
            "birth_date": {"title": "出生日期", "element": "date"},
            "status": {"title": "状态", "element": "category", "values": ["正常", "注销"]},
        },
    }
    return Entry.model_validate({**declared, **changes})


def raw(*rows: dict[str, str | None]) -> pl.LazyFrame:
    """Raw rows of :func:`entry`, numbered from 1; a column that no row names is absent."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: pl.Series([row.get(name) for row in rows], dtype=pl.String) for name in names}
    return pl.LazyFrame(columns).with_row_index("_row", offset=1).with_columns(pl.col("_row").cast(pl.Int64))


@pytest.fixture
def register() -> Entry:
    return entry()
