"""A million points to a city's divisions and parcels, beside GeoPandas' ``sjoin`` of the same points.

Here belong the making of the points and shapes, and our side. Both sides read the same coordinates and shapes (WKB in
Parquet) and write for each point the division and the parcel it lies in; where both have run, what they found is compared.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import shapely

from assets.base.position import NOWHERE, containing
from benchmarks.harness import Comparison, Peer
from demo.places import county_shapes

POINTS, PARCELS, VERTICES = 1_000_000, 200_000, 2_000
SHAPES = ("divisions", "parcels")


def prepare(folder: Path, points: int = POINTS, parcels: int = PARCELS) -> None:
    """Counties with as many vertices as real borders have, parcels side by side and turned, points over the whole box."""
    rng = np.random.default_rng(5)
    counties = county_shapes()
    outlines = [_winding(shape, VERTICES) for shape in counties.values()]
    _write(folder, "divisions", list(counties), outlines)
    west, south, east, north = shapely.total_bounds(outlines)
    across = int(np.sqrt(parcels))
    column, row = np.divmod(np.arange(across * across), across)
    x, y = west + (column + 0.5) * (east - west) / across, south + (row + 0.5) * (north - south) / across
    reach = min(east - west, north - south) / across * 0.49
    turned = rng.uniform(0, np.pi / 2, len(x))[:, None] + np.arange(4) * np.pi / 2
    corners = np.stack([x[:, None] + reach * np.cos(turned), y[:, None] + reach * np.sin(turned)], axis=2)
    _write(
        folder, "parcels", [f"P{number:07d}" for number in range(len(x))], shapely.polygons(corners).tolist()
    )
    at = {"x": rng.uniform(west, east, points), "y": rng.uniform(south, north, points)}
    pl.DataFrame(at).write_parquet(folder / "points.parquet")


def _winding(shape: shapely.Polygon, vertices: int) -> shapely.Geometry:
    """The same outline with a vertex every so often."""
    return shapely.segmentize(shape, shape.length / vertices)


def _write(folder: Path, name: str, codes: list[str], shapes: list[shapely.Geometry]) -> None:
    frame = pl.DataFrame(
        {"code": codes, "geometry": shapely.to_wkb(shapes).tolist()}, schema_overrides={"geometry": pl.Binary}
    )
    frame.write_parquet(folder / f"{name}.parquet")


def ours(folder: Path) -> None:
    """Each point with its division and its parcel."""
    points = pl.read_parquet(folder / "points.parquet")
    x, y = points["x"].to_numpy(), points["y"].to_numpy()
    for name in SHAPES:
        shapes = pl.read_parquet(folder / f"{name}.parquet")
        places = containing(shapely.from_wkb(shapes["geometry"].to_numpy()), x, y)
        index = pl.Series(places).replace(NOWHERE, None)
        found = pl.DataFrame({"code": shapes["code"].gather(index)})
        found.write_parquet(folder / f"{name}.ours.parquet")
        theirs = folder / f"{name}.theirs.parquet"
        if theirs.exists() and not found.equals(pl.read_parquet(theirs)):
            msg = f"{name}: the two sides found different shapes"
            raise AssertionError(msg)


COMPARISONS = (
    Comparison("spatial-join", "GeoPandas sjoin", 1 / 3, ours, Peer("geopandas", "join"), prepare),
)
