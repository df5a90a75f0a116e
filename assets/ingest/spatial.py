"""Shapefile and GeoPackage: features become rows, as those of GeoJSON do.

Here belongs the encoding of a shapefile's table, and the word of a file on its coordinate system. The reading itself is
GDAL's, in ``gdal.py``; coordinates are not moved here.
"""

from __future__ import annotations

import codecs
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from pyproj import CRS
from pyproj.exceptions import CRSError

from assets.ingest import gdal
from assets.ingest.decoding import REPLACEMENT, UnreadableError, refuse, scratch
from assets.ingest.headers import Sought
from assets.ingest.table import Table, text_table

#: A file whose features are not read by then never will be.
PATIENCE_SECONDS = 900
#: EPSG codes under which files of an entry's coordinate system come; plane ones with and without the number of the
#: zone in the easting. GCJ-02 and BD-09 are in no registry, and their files say WGS 84.
_EPSG: Mapping[str, frozenset[int]] = {
    "cgcs2000": frozenset({4490, 4326}),
    "wgs84": frozenset({4326, 4490}),
    "gcj02": frozenset({4326, 4490}),
    "bd09": frozenset({4326, 4490}),
    "gk114": frozenset({4547, 4526}),
    "gk111": frozenset({4546, 4525}),
}
_LANGUAGES = {0x4D: "gb18030", 0x4F: "big5"}
_CODE_PAGES = {
    **dict.fromkeys(("936", "ansi 936", "gbk", "gb2312", "cp936", "gb18030"), "gb18030"),
    **dict.fromkeys(("65001", "utf8", "utf-8"), "utf-8"),
    **dict.fromkeys(("950", "ansi 950", "cp950", "big5"), "big5"),
}


@dataclass(frozen=True)
class _Layer:
    """One layer's features: their headers, and a frame of as many columns, of which the first ``own`` are the file's
    and the others come of the shape."""

    headers: list[str]
    frame: pl.LazyFrame
    own: int


def read_shapefile(path: Path, sought: Sought, work: Path) -> Table:
    """The shapefile of which ``path`` is the ``.shp``; its other parts lie beside it."""
    for suffix in (".dbf", ".shx"):
        if not path.with_suffix(suffix).is_file():
            raise refuse(
                f"Shapefile 缺少 {suffix} 文件，请把 .shp、.shx、.dbf、.prj 一起打包",
                f"the shapefile lacks its {suffix}: pack .shp, .shx, .dbf and .prj together",
            )
    for layer in _layers("ESRI Shapefile", path, sought, work):
        return _decoded(layer, _declared_encoding(path))
    raise _broken()


def read_geopackage(path: Path, sought: Sought, work: Path) -> list[Table]:
    """Each layer of a GeoPackage as a table."""
    return [text_table(layer.frame, layer.headers) for layer in _layers("GPKG", path, sought, work)]


def _layers(driver: str, path: Path, sought: Sought, work: Path) -> list[_Layer]:
    """The layers, read in another process: a file that crashes GDAL is refused like any other damaged one."""
    folder = scratch(work, "layers")
    folder.mkdir(mode=0o700)
    command = [sys.executable, "-m", gdal.__name__, driver, str(path), str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=PATIENCE_SECONDS, check=True)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise _broken() from error
    return [_layer(sought, **layer) for layer in json.loads(done.stdout)]


def _layer(sought: Sought, *, crs: str, columns: list[str], path: str) -> _Layer:
    """The layer's columns, its shape, and coordinates of points where the entry has columns for them."""
    _require_system(sought, crs)
    frame = pl.scan_parquet(path)
    # by place: a column of the file may have the name of one of ours, and Parquet has then renamed the second
    stored = frame.collect_schema().names()
    shape = dict(zip((gdal.SHAPE, gdal.X, gdal.Y), stored[-3:], strict=True))
    wanted = [gdal.SHAPE, *(name for name in (gdal.X, gdal.Y) if sought.knows(name))]
    kept = [*stored[: len(columns)], *(shape[name] for name in wanted)]
    return _Layer([*columns, *wanted], frame.select(kept), len(columns))


def _require_system(sought: Sought, wkt: str) -> None:
    """Refuse coordinates that the file itself says are of another system than the entry: they would lie elsewhere. A
    file that says nothing, or something that is in no registry, is taken at the entry's word."""
    if not wkt or not sought.coordinate_system:
        return
    try:
        system = CRS.from_wkt(wkt)
    except CRSError:
        return
    code = system.to_epsg()
    expected = _EPSG[sought.coordinate_system]
    projected = sought.coordinate_system in ("gk114", "gk111")
    if code in expected or (code is None and system.is_projected == projected):
        return
    # by its code: a name is whatever the file says
    named = f"EPSG:{code}" if code else "?"
    raise refuse(
        f"文件的坐标系（{named}）与目录规定的 {sought.coordinate_system} 不符，请转换后推送，或修改目录",
        f"the file is in {named}, the entry says {sought.coordinate_system}: convert it, or mend the entry",
    )


def _declared_encoding(path: Path) -> str | None:
    """What the shapefile says of its text: in its ``.cpg``, or in a byte of its table; None where nothing known."""
    declared = path.with_suffix(".cpg")
    if declared.is_file():
        name = declared.read_bytes()[:40].decode("ascii", "replace").strip().lower()
        if name in _CODE_PAGES:
            return _CODE_PAGES[name]
    with path.with_suffix(".dbf").open("rb") as file:
        return _LANGUAGES.get((file.read(30) + bytes(30))[29])


def _decoded(layer: _Layer, declared: str | None) -> Table:
    """The table with texts in the encoding that fits all of them; a row with characters that cannot be decoded is
    marked."""
    frame, own = layer.frame, layer.headers[: layer.own]
    schema = list(frame.collect_schema().items())[: layer.own]
    texts = [name for name, dtype in schema if dtype == pl.String]
    words = {name: frame.select(pl.col(name).unique()).collect().to_series().drop_nulls() for name in texts}
    encoding = _fitting([*own, *(word for found in words.values() for word in found)], declared)
    meant = {
        name: pl.col(name).replace_strict(
            found, [_meant(word, encoding) for word in found], default=None, return_dtype=pl.String
        )
        for name, found in words.items()
    }
    broken = pl.any_horizontal(
        pl.lit(value=False),
        *(pl.col(name).str.contains(REPLACEMENT).fill_null(value=False) for name in texts),
    )
    return text_table(
        frame.with_columns(**meant),
        [*(_meant(name, encoding) for name in own), *layer.headers[layer.own :]],
        pl.when(broken).then(pl.lit("characters that the file's encoding does not have")),
    )


def _fitting(words: Sequence[str], declared: str | None) -> str:
    """The first encoding in which all words can be read, save for a last character that its field cut off."""
    for encoding in (declared, "utf-8", "gb18030"):
        if encoding and not any(REPLACEMENT in _meant(word, encoding) for word in words):
            return encoding
    return declared or "gb18030"


def _meant(word: str, encoding: str) -> str:
    """The word whose bytes came as Latin letters. A field is so many bytes wide: a character cut in two at its end is
    dropped, as there is nothing left of it to read."""
    raw = word.encode("latin-1", "replace")
    return codecs.getincrementaldecoder(encoding)("replace").decode(raw, final=False)


def _broken() -> UnreadableError:
    return refuse(
        "空间数据文件已损坏或不完整，请重新导出后推送",
        "the spatial file is broken or cut short: export and push it again",
    )
