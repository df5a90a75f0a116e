"""The rows behind a number, a page at a time: of a base table to the city's bureau, of a resource also to its department.

Here belongs the address; which rows and cells are shown is in ``pipelines.dashboard.rows``. That somebody looked is recorded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import polars as pl
from fastapi import APIRouter, Query
from fastapi.responses import Response

from catalog.model import Title
from pipelines.dashboard.accounts import Act
from pipelines.dashboard.rendering import PAGE_ROWS, page, page_at
from pipelines.dashboard.rows import (
    OWN,
    PUSHES,
    TESTS,
    Condition,
    ConditionError,
    chosen,
    masked,
    read_condition,
    shown,
)
from pipelines.dashboard.visits import NOT_FOUND, DeniedError, Visit, Visitor

router = APIRouter()
_NO_CONDITION = Title(zh="地址中的筛选条件不正确", en="a condition in the address is not right")


@router.get("/rows/{table}")
def rows(
    visit: Visitor, table: str, where: Annotated[list[str] | None, Query()] = None, at: int = 1
) -> Response:
    """Rows of a table for which every ``where`` holds."""
    layer, _, name = table.partition(".")
    lake, declared = visit.site.context.lake, visit.site.declared
    if not visit.sees_rows(table) or not lake.exists(layer, name):
        raise DeniedError(404, NOT_FOUND)
    what = shown(lake, declared, (layer, name))
    try:
        conditions = [read_condition(text) for text in where or ()]
        found = chosen(lake, declared, (layer, name), what, conditions)
    except ConditionError:
        raise DeniedError(422, _NO_CONDITION) from None
    visit.site.accounts.record(visit.account.name, Act.VIEW_ROWS, " ".join((table, *(where or ())))[:255])
    total = int(found.select(pl.len()).collect().item())
    at, pages = page_at(at, total)
    cells = masked(found.slice((at - 1) * PAGE_ROWS, PAGE_ROWS), what).collect()
    return page(
        visit,
        "rows.html",
        table=table,
        name=name,
        heading=_title(visit, layer, name),
        conditions=[_said(visit, condition, what.titles) for condition in conditions],
        titles={column: what.titles[column] for column in _in_order(visit, cells.columns, conditions)},
        masked=set(what.masks),
        pushes=PUSHES,
        of_a_push=any(condition.column == "_push" for condition in conditions),
        rows=cells.to_dicts(),
        total=total,
        at=at,
        pages=pages,
        where=where or [],
    )


def _title(visit: Visit, layer: str, name: str) -> Title:
    if layer == "standard":
        return visit.site.context.catalogue.entry(name).title
    return visit.site.titles.get((layer, name), Title(zh=name, en=name))


def _said(visit: Visit, condition: Condition, titles: Mapping[str, Title]) -> str:
    """A condition in words: ``联系电话 有值``."""
    title, value = titles.get(condition.column), condition.value
    if condition.test in ("in", "outside"):
        value = "、".join(map(visit.county_name, value.split(",")))
    entry = visit.site.context.catalogue.entries.get(value)
    words = [
        visit.title(title) if title else condition.column,
        visit.title(TESTS[condition.test].words),
        visit.title(entry.title) if entry else value,
    ]
    return " ".join(words).strip()


def _in_order(visit: Visit, columns: list[str], conditions: list[Condition]) -> list[str]:
    """The columns that are asked about first, what the catalogue declares next, our own and the sources last."""
    asked = [condition.column for condition in conditions]
    other_language = "reason_zh" if visit.language == "en" else "reason_en"

    def rank(column: str) -> tuple[bool, bool, int]:
        return column not in asked, column in OWN or column.endswith("_source"), columns.index(column)

    return sorted((column for column in columns if column != other_language), key=rank)
