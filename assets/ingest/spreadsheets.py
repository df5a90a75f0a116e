"""XLSX and XLS: find the header under titles and merged banners, and take every cell as text.

Here belongs what spreadsheets do to a table: several sheets, headers over several rows, numbers that were identifiers
once. The cells are read by fastexcel (calamine); formulas count as the value they last had.
"""

from __future__ import annotations

import itertools
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import fastexcel
import polars as pl

from assets.ingest import footnotes
from assets.ingest.decoding import UnreadableError, refuse
from assets.ingest.headers import Sought
from assets.ingest.table import Table, best_of, numbered
from catalog.model import Title

HEADER_SEARCH_ROWS = 30
HEADER_DEPTH = 3
#: A workbook is read whole, so what it holds when unpacked is bounded.
MAX_UNPACKED = 2 * 1024**3
#: Deflate cannot grow anything by more than this factor, so a small workbook needs no look inside.
_MAX_INFLATION = 1032
_SAFE_BYTES = 256 * 1024**2 // _MAX_INFLATION
_CHUNK = 1 << 20
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")


def read_spreadsheet(path: Path, sought: Sought) -> Table:
    """The sheet whose header names most of the entry's columns, and after it all others that name as much: a large
    register fills several. Raises :class:`UnreadableError`."""
    _refuse_bomb(path)
    try:
        book = fastexcel.read_excel(str(path))
        sheets = [_sheet(book, name, sought) for name in book.sheet_names]
    except fastexcel.FastExcelError as error:
        raise _unreadable(path) from error
    found = [sheet for sheet in sheets if sheet]
    if not found:
        raise refuse(
            f"电子表格中找不到表头，请使用目录“{sought.title.zh}”的模板",
            f"no sheet has a header of {sought.title.en}: use its template",
        )
    best = best_of(found, sought, Title(zh="工作表", en="sheets"))
    headless = len(sheets) - len(found)
    note = f"有 {headless} 个工作表没有表头，未读取 · {headless} sheets without a header were not read"
    return replace(best, notes=(*best.notes, *([note] if headless else [])))


def _sheet(book: fastexcel.ExcelReader, name: str, sought: Sought) -> Table | None:
    cells = book.load_sheet(name, header_row=None, skip_rows=0, dtypes="string").to_polars()
    return under_header(
        cells, sought, lambda body, rows_above: _without_false_digits(book, name, body, rows_above)
    )


def under_header(
    cells: pl.DataFrame, sought: Sought, mend: Callable[[pl.DataFrame, int], pl.DataFrame] | None = None
) -> Table | None:
    """Cells of text as a table: what stands under the header and above the footnotes; None where there is no header.

    ``mend`` is given the rows, and how many stand above them."""
    found = _header(cells, sought)
    if found is None:
        return None
    _, headers, rows_above = found
    body = cells.slice(rows_above).rename({column: f"c{index}" for index, column in enumerate(cells.columns)})
    below = footnotes.count(body.reverse().iter_rows())
    body = body.head(body.height - below)
    body = mend(body, rows_above) if mend else body
    filled = pl.any_horizontal(pl.exclude("_row").str.strip_chars().str.len_bytes() > 0)
    return Table(headers, numbered(body.lazy()).filter(filled), footnotes.note(below))


def _header(cells: pl.DataFrame, sought: Sought) -> tuple[float, tuple[str, ...], int] | None:
    """Share, headers and the count of rows down to the header's last: one row, or two or three where that names more."""
    rows = list(cells.head(HEADER_SEARCH_ROWS + HEADER_DEPTH).iter_rows())
    best: tuple[float, tuple[str, ...], int] | None = None
    for depth in range(1, HEADER_DEPTH + 1):
        for top in range(min(HEADER_SEARCH_ROWS, len(rows) - depth + 1)):
            if depth > 1 and not sought.stacks(rows[top : top + depth]):
                continue
            headers = _merged(rows[top : top + depth], sought)
            share = sought.share(headers)
            if share > (best[0] if best else 0.0):
                best = (share, headers, top + depth)
    return best


def _merged(rows: Sequence[Sequence[str | None]], sought: Sought) -> tuple[str, ...]:
    """One header a column. Over several rows a banner counts for the cells it spans, and a column's header is what the
    entry knows of: all its parts joined, or the lowest alone."""
    if len(rows) == 1:
        return tuple(cell or "" for cell in rows[0])
    banners = [*(list(_filled_forward(row)) for row in rows[:-1]), list(rows[-1])]
    headers = []
    for column in range(len(rows[0])):
        below = any(row[column] for row in rows[1:])
        parts = [row[column] for row in (banners if below else rows)]
        texts = list(dict.fromkeys(text for text in parts if text))
        choices = ["".join(texts), *reversed(texts)]
        headers.append(next((choice for choice in choices if sought.knows(choice)), choices[0]))
    return tuple(headers)


def _filled_forward(row: Sequence[str | None]) -> Iterator[str | None]:
    return itertools.accumulate(row, lambda before, cell: cell or before)


def _without_false_digits(
    book: fastexcel.ExcelReader, name: str, body: pl.DataFrame, rows_above: int
) -> pl.DataFrame:
    """A number holds 15 digits, so one with more has lost the rest: it is written as Excel shows it (4.41802E+17),
    which no check takes for an identifier. Text of so many digits stays."""
    suspects = [index for index, column in enumerate(body.columns) if _is_rounded(body[column]).any()]
    for index in suspects:
        if _is_text(book, name, index, rows_above):
            continue
        cells = body[f"c{index}"]
        shown = [f"{float(cell):.5E}" for cell in cells.filter(_is_rounded(cells))]
        body = body.with_columns(cells.scatter(_is_rounded(cells).arg_true(), shown))
    return body


def _is_rounded(cells: pl.Series) -> pl.Series:
    """Sixteen digits or more, and exactly what a number of 64 bits holds."""
    long = cells.str.contains(r"^-?\d{16,}$").fill_null(value=False)
    held = [int(float(cell)) == int(cell) if cell else False for cell in cells.filter(long)]
    return long.scatter(long.arg_true(), held) if held else long


def _is_text(book: fastexcel.ExcelReader, name: str, index: int, rows_above: int) -> bool:
    """Whether all cells of the column are text: fastexcel, when strict, says the type only where there is one."""
    try:
        sheet = book.load_sheet(
            name,
            header_row=None,
            skip_rows=rows_above,
            use_columns=[index],
            schema_sample_rows=None,
            dtype_coercion="strict",
        )
    except fastexcel.FastExcelError:
        return False
    return sheet.to_polars().dtypes == [pl.String]


def _refuse_bomb(path: Path) -> None:
    """Unpack an XLSX once, a megabyte at a time, to know what reading it whole would take."""
    if path.stat().st_size <= _SAFE_BYTES or not zipfile.is_zipfile(path):
        return
    unpacked = 0
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                with archive.open(member) as file:
                    while chunk := file.read(_CHUNK):
                        unpacked += len(chunk)
                        if unpacked > MAX_UNPACKED:
                            raise refuse(
                                "电子表格解压后过大，请改用 CSV 推送",
                                "the spreadsheet grows too large: push it as CSV",
                            )
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, EOFError) as error:
        raise _unreadable(path) from error


def _unreadable(path: Path) -> UnreadableError:
    with path.open("rb") as file:
        if _ENCRYPTED in file.read(_CHUNK):
            return refuse(
                "电子表格有密码，请取消密码后推送", "the spreadsheet has a password: remove it and push again"
            )
    return refuse(
        "不是完整的电子表格文件，可能只写了一半，请重新导出后推送",
        "not a whole spreadsheet, perhaps half-written: export and push again",
    )
