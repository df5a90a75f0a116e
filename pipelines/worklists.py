"""A department's worklist as a workbook: its open rows to be corrected, with the reasons in Chinese and the cells marked.

Here belongs the workbook. Which rows are open is decided in ``assets.quarantine``; who may have it, by who asks. It has the
headers of the catalogue, so that it can be corrected and pushed as it is; two columns of its own, which are passed over
when it comes back, say why and which row it was. Every cell is text: what looks like a formula is none.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from assets.build import Context
from assets.ingest.headers import WORKLIST_REASON, WORKLIST_ROW
from assets.quarantine import worklist
from catalog.model import Entry
from quality.plan import AnyRule, compile_entry

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
#: A sheet ends after 1,048,576 rows.
MOST_ROWS = 1_000_000
_NO_SHEET_NAME = re.compile(r"[\[\]:*?/\\']")


def workbook(context: Context, entries: Sequence[Entry]) -> bytes | None:
    """One sheet for each resource that has open rows; None where there are none."""
    import xlsxwriter

    lists = [(entry, rows) for entry in entries if (rows := worklist(context, entry)).height]
    if not lists:
        return None
    sink = io.BytesIO()
    with xlsxwriter.Workbook(sink, {"in_memory": True}) as book:
        formats = {
            "header": book.add_format({"bold": True, "bg_color": "#E8EEF4", "num_format": "@"}),
            "cell": book.add_format({"num_format": "@"}),
            "bad": book.add_format({"num_format": "@", "bg_color": "#FFC7CE", "font_color": "#9C0006"}),
            "reason": book.add_format({"num_format": "@", "text_wrap": True, "valign": "top"}),
        }
        for number, (entry, rows) in enumerate(lists, start=1):
            name = _NO_SHEET_NAME.sub("", entry.title.zh)[:25] or entry.code
            taken = any(sheet.get_name() == name for sheet in book.worksheets())
            sheet = book.add_worksheet(f"{name}{number}" if taken else name)
            _write(sheet, formats, entry, rows.head(MOST_ROWS))
    return sink.getvalue()


def _write(sheet: Any, formats: Mapping[str, Any], entry: Entry, rows: pl.DataFrame) -> None:
    columns = list(entry.columns)
    sheet.set_column(0, len(columns) - 1, 20, formats["cell"])
    sheet.set_column(len(columns), len(columns), 60, formats["reason"])
    sheet.set_column(len(columns) + 1, len(columns) + 1, 36, formats["cell"])
    headers = [*(entry.columns[name].title for name in columns), WORKLIST_REASON, WORKLIST_ROW]
    for place, header in enumerate(headers):
        sheet.write_string(0, place, header, formats["header"])
    sheet.freeze_panes(1, 0)
    marks = {rule.code: columns_of(rule) for rule in compile_entry(entry).rules}
    for line, record in enumerate(rows.iter_rows(named=True), start=1):
        cells = json.loads(record["cells"])
        bad = {name for reason in record["reasons"] for name in _marked(reason, marks)}
        for place, name in enumerate(columns):
            text = cells.get(name)
            if text is not None or name in bad:
                sheet.write_string(line, place, str(text or ""), formats["bad" if name in bad else "cell"])
        said = [reason["reason_zh"] for reason in record["reasons"]]
        sheet.write_string(line, len(columns), "；\n".join(said), formats["reason"])
        sheet.write_string(line, len(columns) + 1, f"{record['_push']}:{record['_row']}", formats["cell"])


def columns_of(rule: AnyRule) -> tuple[str, ...]:
    """The columns that a rule compares: the cells to look at."""
    named = (rule.arguments.get(name) for name in ("column", "column_A", "column_B", "id_column"))
    return (*(name for name in named if name), *rule.arguments.get("column_list", ()))


def _marked(reason: Mapping[str, Any], marks: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """The cells that a reason is about, also of a rule that the entry has no longer."""
    yield from marks.get(reason["rule"], ())
    if reason["column"]:
        yield reason["column"]
