"""Delimited text: find the delimiter and the header among preamble lines, keep every row, also ragged ones.

Here belongs CSV and its relatives. A file whose every line is well formed is scanned lazily by Polars, which one look
at the lines makes sure of; any other is read row by row, so that a row with too many or too few cells, a stray
quote or broken characters is kept and marked, never lost.
"""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
from polars.io.plugins import register_io_source

from assets.ingest import footnotes
from assets.ingest.decoding import REPLACEMENT, Text, refuse, transcoded, utf8_text
from assets.ingest.gathering import Gathering
from assets.ingest.lines import BLANK, NotUtf8Error, look_at_lines

DELIMITERS = (",", "\t", ";", "|", "，")
HEADER_SEARCH_LINES = 30
HEADER_SEARCH_BYTES = 1 << 20
MAX_CELL = 128 * 1024**2
#: A quoted cell that runs over more lines than this was never meant to: its quote is stray.
MAX_CELL_LINES = 200
TAIL_BYTES = 1 << 16
BATCH = 200_000
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_END = "\x1aend"


@dataclass(frozen=True)
class Delimited:
    """Headers, the frame of String columns ``c0`` … with ``_row`` and perhaps the problem column, and remarks."""

    headers: tuple[str, ...]
    frame: pl.LazyFrame
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Layout:
    """How the file is laid out: its delimiter, the lines up to and with the header, the headers, whether lines end
    in a lone carriage return, and the lines of footnotes at its end."""

    delimiter: str
    header_lines: int
    headers: tuple[str, ...]
    lone_returns: bool
    footnotes: int = 0


def read_delimited(
    path: Path, work: Path, share_of: Callable[[Sequence[str]], float], title: str, code: str
) -> Delimited:
    """Read the file; ``share_of`` says how much of the entry a row of cells names as headers."""
    csv.field_size_limit(MAX_CELL)
    text = utf8_text(path, work)
    layout = _layout(text.path, share_of)
    if layout is None and not text.certain:
        text = transcoded(path, work)
        layout = _layout(text.path, share_of)
    if layout is None:
        raise refuse(
            f"找不到表头，请使用目录“{title}”的模板", f"no header of entry {code} was found: use its template"
        )
    try:
        found = None if text.broken else _scan(text.path, layout)
    except NotUtf8Error:
        # only the head had been decoded, and bytes further down are not UTF-8, or a line was too long to be looked at
        text, found = transcoded(path, work), None
        if not text.broken:
            with suppress(NotUtf8Error):
                found = _scan(text.path, layout)
    return found or _gather(text, layout, work)


def _layout(path: Path, share_of: Callable[[Sequence[str]], float]) -> _Layout | None:
    """Where the header is: the line among the first that names most of the entry, under any delimiter."""
    with path.open("rb") as file:
        head = file.read(HEADER_SEARCH_BYTES).decode("utf-8", "replace").removeprefix("\ufeff")
    lines = [line.group() for line in itertools.islice(_LINE.finditer(head), HEADER_SEARCH_LINES * 4)]
    lone_returns = any(line.endswith("\r") for line in lines)
    best, found = 0.0, None
    for delimiter in DELIMITERS:
        reader = csv.reader(lines, delimiter=delimiter)
        for cells in itertools.islice(_unbroken(reader), HEADER_SEARCH_LINES):
            share = share_of(cells)
            if share > best:
                best, found = share, _Layout(delimiter, reader.line_num, tuple(cells), lone_returns)
    return replace(found, footnotes=_footnotes(path, found)) if found else None


def _unbroken(rows: Iterator[list[str]]) -> Iterator[list[str]]:
    """The rows up to the first that csv cannot read."""
    try:
        yield from rows
    except csv.Error:
        return


def _footnotes(path: Path, layout: _Layout) -> int:
    """How many lines at the end are notes about the table."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - TAIL_BYTES))
        lines = file.read().decode("utf-8", "replace").split("\n")
    lines = lines[1:] if size > TAIL_BYTES else lines[layout.header_lines :]
    if len(layout.headers) < 3 or layout.lone_returns:
        return 0
    if lines and lines[-1] == "":
        lines.pop()
    whole = itertools.takewhile(lambda line: line.count('"') % 2 == 0, reversed(lines))
    return footnotes.count(line.split(layout.delimiter) for line in whole)


def _scan(path: Path, layout: _Layout) -> Delimited | None:
    """The lazy scan, where every line is one well-formed row; None where some are not."""
    if len(layout.delimiter.encode()) > 1 or layout.footnotes or layout.lone_returns:
        return None
    lines = look_at_lines(path, layout.header_lines, layout.delimiter, len(layout.headers))
    if not lines.regular:
        return None
    names = [f"c{index}" for index in range(len(layout.headers))]
    frame = (
        pl.scan_csv(
            path,
            has_header=False,
            skip_lines=layout.header_lines,
            separator=layout.delimiter,
            infer_schema=False,
            quote_char='"' if lines.quoted else None,
            schema=dict.fromkeys(names, pl.String),
        )
        .with_row_index("_row", 1)
        .with_columns(pl.col("_row").cast(pl.Int64))
    )
    if lines.blank:
        frame = frame.filter(pl.any_horizontal(pl.col(names).str.strip_chars(BLANK).str.len_bytes() > 0))
    return Delimited(layout.headers, _in_batches(frame))


def _in_batches(frame: pl.LazyFrame) -> pl.LazyFrame:
    """The same rows, :data:`BATCH` at a time: Polars hands out a CSV file in bits of a tenth of that, and each costs
    every column's cleaning a fixed effort that is more than the cleaning itself."""

    def batches(
        columns: list[str] | None, predicate: pl.Expr | None, rows: int | None, _: int | None
    ) -> Iterator[pl.DataFrame]:
        wanted = frame if columns is None else frame.select(columns)
        if predicate is not None:
            wanted = wanted.filter(predicate)
        if rows is not None:
            wanted = wanted.head(rows)
        yield from wanted.collect_batches(chunk_size=BATCH, maintain_order=True, lazy=True)

    return register_io_source(batches, schema=frame.collect_schema(), is_pure=True)


def _gather(text: Text, layout: _Layout, work: Path) -> Delimited:
    """Every row after the header, one at a time: first as CSV has it, and line by line where the quotes do not pair."""
    gathering = Gathering(work, text.path.name)
    try:
        if not _gather_rows(text, layout, gathering, _quoted_rows):
            gathering.discard()
            _gather_rows(text, layout, gathering, _lines_as_rows)
    except csv.Error as error:
        raise refuse(
            "有单元格超过 128 MB，请检查引号是否成对",
            "a cell is larger than 128 MB: check that the quotes are paired",
        ) from error
    return Delimited(layout.headers, gathering.frame(len(layout.headers)), footnotes.note(layout.footnotes))


_Row = tuple[list[str], str | None]


def _gather_rows(
    text: Text,
    layout: _Layout,
    gathering: Gathering,
    rows_of: Callable[[Iterator[str], str], Iterator[_Row | None]],
) -> bool:
    """Gather the rows; False, having stopped, where ``rows_of`` finds that the file is not what it takes it for."""
    width = len(layout.headers)
    with text.path.open(encoding="utf-8", newline="") as file:
        lines = (line.replace("\0", "") for line in itertools.islice(file, layout.header_lines, None))
        for number, row in enumerate(
            rows_of(_without_last(lines, layout.footnotes), layout.delimiter), start=1
        ):
            if row is None:
                return False
            cells, problem = row
            if not any(cell.strip(BLANK) for cell in cells):
                continue
            if text.broken and any(REPLACEMENT in cell for cell in cells):
                problem = "characters that the file's encoding does not have"
            gathering.add(number, _fitted(cells, width, layout.delimiter), problem or _ragged(cells, width))
    return True


def _without_last(lines: Iterator[str], count: int) -> Iterator[str]:
    """All but the last ``count`` lines."""
    held: list[str] = []
    for line in lines:
        held.append(line)
        if len(held) > count:
            yield held.pop(0)


def _quoted_rows(lines: Iterator[str], delimiter: str) -> Iterator[_Row | None]:
    """Rows with quoting as RFC 4180 has it; None where a quote never ends, or so late that it must be stray."""
    reader, before = csv.reader(itertools.chain(lines, ["\n", _END]), delimiter=delimiter), 0
    for cells in reader:
        if cells == [_END] and next(lines, None) is None:
            return
        if reader.line_num - before > MAX_CELL_LINES:
            break
        before = reader.line_num
        yield cells, None
    yield None


def _lines_as_rows(lines: Iterator[str], delimiter: str) -> Iterator[_Row | None]:
    """Each line one row; one whose quotes do not pair is split at every delimiter, and marked."""
    for line in lines:
        bare = line.rstrip("\r\n")
        if bare.count('"') % 2:
            yield bare.split(delimiter), "a quotation mark without its partner"
        else:
            yield next(csv.reader([bare], delimiter=delimiter), []), None


def _fitted(cells: list[str], width: int, delimiter: str) -> list[str]:
    """At most ``width`` cells: what is too much stays, joined, in the last one."""
    return cells if len(cells) <= width else [*cells[: width - 1], delimiter.join(cells[width - 1 :])]


def _ragged(cells: list[str], width: int) -> str | None:
    return None if len(cells) == width else f"{len(cells)} cells, {width} headers"
