"""Coordinates against published pairs, against pyproj, and there and back; areas against known figures."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Transformer

from assets.base.coordinates import (
    System,
    gcj02_to_bd09,
    gcj02_to_wgs84,
    geometry_to_cgcs2000,
    ground_area_km2,
    repaired,
    to_cgcs2000,
    wgs84_to_gcj02,
)

#: WGS 84 and GCJ-02 of the same points, as the public implementations agree on them: Shanghai, Shenzhen, Beijing.
PUBLISHED = [
    ((121.5272106, 31.1774276), (121.531541859215, 31.17530398364597)),
    ((113.912316, 22.543847), (113.9171764808363, 22.540796131694766)),
    ((116.377817, 39.911954), (116.38404722455657, 39.91334545536069)),
]
longitudes, latitudes = st.floats(73.5, 135.0), st.floats(18.0, 53.5)
#: A millimetre on the ground, in degrees.
MILLIMETRE = 1e-8


def arrays(*points: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    longitude, latitude = zip(*points, strict=True)
    return np.array(longitude), np.array(latitude)


@pytest.mark.parametrize(("wgs84", "gcj02"), PUBLISHED)
def test_the_offset_is_the_published_one(wgs84: tuple[float, float], gcj02: tuple[float, float]) -> None:
    found = np.column_stack(wgs84_to_gcj02(*arrays(wgs84)))
    assert np.abs(found - gcj02).max() < 1e-12
    back = np.column_stack(to_cgcs2000(*arrays(gcj02), "gcj02"))
    assert np.abs(back - wgs84).max() < MILLIMETRE


@given(longitude=longitudes, latitude=latitudes)
def test_web_map_coordinates_come_back_to_where_they_were(longitude: float, latitude: float) -> None:
    start = arrays((longitude, latitude))
    shifted = wgs84_to_gcj02(*start)
    assert np.hypot(shifted[0] - start[0], shifted[1] - start[1])[0] > 1e-4, "a hundred metres or so"
    assert np.abs(np.array(gcj02_to_wgs84(*shifted)) - start).max() < MILLIMETRE
    baidu = gcj02_to_bd09(*shifted)
    assert np.abs(np.array(to_cgcs2000(*baidu, "bd09")) - start).max() < MILLIMETRE


@pytest.mark.parametrize(("system", "code"), [("gk114", "EPSG:4547"), ("gk111", "EPSG:4546")])
def test_plane_coordinates_are_those_of_the_registry(system: System, code: str) -> None:
    start = arrays((113.05, 23.68), (112.37, 24.78))
    metres = Transformer.from_crs("EPSG:4490", code, always_xy=True).transform(*start)
    assert np.min(metres) > 100_000, "easting and northing in metres"
    found = to_cgcs2000(np.asarray(metres[0]), np.asarray(metres[1]), system)
    assert np.abs(np.array(found) - start).max() < MILLIMETRE


@pytest.mark.parametrize(("system", "code"), [("gk114", "EPSG:4526"), ("gk111", "EPSG:4525")])
def test_an_easting_may_begin_with_the_number_of_its_zone(system: System, code: str) -> None:
    """The registry has the same zones twice: with the number before the easting, and without."""
    start = arrays((113.05, 23.68), (112.37, 24.78))
    metres = Transformer.from_crs("EPSG:4490", code, always_xy=True).transform(*start)
    assert np.min(metres[0]) > 37e6
    found = to_cgcs2000(np.asarray(metres[0]), np.asarray(metres[1]), system)
    assert np.abs(np.array(found) - start).max() < MILLIMETRE
    other = to_cgcs2000(
        np.asarray(metres[0]), np.asarray(metres[1]), "gk111" if system == "gk114" else "gk114"
    )
    assert not (np.abs(other[0] - start[0]) < 1).any(), "another zone's number is no mistake to pass over"


def test_a_repair_keeps_all_that_was_covered_and_leaves_no_spike() -> None:
    two = shapely.MultiPolygon([shapely.box(113.0, 23.0, 113.2, 23.2), shapely.box(113.1, 23.1, 113.3, 23.3)])
    spiked = shapely.Polygon([(113, 23), (113.1, 23), (113.2, 23), (113.1, 23), (113.1, 23.1), (113, 23.1)])
    flat = shapely.Polygon([(113.0, 23.0), (113.1, 23.0), (113.05, 23.0)])
    fine, infinite = shapely.box(113.0, 23.0, 113.1, 23.1), shapely.box(113, 23, np.inf, 24)
    given = np.array([two, spiked, flat, fine, infinite, shapely.Polygon(), None], dtype=object)
    made = repaired(given, "cgcs2000")
    assert shapely.is_valid(made[:4]).all()
    assert made[0].area == pytest.approx(0.07), "what both parts cover is no hole"
    assert (made[1].geom_type, made[1].area) == ("Polygon", pytest.approx(0.01))
    assert made[2].geom_type == "MultiLineString", "without an area, but with a place"
    assert made[3] is fine
    assert made[4:].tolist() == [None, None, None]
    assert np.isinf(given[4].bounds[2]), "what was given is as it was"


def test_wgs84_counts_as_cgcs2000() -> None:
    start = arrays((113.05, 23.68))
    assert np.array_equal(np.array(to_cgcs2000(*start, "wgs84")), np.array(start))


def test_every_vertex_of_a_shape_is_moved_also_those_of_holes() -> None:
    outside, hole = shapely.box(113.0, 23.0, 113.2, 23.2), shapely.box(113.05, 23.05, 113.1, 23.1)
    shape = shapely.Polygon(outside.exterior.coords, [hole.exterior.coords])
    (moved,) = geometry_to_cgcs2000(np.array([shape], dtype=object), "gcj02")
    assert len(moved.interiors) == 1
    before, after = shapely.get_coordinates(shape), shapely.get_coordinates(moved)
    assert np.abs(np.column_stack(wgs84_to_gcj02(*after.T)) - before).max() < MILLIMETRE


def test_an_area_does_not_depend_on_how_rings_are_turned() -> None:
    """A county with an island and a hole: 2 + 1 − 1 boxes of a tenth of a degree, whichever way each ring turns."""
    mainland = shapely.box(113.0, 23.0, 113.2, 23.1)
    island, lake = shapely.box(113.5, 23.0, 113.6, 23.1), shapely.box(113.0, 23.0, 113.1, 23.1).buffer(-0.02)
    one = ground_area_km2(shapely.box(113.0, 23.0, 113.1, 23.1))
    assert one == pytest.approx(113.5, abs=0.1), "10.25 km by 11.07 km"
    for turned in (island, island.reverse()):
        for water in (lake, lake.reverse()):
            county = shapely.MultiPolygon(
                [shapely.Polygon(mainland.exterior.coords, [water.exterior.coords]), turned]
            )
            assert ground_area_km2(county) == pytest.approx(3 * one - ground_area_km2(lake), rel=1e-6)
