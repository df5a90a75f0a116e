"""A role of one county: its rows are chosen by what it sees of them, and of nothing else."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from catalog.elements.base import Mask
from catalog.model import Grade, SharingType, Title
from masking.columns import SourceColumn
from masking.compile import RoleColumn, in_county, places
from masking.roles import Role


def role(**changes: Any) -> Role:
    stated = {
        "title": {"zh": "分析", "en": "analysis"},
        "unit": "data_bureau",
        "people": ["分析岗"],
        "purpose": "分析",
        "sees": "conditional",
        "tables": ["base.*"],
        "approval": "示范",
        "ends": date(2099, 1, 1),
    }
    return Role.model_validate(stated | changes)


def column(name: str, element: str, method: str) -> RoleColumn:
    kept = SharingType.CONDITIONAL
    told = Title(zh=name, en=name)
    source = SourceColumn(name, told, element, Grade(2), pl.String(), kept, kept, None, frozenset({"police"}))
    return RoleColumn(source, Mask(method), kept)


SEEN = [
    column("home", "division_code", "generalise_division"),
    column("work", "division_code", "keep"),
    column("born", "division_code", "redact"),
    column("name", "person_name", "partial"),
]
ROWS = pl.DataFrame(
    {
        "home": ["441881", "441802", None, "441882", None],
        "work": [None, "441881101", "441802001", "44188", None],
        "born": ["441881"] * 5,
        "name": ["441881"] * 5,
    }
)


def test_a_row_is_there_where_a_division_that_is_seen_lies_in_the_county() -> None:
    assert places(SEEN) == ["home", "work"]
    chosen = ROWS.select(in_county(role(division="441881"), SEEN).alias("in")).to_series()
    assert chosen.to_list() == [True, True, False, False, False]


def test_a_role_of_the_city_has_every_row_and_a_county_none_of_a_table_without_places() -> None:
    assert ROWS.filter(in_county(role(), SEEN)).height == 5
    assert ROWS.filter(in_county(role(division="441881"), SEEN[2:])).height == 0


@pytest.mark.parametrize("code", ["441800", "44188", "清远", "441881001"])
def test_a_grant_names_a_county(code: str) -> None:
    with pytest.raises(ValidationError):
        role(division=code)
