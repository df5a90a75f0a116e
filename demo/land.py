"""Land of the demo city: parcels, buildings on them, titles, place names and points of interest.

Here belongs the truth about places, in degrees of CGCS2000 (which is WGS 84 at this scale). The coordinate system a
department delivers in is ``exports.py``'s business.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
import shapely

from demo.places import ROADS, county_shapes, towns

USES = ("耕地", "林地", "住宅用地", "商服用地", "工业用地", "公共管理用地")
HAZARDS = ("滑坡", "崩塌", "泥石流", "洪涝", "森林火灾")
POI_KINDS = ("学校", "医院", "商店", "政府", "公园", "交通", "餐饮", "其他")


@dataclass(frozen=True)
class Land:
    """``parcels`` (parcel_no, use, county, town, west, south, width, height in degrees), ``buildings``, ``places``, ``pois``,
    ``zones`` (number, road, hazard, level, town, longitude, latitude and reach in degrees)."""

    parcels: pl.DataFrame
    buildings: pl.DataFrame
    places: pl.DataFrame
    pois: pl.DataFrame
    zones: pl.DataFrame


def build(people: int, rng: np.random.Generator) -> Land:
    """Parcels are small rectangles inside their county; buildings stand on parcels."""
    parcels = _parcels(max(200, people // 40), rng)
    buildings = _buildings(parcels, max(300, people // 20), rng)
    places, pois = _points(max(200, people // 60), rng), _points(max(150, people // 80), rng)
    return Land(parcels, buildings, places, pois, _zones(places, max(24, people // 1000), rng))


def _inside(count: int, rng: np.random.Generator) -> pl.DataFrame:
    """Random points with the county they lie in and one of its towns."""
    shapes = county_shapes()
    codes = list(shapes)
    areas = np.array([shapes[code].area for code in codes])
    county = rng.choice(codes, count, p=areas / areas.sum())
    longitude, latitude = np.empty(count), np.empty(count)
    for code in codes:
        here = np.flatnonzero(county == code)
        # a margin keeps every small rectangle, and the shift of a web map's coordinates, inside the county
        longitude[here], latitude[here] = _points_in(shapes[code].buffer(-0.02), len(here), rng)
    town = towns()
    chosen = {code: town.filter(pl.col("county") == code)["town"].to_numpy() for code in codes}
    picks = np.array([chosen[code][rng.integers(len(chosen[code]))] for code in county])
    return pl.DataFrame(
        {"county": county, "town": picks, "longitude": longitude.round(6), "latitude": latitude.round(6)}
    )


def _points_in(
    shape: shapely.Geometry, count: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    west, south, east, north = shape.bounds
    found: list[np.ndarray] = [np.empty((0, 2))]
    while sum(map(len, found)) < count:
        points = np.column_stack(
            [rng.uniform(west, east, count * 2 + 8), rng.uniform(south, north, count * 2 + 8)]
        )
        found.append(points[shapely.contains_xy(shape, points[:, 0], points[:, 1])])
    points = np.concatenate(found)[:count]
    return points[:, 0], points[:, 1]


def _parcels(count: int, rng: np.random.Generator) -> pl.DataFrame:
    at = _inside(count, rng)
    return at.with_columns(
        pl.format("{}JC{}", "town", pl.int_range(count).cast(pl.String).str.zfill(8)).alias("parcel_no"),
        pl.Series("use", rng.choice(USES, count, p=[0.3, 0.2, 0.3, 0.08, 0.07, 0.05])),
        pl.Series("width", rng.uniform(0.0003, 0.002, count)),
        pl.Series("height", rng.uniform(0.0003, 0.002, count)),
    )


def _buildings(parcels: pl.DataFrame, count: int, rng: np.random.Generator) -> pl.DataFrame:
    on: pl.DataFrame = parcels[rng.integers(len(parcels), size=count).tolist()]
    share = pl.Series(rng.uniform(0.1, 0.9, count))
    return on.select(
        pl.format("F{}", pl.int_range(count).cast(pl.String).str.zfill(9)).alias("building_no"),
        "parcel_no",
        "county",
        "town",
        (pl.col("longitude") + pl.col("width") * share).round(6).alias("longitude"),
        (pl.col("latitude") + pl.col("height") * share).round(6).alias("latitude"),
        pl.Series(
            "use",
            rng.choice(["住宅", "商业", "工业", "办公", "公共服务"], count, p=[0.7, 0.12, 0.08, 0.06, 0.04]),
        ),
        pl.Series("floors", rng.integers(1, 33, count)),
        pl.Series("built_year", rng.integers(1975, 2025, count)),
    )


def _points(count: int, rng: np.random.Generator) -> pl.DataFrame:
    return _inside(count, rng).with_columns(
        pl.int_range(count).alias("number"),
        pl.Series("road", rng.choice(ROADS, count)),
        pl.Series("kind", rng.choice(POI_KINDS, count)),
    )


def _zones(places: pl.DataFrame, count: int, rng: np.random.Generator) -> pl.DataFrame:
    """Around registered doors: where nobody is known to live, a zone would show nothing."""
    around: pl.DataFrame = places[rng.choice(len(places), count, replace=False).tolist()]
    return around.drop("kind").with_columns(
        pl.int_range(pl.len()).alias("number"),
        pl.Series("hazard", rng.choice(HAZARDS, count)),
        pl.Series("level", rng.choice(["极高", "高", "中", "低"], count)),
        pl.Series("reach", rng.uniform(0.002, 0.015, count)),
    )
