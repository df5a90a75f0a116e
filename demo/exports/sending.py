"""How an export travels: as rows of an exchange table, to the gateway, or as a file of some format.

Here belong the ways and the writing of files; which export travels how stands beside the export.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from catalog.model import Entry, Way
from demo.city import City

Export = Callable[[City], pl.DataFrame]


@dataclass(frozen=True)
class Sent:
    """One resource's export: text under the entry's column names, the way it travels, and its file's suffix."""

    export: Export
    way: Way
    suffix: str = ""

    @property
    def resource(self) -> str:
        """An export is named after its resource."""
        return self.export.__name__


def by_table(export: Export) -> Sent:
    """Written into the department's exchange database."""
    return Sent(export, Way.TABLE)


def by_api(export: Export) -> Sent:
    """Posted to the gateway as NDJSON."""
    return Sent(export, Way.API, ".ndjson")


def in_file(export: Export, suffix: str) -> Sent:
    """Laid into the drop folder, in a format of :data:`WRITERS`."""
    return Sent(export, Way.FILE, suffix)


def _csv(encoding: str) -> Callable[[pl.DataFrame, Entry, Path], None]:
    def write(rows: pl.DataFrame, entry: Entry, path: Path) -> None:
        path.write_bytes(_titled(rows, entry).write_csv(quote_style="necessary").encode(encoding))

    return write


def _titled(rows: pl.DataFrame, entry: Entry) -> pl.DataFrame:
    return rows.rename({name: entry.columns[name].title for name in rows.columns})


def _xlsx(rows: pl.DataFrame, entry: Entry, path: Path) -> None:
    """A spreadsheet as officers make it: a title above the header, everything as text."""
    import xlsxwriter

    titled = _titled(rows, entry)
    with xlsxwriter.Workbook(path, {"constant_memory": True, "strings_to_numbers": False}) as book:
        sheet = book.add_worksheet(entry.title.zh[:31])
        sheet.write_string(0, 0, f"清远市{entry.title.zh}")
        for column, title in enumerate(titled.columns):
            sheet.write_string(1, column, title)
        for number, row in enumerate(titled.iter_rows(), start=2):
            for column, cell in enumerate(row):
                if cell is not None:
                    sheet.write_string(number, column, cell)


def _ndjson(rows: pl.DataFrame, _: Entry, path: Path) -> None:
    rows.write_ndjson(path)


def _parquet(rows: pl.DataFrame, _: Entry, path: Path) -> None:
    rows.write_parquet(path)


def _geojson(rows: pl.DataFrame, _: Entry, path: Path) -> None:
    features = [
        {
            "type": "Feature",
            "properties": {k: v for k, v in row.items() if k != "geometry"},
            "geometry": json.loads(row["geometry"]),
        }
        for row in rows.iter_rows(named=True)
    ]
    path.write_text(
        json.dumps({"type": "FeatureCollection", "features": features}, ensure_ascii=False), encoding="utf-8"
    )


WRITERS: Mapping[str, Callable[[pl.DataFrame, Entry, Path], None]] = {
    ".csv": _csv("utf-8-sig"),
    "（GB18030）.csv": _csv("gb18030"),
    ".xlsx": _xlsx,
    ".ndjson": _ndjson,
    ".parquet": _parquet,
    ".geojson": _geojson,
}
