"""GeoPandas: points to shapes by ``sjoin``, the way its guide does it."""

from __future__ import annotations

from pathlib import Path

import geopandas
import polars as pl
import shapely


def join(folder: Path) -> None:
    """Each point with its division and its parcel."""
    points = pl.read_parquet(folder / "points.parquet")
    frame = geopandas.GeoDataFrame(
        geometry=geopandas.points_from_xy(points["x"].to_numpy(), points["y"].to_numpy())
    )
    for name in ("divisions", "parcels"):
        shapes = pl.read_parquet(folder / f"{name}.parquet")
        other = geopandas.GeoDataFrame(
            {"code": shapes["code"].to_numpy()}, geometry=shapely.from_wkb(shapes["geometry"].to_numpy())
        )
        joined = geopandas.sjoin(frame, other, how="left", predicate="intersects")
        # a point on a border is in both shapes: the first is said
        joined = joined.sort_values("index_right")
        found = joined[~joined.index.duplicated()].sort_index()
        index = pl.Series(found["index_right"].fillna(-1).to_numpy().astype("int64")).replace(-1, None)
        pl.DataFrame({"code": shapes["code"].gather(index)}).write_parquet(folder / f"{name}.theirs.parquet")
