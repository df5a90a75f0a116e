"""``citylake geoparquet``: a table with shapes or points as GeoParquet 1.1, for a GIS.

Here belongs the file's metadata: encoding, coordinate system, bounding box, and which columns are the box of each row. What the
table shows is decided by the DuckDB file that it is read from.
"""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import polars as pl
import shapely
from pyproj import CRS

from assets.base.geospatial import GROUP_ROWS
from catalog.errors import MendableError
from lake.quoting import sql_name
from pipelines.query import QueryError

#: CGCS2000, in degrees: everything in the base tables is.
CRS_CODE = "EPSG:4490"
_BOX = {"xmin": "west", "ymin": "south", "xmax": "east", "ymax": "north"}


class NoGeometryError(MendableError, ValueError):
    """The table has neither shapes nor points."""

    def __init__(self, table: str) -> None:
        super().__init__(
            f"{table} 没有图形（geometry）或经纬度列 has no geometry, longitude or latitude that this file shows: "
            "try base.division, or --bureau"
        )


def write_geoparquet(database: Path, table: str, target: Path) -> int:
    """Write a table of a DuckDB file of ours; gives the number of rows. Raises :class:`MendableError`."""
    layer, _, name = table.partition(".")
    if not database.exists():
        msg = f"{database.name} has not been built yet: run `citylake materialize ops`"
        raise QueryError(msg)
    with duckdb.connect(str(database), read_only=True) as connection:
        try:
            rows = connection.execute(f"SELECT * FROM {sql_name(layer)}.{sql_name(name)}").pl()  # noqa: S608 - names, quoted
        except duckdb.Error as error:
            raise QueryError(str(error)) from None
    shaped = _with_geometry(rows, table)
    # rows without a shape stay: the metadata may only speak of those that have one
    geo = {"geo": json.dumps(_metadata(shaped))}
    try:
        # neighbours are stored together: small groups, so that who asks for a box reads little else
        shaped.write_parquet(target, compression="zstd", row_group_size=GROUP_ROWS, metadata=geo)
    except OSError as error:
        msg = f"{target} 无法写入，请检查文件夹和权限 cannot be written: is there such a folder, and may you write there? ({error.strerror or error})"
        raise QueryError(msg) from None
    return shaped.height


def _with_geometry(rows: pl.DataFrame, table: str) -> pl.DataFrame:
    """The rows with a WKB ``geometry`` and its ``bbox``; points are made of longitude and latitude."""
    if {"longitude", "latitude"} <= set(rows.columns) and "geometry" not in rows.columns:
        at = [rows[name].cast(pl.Float64) for name in ("longitude", "latitude")]
        placed = at[0].is_not_null() & at[1].is_not_null()
        points = shapely.points(*(degrees.fill_null(0).to_numpy() for degrees in at))
        geometry = pl.Series("geometry", shapely.to_wkb(points).tolist(), dtype=pl.Binary)
        boxes = {"xmin": "longitude", "ymin": "latitude", "xmax": "longitude", "ymax": "latitude"}
        rows = rows.with_columns(pl.when(placed).then(geometry).alias("geometry"))
    elif {"geometry", *_BOX.values()} <= set(rows.columns):
        boxes = _BOX
    else:
        raise NoGeometryError(table)
    box = pl.struct(pl.col(column).cast(pl.Float64).alias(side) for side, column in boxes.items())
    return rows.with_columns(pl.when(pl.col("geometry").is_not_null()).then(box).alias("bbox"))


def _metadata(rows: pl.DataFrame) -> dict[str, object]:
    shapes = shapely.from_wkb(rows["geometry"].drop_nulls().to_numpy())
    column: dict[str, object] = {
        "encoding": "WKB",
        "geometry_types": sorted({shape.geom_type for shape in shapes}),
        "crs": CRS(CRS_CODE).to_json_dict(),
        "covering": {"bbox": {side: ["bbox", side] for side in _BOX}},
    }
    if len(shapes):
        column["bbox"] = [float(side) for side in shapely.total_bounds(shapes)]
    return {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}
