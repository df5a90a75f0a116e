"""HTML saved as ``.xls``, as many government systems export it: the page's tables, cell by cell.

Here belongs the reading of ``<table>``, with spans, nested tables and the faults that browsers forgive. Nothing is fetched
or run, and what a page may grow to is bounded. Where the header stands is found as in any spreadsheet.
"""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import polars as pl

from assets.ingest.decoding import UnreadableError, refuse, utf8_file
from assets.ingest.gathering import MAX_COLUMNS, Gathering
from assets.ingest.headers import Sought
from assets.ingest.spreadsheets import under_header
from assets.ingest.table import Table, best_of
from catalog.model import Title
from quality.split import PROBLEM

#: A page is for reading: what is larger than this is pushed as CSV.
MAX_PAGE = 128 * 1024**2
MAX_TABLES = 200
#: Cells of a page, with those that spans leave blank: a few bytes of HTML can ask for thousands.
MAX_CELLS = 20_000_000
#: A tag, a comment or a script that goes on for longer is no export's.
MAX_UNFINISHED = 1 << 20
_CHUNK = 1 << 16
_SKIPPED = ("script", "style", "title", "xml")
_BREAKS = ("br", "p", "div")


def read_html(path: Path, sought: Sought, work: Path) -> Table:
    """The table whose header names most of what is sought, and after it all others that name as much. Raises
    :class:`UnreadableError`."""
    if path.stat().st_size > MAX_PAGE:
        raise _too_large()
    page = _Page(work)
    with utf8_file(path, work).open(encoding="utf-8") as file:
        while text := file.read(_CHUNK):
            page.feed(text)
            if len(page.rawdata) > MAX_UNFINISHED:
                raise _too_large()
    page.close()
    found = [table for cells in page.tables() if (table := under_header(cells, sought))]
    if not found:
        raise refuse(
            f"网页格式的表格中找不到表头，请使用目录“{sought.title.zh}”的模板",
            f"no table of the page has a header of {sought.title.en}: use its template",
        )
    return best_of(found, sought, Title(zh="表格", en="tables"))


def _too_large() -> UnreadableError:
    return refuse(
        "网页格式的表格过大或不完整，请另存为 CSV 或 XLSX 后推送",
        "the page of tables is too large, or not whole: save it as CSV or XLSX and push that",
    )


class _Grid:
    """One table while it is read: the row at work, its open cell, and the cells that spans from above take."""

    def __init__(self, work: Path) -> None:
        self._rows = Gathering(work, "page")
        self.height = self.width = 0
        self._row: list[str] | None = None
        self._cell: list[str] | None = None
        self._span = (1, 1)
        self._taken: dict[int, int] = {}

    @property
    def area(self) -> int:
        """How many cells the table takes, as a rectangle."""
        return self.height * self.width

    def cells(self) -> pl.DataFrame:
        """All rows, as text."""
        self.end_row()
        return self._rows.frame(self.width).drop("_row", PROBLEM).collect()

    def start_row(self) -> None:
        self.end_row()
        self._row = []

    def start_cell(self, span: tuple[int, int]) -> None:
        if self._row is None:
            self.start_row()
        self.end_cell()
        self._cell, self._span = [], span

    def add(self, text: str) -> None:
        if self._cell is not None:
            self._cell.append(text)

    def end_cell(self) -> None:
        """Put the cell in the first place that is free, and blanks where it spans: as a spreadsheet gives merged cells."""
        if self._cell is None or self._row is None:
            return
        self._skip_taken(self._row)
        down, right = self._span
        if len(self._row) + right > MAX_COLUMNS:
            raise _too_large()
        place = len(self._row)
        self._row += ["".join(self._cell), *[""] * (right - 1)]
        if down > 1:
            self._taken |= dict.fromkeys(range(place, place + right), down)
        self._cell = None

    def end_row(self) -> None:
        self.end_cell()
        if self._row is None:
            return
        self._skip_taken(self._row)
        self._taken = {place: left - 1 for place, left in self._taken.items() if left > 1}
        self.height, self.width = self.height + 1, max(self.width, len(self._row))
        if self.area > MAX_CELLS:
            raise _too_large()
        self._rows.add(self.height, [" ".join(cell.split()) or None for cell in self._row])
        self._row = None

    def _skip_taken(self, row: list[str]) -> None:
        while self._taken.get(len(row), 0) > 0 and len(row) < MAX_COLUMNS:
            row.append("")


class _Page(HTMLParser):
    """The tables of a page, each with the cells that are its own and not a nested table's."""

    def __init__(self, work: Path) -> None:
        super().__init__(convert_charrefs=True)
        self._work = work
        self._done: list[_Grid] = []
        self._open: list[_Grid] = []
        self._skipping = 0

    def tables(self) -> list[pl.DataFrame]:
        """The cells of each table that has some."""
        grids = [grid for grid in (*self._done, *self._open) if grid.height or grid in self._open]
        if sum(grid.area for grid in grids) > MAX_CELLS:
            raise _too_large()
        return [cells for grid in grids if (cells := grid.cells()).width]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _SKIPPED:
            self._skipping += 1
        elif tag == "table":
            if len(self._done) + len(self._open) >= MAX_TABLES:
                raise _too_large()
            self._open.append(_Grid(self._work))
        elif self._open:
            self._start_in_table(tag, dict(attrs))

    def _start_in_table(self, tag: str, given: dict[str, str | None]) -> None:
        grid = self._open[-1]
        if tag == "tr":
            grid.start_row()
        elif tag in ("td", "th"):
            grid.start_cell((_count(given.get("rowspan")), _count(given.get("colspan"))))
        elif tag in _BREAKS:
            grid.add(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag in _SKIPPED:
            self._skipping = max(0, self._skipping - 1)
        elif not self._open:
            return
        elif tag == "table":
            grid = self._open.pop()
            grid.end_row()
            self._done.append(grid)
        elif tag == "tr":
            self._open[-1].end_row()
        elif tag in ("td", "th"):
            self._open[-1].end_cell()

    def handle_data(self, data: str) -> None:
        if self._open and not self._skipping:
            self._open[-1].add(data)


def _count(said: str | None) -> int:
    """A span; what is no number, or none that a table can have, is one cell."""
    text = (said or "").strip()
    return max(1, int(text)) if text.isdecimal() and len(text) <= 6 else 1
