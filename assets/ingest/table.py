"""A table as a format's reader gives it, before the entry's names are put on it, and the joining of several.

Here belongs what the readers of all formats share about their result. What a header means is in ``headers.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import polars as pl

from assets.ingest.headers import Sought
from catalog.model import Title
from quality.split import PROBLEM


@dataclass(frozen=True)
class Table:
    """Headers, and a frame of String columns ``c0``, ``c1`` … in their order, with ``_row``, and
    :data:`~quality.split.PROBLEM` where rows may be unparsable; and remarks for the receipt."""

    headers: tuple[str, ...]
    frame: pl.LazyFrame
    notes: tuple[str, ...] = ()


def best_of(tables: Sequence[Table], sought: Sought, what: Title) -> Table:
    """Of several tables the one whose headers name most of what is sought, and after it all others that name as much; the
    others are counted in a remark. The caller has one at least."""
    shares = [sought.share(table.headers) for table in tables]
    taken = [table for table, share in zip(tables, shares, strict=True) if share == max(shares)]
    left = len(tables) - len(taken)
    notes = (
        *((f"已合并 {len(taken)} 个{what.zh} · {len(taken)} {what.en} joined",) if len(taken) > 1 else ()),
        *(
            (
                f"有 {left} 个{what.zh} 没有本资源的表头，未读取 · {left} {what.en} without this header were not read",
            )
            if left
            else ()
        ),
    )
    whole = joined(taken)
    return replace(whole, notes=(*notes, *whole.notes))


def joined(tables: Sequence[Table]) -> Table:
    """The tables' rows one after another, numbered through, under all their headers."""
    if len(tables) == 1:
        return tables[0]
    places: dict[str, int] = {}
    frames, before = [], 0
    for table in tables:
        target = {f"c{index}": f"c{place}" for index, place in enumerate(_places(places, table.headers))}
        frames.append(table.frame.rename(target).with_columns(pl.col("_row") + before))
        before += table.frame.select(pl.col("_row").max()).collect(engine="streaming").item() or 0
    notes = tuple(dict.fromkeys(note for table in tables for note in table.notes))
    return Table(
        tuple(header.partition("\0")[0] for header in places), pl.concat(frames, how="diagonal"), notes
    )


def _places(places: dict[str, int], headers: Sequence[str]) -> Iterator[int]:
    """The column each header has over all tables; blank and repeated headers are told apart by where they stand."""
    seen: set[str] = set()
    for index, header in enumerate(headers):
        unique = header if header and header not in seen else f"{header}\0{index}"
        seen.add(header)
        yield places.setdefault(unique, len(places))


def numbered(frame: pl.LazyFrame) -> pl.LazyFrame:
    """The frame with ``_row``, from 1."""
    return frame.with_row_index("_row", 1).with_columns(pl.col("_row").cast(pl.Int64))


def text_table(frame: pl.LazyFrame, headers: Sequence[str], problem: pl.Expr | None = None) -> Table:
    """Any typed frame as a table of text, nested values as JSON; ``problem`` says of a row why it cannot be used."""
    schema = frame.collect_schema()
    cells = [as_text(name, dtype).alias(f"c{index}") for index, (name, dtype) in enumerate(schema.items())]
    marks = [] if problem is None else [problem.alias(PROBLEM)]
    return Table(tuple(headers), numbered(frame.select(*marks, *cells)))


def as_text(name: str, dtype: pl.DataType) -> pl.Expr:
    """A column of any type as text, as a person would write it."""
    column = pl.col(name)
    if isinstance(dtype, pl.BaseExtension):
        # what databases call numeric, uuid or json travels as text or bytes under a name of its own
        storage = dtype.ext_storage()
        return _cast_to_text(column.ext.storage(), storage() if isinstance(storage, type) else storage)
    return _cast_to_text(column, dtype)


def _cast_to_text(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if isinstance(dtype, pl.Struct):
        return column.struct.json_encode()
    if isinstance(dtype, pl.List | pl.Array):
        # '{"v":[1,2]}' without what stands around the list
        text = pl.struct(column.alias("v")).struct.json_encode().str.slice(len('{"v":')).str.head(-1)
        return pl.when(column.is_not_null()).then(text)
    if dtype == pl.Binary:
        return column.bin.encode("hex")
    if isinstance(dtype, pl.Float64 | pl.Float32):
        whole = column.cast(pl.Int64, strict=False)
        exact = (column == whole) & (column.abs() < 2**53)
        return pl.when(exact).then(whole.cast(pl.String)).otherwise(column.cast(pl.String))
    return column.cast(pl.String)
