"""A lake in which every value that somebody must not see is unique, and a search for them in whatever is
readable.

Each column that is not shared unconditionally holds a canary: a value found nowhere else. They come in groups
of twelve subjects alike in everything else, so that no product is withheld for small groups. The search
decompresses Parquet, reads footers, logs and DuckDB's catalogue, and looks for each canary as it is, encoded,
and hashed.
"""

from __future__ import annotations

import base64
import hashlib
import math
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
import polars as pl
import pyarrow.parquet as pq

from assets.build import Context
from catalog.elements import ELEMENTS
from catalog.elements.check_digits import resident_check
from catalog.load import Catalogue
from catalog.model import Entry, SharingType
from lake.hashes import row_hash
from masking.columns import standard_columns

SUBJECTS = 12
PUSH = "pushcanary"
#: Masks under which a conditional value reaches a role that may see conditional values as it is.
LETS_THROUGH = {"keep", "scrub"}


@dataclass(frozen=True)
class Canary:
    """A planted value, where it was planted, and whether a role's own tables may show it."""

    resource: str
    column: str
    value: str
    in_role_tables: bool


def resident_ids() -> list[str]:
    """Twelve valid numbers, the same in every resource: they join."""
    bodies = pl.Series([f"44180219870615{number:03d}" for number in range(701, 701 + SUBJECTS)])
    return (bodies + resident_check(bodies)).to_list()


def plant(context: Context) -> list[Canary]:
    """Write every resource's standard table, and say what was planted where."""
    planted: list[Canary] = []
    for number, entry in enumerate(context.catalogue.entries.values()):
        rows = rows_of(context.catalogue, entry, number)
        context.lake.append("standard", entry.code, rows)
        planted += canaries_of(entry, rows)
    planted.append(Canary("any", "_push", PUSH, in_role_tables=False))
    return planted


def rows_of(catalogue: Catalogue, entry: Entry, number: int) -> pl.DataFrame:
    columns: dict[str, pl.Series] = {}
    for index, (name, column) in enumerate(entry.columns.items()):
        element = ELEMENTS[column.element]
        tag = number * 40 + index
        values = (
            [column.values[0]] * SUBJECTS
            if column.values
            else _values(column.element, f"{entry.code}·{name}", tag)
        )
        columns[name] = pl.Series(values, dtype=element.dtype)
        for companion in element.companions:
            columns[name + companion.suffix] = pl.Series([None] * SUBJECTS, dtype=companion.dtype)
    frame = pl.DataFrame(columns)
    if entry.delivery.key:
        frame = frame.unique(list(entry.delivery.key), keep="first", maintain_order=True)
    return frame.with_columns(
        pl.lit(f"{PUSH}-{entry.code}").alias("_push"),
        pl.int_range(pl.len(), dtype=pl.Int64).alias("_row"),
        pl.lit(date(2026, 1, 1)).alias("_data_date"),
        pl.lit(datetime(2026, 1, 2, tzinfo=UTC)).dt.cast_time_unit("us").alias("_received_at"),
        row_hash(frame.columns, frame.schema).alias("_row_hash"),
        pl.lit([], pl.List(pl.String)).alias("_warnings"),
    )


def _values(element: str, where: str, tag: int) -> list[Any]:
    """Twelve values of an element: alike, but for the identifiers."""
    if element in ("resident_id", "subject_code"):
        return list(resident_ids())
    if element in ("identifier", "licence_id"):
        return [f"编号{where}·{subject:02d}" for subject in range(SUBJECTS)]
    alike: dict[str, Any] = {
        "credit_code": "91441802617971616D",
        "organisation_code": "617971616",
        "registration_no": "441800000000017",
        "licence_type_code": "11100000MB0143028R001",
        "division_code": "441802001",
        "bank_account": f"62284804{tag:09d}7",
        "mobile": f"1397{tag:07d}",
        "phone": f"0763-3{tag:06d}",
        "address": f"广东省清远市清城区东城街道暗{where}路9号",
        "date": date(1931, 1, 1) + timedelta(days=tag),
        "datetime": datetime(1931, 1, 1, 3, tzinfo=UTC) + timedelta(days=tag),
        "month": f"{1900 + tag % 30}-11",
        "year": 2001,
        "amount": Decimal(f"73{tag:05d}.17"),
        "capital": Decimal(f"73{tag:05d}.19"),
        "integer": 3,
        "decimal": 1.5,
        "area": float(f"7300{tag}.13"),
        "longitude": 113.05,
        "latitude": 23.7,
        "geometry": _square(),
        "sex": "1",
        "ethnicity": "珞巴族",
    }
    return [alike.get(element, f"暗{where}暗")] * SUBJECTS


def _square() -> bytes:
    import shapely

    return bytes(shapely.to_wkb(shapely.box(113.0, 23.6, 113.1, 23.7)))


#: Elements whose planted value is the same everywhere, or is public: nothing to look for.
_COMMON = {
    "credit_code", "organisation_code", "registration_no", "licence_type_code", "division_code", "year", "integer",
    "decimal", "longitude", "latitude", "geometry", "sex",
}  # fmt: skip


def canaries_of(entry: Entry, rows: pl.DataFrame) -> Iterator[Canary]:
    for name, column in standard_columns(entry).items():
        if column.system or column.sharing is SharingType.UNCONDITIONAL or name not in entry.columns:
            continue
        if column.element in _COMMON or entry.columns[name].values:
            continue
        # a month is computed anew by a theme, which then keeps its type and, being of a low grade, its value
        shown = column.mask.method in LETS_THROUGH or column.element == "month"
        through = column.sharing is SharingType.CONDITIONAL and shown
        for value in rows[name].unique().to_list():
            yield Canary(entry.code, name, str(value), through)


def found(canaries: Iterable[Canary], readable: bytes) -> list[Canary]:
    """The canaries that stand in the readable bytes, in any form."""
    listed = list(canaries)
    # every byte becomes one character, so that all forms of all canaries are sought in one pass
    needles = {form.decode("latin-1"): canary.value for canary in listed for form in forms(canary.value)}
    haystack = pl.Series([readable.decode("latin-1")])
    seen = {needles[hit] for hit in haystack.str.extract_many(list(needles), overlapping=True)[0]}
    return [canary for canary in listed if canary.value in seen]


def forms(value: str) -> Iterator[bytes]:
    """A value as text in the usual encodings, as hexadecimal, base64 and URL, backwards, and under unkeyed
    hashes."""
    plain = value.encode()
    yield plain
    yield from (value.encode(encoding) for encoding in ("utf-16-le", "utf-16-be", "gb18030"))
    yield value[::-1].encode()
    # as JSON writes it into logs and databases
    yield value.encode("unicode_escape")
    yield plain.hex().encode()
    yield quote(value).encode()
    for offset in range(3):
        # the characters that the value alone decides, wherever it begins, at one of three offsets: all of them, since a
        # few would be found by chance
        first, last = math.ceil(offset * 8 / 6), (offset + len(plain)) * 8 // 6
        yield base64.b64encode(b"\0" * offset + plain)[first:last]
    for algorithm in ("md5", "sha1", "sha256", "sm3"):
        yield hashlib.new(algorithm, plain).hexdigest()[:32].encode()


def readable_bytes(paths: Iterable[Path]) -> bytes:
    """Everything somebody can get out of files and folders: raw bytes, and what they hold once decoded."""
    parts: set[bytes] = set()
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                parts |= {file.name.encode(), file.read_bytes(), *_decoded(file)}
    return b"\n".join(parts)


def _decoded(file: Path) -> Iterator[bytes]:
    if file.suffix == ".db":
        yield from _cells(list(_stored(file)))
    if file.suffix == ".parquet":
        footer = pq.ParquetFile(file).metadata
        for group in range(footer.num_row_groups):
            for index in range(footer.num_columns):
                bounds = footer.row_group(group).column(index).statistics
                yield from _cells([bounds.min, bounds.max] if bounds and bounds.has_min_max else [])
        yield from _cells(pq.read_table(file).to_pylist())
    if file.suffix == ".duckdb":
        with duckdb.connect(str(file), read_only=True) as connection:
            views = connection.execute("SELECT * FROM duckdb_views() WHERE NOT internal").fetchall()
            columns = connection.execute("SELECT * FROM duckdb_columns() WHERE NOT internal").fetchall()
            names = connection.execute(
                "SELECT schema_name, view_name FROM duckdb_views() WHERE NOT internal"
            ).fetchall()
            yield repr([views, columns]).encode()
            for schema, view in names:
                yield from _cells(connection.execute(f'FROM "{schema}"."{view}"').fetchall())


def _stored(file: Path) -> Iterator[Any]:
    """Every cell of a SQLite database, and what is compressed in it."""
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as connection:
        tables = [
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        for table in tables:
            for row in connection.execute(f'SELECT * FROM "{table}"'):
                for cell in row:
                    yield cell
                    with suppress(zlib.error, TypeError):
                        yield zlib.decompress(cell).decode("latin-1")
    connection.close()


def _cells(value: Any) -> Iterator[bytes]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from _cells(item)
    elif isinstance(value, bytes):
        yield value.hex().encode()
    elif value is not None:
        yield str(value).encode()
