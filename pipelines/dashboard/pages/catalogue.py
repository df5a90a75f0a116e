"""The catalogue of public data resources: search, filter, and the whole of it as a spreadsheet.

Here belong its addresses. Everybody who may log in reads the catalogue: departments ask for what they find in it.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from catalog.elements import ELEMENTS
from catalog.model import Entry, Frequency, SharingType
from pipelines.dashboard.accounts import Act
from pipelines.dashboard.rendering import page
from pipelines.dashboard.visits import Visit, Visitor
from pipelines.dashboard.words import OPENING, word
from pipelines.gateway.answers import XLSX

router = APIRouter()


@router.get("/catalogue")
def catalogue(
    visit: Visitor, q: str = "", department: str = "", sharing: str = "", frequency: str = ""
) -> Response:
    """The entries that match, in the order of their departments."""
    found = matching(_readable(visit), q, department, sharing, frequency)
    return page(
        visit,
        "catalogue.html",
        found=found,
        q=q,
        chosen={"department": department, "sharing": sharing, "frequency": frequency},
        sharings=list(SharingType),
        frequencies=list(Frequency),
        states=visit.picture().states,
    )


@router.get("/catalogue.xlsx")
def spreadsheet(
    visit: Visitor, q: str = "", department: str = "", sharing: str = "", frequency: str = ""
) -> Response:
    """The entries that match as a workbook: one sheet of resources, one of their columns."""
    found = matching(_readable(visit), q, department, sharing, frequency)
    visit.site.accounts.record(visit.account.name, Act.DOWNLOAD_CATALOGUE, q)
    headers = {"Content-Disposition": 'attachment; filename="catalogue.xlsx"'}
    return Response(workbook(visit, found), media_type=XLSX, headers=headers)


def matching(
    entries: Sequence[Entry], words: str, department: str, sharing: str, frequency: str
) -> list[Entry]:
    """Entries of this department, sharing type and frequency (empty: any) in which every word is found: in code, titles,
    abstract, subject, or the titles and names of columns."""
    wanted = words.lower().split()
    return sorted(
        (
            entry
            for entry in entries
            if department in ("", entry.department)
            and sharing in ("", entry.sharing.type.value)
            and frequency in ("", entry.frequency.value)
            and all(word in _text(entry) for word in wanted)
        ),
        key=lambda entry: (entry.category, entry.department, entry.code),
    )


def _readable(visit: Visit) -> list[Entry]:
    """Every entry, or where a county was chosen those of its departments: the catalogue itself is everybody's."""
    entries = visit.site.context.catalogue.entries.values()
    cut = visit.sees_city and visit.county
    return [entry for entry in entries if not cut or entry.department in visit.departments]


def workbook(visit: Visit, entries: Sequence[Entry]) -> bytes:
    """The entries in two sheets; every cell is text, never a formula."""
    import xlsxwriter

    sink = io.BytesIO()
    with xlsxwriter.Workbook(sink, {"in_memory": True}) as book:
        resources = _resource_cells(visit)
        _sheet(
            book,
            visit.t("数据资源", "Resources"),
            list(resources),
            [[cell(entry) for cell in resources.values()] for entry in entries],
        )
        columns = _column_cells(visit)
        _sheet(
            book,
            visit.t("信息项", "Columns"),
            list(columns),
            [[cell(entry, name) for cell in columns.values()] for entry in entries for name in entry.columns],
        )
    return sink.getvalue()


def _text(entry: Entry) -> str:
    columns = [f"{name} {column.title}" for name, column in entry.columns.items()]
    parts = (entry.code, entry.catalogue_code, entry.title.zh, entry.title.en, entry.abstract, entry.category)
    return " ".join([*parts, *columns]).lower()


def _resource_cells(visit: Visit) -> dict[str, Callable[[Entry], str]]:
    t, departments = visit.t, visit.site.context.catalogue.departments
    return {
        t("资源代码", "Code"): lambda entry: entry.code,
        t("信息资源代码", "Catalogue code"): lambda entry: entry.catalogue_code,
        t("名称", "Title"): lambda entry: visit.title(entry.title),
        t("摘要", "Abstract"): lambda entry: entry.abstract,
        t("分类", "Category"): lambda entry: entry.category,
        t("数源部门", "Source department"): lambda entry: visit.title(departments[entry.department].title),
        t("更新频率", "Frequency"): lambda entry: word(entry.frequency, visit.language),
        t("共享类型", "Sharing"): lambda entry: word(entry.sharing.type, visit.language),
        t("共享条件", "Conditions"): lambda entry: entry.sharing.conditions or "",
        t("共享依据", "Basis"): lambda entry: entry.sharing.basis or "",
        t("共享范围", "Scope"): lambda entry: entry.sharing.scope or "",
        t("开放属性", "Opening"): lambda entry: visit.title(OPENING[entry.opening.type]),
        t("推送方式", "Ways"): lambda entry: " ".join(
            word(way, visit.language) for way in entry.delivery.ways
        ),
    }


def _column_cells(visit: Visit) -> dict[str, Callable[[Entry, str], str]]:
    t = visit.t
    return {
        t("资源代码", "Resource"): lambda entry, _: entry.code,
        t("资源名称", "Resource title"): lambda entry, _: visit.title(entry.title),
        t("代码", "Name"): lambda _, name: name,
        t("名称", "Title"): lambda entry, name: entry.columns[name].title,
        t("数据元", "Element"): lambda entry, name: visit.title(ELEMENTS[entry.columns[name].element].title),
        t("必填", "Required"): lambda entry, name: t("是", "yes") if entry.columns[name].required else "",
        t("分级", "Grade"): lambda entry, name: str(entry.columns[name].grade.value),
        t("共享类型", "Sharing"): lambda entry, name: word(entry.sharing_of(name), visit.language),
        t("开放属性", "Opening"): lambda entry, name: visit.title(OPENING[entry.opening_of(name)]),
        t("值域", "Values"): lambda entry, name: "、".join(entry.columns[name].values),
    }


def _sheet(book: Any, title: str, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    sheet = book.add_worksheet(title)
    bold, text = book.add_format({"bold": True}), book.add_format({"num_format": "@"})
    sheet.set_column(0, len(headers) - 1, 20, text)
    for place, header in enumerate(headers):
        sheet.write_string(0, place, header, bold)
    for line, cells in enumerate(rows, start=1):
        for place, cell in enumerate(cells):
            sheet.write_string(line, place, cell, text)
    sheet.freeze_panes(1, 0)
    sheet.autofilter(0, 0, max(1, len(rows)), len(headers) - 1)
