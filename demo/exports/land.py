"""What departments say of land: divisions, parcels, buildings, places, titles.

Here belongs one function for each resource about land, and how each is sent.
"""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import shapely
from pyproj import Transformer

from demo import places
from demo.city import City
from demo.exports.drawing import days_ago, on_some
from demo.exports.sending import by_table, in_file


def division(city: City) -> pl.DataFrame:
    """The real counties and towns, with invented villages."""
    return places.divisions()


def division_boundary(city: City) -> pl.DataFrame:
    """County polygons in GCJ-02."""
    rows = [
        (
            code,
            places.COUNTIES[code][0],
            json.dumps(
                {"type": "Polygon", "coordinates": [[list(point) for point in shape.exterior.coords]]}
            ),
        )
        for code, shape in places.county_shapes().items()
    ]
    return pl.DataFrame(rows, schema=["code", "name", "geometry"], orient="row")


def land_parcel(city: City) -> pl.DataFrame:
    """Rectangles, with the area as the cadastre declares it."""
    parcels = city.land.parcels
    metres = (
        parcels["width"]
        * 111_320
        * np.cos(np.radians(parcels["latitude"].to_numpy()))
        * parcels["height"]
        * 110_800
    )
    corners = zip(parcels["longitude"], parcels["latitude"], parcels["width"], parcels["height"], strict=True)
    rings = [[[x, y], [x + w, y], [x + w, y + h], [x, y + h], [x, y]] for x, y, w, h in corners]
    shapes = [json.dumps({"type": "Polygon", "coordinates": [ring]}) for ring in rings]
    return parcels.select(
        "parcel_no",
        "use",
        metres.round(1).alias("area"),
        pl.col("town").alias("division_code"),
        pl.lit(None, pl.String).alias("address"),
        pl.Series(shapes).alias("geometry"),
    )


def hazard_zone(city: City) -> pl.DataFrame:
    """Circles around some homes, in CGCS2000."""
    zones = city.land.zones
    return zones.select(
        pl.format("ZH{}", pl.col("number").cast(pl.String).str.zfill(6)).alias("zone_no"),
        pl.format("{}{}风险区", "road", "hazard").alias("name"),
        pl.col("hazard").alias("kind"),
        "level",
        pl.col("town").alias("division_code"),
        _circles(zones["longitude"].to_numpy(), zones["latitude"].to_numpy(), zones["reach"].to_numpy()),
    )


def protected_area(city: City) -> pl.DataFrame:
    """Circles in Gauss-Krüger coordinates of the meridian 114° E, in metres."""
    areas = city.land.zones.filter(pl.col("number") % 3 == 0)
    to_metres = Transformer.from_crs("EPSG:4490", "EPSG:4547", always_xy=True)
    x, y = to_metres.transform(areas["longitude"].to_numpy(), areas["latitude"].to_numpy())
    kinds = pl.Series(np.resize(["自然保护区", "森林公园", "湿地公园", "饮用水水源保护区"], len(areas)))
    levels = pl.Series(np.resize(["国家级", "省级", "市县级"], len(areas)))
    return areas.select(
        pl.format("BH{}", pl.col("number").cast(pl.String).str.zfill(6)).alias("area_no"),
        pl.format("{}{}", "road", kinds).alias("name"),
        kinds.alias("kind"),
        levels.alias("level"),
        pl.col("town").alias("division_code"),
        _circles(x, y, areas["reach"].to_numpy() * 100_000),
    )


def _circles(x: np.ndarray, y: np.ndarray, reach: np.ndarray) -> pl.Series:
    shapes = shapely.buffer(shapely.points(x, y), reach)
    return pl.Series("geometry", shapely.to_geojson(shapes).tolist(), dtype=pl.String)


def building(city: City) -> pl.DataFrame:
    """Buildings, in WGS 84."""
    return city.land.buildings.select(
        "building_no",
        pl.format("{}楼", "building_no").alias("name"),
        "parcel_no",
        "use",
        "floors",
        "built_year",
        pl.col("town").alias("division_code"),
        pl.lit(None, pl.String).alias("address"),
        "longitude",
        "latitude",
    )


def place_name(city: City) -> pl.DataFrame:
    """Villages, roads and doors, in CGCS2000."""
    return city.land.places.select(
        pl.format("DM{}", pl.col("number").cast(pl.String).str.zfill(8)).alias("place_no"),
        pl.format("{}路{}号", "road", pl.col("number") % 300 + 1).alias("name"),
        pl.lit("门牌").alias("kind"),
        pl.col("town").alias("division_code"),
        pl.format("广东省清远市{}路{}号", "road", pl.col("number") % 300 + 1).alias("address"),
        "longitude",
        "latitude",
    )


def point_of_interest(city: City) -> pl.DataFrame:
    """Points of a purchased web map, in GCJ-02."""
    points = city.land.pois
    longitude, latitude = places.to_gcj02(points["longitude"].to_numpy(), points["latitude"].to_numpy())
    return points.select(
        pl.format("B0{}", pl.col("number").cast(pl.String).str.zfill(8)).alias("poi_id"),
        pl.format("{}{}{}", "road", "kind", "number").alias("name"),
        "kind",
        pl.format("{}路", "road").alias("address"),
        pl.Series(longitude.round(6)).alias("longitude"),
        pl.Series(latitude.round(6)).alias("latitude"),
    )


def real_estate_title(city: City) -> pl.DataFrame:
    """Homes owned by heads of household, on parcels of their town where there is one."""
    owners = on_some(
        city.people.filter((pl.col("role") == "户主") & pl.col("death_date").is_null()),
        city.rng("title"),
        0.55,
    )
    rng = city.rng("title-facts")
    parcel = city.land.parcels["parcel_no"].gather(rng.integers(0, len(city.land.parcels), len(owners)))
    return owners.with_columns(parcel.alias("parcel_no")).select(
        pl.format("粤（2024）清远市不动产权第{}号", pl.col("person").cast(pl.String).str.zfill(7)).alias(
            "title_no"
        ),
        pl.format("{}F{}", "parcel_no", pl.col("person").cast(pl.String).str.zfill(8)).alias("unit_no"),
        pl.col("name").alias("owner_name"),
        pl.col("resident_id").alias("owner_code"),
        pl.lit("个人").alias("owner_kind"),
        pl.lit("1").alias("share"),
        pl.lit("住宅").alias("use"),
        pl.Series(rng.integers(45, 180, len(owners))).alias("area"),
        "address",
        pl.col("town").alias("division_code"),
        "parcel_no",
        days_ago(rng, len(owners), city.today, 30, 5000).alias("registered_on"),
        pl.lit("现势").alias("status"),
    )


SENT = (
    in_file(division, ".csv"),
    in_file(division_boundary, ".geojson"),
    in_file(land_parcel, ".geojson"),
    in_file(building, ".ndjson"),
    in_file(hazard_zone, ".geojson"),
    in_file(protected_area, ".geojson"),
    in_file(place_name, ".parquet"),
    in_file(point_of_interest, ".csv"),
    by_table(real_estate_title),
)
