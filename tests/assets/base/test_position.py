"""In which shape a point lies: on borders, in holes, and where there is no number to look for."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import shapely

from assets.base.position import FEW, NOWHERE, containing, near_order

#: More shapes in a row than are tried one by one, side by side.
ROW = [shapely.box(113 + n / 1000, 23, 113 + (n + 1) / 1000, 23.001) for n in range(FEW + 10)]


def shapes(*more: shapely.Geometry | None) -> np.ndarray:
    return np.array([*more], dtype=object)


@pytest.mark.parametrize("count", [2, FEW + 10])
def test_a_point_on_a_border_or_a_shared_corner_is_in_the_first_of_its_shapes(count: int) -> None:
    x, y = np.array([ROW[0].bounds[2], ROW[0].bounds[2], 113.0005]), np.array([23.0005, 23.0, 23.0005])
    assert containing(shapes(*ROW[:count]), x, y).tolist() == [0, 0, 0]
    assert containing(shapes(*ROW[:count][::-1]), x, y).tolist() == [count - 2, count - 2, count - 1]


@pytest.mark.parametrize("count", [0, FEW + 10])
def test_an_enclave_is_not_in_what_surrounds_it(count: int) -> None:
    around, inside = shapely.box(112, 24, 112.01, 24.01), shapely.box(112.004, 24.004, 112.006, 24.006)
    ring = shapely.Polygon(around.exterior.coords[::-1], [inside.exterior.coords])
    x, y = np.array([112.005, 112.001, 112.02]), np.array([24.005, 24.001, 24.02])
    assert containing(shapes(ring, inside, *ROW[:count]), x, y).tolist() == [1, 0, NOWHERE]


@pytest.mark.parametrize("count", [2, FEW + 10])
def test_what_is_no_place_on_earth_lies_nowhere(count: int) -> None:
    at = np.array([np.nan, np.inf, -np.inf, 1e300, -1e300, 113.0005])
    found = containing(shapes(*ROW[:count], None, shapely.Polygon()), at, np.full(6, 23.0005))
    assert found.tolist() == [NOWHERE] * 5 + [0]
    assert containing(shapes(None), at, at).tolist() == [NOWHERE] * 6


def test_the_order_of_storage_bears_what_is_no_number() -> None:
    at = pl.DataFrame(
        {"x": [113.0, None, float("nan"), 1e300, 114.0], "y": [23.0, None, float("nan"), 1e300, 24.0]}
    )
    order = at.select(near_order(pl.col("x"), pl.col("y"))).to_series()
    assert order.null_count() == 0
    assert at.head(0).select(near_order(pl.col("x"), pl.col("y"))).height == 0
