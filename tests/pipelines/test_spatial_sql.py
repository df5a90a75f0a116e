"""Spatial SQL for analysts: the functions are there, and the documented question finds whom it should."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import duckdb
import pytest
import shapely

from assets import base
from assets.build import Context
from assets.theme.themes import expose
from catalog.load import load
from pipelines.query import load_spatial, query
from tests.assets.small_lake import build_all, open_lake, put, resident

LAND = Path(__file__).parents[2] / "docs" / "land.md"


def documented(part: str) -> str:
    """The SQL of ``docs/land.md`` that contains this."""
    statements: list[str] = re.findall(r"```sql\n(.*?)```", LAND.read_text(encoding="utf-8"), re.DOTALL)
    return next(sql for sql in statements if part in sql)


@pytest.fixture
def city(tmp_path: Path) -> Context:
    city = open_lake(tmp_path / "home", load())
    divisions = [
        ("441800", "清远市", "city"),
        ("441802", "清城区", "county"),
        ("441802006", "凤城街道", "town"),
    ]
    put(city, "division", *({"code": code, "name": name, "level": level} for code, name, level in divisions))

    def door(number: int, longitude: float) -> dict[str, Any]:
        at = {"longitude": longitude, "latitude": 23.7, "division_code": "441802006", "kind": "门牌"}
        return {"place_no": str(number), "name": f"人民路{number}号", "address": f"人民路{number}号", **at}

    put(city, "place_name", door(8, 113.01), door(9, 113.09))
    zone = shapely.to_wkb(shapely.box(113.0, 23.69, 113.02, 23.71))
    put(city, "hazard_zone", {"zone_no": "Z1", "name": "滑坡", "level": "高", "geometry": zone})
    homes = ["凤城街道人民路8号301房", "凤城街道人民路９号", "凤城街道人民路八号", "凤城街道某处"]
    register = [
        {"resident_id": resident(number), "name": "甲", "address": f"清远市清城区{home}"}
        for number, home in enumerate(homes, start=1)
    ]
    put(city, "household_register", *register)
    names = ("person", "division", "place", "building", "hazard_zone", "address")
    build_all(city, base.builds(city.catalogue), *names)
    return city


def test_everyone_who_lives_in_a_hazard_zone_is_found(city: Context) -> None:
    with duckdb.connect() as connection:
        load_spatial(connection)
        expose(
            connection,
            city,
            [("base", name) for name in ("hazard_zone", "address", "address_spelling", "person")],
        )
        found = connection.execute(documented("st_contains")).fetchall()
    assert [(row[0], row[1], row[4]) for row in found] == [("滑坡", "高", "door")] * 2
    assert {row[3] for row in found} == {
        "广东省清远市清城区凤城街道人民路8号301房",
        "广东省清远市清城区凤城街道人民路8号",
    }


def test_spatial_functions_are_loaded_where_a_query_names_one(tmp_path: Path) -> None:
    file = tmp_path / "analyst.duckdb"
    duckdb.connect(str(file)).close()
    assert query(file, "select ST_Area(ST_GeomFromText('POLYGON((0 0, 0 2, 2 2, 2 0, 0 0))'))")[1] == [(4.0,)]
    assert query(file, "select st_x('POINT(1 2)'::geometry)")[1] == [(1.0,)]
    assert query(file, "select 1 as st")[1] == [(1,)]
