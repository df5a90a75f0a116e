"""A landed file → a raw frame: every cell as text, under the entry's column names, with its row number.

Here belong the formats and the recognition of them by content. A file is read as it is or refused with a reason; a
row that cannot be parsed stays, marked, so that it ends in quarantine and nothing is lost. Values are not judged here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from assets.ingest.decoding import UnreadableError, detect, plain_file, refuse, utf8_file
from assets.ingest.delimited import read_delimited
from assets.ingest.headers import Match, match, refusal
from catalog.model import Entry
from quality.split import PROBLEM

UNKNOWN = "_unknown:"
#: How far down a title, a date line or a merged banner may push the header.
HEADER_SEARCH_ROWS = 30


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
    plain = plain_file(path, work)
    kind = detect(plain, path.name)
    table = _READERS[kind](plain, entry, work)
    found = match(entry, table.headers)
    reason = refusal(entry, found)
    if reason:
        raise UnreadableError(reason)
    notes = tuple(f"未知列 unknown column: {header}" for _, header in found.unknown)
    return Reading(_named(table, found), found, kind, notes)


@dataclass(frozen=True)
class Table:
    """What a format's reader gives: headers, and a frame of String columns ``c0``, ``c1`` … in their order, with
    ``_row``, and :data:`~quality.split.PROBLEM` where rows may be unparsable."""

    headers: tuple[str, ...]
    frame: pl.LazyFrame


def _named(table: Table, found: Match) -> pl.LazyFrame:
    known = [pl.col(f"c{index}").alias(name) for name, index in found.positions.items()]
    seen: dict[str, int] = {}
    further = []
    for index, header in found.unknown:
        seen[header] = seen.get(header, 0) + 1
        suffix = f" ({seen[header]})" if seen[header] > 1 else ""
        further.append(pl.col(f"c{index}").alias(f"{UNKNOWN}{header}{suffix}"))
    own = [name for name in ("_row", PROBLEM) if name in table.frame.collect_schema().names()]
    return table.frame.select("_row", *own[1:], *known, *further)


def _numbered(frame: pl.LazyFrame) -> pl.LazyFrame:
    return frame.with_row_index("_row", 1).with_columns(pl.col("_row").cast(pl.Int64))


def _of_text(frame: pl.LazyFrame, headers: Sequence[str]) -> Table:
    """Any typed frame as a table of text; nested values as JSON."""
    schema = frame.collect_schema()
    cells = [_as_text(name, dtype).alias(f"c{index}") for index, (name, dtype) in enumerate(schema.items())]
    return Table(tuple(headers), _numbered(frame.select(cells)))


def _as_text(name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if isinstance(dtype, pl.Struct):
        return column.struct.json_encode()
    if isinstance(dtype, pl.List | pl.Array):
        return pl.struct(column).struct.json_encode()
    if dtype == pl.Binary:
        return column.bin.encode("hex")
    if isinstance(dtype, pl.Float64 | pl.Float32):
        whole = column.cast(pl.Int64, strict=False)
        exact = (column == whole) & (column.abs() < 2**53)
        return pl.when(exact).then(whole.cast(pl.String)).otherwise(column.cast(pl.String))
    return column.cast(pl.String)


def _parquet(path: Path, _: Entry, __: Path) -> Table:
    try:
        frame = pl.scan_parquet(path)
        return _of_text(frame, frame.collect_schema().names())
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _broken("Parquet", "Parquet") from error


def _arrow(path: Path, _: Entry, __: Path) -> Table:
    try:
        frame = pl.read_ipc_stream(path) if not _is_arrow_file(path) else pl.read_ipc(path, memory_map=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _broken("Arrow", "Arrow IPC") from error
    return _of_text(frame.lazy(), frame.columns)


def _is_arrow_file(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(6) == b"ARROW1"


def _ndjson(path: Path, _: Entry, work: Path) -> Table:
    """One JSON object a line; keys may differ between lines; a line that is no object stays as a marked row."""
    records: list[dict[str, object] | None] = []
    with utf8_file(path, work).open(encoding="utf-8") as file:
        for line in file:
            if line.strip():
                records.append(_json_object(line))
    return _of_records(records)


def _json_object(line: str) -> dict[str, object] | None:
    try:
        value = json.loads(line)
    except (json.JSONDecodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _json(path: Path, entry: Entry, work: Path) -> Table:
    """An array of objects, an object with one such array inside (a page of an API), or GeoJSON."""
    try:
        value = json.loads(utf8_file(path, work).read_text(encoding="utf-8"))
    except (json.JSONDecodeError, RecursionError) as error:
        if len(path.read_bytes()[:4096].splitlines()) > 1:
            return _ndjson(path, entry, work)
        raise _broken("JSON", "JSON") from error
    if isinstance(value, dict) and value.get("type") == "FeatureCollection":
        return _of_records([_feature(item) for item in value.get("features") or []])
    if isinstance(value, dict):
        arrays = [item for item in value.values() if isinstance(item, list)]
        value = arrays[0] if len(arrays) == 1 else [value]
    if not isinstance(value, list):
        raise refuse("JSON 中没有记录数组", "the JSON holds no array of records")
    return _of_records([item if isinstance(item, dict) else None for item in value])


def _feature(feature: object) -> dict[str, object] | None:
    """A GeoJSON feature as a record: its properties, and ``geometry`` as GeoJSON text (and as coordinates where it is
    a point)."""
    if not isinstance(feature, dict) or not isinstance(feature.get("properties") or {}, dict):
        return None
    geometry = feature.get("geometry")
    record = dict(feature.get("properties") or {})
    record["geometry"] = json.dumps(geometry, ensure_ascii=False) if geometry else None
    if isinstance(geometry, dict) and geometry.get("type") == "Point" and len(geometry.get("coordinates") or ()) >= 2:
        record.setdefault("longitude", geometry["coordinates"][0])
        record.setdefault("latitude", geometry["coordinates"][1])
    return record


def _of_records(records: Sequence[dict[str, object] | None]) -> Table:
    headers = tuple(dict.fromkeys(str(key) for record in records if record for key in record))
    columns = {
        f"c{index}": pl.Series([_cell(record.get(header)) if record else None for record in records], dtype=pl.String)
        for index, header in enumerate(headers)
    }
    problems = pl.Series(["not an object" if record is None else None for record in records], dtype=pl.String)
    frame = pl.DataFrame({**columns, PROBLEM: problems})
    return Table(headers, _numbered(frame.lazy()))


def _cell(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    if isinstance(value, int | float):
        return str(value)
    return json.dumps(value, ensure_ascii=False)


def _spreadsheet(path: Path, entry: Entry, _: Path) -> Table:
    """The sheet, and the row in it, that names most of the entry's columns; every cell as text."""
    import fastexcel

    try:
        book = fastexcel.read_excel(str(path))
        sheets = [
            book.load_sheet(name, header_row=None, skip_rows=0, dtypes="string").to_polars() for name in book.sheet_names
        ]
    except fastexcel.FastExcelError as error:
        raise _broken("电子表格", "spreadsheet") from error
    best: tuple[float, pl.DataFrame, int] | None = None
    for sheet in sheets:
        for index, row in enumerate(sheet.head(HEADER_SEARCH_ROWS).iter_rows()):
            share = match(entry, row).share
            if share and (best is None or share > best[0]):
                best = (share, sheet, index)
    if best is None:
        raise refuse(
            f"电子表格中找不到表头，请使用目录“{entry.title.zh}”的模板", f"no sheet has a header of entry {entry.code}: use its template"
        )
    _, sheet, index = best
    headers = tuple("" if cell is None else str(cell) for cell in sheet.row(index))
    body = sheet.slice(index + 1)
    numbered = body.rename({name: f"c{place}" for place, name in enumerate(body.columns)}).with_row_index("_row", 1)
    filled = numbered.filter(~pl.all_horizontal(pl.col(f"c{place}").is_null() for place in range(len(headers))))
    return Table(headers, filled.with_columns(pl.col("_row").cast(pl.Int64)).lazy())


def _delimited(path: Path, entry: Entry, work: Path) -> Table:
    headers, frame = read_delimited(utf8_file(path, work), lambda cells: match(entry, cells).share, entry.title.zh, entry.code)
    return Table(tuple(headers), frame)


def _broken(zh: str, en: str) -> UnreadableError:
    return refuse(f"文件不是完整的{zh}文件，可能只写了一半，请重新导出后推送", f"not a whole {en} file, perhaps half-written: export and push again")


_READERS: dict[str, Callable[[Path, Entry, Path], Table]] = {
    "parquet": _parquet,
    "arrow": _arrow,
    "json": _json,
    "ndjson": _ndjson,
    "spreadsheet": _spreadsheet,
    "delimited": _delimited,
}

__all__ = ["Reading", "Table", "UnreadableError", "read"]
