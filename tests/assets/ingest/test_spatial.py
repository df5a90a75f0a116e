"""Shapefile and GeoPackage: shapes, texts in whatever encoding, and coordinates of the system the entry says."""

from __future__ import annotations

import functools
import io
import json
import struct
import tempfile
import zipfile
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.ingest.decoding import UnreadableError
from assets.ingest.readers import UNKNOWN, Reading
from catalog.model import Entry

Read = Callable[..., Reading]
PARTS = ("shp", "shx", "dbf", "prj", "cpg")
ROWS = """SELECT * FROM (VALUES
    ('P1', '清远市清城区', 12.5, 'POLYGON ((0 0, 0 1, 1 1, 1 0, 0 0))'),
    ('P2', '佛冈县石角镇', NULL, 'POLYGON ((5 5, 5 6, 6 6, 5 5))')) AS t (no, 名称, area, wkt)"""
POINTS = "SELECT 'P1' AS no, ST_Point(113.05, 23.7) AS geom"
SHAPES = f"SELECT * EXCLUDE wkt, ST_GeomFromText(wkt) AS geom FROM ({ROWS})"


@functools.cache
def written(driver: str, suffix: str, query: str = SHAPES, srs: str = "EPSG:4490") -> dict[str, bytes]:
    """The files that GDAL makes of a query, by their endings."""
    extension = next(Path(str(files("duckdb_extension_spatial"))).rglob("spatial.duckdb_extension"))
    with tempfile.TemporaryDirectory() as folder, duckdb.connect(config={"threads": 1}) as connection:
        connection.execute(f"LOAD '{extension}'")
        encoding = ", LAYER_CREATION_OPTIONS 'ENCODING=UTF-8'" if suffix == "shp" else ""
        made = f"WITH (FORMAT gdal, DRIVER '{driver}', SRS '{srs}'{encoding})"
        connection.execute(f"COPY ({query}) TO '{Path(folder, 'parcels')}.{suffix}' {made}")
        return {path.suffix[1:]: path.read_bytes() for path in Path(folder).iterdir()}


def shapefile(query: str = SHAPES, srs: str = "EPSG:4490") -> dict[str, bytes]:
    return dict(written("ESRI Shapefile", "shp", query, srs))


def zipped(parts: dict[str, bytes], stem: str = "宗地") -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for suffix, content in parts.items():
            archive.writestr(f"{stem}.{suffix}", content)
    return sink.getvalue()


def in_gbk(parts: dict[str, bytes], *, declared: bool) -> dict[str, bytes]:
    """The shapefile as an old desktop GIS writes it: its table in GBK, with or without saying so."""
    table = parts["dbf"]
    count, start, width = struct.unpack("<IHH", table[4:12])
    fields = [table[place : place + 32] for place in range(32, start - 1, 32)]
    header = table[:32] + b"".join(
        field[:11].rstrip(b"\0").decode().encode("gbk").ljust(11, b"\0") + field[11:] for field in fields
    )
    rows = b""
    for row in range(count):
        place = start + row * width + 1
        rows += b" "
        for field in fields:
            cell = table[place : place + field[16]].decode().rstrip().encode("gbk")
            rows += cell.ljust(field[16])
            place += field[16]
    kept = {suffix: content for suffix, content in parts.items() if suffix != "cpg"}
    return kept | {"dbf": header + b"\r" + rows + b"\x1a"} | ({"cpg": b"GBK"} if declared else {})


@pytest.fixture
def parcel(entry_of: Callable[..., Entry]) -> Entry:
    return entry_of(
        {
            "no": {"title": "宗地代码", "element": "identifier", "required": True},
            "place": {"title": "名称", "element": "text"},
            "area": {"title": "面积", "element": "area"},
            "geometry": {"title": "图形", "element": "geometry", "required": True},
        },
        coordinate_system="cgcs2000",
    )


def rows_of(reading: Reading) -> list[Any]:
    return reading.frame.select("_row", "no", "place", "area").collect().rows()


EXPECTED = [(1, "P1", "清远市清城区", "12.5"), (2, "P2", "佛冈县石角镇", None)]


@pytest.mark.parametrize("encoding", ["utf-8", "gbk", "gbk, not said"])
def test_a_zipped_shapefile_in_any_encoding(reading: Read, parcel: Entry, encoding: str) -> None:
    parts = shapefile() if encoding == "utf-8" else in_gbk(shapefile(), declared=encoding == "gbk")
    found = reading(zipped(parts), "push.zip", parcel)
    assert rows_of(found) == EXPECTED
    shape = json.loads(found.frame.collect()["geometry"][0])
    assert shape["type"] == "Polygon"
    assert [0.0, 1.0] in shape["coordinates"][0]
    assert found.match.unknown == ()


def test_a_character_cut_in_two_by_its_field_is_dropped(reading: Read, parcel: Entry) -> None:
    parts = in_gbk(shapefile(), declared=False)
    whole = "清远市清城区".encode("gbk")
    parts["dbf"] = parts["dbf"].replace(whole, whole[:-1] + b" ")
    frame = reading(zipped(parts), "push.zip", parcel).frame.collect()
    assert frame["place"][0] == "清远市清城"
    assert frame["_problem"].null_count() == 2


def test_characters_that_cannot_be_decoded_mark_their_row_only(reading: Read, parcel: Entry) -> None:
    parts = shapefile()
    parts["dbf"] = parts["dbf"].replace("佛冈县".encode(), b"\xff\xff\xff" * 3)
    frame = reading(zipped(parts), "push.zip", parcel).frame.collect()
    assert frame["_problem"].is_null().to_list() == [True, False]


@pytest.mark.parametrize("missing", ["dbf", "shx"])
def test_a_shapefile_without_all_its_parts(reading: Read, parcel: Entry, missing: str) -> None:
    parts = shapefile()
    del parts[missing]
    with pytest.raises(UnreadableError, match=rf"lacks its \.{missing}"):
        reading(zipped(parts), "push.zip", parcel)


def test_a_geopackage(reading: Read, parcel: Entry) -> None:
    (content,) = written("GPKG", "gpkg").values()
    found = reading(content, "push.gpkg", parcel)
    assert rows_of(found) == EXPECTED
    assert rows_of(reading(zipped({"gpkg": content}), "push.zip", parcel)) == EXPECTED


def test_points_give_coordinates_where_the_entry_asks_for_them(
    reading: Read, parcel: Entry, entry_of: Callable[..., Entry]
) -> None:
    of = entry_of(
        {
            "no": {"title": "编号", "element": "identifier"},
            "longitude": {"title": "经度", "element": "longitude"},
            "latitude": {"title": "纬度", "element": "latitude"},
        }
    )
    content = zipped(shapefile(POINTS))
    frame = reading(content, "push.zip", of).frame.collect()
    assert frame.select("longitude", "latitude").rows() == [("113.05", "23.7")]
    assert f"{UNKNOWN}geometry" in frame.columns
    assert "longitude" not in reading(content, "push.zip", parcel).frame.collect().columns


@pytest.mark.parametrize(
    ("entrys", "files_", "agrees"),
    [
        ("cgcs2000", "EPSG:4490", True),
        ("gcj02", "EPSG:4326", True),
        ("gk114", "EPSG:4547", True),
        ("gk114", "EPSG:4526", True),
        ("gk111", "EPSG:4525", True),
        ("gk114", "EPSG:4546", False),
        ("gk114", "EPSG:4490", False),
        ("cgcs2000", "EPSG:4547", False),
        ("cgcs2000", "EPSG:3857", False),
    ],
)
def test_coordinates_of_another_system_are_refused(
    reading: Read, entry_of: Callable[..., Entry], entrys: str, files_: str, *, agrees: bool
) -> None:
    columns = {"geometry": {"title": "图形", "element": "geometry", "required": True}}
    of = entry_of(columns, coordinate_system=entrys)
    (package,) = written("GPKG", "gpkg", SHAPES, files_).values()
    for content, name in ((zipped(shapefile(SHAPES, files_)), "push.zip"), (package, "push.gpkg")):
        if agrees:
            assert reading(content, name, of).frame.collect().height == 2
        else:
            with pytest.raises(UnreadableError, match="convert it"):
                reading(content, name, of)


def test_what_lies_beside_the_scratch_folder_is_not_reachable(
    reading: Read, parcel: Entry, tmp_path: Path
) -> None:
    """A virtual dataset that points to a file elsewhere is no shapefile, whatever it is called."""
    secret = tmp_path / "secret.csv"
    secret.write_text("no\n1\n")
    virtual = f'<OGRVRTDataSource><OGRVRTLayer name="a"><SrcDataSource>{secret}</SrcDataSource></OGRVRTLayer></OGRVRTDataSource>'
    parts = shapefile() | {"shp": virtual.encode()}
    with pytest.raises(UnreadableError):
        reading(zipped(parts), "push.zip", parcel)


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    part=st.sampled_from(["gpkg", *PARTS]),
    start=st.integers(0, 100_000),
    dropped=st.integers(0, 60),
    junk=st.binary(max_size=30),
)
def test_damaged_spatial_files_are_refused_or_read(
    reading: Read, parcel: Entry, part: str, start: int, dropped: int, junk: bytes
) -> None:
    parts = written("GPKG", "gpkg") if part == "gpkg" else shapefile()
    place = start % len(parts[part])
    damaged = parts | {part: parts[part][:place] + junk + parts[part][place + dropped :]}
    content, name = (damaged["gpkg"], "push.gpkg") if part == "gpkg" else (zipped(damaged), "push.zip")
    try:
        reading(content, name, parcel).frame.collect()
    except UnreadableError as refusal:
        assert refusal.reason.zh


def test_a_column_that_has_the_name_of_one_of_ours(reading: Read, entry_of: Callable[..., Entry]) -> None:
    """It is the file's, and the shape is reported as repeated rather than lost."""
    of = entry_of({"no": {"title": "编号", "element": "identifier"}})
    content = zipped(shapefile("SELECT 'P1' AS no, 'x' AS geometry, ST_Point(113, 23) AS geom"))
    frame = reading(content, "push.zip", of).frame.collect()
    shapes = [cell for cell in frame.row(0) if isinstance(cell, str) and cell.startswith("{")]
    assert len(shapes) == 1
    assert "x" in frame.row(0)


@pytest.mark.parametrize("said", [b"zip", b"hex", b"rot13", b"undefined", b"\xff\xfe", b""])
def test_an_encoding_that_is_none_is_found_out(reading: Read, parcel: Entry, said: bytes) -> None:
    found = reading(zipped(shapefile() | {"cpg": said}), "push.zip", parcel)
    assert rows_of(found) == EXPECTED
