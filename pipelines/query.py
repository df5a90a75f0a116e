"""``citylake sql``: one read-only query over the analyst's (or the bureau's) DuckDB file.

Here belongs opening the file safely and printing a result. What the file shows is decided in ``assets.analyst``.
"""

from __future__ import annotations

import csv
import io
import json
import re
from enum import StrEnum
from importlib.resources import files
from pathlib import Path

import duckdb
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

from catalog.errors import MendableError
from lake.quoting import sql_text

#: Spatial functions and types; loading them takes longer than most queries.
_SPATIAL = re.compile(r"\bst_[a-z]+\s*\(|\bgeometry\s*[:)]|::\s*geometry\b", re.IGNORECASE)


class Format(StrEnum):
    """How a result is printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


class QueryError(MendableError, RuntimeError):
    """The query could not be run; says why and what to do next."""


def load_spatial(connection: duckdb.DuckDBPyConnection) -> None:
    """Load DuckDB's spatial functions, from the package index's own wheel: nothing is downloaded."""
    extension = next(Path(str(files("duckdb_extension_spatial"))).rglob("spatial.duckdb_extension"))
    connection.execute(f"LOAD {sql_text(extension)}")


def query(file: Path, sql: str) -> tuple[list[str], list[tuple[object, ...]]]:
    """Column names and rows; raises :class:`QueryError`. The file is opened read-only; spatial functions are there."""
    if not file.exists():
        msg = f"{file.name} has not been built yet: run `citylake demo`, or `citylake materialize ops`"
        raise QueryError(msg)
    try:
        with duckdb.connect(str(file), read_only=True) as connection:
            if _SPATIAL.search(sql):
                load_spatial(connection)
            result = connection.execute(sql)
            return [column[0] for column in result.description or []], result.fetchall()
    except duckdb.CatalogException as error:
        msg = f"{error}\nops.catalogue lists every table and column"
        raise QueryError(msg) from None
    except duckdb.Error as error:
        raise QueryError(str(error)) from None


#: So many rows that are too wide for the screen are shown one below the other, a line for each value.
MOST_RECORDS = 50


def _width(names: list[str], texts: list[list[str]]) -> int:
    """What a table of these cells would take, if none were cut."""
    widths = [max(cell_len(text) for text in column) for column in zip(names, *texts, strict=True)]
    return sum(widths) + 3 * len(widths) + 1


def _record(number: int, names: list[str], row: list[str]) -> str:
    widest = max(cell_len(name) for name in names)
    lines = (
        f"{name}{' ' * (widest - cell_len(name))}  {text}" for name, text in zip(names, row, strict=True)
    )
    return "\n".join([f"── {number} ──", *lines])


def render(names: list[str], rows: list[tuple[object, ...]], how: Format) -> str:
    """The result as a table for people, or as CSV or JSON for programs."""
    if how is Format.JSON:
        records = [dict(zip(names, row, strict=True)) for row in rows]
        return json.dumps(records, ensure_ascii=False, default=str, indent=1)
    if how is Format.CSV:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(rows)
        return text.getvalue().rstrip("\n")
    texts = [["" if cell is None else str(cell) for cell in row] for row in rows]
    console = Console(file=io.StringIO(), width=max(80, Console().width))
    if _width(names, texts) > console.width and len(rows) <= MOST_RECORDS:
        return "\n".join(_record(number, names, row) for number, row in enumerate(texts, start=1))
    table = Table(*names, header_style="bold")
    for row in texts:
        table.add_row(*row)
    console.print(table)
    return str(console.file.getvalue()).rstrip("\n")  # type: ignore[attr-defined]
