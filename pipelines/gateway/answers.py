"""What the gateway answers with: receipts, what a resource expects, templates, the rows in quarantine.

Here belong the shapes of answers, made from what other packages know. Addresses and permissions are in ``app.py``.
"""

from __future__ import annotations

import csv
import html
import io
import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import polars as pl

from catalog.model import Entry, Limits
from lake.ledger import Push
from lake.tables import Lake

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
REASON_COLUMNS = ("row", "column", "rule", "reason_zh", "reason_en", "cells")
#: A spreadsheet takes a cell that begins so for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def receipt(push: Push) -> dict[str, Any]:
    """What became of a push."""
    return {
        "receipt": push.id,
        "resource": push.resource,
        "state": push.state.value,
        "state_zh": push.state.title,
        "data_date": push.data_date.isoformat(),
        "received_at": push.received_at.isoformat(),
        "bytes": push.size,
        "sha256": push.digest,
        "rows": push.rows,
        "accepted": push.accepted,
        "quarantined": push.rejected,
        "reason": push.reason_zh,
        "reason_en": push.reason_en,
        "failures": dict(push.failures or {}),
        "notes": list(push.notes or ()),
        "identical_to": push.same_as,
        "reasons": f"/v1/receipts/{push.refusals}/reasons" if push.rejected else None,
    }


def expected(entry: Entry, content_types: Collection[str], allowed: Limits) -> dict[str, Any]:
    """What a push of this resource must look like, and the bounds of its department."""
    return {
        "resource": entry.code,
        "title": entry.title.zh,
        "title_en": entry.title.en,
        "frequency": entry.frequency.value,
        "mode": entry.delivery.mode.value,
        "key": list(entry.delivery.key),
        "ways": [way.value for way in entry.delivery.ways],
        "content_types": list(content_types),
        "template": f"/v1/resources/{entry.code}/template.xlsx",
        "limits": {
            "bytes_per_push": allowed.bytes,
            "pushes_at_once": allowed.at_once,
            "pushes_per_minute": allowed.a_minute,
        },
        "columns": [
            {
                "name": name,
                "title": column.title,
                "element": column.element,
                "required": column.required,
                "values": list(column.values),
                "headers": list(entry.header_names(name)),
            }
            for name, column in entry.columns.items()
        ],
    }


def csv_template(entry: Entry) -> bytes:
    """The headers alone; the mark makes spreadsheets read it as UTF-8."""
    text = io.StringIO()
    csv.writer(text).writerow(column.title for column in entry.columns.values())
    return ("\ufeff" + text.getvalue()).encode()


def xlsx_template(entry: Entry) -> bytes:
    """The headers alone, over cells formatted as text, so that an identifier typed in stays one."""
    import xlsxwriter

    sink = io.BytesIO()
    with xlsxwriter.Workbook(sink, {"in_memory": True}) as book:
        sheet = book.add_worksheet()
        bold, text = book.add_format({"bold": True}), book.add_format({"num_format": "@"})
        sheet.set_column(0, len(entry.columns) - 1, 20, text)
        for place, column in enumerate(entry.columns.values()):
            sheet.write_string(0, place, column.title, bold)
        sheet.freeze_panes(1, 0)
    return sink.getvalue()


def quarantined(lake: Lake, push: Push) -> Iterator[dict[str, Any]]:
    """One record for each reason of each row of the push that is in quarantine."""
    if not push.rejected or not lake.exists("quarantine", push.resource):
        return
    rows = lake.scan("quarantine", push.resource).filter(pl.col("_push") == push.refusals)
    flat = rows.select(pl.col("_row").alias("row"), "cells", "reasons").explode("reasons").unnest("reasons")
    yield from flat.select(REASON_COLUMNS).sort("row", maintain_order=True).collect().iter_rows(named=True)


def as_ndjson(records: Iterator[dict[str, Any]]) -> Iterator[bytes]:
    """One JSON object a line."""
    for record in records:
        yield (
            json.dumps(record | {"cells": json.loads(record["cells"])}, ensure_ascii=False) + "\n"
        ).encode()


def as_csv(records: Iterator[dict[str, Any]]) -> Iterator[bytes]:
    """CSV that a spreadsheet opens as text, never as a formula."""
    yield ("\ufeff" + ",".join(REASON_COLUMNS) + "\r\n").encode()
    for record in records:
        line = io.StringIO()
        csv.writer(line).writerow(_text(record[name]) for name in REASON_COLUMNS)
        yield line.getvalue().encode()


def _text(value: object) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def page(document: Mapping[str, Any], address: str) -> str:
    """The OpenAPI document as a page that needs nothing from elsewhere: government networks have no internet.

    ``address`` is where this gateway was asked: the example is to be copied."""
    rows = "".join(
        f"<tr><td><code>{method.upper()}</code><td><code>{html.escape(path)}</code>"
        f"<td>{html.escape(operation.get('description', ''))}<td>{_parameters(operation)}"
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    )
    info = document["info"]
    return (
        '<!doctype html><html lang="zh-CN"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{html.escape(info['title'])}</title><style>body{{font:16px/1.5 sans-serif;margin:2rem auto;"
        "max-width:72rem;padding:0 1rem}td{padding:.4rem .8rem .4rem 0;vertical-align:top;border-top:1px solid #ccc}"
        f"</style><h1>{html.escape(info['title'])}</h1><p>{html.escape(info['description'])}</p>"
        f"<pre>{html.escape(_EXAMPLE.replace('ADDRESS', address))}</pre><table>{rows}</table>"
        '<p>机器可读 machine-readable: <a href="/openapi.json">openapi.json</a></p></html>'
    )


_EXAMPLE = """curl --data-binary @marriage.csv -H "Authorization: Bearer $TOKEN" -H "Content-Type: text/csv" \\
     -H "Idempotency-Key: 2024-06" "ADDRESSv1/resources/marriage/pushes?data_date=2024-06-30\""""


def _parameters(operation: Mapping[str, Any]) -> str:
    names = [f"{item['name']} ({item['in']})" for item in operation.get("parameters", [])]
    return html.escape(", ".join(names))
