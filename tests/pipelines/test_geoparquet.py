"""GeoParquet: read back by DuckDB with its coordinate system, shapes and points alike."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
import shapely
from pyproj import CRS

from pipelines.geoparquet import NoGeometryError, write_geoparquet
from pipelines.query import QueryError, load_spatial


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "bureau.duckdb"
    shape = shapely.to_wkb(shapely.box(113.0, 23.0, 113.2, 23.1), hex=True)
    with duckdb.connect(str(file)) as connection:
        connection.execute("create schema base")
        sides = "113.0 as west, 23.0 as south, 113.2 as east, 23.1 as north"
        connection.execute(
            f"create table base.zone as select 'a' as code, from_hex('{shape}') as geometry, {sides} "
            "union all select 'b', null, null, null, null, null"
        )
        connection.execute(
            "create table base.place as select 'p' as code, 113.1 as longitude, 23.05 as latitude"
        )
        connection.execute("create table base.plain as select 1 as code")
    return file


@pytest.mark.parametrize(("table", "kind", "area"), [("zone", "Polygon", 0.02), ("place", "Point", 0.0)])
def test_a_gis_finds_shapes_box_and_coordinate_system(
    file: Path, tmp_path: Path, table: str, kind: str, area: float
) -> None:
    target = tmp_path / "out.parquet"
    assert write_geoparquet(file, f"base.{table}", target) == (2 if table == "zone" else 1)
    geo = json.loads(pq.read_metadata(target).metadata[b"geo"])
    column = geo["columns"][geo["primary_column"]]
    assert (geo["version"], column["geometry_types"]) == ("1.1.0", [kind])
    assert CRS.from_json_dict(column["crs"]).to_epsg() == 4490
    with duckdb.connect() as connection:
        load_spatial(connection)
        found = connection.execute(
            f"select st_area(geometry), bbox.xmin from read_parquet('{target}') where geometry is not null"
        ).fetchall()
    assert found == [(pytest.approx(area), pytest.approx(column["bbox"][0]))]


def test_a_table_without_places_and_one_that_is_not_there_are_told(file: Path, tmp_path: Path) -> None:
    with pytest.raises(NoGeometryError, match=r"base\.plain"):
        write_geoparquet(file, "base.plain", tmp_path / "out.parquet")
    with pytest.raises(QueryError):
        write_geoparquet(file, "base.nowhere", tmp_path / "out.parquet")
    with pytest.raises(QueryError, match="has not been built"):
        write_geoparquet(tmp_path / "none.duckdb", "base.zone", tmp_path / "out.parquet")
    with pytest.raises(QueryError, match="cannot be written"):
        write_geoparquet(file, "base.zone", tmp_path / "no" / "such" / "folder.parquet")
