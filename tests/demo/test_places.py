"""The demo's places: towns as the statistical codes have them, and county cells that are polygons of their own."""

from __future__ import annotations

import math
from itertools import combinations
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import shapely

from demo import land, places

REAL = Path(__file__).parents[2] / "../shared/data/divisions_qingyuan.csv"


def test_every_county_has_a_valid_cell_around_its_centre() -> None:
    shapes = places.county_shapes()
    assert set(shapes) == set(places.COUNTIES)
    for code, (_, centre, _) in places.COUNTIES.items():
        assert shapes[code].geom_type == "Polygon"
        assert shapes[code].is_valid
        assert shapes[code].contains(shapely.Point(centre))


def test_county_cells_do_not_overlap() -> None:
    for one, other in combinations(places.county_shapes().values(), 2):
        assert one.intersection(other).area == pytest.approx(0, abs=1e-12)


def test_shares_of_people_add_up() -> None:
    assert sum(share for _, _, share in places.COUNTIES.values()) == pytest.approx(1)


def test_divisions_form_a_tree() -> None:
    divisions = places.divisions()
    assert divisions["code"].is_unique().all()
    parents = divisions.filter(pl.col("parent_code").is_not_null())
    assert parents["parent_code"].is_in(divisions["code"].implode()).all()


@pytest.mark.real
@pytest.mark.skipif(not REAL.exists(), reason="the folder of real data is absent")
def test_towns_are_the_real_ones() -> None:
    real = REAL.read_text(encoding="utf-8")
    for town in places.towns().iter_rows(named=True):
        assert town["town"] in real, town
        assert town["town_name"] in real, town


def test_gcj02_shifts_by_some_hundred_metres_and_agrees_with_a_published_point() -> None:
    # the point that most libraries of this formula test with: Tiananmen
    longitude, latitude = places.to_gcj02(np.array([116.397451]), np.array([39.909187]))
    assert longitude[0] == pytest.approx(116.403694, abs=2e-5)
    assert latitude[0] == pytest.approx(39.910591, abs=2e-5)
    east, north = places.to_gcj02(np.array([113.05]), np.array([23.69]))
    metres = math.hypot((east[0] - 113.05) * 102_000, (north[0] - 23.69) * 110_800)
    assert 100 < metres < 1000


def test_everything_on_the_land_lies_in_its_county() -> None:
    made = land.build(2_000, np.random.default_rng(5))
    shapes = places.county_shapes()
    for frame in (made.parcels, made.buildings, made.places, made.pois):
        for (code,), rows in frame.group_by("county"):
            inside = shapely.contains_xy(
                shapes[str(code)], rows["longitude"].to_numpy(), rows["latitude"].to_numpy()
            )
            assert inside.all()
            assert rows["town"].str.starts_with(str(code)).all()


def test_buildings_stand_on_parcels() -> None:
    made = land.build(500, np.random.default_rng(5))
    on = made.buildings.join(made.parcels, on="parcel_no", how="left", suffix="_parcel")
    assert on["width"].is_not_null().all()
    assert (on["longitude"] <= on["longitude_parcel"] + on["width"] + 1e-6).all()
