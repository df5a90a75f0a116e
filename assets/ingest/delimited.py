"""Delimited text: find the delimiter and the header among preamble lines, keep every row, also ragged ones.

Here belongs CSV and its relatives, already in UTF-8. A clean file is scanned lazily by Polars; a file with ragged
rows is read by Python's csv module, so that a row with too many or too few cells is kept and marked, never lost.
"""

from __future__ import annotations

import csv
import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import polars as pl

from assets.ingest.decoding import refuse
from quality.split import PROBLEM

DELIMITERS = (",", "\t", ";", "|", "，")
HEADER_SEARCH_LINES = 30
MAX_CELL = 128 * 1024**2


def read_delimited(path: Path, share_of: Callable[[Sequence[str]], float], title: str, code: str) -> tuple[list[str], pl.LazyFrame]:
    """Headers, and the frame of String columns ``c0`` … with ``_row`` and the problem column.

    ``share_of`` says how much of the entry a row of cells names as headers."""
    csv.field_size_limit(MAX_CELL)
    with path.open(encoding="utf-8", newline="") as file:
        lines = list(itertools.islice(file, HEADER_SEARCH_LINES))
    best = (0.0, 0, ",")
    for delimiter in DELIMITERS:
        for index, cells in enumerate(_rows(lines, delimiter)):
            share = share_of(cells)
            if share > best[0]:
                best = (share, index, delimiter)
    share, skip, delimiter = best
    if not share:
        raise refuse(f"找不到表头，请使用目录“{title}”的模板", f"no header of entry {code} was found: use its template")
    headers = list(next(itertools.islice(_rows(lines, delimiter), skip, None)))
    if _is_regular(path, delimiter, len(headers), skip):
        return headers, _scan(path, delimiter, len(headers), skip)
    return headers, _collect(path, delimiter, len(headers), skip)


def _rows(lines: Sequence[str], delimiter: str) -> Iterator[list[str]]:
    try:
        yield from csv.reader(lines, delimiter=delimiter)
    except csv.Error:
        return


def _is_regular(path: Path, delimiter: str, width: int, skip: int) -> bool:
    """Whether every line has the header's number of delimiters and none of the things Polars and csv differ on."""
    if len(delimiter.encode()) > 1 or skip:
        return False
    wanted, separator = width - 1, delimiter.encode()
    with path.open("rb") as file:
        for line in file:
            if line.count(separator) != wanted or b'"' in line or b"\0" in line or not line.strip():
                return False
    return True


def _scan(path: Path, delimiter: str, width: int, skip: int) -> pl.LazyFrame:
    return (
        pl.scan_csv(
            path,
            has_header=False,
            skip_lines=skip + 1,
            separator=delimiter,
            infer_schema=False,
            quote_char=None,
            schema={f"c{index}": pl.String() for index in range(width)},
        )
        .with_row_index("_row", 1)
        .with_columns(pl.col("_row").cast(pl.Int64))
    )


def _collect(path: Path, delimiter: str, width: int, skip: int) -> pl.LazyFrame:
    """Every row after the header by the csv module; blank rows are no rows, and ragged ones are marked."""
    numbers: list[int] = []
    problems: list[str | None] = []
    columns: list[list[str | None]] = [[] for _ in range(width)]
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.reader((line.replace("\0", "") for line in file), delimiter=delimiter)
        for number, cells in enumerate(itertools.islice(reader, skip + 1, None), start=1):
            if not any(cell.strip() for cell in cells):
                continue
            numbers.append(number)
            problems.append(None if len(cells) == width else f"{len(cells)} cells, {width} headers")
            kept = cells[: width - 1] + [delimiter.join(cells[width - 1 :])] if len(cells) > width else cells
            for index in range(width):
                columns[index].append(kept[index] if index < len(kept) else None)
    frame = pl.DataFrame(
        {"_row": pl.Series(numbers, dtype=pl.Int64), PROBLEM: pl.Series(problems, dtype=pl.String)}
        | {f"c{index}": pl.Series(cells, dtype=pl.String) for index, cells in enumerate(columns)}
    )
    return frame.lazy()
