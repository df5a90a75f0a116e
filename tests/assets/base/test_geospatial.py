"""Divisions, parcels, buildings and places: shapes repaired, points moved, areas measured."""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
import shapely

from assets.base import geospatial
from assets.base.coordinates import gcj02_to_wgs84
from assets.build import Context
from tests.assets.small_lake import build_all, one, put

BOX = shapely.box(113.0, 23.0, 113.01, 23.01)
BOW_TIE = shapely.Polygon([(113.0, 23.0), (113.1, 23.1), (113.1, 23.0), (113.0, 23.1)])


def build(context: Context, *names: str) -> None:
    build_all(context, geospatial.builds(), *names)


def test_a_division_has_its_boundary_in_cgcs2000_and_others_have_none(empty_lake: Context) -> None:
    put(
        empty_lake,
        "division",
        {"code": "441802", "name": "清城区", "level": "county", "parent_code": "4418"},
        {"code": "441802001", "name": "东城街道", "level": "town", "parent_code": "441802"},
    )
    put(
        empty_lake,
        "division_boundary",
        {"code": "441802", "name": "清城区", "geometry": shapely.to_wkb(BOX)},
        push="p2",
    )
    build(empty_lake, "division")
    county = one(empty_lake, "base", "division", code="441802")
    west, south = gcj02_to_wgs84(np.array([113.0]), np.array([23.0]))
    shape = shapely.from_wkb(county["geometry"])
    assert shape.bounds == pytest.approx((county["west"], county["south"], county["east"], county["north"]))
    assert (county["west"], county["south"]) == pytest.approx((west[0], south[0]), abs=1e-4)
    assert county["area_km2"] == pytest.approx(1.135, abs=0.01)
    assert (county["source"], county["geometry_source"]) == ("division", "division_boundary")
    assert (county["source_push"], county["source_row"]) == ("p1", 1)
    town = one(empty_lake, "base", "division", code="441802001")
    assert (town["geometry"], town["area_km2"], town["geometry_source"]) == (None, None, None)


def test_a_boundary_that_the_register_does_not_have_stays_on_the_map(empty_lake: Context) -> None:
    shape = {"code": "441803", "name": "清新区", "geometry": shapely.to_wkb(BOX)}
    put(empty_lake, "division", {"code": "441802", "name": "清城区", "level": "county"})
    put(empty_lake, "division_boundary", shape, push="p2")
    build(empty_lake, "division")
    assert empty_lake.lake.rows("base", "division") == 2
    county = one(empty_lake, "base", "division", code="441803")
    assert (county["name"], county["level"]) == ("清新区", None)
    assert (county["source"], county["source_push"], county["source_row"]) == ("division_boundary", "p2", 1)


def test_a_self_intersecting_boundary_is_repaired(empty_lake: Context) -> None:
    put(empty_lake, "division", {"code": "441802", "name": "清城区", "level": "county"})
    put(
        empty_lake,
        "division_boundary",
        {"code": "441802", "name": "清城区", "geometry": shapely.to_wkb(BOW_TIE)},
        push="p2",
    )
    build(empty_lake, "division")
    shape = shapely.from_wkb(one(empty_lake, "base", "division", code="441802")["geometry"])
    assert not shapely.is_valid(BOW_TIE)
    assert shapely.is_valid(shape)
    assert shape.area == pytest.approx(0.005, rel=0.01), "both halves are kept"


def test_a_parcels_declared_area_stands_beside_the_measured_one(empty_lake: Context) -> None:
    put(
        empty_lake,
        "land_parcel",
        {"parcel_no": "441802001001GB00001", "area": 999.0, "geometry": shapely.to_wkb(BOX)},
    )
    build(empty_lake, "parcel")
    parcel = one(empty_lake, "base", "parcel")
    assert parcel["declared_area"] == 999.0
    assert parcel["measured_area"] == pytest.approx(1_135_000, rel=0.01)
    assert parcel["west"] == 113.0, "these are delivered in CGCS2000"


def test_places_of_both_registers_are_told_apart_and_in_one_system(empty_lake: Context) -> None:
    point = {"longitude": 113.05, "latitude": 23.68}
    put(empty_lake, "place_name", {"place_no": "1", "name": "人民路", **point})
    put(empty_lake, "point_of_interest", {"poi_id": "1", "name": "第一中学", **point}, push="p2")
    put(empty_lake, "building", {"building_no": "1", **point}, push="p3")
    build(empty_lake, "place", "building")
    named = one(empty_lake, "base", "place", place_id="place_name/1")
    assert (named["longitude"], named["latitude"], named["source"]) == (113.05, 23.68, "place_name")
    school = one(empty_lake, "base", "place", place_id="point_of_interest/1")
    moved = gcj02_to_wgs84(np.array([113.05]), np.array([23.68]))
    assert (school["longitude"], school["latitude"]) == pytest.approx((moved[0][0], moved[1][0]), abs=1e-9)
    building = one(empty_lake, "base", "building")
    assert (building["longitude"], building["source_push"]) == (113.05, "p3")


def test_a_reader_of_a_small_box_skips_the_files_of_the_rest_of_the_city(
    empty_lake: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(geospatial, "FILE_ROWS", 50)
    grid = [(113 + east / 100, 23 + north / 100) for east in range(20) for north in range(20)]
    put(
        empty_lake,
        "building",
        *({"building_no": str(n), "longitude": x, "latitude": y} for n, (x, y) in enumerate(grid)),
    )
    build(empty_lake, "building")
    bounds = pl.DataFrame(empty_lake.lake.table("base", "building").get_add_actions(flatten=True))
    near = bounds.filter(
        pl.col("min.longitude") < 113.045,
        pl.col("max.longitude") > 113.005,
        pl.col("min.latitude") < 23.045,
        pl.col("max.latitude") > 23.005,
    )
    assert (bounds.height, near.height) == (8, 1), "the log's bounds tell all but one file away"
    build(empty_lake, "building")
    assert empty_lake.lake.version("base", "building") == 1, "the same again is no new version"
    assert empty_lake.lake.rows("base", "building") == 400


def test_one_stray_place_does_not_spoil_the_order_of_all_others(
    empty_lake: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(geospatial, "GROUP_ROWS", 50)
    grid = [(113 + east / 100, 23 + north / 100) for east in range(20) for north in range(20)]
    rows = [{"building_no": str(n), "longitude": x, "latitude": y} for n, (x, y) in enumerate(grid)]
    put(empty_lake, "building", *rows, {"building_no": "stray", "longitude": 73.5, "latitude": 53.5})
    build(empty_lake, "building")
    (path,) = empty_lake.lake.path("base", "building").glob("*.parquet")
    footer = pq.ParquetFile(path).metadata
    at = [footer.schema.column(index).path for index in range(footer.num_columns)]
    near = 0
    for group in range(footer.num_row_groups):
        x, y = (
            footer.row_group(group).column(at.index(name)).statistics for name in ("longitude", "latitude")
        )
        near += x.min < 113.045 and x.max > 113.005 and y.min < 23.045 and y.max > 23.005
    assert (footer.num_row_groups, near) == (9, 1)


def test_what_has_no_number_is_null_and_not_nan(empty_lake: Context) -> None:
    swapped = shapely.box(23.0, 113.0, 23.1, 113.1)
    put(
        empty_lake,
        "land_parcel",
        {"parcel_no": "1", "area": 1.0, "geometry": shapely.to_wkb(swapped)},
        {"parcel_no": "2", "area": 1.0, "geometry": shapely.to_wkb(BOX)},
        {"parcel_no": "3"},
    )
    put(empty_lake, "building", {"building_no": "1"}, push="p2")
    build(empty_lake, "parcel", "building")
    parcels = empty_lake.lake.scan("base", "parcel").sort("parcel_no").collect()
    assert parcels["measured_area"].is_null().to_list() == [True, False, True]
    assert parcels["measured_area"].sum() > 1e6, "the sum of all others is a sum"
    assert parcels["west"].to_list() == [23.0, 113.0, None]
    assert one(empty_lake, "base", "building")["longitude"] is None


def test_a_city_without_any_of_it_has_empty_tables(empty_lake: Context) -> None:
    build(empty_lake)
    for name in ("division", "parcel", "building", "place"):
        assert empty_lake.lake.rows("base", name) == 0
        assert empty_lake.lake.scan("base", name).collect_schema()["source_row"].is_integer()
