"""The search for canaries in whatever somebody can read: as they are, encoded, hashed, and inside what is compressed.

Here belong the forms in which a value might have slipped through, and getting everything out of files: Parquet with its
statistics, DuckDB, SQLite, zip and gzip. What is planted, and where it may stand, is in ``city_of_canaries``.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import math
import re
import sqlite3
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import quote

import duckdb
import polars as pl
import pyarrow.parquet as pq


class Planted(Protocol):
    """What is looked for."""

    @property
    def value(self) -> str:
        """As a person would write it."""


Sought = TypeVar("Sought", bound=Planted)


def found(canaries: Iterable[Sought], readable: bytes) -> list[Sought]:
    """The canaries that stand in the readable bytes, in any form."""
    listed = list(canaries)
    # every byte becomes one character, so that all forms of all canaries are sought in one pass
    needles = {form.decode("latin-1"): canary.value for canary in listed for form in forms(canary.value)}
    text = readable.decode("latin-1")
    hits = pl.Series([text]).str.extract_many(list(needles), overlapping=True)[0].unique()
    seen = {needles[hit] for hit in hits if len(hit) >= SHORT or _stands_alone(hit, text)}
    return [canary for canary in listed if canary.value in seen]


#: Anything shorter is found by chance inside a random number.
SHORT = 9


def _stands_alone(hit: str, text: str) -> bool:
    return re.search(rf"(?<![0-9A-Za-z-]){re.escape(hit)}(?![0-9A-Za-z-])", text) is not None


def forms(value: str) -> Iterator[bytes]:
    """A value as text in the usual encodings, as hexadecimal, base64 and URL, backwards, in full width, as JSON writes it,
    as a number or a date in another notation, and under unkeyed hashes."""
    plain = value.encode()
    for text in {value, value.translate(_FULL_WIDTH), *_notations(value)}:
        yield from (text.encode(encoding) for encoding in ("utf-8", "utf-16-le", "utf-16-be", "gb18030"))
    yield value[::-1].encode()
    # as JSON writes it into logs and databases
    yield value.encode("unicode_escape")
    yield plain.hex().encode()
    yield plain.hex().upper().encode()
    yield quote(value).encode()
    for offset in range(3):
        # the characters that the value alone decides, wherever it begins, at one of three offsets: all of them, since a
        # few would be found by chance
        first, last = math.ceil(offset * 8 / 6), (offset + len(plain)) * 8 // 6
        ours = base64.b64encode(b"\0" * offset + plain)[first:last]
        yield from (ours, ours.translate(_URL_SAFE))
    for algorithm in ("md5", "sha1", "sha256", "sm3"):
        yield hashlib.new(algorithm, plain).hexdigest()[:32].encode()


_FULL_WIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
_URL_SAFE = bytes.maketrans(b"+/", b"-_")


def _notations(value: str) -> Iterator[str]:
    """A date with other signs between; a number with commas; the bytes of a floating-point number, in hexadecimal."""
    if re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        year, month, day = value.split("-")
        yield from ("/".join((year, month, day)), f"{year}年{int(month)}月{int(day)}日")
    if re.fullmatch(r"\d+(\.\d+)?", value) and len(value) < 17:
        yield from (
            f"{Decimal(value):,}",
            struct.pack("<d", float(value)).hex(),
            struct.pack(">d", float(value)).hex(),
        )


def readable_bytes(paths: Iterable[Path]) -> bytes:
    """Everything somebody can get out of files and folders: raw bytes, and what they hold once decoded."""
    parts: set[bytes] = set()
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                parts |= {file.name.encode(), file.read_bytes(), *_decoded(file)}
    return b"\n".join(parts)


def unpacked(content: bytes) -> bytes:
    """A workbook (or any zip file, or gzip) with what is compressed in it; anything else as it is."""
    if content[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(content)) as parts:
            return b"\n".join(
                [content, *(name.encode() + b"\n" + parts.read(name) for name in parts.namelist())]
            )
    return content + gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content


def arrow_bytes(stream: bytes) -> bytes:
    """The cells of an Arrow stream, which writes texts end to end."""
    return b"\n".join([stream, *_cells(pl.read_ipc_stream(io.BytesIO(stream)).rows())])


def _decoded(file: Path) -> Iterator[bytes]:
    if file.suffix == ".db":
        yield from _cells(list(_stored(file)))
    if file.suffix in (".gz", ".xlsx", ".zip"):
        yield unpacked(file.read_bytes())
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
