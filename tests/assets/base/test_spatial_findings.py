"""What is wrong with places is found, row by row, and said so that a department can mend it."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pytest
import shapely
from pyproj import Transformer

from assets.base import geospatial, spatial_findings
from assets.base.coordinates import System, gcj02_to_wgs84, ground_area_km2, wgs84_to_gcj02
from assets.build import Context
from tests.assets.small_lake import build_all, put

#: Two counties side by side, 0.2° each.
WEST, EAST = shapely.box(113.0, 23.0, 113.2, 23.2), shapely.box(113.2, 23.0, 113.4, 23.2)


def in_gcj02(shape: shapely.Geometry) -> bytes:
    """A shape of the truth, as the boundary's department delivers it."""
    moved = shapely.transform(shape, lambda xy: np.column_stack(wgs84_to_gcj02(xy[:, 0], xy[:, 1])))
    return bytes(shapely.to_wkb(moved))


def counties(city: Context, west: shapely.Geometry = WEST, east: shapely.Geometry = EAST) -> None:
    put(
        city,
        "division",
        {"code": "441802", "name": "清城区", "level": "county"},
        {"code": "441803", "name": "清新区", "level": "county"},
    )
    put(
        city,
        "division_boundary",
        {"code": "441802", "name": "清城区", "geometry": in_gcj02(west)},
        {"code": "441803", "name": "清新区", "geometry": in_gcj02(east)},
        push="p2",
    )


def parcel(
    number: str, shape: shapely.Geometry, division: str = "441802001", area: float | None = None
) -> dict[str, Any]:
    return {
        "parcel_no": number,
        "division_code": division,
        "area": area or ground_area_km2(shape) * 1e6,
        "geometry": bytes(shapely.to_wkb(shape)),
    }


def square(x: float, y: float, side: float = 0.001) -> shapely.Polygon:
    return shapely.box(x, y, x + side, y + side)


def found(city: Context, *names: str) -> dict[tuple[str, str | None], dict[str, Any]]:
    """By finding and record."""
    build_all(city, geospatial.builds(), "division", "parcel")
    build_all(city, spatial_findings.builds(city.catalogue))
    rows = city.lake.scan("base", "spatial_finding").collect().iter_rows(named=True)
    return {(row["finding"], row["record"]): row for row in rows}


def test_a_city_in_order_has_no_findings(empty_lake: Context) -> None:
    counties(empty_lake)
    put(
        empty_lake,
        "land_parcel",
        parcel("a", square(113.1, 23.1)),
        parcel("b", square(113.101, 23.1)),
        push="p3",
    )
    put(
        empty_lake,
        "building",
        {
            "building_no": "1",
            "division_code": "441802001",
            "longitude": 113.1005,
            "latitude": 23.1005,
            "parcel_no": "a",
        },
        push="p4",
    )
    assert found(empty_lake) == {}


def test_each_fault_of_a_parcel_is_told_of_its_row(empty_lake: Context) -> None:
    counties(empty_lake)
    bow_tie = shapely.Polygon([(113.15, 23.0), (113.16, 23.01), (113.16, 23.0), (113.15, 23.01)])
    put(
        empty_lake,
        "land_parcel",
        parcel("good", square(113.1, 23.1)),
        parcel("bow", bow_tie),
        parcel("larger", square(113.05, 23.05), area=5_000.0),
        parcel("atop", square(113.1005, 23.1)),
        parcel("elsewhere", square(113.3, 23.1)),
        parcel("abroad", square(114.0, 24.0)),
        parcel("turned", square(23.1, 113.1)),
        push="p3",
    )
    rows = found(empty_lake)
    assert set(rows) >= {
        ("invalid_geometry", "bow"),
        ("area_differs", "larger"),
        ("overlap", "atop"),
        ("wrong_division", "elsewhere"),
        ("outside_city", "abroad"),
        ("swapped_coordinates", "turned"),
    }
    assert {record for _, record in rows} == {"bow", "larger", "atop", "elsewhere", "abroad", "turned"}
    told = rows["wrong_division", "elsewhere"]
    assert (told["resource"], told["department"], told["severity"]) == (
        "land_parcel",
        "natural_resources",
        "warn",
    )
    assert (told["source_push"], told["source_row"]) == ("p3", 5)
    assert told["reason_zh"] == "所报区划 441802001 与位置不符：该位置在清新区（441803）"
    assert rows["overlap", "atop"]["measure"] == pytest.approx(
        ground_area_km2(square(113.1, 23.1)) * 5e5, rel=0.01
    )
    assert rows["overlap", "atop"]["reason_zh"].startswith("与 good 重叠")
    assert "颠倒" in rows["swapped_coordinates", "turned"]["reason_zh"]


def test_a_cleft_and_a_hole_between_counties_are_gaps_and_a_shared_strip_is_an_overlap(
    empty_lake: Context,
) -> None:
    hole = shapely.box(113.199, 23.1, 113.2, 23.11)
    cleft = shapely.box(113.199, 23.19, 113.2, 23.2)
    counties(empty_lake, WEST.difference(hole).difference(cleft), EAST)
    gaps = [row for (code, _), row in found(empty_lake).items() if code == "border_gap"]
    assert len(gaps) == 1, "one row names the first county of each gap"
    both = empty_lake.lake.scan("base", "spatial_finding").collect()
    assert both["measure"].to_list() == pytest.approx(
        [ground_area_km2(hole), ground_area_km2(cleft)], rel=0.05
    )
    assert "清城区、清新区" in both["reason_zh"][0]


def test_the_citys_own_outline_overlaps_no_county_and_hides_no_gap(empty_lake: Context) -> None:
    cleft = shapely.box(113.199, 23.19, 113.2, 23.2)
    counties(empty_lake, WEST.difference(cleft))
    outline = {"code": "441800", "name": "清远市", "geometry": in_gcj02(shapely.union(WEST, EAST))}
    put(empty_lake, "division_boundary", outline, push="p3")
    assert [code for code, _ in found(empty_lake)] == ["border_gap"]


def test_a_county_without_a_border_is_told(empty_lake: Context) -> None:
    counties(empty_lake)
    put(
        empty_lake,
        "division",
        {"code": "441821", "name": "佛冈县", "level": "county"},
        {"code": "441827", "name": "清新县", "level": "county", "valid_to": date(2012, 1, 1)},
        {"code": "440183", "name": "增城市", "level": "county"},
        push="p3",
    )
    ((key, row),) = found(empty_lake).items()
    assert key == ("border_gap", None)
    assert row["reason_zh"].startswith("佛冈县（441821）没有界线")


@pytest.mark.parametrize(
    ("shape", "finding"),
    [
        (shapely.box(23.0, 113.0, 23.2, 113.2), "swapped_coordinates"),
        (shapely.box(5, 5, 6, 6), "outside_city"),
    ],
)
def test_a_border_on_another_continent_is_told_and_makes_no_city(
    empty_lake: Context, shape: shapely.Geometry, finding: str
) -> None:
    counties(empty_lake)
    stray = {"code": "441821", "name": "佛冈县", "geometry": bytes(shapely.to_wkb(shape))}
    put(empty_lake, "division_boundary", stray, push="p3")
    put(empty_lake, "land_parcel", parcel("a", shape, area=1.0), push="p4")
    told = found(empty_lake)
    assert set(told) >= {(finding, "441821"), (finding, "a")}


@pytest.mark.parametrize("claimed", ["441802001", "441803", "441881"])
def test_a_place_on_the_border_of_two_counties_is_in_both(empty_lake: Context, claimed: str) -> None:
    counties(empty_lake)
    at = {"building_no": "1", "division_code": claimed, "longitude": 113.2, "latitude": 23.0}
    put(empty_lake, "building", at, push="p3")
    assert (("wrong_division", "1") in found(empty_lake)) == (claimed == "441881")


def test_a_place_in_another_town_of_its_county_is_in_another_division(empty_lake: Context) -> None:
    counties(empty_lake)
    halves = {
        "441802001": shapely.box(113.0, 23.0, 113.1, 23.2),
        "441802002": shapely.box(113.1, 23.0, 113.2, 23.2),
    }
    towns = [{"code": code, "name": code, "geometry": in_gcj02(shape)} for code, shape in halves.items()]
    put(empty_lake, "division_boundary", *towns, push="p3")
    at = {"division_code": "441802001", "latitude": 23.1}
    put(
        empty_lake,
        "building",
        {"building_no": "1", "longitude": 113.05, **at},
        {"building_no": "2", "longitude": 113.15, **at},
        push="p4",
    )
    assert set(found(empty_lake)) == {("wrong_division", "2")}


@pytest.mark.parametrize(
    ("system", "turned", "told"),
    [("gk114", True, "颠倒"), ("gk111", False, "111°E"), ("cgcs2000", False, "CGCS2000")],
)
def test_metres_of_another_zone_and_exchanged_axes_are_recognised(
    empty_lake: Context, system: System, turned: bool, told: str
) -> None:
    """Protected areas come in metres at 114° E; surveyors call the northing x."""
    counties(empty_lake)
    code = {"gk114": "EPSG:4547", "gk111": "EPSG:4546"}.get(system)
    corner = (113.1, 23.1)
    if code:
        corner = Transformer.from_crs("EPSG:4490", code, always_xy=True).transform(*corner)
    side = 100 if code else 0.001
    x, y = reversed(corner) if turned else corner
    row = {"area_no": "1", "name": "林", "geometry": bytes(shapely.to_wkb(square(x, y, side)))}
    put(empty_lake, "protected_area", row, push="p3")
    ((_, finding),) = found(empty_lake).items()
    assert told in finding["reason_zh"]


def test_an_area_in_another_unit_is_recognised_and_a_point_among_areas(empty_lake: Context) -> None:
    counties(empty_lake)
    shapes = {name: square(113.1 + at / 100, 23.1) for at, name in enumerate(("mu", "ha", "fine"))}
    m2 = {name: ground_area_km2(shape) * 1e6 for name, shape in shapes.items()}
    put(
        empty_lake,
        "land_parcel",
        parcel("mu", shapes["mu"], area=m2["mu"] * 15 / 10_000),
        parcel("ha", shapes["ha"], area=m2["ha"] / 10_000),
        parcel("fine", shapes["fine"]),
        parcel("point", shapely.Point(113.15, 23.15), area=5.0),
        push="p3",
    )
    told = found(empty_lake)
    assert set(told) == {("area_differs", "mu"), ("area_differs", "ha"), ("invalid_geometry", "point")}
    assert "亩" in told["area_differs", "mu"]["reason_zh"]
    assert "hectares" in told["area_differs", "ha"]["reason_en"]
    assert "没有面积" in told["invalid_geometry", "point"]["reason_zh"]


def test_counties_that_overlap_are_found(empty_lake: Context) -> None:
    counties(empty_lake, WEST, shapely.box(113.19, 23.0, 113.4, 23.2))
    assert ("overlap", "441803") in found(empty_lake)


@pytest.mark.parametrize("shifted", [True, False])
def test_points_of_a_web_map_given_as_cgcs2000_are_recognised(empty_lake: Context, shifted: bool) -> None:
    counties(empty_lake)
    at = np.linspace(113.02, 113.15, 30)
    put(
        empty_lake,
        "land_parcel",
        *(parcel(f"{number:02d}", square(x, 23.1)) for number, x in enumerate(at)),
        push="p3",
    )
    x, y = at + 0.0005, np.full(30, 23.1005)
    if shifted:
        x, y = wgs84_to_gcj02(x, y)
    buildings = [
        {
            "building_no": f"{n}",
            "parcel_no": f"{n:02d}",
            "division_code": "441802001",
            "longitude": float(x[n]),
            "latitude": float(y[n]),
        }
        for n in range(30)
    ]
    put(empty_lake, "building", *buildings, push="p4")
    told = found(empty_lake)
    assert (("another_coordinate_system", None) in told) == shifted
    if shifted:
        row = told["another_coordinate_system", None]
        assert row["resource"] == "building"
        assert "GCJ-02" in row["reason_zh"]
        assert np.allclose(gcj02_to_wgs84(x, y)[0], at + 0.0005, atol=1e-7)


def test_a_place_without_a_position_has_no_findings(empty_lake: Context) -> None:
    counties(empty_lake)
    put(empty_lake, "building", {"building_no": "1", "division_code": "441802001"}, push="p3")
    assert found(empty_lake) == {}


def test_a_city_without_any_of_it_has_none(empty_lake: Context) -> None:
    assert found(empty_lake) == {}
