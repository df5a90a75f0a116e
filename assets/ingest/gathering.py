"""Rows that come one at a time, gathered into a lazy frame in bounded memory.

Here belongs what the row-by-row readers share (ragged CSV, NDJSON, JSON): batches go to Parquet in the scratch folder, and
only a short file stays in memory. What a row means is the readers' business.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from assets.ingest.decoding import refuse, scratch
from quality.split import PROBLEM

BATCH_ROWS = 50_000
BATCH_CHARACTERS = 64 * 1024**2
#: No register has so many columns; a file that seems to is not the table it should be.
MAX_COLUMNS = 2_000


class Gathering:
    """Takes rows in order; :meth:`frame` gives them back as String columns ``c0``, ``c1`` … with ``_row`` and the
    problem column. A row may be shorter or longer than the one before it."""

    def __init__(self, work: Path, name: str) -> None:
        self._work, self._name = work, name
        self._parts: list[pl.LazyFrame] = []
        self._start_batch()

    def add(self, number: int, cells: Sequence[str | None], problem: str | None = None) -> None:
        """Keep one row: its number as a person counts it, its cells by position, and why it could not be parsed."""
        while len(self._columns) < len(cells):
            self._widen()
        self._numbers.append(number)
        self._problems.append(problem)
        for index, column in enumerate(self._columns):
            cell = cells[index] if index < len(cells) else None
            column.append(cell)
            self._characters += len(cell) if cell else 0
        if len(self._numbers) >= BATCH_ROWS or self._characters >= BATCH_CHARACTERS:
            self._flush()

    def frame(self, width: int) -> pl.LazyFrame:
        """All rows, with ``width`` columns at least."""
        while len(self._columns) < width:
            self._widen()
        return pl.concat([*self._parts, self._batch().lazy()], how="diagonal")

    def discard(self) -> None:
        """Forget all rows: the file is about to be read another way."""
        self._parts.clear()
        self._start_batch()

    def _start_batch(self) -> None:
        self._numbers: list[int] = []
        self._problems: list[str | None] = []
        self._columns: list[list[str | None]] = []
        self._characters = 0

    def _widen(self) -> None:
        if len(self._columns) >= MAX_COLUMNS:
            raise refuse(
                f"列数超过 {MAX_COLUMNS}，不是一张表，请检查分隔符或文件内容",
                f"more than {MAX_COLUMNS} columns: this is no table, check the delimiter or the content",
            )
        self._columns.append([None] * len(self._numbers))

    def _batch(self) -> pl.DataFrame:
        return pl.DataFrame(
            {
                "_row": pl.Series(self._numbers, dtype=pl.Int64),
                PROBLEM: pl.Series(self._problems, dtype=pl.String),
                **{
                    f"c{index}": pl.Series(cells, dtype=pl.String)
                    for index, cells in enumerate(self._columns)
                },
            }
        )

    def _flush(self) -> None:
        path = scratch(self._work, f"{self._name}.parquet")
        self._batch().write_parquet(path, compression="lz4")
        self._parts.append(pl.scan_parquet(path))
        self._start_batch()


def encodable(text: str) -> str:
    """Text that UTF-8 can hold: a lone surrogate, which only a broken export writes, becomes U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
