"""``python -m assets.ingest.gdal DRIVER FILE FOLDER``: the layers of a spatial file as Parquet files, in a process of its own.

Here belongs only what must not run in ours: GDAL (by way of DuckDB's ``ST_Read``) may crash on a damaged file, and may
read whatever a file points to, so its connection sees two folders and no more. What it writes is read by ``spatial.py``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb

#: A shapefile's texts pass through as bytes: DuckDB's GDAL knows no Chinese encoding.
_OPTIONS = {"ESRI Shapefile": ", open_options=['ENCODING=ISO-8859-1']", "GPKG": ""}
#: What drivers add as a column: the place of the feature in the file.
_FEATURE_IDS = ("OGC_FID", "fid")
#: What is added of each feature's shape: the names of these columns in the Parquet file.
SHAPE, X, Y = "geometry", "longitude", "latitude"


def main() -> int:
    """Write each layer to the folder, and say on standard output what they are; 1 where the file cannot be read."""
    driver, path, folder = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    try:
        with _connection(path.parent, folder) as connection:
            layers = list(_layers(connection, driver, path, folder))
    except (duckdb.Error, ValueError) as error:
        sys.stderr.write(type(error).__name__)
        return 1
    json.dump(layers, sys.stdout)
    return 0


def _connection(*folders: Path) -> duckdb.DuckDBPyConnection:
    extension = next(Path(str(files("duckdb_extension_spatial"))).rglob("spatial.duckdb_extension"))
    connection = duckdb.connect(config={"threads": 1, "memory_limit": "1GB"})
    connection.execute(f"LOAD {_text(str(extension))}")
    connection.execute(f"SET allowed_directories = [{', '.join(_text(str(folder)) for folder in folders)}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def _layers(
    connection: duckdb.DuckDBPyConnection, driver: str, path: Path, folder: Path
) -> Iterator[dict[str, Any]]:
    """Each layer that has shapes: what it says of its coordinates, its columns, and its Parquet file."""
    for number, (layer, crs) in enumerate(_declared(connection, driver, path)):
        source = f"ST_Read({_text(str(path))}, allowed_drivers=[{_text(driver)}]{layer}{_OPTIONS[driver]})"
        described = connection.execute(f"DESCRIBE FROM {source}").fetchall()
        columns = [name for name, kind, *_ in described if not kind.startswith("GEOMETRY")]
        columns = [name for name in columns if name not in _FEATURE_IDS]
        (shape, *_) = (_name(name) for name, kind, *_ in described if kind.startswith("GEOMETRY"))
        target = folder / f"{number}.parquet"
        # every name and text in it is quoted
        selection = f"SELECT {', '.join((*map(_name, columns), *_of_shape(shape)))} FROM {source}"  # noqa: S608
        connection.execute(f"COPY ({selection}) TO {_text(str(target))} (FORMAT parquet)")
        yield {"crs": crs, "columns": columns, "path": str(target)}


def _declared(connection: duckdb.DuckDBPyConnection, driver: str, path: Path) -> Iterator[tuple[str, str]]:
    """The argument that names each layer, and its coordinate system as WKT. A shapefile is one layer; asking for its
    metadata would read its column names, which may be in any encoding."""
    if driver == "ESRI Shapefile":
        projection = path.with_suffix(".prj")
        yield "", projection.read_text(encoding="utf-8", errors="replace") if projection.is_file() else ""
        return
    rows = connection.execute(f"SELECT unnest(layers) FROM ST_Read_Meta({_text(str(path))})").fetchall()  # noqa: S608
    for (layer,) in rows:
        for shape in layer["geometry_fields"][:1]:
            yield f", layer={_text(layer['name'])}", (shape["crs"] or {}).get("wkt") or ""


def _of_shape(shape: str) -> Iterator[str]:
    is_point = f"ST_GeometryType({shape}) = 'POINT' AND NOT ST_IsEmpty({shape})"
    yield f"ST_AsGeoJSON({shape})::VARCHAR AS {SHAPE}"
    yield f"CASE WHEN {is_point} THEN ST_X({shape}) END AS {X}"
    yield f"CASE WHEN {is_point} THEN ST_Y({shape}) END AS {Y}"


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


if __name__ == "__main__":
    sys.exit(main())
