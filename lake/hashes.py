"""Hashes of rows: by which two rows, or two tables in any order, are told apart.

Here belongs what is hashed and how; nothing here is a secret or a mask.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import polars as pl
import polars_hash as plh

#: The column that carries a row's hash.
ROW_HASH = "_row_hash"


def row_hash(columns: Sequence[str], schema: pl.Schema) -> pl.Expr:
    """A 64-bit hash of a row's values as Int64 (Delta has no unsigned), stable across Polars versions.

    Columns are joined by a separator no text holds, and null is told from empty. Not a secret: internal only."""
    texts = [_hashable(name, schema[name]).fill_null("\x1e") for name in columns]
    # a fifth sooner than concat_str with a separator
    joined = pl.format("\x1f".join(["{}"] * len(texts)), *texts)
    return plh.col("_")._from_pyexpr(joined._pyexpr).nchash.xxh3_64().reinterpret(signed=True)  # type: ignore[attr-defined, no-any-return]


def _hashable(name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if dtype == pl.Binary:
        return column.bin.encode("hex")
    if dtype == pl.Date:
        return column.map_batches(_day_texts, return_dtype=pl.String, is_elementwise=True)
    return column.cast(pl.String)


def _day_texts(days: pl.Series) -> pl.Series:
    """The dates as text; where there are more rows than days between the first and the last, each day is written once."""
    numbers = days.to_physical()
    first, last = numbers.min(), numbers.max()
    if not isinstance(first, int) or not isinstance(last, int) or last - first >= len(days):
        return days.cast(pl.String)
    start = first - first % _SPAN
    return _texts_of_days(start, last + _SPAN - last % _SPAN).gather(numbers - start)


#: So many days, about twenty years, are written together: other batches of a push mostly ask for the same ones.
_SPAN = 7_500


@lru_cache(maxsize=8)
def _texts_of_days(start: int, end: int) -> pl.Series:
    """Each day from ``start`` up to but without ``end``, counted from 1970, as text."""
    return pl.int_range(start, end, dtype=pl.Int32, eager=True).cast(pl.Date).cast(pl.String)


def fingerprint(rows: pl.LazyFrame) -> tuple[int, int, int]:
    """Row count, and the sum and xor of row hashes: equal for equal content in any order (within one process)."""
    hashes = rows.select(pl.struct(pl.all()).hash(seed=1).alias("h"))
    # sums of 64-bit hashes are taken in two halves so that they cannot overflow
    result = hashes.select(
        pl.len().alias("n"),
        (pl.col("h") % 4294967291).sum().alias("low"),
        (pl.col("h") // 4294967291).sum().alias("high"),
    ).collect(engine="streaming")
    return tuple(result.row(0))


def fingerprints(rows: pl.LazyFrame, columns: Sequence[str], by: Sequence[str]) -> pl.LazyFrame:
    """Of each group of rows what :func:`fingerprint` says of all: equal for equal content in any order."""
    hashed = rows.select(*by, pl.struct(columns).hash(seed=1).alias("h"))
    return hashed.group_by(by).agg(
        pl.len().alias("n"),
        (pl.col("h") % 4294967291).sum().alias("low"),
        (pl.col("h") // 4294967291).sum().alias("high"),
    )
