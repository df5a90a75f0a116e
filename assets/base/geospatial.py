"""The geospatial base database (自然资源和空间地理): divisions, parcels, buildings and places, all in CGCS2000.

Here belong the conversion of what departments deliver, repair of shapes, bounding boxes and geodesic areas. How one
coordinate becomes another is in ``coordinates.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import polars as pl
import shapely

from assets.base.coordinates import System, ground_area_km2, repaired, to_cgcs2000
from assets.base.inputs import standard
from assets.base.position import Degrees, Shapes, division_at, near_order
from assets.build import Build, Built, Context
from catalog.model import Title
from lake.locks import writing
from lake.parts import write_part

Recipe = Callable[[Context], pl.LazyFrame]
#: The order of storage: see :func:`assets.base.position.near_order`.
NEAR = "near_order"
#: Rows in a file: few enough that those of a large table each cover a part of the city, and their bounds tell which.
FILE_ROWS = 50_000
#: Rows in a group of a file: its bounds tell a reader whether to open it.
GROUP_ROWS = 5_000
#: What tells the rows of a table apart; a boundary that no register knows has a name only.
KEYS: Mapping[str, Sequence[str]] = {
    "division": ("code", "name"),
    "parcel": ("parcel_no",),
    "building": ("building_no",),
    "place": ("place_id",),
    "hazard_zone": ("zone_no",),
    "protected_area": ("area_no",),
}
_PROVENANCE = (pl.col("_push").alias("source_push"), pl.col("_row").alias("source_row"))


def builds() -> list[Build]:
    """One recipe for each kind of place."""
    return [
        _build(
            "division",
            ("division", "division_boundary"),
            Title(zh="行政区划", en="Divisions"),
            divisions,
        ),
        _build("parcel", ("land_parcel",), Title(zh="宗地", en="Land parcels"), parcels),
        _build("building", ("building",), Title(zh="房屋建筑", en="Buildings"), buildings),
        _build(
            "place",
            ("place_name", "point_of_interest"),
            Title(zh="地名地址和兴趣点", en="Places"),
            places,
        ),
        _build(
            "hazard_zone",
            ("hazard_zone",),
            Title(zh="灾害风险区", en="Hazard zones"),
            hazard_zones,
        ),
        _build(
            "protected_area",
            ("protected_area",),
            Title(zh="保护区", en="Protected areas"),
            protected_areas,
        ),
    ]


def _build(name: str, resources: Sequence[str], title: Title, recipe: Recipe) -> Build:
    def run(context: Context) -> Built:
        rows = recipe(context)
        # neighbours are stored together: by position first, so that a reader of a small box skips the other files
        order = [NEAR, KEYS[name][0]] if NEAR in rows.collect_schema() else [KEYS[name][0]]
        ordered = rows.sort(order).collect()
        pieces = list(ordered.iter_slices(FILE_ROWS)) or [ordered]
        folder = context.lake.path("base", name)
        parts = [write_part(piece.lazy(), folder, group_rows=GROUP_ROWS) for piece in pieces]
        with writing(context.home, f"base.{name}"):
            commit = context.lake.publish_parts("base", name, parts, ordered.schema)
        return Built({("base", name): commit}, {"rows": commit.rows})

    borders = () if name == "division" else (("base", "division"),)
    return Build(
        makes=(("base", name),),
        reads=(*(("standard", resource) for resource in resources), *borders),
        title=title,
        description="坐标统一为 CGCS2000；图形为 WKB，附外接矩形，按位置注明所在区划。\n\n"
        "Coordinates in CGCS2000; shapes as WKB with bounding boxes; the division by position.",
        owner="natural_resources",
        run=run,
        kinds=("polars", "shapely", "deltalake"),
    )


def divisions(context: Context) -> pl.LazyFrame:
    """code, name, level, parent_code, validity; of those with a boundary: WKB, bounding box, area in km².

    A boundary whose division the register does not have is kept, by the name it came with: a missing row in one
    department's list must not take a county off the map."""
    boundary = _shaped(context, "division_boundary").select(
        "code",
        "name",
        "geometry",
        "west",
        "south",
        "east",
        "north",
        "area_km2",
        pl.col("resource").alias("geometry_source"),
        pl.col("resource").alias("source"),
        *_PROVENANCE,
    )
    both = ("name", "source", *(column.meta.output_name() for column in _PROVENANCE))
    joined = (
        standard(context, "division")
        .select(
            "code",
            "name",
            "level",
            "parent_code",
            "valid_from",
            "valid_to",
            pl.lit("division").alias("source"),
            *_PROVENANCE,
        )
        .join(boundary.lazy(), on="code", how="full", coalesce=True, suffix=":boundary")
    )
    return joined.with_columns(pl.coalesce(column, f"{column}:boundary") for column in both).drop(
        f"{column}:boundary" for column in both
    )


def parcels(context: Context) -> pl.LazyFrame:
    """Each parcel with its declared area and the geodesic one, in m²."""
    shaped = _divided(context, _shaped(context, "land_parcel"))
    return shaped.lazy().select(
        "parcel_no",
        "use",
        pl.col("area").alias("declared_area"),
        (pl.col("area_km2") * 1e6).alias("measured_area"),
        "division_code",
        "located_division",
        "address",
        "geometry",
        "west",
        "south",
        "east",
        "north",
        NEAR,
        pl.lit("land_parcel").alias("source"),
        *_PROVENANCE,
    )


def buildings(context: Context) -> pl.LazyFrame:
    """Each building with its point."""
    columns = ("building_no", "name", "parcel_no", "use", "floors", "built_year", "division_code", "address")
    return (
        _located(context, "building")
        .lazy()
        .select(
            *columns,
            "located_division",
            "longitude",
            "latitude",
            NEAR,
            pl.lit("building").alias("source"),
            *_PROVENANCE,
        )
    )


def places(context: Context) -> pl.LazyFrame:
    """Standard place names and points of interest in one table; ``place_id`` says which register a place is from."""
    names = (
        _located(context, "place_name")
        .lazy()
        .select(
            pl.format("place_name/{}", "place_no").alias("place_id"),
            "name",
            "kind",
            "division_code",
            "address",
            "located_division",
            "longitude",
            "latitude",
            NEAR,
            pl.lit("place_name").alias("source"),
            *_PROVENANCE,
        )
    )
    points = (
        _located(context, "point_of_interest")
        .lazy()
        .select(
            pl.format("point_of_interest/{}", "poi_id").alias("place_id"),
            "name",
            "kind",
            pl.lit(None, pl.String).alias("division_code"),
            "address",
            "located_division",
            "longitude",
            "latitude",
            NEAR,
            pl.lit("point_of_interest").alias("source"),
            *_PROVENANCE,
        )
    )
    return pl.concat([names, points])


def hazard_zones(context: Context) -> pl.LazyFrame:
    """Each zone with its kind and level."""
    return _areas(context, "hazard_zone", "zone_no")


def protected_areas(context: Context) -> pl.LazyFrame:
    """Each protected area with its kind and level."""
    return _areas(context, "protected_area", "area_no")


def _areas(context: Context, resource: str, key: str) -> pl.LazyFrame:
    shaped = _divided(context, _shaped(context, resource))
    return shaped.lazy().select(
        key,
        "name",
        "kind",
        "level",
        "division_code",
        "located_division",
        "geometry",
        "west",
        "south",
        "east",
        "north",
        "area_km2",
        NEAR,
        pl.lit(resource).alias("source"),
        *_PROVENANCE,
    )


def _divided(context: Context, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows with the division that their point, or a point inside their shape, lies in, and their order of storage."""
    if "geometry" in rows.columns:
        inside = shapely.point_on_surface(_shapes_of(rows))
        x, y = shapely.get_x(inside), shapely.get_y(inside)
    else:
        x, y = rows["longitude"].to_numpy(), rows["latitude"].to_numpy()
    # NumPy's «no number» stands for a place that is not known, but only here: in a table it would count as a place
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if context.lake.exists("base", "division"):
        borders = context.lake.scan("base", "division").filter(pl.col("geometry").is_not_null()).collect()
        located = division_at(borders, x, y)
    else:
        located = pl.Series("located_division", [None] * len(x), dtype=pl.String)
    at = pl.DataFrame({"x": x, "y": y})
    order = at.select(near_order(pl.col("x"), pl.col("y")).alias(NEAR)).to_series()
    return rows.with_columns(located, order)


def _system(context: Context, resource: str) -> System:
    # `catalogue check` refuses a spatial entry that does not state its coordinate system
    return context.catalogue.entry(resource).coordinate_system or "cgcs2000"


def _located(context: Context, resource: str) -> pl.DataFrame:
    """A resource's rows with longitude and latitude in CGCS2000."""
    rows = standard(context, resource).collect(engine="streaming")
    longitude, latitude = to_cgcs2000(
        rows["longitude"].to_numpy().astype(float),
        rows["latitude"].to_numpy().astype(float),
        _system(context, resource),
    )
    moved = rows.with_columns(_numbers("longitude", longitude), _numbers("latitude", latitude))
    return _divided(context, moved)


def _shaped(context: Context, resource: str) -> pl.DataFrame:
    """A resource's rows with their shape in CGCS2000 (repaired where invalid), its bounding box and area."""
    rows = standard(context, resource).collect(engine="streaming")
    moved = repaired(_shapes_of(rows), _system(context, resource))
    box = shapely.bounds(moved).reshape(-1, 4)
    areas = np.array([np.nan if shape is None else ground_area_km2(shape) for shape in moved])
    return rows.with_columns(
        pl.Series("geometry", shapely.to_wkb(moved).tolist(), dtype=pl.Binary),
        *(_numbers(side, box[:, index]) for index, side in enumerate(("west", "south", "east", "north"))),
        _numbers("area_km2", areas),
        pl.lit(resource).alias("resource"),
    )


def _shapes_of(rows: pl.DataFrame) -> Shapes:
    return np.asarray(shapely.from_wkb(rows["geometry"].to_numpy()), dtype=object)


def _numbers(name: str, values: Degrees) -> pl.Series:
    """A column of finite numbers; null where there is none: a sum over a column with NaN would be none, either."""
    return pl.Series(name, np.where(np.isfinite(values), values, np.nan), dtype=pl.Float64, nan_to_null=True)
