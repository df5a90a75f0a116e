"""A landed file → a raw frame: every cell as text, under the entry's column names, with its row number.

Here belong the formats and the recognition of them by content. A file is read as it is or refused with a reason; a
row that cannot be parsed stays, marked, so that it ends in quarantine and nothing is lost. Values are not judged here.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from assets.ingest.archives import Member, unpacked
from assets.ingest.decoding import UnreadableError, detect, is_data, plain_file, refuse, utf8_file
from assets.ingest.delimited import read_delimited
from assets.ingest.gathering import Gathering, encodable
from assets.ingest.headers import Match, Sought, SoughtByEntry, match, refusal
from assets.ingest.operations import OPERATION, place_of
from assets.ingest.table import Table, best_of, text_table
from catalog.model import Entry, Title
from quality.split import PROBLEM

UNKNOWN = "_unknown:"
#: The raw frame's column of a worklist that comes back: which refused row each was.
RETURNED = "_returned"
#: The header under which what could not be parsed stands whole, for the quarantine.
RAW = "原文"
#: JSON is read whole, and its text is a tenth of the memory that takes; NDJSON has no such limit.
MAX_DOCUMENT = 128 * 1024**2
MAX_LINE = 128 * 1024**2
_TWICE = "\0twice"
_WHOLE = re.compile(r"^(-?\d{1,15})\.0+$")
_Record = dict[str, Any]
#: Polars panics, which is no ordinary exception, on some damaged files.
_DAMAGED = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)


@dataclass(frozen=True)
class Reading:
    """A raw frame (String columns by entry name, ``_row`` from 1, columns of unknown headers as ``_unknown:…``),
    how its headers matched, and remarks for the receipt."""

    frame: pl.LazyFrame
    match: Match
    format: str
    notes: tuple[str, ...] = ()


def read(path: Path, entry: Entry, *, work: Path) -> Reading:
    """Read any supported file; scratch copies (decompressed, transcoded) go into ``work``.

    Raises :class:`UnreadableError`, whose reason says what to do."""
    kind, table = read_table(path, SoughtByEntry(entry), work=work)
    found = match(entry, table.headers)
    reason = refusal(entry, found)
    if reason:
        raise UnreadableError(reason)
    place = place_of(entry.delivery.operation, table.headers)
    found = replace(found, unknown=tuple(item for item in found.unknown if item[0] != place))
    notes = tuple(f"未知列 unknown column: {header}" for _, header in found.unknown)
    if entry.delivery.operation and place is None:
        notes += ("没有操作列，全部按新增或更新处理 · no operation column: all rows are inserted or updated",)
    return Reading(_named(table, found, place), found, kind, (*table.notes, *notes))


def read_table(path: Path, sought: Sought, *, work: Path) -> tuple[str, Table]:
    """The format and the table that does best as what is sought, under the headers it has. Raises
    :class:`UnreadableError`."""
    plain = plain_file(path, work)
    kind = detect(plain, path.name)
    return kind, _with_blank_headers_named(_READERS[kind](plain, sought, work))


def _with_blank_headers_named(table: Table) -> Table:
    """A column without a header keeps its cells, if it has any, under its place; without any it is no column."""
    blank = [index for index, header in enumerate(table.headers) if not header.strip()]
    if not blank:
        return table
    cells = pl.col([f"c{index}" for index in blank])
    filled = table.frame.select((cells.str.strip_chars() != "").any()).collect(engine="streaming").row(0)
    named = {index: f"第{index + 1}列" for index, has_cells in zip(blank, filled, strict=True) if has_cells}
    return replace(
        table, headers=tuple(named.get(index, header) for index, header in enumerate(table.headers))
    )


def _named(table: Table, found: Match, operation: int | None) -> pl.LazyFrame:
    known = [pl.col(f"c{index}").alias(name) for name, index in found.positions.items()]
    known += [] if operation is None else [pl.col(f"c{operation}").alias(OPERATION)]
    known += [] if found.worklist is None else [pl.col(f"c{found.worklist}").alias(RETURNED)]
    seen: dict[str, int] = {}
    further = []
    for index, header in found.unknown:
        seen[header] = seen.get(header, 0) + 1
        suffix = f" ({seen[header]})" if seen[header] > 1 else ""
        further.append(pl.col(f"c{index}").alias(f"{UNKNOWN}{header}{suffix}"))
    own = [name for name in ("_row", PROBLEM) if name in table.frame.collect_schema().names()]
    return table.frame.select("_row", *own[1:], *known, *further)


def _parquet(path: Path, _: Sought, __: Path) -> Table:
    """Scanned lazily, after one look at every page: a damaged one would stop the run that meets it."""
    try:
        frame = pl.scan_parquet(path)
        frame.select(pl.all().null_count()).collect(engine="streaming")
    except _DAMAGED as error:
        raise _broken("Parquet", "Parquet") from error
    return text_table(frame, frame.collect_schema().names())


def _arrow(path: Path, _: Sought, __: Path) -> Table:
    try:
        frame = pl.read_ipc(path) if _is_arrow_file(path) else pl.read_ipc_stream(path)
    except _DAMAGED as error:
        raise _broken("Arrow", "Arrow IPC") from error
    return text_table(frame.lazy(), frame.columns)


def _is_arrow_file(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(6) == b"ARROW1"


def _ndjson(path: Path, _: Sought, work: Path) -> Table:
    """One JSON object a line; keys may differ between lines; a line that is no object stays as a marked row. Where no line
    is one, nothing tells of which table they would be: refused."""
    records, lines, read = _Records(work, path.name), 0, 0
    with utf8_file(path, work).open(encoding="utf-8") as file:
        for number, line in enumerate(iter(lambda: file.readline(MAX_LINE), ""), start=1):
            if line.strip():
                record, problem = _record_of_line(line)
                records.add(number, record, problem)
                lines, read = lines + 1, read + (RAW not in record)
    if lines and not read:
        raise refuse(
            "没有一行是完整的 JSON 对象，可能只写了一半；请重新导出，每行一条记录",
            "no line is a whole JSON object, perhaps half-written: export again, one record a line",
        )
    return records.table()


def _record_of_line(line: str) -> tuple[_Record, str | None]:
    try:
        value = _decode_json(line)
    except ValueError:
        return {RAW: line.strip()}, "not JSON"
    return _record_of(value)


def _record_of(value: object) -> tuple[_Record, str | None]:
    """One item as a record; what is no object stays whole under :data:`RAW`."""
    if not isinstance(value, dict):
        return {RAW: value}, "not an object"
    record = _feature(value) if value.get("type") == "Feature" and "geometry" in value else value
    return record, "a key stands twice" if record.pop(_TWICE, None) else None


def _decode_json(text: str) -> object:
    """JSON with its numbers as they are written. Raises ValueError for what is not JSON, also when too deep."""
    try:
        return json.loads(text, parse_float=_Number, parse_int=_integer, object_pairs_hook=_object)
    except RecursionError:
        msg = "nested too deeply"
        raise ValueError(msg) from None


class _Number(float):
    """A number that keeps its text: an identifier written as a number must not lose digits."""

    text: str

    def __new__(cls, text: str) -> _Number:
        number = super().__new__(cls, text)
        number.text = text
        return number


def _integer(text: str) -> int | _Number:
    """Exact, save for thousands of digits, which Python does not convert and no identifier has."""
    return int(text) if len(text) <= 64 else _Number(text)


def _object(pairs: list[tuple[str, object]]) -> _Record:
    """An object; of a key that stands twice both values are kept, and the object is marked."""
    record = dict(pairs)
    if len(record) != len(pairs):
        for key in record:
            values = [value for name, value in pairs if name == key]
            record[key] = values if len(values) > 1 else values[0]
        record[_TWICE] = True
    return record


def _json(path: Path, sought: Sought, work: Path) -> Table:
    """An array of objects, an object with one such array inside (a page of an API), or GeoJSON."""
    if path.stat().st_size > MAX_DOCUMENT:
        limit = MAX_DOCUMENT >> 20
        raise refuse(
            f"JSON 文件超过 {limit} MB，请改用 NDJSON（每行一条记录）推送",
            f"a JSON document over {limit} MB: push it as NDJSON, one record a line",
        )
    text = utf8_file(path, work).read_text(encoding="utf-8")
    try:
        value = _decode_json(text)
    except ValueError as error:
        if len(text[:4096].splitlines()) > 1 and text.lstrip().startswith("{"):
            return _ndjson(path, sought, work)
        raise _broken("JSON", "JSON") from error
    items = _items(value)
    if items is None:
        raise refuse(
            "JSON 中没有记录数组，或不止一个", "the JSON holds no array of records, or more than one"
        )
    records = _Records(work, path.name)
    for number, item in enumerate(items, start=1):
        records.add(number, *_record_of(item))
    return records.table()


def _items(value: object, depth: int = 0) -> list[object] | None:
    """The records of a document: the document itself, or the one array of objects in it, at most three levels down."""
    if isinstance(value, list):
        return value
    if not isinstance(value, dict) or depth > 3:
        return None
    if value.get("type") == "FeatureCollection":
        return value["features"] if isinstance(value.get("features"), list) else None
    arrays = [
        item
        for item in value.values()
        if isinstance(item, list) and all(isinstance(row, dict) for row in item)
    ]
    if len(arrays) == 1:
        return arrays[0]
    nested = [
        found
        for item in value.values()
        if isinstance(item, dict) and (found := _items(item, depth + 1)) is not None
    ]
    if len(nested) == 1 and not arrays:
        return nested[0]
    return [value] if depth == 0 and not arrays and not nested else None


def _feature(feature: _Record) -> _Record:
    """A GeoJSON feature as a record: its properties, and ``geometry`` as GeoJSON text (and as coordinates where it is
    a point)."""
    properties, geometry = feature.get("properties"), feature.get("geometry")
    record = dict(properties) if isinstance(properties, dict) else {}
    if feature.get("id") is not None:
        record.setdefault("id", feature["id"])
    record["geometry"] = geometry
    if isinstance(geometry, dict) and geometry.get("type") == "Point":
        position = geometry.get("coordinates")
        if isinstance(position, list) and len(position) >= 2:
            record.setdefault("longitude", position[0])
            record.setdefault("latitude", position[1])
    return record


class _Records:
    """Records gathered into a table whose headers are the keys, in the order they first came."""

    def __init__(self, work: Path, name: str) -> None:
        self._gathering = Gathering(work, name)
        self._places: dict[str, int] = {}

    def add(self, number: int, record: _Record, problem: str | None) -> None:
        cells: list[str | None] = [None] * len(self._places)
        for key, value in record.items():
            place = self._places.setdefault(encodable(key), len(self._places))
            cells += [None] * (place + 1 - len(cells))
            cells[place] = _cell(value)
        self._gathering.add(number, cells, problem)

    def table(self) -> Table:
        return Table(tuple(self._places), self._gathering.frame(len(self._places)))


def _cell(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return encodable(value) if value else value
    if isinstance(value, _Number):
        # 2020.0 is how some exports write a whole number in a column that has gaps
        return _WHOLE.sub(r"\1", value.text)
    if isinstance(value, float) and math.isnan(value):
        return None  # NaN is how some exports write nothing
    if isinstance(value, bool) or not isinstance(value, int | float):
        return encodable(json.dumps(value, ensure_ascii=False))
    return str(value)


def _spreadsheet(path: Path, sought: Sought, _: Path) -> Table:
    from assets.ingest.spreadsheets import read_spreadsheet

    return read_spreadsheet(path, sought)


def _html(path: Path, sought: Sought, work: Path) -> Table:
    from assets.ingest.html_tables import read_html

    return read_html(path, sought, work)


def _delimited(path: Path, sought: Sought, work: Path) -> Table:
    found = read_delimited(path, work, sought.share, sought.title.zh, sought.title.en)
    return Table(found.headers, found.frame, found.notes)


def _geopackage(path: Path, sought: Sought, work: Path) -> Table:
    from assets.ingest.spatial import read_geopackage

    layers = read_geopackage(path, sought, work)
    if not layers:
        raise refuse("GeoPackage 中没有空间图层", "the GeoPackage holds no layer of features")
    return best_of(layers, sought, Title(zh="图层", en="layers"))


def _archive(path: Path, sought: Sought, work: Path) -> Table:
    """Every data file of a zip, a shapefile's parts as one. What is no data (a letter, a picture) is only counted."""
    members = unpacked(path, work)
    shapes = {member.path.stem for member in members if member.path.suffix == ".shp"}
    tables, other = [], 0
    for number, member in enumerate(members, 1):
        if member.path.stem in shapes and member.path.suffix != ".shp":
            continue
        table = _member(number, member, sought, work) if is_data(member.path.name) else None
        if table:
            tables.append(table)
        else:
            other += 1
    if not tables:
        raise refuse("压缩包中没有可以读取的数据文件", "the zip holds no file of data")
    best = best_of(tables, sought, Title(zh="文件", en="files"))
    note = f"压缩包中有 {other} 个其他文件未读取 · {other} other files in the zip were not read"
    return replace(best, notes=(*best.notes, *([note] if other else [])))


def _member(number: int, member: Member, sought: Sought, work: Path) -> Table | None:
    """A file of a zip as a table; None for a text that is none (读我.txt). It is refused by its ``number``: its name may be
    a person's, and more people read a refusal than may know whose rows were pushed."""
    try:
        if member.path.suffix == ".shp":
            from assets.ingest.spatial import read_shapefile

            return read_shapefile(member.path, sought, work)
        plain = plain_file(member.path, work)
        kind = detect(plain, member.path.name)
        if kind == "zip":
            raise refuse(
                "压缩包里还有压缩包，请直接打包数据文件", "a zip inside a zip: pack the data files themselves"
            )
        return _READERS[kind](plain, sought, work)
    except UnreadableError as error:
        if member.path.suffix == ".txt":
            return None
        raise refuse(
            f"压缩包中按名称排序的第 {number} 个文件：{error.reason.zh}",
            f"file {number} of the zip, by name: {error.reason.en}",
        ) from error


def _broken(zh: str, en: str) -> UnreadableError:
    return refuse(
        f"文件不是完整的{zh}文件，可能只写了一半，请重新导出后推送",
        f"not a whole {en} file, perhaps half-written: export and push again",
    )


_READERS: dict[str, Callable[[Path, Sought, Path], Table]] = {
    "parquet": _parquet,
    "arrow": _arrow,
    "json": _json,
    "ndjson": _ndjson,
    "spreadsheet": _spreadsheet,
    "html": _html,
    "delimited": _delimited,
    "geopackage": _geopackage,
    "zip": _archive,
}

__all__ = ["Reading", "Table", "UnreadableError", "read", "read_table"]
